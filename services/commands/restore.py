"""`jalur restore`: sets the database to a backup. Nothing begins to work on it before `jalur recover` has joined it with Kafka."""

import asyncio
import hmac
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.commands import CommandError, DataDir
from services.commands.connect import USAGE, Stack, find_stack, run

if TYPE_CHECKING:
    import asyncpg

    from services.commands.backup_manifest import Manifest
    from shared.postgres import Connection

app = typer.Typer()


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of one backup.")],
    key_file: Annotated[Path, typer.Option("--key-file", help="The key it was made with.")],
    check: Annotated[bool, typer.Option("--check", help="Read all of it and say whether it is whole; restore nothing.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Throw away what the database has of Jalur now.")] = False,
    erased: Annotated[
        Path | None, typer.Option("--erased", help="Erased since: a complaint id a line, as `jalur erase list` says.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before throwing anything away.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Set the database to a backup, with the services stopped; then `jalur recover`.

    The backup is read to its end first: a wrong key, a damaged or cut file, one of a newer release or of a newer PostgreSQL is refused
    before anything is touched. An older one is brought up to this release. What was erased since the backup is erased again.

    Exit codes: 0 restored, or whole; 1 failed, and nothing was changed unless it says so; 2 wrong usage.
    """
    from services.commands.backup_manifest import read_manifest
    from services.commands.backup_seal import read_key

    key = read_key(key_file)
    ids = _ids(erased) if erased is not None else []
    manifest = read_manifest(folder, key)
    _check_whole(folder, manifest, key)
    if not check:
        stack = find_stack(data_dir, os.environ)
        run(_restore(stack, folder, manifest, key, ids, _may_replace(replace, yes)))
    done = "whole" if check else "restored"
    if as_json:
        typer.echo(json.dumps({"result": done, "made_at": manifest.made_at, "rows": manifest.rows, "highest": manifest.highest}))
        return
    typer.echo(
        f"{done}: {sum(manifest.rows.values())} rows of {len(manifest.rows)} tables as of {manifest.made_at}, Jalur {manifest.jalur}"
    )
    if not check:
        typer.echo("no service works before this: jalur recover")


def _may_replace(replace: bool, yes: bool) -> Callable[[int], bool]:
    def may(rows: int) -> bool:
        if replace and not yes:
            typer.confirm(f"throw away {rows} rows of Jalur in the database as it is now?", abort=True)
        return replace

    return may


def _ids(file: Path) -> list[UUID]:
    try:
        return [UUID(line) for line in file.read_text(encoding="utf-8").split()]
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", USAGE) from None
    except ValueError:
        raise CommandError(f"{file}: a line is no complaint id", USAGE) from None


def _check_whole(folder: Path, manifest: "Manifest", key: bytes) -> None:
    """All of the file, from the first byte to the last."""
    from services.commands.backup_manifest import SEALED
    from services.commands.backup_seal import Damaged, Hashed, unseal

    try:
        size = (folder / SEALED).stat().st_size
        if size != manifest.size:
            raise Damaged(f"{folder / SEALED} has {size} bytes, and the manifest says {manifest.size}")
        with (folder / SEALED).open("rb") as source:
            read = Hashed(source)
            for _ in unseal(key, read):
                pass
        if not hmac.compare_digest(read.hexdigest(), manifest.sha256):  # another backup with this key would open as well
            raise Damaged(f"{folder / SEALED} is not the file that the manifest describes")
    except OSError as error:
        raise CommandError(f"{folder / SEALED}: {error.strerror}") from None


def _check_release(manifest: "Manifest") -> None:
    """A migration that this release does not have, or has otherwise, was made by another one; older ones are brought up to this."""
    from services.commands.backup_manifest import known_migrations

    for schema, applied in manifest.migrations.items():
        ours = known_migrations(schema)
        for name, digest in applied.items():
            if name not in ours:
                raise CommandError(f"the backup is of a newer release ({manifest.jalur}): this one does not know {schema}/{name}")
            if ours[name] != digest:
                raise CommandError(f"the backup is of another release ({manifest.jalur}): its {schema}/{name} is another than this one's")


async def _restore(
    stack: Stack, folder: Path, manifest: "Manifest", key: bytes, ids: list[UUID], may_replace: Callable[[int], bool]
) -> None:
    from services.commands.backup_tools import patient_database

    _check_release(manifest)
    await asyncio.to_thread(_check_tool, folder, manifest, key)
    async with patient_database(stack) as connection:
        await _check_server(connection, manifest)
        await _make_room(connection, may_replace)
    try:
        await _refill(stack, folder, manifest, key, ids)
    except BaseException:  # Ctrl-C too
        typer.echo("the restore is not finished, and no service begins before it is: repeat it, with --replace", err=True)
        raise
    if ids:
        from services.commands.erasure_list import reapply

        async with patient_database(stack) as connection:
            await reapply(connection, [str(item) for item in ids])


async def _refill(stack: Stack, folder: Path, manifest: "Manifest", key: bytes, ids: list[UUID]) -> None:
    """All that must be done before `jalur recover` may begin, which does the erasures again and gives no rights."""
    from services.commands.access_database import apply_rights
    from services.commands.backup_tools import patient_database
    from services.commands.dead_replays import operator
    from shared.postgres import mark_restore, migrate_all

    dsn = stack.dsn()
    await asyncio.to_thread(_fill, dsn, folder, key)
    async with patient_database(stack) as connection:
        await _check_rows(connection, manifest)
    await migrate_all(dsn)
    await apply_rights(dsn)
    async with patient_database(stack) as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO jalur.restores (backup_made_at, operator, erased) VALUES ($1::text::timestamptz, $2, $3)",
            manifest.made_at,
            operator(),
            ids,
        )
        await mark_restore(connection, is_under_way=False)


def _check_tool(folder: Path, manifest: "Manifest", key: bytes) -> None:
    from services.commands.backup_manifest import SEALED
    from services.commands.backup_seal import unseal
    from services.commands.backup_tools import check_restorable

    with (folder / SEALED).open("rb") as source:
        check_restorable(manifest.pg_dump, unseal(key, source))


def _fill(dsn: str, folder: Path, key: bytes) -> None:
    from services.commands.backup_manifest import SEALED
    from services.commands.backup_seal import unseal
    from services.commands.backup_tools import restore_from

    try:
        with (folder / SEALED).open("rb") as source:
            restore_from(dsn, unseal(key, source))
    except (CommandError, OSError) as error:
        raise CommandError(f"{error}; the database holds nothing of Jalur now") from None


async def _check_server(connection: "asyncpg.Connection[asyncpg.Record]", manifest: "Manifest") -> None:
    from services.commands.backup_tools import who_works

    server = str(await connection.fetchval("SHOW server_version")).split(" ")[0]
    if int(server.partition(".")[0]) < manifest.postgres_major:
        raise CommandError(f"the backup is of PostgreSQL {manifest.postgres}; this server is older: {server}")
    if others := await who_works(connection):
        raise CommandError(f"services work on this database: {', '.join(others)}; stop them first")


async def _make_room(connection: "Connection", may_replace: Callable[[int], bool]) -> None:
    """Empty schemas, which stay: whoever restores may own them without the right to make any. From here on no service begins."""
    from services.commands.backup_manifest import count_rows
    from services.commands.backup_tools import SCHEMAS
    from shared.postgres import mark_restore

    async with connection.transaction():
        rows = await count_rows(connection)
        kept = sum(count for name, count in rows.items() if not name.endswith((".migrations", ".clock_is_settable")))
        if kept and not may_replace(kept):
            raise CommandError(f"the database has {kept} rows of Jalur: name an empty one, or throw them away with --replace")
        for schema in SCHEMAS:
            if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema):
                await connection.execute(f"CREATE SCHEMA {schema}")
        if rows:
            await connection.execute(f"DROP TABLE {', '.join(rows)} CASCADE")
        for row in await connection.fetch(
            """
            SELECT 'FUNCTION ' || oid::regprocedure AS thing FROM pg_proc WHERE pronamespace::regnamespace::text = ANY ($1::text[])
            UNION ALL SELECT 'SEQUENCE ' || oid::regclass FROM pg_class
            WHERE relnamespace::regnamespace::text = ANY ($1::text[]) AND relkind = 'S'
            """,
            list(SCHEMAS),
        ):
            await connection.execute(f"DROP {row['thing']} CASCADE")
        await mark_restore(connection, is_under_way=True)


async def _check_rows(connection: "Connection", manifest: "Manifest") -> None:
    from services.commands.backup_manifest import count_rows

    found = await count_rows(connection)
    wrong = [name for name, count in manifest.rows.items() if found.get(name) != count]
    if wrong:
        raise CommandError(f"restored, but {wrong[0]} has {found.get(wrong[0])} rows, not the {manifest.rows[wrong[0]]} of the manifest")
