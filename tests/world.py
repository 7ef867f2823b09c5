"""What tests do with an installation: start services in this process, speak HTTP, read topics, move the clock, wait for a fact."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from importlib import import_module
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from services.intake.keys import add_key
from services.intake.speakers import parse_role
from shared.access import ROLES
from shared.settings import Settings
from shared.topics import Topics

Found = TypeVar("Found")
Entered = TypeVar("Entered")
PATIENCE_SECONDS = 60.0
# The servers, by host and port, on which the services have their roles; a service started there has an installation's rights and no more.
SERVERS_WITH_ROLES: set[str] = set()
ROLE_PASSWORD = "as-in-an-installation"


async def until(what: str, look: Callable[[], Awaitable[Found]], within: float = PATIENCE_SECONDS) -> Found:
    """Wait for a fact: ask until the answer is truthy. Fails naming what was waited for."""
    deadline = time.monotonic() + within
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within:.0f} s; last seen {found!r}")
        await asyncio.sleep(0.05)


def as_role(dsn: str, service: str) -> str:
    """The database as that service connects to it; unchanged where it has no role."""
    parts = urlsplit(dsn)
    server = parts.netloc.rpartition("@")[2]
    if service not in ROLES or server not in SERVERS_WITH_ROLES:
        return dsn
    return urlunsplit(parts._replace(netloc=f"{ROLES[service]}:{ROLE_PASSWORD}@{server}"))


class World:
    """One installation on the shared servers, apart from all others by its database and its namespace."""

    def __init__(self, bootstrap: str, dsn: str, namespace: str) -> None:
        self.bootstrap = bootstrap
        self.dsn = dsn
        self.topics = Topics(namespace)
        self._stack = AsyncExitStack()
        self._keys: dict[str, str] = {}
        self.db: asyncpg.Pool[asyncpg.Record]

    async def __aenter__(self) -> Self:
        self.db = await self._stack.enter_async_context(asyncpg.create_pool(self.dsn, min_size=0, max_size=4))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    def settings(self, service: str, **changed: Any) -> Settings:
        values: dict[str, Any] = {
            "service": service,
            "kafka": self.bootstrap,
            "postgres": as_role(self.dsn, service),
            "namespace": self.topics.namespace,
            "clock_is_settable": True,
        }
        return Settings(**(values | changed))

    async def start(self, service: str, **changed: Any) -> Any:
        """A service's app in this process, until the test ends."""
        return await self._stack.enter_async_context(self.running(service, **changed))

    @asynccontextmanager
    async def running(self, service: str, **changed: Any) -> AsyncIterator[Any]:
        app = import_module(f"services.{service}.app").build(self.settings(service, **changed))
        async with app.router.lifespan_context(app):
            yield app

    @asynccontextmanager
    async def client(self, app: Any, role: str = "source:lapor") -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://intake", headers=await self.key(role)) as client:
            yield client

    async def entered(self, context: AbstractAsyncContextManager[Entered]) -> Entered:
        """Something that lasts until the test ends."""
        return await self._stack.enter_async_context(context)

    async def key(self, role: str) -> dict[str, str]:
        if role not in self._keys:
            async with self.db.acquire() as connection:
                self._keys[role] = await add_key(connection, parse_role(role))
        return {"Authorization": f"Bearer {self._keys[role]}"}

    async def advance(self, by: timedelta) -> datetime:
        """Move the installation's clock."""
        return await self.db.fetchval(  # type: ignore[no-any-return]
            "SELECT jalur.set_clock_offset(coalesce((SELECT ahead FROM jalur.clock_offsets ORDER BY set_at DESC LIMIT 1), '0') + $1)", by
        )

    async def now(self) -> datetime:
        return await self.db.fetchval("SELECT jalur.jalur_now()")  # type: ignore[no-any-return]

    async def set_now(self, instant: datetime) -> datetime:
        """Move the clock forward to an instant."""
        return await self.advance(instant - await self.now())

    async def records(self, *topics: str) -> list["ConsumerRecord[bytes, bytes]"]:
        """All that lies in the topics now, by topic, partition and offset."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
        await consumer.start()
        try:
            metadata = await consumer._client.fetch_all_metadata()
            partitions = [TopicPartition(topic, number) for topic in topics for number in metadata.partitions_for_topic(topic) or ()]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            starts = await consumer.beginning_offsets(partitions)
            left = {partition for partition in partitions if ends[partition] > starts[partition]}
            await asyncio.gather(*(consumer.seek_to_beginning(partition) for partition in partitions))
            found: list[ConsumerRecord[bytes, bytes]] = []
            while left:
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    found += [record for record in records if record.offset < ends[partition]]
                    if records and records[-1].offset + 1 >= ends[partition]:
                        left.discard(partition)
            return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))
        finally:
            await consumer.stop()

    async def until_records(self, count: int, *topics: str, within: float = PATIENCE_SECONDS) -> list["ConsumerRecord[bytes, bytes]"]:
        async def look() -> list["ConsumerRecord[bytes, bytes]"]:
            found = await self.records(*topics)
            return found if len(found) >= count else []

        return await until(f"{count} records in {', '.join(topics)}", look, within)

    async def send(self, topic: str, value: bytes | None, *, key: bytes | None, headers: Sequence[tuple[str, bytes | None]] = ()) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            await producer.send_and_wait(topic, value, key=key, headers=list(headers))
        finally:
            await producer.stop()


def event_ids(records: Sequence["ConsumerRecord[bytes, bytes]"]) -> list[str]:
    return [dict(record.headers)["ce_id"].decode() for record in records]


def report(**changed: Any) -> dict[str, Any]:
    """A submission as a LAPOR! connector posts it."""
    body: dict[str, Any] = {
        "title": "Paspor belum jadi",
        "text": "Saya mengurus paspor di kantor imigrasi Kupang sejak tiga minggu lalu, sampai sekarang paspor saya belum jadi juga.",
        "location": {"province": "Nusa Tenggara Timur", "regency": "Kota Kupang"},
    }
    return body | changed


def payload(record: "ConsumerRecord[bytes, bytes]") -> dict[str, Any]:
    assert record.value is not None
    found: dict[str, Any] = json.loads(record.value)
    return found
