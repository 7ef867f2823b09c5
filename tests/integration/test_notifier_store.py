"""Cases on the real database: what is saved comes back whole, each transaction stands alone, and the timeline is only added to."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic_core import from_json

from services.notifier import domain, store
from services.notifier.case import Case
from services.notifier.clocks import Clockwork
from services.notifier.handlers import Notifier
from services.notifier.inputs import Input
from services.notifier.timeline import Line, broken_at
from shared.events import CaseStatus, FollowUp
from shared.metrics import NotifierMetrics
from shared.outbox import Relay
from shared.postgres import Pool, open_pool, transaction
from shared.publisher import Publisher
from shared.records import Record
from shared.settings import Settings
from tests.bus import message_of
from tests.facts import MONDAY, Fact, changed, decided, hours, received, routed, updated
from tests.memory import CLOCKWORK, TOPICS

DAY = timedelta(days=1)


class Office:
    """The notifier's use cases on a database, without a broker: records are handed over, and what it would say lies in its outbox."""

    def __init__(self, pool: Pool, dsn: str) -> None:
        settings = Settings("notifier", "127.0.0.1:1", dsn, clock_is_settable=True)
        metrics = NotifierMetrics()
        relay = Relay(dsn, "notifier", Publisher(settings), metrics.outbox)  # never run: nothing leaves
        self.pool = pool
        self.notifier = Notifier(CLOCKWORK, pool, relay, TOPICS, metrics)
        self._offsets = count()

    async def read(self, *facts: Fact, at: datetime | None = None) -> None:
        """One batch, one transaction; updates count from `at`, as Kafka's clock says."""
        batch: list[tuple[Record, Input]] = []
        for fact in facts:
            message = message_of(TOPICS, fact)
            stamp = int((at or MONDAY).timestamp() * 1000)
            batch.append((Record(message.topic, 0, next(self._offsets), stamp, message.key, message.value, {}, ()), fact))
        await self.notifier.apply_batch(batch)

    async def said(self) -> list[FollowUp]:
        """Follow-ups in the order they were left, each once."""
        rows = await self.pool.fetch("SELECT headers, value FROM outbox WHERE topic LIKE '%follow-ups%' ORDER BY id")
        return [
            FollowUp.model_validate_json(value)
            for value in {dict(from_json(row["headers"]))["ce_id"]: row["value"] for row in rows}.values()
        ]

    async def status(self, case: UUID) -> CaseStatus:
        value = await self.pool.fetchval(
            "SELECT value FROM outbox WHERE topic = $1 AND key = $2 ORDER BY id DESC LIMIT 1", TOPICS.status, case.bytes
        )
        return CaseStatus.model_validate_json(value)

    async def parked(self) -> list[UUID]:
        return [row["complaint_id"] for row in await self.pool.fetch("SELECT complaint_id FROM parked ORDER BY counts_at, id")]


@pytest.fixture
async def office(dsn: str) -> AsyncIterator[Office]:
    pool = await open_pool(dsn, service="notifier")
    yield Office(pool, dsn)
    await pool.close()


def setting(now: datetime, clockwork: Clockwork = CLOCKWORK) -> domain.Setting:
    return domain.Setting(clockwork, now)


async def load(pool: Pool, *ids: UUID) -> dict[UUID, Case]:
    async with transaction(pool) as connection:
        cases = await store.lock_cases(connection, ids)
    for case in cases.values():
        domain.revive(case, setting(MONDAY))
    return cases


def kept_of(case: Case) -> dict[str, Any]:
    """All that must come back; what only one transaction needs is none of it."""
    return {
        name: getattr(case, name)
        for name in (
            "id",
            "sequence",
            "timed_by",
            "clocks",
            "refused",
            "told",
            "entries",
            "head",
            "life",
            "is_open",
            "is_watched",
            "due_at",
        )
    } | {
        "facts": Counter(case.facts),
        "parked": {item.id: item for item in case.parked},
        "recent": [(item.at, item.what, item.by) for item in case.recent],
    }


