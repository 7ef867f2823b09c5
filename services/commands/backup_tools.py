"""PostgreSQL's own pg_dump and pg_restore: where they are, and how they are run. No password stands in a command line or an error."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from services.commands import CommandError
from services.commands.connect import Stack

if TYPE_CHECKING:
    import asyncpg

SCHEMAS = ("jalur", "intake", "router", "notifier")


@asynccontextmanager
async def patient_database(stack: Stack) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection whose statements may take as long as they take: they go over whole tables."""
    import asyncpg

    try:
        connection = await asyncpg.connect(stack.dsn(), timeout=5, server_settings={"statement_timeout": "0"})
    except (OSError, ValueError) as error:
        raise CommandError(f"PostgreSQL does not answer: {type(error).__name__}") from None
    try:
        yield connection
    finally:
        await connection.close()


async def who_works(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """Sessions of services on this database."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT application_name AS name FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'jalur-%' AND pid <> pg_backend_pid() ORDER BY 1
        """
    )
    return [row["name"] for row in rows]


def find_tool(name: str) -> str:
    """The one of the packages, else the one on the path."""
    from deploy.local.errors import StackError
    from deploy.local.postgres import _binary

    try:
        return str(_binary(name))
    except StackError:
        found = shutil.which(name)
    if found is None:
        raise CommandError(
            f"there is no {name}: install PostgreSQL's client programs, of the server's version or newer, or run `make setup`"
        )
    return found


def version_of(tool: str) -> str:
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False, env=_environment(None))  # noqa: S603
    return done.stdout.strip().rpartition(") ")[2].split(" ")[0] or "unknown"


@contextmanager
def dumping(dsn: str, snapshot: str) -> Iterator[IO[bytes]]:
    """All of Jalur's schemas as they are in that snapshot, in PostgreSQL's custom format."""
    tool = find_tool("pg_dump")
    words = [tool, "--format=custom", "--no-owner", f"--snapshot={snapshot}", *(f"--schema={name}" for name in SCHEMAS)]
    address, password = _apart(dsn)
    with subprocess.Popen(  # noqa: S603  our own words, no shell
        [*words, f"--dbname={address}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(password)
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            yield process.stdout
            said = process.stderr.read()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise CommandError(f"pg_dump failed: {_first_error(said)}")


def restore_from(dsn: str, pieces: Iterable[bytes]) -> None:
    """All or nothing, in one transaction; the schemas are there and hold nothing of it. Whose they become is who restores, without rights
    for others.
    """
    tool = find_tool("pg_restore")
    words = [tool, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", *(f"--schema={name}" for name in SCHEMAS)]
    address, password = _apart(dsn)
    with subprocess.Popen(  # noqa: S603
        [*words, f"--dbname={address}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(password),
    ) as process:
        assert process.stdin is not None and process.stderr is not None
        try:
            with suppress(BrokenPipeError):  # it gave up: its own words say why
                for piece in pieces:
                    process.stdin.write(piece)
                process.stdin.close()
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read()
    if process.returncode:
        raise CommandError(f"pg_restore failed, and the database holds nothing of Jalur now: {_first_error(said)}")


def _apart(dsn: str) -> tuple[str, str | None]:
    """The address without the password, and the password."""
    parts = urlsplit(dsn)
    who, at, where = parts.netloc.rpartition("@")
    user, _, password = who.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}{at}{where}")), unquote(password) or None


def _environment(password: str | None) -> dict[str, str]:
    """Options for another server (PGPORT, PGOPTIONS …) stay out."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"} | ({"PGPASSWORD": password} if password else {})


def _first_error(said: bytes) -> str:
    """Never a DETAIL or a CONTEXT: they quote rows."""
    lines = [line for line in said.decode(errors="replace").splitlines() if "error:" in line.lower()]
    return (lines[0] if lines else "it did not say why").partition("error: ")[2].strip()[:300] or "it did not say why"
