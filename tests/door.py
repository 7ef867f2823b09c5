"""Intake alone, with no broker in sight: what it accepts stays in its tables, where a test can look at all of it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.topics import Topics
from tests.world import World, report, until

# In a test's process nobody configured the logs, and structlog's own form of an exception takes a second to draw.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)
NOWHERE = "127.0.0.1:1"
TABLES = ("complaints", "reports", "identities", "changes", "outbox", "known_rows", "speech", "answers", "disclosures")


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the outbox."""

    topic: str
    complaint_id: str
    headers: dict[str, str]
    value: dict[str, Any]

    @property
    def type(self) -> str:
        return self.headers["ce_type"]


class Door:
    """An intake that runs in this process, and what a connector does with it."""

    def __init__(self, world: World, app: Any, http: httpx.AsyncClient) -> None:
        self.world = world
        self.app = app
        self.http = http

    async def submit(
        self, body: dict[str, Any] | bytes | None = None, *, role: str | None = None, key: str | None = None, **fields: Any
    ) -> httpx.Response:
        """POST a report: `body` as it is, or the usual one with `fields`."""
        content = body if isinstance(body, bytes) else json.dumps(report(**fields) if body is None else body).encode()
        return await self.http.post("/v1/complaints", content=content, headers=await self.headers(role, key))

    async def accepted(self, body: dict[str, Any] | None = None, *, role: str | None = None, key: str | None = None, **fields: Any) -> Any:
        """As `submit`; the answer's body, which must be a 202."""
        response = await self.submit(body, role=role, key=key, **fields)
        assert response.status_code == 202, response.text
        return response.json()

    async def change(self, complaint_id: str, body: dict[str, Any], role: str | None = None) -> httpx.Response:
        return await self.http.post(f"/v1/complaints/{complaint_id}/changes", json=body, headers=await self.headers(role))

    async def read(self, complaint_id: str, role: str | None = None) -> httpx.Response:
        return await self.http.get(f"/v1/complaints/{complaint_id}", headers=await self.headers(role))

    async def send_lines(self, path: str, lines: Sequence[Any] | bytes, key: str | None = None) -> list[dict[str, Any]]:
        """POST NDJSON; the answer's lines."""
        content = lines if isinstance(lines, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        response = await self.http.post(path, content=content, headers=await self.headers(None, key))
        assert response.status_code == 200, response.text
        return [json.loads(line) for line in response.text.splitlines()]

    async def headers(self, role: str | None = None, key: str | None = None) -> dict[str, str]:
        found = await self.world.key(role) if role else {}
        return found | ({"Idempotency-Key": key} if key is not None else {})

    async def counts(self) -> dict[str, int]:
        """Rows of every table that a request may add to."""
        return {table: await self.world.db.fetchval(f"SELECT count(*) FROM intake.{table}") for table in TABLES}

    async def clear(self) -> None:
        """As if nothing had ever come in; keys stay."""
        tables = ", ".join(f"intake.{table}" for table in (*TABLES, "outbox_failed", "cases", "listed_cases", "status_changes"))
        await self.world.db.execute(f"TRUNCATE {tables}, jalur.clock_offsets")

    async def outbox(self, type_: str | None = None) -> list[Stored]:
        """What waits to be sent, oldest first."""
        rows = await self.world.db.fetch("SELECT topic, key, headers, value FROM intake.outbox ORDER BY id")
        found = [
            Stored(row["topic"], str(UUID(bytes=row["key"])), dict(json.loads(row["headers"])), json.loads(row["value"])) for row in rows
        ]
        return [event for event in found if type_ in (None, event.type)]

    async def changes(self) -> list[dict[str, Any]]:
        """The payloads of the changes that wait to be sent."""
        return [event.value for event in await self.outbox("id.jalur.complaint.changed.v1")]


@asynccontextmanager
async def open_door(dsn: str, role: str = "source:lapor", **changed: Any) -> AsyncIterator[Door]:
    """Intake in this process on a database of its own; `changed` are settings."""
    async with World(NOWHERE, dsn, "alone") as world, replica(world, role, **changed) as door:
        yield door


@asynccontextmanager
async def shared_door(server: str, template: str) -> AsyncIterator[Door]:
    """One intake for all tests of a module; each begins with `clear`. `server` is any database's address on it."""
    name = f"shared_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        async with open_door(server.rpartition("/")[0] + f"/{name}") as door:
            yield door
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@asynccontextmanager
async def replica(world: World, role: str = "source:lapor", **changed: Any) -> AsyncIterator[Door]:
    """One intake of an installation."""
    async with world.running("intake", **changed) as app, world.client(app, role) as http:

        async def is_ready() -> bool:
            return (await http.get("/health/ready")).status_code == 200

        await until("intake is ready", is_ready)
        yield Door(world, app, http)


async def few_topics(bootstrap: str, namespace: str, **config: str) -> Topics:
    """What intake alone reads and writes: made in a moment, where all topics take seconds. `config` is of the topic of reports."""
    topics = Topics(namespace)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = (topics.received, topics.changes, topics.status, topics.dead_letters("intake"))
        given = {name.replace("_", "."): value for name, value in config.items()}
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs=given if name == topics.received else {}) for name in names])

        async def have_leaders() -> bool:
            described = await admin.describe_topics(list(names))
            return all(len(item["partitions"]) == 2 and all(part["leader"] >= 0 for part in item["partitions"]) for item in described)

        await until("the topics have leaders", have_leaders)
    finally:
        await admin.close()
    return topics


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem details of a refusal, checked for what every one of them has."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:jalur:problem:")
    assert body["title"]
    assert body["detail"]
    return body


def fields_of(body: dict[str, Any]) -> list[str]:
    """The fields that a problem names."""
    return [error["field"] for error in body.get("errors", [])]


class Wire:
    """A TCP relay to the database that can be cut, also at the moment when a COMMIT is under way."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.port = 0
        self.loses_next_commit = False

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Nobody listens any more, and every connection is gone."""
        assert self._server is not None
        self._server.close()
        self._drop()
        if self._pumps:
            await asyncio.wait(self._pumps)

    def _drop(self) -> None:
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()
        self._pairs.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._to)
        self._pairs.add((writer, there_writer))
        for source, target, is_request in ((reader, there_writer, True), (there_reader, writer, False)):
            pump = asyncio.create_task(self._pump(source, target, writer, is_request))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, client: asyncio.StreamWriter, is_request: bool
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(65536):
                if is_request and self.loses_next_commit and b"COMMIT;" in chunk:
                    self.loses_next_commit = False
                    client.transport.abort()  # the database gets its COMMIT, the service no answer
                target.write(chunk)
                await target.drain()
        target.close()


@asynccontextmanager
async def wired(dsn: str) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the database, and the address at its near end."""
    head, _, tail = dsn.rpartition("@")
    address, _, name = tail.partition("/")
    host, _, port = address.partition(":")
    wire = Wire(host, int(port))
    await wire.open()
    try:
        yield wire, f"{head}@127.0.0.1:{wire.port}/{name}"
    finally:
        await wire.cut()
