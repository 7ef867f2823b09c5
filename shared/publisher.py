"""Sends records to Kafka and knows of each whether it was acknowledged. Stores nothing: what must survive is in a table first."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTopicError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from shared.envelope import Message
from shared.errors import TryAgain
from shared.settings import Settings

# These say that the record itself can never be taken; everything else is worth a repeat.
REFUSED_FOR_GOOD: tuple[type[BaseException], ...] = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError)


def connection_options(settings: Settings) -> dict[str, Any]:
    """What every aiokafka client is given: where the cluster is, and who we are there."""
    options: dict[str, Any] = {"bootstrap_servers": settings.kafka.split(",")}
    if settings.kafka_user:
        options |= {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password or "",
            "ssl_context": ssl.create_default_context(),
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
                    linger_ms=5,
                    max_batch_size=128 * 1024,
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
        pending: dict[asyncio.Future[Any], int] = {}
        try:
            async with asyncio.timeout(timeout):
                producer = await self._connected()
                for number, message in enumerate(messages):
                    try:
                        future = await producer.send(message.topic, message.value, key=message.key, headers=list(message.headers))
                    except KafkaError as error:
                        outcomes[number] = error
                        continue
                    pending[future] = number
                if pending:
                    await asyncio.wait(pending)
        except (TimeoutError, KafkaError, OSError) as error:
            for number, outcome in enumerate(outcomes):
                if outcome is not None and not isinstance(outcome, KafkaError):
                    outcomes[number] = error
        for future, number in pending.items():
            if future.done() and not future.cancelled():
                outcomes[number] = future.exception()
            else:
                future.add_done_callback(_forget)
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


def _forget(future: "asyncio.Future[Any]") -> None:
    """A late outcome that nobody waits for: read it, so that asyncio does not log it as never retrieved."""
    if not future.cancelled():
        future.exception()
