"""Two notifiers, killed between claim, write and publish, rolled and scaled: each deadline is told once, at its instant, and stays true."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import psutil

from services.notifier.calendar import load_calendar
from services.notifier.timeline import Line, broken_at
from shared.events import FollowUp
from shared.units import UNIT_SLUGS
from tests.bus import caught_up, put
from tests.facts import changed, received, routed, updated
from tests.oracle import ZONES, due
from tests.processes import ServiceProcess
from tests.world import World, event_ids, until

# A Monday morning in Jakarta ahead of every real one, far from holidays and Ramadan.
START = datetime(2040, 7, 9, 1, 0, tzinfo=UTC)
OFF = load_calendar().days_off
# Working days after the start at which each level is due, by the clock that it is of.
LEVELS = {
    "TERIMA_PENUGASAN": {0: 1, 1: 2, 2: 3},
    "LAPOR_VERIFIKASI": {-1: 2, 0: 3, 1: 4, 2: 6},
    "LAPOR_TINDAK_LANJUT": {-1: 4, 0: 5, 1: 6, 2: 8, 3: 10},
}
DEADLINE = {"TERIMA_PENUGASAN": 1, "LAPOR_VERIFIKASI": 3, "LAPOR_TINDAK_LANJUT": 5}
FIRINGS = ("reminder", "due", "overdue", "escalated", "unacknowledged")
Gate = Literal["timeline", "outbox", "published"]
GATES: dict[Gate, tuple[int, str]] = {
    "timeline": (1, "INSERT ON notifier.timeline"),  # cases are claimed and fired, nothing is written
    "outbox": (2, "INSERT ON notifier.outbox"),  # cases and timeline are written, nothing is committed
    "published": (3, "DELETE ON notifier.outbox"),  # Kafka has acknowledged, the outbox still has it
}
Firing = tuple[UUID, str, int]


def instant(working_days: int) -> datetime:
    at = due(START, working_days, ZONES[None], OFF)
    assert at is not None
    return at


class Load:
    """What the cases were told, and what must be said of them by then."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cases: list[UUID] = []
        self.stops: dict[tuple[UUID, str], datetime] = {}

    async def report(self, number: int) -> None:
        cases = [uuid4() for _ in range(number)]
        self.cases += cases
        await put(self.world, *(fact for case in cases for fact in (received(case, START), routed(case, at=START))))

    async def accept(self, cases: Iterable[UUID]) -> None:
        await self._say(cases, "accepted", ("TERIMA_PENUGASAN",))

    async def answer(self, cases: Iterable[UUID]) -> None:
        await self._say(cases, "answered", tuple(LEVELS))

    async def withdraw(self, cases: Sequence[UUID]) -> None:
        now = await self.world.now()
        await put(self.world, *(changed(case, "withdrawn", now) for case in cases))
        self._stopped(cases, tuple(LEVELS), now)

    async def _say(self, cases: Iterable[UUID], status: str, codes: tuple[str, ...]) -> None:
        now = await self.world.now()
        await put(self.world, *(updated(case, status) for case in cases))
        self._stopped(cases, codes, now)

    def _stopped(self, cases: Iterable[UUID], codes: tuple[str, ...], at: datetime) -> None:
        for case in cases:
            for code in codes:
                self.stops.setdefault((case, code), at)

    def expected(self, now: datetime) -> set[Firing]:
        """Every level due by now whose clock had not stopped at its instant."""
        return {
            (case, code, level)
            for case in self.cases
            for code, levels in LEVELS.items()
            for level, days in levels.items()
            if (at := instant(days)) <= now and ((stop := self.stops.get((case, code))) is None or at < stop)
        }

    async def jump(self, working_days: int) -> None:
        """To just past that close of office."""
        await self.world.set_now(instant(working_days) + timedelta(minutes=5))

    async def until_fired(self) -> None:
        count = len(self.expected(await self.world.now()))
        await until(f"{count} levels have fired", lambda: fired(self.world, count))


async def fired(world: World, count: int) -> bool:
    return bool(await world.db.fetchval("SELECT count(*) FROM notifier.timeline WHERE kind = 'fired'") >= count)


async def build_gates(world: World) -> None:
    """Places at which the notifier's sessions wait while the test holds them shut."""
    await world.db.execute(
        "CREATE FUNCTION notifier.wait_here() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::bigint); RETURN NULL; END $$"
    )
    for name, (key, where) in GATES.items():
        await world.db.execute(f"CREATE TRIGGER gate_{name} BEFORE {where} FOR EACH STATEMENT EXECUTE FUNCTION notifier.wait_here({key})")


@asynccontextmanager
async def shut(world: World, gate: Gate) -> AsyncIterator[Any]:
    """Gives how to wait until so many sessions wait there."""
    connection = await asyncpg.connect(world.dsn)
    key, _ = GATES[gate]

    async def stand(count: int) -> bool:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted"
        return bool(await world.db.fetchval(waiting, key) >= count)

    try:
        await connection.execute("SELECT pg_advisory_lock($1)", key)
        yield lambda count=1: until(f"{count} sessions stand before {gate}", lambda: stand(count))
    finally:
        await connection.close()


async def standing(world: World) -> int:
    """The ordinal of the replica that stands before a gate."""
    port = await world.db.fetchval(
        "SELECT client_port FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND NOT granted LIMIT 1"
    )
    pid = next(item.pid for item in psutil.net_connections("tcp") if item.laddr and item.laddr.port == port and item.pid)
    return int(psutil.Process(pid).environ()["JALUR_REPLICA"])


