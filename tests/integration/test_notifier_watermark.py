"""The sweep's clock: what holds it back, and what must not."""

from datetime import timedelta
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from services.notifier.watermarks import read_positions, read_watermark, record_positions, record_reached
from shared.envelope import Message
from shared.health import Ends
from shared.postgres import open_pool
from shared.units import UNIT_SLUGS
from tests.bus import follow_ups, put, stuck
from tests.facts import MONDAY, received, updated
from tests.world import World, until

A, B = TopicPartition("a", 0), TopicPartition("b", 0)
SECOND = timedelta(seconds=1)


async def test_one_partition_without_an_instant_holds_all_back_and_no_instant_goes_back(dsn: str) -> None:
    pool = await open_pool(dsn, service="notifier")
    async with pool.acquire() as connection:
        await record_reached(connection, {A: MONDAY + SECOND}, {A: 7})
        await record_positions(connection, {B: 3})
        assert await read_watermark(connection, [A]) == MONDAY + SECOND
        assert await read_watermark(connection, [A, B]) is None
        assert await read_watermark(connection, []) is None
        await record_reached(connection, {B: MONDAY}, {B: 2})
        assert await read_watermark(connection, [A, B]) == MONDAY
        await record_reached(connection, {A: MONDAY - SECOND, B: MONDAY + 5 * SECOND}, {A: 6, B: 9})
        assert await read_watermark(connection, [A, B]) == MONDAY + SECOND
        assert await read_positions(connection, ["a", "b"]) == {A: 7, B: 9}
    await pool.close()


async def until_said(world: World, count: int) -> None:
    async def look() -> bool:
        return len(await follow_ups(world, "triage")) >= count

    await until(f"{count} follow-ups", look)


async def test_neither_dead_letters_nor_a_transactions_marks_at_the_end_of_a_partition_hold_deadlines_back(world: World) -> None:
    """A transaction's end takes an offset that no reader is ever given (Kafka protocol, control batches)."""
    now = await world.now()
    await put(world, received(uuid4(), now))
    bad = [Message(world.topics.updates(unit), b"short", b"", ()) for unit in UNIT_SLUGS]
    async with world.running("notifier") as app:
        for partition in range(3):
            await put(world, *bad[:4], partition=partition)
        await put(world, updated(uuid4(), "accepted"), transactional_id=f"{world.topics.namespace}-unit")
        await world.advance(timedelta(days=10))
        await until_said(world, 1)
        assert await stuck(world, app) is None
    await put(world, *bad)
    async with world.running("notifier") as app:
        await put(world, received(uuid4(), await world.now()))
        await world.advance(timedelta(days=10))
        await until_said(world, 6)
        assert await stuck(world, app) is None
    async with world.running("notifier"):
        await world.db.execute("UPDATE notifier.watermarks SET position = 0")
        await put(world, received(uuid4(), await world.now()))
        await world.advance(timedelta(days=10))
        await until_said(world, 9)


async def test_the_partitions_of_a_topic_that_is_not_there_are_not_none_but_unknown(world: World) -> None:
    """Else its deadlines would fire without it."""
    ends = Ends(world.settings("notifier"))
    try:
        assert len(await ends.partitions_of([world.topics.received])) == 3
        with pytest.raises(KafkaError, match="nowhere"):
            await ends.partitions_of([world.topics.received, "nowhere"])
    finally:
        await ends.stop()
