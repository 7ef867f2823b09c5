"""Slow, endless and too many connections against a server that runs: each is ended in bounded time and memory, and others are served."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import pytest

from deploy.local.postgres import RunningPostgres
from shared.web import SECURITY_HEADERS
from tests.door import NOWHERE
from tests.processes import ServiceProcess
from tests.world import World, report, until

PER_ADDRESS, ALTOGETHER = 8, 12
LIMITS = {
    "JALUR_LIMIT_HEAD_SECONDS": "0.3",
    "JALUR_LIMIT_BODY_SECONDS": "0.3",
    "JALUR_LIMIT_BODY_RATE": "10000",
    "JALUR_LIMIT_HEAD_KIB": "8",
    "JALUR_LIMIT_BATCH_MIB": "1",
    "JALUR_LIMIT_CONNECTIONS": str(ALTOGETHER),
    "JALUR_LIMIT_CONNECTIONS_PER_ADDRESS": str(PER_ADDRESS),
}
# Sockets' own buffers on both sides; what is sent beyond that was read by the server.
BUFFERED = 16 << 20


class Wire:
    """A connection as an adversary uses it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.heard, self.sent = b"", 0

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    async def hear(self, seconds: float) -> bool:
        """Listen for a moment; False once the server has ended the connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        data = await self._reader.read(65536)
                    except ConnectionError:
                        return False
                    self.heard += data
                    if not data:
                        return False
        return True

    async def trickle(self, piece: bytes, within: float = 10.0) -> bytes:
        """Piece by piece, slowly, until the server ends it; what it said."""
        began = time.monotonic()
        while await self.hear(0.05):
            assert time.monotonic() - began < within, f"still open after {within} s"
            self.say(piece)
        return self.heard

    async def flood(self, piece: bytes) -> bytes:
        """As fast as it goes, until the server ends it; what it said."""
        listening = asyncio.create_task(self.hear(20))
        with suppress(ConnectionError):
            while not listening.done():
                self.say(piece)
                self.sent += len(piece)
                assert self.sent < BUFFERED, "nobody ends it"
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self._writer.drain()
                await asyncio.sleep(0)
        assert not await listening
        return self.heard

    def close(self) -> None:
        self._writer.transport.abort()


@dataclass
class Server:
    port: int
    key: str
    wires: list[Wire] = field(default_factory=list)

    async def connect(self, address: str = "127.0.0.1") -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0)))
        self.wires.append(wire)
        return wire

    def head(self, path: str = "/v1/complaints", *headers: str, key: str | None = None) -> bytes:
        lines = [f"POST {path} HTTP/1.1", "Host: intake", f"Authorization: {key or self.key}", *headers, "", ""]
        return "\r\n".join(lines).encode()

    async def closed(self, reason: str) -> float:
        async with httpx.AsyncClient() as client:
            lines = (await client.get(f"http://127.0.0.1:{self.port}/metrics")).text.splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith(f'jalur_intake_closed_connections_total{{reason="{reason}"')
        )


@pytest.fixture(scope="module")
async def running(postgres: RunningPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f'CREATE DATABASE "limits" TEMPLATE "{template}"')
    await connection.close()
    async with World(NOWHERE, postgres.dsn.rpartition("/")[0] + "/limits", "alone") as world:
        intake = ServiceProcess(world, "intake", Path(tmp_path_factory.mktemp("limits")), 0, **LIMITS).start()
        try:
            await intake.until_ready()
            yield Server(intake.port, (await world.key("source:lapor"))["Authorization"])
        finally:
            intake.stop()


@pytest.fixture
async def server(running: Server) -> AsyncIterator[Server]:
    """The one server; a test's connections end with it."""
    yield running
    while running.wires:
        running.wires.pop().close()
    await asyncio.sleep(0)


