"""What `jalur recover` needs of Kafka: all that lies in topics, and where consumer groups stand. Sends nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

from services.commands import CommandError

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from shared.records import Record
    from shared.settings import Settings

_LEAVES_WITHIN_SECONDS = 60.0


async def read_all(settings: "Settings", topics: Sequence[str]) -> AsyncIterator[list["Record"]]:
    """All that lies in the topics now, in batches; of one partition in its order."""
    from services.commands.listen import listening
    from shared.records import read_record

    async with listening(settings, topics, from_start=True) as consumer:
        assigned = sorted(consumer.assignment())
        starts, ends = await consumer.beginning_offsets(assigned), await consumer.end_offsets(assigned)
        left = {partition for partition in assigned if ends[partition] > starts[partition]}
        while left:
            batches = await consumer.getmany(timeout_ms=500, max_records=2000)
            found = [raw for partition, records in batches.items() for raw in records if raw.offset < ends[partition]]
            if found:
                yield [read_record(raw) for raw in found]
            for partition in list(left):  # marks that end transactions are read by nobody, and moved over
                if await consumer.position(partition) >= ends[partition]:
                    left.discard(partition)


async def limits(settings: "Settings", topics: Sequence[str]) -> dict["TopicPartition", tuple[int, int]]:
    """Of each partition where it begins and where it ends."""
    from services.commands.listen import listening

    async with listening(settings, topics, from_start=True) as consumer:
        assigned = sorted(consumer.assignment())
        starts, ends = await consumer.beginning_offsets(assigned), await consumer.end_offsets(assigned)
        return {partition: (starts[partition], ends[partition]) for partition in assigned}


async def committed(settings: "Settings", group: str) -> dict["TopicPartition", int]:
    from aiokafka.admin import AIOKafkaAdminClient

    from shared.publisher import connection_options

    admin = AIOKafkaAdminClient(**connection_options(settings), client_id="jalur-recover", request_timeout_ms=10_000)
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(group)
        return {partition: said.offset for partition, said in found.items() if said.offset >= 0}
    finally:
        await admin.close()


async def set_positions(settings: "Settings", group: str, positions: Mapping["TopicPartition", int]) -> None:
    """Where the group reads on. Kafka takes it only of a group without members; a service that was killed is one for some seconds yet."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import KafkaError

    from shared.publisher import connection_options

    if not positions:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LEAVES_WITHIN_SECONDS
    while True:
        consumer = AIOKafkaConsumer(
            **connection_options(settings),
            client_id="jalur-recover",
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            consumer.assign(sorted(positions))
            async with asyncio.timeout(15):
                await consumer.commit(dict(positions))
                return
        except (KafkaError, TimeoutError) as error:
            if loop.time() > deadline:
                raise CommandError(f"Kafka does not let the group {group} be set: {type(error).__name__}; stop whoever is in it") from None
        finally:
            await consumer.stop()
        await asyncio.sleep(1.0)
