"""What `jalur clock explain COMPLAINT` shows: each clock of a case, the rule it runs by, and the days it counted. Reads nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer

if TYPE_CHECKING:
    from services.notifier.case import Case
    from services.notifier.clocks import Clockwork
    from services.notifier.periods import Day
    from services.notifier.runs import Run


@dataclass(frozen=True)
class Explained:
    """One stretch of a clock. `unit` and `desk` are null where it is the whole case's. `due_at` null: a pause without end comes first."""

    run: "Run"
    unit: str | None
    desk: str | None
    zone: ZoneInfo
    calendar: str
    due_at: datetime | None
    is_provisional: bool
    state: str
    days: list["Day"]

    def to_json(self) -> dict[str, Any]:
        run = self.run
        return {
            "code": run.row.code,
            "basis": run.row.basis,
            "is_setting": run.row.is_setting,
            "unit": self.unit,
            "desk": self.desk,
            "episode": run.episode,
            "state": self.state,
            "amount": run.row.amount,
            "extension": run.extra,
            "period_unit": run.row.unit,
            "started_at": utc(run.started_at),
            "stopped_at": utc(run.stopped_at),
            "due_at": utc(self.due_at),
            "is_provisional": self.is_provisional,
            "zone": self.zone.key,
            "calendar": self.calendar,
            "pauses": [[utc(since), utc(until)] for since, until in run.pauses],
            "days": [day_json(day) for day in self.days],
        }


def explain_case(case: "Case", clockwork: "Clockwork", code: str | None) -> list[Explained]:
    """Each stretch of each clock, in the order of their starts; `code`: of this policy alone."""
    from services.notifier import periods

    states = {clock.key: clock.state for clock in case.clocks}
    province = case.life.report.province if case.life.report else None
    found = []
    for run in clockwork.runs(case.life):
        if code is not None and run.row.code != code:
            continue
        item = case.assignment(run.subject)
        zone, calendar = clockwork.place(item.desk if item else None, province, item.part.copies if item else ())
        place, amount = (zone, calendar), run.row.amount + run.extra
        due = clockwork.due(run, place)
        start = max(run.started_at, clockwork.first_start)
        found.append(
            Explained(
                run,
                item.unit if item else None,
                item.desk if item else None,
                zone,
                calendar.version,
                due,
                run.row.unit == "wd" and due is not None and periods.is_provisional(calendar, start, due),
                states.get((run.subject, run.row.code, run.episode), "running"),
                periods.counted_days(calendar, amount, run.row.unit, start, zone, run.pauses),
            )
        )
    return sorted(found, key=lambda item: (item.run.started_at, item.unit or "", item.run.row.code))


def show_explained(item: Explained) -> None:
    from services.commands.clock import show_days, wall

    run, zone = item.run, item.zone
    whose = f" of {item.desk or item.unit}" if item.unit else ""
    typer.echo(f"{run.row.code}{whose}, {item.state}: {run.row.amount} {run.row.unit} from {wall(run.started_at, zone)}")
    typer.echo(f"  {run.row.basis}" + (" (this installation's own setting)" if run.row.is_setting else ""))
    if run.extra:
        typer.echo(f"  extended by {run.extra} {run.row.unit}")
    for since, until in run.pauses:
        typer.echo(f"  paused {wall(since, zone)} to {wall(until, zone) if until else 'now'}")
    show_days(item.days, zone)
    typer.echo(
        f"  due {wall(item.due_at, zone)}, {utc(item.due_at)}" if item.due_at else "  no due date: it is paused until the reporter answers"
    )
    if run.stopped_at is not None:
        typer.echo(f"  stopped {wall(run.stopped_at, zone)}" + ("" if _is_in_time(item) else ", after the deadline"))
    if item.is_provisional:
        typer.echo("  provisional: the joint leave of a year is not decreed yet")


def _is_in_time(item: Explained) -> bool:
    return item.due_at is None or item.run.stopped_at is None or item.run.stopped_at <= item.due_at


def day_json(day: "Day") -> dict[str, Any]:
    return {"on": day.on.isoformat(), "at": utc(day.at), "is_counted": day.is_counted, "why": day.why}


def utc(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
