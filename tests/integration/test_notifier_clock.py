"""Deadlines on the real bus: at their instant, once, in order, and never past an answer that already lies in Kafka."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.notifier.calendar import load_calendar
from shared.events import FollowUp
from shared.units import load_directory
from tests.bus import caught_up, consumed, follow_ups, put, statuses, stuck, until_shared
from tests.facts import decided, received, routed, updated
from tests.world import World, event_ids, payload, until

PAPUA: dict[str, Any] = {"location": {"province": "Papua"}}
JAYAPURA = load_directory().zone(None, "Papua")
LEVELS = {"reminder": -1, "due": 0, "overdue": 1}


def instants(start: datetime, working_days: int) -> dict[str, datetime]:
    deadline = load_calendar().due_at(start, working_days, JAYAPURA)
    return {kind: load_calendar().shift(deadline, after, JAYAPURA) for kind, after in LEVELS.items()}


CODES = {"imigrasi": "LAPOR_TINDAK_LANJUT", "triage": "LAPOR_VERIFIKASI"}


async def of_first_clock(world: World, who: str) -> list[FollowUp]:
    """Up to `overdue`, of the one clock that these tests are about."""
    return [item for item in await follow_ups(world, who) if item.code == CODES[who] and item.kind in LEVELS]


async def until_told(world: World, case: UUID, count: int, who: str) -> list[FollowUp]:
    async def look() -> list[FollowUp]:
        told = [item for item in await of_first_clock(world, who) if item.complaint_id == case]
        return told if len(told) >= count else []

    return await until(f"{count} follow-ups", look)


async def test_each_level_fires_once_at_its_instant_in_due_order(world: World) -> None:
    now = await world.now()
    assigned, held = uuid4(), uuid4()
    await world.start("notifier")
    await put(world, received(held, now, **PAPUA), *decided(held, "triage", at=now, **PAPUA))
    await put(world, received(assigned, now, **PAPUA), routed(assigned, at=now, **PAPUA))
    expected = [(instant, held, "triage", kind) for kind, instant in instants(now, 3).items()]
    expected += [(instant, assigned, "imigrasi", kind) for kind, instant in instants(now, 5).items()]
    for instant, case, who, kind in sorted(expected, key=lambda item: item[0]):
        if await world.now() < instant:  # the held one's overdue and the assigned one's reminder fall together
            assert kind not in [item.kind for item in await of_first_clock(world, who)], "not before its instant"
            await world.set_now(instant)
        told = (await until_told(world, case, LEVELS[kind] + 2, who))[-1]
        deadline = instants(now, 3 if case == held else 5)["due"]
        assert (told.kind, told.level, told.due_at, told.complaint_id) == (kind, LEVELS[kind], deadline, case)
        assert told.late_by_seconds is not None and 0 <= told.late_by_seconds < 20
        assert told.emitted_at - instant == timedelta(seconds=told.late_by_seconds)
    await world.advance(timedelta(days=30))
    await put(world, received(uuid4(), await world.now()), routed(assigned, at=now, **PAPUA))
    await caught_up(world, "notifier")
    for case, who in ((held, "triage"), (assigned, "imigrasi")):
        assert [item.kind for item in await of_first_clock(world, who) if item.complaint_id == case] == list(LEVELS)
    admin = [item for item in await follow_ups(world, "setjen") if (item.complaint_id, item.code) == (assigned, CODES["imigrasi"])]
    assert (admin[0].kind, admin[0].to) == ("overdue", ("imigrasi", "admin_instansi"))


async def test_an_answer_that_waits_in_kafka_across_its_deadline_while_the_notifier_is_down_wins(world: World) -> None:
    now = await world.now()
    answered, silent = uuid4(), uuid4()
    facts: list[Any] = [fact for case in (answered, silent) for fact in (received(case, now, **PAPUA), routed(case, at=now, **PAPUA))]
    await put(world, *facts)
    async with world.running("notifier"):
        await caught_up(world, "notifier")
    deadline = instants(now, 5)["due"]
    await world.set_now(deadline - timedelta(minutes=5))
    backlog = [updated(answered, "accepted") for _ in range(1500)]
    await put(world, *backlog, updated(answered, "answered"))
    await world.set_now(deadline + timedelta(minutes=5))
    await world.start("notifier")
    told = await until_told(world, silent, 2, "imigrasi")
    assert [item.kind for item in told] == ["reminder", "due"]
    await caught_up(world, "notifier")
    assert {item.complaint_id for item in await of_first_clock(world, "imigrasi")} == {silent}
    status = (await statuses(world))[str(answered)]
    assert (status.state, {clock.state for clock in status.clocks if clock.unit}) == ("answered", {"stopped"})
    assert deadline - timedelta(minutes=6) < status.assignments[0].since < deadline, "it counts from when it was appended"


async def test_two_notifiers_share_the_load_and_fire_everything_once_by_id(world: World) -> None:
    now = await world.now()
    cases = [uuid4() for _ in range(90)]

    def facts(some: list[UUID]) -> list[Any]:
        return [fact for case in some for fact in (received(case, now), routed(case, at=now), updated(case, "accepted"))]

    one = await world.start("notifier")
    await put(world, *facts(cases[:30]))
    await caught_up(world, "notifier")
    async with world.running("notifier") as other:
        await until_shared(one, other)
        before = await consumed(one)
        await put(world, *facts(cases[30:]))
        await caught_up(world, "notifier")
        assert await consumed(other) > 30 < await consumed(one) - before
        await world.advance(timedelta(days=30))
        await until("every level of the first follow-up", lambda: said(world, 90 * 5))
    told = await world.records(world.topics.follow_ups("imigrasi"))
    events = event_ids([record for record in told if payload(record)["code"] == CODES["imigrasi"]])
    assert [event for event, times in Counter(events).items() if times > 1] == []
    assert len(events) == 90 * 5
    await until("the one has all partitions again", lambda: holds_all(one))
    assert await stuck(world, one) is None, "what the other has dealt with meanwhile is no lag"
    assert {status.state for status in (await statuses(world)).values()} == {"accepted"}


async def said(world: World, count: int) -> bool:
    return sum(item.code == CODES["imigrasi"] for item in await follow_ups(world, "imigrasi")) >= count


async def holds_all(app: Any) -> bool:
    return len(app.state.progress.assigned()) == 26 * 3
