"""Each service's role on a database of its own making: it may do its work, and nothing with what is another's or was written for good."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from deploy import secrets
from deploy.local import secured
from deploy.local.postgres import start_postgres
from services.commands import access_database
from shared.access import ROLES, SCHEMAS
from shared.postgres import PLUMBING, SchemaBehind, migrate, migrate_all, open_pool, read_clock
from shared.runtime import Prepared, running
from shared.settings import Settings
from tests.operators import database_alone, jalur
from tests.world import until

REFUSED = asyncpg.InsufficientPrivilegeError


@dataclass(frozen=True)
class Installation:
    made: Path
    superuser: str

    @property
    def owner(self) -> str:
        return secured.owner_address(self.made, self.superuser)

    def role(self, service: str) -> str:
        told = secured.service_environment(self.made, service, service, self.superuser)
        word = Path(told["JALUR_POSTGRES_PASSWORD_FILE"]).read_text()
        return told["JALUR_POSTGRES"].replace("@", f":{word}@", 1)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The roles of an installation, and no table yet."""
    folder = tmp_path_factory.mktemp("access")
    made = folder / "made"
    secured.make_secrets(made)
    server = start_postgres(folder / "server", settings={"fsync": "off"})
    secured.make_roles(made, server.dsn)
    secured.make_roles(made, server.dsn)  # a second start changes nothing
    yield Installation(made, server.dsn)
    server.stop()


@pytest.fixture(scope="module")
async def migrated(installation: Installation) -> Installation:
    async with database_alone(installation.owner) as world:
        done = await jalur(world, "migrate", "--json")
    assert done.exit_code == 0, done
    assert len(json.loads(done.stdout)["applied"]) > 8
    return installation


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def tables(dsn: str) -> list[tuple[str, str, str]]:
    """Schema, table and one of its columns."""
    async with connected(dsn) as connection:
        rows = await connection.fetch(
            "SELECT table_schema, table_name, min(column_name::text) FROM information_schema.columns"
            " WHERE table_schema = ANY ($1) AND is_generated = 'NEVER' AND is_identity = 'NO' GROUP BY 1, 2 ORDER BY 1, 2",
            list(SCHEMAS),
        )
    return [tuple(row) for row in rows]


def reading(table: str, column: str) -> tuple[str, ...]:
    return (f"SELECT {column} FROM {table} LIMIT 0", f"SELECT count(*) FROM {table}")


def changing(table: str, column: str) -> tuple[str, ...]:
    return (f"UPDATE {table} SET {column} = {column} WHERE false", f"DELETE FROM {table} WHERE false", f"TRUNCATE {table}")


def adding(table: str, column: str) -> tuple[str, ...]:
    return (f"INSERT INTO {table} ({column}) SELECT NULL WHERE false",)


async def refused(connection: Any, statement: str) -> bool:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except REFUSED:
        return True
    finally:
        await transaction.rollback()
    return False


async def test_after_the_owners_migration_every_right_is_as_it_must_be_and_services_find_nothing_to_migrate(migrated: Installation) -> None:
    async with database_alone(migrated.owner) as world:
        done = await jalur(world, "access", "show", "--only", "database")
        assert (done.exit_code, done.stdout) == (0, "all rights are as they must be\n")
        assert (await jalur(world, "migrate")).stdout == "nothing to do: the database is up to date\n"
    for service, plumbing in PLUMBING.items():
        assert await migrate(migrated.role(service), service, plumbing=plumbing) == []
        pool = await open_pool(migrated.role(service), service=service)
        async with pool.acquire() as connection:
            await read_clock(connection)
        await pool.close()


