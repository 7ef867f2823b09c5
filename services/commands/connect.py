"""Where the running stack is, and one way to each of its parts. Starts nothing, and tells a failure in one line without a password."""

import logging
import os
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from services.commands import FAILED, CommandError

if TYPE_CHECKING:  # imported when a command runs: another command must not wait for it
    from shared.postgres import Connection
    from shared.settings import Settings

USAGE = 2
REFUSED = 4
"""Part of what was given was refused; the rest was taken."""

ServiceName = Literal["intake", "router", "notifier"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Stack:
    """The addresses of a stack that runs. What is None is not known here; asking for it says how to name it."""

    kafka: str | None
    postgres: str | None
    intake: str | None
    place: str
    environ: Mapping[str, str]

    def intake_url(self) -> str:
        url = self._known(self.intake, "intake", "JALUR_INTAKE=http://intake:8080").rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise CommandError(f"JALUR_INTAKE={url!r} does not begin with http:// or https://", USAGE)
        return url

    def dsn(self) -> str:
        from shared.settings import SettingsError, postgres_address

        address = self._known(self.postgres, "PostgreSQL", "JALUR_POSTGRES=postgresql://jalur@db/jalur")
        try:
            return postgres_address(address, self.environ)
        except SettingsError as error:
            raise CommandError(str(error), USAGE) from None

    def settings(self) -> "Settings":
        """For a client of Kafka: address, credentials and namespace."""
        from shared.settings import Settings, SettingsError

        bootstrap = self._known(self.kafka, "Kafka", "JALUR_KAFKA=broker-1:9092,broker-2:9092")
        environ = {**self.environ, "JALUR_KAFKA": bootstrap, "JALUR_POSTGRES": self.postgres or "postgresql://jalur@"}
        try:
            return Settings.load("commands", environ)
        except SettingsError as error:
            raise CommandError(str(error), USAGE) from None

    def _known(self, address: str | None, part: str, example: str) -> str:
        if not address:
            raise CommandError(f"no {part} known: nothing runs in {self.place} (jalur up), or name one: {example}", FAILED)
        return address


def find_stack(data_dir: Path, environ: Mapping[str, str] | None = None) -> Stack:
    """What runs from this data directory; where nothing does, what the environment names."""
    from deploy.local import state
    from deploy.local.datadir import DataDirectory
    from deploy.local.secured import operator_environment

    environ = os.environ if environ is None else environ
    directory = DataDirectory(data_dir.absolute())
    known = state.read(directory.state)
    if known is not None and known.supervisor.is_alive:
        intake = known.services.get("intake")
        environ = {**environ, **operator_environment(directory.secrets)} if known.is_secured else environ
        return Stack(known.kafka.address, known.postgres.address, intake.address if intake else None, str(directory.path), environ)
    named = {name: environ.get(name, "").strip() or None for name in ("JALUR_KAFKA", "JALUR_POSTGRES", "JALUR_INTAKE")}
    return Stack(named["JALUR_KAFKA"], named["JALUR_POSTGRES"], named["JALUR_INTAKE"], str(directory.path), environ)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """The whole of an asynchronous command. Ctrl-C cancels it, so that it closes what it opened."""
    import asyncio

    for name in ("aiokafka", "asyncio"):  # what they would log is told as one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with one_line_errors():
        return asyncio.run(work)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What can be wrong with a database or a broker, in an operator's words."""
    import asyncpg
    from aiokafka.errors import KafkaError

    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has enough: the command line ends quietly
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        raise CommandError("the database does not have Jalur's tables yet: start the services first") from None
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise CommandError("PostgreSQL refused the user or the password of JALUR_POSTGRES") from None
    except asyncpg.PostgresError as error:
        raise CommandError(f"PostgreSQL could not do it: {type(error).__name__}") from None
    except asyncpg.InterfaceError as error:
        raise CommandError(f"PostgreSQL cannot be reached: {error}") from None
    except KafkaError as error:
        raise CommandError(f"Kafka could not do it: {type(error).__name__}") from None
    except OSError as error:
        raise CommandError(error.strerror or f"no answer in time ({type(error).__name__})") from None


@asynccontextmanager
async def database(stack: Stack, service: str | None = None) -> AsyncIterator["Connection"]:
    """One connection for one command; with `service` it sees that service's tables, as the service does."""
    import asyncpg

    settings = {"search_path": f"{service}, jalur"} if service else {}
    try:
        connection = await asyncpg.connect(stack.dsn(), timeout=5, command_timeout=30, server_settings=settings)
    except (OSError, ValueError) as error:
        detail = "no answer within 5 s" if isinstance(error, TimeoutError) else type(error).__name__
        raise CommandError(f"PostgreSQL does not answer: {detail}") from None
    try:
        yield connection
    finally:
        await connection.close()
