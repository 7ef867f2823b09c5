"""`jalur simulate`: recorded complaints under a simulated clock, two sets of policies side by side; and the recording itself."""

import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import USAGE, Stack, database, find_stack, run
from services.commands.known_cases import load_clockwork

if TYPE_CHECKING:
    from services.notifier.recording import Recorded
    from services.notifier.simulation import Outcome

app = typer.Typer()
_ZONE = ZoneInfo("Asia/Jakarta")  # in which a day ends
_SHOWN_DAYS = 6
_PAGE = 200


@app.command()
def simulate(
    file: Annotated[Path | None, typer.Argument(metavar="FILE.jsonl", help="The recording; - is stdin, with --export stdout.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=1000, help="For so many days from the first event on.")] = 90,
    policies: Annotated[
        list[Path] | None, typer.Option("--policies", metavar="FILE.toml", help="Of one or two files; without it the packaged ones.")
    ] = None,
    calendar: Annotated[
        Path | None, typer.Option("--calendar", metavar="FILE.toml", help="Another calendar than the packaged one.")
    ] = None,
    picture: Annotated[Path | None, typer.Option("--picture", metavar="FILE.svg", help="Draw overdue cases by unit, day by day.")] = None,
    export: Annotated[bool, typer.Option("--export", help="Write a recording of the notifier's cases, without any text.")] = False,
    since: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="With --export: complaints reported on that day or later.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="With --export: … and through that day.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: every day.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Live recorded complaints again, day by day, and show who would have been overdue under these policies, in seconds.

    A line of the recording: {"at", "event": "received|routed|changed|update", "complaint_id", …the event's own fields}.
    Two --policies are shown side by side. A day ends at midnight in Jakarta.

    Exit codes: 0 shown or written, 1 failed, 2 a file that cannot be read (its line is named), or wrong usage.
    """
    if export:
        if policies or calendar or picture or as_json:
            raise CommandError("--export only writes: --from, --until and a file go with it", USAGE)
        _export(find_stack(data_dir, os.environ), file, _day(since, "--from"), _day(until, "--until"))
        return
    if file is None or since or until:
        raise CommandError("name a recording; --from and --until go with --export", USAGE)
    if len(policies or ()) > 2:
        raise CommandError("one or two --policies, to be shown side by side", USAGE)
    events = _read(file)
    if not events:
        raise CommandError(f"{file}: no event in it", USAGE)
    outcomes = _simulated(events, days, policies or [], calendar)
    units = _units(outcomes)
    if picture is not None:
        _draw(picture, outcomes, units)
    if as_json:
        typer.echo(json.dumps({"cases": len({event.complaint_id for event in events}), "policies": [_json(item) for item in outcomes]}))
    else:
        _show(outcomes, units, events)


def _simulated(events: Sequence["Recorded"], days: int, policies: Sequence[Path], calendar: Path | None) -> list["Outcome"]:
    from services.notifier.simulation import simulate

    first = events[0].at.astimezone(_ZONE).date()
    named: list[tuple[str, Path | None]] = [(path.stem, path) for path in policies] or [("packaged", None)]
    if len({name for name, _ in named}) < len(named):
        named = [(str(path), path) for path in policies]
    try:
        return [simulate(name, events, load_clockwork(path, calendar), first, days, _ZONE) for name, path in named]
    except ValueError as error:  # a day beyond the calendar's years
        raise CommandError(str(error), USAGE) from None


def _read(file: Path) -> list["Recorded"]:
    """In order. What cannot be read is refused whole: a simulation of half a file would mislead."""
    from services.commands.classify import _lines
    from services.commands.clock import object_of
    from services.notifier.recording import in_order, read_event

    found = []
    try:
        with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as stream:
            for number, line in _lines(stream):
                try:
                    found.append(read_event(object_of(line), number))
                except ValueError as error:
                    raise CommandError(f"{file}: line {number}: {error}", USAGE) from None
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", USAGE) from None
    return in_order(found)


def _units(outcomes: Sequence["Outcome"]) -> list[str]:
    return list(dict.fromkeys(unit for outcome in outcomes for unit in outcome.units))


def _draw(file: Path, outcomes: Sequence["Outcome"], units: Sequence[str]) -> None:
    from services.commands.simulate_picture import picture

    try:
        file.write_text(picture(outcomes, units), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", FAILED) from None
    typer.echo(f"drawn: {file}", err=True)


def _json(outcome: "Outcome") -> dict[str, Any]:
    return {
        "name": outcome.name,
        "version": outcome.version,
        "fired": dict(sorted(outcome.fired.items())),
        "states": dict(sorted(outcome.states.items())),
        "days": [
            {"on": day.on.isoformat(), "open": day.open, "overdue": day.overdue, "by_unit": dict(sorted(day.by_unit.items()))}
            for day in outcome.days
        ],
    }


def _show(outcomes: Sequence["Outcome"], units: Sequence[str], events: Sequence["Recorded"]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    days = outcomes[0].days
    chosen = sorted({round((len(days) - 1) * (number + 1) / _SHOWN_DAYS) for number in range(_SHOWN_DAYS)})
    console.print(
        f"{len({event.complaint_id for event in events})} complaints, {len(events)} events; overdue at the end of the day", markup=False
    )
    table = Table("overdue", "policies", *(f"{days[number].on:%-d %b}" for number in chosen), box=None)
    for unit in ("all cases", *units):
        for number, outcome in enumerate(outcomes):
            counts = [outcome.days[day].overdue if unit == "all cases" else outcome.days[day].by_unit.get(unit, 0) for day in chosen]
            table.add_row(unit if number == 0 else "", outcome.name, *(str(count) for count in counts))
    console.print(table)
    for outcome in outcomes:
        fired = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.fired.items())) or "nothing"
        states = ", ".join(f"{count} {state}" for state, count in sorted(outcome.states.items()))
        console.print(f"{outcome.name}: said {fired}; in the end {states}", markup=False)


def _day(written: str | None, option: str) -> date | None:
    try:
        return None if written is None else date.fromisoformat(written)
    except ValueError:
        raise CommandError(f"{option} {written[:40]!r} is no day, as 2026-07-01" if written else option, USAGE) from None


def _export(stack: Stack, file: Path | None, since: date | None, until: date | None) -> None:
    try:
        with nullcontext(sys.stdout) if file is None or str(file) == "-" else file.open("w", encoding="utf-8") as stream:
            counts = run(_write(stack, stream, _start(since), _start(until + timedelta(days=1)) if until else None))
    except BrokenPipeError:
        raise  # whoever read our output has enough: the command line ends quietly
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", FAILED) from None
    typer.echo(f"{counts[0]} complaints, {counts[1]} events", err=True)


def _start(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, tzinfo=_ZONE)


async def _write(stack: Stack, stream: Any, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    from services.notifier.recording import events_of

    cases = lines = 0
    async with database(stack, "notifier") as connection:
        async for complaint_id, facts in _reported_between(connection, since, until):
            cases += 1
            for event in events_of(complaint_id, facts):
                lines += 1
                stream.write(json.dumps(event) + "\n")  # ASCII: a line stays one line, and nothing in it commands the terminal
    return cases, lines


async def _reported_between(connection: Any, since: datetime | None, until: datetime | None) -> AsyncIterator[tuple[Any, Any]]:
    from services.notifier.case_reading import read_cases

    async for page in read_cases(connection, _PAGE):
        for stored in page:
            reported_at = stored.row["reported_at"]
            if reported_at is None or (since is not None and reported_at < since) or (until is not None and reported_at >= until):
                continue
            try:
                yield stored.id, stored.read().facts
            except ValueError as error:
                raise CommandError(f"{stored.id}: {error}; see `jalur cases verify {stored.id}`") from None