async def test_a_service_newer_than_its_tables_says_so_in_one_line_and_waits_for_the_owner(migrated: Installation) -> None:
    settings = Settings("router", "not-asked:9092", migrated.role("router"))
    prepared = Prepared()
    async with connected(migrated.owner) as owner:
        rows = await owner.fetch("DELETE FROM router.migrations WHERE name = '001_decisions.sql' RETURNING name, sha256, applied_at")
        with pytest.raises(SchemaBehind, match=r"older than this program, router/001_decisions\.sql is missing: run `jalur migrate`"):
            await migrate(settings.postgres, "router", plumbing=PLUMBING["router"])
        with capture_logs() as said:

            async def looked() -> bool:
                return bool(said)

            async with running(settings, prepared, plumbing=PLUMBING["router"]):
                await until("the service has said it", looked)
                assert not prepared.is_done
                await owner.executemany("INSERT INTO router.migrations VALUES ($1, $2, $3)", rows)
                await until("the service goes on", lambda: done(prepared))
    assert [(line["log_level"], "run `jalur migrate`" in line["detail"]) for line in said] == [("error", True)]


async def done(prepared: Prepared) -> bool:
    return prepared.is_done


@pytest.mark.parametrize("service", ROLES)
async def test_a_service_neither_sees_nor_changes_anothers_tables(migrated: Installation, service: str) -> None:
    there = await tables(migrated.owner)
    foreign = [(f"{schema}.{table}", column) for schema, table, column in there if schema not in (service, "jalur")]
    assert len(foreign) > 10
    async with connected(migrated.role(service)) as connection:
        for table, column in foreign:
            for statement in (*reading(table, column), *changing(table, column), *adding(table, column), f"LOCK TABLE {table}"):
                assert await refused(connection, statement), f"{service}: {statement}"
        for table, column in [(f"jalur.{table}", column) for schema, table, column in there if schema == "jalur"]:
            for statement in (*changing(table, column), *adding(table, column)):
                assert await refused(connection, statement), f"{service}: {statement}"


@pytest.mark.parametrize("service", ROLES)
async def test_a_service_makes_and_drops_nothing_and_becomes_nobody_else(migrated: Installation, service: str) -> None:
    own = {"intake": "reports", "router": "decisions", "notifier": "cases"}[service]
    async with connected(migrated.role(service)) as connection:
        assert await connection.fetchval("SHOW search_path") == f"{service}, jalur, pg_temp"
        for statement in (
            f"CREATE TABLE {service}.mine (x int)",
            "CREATE TABLE jalur.mine (x int)",
            "CREATE TABLE public.mine (x int)",
            "CREATE TEMPORARY TABLE mine (x int)",
            "CREATE SCHEMA mine",
            f"CREATE INDEX ON {own} ((true))",
            f"CREATE FUNCTION {service}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            f"ALTER TABLE {own} ADD COLUMN mine int",
            f"ALTER TABLE {own} DISABLE TRIGGER ALL",
            f"DROP TABLE {own}",
            f"TRUNCATE {own}",
            f"GRANT jalur_owner TO jalur_{service}",
            "SELECT jalur.set_clock_offset('1 hour')",
            "INSERT INTO jalur.clock_is_settable VALUES (true)",
            "UPDATE jalur.migrations SET name = 'x' WHERE false",
            f"DELETE FROM {service}.migrations",
            "SET ROLE jalur_owner",
            "CREATE ROLE mine",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('postgresql.conf')",
        ):
            assert await refused(connection, statement), statement


@pytest.mark.parametrize(
    ("service", "table", "forbidden"),
    [
        ("notifier", "notifier.timeline", ("UPDATE", "DELETE", "TRUNCATE")),
        ("router", "router.decisions", ("UPDATE", "DELETE", "TRUNCATE")),
        ("router", "router.rule_sets", ("INSERT", "UPDATE", "DELETE", "TRUNCATE")),
        ("intake", "intake.disclosures", ("UPDATE", "DELETE", "TRUNCATE")),
        ("intake", "intake.keys", ("DELETE", "TRUNCATE")),
    ],
)
async def test_what_was_written_stays_whoever_wrote_it(
    migrated: Installation, service: str, table: str, forbidden: tuple[str, ...]
) -> None:
    there = await tables(migrated.owner)
    column = next(column for schema, name, column in there if f"{schema}.{name}" == table)
    async with connected(migrated.role(service)) as connection:
        for statement in (*changing(table, column), *adding(table, column)):
            assert await refused(connection, statement) is (statement.split()[0] in forbidden), statement
        assert not await refused(connection, f"SELECT {column} FROM {table} LIMIT 0")


