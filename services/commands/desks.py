"""`jalur desks`: who is away, and who stands in. What a desk that is away would have heard goes to its deputy, else up the hierarchy."""

import getpass
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from services.commands import CommandError, DataDir
from services.commands.connect import USAGE, Stack, database, find_stack, run
from services.commands.lines import local

if TYPE_CHECKING:
    from shared.units import UnitDirectory

app = typer.Typer(help="Desks that nobody sits at for a while, and who stands in.", no_args_is_help=True)
Desk = Annotated[str, typer.Argument(metavar="DESK", help="As kanim:kupang or kanwil:bali.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


@app.command()
def absent(
    desk: Desk,
    until: Annotated[str, typer.Option("--until", metavar="DATE|INSTANT", help="2026-11-27 is away through that day; or RFC 3339.")],
    deputy: Annotated[
        str | None, typer.Option("--deputy", help="A desk, a unit or admin_instansi; without one the level above hears.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Say that nobody sits at a desk until then, and who stands in. Saying it again replaces what was said before.

    A day ends at midnight on a Kanwil's own clock; where an office is the directory does not say, so that its day ends in Jakarta.

    Exit codes: 0 noted, 1 failed, 2 no such desk or deputy, a time that has passed, or desks that would stand in for each other.
    """
    directory, checked = _directory(), _Checked(desk, deputy)
    ends = _until(until, directory.zone(desk, None))
    found = run(_absent(find_stack(data_dir, os.environ), checked, ends))
    _log("A desk is absent", desk=desk, until=_utc(ends), deputy=deputy)
    for away in found["away"]:
        typer.echo(f"warning: {away} is away too; {found['hears'] or 'the level above'} hears instead", err=True)
    if as_json:
        typer.echo(json.dumps({"desk": desk, "until": _utc(ends), "deputy": deputy, "hears": found["hears"]}))
    else:
        typer.echo(f"{desk} is away until {local(ends, directory.zone(desk, None))}; {found['hears'] or 'the level above'} hears instead")


@app.command()
def present(desk: Desk, as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """Say that somebody sits at a desk again. Of one that was not away it changes nothing, and says so.

    Exit codes: 0 present, 1 failed, 2 no such desk.
    """
    _Checked(desk, None)
    was_away = run(_present(find_stack(data_dir, os.environ), desk))
    if was_away:
        _log("A desk is present again", desk=desk)
    if as_json:
        typer.echo(json.dumps({"desk": desk, "was_away": was_away}))
    else:
        typer.echo(f"{desk} is present again" if was_away else f"{desk} was not away")


@app.command("list")
def list_(as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """Who is away now, until when, who stands in, and who hears in the end.

    Exit codes: 0 listed, 1 failed.
    """
    rows = run(_list(find_stack(data_dir, os.environ)))
    if as_json:
        typer.echo(json.dumps([row | {"until": _utc(row["until"])} for row in rows]))
        return
    from rich.console import Console
    from rich.table import Table

    directory = _directory()
    table = Table("desk", "away until", "deputy", "hears", box=None)
    for row in rows:
        zone = directory.zone(row["desk"], None)
        table.add_row(row["desk"], local(row["until"], zone), row["deputy"] or "-", row["hears"] or "the level above")
    if rows:
        Console(highlight=False, soft_wrap=True).print(table)
    typer.echo(f"{len(rows)} desks away" if len(rows) != 1 else "1 desk away", err=True)


class _Checked:
    """A desk and a deputy that can be ones."""

    def __init__(self, desk: str, deputy: str | None) -> None:
        from services.notifier.absences import check_deputy, check_desk

        try:
            self.desk = check_desk(desk, _directory())
            self.deputy = check_deputy(deputy, _directory()) if deputy is not None else None
        except ValueError as error:
            raise CommandError(str(error), USAGE) from None


def _directory() -> "UnitDirectory":
    from shared.units import load_directory

    return load_directory()


def _until(written: str, zone: ZoneInfo) -> datetime:
    """A day means through its end on the desk's own clock."""
    from services.commands.clock import instant_of

    try:
        day = date.fromisoformat(written) if len(written) == len("2026-11-27") else None
    except ValueError:
        day = None
    try:
        if day is not None:
            return datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone).astimezone(UTC)
        return instant_of(written, "--until")
    except (ValueError, OverflowError):
        raise CommandError(f"--until {written[:40]!r} is no day (2026-11-27) and no instant (2026-11-27T12:00:00+07:00)", USAGE) from None


async def _absent(stack: Stack, given: _Checked, until: datetime) -> dict[str, Any]:
    from services.notifier.absences import deputies, hears
    from services.notifier.store import read_absences
    from shared.postgres import read_clock

    async with database(stack, "notifier") as connection, connection.transaction():
        # Two that are noted at once must not stand in for each other either.
        await connection.execute("LOCK TABLE absences IN SHARE ROW EXCLUSIVE MODE")
        now = await read_clock(connection)
        if until <= now:
            raise CommandError(f"--until {_utc(until)} has passed: it is {_utc(now)}", USAGE)
        away = await read_absences(connection, now)
        try:
            asked = deputies(given.desk, given.deputy, away)
        except ValueError as error:
            raise CommandError(str(error), USAGE) from None
        await connection.execute(
            "INSERT INTO absences (desk, until, deputy) VALUES ($1, $2, $3)"
            " ON CONFLICT (desk) DO UPDATE SET until = excluded.until, deputy = excluded.deputy",
            given.desk,
            until,
            given.deputy,
        )
        await connection.execute("DELETE FROM absences WHERE until <= $1", now)
    away = {**away, given.desk: given.deputy}
    return {"away": [who for who in asked if who in away], "hears": hears(given.desk, away)}


async def _present(stack: Stack, desk: str) -> bool:
    async with database(stack, "notifier") as connection:
        gone = await connection.fetchval("DELETE FROM absences WHERE desk = $1 RETURNING until > jalur.jalur_now()", desk)
    return bool(gone)


async def _list(stack: Stack) -> list[dict[str, Any]]:
    from services.notifier.absences import hears
    from services.notifier.store import read_absences
    from shared.postgres import read_clock

    async with database(stack, "notifier") as connection:
        now = await read_clock(connection)
        away: Mapping[str, str | None] = await read_absences(connection, now)
        rows = await connection.fetch("SELECT desk, until, deputy FROM absences WHERE until > $1 ORDER BY until, desk", now)
    return [dict(row) | {"hears": hears(row["desk"], away)} for row in rows]


def _log(event: str, **fields: Any) -> None:
    """Who changed what, when: one line of JSON on stderr, as the services log it, for whoever keeps the operators' log."""
    import structlog

    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        who = str(os.getuid())
    structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    ).info(event, service="commands", operator=who, **fields)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
