"""`jalur backup`: all of the database at one instant, closed with a key. Changes nothing in it, and stops nobody."""

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import CommandError, DataDir
from services.commands.connect import USAGE, Stack, find_stack, run

if TYPE_CHECKING:
    from services.commands.backup_manifest import Manifest

app = typer.Typer()


@app.command()
def backup(
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A new folder for this backup.")] = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", help="Closes the backup; without it nobody opens it again.")] = None,
    new_key: Annotated[Path | None, typer.Option("--new-key", metavar="FILE", help="Make a key, and nothing else.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Write all schemas, as they are at one instant, into DIR: encrypted, with a signed manifest. The services may go on meanwhile.

    It calls pg_dump, as the tables' owner. Keep the key elsewhere than the backups: both together are all reports with who reported.

    Exit codes: 0 written, 1 failed, and nothing is left of it, 2 wrong usage.
    """
    from services.commands.backup_seal import make_key, read_key

    if new_key is not None:
        if folder is not None or key_file is not None:
            raise CommandError("--new-key goes alone", USAGE)
        make_key(new_key)
        typer.echo(f"made {new_key}")
        return
    if folder is None or key_file is None:
        raise CommandError("say where and with which key: jalur backup DIR --key-file FILE", USAGE)
    key = read_key(key_file)
    made = run(_backup(find_stack(data_dir, os.environ), folder, key))
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "bytes": made.size, "made_at": made.made_at, "rows": made.rows}))
    else:
        typer.echo(f"{folder}: {sum(made.rows.values())} rows of {len(made.rows)} tables as of {made.made_at}, {made.size} bytes")


async def _backup(stack: Stack, folder: Path, key: bytes) -> "Manifest":
    from services.commands.backup_manifest import MANIFEST, SEALED, Manifest, describe
    from services.commands.backup_seal import name_of
    from services.commands.backup_tools import find_tool, patient_database, version_of

    tool = version_of(find_tool("pg_dump"))
    _take(folder)
    sealed = folder / SEALED
    try:
        async with patient_database(stack) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            # The dump may take hours, and until it has begun it needs this snapshot.
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0")
            said = await describe(connection)
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            size, digest = await asyncio.to_thread(_write, stack.dsn(), snapshot, sealed, key)
        manifest = Manifest(**said, pg_dump=tool, key=name_of(key), size=size, sha256=digest)
        manifest.write(folder / f"{MANIFEST}.part", key)
        (folder / f"{MANIFEST}.part").rename(folder / MANIFEST)  # last: a folder without it is no backup
        _sync_names(folder)
    except BaseException:
        _leave(folder, SEALED, f"{MANIFEST}.part", MANIFEST)
        raise
    return manifest


def _sync_names(folder: Path) -> None:
    """Those in it and its own: a name that is not on disk is lost with the power, whatever the file holds."""
    for parent in (folder, folder.absolute().parent):
        opened = os.open(parent, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _leave(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def _write(dsn: str, snapshot: str, sealed: Path, key: bytes) -> tuple[int, str]:
    from services.commands.backup_seal import seal
    from services.commands.backup_tools import dumping

    with os.fdopen(os.open(sealed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        with dumping(dsn, snapshot) as source:
            written = seal(key, source, out)
        out.flush()
        os.fsync(out.fileno())
    return written


def _take(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CommandError(f"{folder} is not empty: name a new folder for each backup", USAGE)
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror}", USAGE) from None