def said(heard: bytes, status: int) -> None:
    """The last answer heard is this problem."""
    head, _, body = heard.rpartition(b"\r\n\r\n")
    last = head.rpartition(b"HTTP/1.1 ")[2]
    assert last.startswith(str(status).encode()), heard
    assert b"content-type: application/problem+json" in last
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize("piece", [b"", b"x", b"X-Pad: 1\r\n"], ids=["silent", "by the byte", "by the header"])
async def test_a_head_that_does_not_come_in_time_ends_the_connection(server: Server, piece: bytes) -> None:
    wire = await server.connect()
    if piece:
        wire.say(b"POST /v1/complaints HTTP/1.1\r\n")
    assert await wire.trickle(piece) == b""
    assert await server.closed("head_slow") >= 1


async def test_the_second_head_on_a_kept_connection_has_to_come_in_time_too(server: Server) -> None:
    wire = await server.connect()
    wire.say(b"GET /health/live HTTP/1.1\r\nHost: intake\r\n\r\nGET /health")
    assert (await wire.trickle(b"x")).count(b"HTTP/1.1 200") == 1


async def test_a_body_that_trickles_is_answered_408_and_one_that_comes_slowly_but_surely_is_taken(server: Server) -> None:
    body = json.dumps(report(text="panjang " * 2000)).encode()
    wire = await server.connect()
    wire.say(server.head("/v1/complaints", f"Content-Length: {len(body)}"))
    said(await wire.trickle(b"{"), 408)
    before = await server.closed("body_slow")
    wire = await server.connect()
    wire.say(server.head("/v1/complaints", f"Content-Length: {len(body)}"))
    began, step = time.monotonic(), len(body) // 8
    for at in range(0, len(body), step):  # longer than the limit altogether, never below the rate
        assert await wire.hear(0.1)
        wire.say(body[at : at + step])
    assert time.monotonic() - began > 0.3
    while b"\r\n\r\n" not in wire.heard:
        assert await wire.hear(0.1)
    assert wire.heard.startswith(b"HTTP/1.1 202")
    assert await server.closed("body_slow") == before


