"""`jalur keys`: who may speak to intake. A key is shown once, when it is made; only its hash is stored."""

import json
import os
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import USAGE, Stack, database, find_stack, run

if TYPE_CHECKING:
    from services.intake.keys import Rotation
    from services.intake.speakers import Speaker

app = typer.Typer(help="Who may speak to intake: make, list, rotate and revoke API keys.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
KeyId = Annotated[str, typer.Argument(metavar="KEYID", help="As in `jalur keys list`; the whole key will do.")]
Expires = Annotated[
    str | None, typer.Option(metavar="DATE|TIME", help="Its last day (2027-12-31, in Jakarta) or how long it is good (90d); else for ever.")
]
_JAKARTA = timezone(timedelta(hours=7))
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@app.command()
def add(
    role: Annotated[str, typer.Argument(metavar="ROLE[:SUBJECT]", help="source:lapor, unit:imigrasi, desk:kanim:kupang, triage, admin, …")],
    expires: Expires = None,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Make a key and show it, this one time; the key alone goes to stdout.

    Exit codes: 0 made, 1 failed, 2 no such role or time.
    """
    speaker = _speaker(role)
    expires_at = _end(expires)
    key = run(_add(find_stack(data_dir, os.environ), speaker, expires_at))
    if as_json:
        ends = {"expires_at": expires_at.isoformat()} if expires_at else {}
        typer.echo(json.dumps({"role": speaker.role, "subject": speaker.subject, "key": key} | ends))
    else:
        until = f", good until {_shown(expires_at.isoformat())}" if expires_at else ""
        typer.echo(f"the key of {speaker.name}{until}, shown this one time:", err=True)
        typer.echo(key)


@app.command()
def rotate(
    key_id: KeyId,
    overlap: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old key stays good: 30m, 24h, 7d; 0h ends it at once.")
    ] = "24h",
    expires: Expires = None,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Make a key that replaces another, and show it, this one time. Until the overlap is over both are good: change it without a gap.

    Exit codes: 0 made, 1 no such key, revoked or already replaced, 2 no such time.
    """
    lasting = _duration(overlap)
    expires_at = _end(expires)
    rotation = run(_rotate(find_stack(data_dir, os.environ), key_id, lasting, expires_at))
    if as_json:
        found = {"role": rotation.speaker.role, "subject": rotation.speaker.subject, "key": rotation.key}
        found |= {"replaces": rotation.old_id, "old_expires_at": rotation.old_expires_at.isoformat()}
        typer.echo(json.dumps(found | ({"expires_at": expires_at.isoformat()} if expires_at else {})))
    else:
        typer.echo(
            f"the new key of {rotation.speaker.name}, shown this one time; {rotation.old_id} is good until "
            f"{_shown(rotation.old_expires_at.isoformat())}:",
            err=True,
        )
        typer.echo(rotation.key)


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

    table = Table("id", "who", "made", "good until", "state", box=None)
    for key in keys:
        who = f"{key['role']}:{key['subject']}" if key["subject"] else key["role"]
        table.add_row(key["id"], who, key["created_at"][:10], _shown(key["expires_at"]), _state(key))
    Console().print(table)


@app.command()
def revoke(key_id: KeyId, as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """Revoke a key; intake refuses it within a second. Revoking twice changes nothing.

    Exit codes: 0 revoked, 1 no such key, or failed.
    """
    revoked_at = run(_revoke(find_stack(data_dir, os.environ), key_id))
    short = key_id.removeprefix("jalur_").partition("_")[0]
    if revoked_at is None:
        raise _no_key(key_id)
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


def _no_key(key_id: str) -> CommandError:
    return CommandError(f"no key has the id {key_id.removeprefix('jalur_').partition('_')[0][:40]}: jalur keys list shows them", FAILED)


def _duration(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) < 6 and unit in _UNITS):
        raise CommandError(f"{text!r} is not a time: write minutes, hours or days, such as 30m, 24h or 90d", USAGE)
    return int(number) * _UNITS[unit]


def _end(text: str | None) -> datetime | None:
    """When a key ends: the midnight after its last day in Jakarta, or so long from now."""
    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), _JAKARTA).astimezone(UTC)
    except ValueError:
        end = now + _duration(text)
    if end <= now:
        raise CommandError(f"--expires {text}: that is over already", USAGE)
    return end


def _shown(instant: str | None) -> str:
    return f"{instant[:16]}Z" if instant else ""


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at'][:10]}"
    if key["is_expired"]:
        return "ended"
    return "replaced" if key["replaced_by"] else "good"


async def _add(stack: Stack, speaker: "Speaker", expires_at: datetime | None) -> str:
    from services.intake.keys import add_key

    async with database(stack) as connection:
        return await add_key(connection, speaker, expires_at)


async def _rotate(stack: Stack, key_id: str, overlap: timedelta, expires_at: datetime | None) -> "Rotation":
    from services.intake.keys import KeyNotReplaceable, rotate_key

    async with database(stack) as connection:
        try:
            rotation = await rotate_key(connection, key_id, overlap, expires_at)
        except KeyNotReplaceable as error:
            raise CommandError(str(error), FAILED) from None
    if rotation is None:
        raise _no_key(key_id)
    return rotation


async def _list(stack: Stack) -> list[dict[str, Any]]:
    from services.intake.keys import list_keys

    async with database(stack) as connection:
        rows = await list_keys(connection)
    written = ("created_at", "expires_at", "revoked_at")
    return [row | {name: row[name].isoformat() if row[name] else None for name in written} for row in rows]


async def _revoke(stack: Stack, key_id: str) -> str | None:
    from services.intake.keys import revoke_key

    async with database(stack) as connection:
        at = await revoke_key(connection, key_id)
    return at.isoformat() if at else None
