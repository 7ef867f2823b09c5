"""`jalur cases show`: one case as the notifier has it, with every clock and its whole timeline. Changes nothing."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from services.commands import DataDir
from services.commands.connect import find_stack, run
from services.commands.known_cases import complaint_of, find_known, printable
from services.commands.lines import local

if TYPE_CHECKING:
    from services.notifier.case import Case, Clock
    from services.notifier.case_reading import StoredCase
    from services.notifier.timeline import Line

app = typer.Typer()


@app.command()
def show(
    complaint: Annotated[str, typer.Argument(help="The complaint's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Show a case: its state, who has it, its clocks with what fired and what is next, and the whole timeline.

    Exit codes: 0 shown, 1 there is no such case, or failed, 2 wrong usage.
    """
    stored, case, clockwork = run(find_known(find_stack(data_dir, os.environ), complaint_of(complaint)))
    if as_json:
        typer.echo(json.dumps(to_json(stored, case), ensure_ascii=False))
        return
    report = case.life.report
    assert report is not None
    _show(stored, case, clockwork.place(None, report.province)[0])


def to_json(stored: "StoredCase", case: "Case") -> dict[str, Any]:
    """The status as readers are told it, and what only the notifier knows."""
    status: dict[str, Any] = json.loads(case.status(case.sequence).to_json())
    life = case.life
    return status | {
        "is_open": case.is_open,
        "is_watched": case.is_watched,
        "has_owner": case.has_owner,
        "is_oversight": life.is_oversight,
        "first_outcome": life.first_outcome,
        "timed_by": case.timed_by,
        "next_due_at": utc(case.next_due_at),
        "clocks": [_clock(item, case) for item in in_order(case)],
        "parked": [{"kind": item.kind, "counts_at": utc(item.counts_at)} for item in case.parked],
        "timeline": [_line(item) for item in stored.lines],
    }


def in_order(case: "Case") -> list["Clock"]:
    """The case's own clocks before those of assignments, by their starts."""
    return sorted(case.clocks, key=lambda clock: (clock.subject != "case", clock.started_at, clock.code, clock.subject, clock.episode))


def _clock(clock: "Clock", case: "Case") -> dict[str, Any]:
    assignment = case.assignment(clock.subject)
    return {
        "code": clock.code,
        "assignment_id": str(assignment.id) if assignment else None,
        "unit": assignment.unit if assignment else None,
        "desk": assignment.desk if assignment else None,
        "episode": clock.episode,
        "occurrence": clock.occurrence,
        "zone": clock.zone,
        "started_at": utc(clock.started_at),
        "due_at": utc(clock.due_at),
        "state": clock.state,
        "stopped_at": utc(clock.stopped_at),
        "is_provisional": clock.is_provisional,
        "next_level": clock.next_level,
        "next_at": utc(clock.next_at),
        "fired": [
            {
                "level": item.level,
                "occurrence": item.occurrence,
                "instant": utc(item.instant),
                "at": utc(item.at),
                "is_rescinded": item.is_rescinded,
            }
            for item in clock.fired
        ],
    }


def _line(line: "Line") -> dict[str, Any]:
    return {
        "number": line.number,
        "at": utc(line.at),
        "noted_at": utc(line.noted_at),
        "kind": line.kind,
        "what": line.shown,
        "by": line.by,
        "hash": line.hash.hex(),
    }


def utc(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _show(stored: "StoredCase", case: "Case", zone: ZoneInfo) -> None:
    life, report = case.life, case.life.report
    assert report is not None
    known = f"{report.source or '-'} {printable(report.source_ref) or '-'}"
    typer.echo(f"{case.id}  {life.state}  {life.class_ or 'no class yet'}  from {known}, reported {local(report.reported_at, zone)}")
    said = [
        "oversight" if life.is_oversight else "",
        f"merged into {life.merged_into}" if life.merged_into else "",
        f"due {local(case.due_at, zone)}" if case.due_at else "",
        "" if case.is_watched or not case.is_open else "no clock will speak of it again",
        "" if case.has_owner or not case.is_open else "nobody has to do anything about it",
        f"{len(case.parked)} parked" if case.parked else "",
        f"waiting parts {', '.join(sorted(part.key for part in life.waiting))}" if life.waiting else "",
    ]
    typer.echo("; ".join(item for item in said if item) or "nothing is due")
    parts = sorted(life.assignments.values(), key=lambda item: (item.part.decision, item.part.part))
    _table(
        ("part", "unit", "desk", "state", "since"),
        [(item.part.key, item.unit, item.desk or "", item.state, local(item.since, zone)) for item in parts],
    )
    _table(("clock", "of", "state", "started", "due", "fired", "next"), [_shown(item, case) for item in in_order(case)])
    _table(("", "counts from", "noted", "what", "by"), [_told(line, zone) for line in stored.lines])


def _shown(clock: "Clock", case: "Case") -> tuple[str, ...]:
    zone, assignment = ZoneInfo(clock.zone), case.assignment(clock.subject)
    fired = [f"{item.level}{' (taken back)' if item.is_rescinded else ''} {local(item.at, zone)}" for item in clock.fired]
    state = clock.state + (f" {local(clock.stopped_at, zone)}" if clock.stopped_at else "")
    return (
        clock.code + (f" #{clock.occurrence}" if clock.occurrence > 1 else ""),
        (assignment.desk or assignment.unit) if assignment else "case",
        state,
        local(clock.started_at, zone),
        local(clock.due_at, zone) + (" provisional" if clock.is_provisional else ""),
        "; ".join(fired) or "-",
        f"{clock.next_level} {local(clock.next_at, zone)}" if clock.next_at else "-",
    )


def _told(line: "Line", zone: ZoneInfo) -> tuple[str, ...]:
    return (str(line.number), local(line.at, zone), local(line.noted_at, zone), printable(line.shown), printable(line.by) or "-")


def _table(head: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(*head, box=None)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False, soft_wrap=True)
    console.print()
    console.print(table)
