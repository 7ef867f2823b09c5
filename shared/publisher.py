"""Sends records to Kafka and knows of each whether it was acknowledged. Stores nothing: what must survive is in a table first."""

import asyncio
import random
import ssl
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTopicError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from shared.envelope import Message
from shared.errors import TryAgain
from shared.partitions import partition_of
from shared.settings import Settings

# These say that the record itself can never be taken; everything else is worth a repeat.
REFUSED_FOR_GOOD: tuple[type[BaseException], ...] = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError)
# Of one record, as Kafka's own limit of a request; the headers of ours need far less than the room.
MOST_BYTES = 1_048_576
_ROOM = 16_384


def connection_options(settings: Settings) -> dict[str, Any]:
    """What every aiokafka client is given: where the cluster is, and who we are there."""
    options: dict[str, Any] = {"bootstrap_servers": settings.kafka.split(",")}
    if settings.kafka_user:
        is_encrypted = settings.kafka_security == "sasl_ssl"
        options |= {
            "security_protocol": "SASL_SSL" if is_encrypted else "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password or "",
            "ssl_context": ssl.create_default_context(cafile=settings.kafka_authorities) if is_encrypted else None,
        }
    return options


class Publisher:
    """A producer that may be started while Kafka is away: the first send that can, connects.

    Idempotence is off on purpose: with it, sends and stop() hang for ever while Kafka is away. Order per key holds all the same (one
    request in flight per partition), and a timed-out send that arrives after all is the same event id again.
    """

    def __init__(self, settings: Settings, *, request_timeout_ms: int = 10_000) -> None:
        self._settings = settings
        self._request_timeout_ms = request_timeout_ms
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def _connected(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **connection_options(self._settings),
                    client_id=f"jalur-{self._settings.service}",
                    acks="all",
                    max_request_size=MOST_BYTES,
                    max_batch_size=256 * 1024,
                    request_timeout_ms=self._request_timeout_ms,
                    retry_backoff_ms=100,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def stop(self, timeout: float = 10.0) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(timeout):
                    await producer.stop()
            except (TimeoutError, KafkaError):
                pass  # what was not acknowledged is still in its table

    async def send_all(self, messages: Sequence[Message], timeout: float = 15.0) -> list[BaseException | None]:
        """Send in the order given and wait for each acknowledgement; one outcome a message, None where Kafka has it.

        Never raises for Kafka's sake: a timeout is an outcome too. What is given to one partition stays in order.
        """
        outcomes: list[BaseException | None] = [TimeoutError("not acknowledged in time")] * len(messages)
        of_topic: dict[str, list[int]] = {}
        for number, message in enumerate(messages):
            of_topic.setdefault(message.topic, []).append(number)
        try:
            async with asyncio.timeout(timeout):
                producer = await self._connected()
                await asyncio.gather(*(_send_to_topic(producer, topic, messages, some, outcomes) for topic, some in of_topic.items()))
        except (TimeoutError, KafkaError, OSError) as error:
            for number, outcome in enumerate(outcomes):
                if outcome is not None and not isinstance(outcome, KafkaError):
                    outcomes[number] = error
        return outcomes

    async def send_surely(self, messages: Sequence[Message], within: float = 30.0) -> None:
        """Send; what fails is sent again alone until all is acknowledged. Raises `TryAgain` after `within` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        left = list(messages)
        pause = 0.1
        while left:
            remaining = deadline - loop.time()
            if remaining <= 0:
                raise TryAgain(f"Kafka did not acknowledge {len(left)} of {len(messages)} records within {within:.0f} s")
            outcomes = await self.send_all(left, timeout=min(15.0, remaining))
            left = [message for message, outcome in zip(left, outcomes, strict=True) if outcome is not None]
            if left:
                refused = next((outcome for outcome in outcomes if isinstance(outcome, REFUSED_FOR_GOOD)), None)
                if refused is not None:
                    raise refused
                await asyncio.sleep(min(pause, max(0.0, deadline - loop.time())))
                pause = min(pause * 2, 2.0)


_Outcomes = list[BaseException | None]


async def _send_to_topic(
    producer: AIOKafkaProducer, topic: str, messages: Sequence[Message], numbers: list[int], outcomes: _Outcomes
) -> None:
    """Batches of our own, one acknowledgement for each, instead of a future a record."""
    try:
        known = sorted(await producer.partitions_for(topic))
    except KafkaError as error:
        for number in numbers:
            outcomes[number] = error
        return
    of_partition: dict[int, list[int]] = {}
    for number in numbers:
        key = messages[number].key
        partition = known[partition_of(key, len(known))] if key is not None else random.choice(known)  # noqa: S311 - spreads load
        of_partition.setdefault(partition, []).append(number)
    await asyncio.gather(*(_send_in_order(producer, topic, item, messages, some, outcomes) for item, some in of_partition.items()))


async def _send_in_order(
    producer: AIOKafkaProducer, topic: str, partition: int, messages: Sequence[Message], numbers: list[int], outcomes: _Outcomes
) -> None:
    batches: list[tuple[BatchBuilder, list[int]]] = []
    for number in numbers:
        message = messages[number]
        if len(message.value or b"") + _ROOM > MOST_BYTES and _size(message) > MOST_BYTES:
            outcomes[number] = MessageSizeTooLargeError(f"more than {MOST_BYTES} bytes with its headers")
        elif batches and _append(batches[-1][0], message):
            batches[-1][1].append(number)
        else:
            batches.append((producer.create_batch(), [number]))
            _append(batches[-1][0], message)  # the first of a batch always fits
    sent: list[tuple[asyncio.Future[Any], list[int]]] = []
    for batch, inside in batches:
        batch.close()  # it goes at once, nothing is added to it
        try:
            future = await producer.send_batch(batch, topic, partition=partition)
        except KafkaError as error:
            for number in inside:
                outcomes[number] = error
            continue
        future.add_done_callback(_forget)
        sent.append((future, inside))
    for future, inside in sent:
        outcome: BaseException | None = None
        try:
            await future
        except KafkaError as error:
            outcome = error
        for number in inside:
            outcomes[number] = outcome


def _append(batch: BatchBuilder, message: Message) -> bool:
    return batch.append(timestamp=None, key=message.key, value=message.value, headers=list(message.headers)) is not None


def _size(message: Message) -> int:
    return DefaultRecordBatchBuilder.estimate_size_in_bytes(message.key, message.value, list(message.headers))


def _forget(future: "asyncio.Future[Any]") -> None:
    """A late outcome that nobody waits for: read it, so that asyncio does not log it as never retrieved."""
    if not future.cancelled():
        future.exception()
