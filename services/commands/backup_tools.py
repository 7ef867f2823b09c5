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


def check_restorable(made_by: str, pieces: Iterable[bytes]) -> None:
    """That the pg_restore here can read what that pg_dump wrote, as far as its list of contents: the rest is known to be whole."""
    tool = find_tool("pg_restore")
    ours = version_of(tool)
    if _major(ours) < _major(made_by):
        raise CommandError(f"the backup was made by pg_dump {made_by}; pg_restore here is older: {ours}")
    if (said := _fed([tool, "--list"], None, pieces)) is not None:
        raise CommandError(f"pg_restore cannot read it: {_first_error(said)}")


def _major(version: str) -> int:
    """0 of one that did not say: what it can read is seen then."""
    number = version.partition(".")[0]
    return int(number) if number.isdecimal() else 0


def restore_from(dsn: str, pieces: Iterable[bytes]) -> None:
    """All or nothing, in one transaction; the schemas are there and hold nothing of it. Whose they become is who restores, without rights
    for others.
    """
    tool = find_tool("pg_restore")
    words = [tool, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", *(f"--schema={name}" for name in SCHEMAS)]
    address, password = _apart(dsn)
    if (said := _fed([*words, f"--dbname={address}"], password, pieces)) is not None:
        raise CommandError(f"pg_restore failed: {_first_error(said)}")


def _fed(words: list[str], password: str | None, pieces: Iterable[bytes]) -> bytes | None:
    """Runs a program that reads the pieces, or as many of them as it wants; returns what it said if it failed."""
    with subprocess.Popen(  # noqa: S603
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment(password)
    ) as process:
        assert process.stdin is not None and process.stderr is not None
        try:
            with suppress(BrokenPipeError):  # it has enough, or gave up: its exit code and its own words say which
                for piece in pieces:
                    process.stdin.write(piece)
        except BaseException:
            process.kill()
            raise
        finally:
            with suppress(BrokenPipeError):  # what is still in the buffer, which the end of the block would trip over
                process.stdin.close()
        said = process.stderr.read()
    return said if process.returncode else None


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
