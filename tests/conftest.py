"""A real broker and a real database for the whole run; a database and topics of its own for each test that asks for them."""

import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local.kafka import RunningKafka, start_kafka
from deploy.local.postgres import RunningPostgres, start_postgres
from services.commands.access_database import apply_rights
from shared.access import ROLES
from shared.postgres import migrate
from shared.topics_admin import apply_topics
from tests.world import ROLE_PASSWORD, SERVERS_WITH_ROLES, World

TEMPLATE = "jalur_template"

# A run in the background of a script ignores Ctrl-C, and what it starts would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKafka]:
    broker = start_kafka(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPostgres]:
    # The tests' databases are thrown away; what is durable is tested on servers of their own.
    server = start_postgres(tmp_path_factory.mktemp("postgres"), settings={"fsync": "off"})
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def template(postgres: RunningPostgres) -> str:
    """A database with every service's schema, to be cloned."""
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f'CREATE DATABASE "{TEMPLATE}"')
    await connection.close()
    dsn = postgres.dsn.rpartition("/")[0] + f"/{TEMPLATE}"
    for service, plumbing in (("intake", ("outbox", "breaker")), ("router", ("breaker",)), ("notifier", ("outbox", "breaker"))):
        await migrate(dsn, service, plumbing=plumbing, clock_is_settable=True)
    await give_roles(postgres, dsn)
    return TEMPLATE


async def give_roles(postgres: RunningPostgres, dsn: str) -> None:
    """The services' roles, with the rights on the template that an installation gives them, which its clones keep."""
    connection = await asyncpg.connect(postgres.dsn)
    for role in ROLES.values():
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{ROLE_PASSWORD}'")
    await connection.close()
    await apply_rights(dsn)
    SERVERS_WITH_ROLES.add(urlsplit(dsn).netloc.rpartition("@")[2])


@pytest.fixture
async def dsn(postgres: RunningPostgres, template: str) -> AsyncIterator[str]:
    """A database of its own."""
    name = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield postgres.dsn.rpartition("/")[0] + f"/{name}"
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture
async def namespace(kafka: RunningKafka) -> str:
    """Topics and groups of its own."""
    name = f"t{secrets.token_hex(5)}"
    await apply_topics(kafka.bootstrap, name, most_partitions=3)
    return name


@pytest.fixture
async def world(kafka: RunningKafka, dsn: str, namespace: str) -> AsyncIterator[World]:
    """One installation: its services are started by the test that needs them."""
    async with World(kafka.bootstrap, dsn, namespace) as created:
        yield created
