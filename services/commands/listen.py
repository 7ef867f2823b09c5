"""Reading topics as an onlooker: no consumer group, nothing committed, so that nobody who works with them notices."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.commands import CommandError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord

    from shared.settings import Settings

_PATIENCE_SECONDS = 15.0


@asynccontextmanager
async def listening(settings: "Settings", topics: Sequence[str], *, from_start: bool) -> AsyncIterator["AIOKafkaConsumer"]:
    """A consumer of every partition of the topics. From here on it misses nothing, also where it does not begin at the start."""
    import asyncio

    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import KafkaError

    from shared.publisher import connection_options

    consumer = AIOKafkaConsumer(
        *topics, **connection_options(settings), client_id="jalur-onlooker", group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest" if from_start else "latest", max_partition_fetch_bytes=256 * 1024, metadata_max_age_ms=10_000,
        fetch_max_wait_ms=100,
    )  # fmt: skip
    try:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await consumer.start()
                missing = sorted(set(topics) - {partition.topic for partition in consumer.assignment()})
                if missing:
                    raise CommandError(f"there is no topic {missing[0]}: jalur topics apply creates what is missing")
                for partition in consumer.assignment():
                    await consumer.position(partition)
        except (KafkaError, TimeoutError, OSError) as error:
            raise CommandError(f"Kafka at {settings.kafka} does not answer: {type(error).__name__}") from None
        yield consumer
    finally:
        await consumer.stop()


async def read_stored(settings: "Settings", topic: str) -> list["ConsumerRecord[bytes | None, bytes | None]"]:
    """All that lies in a topic now, oldest first."""
    async with listening(settings, [topic], from_start=True) as consumer:
        ends = await consumer.end_offsets(sorted(consumer.assignment()))
        found: list[ConsumerRecord[bytes | None, bytes | None]] = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                found += [record for record in records if record.offset < ends[partition]]
    return sorted(found, key=lambda record: (record.timestamp, record.partition, record.offset))
