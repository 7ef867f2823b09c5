"""Clocks: when they are due, what a change of anything does to them, which level fires next. Pure; time comes in as an argument.

A clock follows from the case's life, the policies and the calendar, and is worked out anew whenever one of these changes. What has
fired does not fire again, but what fired too early, or should not have, is taken back.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from services.notifier import periods
from services.notifier.calendar import Calendar
from services.notifier.case import Case, Clock, Firing
from services.notifier.ladder import Absences, say_of_clock
from services.notifier.policy import Level, Policies, Policy, Subject
from services.notifier.runs import Run, runs_of
from services.notifier.timetable import Timetable
from shared.events import FollowUpKind
from shared.units import UnitDirectory

Fired = tuple[FollowUpKind, float]
Ending = tuple[Clock, Literal["closed", "withdrawn"], datetime]


class Clockwork(Timetable):
    """What changes and fires a case's clocks, by the timetable."""

    def __init__(self, policies: Policies, calendar: Calendar, directory: UnitDirectory) -> None:
        super().__init__(policies, calendar, directory)
        self._rows: dict[tuple[Subject, bool, str], Policy] = {}

    # --- what changes

    def time(self, case: Case, now: datetime, why: str, absences: Absences) -> None:
        """Work every clock of the case out anew. `why` is said where a deadline moved that had been told before."""
        known = {clock.key: clock for clock in case.clocks}
        runs = {(run.subject, run.row.code, run.episode): run for run in self.runs(case.life)}
        gone = {key: clock for key, clock in known.items() if key not in runs and clock.stopped_at != clock.started_at}
        running = {key for key, clock in gone.items() if clock.stopped_at is None}
        for key, clock in gone.items():
            # Of another class, or of a fact that proved wrong: it never ran.
            clock.state, clock.stopped_at, clock.next_level, clock.next_at = "stopped", clock.started_at, None, None
            self._rescind(case, clock, None, now, "this clock does not apply to the case", absences)
            if key in running:
                self._rename(case, clock, runs, now, why, absences)
            del known[key]
        for key, run in runs.items():
            self._time(case, run, known.get(key), now, why, absences)
        case.timed_by = self.version

    def _time(self, case: Case, run: Run, clock: Clock | None, now: datetime, why: str, absences: Absences) -> None:
        place = self.place_of(case.life, run.subject)
        due = self.due(run, place)
        is_waiting = due is None or run.is_paused
        if due is None:  # shown without the pause that is open; nothing fires by it
            ended = tuple(pause for pause in run.pauses if pause[1] is not None)
            due = self.due(Run(run.subject, run.row, run.episode, run.started_at, pauses=ended, extra=run.extra), place)
            assert due is not None
        is_provisional = run.row.unit == "wd" and periods.is_provisional(place[1], max(run.started_at, self.first_start), due)
        if clock is None:
            occurrence = 1 + max(
                (item.occurrence for item in case.clocks if (item.subject, item.code) == (run.subject, run.row.code)), default=0
            )
            clock = Clock(run.subject, run.row.code, run.episode, occurrence, place[0].key, run.started_at, due)
            case.clocks.append(clock)
        elif due != clock.due_at and run.stopped_at is None and not is_waiting:
            say_of_clock(case, clock, "deadline_changed", now, _told(run.row), absences, previous_due_at=clock.due_at, due_at=due, why=why)
            case.note(now, f"deadline of {clock.code} changed: {why}", "notifier", "retimed", code=clock.code, due_at=due.isoformat())
        clock.zone, clock.started_at, clock.due_at, clock.is_provisional = place[0].key, run.started_at, due, is_provisional
        clock.stopped_at = run.stopped_at
        if run.stopped_at is not None:
            clock.state, clock.next_level, clock.next_at = "stopped", None, None
            self._rescind(case, clock, run, now, f"what stops this clock counts from {_written(run.stopped_at)}", absences)
            return
        self._rescind(case, clock, run, now, why, absences)
        self._aim(case, clock, run, place)

    def _aim(self, case: Case, clock: Clock, run: Run, place: tuple[ZoneInfo, Calendar]) -> None:
        """Which level is next, and when. A merged case keeps its clocks and stays silent, a paused one too."""
        fired = {firing.level for firing in clock.fired if not firing.is_rescinded}
        # Only ever upwards: a reminder that a newer policy adds says nothing once the deadline was told.
        level = next((item for item in _levels(run.row) if not fired or item[0] > max(fired)), None)
        clock.next_level, clock.next_at = None, None
        if run.is_paused:
            clock.state = "paused"
            return
        clock.state = "expired" if level is None else "running"
        if any(firing.is_rescinded and firing.occurrence == clock.occurrence for firing in clock.fired):
            # What was taken back fires once more, under a name of its own.
            clock.occurrence = 1 + max(item.occurrence for item in case.clocks if (item.subject, item.code) == (clock.subject, clock.code))
        is_silent = case.life.merged_into is not None and case.life.answered_at is None
        if level is not None and not is_silent:
            clock.next_level, clock.next_at = level[0], self.due(run, place, level[1])

    def _rescind(self, case: Case, clock: Clock, run: Run | None, now: datetime, why: str, absences: Absences) -> None:
        """Take back what fired and should not have: past the clock's stop, or before the instant that is now the level's."""
        if not clock.fired:
            return
        place = self.place_of(case.life, clock.subject) if run is not None else None
        levels = dict(_levels(run.row)) if run is not None else {}
        for firing in clock.fired:
            if firing.is_rescinded:
                continue
            if run is None or place is None:
                is_wrong = True
            elif firing.level not in levels:
                continue
            else:
                instant = self.due(run, place, levels[firing.level])
                is_past_stop = run.stopped_at is not None and (instant is None or instant >= run.stopped_at)
                is_early = run.stopped_at is None and (instant is None or instant > firing.at)
                is_wrong = is_past_stop or is_early
            if is_wrong:
                firing.is_rescinded = True
                named = self._row_of(case, clock).levels
                level = next((item for item in named if item.level == firing.level), None)
                if level is None or not _was_said(clock, firing):
                    continue
                more = {"level": firing.level, "occurrence": firing.occurrence, "why": why}
                say_of_clock(case, clock, "rescinded", now, level.to, absences, **more)
                case.note(now, f"rescinded: {level.kind} {clock.code}", "notifier", "rescinded", code=clock.code, level=firing.level)

    def _rename(self, case: Case, gone: Clock, runs: dict[tuple[str, str, int], Run], now: datetime, why: str, absences: Absences) -> None:
        """Where the clock of one class gave way to that of another, the unit is told the new deadline."""
        row = self._row_of(case, gone)
        for run in runs.values():
            is_new = not any(clock.key == (run.subject, run.row.code, run.episode) for clock in case.clocks)
            if (
                row.family is not None
                and run.row.family == row.family
                and run.subject == gone.subject
                and is_new
                and run.stopped_at is None
            ):
                due = self.due(run, self.place_of(case.life, run.subject))
                if due is not None:
                    new = Clock(run.subject, run.row.code, run.episode, 1, gone.zone, run.started_at, due)
                    say_of_clock(case, new, "deadline_changed", now, _told(run.row), absences, previous_due_at=gone.due_at, why=why)
                    case.note(now, f"deadline is now {new.code}'s: {why}", "notifier", "retimed", code=new.code, due_at=due.isoformat())

    def _row_of(self, case: Case, clock: Clock) -> Policy:
        """The row a clock runs by; of one that applies no longer, the first of its code."""
        subject = self.subject_of(case.life)
        assert subject is not None
        item = case.assignment(clock.subject)
        if item is not None:
            subject = self.subject_of_assignment(subject, item)
        key = (subject, item is None, clock.code)
        found = self._rows.get(key)
        if found is None:
            if len(self._rows) > 10_000:  # days of receipt go by
                self._rows.clear()
            rows = self.policies.of_case(subject) if item is None else self.policies.of_assignment(subject)
            of_code = [row for row in (*rows, *self.policies.clocks) if row.code == clock.code]
            found = self._rows[key] = of_code[0] if of_code else _UNKNOWN
        return found

    # --- what fires

    def fire(self, case: Case, until: datetime, now: datetime, absences: Absences) -> tuple[list[Fired], Ending | None]:
        """Fire the case's due levels in the order of their instants, up to an expiry that ends the case, which is returned.

        Reminders of a clock that are due together are said once, by the latest; nothing else is left out.
        """
        fired: list[Fired] = []
        while True:
            due = [
                (clock.next_at, clock.code, clock.subject, clock)
                for clock in case.clocks
                if clock.next_at is not None and clock.next_at <= until
            ]
            if not due:
                return fired, None
            instant, *_, clock = min(due, key=lambda item: item[:3])
            row = self._row_of(case, clock)
            number = clock.next_level
            assert number is not None
            level = row.level(number)
            is_expiry = number == 0 and row.at_expiry != "none"
            if level is not None or is_expiry:  # else the policy lost this level since, or a newer one brought it
                clock.fired.append(Firing(number, clock.occurrence, instant, now))
            case.is_changed = True
            item = case.assignment(clock.subject)
            runs = runs_of(case.life, row, item.id if item is not None else None)
            run = next((run for run in runs if run.episode == clock.episode), None)
            if run is not None:
                self._aim(case, clock, run, self.place_of(case.life, clock.subject))
            else:
                clock.next_level = clock.next_at = None
            if is_expiry and row.at_expiry != "none":
                clock.state = "expired"
                return fired, (clock, row.at_expiry, instant)
            if level is None or (
                level.kind == "reminder" and clock.next_at is not None and clock.next_at <= until and (clock.next_level or 0) < 0
            ):
                continue  # or a later reminder says the same
            late = max(0.0, (now - instant).total_seconds())
            say_of_clock(case, clock, level.kind, now, level.to, absences, level=number, late_by_seconds=late)
            case.note(
                now,
                f"{level.kind} {clock.code}",
                "notifier",
                "fired",
                code=clock.code,
                level=number,
                subject=clock.subject,
                due_at=clock.due_at.isoformat(),
            )
            fired.append((level.kind, late))


