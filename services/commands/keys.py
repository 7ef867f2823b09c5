"""`jalur keys`: who may speak to intake. A key is shown once, when it is made; only its hash is stored."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import USAGE, Stack, database, find_stack, run

if TYPE_CHECKING:
    from services.intake.speakers import Speaker

app = typer.Typer(help="Who may speak to intake: make, list and revoke API keys.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


@app.command()
def add(
    role: Annotated[str, typer.Argument(metavar="ROLE[:SUBJECT]", help="source:lapor, unit:imigrasi, desk:kanim:kupang, triage, admin, …")],
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Make a key and show it, this one time; the key alone goes to stdout.

    Exit codes: 0 made, 1 failed, 2 no such role.
    """
    speaker = _speaker(role)
    key = run(_add(find_stack(data_dir, os.environ), speaker))
    if as_json:
        typer.echo(json.dumps({"role": speaker.role, "subject": speaker.subject, "key": key}))
    else:
        typer.echo(f"the key of {speaker.name}, shown this one time:", err=True)
        typer.echo(key)


@app.command("list")
def list_(as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """All keys by their id, oldest first; the keys themselves are not stored.

    Exit codes: 0 listed, 1 failed.
    """
    keys = run(_list(find_stack(data_dir, os.environ)))
    if as_json:
        typer.echo(json.dumps(keys))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "who", "made", "revoked", box=None)
    for key in keys:
        who = f"{key['role']}:{key['subject']}" if key["subject"] else key["role"]
        table.add_row(key["id"], who, key["created_at"][:19], (key["revoked_at"] or "")[:19])
    Console().print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEYID", help="As in `jalur keys list`; the whole key will do.")],
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Revoke a key; intake refuses it within a second. Revoking twice changes nothing.

    Exit codes: 0 revoked, 1 no such key, or failed.
    """
    revoked_at = run(_revoke(find_stack(data_dir, os.environ), key_id))
    short = key_id.removeprefix("jalur_").partition("_")[0]
    if revoked_at is None:
        raise CommandError(f"no key has the id {short[:40]}: jalur keys list shows them", FAILED)
    typer.echo(json.dumps({"id": short, "revoked_at": revoked_at}) if as_json else f"revoked {short} at {revoked_at[:19]}")


def _speaker(role: str) -> "Speaker":
    from services.intake.speakers import parse_role
    from shared.units import UNIT_SLUGS

    try:
        speaker = parse_role(role)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    if speaker.role == "unit" and speaker.subject not in UNIT_SLUGS:
        raise CommandError(f"no unit {speaker.subject!r}; there are {', '.join(UNIT_SLUGS)}", USAGE)
    return speaker


async def _add(stack: Stack, speaker: "Speaker") -> str:
    from services.intake.keys import add_key

    async with database(stack) as connection:
        return await add_key(connection, speaker)


async def _list(stack: Stack) -> list[dict[str, Any]]:
    from services.intake.keys import list_keys

    async with database(stack) as connection:
        rows = await list_keys(connection)
    written = ("created_at", "revoked_at")
    return [row | {name: row[name].isoformat() if row[name] else None for name in written} for row in rows]


async def _revoke(stack: Stack, key_id: str) -> str | None:
    from services.intake.keys import revoke_key

    async with database(stack) as connection:
        at = await revoke_key(connection, key_id)
    return at.isoformat() if at else None
