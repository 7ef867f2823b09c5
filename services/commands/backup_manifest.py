"""What stands beside a backup: of when it is, what is in it, by which it is known to be whole. Nothing personal; signed with the key."""

import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.commands import CommandError
from services.commands.backup_seal import Damaged, name_of, signature
from services.commands.backup_tools import SCHEMAS

if TYPE_CHECKING:
    from shared.postgres import Connection

MANIFEST = "manifest.json"
SEALED = "database.sealed"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """`positions` are how far the notifier had applied its inputs, `highest` what numbers were given until then."""

    made_at: str
    jalur: str
    postgres: str
    pg_dump: str
    key: str
    size: int
    sha256: str
    migrations: dict[str, dict[str, str]]
    rows: dict[str, int]
    positions: dict[str, dict[str, int]]
    highest: dict[str, Any]
    format: int = FORMAT

    def write(self, file: Path, key: bytes) -> None:
        text = json.dumps(asdict(self), sort_keys=True, indent=1)
        with file.open("w", encoding="utf-8") as out:
            out.write(json.dumps({"manifest": text, "signature": signature(key, text.encode())}, indent=1) + "\n")
            out.flush()
            os.fsync(out.fileno())

    @property
    def postgres_major(self) -> int:
        return int(self.postgres.partition(".")[0])


def read_manifest(folder: Path, key: bytes) -> Manifest:
    """Raises `Damaged` for one that another key signed, or that was changed."""
    file = folder / MANIFEST
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        text, signed = kept["manifest"], kept["signature"]
        said = json.loads(text)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}; a folder without it is no whole backup") from None
    except (ValueError, KeyError, TypeError):
        raise Damaged(f"{file} cannot be read") from None
    if said.get("key") != name_of(key):
        raise Damaged(f"{folder} was made with the key {said.get('key')}, and this is {name_of(key)}")
    if not hmac.compare_digest(signed, signature(key, text.encode())):
        raise Damaged(f"{file} was changed")
    if said.get("format") != FORMAT:
        raise CommandError(f"{folder} is a backup of format {said.get('format')}; this release reads {FORMAT}")
    return Manifest(**said)


async def describe(connection: "Connection") -> dict[str, Any]:
    """All of the manifest that the database says, in the caller's snapshot."""
    migrations = {}
    for schema in SCHEMAS:
        if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.migrations"):
            raise CommandError(f"there is nothing to back up: schema {schema} has no tables of Jalur")
        migrations[schema] = {
            row["name"]: row["sha256"]
            for row in await connection.fetch(f"SELECT name, sha256 FROM {schema}.migrations ORDER BY name")  # noqa: S608 - closed set
        }
    positions: dict[str, dict[str, int]] = {}
    for row in await connection.fetch("SELECT topic, partition, position FROM notifier.watermarks ORDER BY topic, partition"):
        positions.setdefault(row["topic"], {})[str(row["partition"])] = row["position"]
    highest = await connection.fetchrow(
        """
        SELECT (SELECT max(accepted_at) FROM intake.complaints)::text AS accepted_at,
            (SELECT max(decided_at) FROM router.decisions)::text AS decided_at,
            (SELECT coalesce(max(sequence), 0) FROM notifier.cases) AS sequence,
            (SELECT last_value FROM intake.status_change_numbers) AS change
        """
    )
    assert highest is not None
    return {
        "made_at": (await connection.fetchval("SELECT now()")).isoformat(),
        "jalur": version("jalur"),
        "postgres": (await connection.fetchval("SHOW server_version")).split(" ")[0],
        "migrations": migrations,
        "rows": await count_rows(connection),
        "positions": positions,
        "highest": dict(highest),
    }


def known_migrations(schema: str) -> dict[str, str]:
    """What this release applies to a schema, as name and SHA-256."""
    from shared.postgres import PLUMBING

    folders = {"": files("shared") / "migrations"}
    if schema != "jalur":
        folders = {f"{part}/": folders[""] / part for part in PLUMBING[schema]} | {"": files("services") / schema / "migrations"}
    return {
        prefix + file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for prefix, folder in folders.items()
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


async def count_rows(connection: "Connection") -> dict[str, int]:
    """Of every table, by its name with its schema."""
    tables = await connection.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY ($1::text[]) ORDER BY 1, 2", list(SCHEMAS)
    )
    return {
        f"{row['schemaname']}.{row['tablename']}": await connection.fetchval(
            f'SELECT count(*) FROM "{row["schemaname"]}"."{row["tablename"]}"'  # noqa: S608 - names from the catalogue
        )
        for row in tables
    }
