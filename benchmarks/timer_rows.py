"""Cases by the hundred thousand in the notifier's tables: one is made by the notifier's own moves, then multiplied by SQL with new ids.

Every row is as the notifier would have stored it: facts with the case's ids, clocks that the calendar and the policies give, and a
timeline whose hashes hold.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import AIOKafkaProducer
from pydantic_core import to_json

from benchmarks import reports
from services.notifier import domain, reading
from services.notifier.calendar import load_calendar
from services.notifier.case import Case
from services.notifier.clocks import Clockwork
from services.notifier.domain import Setting
from services.notifier.facts import Reported, Said
from services.notifier.policy import load_policies
from services.notifier.store import row_of
from services.notifier.timeline import lines_of
from shared.envelope import Message, assignment_id, enclose, part_id, received_id, refused_update_id
from shared.events import ComplaintReceived, ComplaintRouted, DecisionPart
from shared.topics import Topics
from shared.units import load_directory

COMPLAINT = UUID("c0c0c0c0-0000-4000-8000-000000000001")
ASSIGNMENT = assignment_id(COMPLAINT, 0, 0)
UNIT, DESK = "imigrasi", "kanim:kupang"
ZONE = ZoneInfo("Asia/Makassar")
# A Monday without holidays near it; the unit's five days end on the Monday after at the close of office.
ROUTED_AT = datetime(2026, 7, 6, 9, tzinfo=ZONE).astimezone(UTC)
CLOSE = datetime(2026, 7, 13, 16, tzinfo=ZONE).astimezone(UTC)
_COLUMNS = (
    "id, is_opened, source, reported_at, state, first_outcome, is_oversight, is_open, is_watched, has_owner, merged_into, sequence,"
    " timed_by, next_due_at, due_at, clocks, told, entries, head"
)


def clockwork() -> Clockwork:
    return Clockwork(load_policies(), load_calendar(), load_directory())


def template(routed_at: datetime, fired_until: datetime | None, clocks: Clockwork) -> tuple[Case, list[Any]]:
    """A case that its unit accepted, with what has fired by then; and the lines of its timeline."""
    reported = Reported(
        routed_at, routed_at, "lapor", "5049672", "sp4n", "web", None, "pengaduan", "Nusa Tenggara Timur", "verified", False, True
    )
    part = ComplaintRouted(
        complaint_id=COMPLAINT, source="lapor", source_ref="5049672", title="", text="", reported_at=routed_at, accepted_at=routed_at,
        decision=0, part=0, parts=(DecisionPart(destination=UNIT, leading=True),), assignment_id=ASSIGNMENT, unit=UNIT, desk=DESK,
        copies=("kanwil:nusa-tenggara-timur",), class_="pengaduan", decided_by="router", rules_version="1", decided_at=routed_at,
    )  # fmt: skip
    accepted = Said(refused_update_id(UNIT, "1"), routed_at, f"unit:{UNIT}", UNIT, "accepted", named="1", assignment_id=ASSIGNMENT)
    case, lines = Case(COMPLAINT), []
    for at, facts in ((routed_at, [reported]), (routed_at, [reading.decided(part)]), (routed_at, [accepted])):
        domain.learn(case, facts, Setting(clocks, at))
        lines += lines_of(case, at, bytes)
        case.noted = []
    if fired_until is not None:
        domain.fire(case, fired_until, Setting(clocks, fired_until))
        lines += lines_of(case, fired_until, bytes)
        case.noted = []
    case.next_sequence()
    return case, lines


@dataclass(frozen=True, slots=True)
class Rows:
    """What a table is filled from: the texts of one case, whose ids and instants are replaced in each copy."""

    case: Case
    lines: list[Any]

    @property
    def open_clocks(self) -> int:
        return sum(clock.next_at is not None for clock in self.case.clocks)


def due_rows() -> Rows:
    """The unit's five days end next; the reminder before has fired."""
    case, lines = template(ROUTED_AT, CLOSE - timedelta(minutes=5), clockwork())
    assert case.next_due_at == CLOSE
    return Rows(case, lines)


def open_rows() -> Rows:
    """Nothing is due for days."""
    case, lines = template(CLOSE - timedelta(hours=7), None, clockwork())
    assert case.next_due_at is not None and case.next_due_at > CLOSE + timedelta(days=2)
    return Rows(case, lines)


