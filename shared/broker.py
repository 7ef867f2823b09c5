"""The batch consumer: judge every record first, then effects, dead letters, one commit. Knows no service's business.

FastStream drives the subscriber; commits and rewinds are done per partition of the batch here, so that a partition taken away in the
middle of a batch spoils neither the commit nor the rewind of the others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.security import SASLScram512

from shared.breaker import Breaker
from shared.dead_letters import dead_letter
from shared.errors import BreakerOpen, Dead, DeadLetterLimit, TryAgain
from shared.logs import get_logger
from shared.metrics import ConsumerMetrics
from shared.postgres import AWAY, Pool
from shared.publisher import REFUSED_FOR_GOOD, Publisher, connection_options
from shared.records import RawBatch, Record, read_record, records_of
from shared.settings import Settings
from shared.tracing import taking

_log = get_logger()
Read = TypeVar("Read")
# Reading a batch lets heartbeats through this often; a record may take a quarter of a second.
_YIELD_SECONDS = 0.05
_COMES_AGAIN: tuple[type[BaseException], ...] = (*AWAY, KafkaError, TryAgain)


@dataclass(frozen=True, slots=True)
class Subscription(Generic[Read]):
    """What a consumer does. `read` is pure and raises `Dead`; `apply` makes a batch's effects durable and may see a batch twice.

    `is_bad` marks what was read only as far as "hold it for a person"; it counts for the breaker. `on_bug` turns a record whose
    effect raised an unknown exception into something `apply` can take instead, or None where it can only be dead.
    """

    purpose: str
    topics: tuple[str, ...]
    read: Callable[[Record], Read]
    apply: Callable[[Sequence[tuple[Record, Read]]], Awaitable[None]]
    is_bad: Callable[[Read], bool] = lambda _read: False
    on_bug: Callable[[Record], Read | None] = lambda _record: None
    uncounted_topics: frozenset[str] = frozenset()


class BatchConsumer(Generic[Read]):
    """One subscription of one service, with its breaker, its dead letters and what readiness needs to know."""

    def __init__(
        self,
        settings: Settings,
        subscription: Subscription[Read],
        *,
        group: str,
        dead_letters: str,
        pool: Pool,
        publisher: Publisher,
        metrics: ConsumerMetrics,
        max_records: int = 500,
    ) -> None:
        self.subscription = subscription
        self.breaker = Breaker(pool, subscription.purpose, metrics)
        self.applied: dict[TopicPartition, int] = {}
        self.handed_out: dict[TopicPartition, int] = {}  # by the reader, applied or not
        self._group = group
        self._dead_letters = dead_letters
        self._publisher = publisher
        self._metrics = metrics
        self._limit = DeadLetterLimit()
        self._failures = 0
        options = connection_options(settings)
        user, tls = options.get("sasl_plain_username"), options.get("ssl_context")
        self._broker = KafkaBroker(
            options["bootstrap_servers"],
            security=SASLScram512(user, options["sasl_plain_password"], tls, use_ssl=tls is not None) if user else None,
            client_id=f"jalur-{settings.service}",
            allow_auto_create_topics=False,
            consumer_only=True,  # a producer of its own would be left open at each start that fails
            logger=None,
            metadata_max_age_ms=10_000,
            graceful_timeout=15.0,
        )
        # A restarted replica with the same ordinal takes its partitions back at once; without one, a dead member must time out.
        instance = f"{group}-{settings.replica}" if settings.replica is not None else None
        self._subscriber = self._broker.subscriber(
            *subscription.topics,
            batch=True,
            max_records=max_records,
            batch_timeout_ms=50,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=(128 if len(subscription.topics) > 4 else 1024) * 1024,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            no_reply=True,
            auto_offset_reset="earliest",
            group_id=group,
            group_instance_id=instance,
            session_timeout_ms=10_000 if instance else 30_000,
            parser=self._parse,
            decoder=_raw,
        )
        self._subscriber(self._on_batch)

    async def _parse(self, batch: tuple["ConsumerRecord[bytes | None, bytes | None]", ...]) -> RawBatch:
        assert self._subscriber.consumer is not None
        self.handed_out |= {TopicPartition(record.topic, record.partition): record.offset + 1 for record in batch}
        return RawBatch(batch, self._subscriber.consumer)

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        return self._subscriber.consumer

    async def run(self) -> None:
        """For ever: read while the breaker is closed. Starts as soon as Kafka and the database answer; stops when cancelled."""
        running = False
        try:
            while True:
                try:
                    await self.breaker.look()
                    self._limit.forgive(self.breaker.resumed_at_ms)
                    if self.breaker.is_open and running:
                        running = False
                        await self._subscriber.stop()
                    elif not self.breaker.is_open and not running:
                        await self._broker.connect()
                        await self._subscriber.start()
                        running = True
                except _COMES_AGAIN as error:
                    _log.warning("Not reading yet; tries again", purpose=self.subscription.purpose, error=type(error).__name__)
                    if not running:
                        with suppress(Exception):
                            await self._subscriber.stop()
                await asyncio.sleep(0.5)
        finally:
            await self._broker.stop()

    async def _on_batch(self, message: KafkaMessage) -> None:
        if self.breaker.is_open:
            await asyncio.sleep(0.2)  # `run` is about to stop the subscriber; nothing may have an effect before it does
            raise BreakerOpen(self.breaker.reason)
        started = time.monotonic()
        records = [read_record(raw) for raw in records_of(message)]
        try:
            with taking(records, self._group):
                await self._take(records)
        except BreakerOpen:
            raise
        except Exception as error:  # whatever it was, the batch is not lost: it comes again, not at once
            self._failures += 1
            self._metrics.given_back.inc()
            _log.warning("A batch is given back and comes again", records=len(records), error=type(error).__name__, detail=_detail(error))
            await asyncio.sleep(min(0.1 * 2 ** min(self._failures, 10), 5.0))
            raise
        self._failures = 0
        self._metrics.batch_seconds.observe(time.monotonic() - started)
        for record in records:
            self._metrics.consumed.labels(record.topic).inc()
            self.applied[TopicPartition(record.topic, record.partition)] = record.offset + 1

    async def _take(self, records: list[Record]) -> None:
        readable: list[tuple[Record, Read]] = []
        dead: list[tuple[Record, Dead]] = []
        bad = 0
        came = sum(record.topic not in self.subscription.uncounted_topics for record in records)
        yielded_at = time.monotonic()
        for record in records:
            if time.monotonic() - yielded_at > _YIELD_SECONDS:
                await asyncio.sleep(0)
                yielded_at = time.monotonic()
            is_bad = True
            try:
                read = self.subscription.read(record)
                is_bad = self.subscription.is_bad(read)
                readable.append((record, read))
            except Dead as error:
                dead.append((record, error))
            except Exception as error:  # an unknown exception is a bug, and must not stop the record's neighbours
                self._metrics.bugs.inc()
                _log.error("A record could not be read because of a bug", topic=record.topic, offset=record.offset, exc_info=error)
                instead = self.subscription.on_bug(record)
                if instead is None:
                    dead.append((record, Dead("bug", type(error).__name__)))
                else:
                    readable.append((record, instead))
            bad += self._counts(record) if is_bad else 0
        await self._check_breaker(came, bad)
        if readable:
            try:
                await self.subscription.apply(readable)
            except Exception as error:
                if not _is_bug(error):
                    raise
                _log.error("A batch failed because of a bug; its records are applied one by one", exc_info=error)
                bad += await self._take_one_by_one(readable, came, bad)
        await self._keep_dead(dead)  # last: applying twice changes nothing, a dead letter kept twice is one too many
        self._limit.record(time.monotonic(), came, bad)

    async def _take_one_by_one(self, readable: list[tuple[Record, Read]], came: int, bad: int) -> int:
        found = 0
        for record, read in readable:
            if (error := await self._bug_of(record, read)) is None:
                continue
            found += self._counts(record)
            await self._check_breaker(came, bad + found)
            instead = self.subscription.on_bug(record)
            if instead is None or await self._bug_of(record, instead) is not None:
                await self._keep_dead([(record, Dead("bug", type(error).__name__))])
        return found

    async def _bug_of(self, record: Record, read: Read) -> Exception | None:
        """Apply one record alone; returns the unknown exception that its effect raised."""
        try:
            await self.subscription.apply([(record, read)])
        except Exception as error:
            if not _is_bug(error):
                raise
            self._metrics.bugs.inc()
            _log.error("A record's effect failed because of a bug", topic=record.topic, offset=record.offset, exc_info=error)
            return error
        return None

    def _counts(self, record: Record) -> int:
        return int(record.topic not in self.subscription.uncounted_topics and record.timestamp_ms > self._limit.forgiven_until_ms)

    async def _check_breaker(self, came: int, bad: int) -> None:
        if bad and self._limit.would_open(time.monotonic(), came, bad):
            reason = f"{bad} of {came} records of the last batch could not be read; within a minute at least {self._limit.most} and half"
            await self.breaker.open(reason)
            raise BreakerOpen(reason)

    async def _keep_dead(self, dead: list[tuple[Record, Dead]]) -> None:
        await self._publisher.send_surely([dead_letter(self._dead_letters, record, error) for record, error in dead])
        for record, error in dead:
            self._metrics.dead.labels(error.reason).inc()
            at = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            _log.error("A record was kept as a dead letter", **at, reason=error.reason, detail=error.detail)


def _is_bug(error: Exception) -> bool:
    """Whatever is not infrastructure's fault, and what Kafka will refuse however often it is sent."""
    return isinstance(error, REFUSED_FOR_GOOD) or not isinstance(error, (*_COMES_AGAIN, BreakerOpen))


async def _raw(_message: Any) -> bytes:
    return b""


def _detail(error: BaseException) -> str:
    return str(error) if isinstance(error, TryAgain) else getattr(error, "sqlstate", None) or type(error).__name__