async def cut_off(world: World) -> None:
    """End the sessions that stand before a gate: the server would finish a dead client's statement once it is let through."""
    waiting = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    await world.db.execute(waiting)


async def test_every_level_is_told_once_and_true_through_kills_rolls_and_scaling(world: World, tmp_path: Path) -> None:
    await world.set_now(START)
    one, other = (ServiceProcess(world, "notifier", tmp_path, replica) for replica in (0, 1))
    load = Load(world)
    await load.report(240)
    await one.start().until_ready()
    try:
        await load.accept(load.cases[1:240:4])
        await caught_up(world, "notifier")
        await build_gates(world)
        await live_through(load, one, other)
    finally:
        for process in (one, other):
            process.stop()
    await check_follow_ups(load)
    await check_timelines(world, len(load.cases))


async def live_through(load: Load, one: ServiceProcess, other: ServiceProcess) -> None:
    world, cases = load.world, load.cases
    async with shut(world, "timeline") as until_they_stand:  # one dies between claim and write
        await load.jump(1)
        await until_they_stand()
        one.kill()
    one.start()
    other.start()  # 1 → 2, while more comes in
    await load.report(120)
    await load.until_fired()
    await other.until_ready()

    async with shut(world, "outbox") as until_they_stand:  # whoever of the two was first has written, and dies before it can commit
        await load.jump(2)
        await until_they_stand()
        first = (one, other)[await standing(world)]
        first.kill()
    first.start()
    await load.until_fired()

    async with shut(world, "published") as until_they_stand:  # both die after Kafka had it, before the outbox knew
        await load.jump(3)
        await until_they_stand()
        await load.until_fired()
        one.kill()
        other.kill()
        await cut_off(world)
        await load.answer(cases[2::4])  # lies in Kafka while nobody is there
        await load.withdraw(cases[3::8])
        await load.jump(4)
    one.start()
    other.start()
    await load.until_fired()

    await load.jump(5)
    for process in (one, other):  # a roll
        process.stop()
        await process.start().until_ready()
    await load.until_fired()
    await load.answer(cases[0::8])
    await caught_up(world, "notifier")

    begun = await world.db.fetchval("SELECT count(*) FROM notifier.timeline WHERE kind = 'fired'")
    await load.jump(6)
    await until("some of them have fired", lambda: fired(world, begun + 1))
    other.kill()
    other.start()
    await load.until_fired()
    other.stop()  # 2 → 1
    await load.jump(11)
    await load.until_fired()
    await caught_up(world, "notifier")


async def check_follow_ups(load: Load) -> None:
    world = load.world
    records = await world.records(*(world.topics.follow_ups(who) for who in (*UNIT_SLUGS, "triage")))
    said: dict[str, FollowUp] = {}
    for record, event_id in zip(records, event_ids(records), strict=True):
        item = FollowUp.model_validate_json(record.value or b"")
        assert said.setdefault(event_id, item) == item, "one id says one thing"
    copies = Counter((record.topic, event_id) for record, event_id in zip(records, event_ids(records), strict=True))
    assert max(copies.values()) > 1, "the kill after the publishing was one: some of it was told twice, under one id"
    assert {item.kind for item in said.values()} - set(FIRINGS) <= {"closed"}, "nothing was taken back"
    firings = [item for item in said.values() if item.kind in FIRINGS]
    told = Counter((item.complaint_id, item.code, item.level) for item in firings)
    assert told == Counter(load.expected(await world.now()))
    assert {item.occurrence for item in firings} == {1}
    by_case: dict[UUID, list[FollowUp]] = {}
    for item in firings:
        assert item.code is not None and item.level is not None
        at = instant(LEVELS[item.code][item.level])
        assert item.emitted_at >= at, "not early"
        assert item.due_at == instant(DEADLINE[item.code])
        assert item.late_by_seconds == (item.emitted_at - at).total_seconds()
        by_case.setdefault(item.complaint_id, []).append(item)
    for items in by_case.values():
        in_order = sorted(items, key=lambda item: item.sequence or 0)
        instants = [instant(LEVELS[item.code or ""][item.level or 0]) for item in in_order]
        assert instants == sorted(instants), "in the order in which they were due"


async def check_timelines(world: World, count: int) -> None:
    heads = await world.db.fetch("SELECT id, entries, head, sequence, next_due_at, is_open, is_watched, has_owner FROM notifier.cases")
    assert len(heads) == count
    lines: dict[UUID, list[Line]] = {}
    for row in await world.db.fetch("SELECT * FROM notifier.timeline ORDER BY complaint_id, number"):
        lines.setdefault(row["complaint_id"], []).append(Line(**dict(row)))
    now = await world.now()
    for row in heads:
        assert broken_at(lines[row["id"]], row["entries"], row["head"]) is None
        assert row["next_due_at"] is None or row["next_due_at"] > now
    statuses = await world.records(world.topics.status)
    last: dict[bytes, int] = {}
    by_number: dict[tuple[bytes, int], bytes] = {}
    for record in statuses:
        key, sequence = record.key or b"", int(dict(record.headers)["ce_sequence"])
        assert by_number.setdefault((key, sequence), record.value or b"") == record.value, "one number is one status"
        last[key] = max(last.get(key, 0), sequence)
    assert last == {row["id"].bytes: row["sequence"] for row in heads}, "the last word is the newest"
    assert await world.db.fetchval("SELECT count(*) FROM notifier.outbox") == 0
