"""With a Kafka user every client speaks TLS from its first byte: no password and no report in the clear."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from shared.broker import BatchConsumer, Subscription
from shared.envelope import Message
from shared.health import Ends
from shared.metrics import NotifierMetrics
from shared.postgres import open_pool
from shared.publisher import Publisher
from shared.records import Record
from shared.settings import Settings

TLS_HANDSHAKE = b"\x16"


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, "asyncio.Future[bytes]"]]:
    """A port, and the first byte that anyone sends to it."""
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        byte = await reader.read(1)
        if not first.done():
            first.set_result(byte)
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], first


async def read(settings: Settings) -> None:
    pool = await open_pool(settings.postgres, service="notifier")

    def take(record: Record) -> Record:
        return record

    async def apply(_batch: object) -> None:
        return None

    subscription = Subscription(purpose="cases", topics=("a",), read=take, apply=apply)
    consumer = BatchConsumer(
        settings, subscription, group="g", dead_letters="dlq", pool=pool, publisher=Publisher(settings), metrics=NotifierMetrics().consumer
    )
    try:
        await consumer.run()
    finally:
        await pool.close()


async def publish(settings: Settings) -> None:
    await Publisher(settings).send_all([Message("a", None, b"", ())], timeout=5)


async def ask(settings: Settings) -> None:
    await Ends(settings).read([])


@pytest.mark.parametrize("client", [read, publish, ask])
async def test_the_first_byte_is_a_tls_handshake(dsn: str, client: Callable[[Settings], Awaitable[None]]) -> None:
    async with listening() as (port, first):
        settings = Settings("notifier", f"127.0.0.1:{port}", dsn, kafka_user="jalur", kafka_password="secret")
        work = asyncio.ensure_future(client(settings))
        try:
            assert await asyncio.wait_for(first, 15) == TLS_HANDSHAKE
        finally:
            work.cancel()
            with suppress(BaseException):
                await work
