"""Is a consumer getting on? Asks Kafka for the ends each second; lag and readiness come of it. Moves no position."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.broker import BatchConsumer
from shared.metrics import ConsumerMetrics
from shared.postgres import AWAY
from shared.publisher import connection_options
from shared.runtime import Prepared
from shared.settings import Settings
from shared.web import Readiness

_STUCK_SECONDS = 30.0


class Ends:
    """The end offsets of partitions, by a client of its own: behind a long poll on the same connection they take half a second."""

    def __init__(self, settings: Settings, timeout: float = 5.0) -> None:
        self._settings = settings
        self._timeout = timeout
        self._client: AIOKafkaConsumer | None = None

    async def _connected(self) -> AIOKafkaConsumer:
        if self._client is None:
            client = AIOKafkaConsumer(
                **connection_options(self._settings),
                client_id=f"jalur-{self._settings.service}-ends",
                request_timeout_ms=5000,
                metadata_max_age_ms=10_000,
                enable_auto_commit=False,
            )
            try:
                await client.start()
            except BaseException:
                await client.stop()
                raise
            self._client = client
        return self._client

    async def read(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Raises `KafkaError` or `TimeoutError` where Kafka does not answer."""
        async with asyncio.timeout(self._timeout):
            client = await self._connected()
            return await client.end_offsets(list(partitions))  # type: ignore[no-any-return]

    async def beginnings(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        async with asyncio.timeout(self._timeout):
            client = await self._connected()
            return await client.beginning_offsets(list(partitions))  # type: ignore[no-any-return]

    async def partitions_of(self, topics: Iterable[str]) -> list[TopicPartition]:
        """Every partition of the topics as the cluster has them now; a topic that does not exist has none."""
        async with asyncio.timeout(self._timeout):
            client = await self._connected()
            metadata = await client._client.fetch_all_metadata()
            return [TopicPartition(topic, number) for topic in topics for number in sorted(metadata.partitions_for_topic(topic) or ())]

    async def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(KafkaError, TimeoutError, OSError):
                await client.stop()


class Progress:
    """Watches one consumer: "no partition has lag without progress". `look` is called each second with fresh ends."""

    def __init__(self, consumer: BatchConsumer[Any], metrics: ConsumerMetrics) -> None:
        self._consumer = consumer
        self._metrics = metrics
        self._moved_at: dict[TopicPartition, tuple[int, float]] = {}
        self.stuck: str | None = None

    def assigned(self) -> set[TopicPartition]:
        consumer = self._consumer.consumer
        return set(consumer.assignment()) if consumer is not None else set()

    async def measure(self, ends: Ends) -> bool:
        """Ask Kafka and look; False where it does not answer."""
        try:
            found = await ends.read(self.assigned())
        except (KafkaError, TimeoutError, OSError):
            return False
        await self.look(found, asyncio.get_running_loop().time())
        return True

    async def look(self, ends: dict[TopicPartition, int], now: float) -> None:
        """`now` is a monotonic clock's seconds. A partition with records left whose position has not moved for 30 s is stuck."""
        lags: dict[str, int] = {}
        self.stuck = None
        assigned = self.assigned()
        self._moved_at = {partition: seen for partition, seen in self._moved_at.items() if partition in assigned}
        for partition in assigned:
            if partition not in ends:
                continue
            position = await self._position(partition)
            if position is None:
                continue
            lag = max(0, ends[partition] - position)
            lags[partition.topic] = lags.get(partition.topic, 0) + lag
            seen = self._moved_at.get(partition)
            if seen is None or seen[0] != position or lag == 0:
                self._moved_at[partition] = (position, now)
            elif now - seen[1] > _STUCK_SECONDS:
                self.stuck = f"{partition.topic}-{partition.partition} has {lag} records left and has not moved for {now - seen[1]:.0f} s"
        for topic, lag in lags.items():
            self._metrics.lag.labels(topic).set(lag)

    async def _position(self, partition: TopicPartition) -> int | None:
        applied = self._consumer.applied.get(partition)
        if applied is not None:
            return applied
        consumer = self._consumer.consumer
        if consumer is None:
            return None
        committed = await consumer.committed(partition)
        return committed if committed is not None else 0


async def consumer_readiness(state: Any, prepared: Prepared) -> Readiness:
    """Of a service that reads from Kafka: database and Kafka answer, no breaker is open, no partition has lag without progress.

    `state` has `pool`, `consumer`, `progress` and `kafka_answers`.
    """
    found = Readiness()
    try:
        async with asyncio.timeout(2):
            await state.pool.fetchval("SELECT 1")
    except AWAY:
        found.reasons["postgres"] = "does not answer"
    if not prepared.is_done:
        found.reasons["schema"] = "is not in place yet"
    if not state.kafka_answers:
        found.reasons["kafka"] = "does not answer"
    elif not state.progress.assigned():
        found.reasons["group"] = "no partition is assigned to this replica yet"
    if state.progress.stuck:
        found.reasons["progress"] = state.progress.stuck
    if state.consumer.breaker.is_open:
        found.reasons["breaker"] = state.consumer.breaker.reason
    return found