async def test_what_was_changed_by_hand_is_shown_and_put_right(migrated: Installation) -> None:
    async with connected(migrated.owner) as owner:
        await owner.execute("GRANT UPDATE, DELETE ON notifier.timeline TO jalur_notifier")
        await owner.execute("GRANT SELECT ON intake.reports TO PUBLIC")
        await owner.execute("GRANT SELECT (id) ON intake.keys TO jalur_router")
        await owner.execute("GRANT EXECUTE ON FUNCTION jalur.set_clock_offset TO jalur_intake")
        await owner.execute("REVOKE INSERT ON router.decisions FROM jalur_router")
    async with database_alone(migrated.owner) as world:
        found = await jalur(world, "access", "apply", "--only", "database", "--dry-run")
        assert found.exit_code == 3
        assert set(found.stdout.splitlines()) == {
            "+ jalur_router has INSERT on table router.decisions",
            "- jalur_notifier has DELETE, UPDATE on table notifier.timeline",
            "- PUBLIC has SELECT on table intake.reports",
            "- jalur_router has SELECT of column id on column intake.keys",
            "- jalur_intake has EXECUTE on function jalur.set_clock_offset(wanted interval)",
        }
        assert await refused_of(migrated, "notifier", "DELETE FROM timeline WHERE false") is False  # a dry run changes nothing
        assert (await jalur(world, "access", "apply", "--only", "database", "--yes")).exit_code == 0
        assert (await jalur(world, "access", "show", "--only", "database")).exit_code == 0
    assert await refused_of(migrated, "notifier", "DELETE FROM timeline WHERE false")
    assert await refused_of(migrated, "router", "SELECT count(*) FROM intake.reports")


async def test_what_only_a_superuser_can_mend_is_named_and_strangers_are_left_alone(migrated: Installation) -> None:
    async with connected(migrated.superuser) as connection:
        await connection.execute("ALTER ROLE jalur_router CREATEDB")
        await connection.execute("CREATE ROLE auditors; GRANT USAGE ON SCHEMA notifier TO auditors")
    try:
        async with database_alone(migrated.owner) as world:
            found = await jalur(world, "access", "show", "--only", "database")
            assert found.exit_code == 3
            assert found.stdout.splitlines() == [
                "! role jalur_router may make databases",
                "? auditors has USAGE on schema notifier (not ours: left as it is)",
            ]
            assert (await jalur(world, "access", "apply", "--only", "database", "--yes")).exit_code == 1
        async with connected(migrated.superuser) as connection:
            assert await connection.fetchval("SELECT has_schema_privilege('auditors', 'notifier', 'USAGE')")
    finally:
        async with connected(migrated.superuser) as connection:
            await connection.execute("ALTER ROLE jalur_router NOCREATEDB; DROP OWNED BY auditors; DROP ROLE auditors")


async def test_where_the_roles_are_missing_a_migration_gives_nobody_anything_and_the_command_says_how_to_make_them(tmp_path: Path) -> None:
    server = await asyncio.to_thread(start_postgres, tmp_path / "server", settings={"fsync": "off"})
    try:
        assert len(await migrate_all(server.dsn)) > 8
        assert await access_database.apply_rights(server.dsn) == []
        async with database_alone(server.dsn) as world:
            found = await jalur(world, "access", "show", "--only", "database")
        assert found.exit_code == 3
        assert "! role jalur_intake does not exist: deploy/postgres/10-roles.sql makes it, run by the server's superuser" in found.stdout
    finally:
        await asyncio.to_thread(server.stop)


async def refused_of(installation: Installation, service: str, statement: str) -> bool:
    async with connected(installation.role(service)) as connection:
        return await refused(connection, statement)


def test_the_passwords_are_the_installations_own(installation: Installation) -> None:
    for name in (*secrets.SERVICES, "operator"):
        assert (installation.made / name / "postgres-password").stat().st_mode & 0o777 == 0o400
