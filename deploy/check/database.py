"""The compose file's database, for real: its roles and tables on the embedded PostgreSQL, and what each role may and may not do."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from deploy.check.fault import Fault
from deploy.local.postgres import _binary, start_postgres
from shared.postgres import PLUMBING, migrate, migrate_all, open_pool, read_clock
from shared.settings import postgres_address

# One table of each schema, its rows being nobody else's business.
TABLES = {"intake": "intake.reports", "router": "router.decisions", "notifier": "notifier.cases"}


@contextmanager
def running_database(project: Path, scratch: Path, made: Path) -> Iterator[str]:
    """An empty database with the roles of 10-roles.sql; yields host and port. `made` are the installation's secrets."""
    server = start_postgres(scratch / "postgres", settings={"fsync": "off"})
    try:
        done = subprocess.run(
            [_binary("psql"), "-v", "ON_ERROR_STOP=1", "-q", "-d", server.dsn, "-f", project / "deploy" / "postgres" / "10-roles.sql"],
            env={"PATH": os.environ["PATH"], "SECRETS": str(made / "postgres")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Fault(f"deploy/postgres/10-roles.sql: {done.stderr.strip()[-1000:]}")
        where = urlsplit(server.dsn)
        yield f"{where.hostname}:{where.port}"
    finally:
        server.stop()


async def look(made: Path, server: str) -> None:
    """The tables are there. What each role may do, and what it may not."""

    def dsn(role: str) -> str:
        reader = "operator" if role == "owner" else role
        return postgres_address(
            f"postgresql://jalur_{role}@{server}/jalur", {"JALUR_POSTGRES_PASSWORD_FILE": str(made / reader / "postgres-password")}
        )

    if again := await migrate_all(dsn("owner")):
        raise Fault(f"migrating twice applied {again} twice")
    for role, table in TABLES.items():
        if await migrate(dsn(role), role, plumbing=PLUMBING[role]):
            raise Fault(f"{role} migrated what its owner should have")
        pool = await open_pool(dsn(role), service=role)
        try:
            async with pool.acquire() as connection:
                if await connection.fetchval("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"):
                    raise Fault(f"{role} has rights over the server")
                await read_clock(connection)
                await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  ours
                forbidden = [f"SELECT * FROM {other}" for other in TABLES.values() if other != table]  # noqa: S608
                forbidden += [
                    f"DROP TABLE {table}",
                    f"ALTER TABLE {table} ADD COLUMN extra int",
                    f"TRUNCATE {table}",
                    f"CREATE TABLE {role}.mine (x int)",
                    "CREATE TABLE public.mine (x int)",
                    "CREATE SCHEMA mine",
                    "INSERT INTO jalur.clock_offsets (ahead) VALUES ('1 h')",
                    "INSERT INTO jalur.clock_is_settable VALUES (true)",
                    "SET ROLE jalur_owner",
                    "COPY (SELECT 1) TO PROGRAM 'true'",
                ]
                for statement in forbidden:
                    try:
                        await connection.execute(statement)
                    except asyncpg.InsufficientPrivilegeError:
                        continue
                    raise Fault(f"{role} may: {statement}")
        finally:
            await pool.close()
    owner = await asyncpg.connect(dsn("owner"))
    try:
        if await owner.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
            raise Fault("the owner of the tables is a superuser")
    finally:
        await owner.close()