def rich_facts(case: UUID) -> list[tuple[datetime, list[Fact]]]:
    """Several parts, a pause, an extension asked in vain, a return and its answer, an order, an answer, a reply, a disclosure."""
    source: dict[str, Any] = {"source": "loket"}
    fields: dict[str, Any] = source | {"class": "pengaduan", "reported_at": hours(0)}

    def change(kind: str, at: float, **said: Any) -> Fact:
        return changed(case, kind, hours(at), **source | said)

    order = {"replaces": ["0/2"], "order": {"agency": "Polri"}, "reason": "pidana"}
    first = decided(case, "imigrasi/kanim:kupang", "ahu", "triage", at=hours(1), **fields)
    return [
        (hours(0), [received(case, hours(0), **source, **{"class": "pengaduan"}), *first]),
        (hours(2), [updated(case, "accepted"), updated(case, "returned", "ahu", reason="bukan wewenang", suggested_unit="ki")]),
        (hours(3), [change("update", 3, by="admin", fields={"status": "need_info", "unit": None, "reason": "KTP?"})]),
        (hours(30), [change("completed", 30, fields={"title": "Paspor dan merek"})]),
        (hours(31), [*decided(case, "ki", at=hours(31), decision=1, **fields)]),
        (hours(32), [change("decision", 32, by="triage", fields=order)]),
        (hours(33), [change("disclosure", 33, by="unit:imigrasi", fields={"purpose": "memeriksa", "unit": "imigrasi"})]),
        (hours(34), [updated(case, "answered", outcome="selesai"), updated(case, "extended", reason="rumit")]),
    ]


async def test_a_case_comes_back_from_the_database_as_it_was_saved(office: Office) -> None:
    case = uuid4()
    for at, facts in rich_facts(case):
        await office.read(*facts, at=at)
        assert await office.notifier.sweep(at) <= 1
    await office.notifier.sweep(hours(24 * 30))
    async with transaction(office.pool) as connection:
        held = (await store.lock_cases(connection, [case]))[case]
        domain.revive(held, setting(MONDAY))
        assert domain.learn(held, [], setting(MONDAY)) == []
        before = kept_of(held)
        await store.save_cases(connection, [held], hours(0))
    again = (await load(office.pool, case))[case]
    assert kept_of(again) == before
    assert {item.outcome for item in again.life.parts.values()} == {"routed", "held"}
    assert [(item.unit, item.state) for item in again.life.assignments.values()] == [
        ("imigrasi", "answered"),
        ("ahu", "returned"),
        ("ki", "assigned"),
    ]
    assert again.life.pauses == [(hours(3), hours(30))]
    assert [item.fact.status for item in again.parked if item.kind == "said"] == ["extended"]  # type: ignore[union-attr]
    assert len(again.life.pending) == 1 and not any(clock.next_at and clock.next_at <= hours(24 * 30) for clock in again.clocks)
    fired = [firing for clock in again.clocks for firing in clock.fired]
    assert len(fired) > 6 and all(type(firing.instant) is datetime for firing in fired)
    await office.notifier.sweep(hours(24 * 30))
    assert kept_of((await load(office.pool, case))[case]) == before