def _was_said(clock: Clock, firing: Firing) -> bool:
    """A reminder that was due together with a later one was left out."""
    return not any(
        firing.level < other.level < 0 and (other.at, other.occurrence) == (firing.at, firing.occurrence) for other in clock.fired
    )


def _levels(row: Policy) -> list[tuple[int, int]]:
    """(number, units past the deadline) in their order; an act at the expiry is a level of its own."""
    known = _KNOWN_LEVELS.get(id(row))
    if known is None or known[0] is not row:
        found = [(item.level, item.after) for item in row.levels]
        if row.at_expiry != "none" and not any(number == 0 for number, _ in found):
            found.append((0, 0))
        if len(_KNOWN_LEVELS) > 10_000:
            _KNOWN_LEVELS.clear()
        known = _KNOWN_LEVELS[id(row)] = (row, sorted(found))
    return known[1]


# By the row itself: to hash all of it takes longer than to sort its levels.
_KNOWN_LEVELS: dict[int, tuple[Policy, list[tuple[int, int]]]] = {}


def _told(row: Policy) -> Sequence[str]:
    """Who is told of a new deadline: whoever would hear of the old one when it was due."""
    levels: tuple[Level, ...] = row.levels
    return next((item.to for item in levels if item.level == 0), levels[0].to if levels else ("unit",))


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


_UNKNOWN = Policy(
    code="UNKNOWN",
    basis="a clock whose policy is no longer kept",
    runs_on="case",
    amount=1,
    unit="wd",
    starts=("received",),
    stops=("ended",),
    levels=(Level(level=0, kind="due", to=("triage",)),),
)
