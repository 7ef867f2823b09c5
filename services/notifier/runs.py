"""Which clocks a life starts and stops, by the policies' own words. Pure; when they are due is `clocks.py`'s."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.notifier.case import CASE
from services.notifier.life import Life
from services.notifier.policy import Mark, Policy

_COMPLETENESS = timedelta(days=14)
# After these nothing is started that they would have stopped.
_LASTING: tuple[Mark, ...] = ("answered", "ended")


@dataclass(slots=True)
class Run:
    """One stretch of a clock: from what started it to what stopped it. `extra`: by how much its period was extended."""

    subject: str
    row: Policy
    episode: int
    started_at: datetime
    stopped_at: datetime | None = None
    pauses: tuple[tuple[datetime, datetime | None], ...] = ()
    extra: int = 0

    @property
    def is_paused(self) -> bool:
        return self.stopped_at is None and bool(self.pauses) and self.pauses[-1][1] is None


def runs_of(life: Life, row: Policy, assignment: UUID | None = None) -> list[Run]:
    """The stretches of one row's clock on the case, or on an assignment (which the end of the case stops as well)."""
    subject = CASE if assignment is None else str(assignment)
    found: list[Run] = []
    running: Run | None = None
    lasting: set[Mark] = set()
    is_moved = False
    for event in life.events:
        is_own = event.assignment == assignment
        if not is_own and not (event.assignment is None and event.mark in ("ended", "reopened")):
            continue
        if event.mark in row.stops:
            if running is not None:
                running.stopped_at, running = event.at, None
            if event.mark in _LASTING:
                lasting.add(event.mark)
        elif event.mark == "reopened":
            lasting.clear()
        if is_own and event.mark in row.starts and not lasting:
            if running is not None and event.mark == "received":
                running.stopped_at, running = event.at, None  # taken up again before it had stopped: the period is given anew
            if running is None:
                running = Run(subject, row, len(found) + 1, event.at)
                found.append(running)
            elif event.mark == "complete" and not is_moved and _was_asked_in_time(life, running, event.at):
                running.started_at, is_moved = event.at, True  # a file that was completed is complete from then on
    for run in found:
        if row.pauses:
            run.pauses = _within(life, run)
        if row.extension and life.extended_at and run.started_at <= life.extended_at[0]:
            run.extra = row.extension
    return found


def _was_asked_in_time(life: Life, run: Run, completed_at: datetime) -> bool:
    """Whether a file is complete is said within 14 days of receipt (UU 25/2009 art 44). A later question stops the days, not the period."""
    asked = next((since for since, until in life.pauses if until == completed_at), None)
    return asked is not None and asked - run.started_at <= _COMPLETENESS


def _within(life: Life, run: Run) -> tuple[tuple[datetime, datetime | None], ...]:
    """The pauses of the case that touch this stretch."""
    end = run.stopped_at
    return tuple(
        (since, until)
        for since, until in life.pauses
        if (until is None or until > run.started_at) and (end is None or since < end) and (until is None or until > since)
    )
