"""Erases what was written of one complaint, and who wrote it, in all schemas in one transaction; and says what must not be erased.

As the tables' owner: no service's role may. A second time there is nothing left; only until when that is known moves on.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import UUID

from services.commands import CommandError
from services.commands.connect import REFUSED

if TYPE_CHECKING:
    import asyncpg

    from services.notifier.case import Case
    from services.notifier.clocks import Clockwork
    from shared.postgres import Connection
    from shared.topics import Topics

# UU 27/2022 article 43(1) a to d, and article 44(1): the schedule of retention.
Reason = Literal["retention", "no_longer_needed", "consent_withdrawn", "requested", "unlawful"]
REASONS = get_args(Reason)
# Kafka deletes whole segments: one is closed after a week at the latest, and its records wait for the newest of them.
_SEGMENT = timedelta(days=7)
KEPT = (
    "the complaint's id, its reference and tracking number at its source: so that a report that comes in again is known",
    "dates, service, class, category, channel and province; units, desks, agencies, states, deadlines, what fired: the account needs them",
    "who was shown the unmasked report and when (not what for); who spoke, by key; that a reason was given (not which)",
    "that it was erased, when, why and how much: UU 27/2022 article 31 asks for a record of all processing",
)


class Refused(CommandError):
    """Not erased, and why."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What became of one complaint. `removed` counts rows by table; empty where nothing was left to erase."""

    complaint_id: UUID
    at: datetime
    reason: str
    removed: Mapping[str, int] = field(default_factory=dict)
    earlier: tuple[datetime, ...] = ()

    def to_json(self, topics: "Topics") -> dict[str, Any]:
        """The proof."""
        return {
            "complaint_id": str(self.complaint_id),
            "erased_at": _utc(self.at) if self.removed else None,
            "reason": self.reason,
            "removed": dict(self.removed),
            "earlier": [_utc(at) for at in self.earlier],
            "remaining": 0,  # `erase` looks a second time, also into the timeline's lines, and fails where it finds something
            "kept": list(KEPT),
            "kafka": kafka_until(topics, self.at if self.removed else max(self.earlier, default=self.at)),
            "backups": "a backup made before has the words until it is deleted; restore it with: jalur restore --erased FILE",
        }


def kafka_until(topics: "Topics", at: datetime) -> dict[str, str]:
    """By when each topic has deleted what lies in it now; of a compacted one, all but the last status, which has no words."""
    kept = {topic.name: int(topic.config.get("retention.ms") or topic.config["max.compaction.lag.ms"]) for topic in topics.all()}
    return {name: _utc(at + timedelta(milliseconds=length) + _SEGMENT) for name, length in kept.items()}


async def erase(
    connection: "Connection",
    complaint_id: UUID,
    reason: str,
    *,
    topics: "Topics",
    clockwork: "Clockwork",
    operator: str,
    is_open_too: bool = False,
    is_again: bool = False,
) -> Erasure:
    """Raises `Refused` for what is held, still open (unless told so) or on its way; `CommandError` for what cannot be read or erased.

    `is_again`: it was erased before, and a backup brought it back. Nothing keeps it then, and nobody is told: Kafka knows already.
    """
    from services.intake.erasure import lock_complaint
    from services.notifier import store
    from services.notifier.domain import Setting, revive
    from services.notifier.erasure import mark_erased
    from shared.postgres import read_clock

    async with connection.transaction():
        await connection.execute("SET LOCAL search_path TO notifier, jalur, pg_temp")
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM intake.complaints WHERE id = $1)", complaint_id):
            raise CommandError(f"intake has no complaint {complaint_id}")
        # In the order in which the services lock, each its own: the case, its status, the complaint.
        with _reading("notifier.timeline or notifier.parked", complaint_id):
            case = (await store.lock_cases(connection, [complaint_id]))[complaint_id]
        await lock_complaint(connection, complaint_id)
        revive(case, Setting(clockwork, await read_clock(connection)))
        if not is_again:
            await _refuse_held(connection, complaint_id)
            _refuse_moving(case, is_open_too)
        # Not the transaction's beginning: what was written while this waited for the locks is erased as well.
        at = await connection.fetchval("SELECT jalur.jalur_at(clock_timestamp())")
        earlier = await _earlier(connection, complaint_id)
        removed = await _remove(connection, complaint_id, at)
        if not removed:
            await mark_erased(connection, complaint_id, at)
            return Erasure(complaint_id, at, reason, {}, earlier)
        await connection.execute(
            "INSERT INTO jalur.erasures (complaint_id, erased_at, reason, operator, removed) VALUES ($1, $2, $3, $4, $5::text::jsonb)",
            complaint_id,
            at,
            "restored" if is_again else reason,
            operator,
            json.dumps(removed),
        )
        await _say(connection, complaint_id, Setting(clockwork, at), reason, topics, is_told=not is_again)
        if left := await _remove(connection, complaint_id, at):
            raise CommandError(f"nothing was erased: {', '.join(left)} would still have words of {complaint_id}; this is a bug")
    return Erasure(complaint_id, at, reason, removed, earlier)