async def test_a_batch_that_trickles_is_ended_and_its_lines_are_kept(server: Server) -> None:
    line = json.dumps(report(source_ref="trickled")).encode() + b"\n"
    wire = await server.connect()
    wire.say(server.head("/v1/complaints/batch", "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (len(line), line))
    await wire.trickle(b"1\r\n\n\r\n")
    async with httpx.AsyncClient(headers={"Authorization": server.key}) as client:
        found = await client.get(f"http://127.0.0.1:{server.port}/v1/complaints", params={"source_ref": "trickled"})
    assert len(found.json()["items"]) == 1


async def test_endless_heads_chunk_extensions_and_bodies_end(server: Server) -> None:
    wire = await server.connect()
    wire.say(b"POST /v1/complaints HTTP/1.1\r\nX-Pad: ")
    said(await wire.flood(b"x" * 4096), 431)
    wire = await server.connect()
    wire.say(server.head("/v1/complaints", "Transfer-Encoding: chunked") + b"1;")
    said(await wire.flood(b"x" * 4096), 431)
    wire = await server.connect()
    wire.say(server.head("/v1/complaints", "Transfer-Encoding: chunked"))
    said(await wire.flood(b"1000\r\n" + b"x" * 4096 + b"\r\n"), 413)
    wire = await server.connect()
    wire.say(server.head("/v1/complaints", "Transfer-Encoding: chunked", key="Bearer none"))
    said(await wire.flood(b"1000\r\n" + b"x" * 4096 + b"\r\n"), 401)
    wire = await server.connect()
    wire.say(server.head("/v1/complaints/batch", "Transfer-Encoding: chunked"))
    assert b'"status":413' in await wire.flood(b"1000\r\n" + b"\n" * 4096 + b"\r\n")


async def test_a_body_that_goes_on_after_its_answer_ends_soon_however_fast_it_comes(server: Server) -> None:
    before = await server.closed("body_slow")
    wire = await server.connect()
    wire.say(server.head("/v1/complaints", "Content-Length: 900000", key="Bearer none"))
    said(await wire.trickle(b"x" * 2000, within=4), 401)  # 40 kB a second, four times what an unanswered body needs
    assert await server.closed("body_slow") == before + 1


async def test_a_connection_that_only_sends_empty_lines_after_its_answer_ends(server: Server) -> None:
    wire = await server.connect()
    wire.say(b"GET /health/live HTTP/1.1\r\nHost: intake\r\n\r\n")
    while b'"live"' not in wire.heard:
        assert await wire.hear(0.1)
    assert (await wire.trickle(b"\r\n", within=4)).count(b"HTTP/1.1") == 1
    wire = await server.connect()
    wire.say(server.head("/v1/complaints", "Content-Length: 10", key="Bearer none"))
    while b'"status":401' not in wire.heard:
        assert await wire.hear(0.1)
    wire.say(b"0123456789")
    assert (await wire.trickle(b"", within=4)).count(b"HTTP/1.1") == 1


async def test_answers_that_nobody_takes_end_the_connection(server: Server) -> None:
    before = await server.closed("answer_not_taken")
    wire = await server.connect()
    wire.say(b"GET /openapi.json HTTP/1.1\r\nHost: intake\r\n\r\n" * 1000)

    async def is_ended() -> bool:
        return await server.closed("answer_not_taken") > before

    await until("the connection is ended", is_ended)
    assert await server.closed("answer_not_taken") == before + 1


async def test_so_many_connections_from_one_address_and_those_that_wait_make_room(server: Server) -> None:
    async def is_refused() -> bool:
        wires = [await server.connect("127.0.0.2") for _ in range(PER_ADDRESS + 1)]
        await wires[-1].hear(0.1)
        for wire in wires:
            wire.close()
        return wires[-1].heard.startswith(b"HTTP/1.1 503")

    await until("one too many from one address is refused", is_refused)
    assert await server.closed("too_many") >= 1

    async def has_made_room(idlers_say: bytes, hears: bytes) -> bool:
        before = await server.closed("idle_for_another")
        idle = [await server.connect(f"127.0.0.{3 + number}") for number in range(ALTOGETHER)]
        for wire in idle:
            wire.say(idlers_say)
        if hears:
            await asyncio.gather(*(wire.hear(0.1) for wire in idle))
            assert all(wire.heard.startswith(hears) for wire in idle)
            for wire in idle:
                wire.say(b"x")
        served = await server.connect("127.0.0.99")
        served.say(b"GET /health/live HTTP/1.1\r\nHost: intake\r\n\r\n")
        await served.hear(0.1)
        for wire in (*idle, served):
            wire.close()
        assert served.heard.startswith(b"HTTP/1.1 200"), "there is always room for who has something to say"
        return await server.closed("idle_for_another") > before

    await until("an idle connection made room", lambda: has_made_room(b"", b""), within=10)
    # Answered, and busy with a body that nobody waits for.
    refused = server.head("/v1/complaints", "Content-Length: 900000", key="Bearer none")
    await until("an answered connection made room", lambda: has_made_room(refused, b"HTTP/1.1 401"), within=10)


async def test_every_answer_has_its_security_headers_and_no_banner(server: Server) -> None:
    key = {"Authorization": server.key}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answers = [
            await client.get("/health/ready"),
            await client.get("/metrics"),
            await client.get("/docs"),
            await client.get("/nowhere"),
            await client.delete("/v1/complaints"),
            await client.get("/v1/changes"),
            await client.get("/v1/changes", headers=key),
            await client.post("/v1/complaints", headers=key, content=b"{"),
            await client.post("/v1/complaints", headers=key, content=b"x" * (256 * 1024 + 1)),
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 405, 401, 200, 400, 413]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert not answer.headers.keys() & {"server", "x-powered-by", "date"}
        if "json" in answer.headers["content-type"]:
            assert answer.headers["cache-control"] == "no-store"
    wire = await server.connect()
    wire.say(b"NONSENSE\r\n\r\n")
    while await wire.hear(1):
        pass
    assert wire.heard.startswith(b"HTTP/1.1 400")
    for name in SECURITY_HEADERS:
        assert name.encode() in wire.heard
    assert b"server:" not in wire.heard.lower()
