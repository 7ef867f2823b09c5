"""`jalur clock`: when a period of the law ends, and which days count. Keeps nothing; only a complaint's own clocks need a stack."""

import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn
from zoneinfo import ZoneInfo

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.classify import _LONGEST_LINE, _lines
from services.commands.connect import USAGE, find_stack, run

if TYPE_CHECKING:
    from services.notifier.calendar import Calendar
    from services.notifier.pauses import Pause
    from services.notifier.periods import Day

app = typer.Typer(help="The law's clocks: when a period ends, and which days count.", no_args_is_help=True)

_KEYS = ("id", "amount", "unit", "start", "zone", "pauses", "province", "desk")
_UNITS = ("wd", "cd", "h")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE)
_DESK = re.compile(r"[a-z]+:[a-z0-9-]+")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@app.command()
def due(jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, also on a terminal.")] = False) -> None:
    """Answer each JSON line of stdin by {"id", "due_at"}, in their order; due_at is UTC, or null where a pause without end comes first.

    A line: {"id", "amount", "unit": "wd|cd|h", "start", "zone", "pauses": [[from, to]], "province", "desk"}. Instants are RFC 3339, `zone`
    is an IANA name, `to` is null where it is still paused; pauses and place may be left out. A bad line is answered by {"id", "error"}.
    Exit codes: 0 all answered, 1 some lines could not be read.
    """
    is_readable = not jsonl and sys.stdout.isatty()
    failed = False
    for number, line in _lines(sys.stdin.buffer):
        id_ = None
        try:
            given = object_of(line)
            id_ = given.get("id")
            due_at, zone = _due(given)
        except ValueError as error:
            failed = True
            _print({"id": id_, "error": f"line {number}: {error}"})
            continue
        if is_readable:
            typer.echo(f"{json.dumps(id_)}  {wall(due_at, zone) if due_at else 'paused without end'}")
        else:
            _print({"id": id_, "due_at": _utc(due_at)})
    if failed:
        raise typer.Exit(FAILED)


@app.command()
def explain(
    complaint: Annotated[
        str | None, typer.Argument(help="Its clocks, as the notifier has them; else name a period by the options.")
    ] = None,
    code: Annotated[str | None, typer.Option("--code", help="Of a complaint: this clock alone, as LAPOR_TINDAK_LANJUT.")] = None,
    amount: Annotated[int | None, typer.Option("--amount", min=1, max=10_000)] = None,
    start: Annotated[str | None, typer.Option("--start", help="RFC 3339, as 2026-03-12T09:00:00+07:00.")] = None,
    unit: Annotated[Literal["wd", "cd", "h"], typer.Option("--unit", help="Working days, calendar days or hours.")] = "wd",
    zone: Annotated[
        str | None, typer.Option("--zone", help="An IANA name; without it that of desk or province, else Asia/Jakarta.")
    ] = None,
    province: Annotated[str | None, typer.Option("--province", help="Name or Kemendagri code.")] = None,
    desk: Annotated[str | None, typer.Option("--desk", help="As kanim:kupang.")] = None,
    pause: Annotated[list[str] | None, typer.Option("--pause", metavar="FROM/TO", help="May be repeated; without TO, without end.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Show when a period ends, day by day: what counts, what does not, and why. Of a complaint, or of --amount and --start.

    Exit codes: 0 shown, 1 there is no such case or clock, 2 an option that cannot be read.
    """
    if complaint is not None:
        if amount is not None or start is not None or zone or province or desk or pause:
            raise CommandError("a complaint's clocks are its own: only --code goes with it", USAGE)
        _explain_complaint(complaint, code, as_json, data_dir)
    elif amount is None or start is None:
        raise CommandError("name a complaint, or a period: --amount 5 --start 2026-03-12T09:00:00+07:00", USAGE)
    elif code is not None:
        raise CommandError("--code goes with a complaint", USAGE)
    else:
        _explain_period(amount, start, unit, zone, province, desk, pause or (), as_json)


def _explain_complaint(complaint: str, code: str | None, as_json: bool, data_dir: Path) -> None:
    from services.commands.clock_case import explain_case, show_explained
    from services.commands.known_cases import complaint_of, find_known

    _, case, clockwork = run(find_known(find_stack(data_dir, os.environ), complaint_of(complaint)))
    found = explain_case(case, clockwork, code)
    if code is not None and not found:
        has = ", ".join(sorted({clock.code for clock in case.clocks})) or "none"
        raise CommandError(f"{case.id} has no clock {code[:60]}; it has {has}")
    if as_json:
        typer.echo(json.dumps({"complaint_id": str(case.id), "state": case.life.state, "clocks": [item.to_json() for item in found]}))
        return
    typer.echo(f"{case.id}  {case.life.state}" + ("" if found else "  no clocks"))
    for item in found:
        typer.echo()
        show_explained(item)


def _explain_period(
    amount: int,
    start: str,
    unit: Literal["wd", "cd", "h"],
    zone: str | None,
    province: str | None,
    desk: str | None,
    pause: Sequence[str],
    as_json: bool,
) -> None:
    from services.commands.clock_case import day_json
    from services.notifier.periods import counted_days, due_at, is_provisional
    from shared.units import load_directory

    try:
        begins = instant_of(start, "--start")
        there = _zone(zone) if zone is not None else load_directory().zone(desk, province)
        pauses = [_written_pause(item) for item in pause]
        calendar = _calendar(province, desk)
        ends = due_at(calendar, amount, unit, begins, there, pauses)
        days = counted_days(calendar, amount, unit, begins, there, pauses)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    may_move = unit == "wd" and ends is not None and is_provisional(calendar, begins, ends)
    if as_json:
        told = {"due_at": _utc(ends), "is_provisional": may_move, "zone": there.key, "calendar": calendar.version}
        typer.echo(json.dumps(told | {"days": [day_json(day) for day in days]}))
        return
    typer.echo(f"{amount} {unit} from {wall(begins, there)}")
    show_days(days, there)
    typer.echo(f"due {wall(ends, there)}, {_utc(ends)}" if ends else "no due date: a pause without end comes first")
    typer.echo(f"by the calendar of {calendar.version}{'; provisional: the joint leave of a year is not decreed yet' if may_move else ''}")


def show_days(days: Sequence["Day"], zone: ZoneInfo) -> None:
    """The days of a period as a table; the time is shown where the clock was asked whether it runs."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("day", "at", "why", box=None)
    for day in days:
        is_asked = day.is_counted or day.why.startswith("paused")
        there = day.at.astimezone(zone)
        at = "" if not is_asked else f"{there:%H:%M}" if there.date() == day.on else "24:00"
        table.add_row(f"{_DAYS[day.on.weekday()]} {day.on:%-d %b %Y}", at, Text(day.why, style="bold" if day.is_counted else "dim"))
    Console(highlight=False, soft_wrap=True).print(table)


def _due(given: dict[str, Any]) -> tuple[datetime | None, ZoneInfo]:
    """ValueError says what is wrong with the line."""
    from services.notifier.periods import due_at

    if strangers := [name for name in given if name not in _KEYS]:
        raise ValueError(f"has a field that means nothing here: {strangers[0][:40]!r}")
    amount, unit = given.get("amount"), given.get("unit")
    if type(amount) is not int or amount < 1:
        raise ValueError("'amount' is no whole number from 1 on")
    if unit not in _UNITS:
        raise ValueError("'unit' is none of wd, cd, h")
    start, zone = instant_of(given.get("start"), "'start'"), _zone(given.get("zone"))
    calendar = _calendar(given.get("province"), given.get("desk"))
    return due_at(calendar, amount, unit, start, zone, _pauses(given.get("pauses"))), zone


def object_of(line: bytes) -> dict[str, Any]:
    if len(line.rstrip(b"\r\n")) > _LONGEST_LINE:
        raise ValueError(f"is longer than {_LONGEST_LINE} bytes")
    try:
        given = json.loads(line.decode("utf-8"), parse_constant=_no_number)
        json.dumps(given, allow_nan=False)  # 1e999 is read as infinite, which others refuse
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(given, dict):
        raise ValueError('is no JSON object: {"id", "amount", "unit", "start", "zone"}')
    return given


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def instant_of(written: object, what: str) -> datetime:
    if not isinstance(written, str) or not _INSTANT.fullmatch(written):
        raise ValueError(f"{what} is no instant with an offset, as 2026-03-12T09:00:00+07:00")
    try:
        return datetime.fromisoformat(written.upper())
    except ValueError as error:
        raise ValueError(f"{what} is no instant: {error}") from None


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(name if isinstance(name, str) and name.isprintable() else "")
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones
        raise ValueError("'zone' is no IANA name of a time zone, as Asia/Jakarta") from None


def _pauses(given: object) -> list["Pause"]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(pause, list) and len(pause) == 2 for pause in given):
        raise ValueError("'pauses' is no list of [from, to]")
    return [(instant_of(since, "a pause's 'from'"), None if to is None else instant_of(to, "a pause's 'to'")) for since, to in given]


def _written_pause(written: str) -> "Pause":
    since, _, to = written.partition("/")
    return instant_of(since, "--pause FROM"), None if to in ("", "..") else instant_of(to, "--pause TO")


def _calendar(province: object, desk: object) -> "Calendar":
    from services.notifier.calendar import load_calendar

    calendar, code = load_calendar(), None
    if province is not None:
        from shared.units import load_directory

        place = load_directory().province(province) if isinstance(province, str) else None
        if place is None:
            raise ValueError("no such province in the unit directory")
        code = place.code
    if desk is not None and not (isinstance(desk, str) and _DESK.fullmatch(desk)):
        raise ValueError("a desk is written as kanim:kupang")
    return calendar.of_place(code, desk)


def wall(at: datetime, zone: ZoneInfo) -> str:
    there = at.astimezone(zone)
    return f"{_DAYS[there.weekday()]} {there:%-d %b %Y %H:%M} {there.tzname()}"


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _print(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201
