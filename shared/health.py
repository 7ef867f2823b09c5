"""Is a consumer getting on? Asks Kafka for the ends each second; lag and readiness come of it. Moves no position."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, UnknownTopicOrPartitionError

from shared.broker import BatchConsumer
from shared.metrics import ConsumerMetrics
from shared.postgres import AWAY
from shared.publisher import connection_options
from shared.runtime import Prepared
from shared.settings import Settings
from shared.web import Readiness

_STUCK_SECONDS = 30.0
_ANSWERS_WITHIN_SECONDS = 5.0

# What a question to Kafka raises where no answer comes.
UNANSWERED: tuple[type[BaseException], ...] = (KafkaError, ConsumerStoppedError, TimeoutError, OSError)


class Ends:
    """The end offsets of partitions, by a client of its own: behind a long poll on the same connection they take half a second."""

    def __init__(self, settings: Settings, timeout: float = _ANSWERS_WITHIN_SECONDS) -> None:
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
            wanted = list(partitions)
            if wanted:  # else the client learns of the topics one after another, a tenth of a second each
                await client._client.set_topics({partition.topic for partition in wanted})
            return await client.end_offsets(wanted)  # type: ignore[no-any-return]

    async def partitions_of(self, topics: Iterable[str]) -> list[TopicPartition]:
        """Every partition of the topics as the cluster has them now. Raises `KafkaError` naming a topic that it does not have."""
        async with asyncio.timeout(self._timeout):
            client = await self._connected()
            metadata = await client._client.fetch_all_metadata()
            found = {topic: metadata.partitions_for_topic(topic) for topic in topics}
        if missing := [topic for topic, numbers in found.items() if not numbers]:
            raise UnknownTopicOrPartitionError(f"the cluster does not have the topic {missing[0]}")
        return [TopicPartition(topic, number) for topic, numbers in found.items() for number in sorted(numbers)]

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
        self._shown: set[str] = set()
        self.stuck: str | None = None
        self.behind: dict[TopicPartition, int] = {}  # where each partition with records left stood at the last look

    def assigned(self) -> set[TopicPartition]:
        consumer = self._consumer.consumer
        return set(consumer.assignment()) if consumer is not None else set()

    async def measure(self, ends: Ends) -> bool:
        """Ask Kafka and look; False where it does not answer."""
        try:
            found = await ends.read(self.assigned())
            self.look(found, await self.positions(found), asyncio.get_running_loop().time())
        except UNANSWERED:
            return False
        return True

    async def positions(
        self, ends: Mapping[TopicPartition, int], known: Mapping[TopicPartition, int] = MappingProxyType({})
    ) -> dict[TopicPartition, int]:
        """How far each partition is applied, here or by whoever had it before; sometimes less than is true, never more.

        What is committed is durable too, and knows of dead letters.
        """
        found = self.known(ends, known)
        reader = self._consumer.consumer
        behind = [item for item in ends if found[item] < ends[item]]
        if reader is None or not behind:
            return found
        async with asyncio.timeout(_ANSWERS_WITHIN_SECONDS):
            for item, committed in zip(behind, await asyncio.gather(*(reader.committed(item) for item in behind)), strict=True):
                found[item] = max(found[item], committed or 0)
            for item in behind:
                if found[item] < ends[item] and item in reader.assignment():
                    position = await reader.position(item)
                    # All that was ever handed out is applied, and yet the reader stands further on: over the marks that end a
                    # transaction, or what retention took away. No reader is given those.
                    if self._consumer.handed_out.get(item, 0) <= found[item]:
                        found[item] = max(found[item], position)
        return found

    def known(self, partitions: Iterable[TopicPartition], stored: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """How far each partition is applied as far as can be said without asking; `stored` was written down with the effects."""
        return {item: max(self._consumer.applied.get(item, 0), stored.get(item, 0)) for item in partitions}

    def forget_beyond(self, ends: Mapping[TopicPartition, int], known: Mapping[TopicPartition, int]) -> set[TopicPartition]:
        """Partitions that end before what was known to be applied before the ends were asked for: made anew under an old name."""
        gone = {item for item, end in ends.items() if known.get(item, 0) > end}
        for item in gone:
            self._consumer.applied.pop(item, None)
            self._consumer.handed_out.pop(item, None)
        return gone

    def look(self, ends: Mapping[TopicPartition, int], positions: Mapping[TopicPartition, int], now: float) -> None:
        """`now` is a monotonic clock's seconds. A partition with records left whose position has not moved for 30 s is stuck."""
        lags = dict.fromkeys(self._shown, 0)  # what another replica has by now is no longer for this one to tell
        self.stuck = None
        self._moved_at = {partition: seen for partition, seen in self._moved_at.items() if partition in ends}
        self.behind = {partition: positions[partition] for partition, end in ends.items() if positions[partition] < end}
        for partition, end in ends.items():
            position = positions[partition]
            lag = max(0, end - position)
            lags[partition.topic] = lags.get(partition.topic, 0) + lag
            seen = self._moved_at.get(partition)
            if seen is None or seen[0] != position or lag == 0:
                self._moved_at[partition] = (position, now)
            elif now - seen[1] > _STUCK_SECONDS:
                self.stuck = f"{partition.topic}-{partition.partition} has {lag} records left and has not moved for {now - seen[1]:.0f} s"
        self._shown = set(lags)
        for topic, lag in lags.items():
            self._metrics.lag.labels(topic).set(lag)


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
