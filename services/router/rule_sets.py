"""Which rule set is in force: kept in the database, so that all replicas judge alike and a restart changes nothing.

Activation is an operator's; the router only follows, and keeps the judge it has where it cannot read another.
"""

import asyncio
import io
import math
import stat
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.router.classification import classify
from services.router.judgement import Judge
from services.router.model import FILE as MODEL
from services.router.rules import RuleError
from services.router.ruleset import FILES, read_folder, read_judge
from shared.logs import get_logger
from shared.postgres import Connection, Pool
from shared.units import UnitDirectory

_log = get_logger()
_LARGEST = 60_000_000
_LONGEST_VERSION = 100
_TRIAL = ("Paspor belum jadi", "Paspor saya belum jadi di Kanim Kupang, sudah sebulan.")


@dataclass(frozen=True, slots=True)
class Activation:
    """`content` is None for the packaged set."""

    version: str
    content: bytes | None
    judged: int
    moved: int
    is_confirmed: bool


def pack(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FILES:
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """Raises RuleError for what is no packed rule set."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _refuse_large(sum(archive.getinfo(name).file_size for name in FILES))
            return {name: archive.read(name) for name in FILES}
    except RuleError:
        raise
    except Exception as error:  # a damaged archive: zipfile, zlib and struct each have their own
        raise RuleError(f"is no packed rule set: {type(error).__name__}") from None


def read_candidate(folder: Path) -> dict[str, bytes]:
    """The files of a folder that somebody names; links are followed. Raises RuleError, before reading, for what is no file or too large."""
    whole = 0
    for name in FILES:
        try:
            found = (folder / name).stat()
        except (OSError, ValueError) as error:
            raise RuleError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
        if not stat.S_ISREG(found.st_mode):  # a device or a pipe never ends
            raise RuleError(f"{name}: is no file")
        whole += found.st_size
    _refuse_large(whole)
    return read_folder(folder)


def read_set(files: Mapping[str, bytes], directory: UnitDirectory) -> Judge:
    """A judge that has judged once: what a person could activate, every router can use. Raises RuleError whatever is wrong."""
    try:
        with suppress(zipfile.BadZipFile, KeyError), zipfile.ZipFile(io.BytesIO(files[MODEL])) as model:  # told better below
            _refuse_large(sum(part.file_size for part in model.infolist()))
        judge = read_judge(dict(files), directory)
        found = classify(judge, directory, *_TRIAL)
    except RuleError:
        raise
    except Exception as error:  # a model without an outcome that is asked for, and whatever else only use shows
        raise RuleError(f"its files cannot be used together: {type(error).__name__}") from None
    if not math.isfinite(found.confidence):
        raise RuleError(f"{MODEL}: its weights are no numbers")
    if not judge.version.isprintable() or len(judge.version) > _LONGEST_VERSION:
        raise RuleError(f"rules.toml: version: must be printable and shorter than {_LONGEST_VERSION} characters")
    return judge


def _refuse_large(size: int) -> None:
    if size > _LARGEST:
        raise RuleError(f"a rule set is larger than {_LARGEST} bytes")


async def add_activation(connection: Connection, activation: Activation) -> int:
    """Puts a set in force; returns its number."""
    number: int = await connection.fetchval(
        """
        INSERT INTO rule_sets (version, content, activated_at, judged, moved, is_confirmed)
        VALUES ($1, $2, now(), $3, $4, $5) RETURNING number
        """,
        activation.version,
        activation.content,
        activation.judged,
        activation.moved,
        activation.is_confirmed,
    )
    return number


async def find_active(connection: Connection, *, after: int = 0, before: int | None = None) -> tuple[int, str, bytes | None] | None:
    """The newest set of those numbered above `after` and below `before`; None where there is none."""
    row = await connection.fetchrow(
        """
        SELECT number, version, content FROM rule_sets
        WHERE number > $1 AND ($2::int IS NULL OR number < $2) ORDER BY number DESC LIMIT 1
        """,
        after,
        before,
    )
    return (row["number"], row["version"], row["content"]) if row else None


class RuleKeeper:
    """Follows the set in force. `judge` is that of the newest set that can be read, also after a restart."""

    def __init__(self, judge: Judge, directory: UnitDirectory) -> None:
        self.judge = judge
        self.is_refused = False
        self._directory = directory
        self._seen = 0
        self._in_force = 0

    async def follow(self, pool: Pool) -> bool:
        """Looks once; true where the judge changed. A set that cannot be read is logged and leaves the one before it in force."""
        async with pool.acquire() as connection:
            found = await find_active(connection, after=self._seen)
        if found is None:
            return False
        newest, judge, in_force = found[0], self.judge, self._in_force
        while found is not None:
            number, version, content = found
            try:
                # Reading a rule set takes a second, in which reports go on being judged.
                judge, in_force = await asyncio.to_thread(self._read, content), number
                break
            except Exception as error:  # a file that nobody thought of must not end the router
                _log.error(
                    "an activated rule set cannot be read; the one before it stays in force",
                    version=version,
                    error=str(error) if isinstance(error, RuleError) else type(error).__name__,
                )
            async with pool.acquire() as connection:
                found = await find_active(connection, after=self._in_force, before=number)
        changed = judge.version != self.judge.version
        self._seen, self._in_force, self.is_refused, self.judge = newest, in_force, in_force != newest, judge
        if changed:
            _log.info("another rule set is in force", version=judge.version)
        return changed

    def _read(self, content: bytes | None) -> Judge:
        return read_set(read_folder() if content is None else unpack(content), self._directory)
