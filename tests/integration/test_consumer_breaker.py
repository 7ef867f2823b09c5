"""When too much of what comes is bad, a consumer stops before anything of it has an effect, says so, and waits for an operator."""

from typing import Any
from uuid import uuid4

from shared.breaker import resume
from shared.envelope import Message
from tests.bus import caught_up, put, ready, statuses, until_ready
from tests.facts import received, updated
from tests.world import World, payload, until


def unreadable(world: World, count: int, topic: str | None = None) -> list[Message]:
    return [Message(topic or world.topics.received, uuid4().bytes, b"not JSON", ()) for _ in range(count)]


async def until_stopped(app: Any) -> None:
    async def look() -> bool:
        is_ready, reasons = await ready(app)
        return not is_ready and "breaker" in reasons and not app.state.progress.assigned()

    await until("the breaker is open and nothing is read", look)
    assert (await ready(app))[1]["breaker"].startswith("20 of 30 records")


async def effects(world: World) -> list[Any]:
    topics = world.topics
    return [
        *await world.records(topics.dead_letters("notifier"), topics.dead_letters("router"), topics.triage, topics.status),
        *await world.db.fetch("SELECT id FROM notifier.cases WHERE is_opened UNION SELECT complaint_id FROM router.decisions"),
    ]


async def test_twenty_bad_of_thirty_stop_both_consumers_before_any_effect_until_they_are_resumed(world: World) -> None:
    now = await world.now()
    good = [received(uuid4(), now) for _ in range(10)]
    await put(world, *(updated(uuid4(), "accepted") for _ in range(200)))  # no unit's records make the share of bad ones look small
    await put(world, *unreadable(world, 8), *good, *unreadable(world, 12), partition=1)
    for _ in range(2):  # a restart does not close it
        async with world.running("notifier") as notifier, world.running("router") as router:
            await until_stopped(notifier)
            await until_stopped(router)
            assert await effects(world) == []
    notifier, router = await world.start("notifier"), await world.start("router")
    await until_stopped(notifier)
    await until_stopped(router)
    async with world.db.acquire() as connection:
        assert await resume(connection, "notifier") == ["cases"]
        assert await resume(connection, "router") == ["received"]
        assert await resume(connection, "router") == []
    await until_ready(notifier)
    await until_ready(router)
    await caught_up(world, "router")
    await caught_up(world, "notifier")
    assert len(await world.records(world.topics.dead_letters("notifier"))) == 20
    held = [payload(record)["why"] for record in await world.records(world.topics.triage)]
    assert held.count("unprocessable") == 20
    assert {str(fact.complaint_id) for fact in good} < (await statuses(world)).keys()
    assert len(await statuses(world)) == 30


async def test_neither_what_units_write_nor_nineteen_of_a_hundred_open_it(world: World) -> None:
    now = await world.now()
    await put(world, *unreadable(world, 60, world.topics.updates("ahu")), partition=0)
    await put(world, *unreadable(world, 19), *(received(uuid4(), now) for _ in range(81)), partition=0)
    notifier = await world.start("notifier")
    await caught_up(world, "notifier")
    assert len(await world.records(world.topics.dead_letters("notifier"))) == 79
    assert len(await statuses(world)) == 81
    await until_ready(notifier)