async def test_a_stored_line_is_never_changed_nor_taken_away_and_the_chain_says_so_if_it_is(
    office: Office, postgres: Any, dsn: str
) -> None:
    case = uuid4()
    for at, facts in rich_facts(case):
        await office.read(*facts, at=at)
    for statement in (
        "UPDATE timeline SET what = 'nothing' WHERE number = 1",
        "UPDATE timeline SET hash = ''",
        "DELETE FROM timeline WHERE number = 2",
        "TRUNCATE timeline",
        "INSERT INTO timeline SELECT * FROM timeline ON CONFLICT (complaint_id, number) DO UPDATE SET what = ''",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added to"):
            await office.pool.execute(statement)
    row = await office.pool.fetchrow("SELECT entries, head FROM cases WHERE id = $1", case)
    assert row is not None
    assert broken_at(await lines(office.pool, case), row["entries"], row["head"]) is None
    async with transaction(office.pool) as connection:  # whoever owns the table can still do it, and is found out
        await connection.execute("ALTER TABLE timeline DISABLE TRIGGER USER")
        await connection.execute("UPDATE timeline SET at = at + interval '1 day' WHERE number = 3")
        await connection.execute("ALTER TABLE timeline ENABLE TRIGGER USER")
    assert broken_at(await lines(office.pool, case), row["entries"], row["head"]) == "line 3 was changed"


async def lines(pool: Pool, case: UUID) -> list[Line]:
    rows = await pool.fetch("SELECT * FROM timeline WHERE complaint_id = $1 ORDER BY number", case)
    return [Line(**dict(row)) for row in rows]


async def test_what_waits_for_its_case_is_taken_or_refused_once(office: Office) -> None:
    taken, refused, unknown = uuid4(), uuid4(), uuid4()
    early = updated(taken, "accepted")
    foreign = updated(refused, "answered", "ahu")
    closing = changed(unknown, "withdrawn", hours(1))
    await office.read(early, foreign, updated(unknown, "accepted"), closing, at=hours(1))
    assert Counter(await office.parked()) == Counter({taken: 1, refused: 1, unknown: 2})
    await office.read(early, foreign, at=hours(2))
    assert len(await office.parked()) == 4, "a repeat waits once"
    await office.read(*(fact for case in (taken, refused) for fact in (received(case), routed(case))))
    assert Counter(await office.parked()) == Counter({refused: 1, unknown: 2})
    assert (await office.status(taken)).assignments[0].state == "accepted"

    assert await office.notifier.refuse_expired(hours(2) - timedelta(seconds=1)) == 0, "not before its hour is over"
    assert await office.notifier.refuse_expired(hours(2)) == 2
    assert await office.notifier.refuse_expired(hours(200)) == 0
    assert await office.parked() == [unknown], "what a source said is never refused"
    refusals = {item.complaint_id: item for item in await office.said()}
    assert set(refusals) == {refused, unknown}
    assert refusals[unknown].sequence is None
    await office.read(foreign, at=hours(3))
    assert len(await office.said()) == 2
    kept = (await load(office.pool, refused))[refused]
    assert len(kept.refused) == 1 and kept.parked == []
    await office.read(received(unknown))
    assert await office.parked() == []
    assert (await office.status(unknown)).state == "withdrawn"


async def test_what_happens_to_a_lead_happens_to_the_cases_merged_into_it(office: Office) -> None:
    lead, answered, closing, orphan = (uuid4() for _ in range(4))
    everybody = (lead, answered, closing, orphan)
    await office.read(*(fact for case in everybody for fact in (received(case), routed(case))))
    await office.read(*(updated(item, "merged", into=into) for item, into in ((answered, lead), (orphan, closing))), at=hours(1))
    assert {str((await office.status(item)).state) for item in (answered, orphan)} == {"merged"}
    await office.notifier.sweep(hours(24 * 20))
    assert {item.complaint_id for item in await office.said()} == {lead, closing}, "a merged case is silent"
    await office.read(updated(lead, "answered", outcome="selesai"), changed(closing, "withdrawn", hours(24 * 20)), at=hours(24 * 20))
    assert await office.pool.fetchval("SELECT count(*) FROM passed_on") == 2
    assert await office.notifier.take_passed_on() == 2
    assert await office.notifier.take_passed_on() == 0
    told = await office.status(answered)
    assert [(item.unit, item.outcome, item.at) for item in told.answers] == [("imigrasi", "selesai", hours(24 * 20))]
    assert [item.state for item in told.assignments] == ["answered"]
    freed = await office.status(orphan)
    assert (freed.state, freed.merged_into) == ("assigned", None)
    assert await office.notifier.sweep(hours(24 * 20)) == 1
    assert orphan in {item.complaint_id for item in await office.said()}, "its own clocks speak again"
    await office.read(updated(orphan, "merged", into=lead), at=hours(24 * 20 + 1))
    assert await office.parked() == [orphan], "one that is answered takes no more"


async def test_a_merge_that_came_before_its_case_waits_for_it_and_asks_then_what_became_of_the_lead(office: Office) -> None:
    lead, gone, early, late = (uuid4() for _ in range(4))
    await office.read(*(fact for case in (lead, gone) for fact in (received(case), routed(case))))
    await office.read(updated(early, "merged", into=lead), updated(late, "merged", into=gone), at=hours(1))
    await office.read(changed(gone, "withdrawn", hours(2)))
    assert Counter(await office.parked()) == Counter({early: 1, late: 1})
    await office.read(*(fact for case in (early, late) for fact in (received(case), routed(case))))
    assert ((await office.status(early)).state, (await office.status(early)).merged_into) == ("merged", lead)
    assert (await office.status(late)).state == "assigned"
    assert await office.parked() == [late]


async def test_a_case_that_is_free_again_is_not_merged_unseen_by_what_waited(office: Office) -> None:
    """Of a lead that is not locked nothing is known: what is parked must not take it for open."""
    lead, other, member = (uuid4() for _ in range(3))
    await office.read(*(fact for case in (lead, other) for fact in (received(case), routed(case))))
    await office.read(received(member), routed(member))
    await office.read(updated(member, "merged", into=lead), at=hours(1))
    await office.read(updated(member, "merged", into=other), at=hours(3))
    assert await office.parked() == [member]
    await office.read(changed(other, "closed", hours(2)), changed(lead, "withdrawn", hours(2)))
    assert await office.notifier.take_passed_on() == 1
    assert (await office.status(member)).merged_into is None
    assert await office.parked() == [member]


async def test_two_replicas_never_hold_one_case_and_never_wait_for_each_other_to_sweep(office: Office) -> None:
    cases = [uuid4() for _ in range(6)]
    await office.read(*(fact for case in cases for fact in (received(case), routed(case))))
    until = hours(24 * 30)
    async with transaction(office.pool) as one, transaction(office.pool) as other:
        first = {row["id"]: row for row in await store.claim_due(one, until, 4)}
        second = {row["id"]: row for row in await store.claim_due(other, until, 4)}
        assert (len(first), len(second)) == (4, 2)
        assert not set(first) & set(second)
        assert await store.claim_due(other, until, 4, second) == []
    async with transaction(office.pool) as one:
        held = await store.lock_cases(one, cases[:1])
        waiting = asyncio.create_task(office.read(updated(cases[0], "answered"), at=hours(5)))
        await until_waiting(office.pool)
        case = held[cases[0]]
        domain.revive(case, setting(until))
        domain.fire(case, until, setting(until))
        await store.save_cases(one, [case], until)
    await waiting
    status = await office.status(cases[0])
    back = {(item.code, item.level) for item in await office.said() if item.kind == "rescinded"}
    assert status.assignments[0].state == "answered"
    assert ("LAPOR_TINDAK_LANJUT", 0) in back, "who came second saw what the first had fired"
    numbers = [row[0] for row in await office.pool.fetch("SELECT number FROM timeline WHERE complaint_id = $1 ORDER BY 1", cases[0])]
    assert numbers == list(range(1, len(numbers) + 1))


async def until_waiting(pool: Pool) -> None:
    while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        await asyncio.sleep(0.01)


async def test_opposite_merges_at_once_do_not_block_each_other(office: Office) -> None:
    """Both transactions lock both cases, in the order of their ids; whoever comes second is told no."""
    one, other = uuid4(), uuid4()
    await office.read(*(fact for case in (one, other) for fact in (received(case), routed(case))))
    async with asyncio.timeout(20):
        await asyncio.gather(
            office.read(updated(one, "merged", into=other), at=hours(1)), office.read(updated(other, "merged", into=one), at=hours(1))
        )
    states = sorted([(await office.status(item)).state for item in (one, other)])
    assert states == ["assigned", "merged"]
    assert len(await office.parked()) == 1


async def test_a_transaction_that_is_rolled_back_leaves_nothing_and_is_done_again_the_same(office: Office) -> None:
    case = uuid4()
    facts = [received(case), *decided(case, "imigrasi"), updated(case, "returned", reason="bukan wewenang")]
    await office.pool.execute("ALTER TABLE outbox ADD CONSTRAINT is_full CHECK (false) NOT VALID")
    with pytest.raises(asyncpg.CheckViolationError):
        await office.read(*facts, at=hours(1))
    for table in ("cases", "timeline", "facts", "reports", "outbox", "watermarks"):
        assert await office.pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    await office.pool.execute("ALTER TABLE outbox DROP CONSTRAINT is_full")
    for _ in range(2):
        await office.read(*facts, at=hours(1))
    requests = await office.pool.fetch("SELECT headers FROM outbox WHERE topic = $1", TOPICS.reroutes)
    assert len(requests) == 1
    assert (await office.status(case)).state == "held"


async def test_older_timed_cases_are_worked_out_anew_once(office: Office) -> None:
    case, done = uuid4(), uuid4()
    await office.read(*(fact for item in (case, done) for fact in (received(item), routed(item))))
    await office.read(changed(done, "closed", hours(1)))
    later = Clockwork(CLOCKWORK.policies.model_copy(update={"version": "2099-01-01"}), CLOCKWORK.calendar, CLOCKWORK.directory)
    office.notifier.clockwork = later
    assert await office.notifier.retime() == 1
    assert await office.notifier.retime() == 0
    assert (await load(office.pool, case))[case].timed_by == later.version
    assert await office.said() == [item for item in await office.said() if item.kind == "closed"], "nothing moved, nothing is said"
