"""The database: a pool, forward-only migrations, and the one clock that everything reads.

Each service has a schema of its own; `jalur` holds the clock. Transactions are committed at the edge: `async with transaction(pool)`.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shared.errors import JalurError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

# What a statement can be refused for because of its own values: bad data, a constraint, an exception raised in SQL.
_OF_THE_VALUES = ("22", "23", "P0")


def _of_the_server(kind: type[asyncpg.PostgresError]) -> Iterator[type[BaseException]]:
    for child in kind.__subclasses__():
        if (child.sqlstate or "")[:2] not in _OF_THE_VALUES:
            yield child
            yield from _of_the_server(child)


# The errors that mean "the database is away, or cannot take this now": the same work is safe to repeat. Whatever the server says that is
# not of the values' making counts: a read-only standby after a failover, a full disk, a missing right or table while operators work.
# asyncpg's InternalClientError is what a statement gets that was begun while the server was dying.
AWAY: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    *_of_the_server(asyncpg.PostgresError),
)

# Those of them after which nobody knows whether a COMMIT under way took place.
IN_DOUBT: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
)

_MIGRATION_LOCK = 0x6A616C7572
_RESTORE_UNDER_WAY = "restore under way"
# Which shared tables each service has beside its own.
PLUMBING: dict[str, tuple[str, ...]] = {"intake": ("outbox", "breaker"), "router": ("breaker",), "notifier": ("outbox", "breaker")}


class SchemaBehind(JalurError):
    """The database is older than this program, and its role may not change that: an operator runs `jalur migrate`."""


async def open_pool(dsn: str, *, service: str, most: int = 8) -> Pool:
    """A pool whose sessions see this service's schema first. It connects when first used, so the server may be away now."""
    pool = await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=most,
        timeout=5,
        command_timeout=30,
        server_settings={
            "search_path": f"{service}, jalur, pg_temp",  # last: a temporary table must never stand in for one of ours
            "application_name": f"jalur-{service}",
            "idle_in_transaction_session_timeout": "60000",
            "timezone": "UTC",
            "jit": "off",
        },
    )
    assert pool is not None
    return pool


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    async with pool.acquire(timeout=5) as connection, connection.transaction():
        yield connection


async def migrate(dsn: str, service: str, *, plumbing: tuple[str, ...] = (), clock_is_settable: bool = False) -> list[str]:
    """Apply what is new: the clock's schema, the named plumbing (`outbox`, `breaker`) and the service's own, each file once.

    Replicas that start together wait for each other. A migration that changed after it was applied is refused: write a new one.
    Where nothing is new nothing is created or altered, so a role without the right to do so may ask; where something is, it is told so by
    `SchemaBehind`. Returns the names applied.
    """
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
            applied = await _apply(connection, "jalur", files("shared") / "migrations")
            for part in plumbing:
                applied += await _apply(connection, service, files("shared") / "migrations" / part, f"{part}/")
            applied += await _apply(connection, service, files("services") / service / "migrations")
            if clock_is_settable and not await connection.fetchval("SELECT EXISTS (SELECT FROM jalur.clock_is_settable)"):
                await connection.execute("INSERT INTO jalur.clock_is_settable SELECT true ON CONFLICT DO NOTHING")
    finally:
        await connection.close()
    return applied


async def migrate_all(dsn: str, *, clock_is_settable: bool = False) -> list[str]:
    """Every service's schema, as an operator does it who owns them. Returns the names applied; safe to repeat, and to run twice at once."""
    applied = []
    for service, plumbing in PLUMBING.items():
        applied += await migrate(dsn, service, plumbing=plumbing, clock_is_settable=clock_is_settable)
    return applied


async def _apply(connection: Any, schema: str, folder: Traversable, prefix: str = "") -> list[str]:
    known = {}
    if await connection.fetchval("SELECT to_regclass(format('%I.migrations', $1::text)) IS NOT NULL", schema):
        known = {row["name"]: row["sha256"] for row in await connection.fetch(f'SELECT name, sha256 FROM "{schema}".migrations')}  # noqa: S608
    new = []
    for file in sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name):
        text = file.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        name = prefix + file.name
        if name not in known:
            new.append((name, digest, text))
        elif known[name] != digest:
            raise RuntimeError(f"migration {schema}/{name} was changed after it was applied; put the change into a new file")
    if not new:
        return []
    if not await _may_create(connection, schema):
        missing = ", ".join(f"{schema}/{name}" for name, _, _ in new)
        raise SchemaBehind(f"the database is older than this program, {missing} is missing: run `jalur migrate` as the tables' owner")
    if not await connection.fetchval("SELECT to_regnamespace(quote_ident($1::text)) IS NOT NULL", schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')
    await connection.execute(f'SET LOCAL search_path TO "{schema}", jalur')
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    for name, digest, text in new:
        await connection.execute(text)
        await connection.execute("INSERT INTO migrations (name, sha256) VALUES ($1, $2)", name, digest)
    return [f"{schema}/{name}" for name, _, _ in new]


async def _may_create(connection: Any, schema: str) -> bool:
    """Whether this role may make tables there, or the schema itself where there is none."""
    return await connection.fetchval(  # type: ignore[no-any-return]
        """
        SELECT coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1),
            has_database_privilege(current_database(), 'CREATE'))
        """,
        schema,
    )


async def is_recovered(dsn: str) -> bool:
    """False from `jalur restore` until `jalur recover` is done: what Kafka knows beyond the backup would be skipped for good."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        if await is_restore_under_way(connection):
            return False
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM jalur.restores WHERE recovered_at IS NULL)")
    finally:
        await connection.close()


async def is_restore_under_way(connection: Connection) -> bool:
    """True also after one that stopped half-way: what is in the database then may look whole, and nobody has said of when it is."""
    return await connection.fetchval(  # type: ignore[no-any-return]
        "SELECT coalesce(obj_description(to_regnamespace('jalur'), 'pg_namespace') = $1, false)", _RESTORE_UNDER_WAY
    )


async def mark_restore(connection: Connection, *, is_under_way: bool) -> None:
    """In the caller's transaction, as the schema's owner. It stands beside the tables, where pg_restore does not reach it."""
    said = f"'{_RESTORE_UNDER_WAY}'" if is_under_way else "NULL"
    await connection.execute(f"COMMENT ON SCHEMA jalur IS {said}")


async def read_clock(connection: Connection) -> datetime:
    """Jalur's now. Inside a transaction it is the transaction's start."""
    return await connection.fetchval("SELECT jalur.jalur_now()")  # type: ignore[no-any-return]