async def fill(connection: asyncpg.Connection, rows: Rows, count: int, due_at: datetime | None = None) -> None:
    """Add `count` copies. `due_at`: the instant at which the next level is due instead of its own."""
    case, own_due = rows.case, rows.case.next_due_at
    assert own_due is not None

    def moved(text: str | None) -> str | None:
        return text.replace(_stamp(own_due), _stamp(due_at)) if text is not None and due_at is not None else text

    await connection.execute("CREATE TEMP TABLE made (id uuid, assignment uuid, head bytea DEFAULT '') ON COMMIT DROP")
    await connection.execute(
        "INSERT INTO made (id, assignment) SELECT gen_random_uuid(), gen_random_uuid() FROM generate_series(1, $1)", count
    )
    before = b""
    for line in rows.lines:
        # The hash as timeline.py makes it, over the same text with the copy's own ids in it.
        digested = json.dumps(
            [str(COMPLAINT), line.number, _utc(line.at), _utc(line.noted_at), line.kind, line.what, line.by, line.fact, line.data],
            ensure_ascii=False, separators=(",", ":"),
        )  # fmt: skip
        assert sha256(before + digested.encode()).digest() == line.hash
        before = line.hash
        await connection.execute(f"UPDATE made SET head = sha256(head || convert_to({_SUBSTITUTED.format(1)}, 'UTF8'))", digested)
        await connection.execute(
            f"""
            INSERT INTO timeline (complaint_id, number, at, noted_at, kind, what, by, fact, data, hash)
            SELECT id, $4, $5, $6, $7, $8, $9, {_SUBSTITUTED.format(1)}, {_SUBSTITUTED.format(2)}, head FROM made WHERE $3::int IS NULL
            """,
            line.fact, line.data, None, line.number, line.at, line.noted_at, line.kind, line.what, line.by,
        )  # fmt: skip
    values = list(row_of(case))
    values[13], values[14], values[15] = due_at or values[13], due_at or values[14], moved(values[15])
    marks = ["id", *(f"${number}" for number in range(1, 14)), "$14", _SUBSTITUTED.format(15), "$16", "$17", "head"]
    marks[15], marks[16], marks[17] = _SUBSTITUTED.format(15), "$16", "$17"
    await connection.execute(f"INSERT INTO cases ({_COLUMNS}) SELECT {', '.join(marks)} FROM made", *values[1:18])


_SUBSTITUTED = f"replace(replace(${{0}}::text, '{COMPLAINT}', id::text), '{ASSIGNMENT}', assignment::text)"


def _stamp(at: datetime) -> str:
    """As the clocks' JSON has it."""
    return to_json(at).decode().strip('"')


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


async def empty(connection: asyncpg.Connection) -> None:
    """Take every case away; the timeline refuses that otherwise."""
    await connection.execute(
        "SET session_replication_role = replica; TRUNCATE cases, timeline, timeline_texts, outbox, parked, facts, reports;"
        " RESET session_replication_role"
    )


async def produce_reports(bootstrap: str, count: int, at: datetime, salt: int) -> None:
    """Reports as intake publishes them, and their routing as the router does: all the former, then all the latter."""
    topics = Topics()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, max_batch_size=128 * 1024)
    await producer.start()
    try:
        for is_routing in (False, True):
            sent = []
            for number in range(count):
                complaint_id = uuid5(COMPLAINT, f"{salt}/{number}")
                message = _routing(topics, complaint_id, number, at) if is_routing else _report(topics, complaint_id, number, at)
                sent.append(await producer.send(message.topic, message.value, key=message.key, headers=list(message.headers)))
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _said_by_source(complaint_id: UUID, number: int, at: datetime) -> dict[str, Any]:
    report = reports.body(number)
    return {key: report[key] for key in ("source_ref", "title", "text", "location")} | {
        "complaint_id": complaint_id, "source": "lapor", "reported_at": at, "accepted_at": at, "source_status": "Sedang diproses",
    }  # fmt: skip


def _report(topics: Topics, complaint_id: UUID, number: int, at: datetime) -> Message:
    payload = ComplaintReceived.model_validate(_said_by_source(complaint_id, number, at) | {"source_state": "verified"})
    return enclose(
        payload, topic=topics.received, complaint_id=complaint_id, event_id=received_id(complaint_id), source="intake", at=at
    )  # fmt: skip


def _routing(topics: Topics, complaint_id: UUID, number: int, at: datetime) -> Message:
    fields = {
        "decision": 0, "part": 0, "parts": [{"destination": UNIT, "leading": True}], "assignment_id": assignment_id(complaint_id, 0, 0),
        "unit": UNIT, "desk": DESK, "copies": ["kanwil:nusa-tenggara-timur"], "class": "pengaduan", "decided_by": "router",
        "rules_version": "1", "decided_at": at,
    }  # fmt: skip
    payload = ComplaintRouted.model_validate(_said_by_source(complaint_id, number, at) | fields)
    event_id = part_id(received_id(complaint_id), 0)
    return enclose(payload, topic=topics.routed(UNIT), complaint_id=complaint_id, event_id=event_id, source="router", at=at)