async def _remove(connection: "Connection", complaint_id: UUID, at: datetime) -> dict[str, int]:
    """All but the timeline's texts, which are counted: they go only once the erasure is written down."""
    from services.intake.erasure import erase_requests
    from services.notifier.erasure import count_lines_with_words, count_texts, erase_beside
    from services.router.erasure import erase_decisions

    with _reading("notifier.timeline", complaint_id):
        lines = await count_lines_with_words(connection, complaint_id)
    if lines:
        raise CommandError(
            f"{complaint_id} cannot be erased: {lines} line{'s' * (lines > 1)} of its timeline, from before words lay beside the lines, "
            "would keep theirs, and the chain does not hold without them; nothing was erased",
            REFUSED,
        )
    removed = await erase_requests(connection, complaint_id, at)
    received = await connection.fetchval("SELECT received FROM intake.complaints WHERE id = $1", complaint_id)
    with _reading("notifier.reports or notifier.passed_on", complaint_id):
        removed |= await erase_beside(connection, complaint_id, received)
    with _reading("router.decisions", complaint_id):
        removed |= await erase_decisions(connection, complaint_id, at)
    removed["notifier.timeline_texts"] = await count_texts(connection, complaint_id)
    return {table: count for table, count in sorted(removed.items()) if count}


@contextmanager
def _reading(tables: str, complaint_id: UUID) -> Iterator[None]:
    """What is wrong with a row is said without the row: a job's log is no place for a report."""
    try:
        yield
    except ValueError as error:
        raise CommandError(f"{tables} of {complaint_id} cannot be read: {type(error).__name__}") from None


async def _say(connection: "Connection", complaint_id: UUID, setting: Any, reason: str, topics: "Topics", *, is_told: bool) -> None:
    """The case's own line of it, and its status without the words, for intake at once and for whoever reads Kafka."""
    from services.intake.listing_store import NewStatus, record_statuses
    from services.intake.readers import deadlines_of
    from services.notifier import store
    from services.notifier.domain import revive
    from services.notifier.erasure import erase_texts
    from services.notifier.publication import messages_of
    from services.notifier.timeline import ERASED
    from shared.outbox import add_to_outbox

    await erase_texts(connection, complaint_id, setting.now)
    case = (await store.lock_cases(connection, [complaint_id]))[complaint_id]
    revive(case, setting)
    if not case.is_opened:
        return
    case.note(setting.now, f"what was written up to here was erased ({reason})", "operator", ERASED, reason=reason)
    messages = messages_of(case, topics, setting.now)
    status = case.status(case.sequence)
    await store.save_cases(connection, [case], setting.now)
    if is_told:
        await add_to_outbox(connection, messages)
    await connection.execute("SET LOCAL search_path TO intake, jalur, pg_temp")
    await record_statuses(
        connection, [NewStatus(complaint_id, status.sequence, status.state, status.to_json().decode(), deadlines_of(status))]
    )


def _refuse_moving(case: "Case", is_open_too: bool) -> None:
    life = case.life
    if not case.is_opened or life.first_outcome == "undecided" or life.pending:
        raise Refused(f"{case.id} is on its way to a decision, with its words; erase it when it is decided")
    if case.is_open and not is_open_too:
        raise Refused(
            f"{case.id} is {life.state}: whoever must answer it needs its words (UU 27/2022 article 15(1)c); "
            "erase it when it has ended, or now with --open"
        )


async def _refuse_held(connection: "Connection", complaint_id: UUID) -> None:
    held = await find_hold(connection, complaint_id)
    if held is not None:
        raise Refused(f"{complaint_id} is held since {held['said_at']:%Y-%m-%d}: {held['reason']}; release it first: jalur erase release")


async def find_hold(connection: "Connection", complaint_id: UUID) -> "asyncpg.Record | None":
    """The hold in force: its reason, and since when."""
    row = await connection.fetchrow(
        "SELECT is_held, reason, said_at FROM jalur.legal_holds WHERE complaint_id = $1 ORDER BY number DESC LIMIT 1", complaint_id
    )
    return row if row is not None and row["is_held"] else None


async def hold(connection: "Connection", complaint_id: UUID, reason: str, operator: str, *, is_held: bool) -> bool:
    """Hold or release; False where it already is so."""
    from shared.masking import mask

    async with connection.transaction():
        # An erasure that is under way is waited for, and sees the hold after it, or not at all.
        if not await connection.fetchval("SELECT true FROM intake.complaints WHERE id = $1 FOR UPDATE", complaint_id):
            raise CommandError(f"intake has no complaint {complaint_id}")
        if (await find_hold(connection, complaint_id) is not None) is is_held:
            return False
        await connection.execute(
            """
            INSERT INTO jalur.legal_holds (complaint_id, is_held, reason, said_at, operator)
            VALUES ($1, $2, $3, jalur.jalur_now(), $4)
            """,
            complaint_id,
            is_held,
            mask(reason).text,
            operator,
        )
    return True


async def _earlier(connection: "Connection", complaint_id: UUID) -> tuple[datetime, ...]:
    rows = await connection.fetch("SELECT erased_at FROM jalur.erasures WHERE complaint_id = $1 ORDER BY number", complaint_id)
    return tuple(row["erased_at"] for row in rows)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
