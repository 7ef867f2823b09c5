"""Whether a case's limits were kept, each by its deadline as it is now worked out, never by what fired. Pure.

Of what is known only to have happened between two instants both bounds are carried: surely, and perhaps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notifier import periods
from services.notifier.account_time import NOT_PURSUED, Between, at, how_it_ended, known_between
from services.notifier.case import CASE, Case
from services.notifier.clocks import Clockwork
from services.notifier.ledger import kept, place_of
from services.notifier.life import Assignment
from services.notifier.policy import FIRST_FOLLOW_UP, VERIFICATION
from services.notifier.runs import Run

Counts = dict[str, tuple[int, int]]
"""(at least, at most), by the name of the count."""

# What starts the periods that the law gives the agency; the others are the reporter's, or the installation's own.
_LAW_STARTS = {"received", "verified", "complete"}


class Verdict(NamedTuple):
    """Surely in time, perhaps in time, surely late, perhaps late; none of them where it still may be, or need not be done any more."""

    in_low: bool
    in_high: bool
    late_low: bool
    late_high: bool


def counted(stage: str, verdicts: Sequence[Verdict]) -> Counts:
    """One case, whatever the number of its stretches: late where any of them was, else in time where any was."""
    late_low, late_high = any(item.late_low for item in verdicts), any(item.late_high for item in verdicts)
    in_low = any(item.in_low for item in verdicts) and not late_high
    in_high = any(item.in_high for item in verdicts) and not late_low
    return {f"{stage}_in_time": (int(in_low), int(in_high)), f"{stage}_late": (int(late_low), int(late_high))}


class Limits:
    """The limits of one case, as they stand at `as_of`."""

    def __init__(self, case: Case, clockwork: Clockwork, as_of: datetime) -> None:
        self.life, self.clockwork, self.as_of = case.life, clockwork, as_of
        self.known = known_between(case)
        self.ended = how_it_ended(case)
        self.runs = clockwork.runs(case.life)
        self._known_dues: dict[tuple[str, str, int], Between | None] = {}

    def verified(self) -> Counts:
        verified_at = self.life.verified_at
        found = []
        for run in self.runs:
            if run.row.code == VERIFICATION:
                is_done = verified_at is not None and (run.stopped_at is None or verified_at <= run.stopped_at)
                found.append(self._verdict(run, at(self.known, verified_at) if verified_at is not None and is_done else None))
        return counted("verified", found)

    def followed_up(self, items: Iterable[Assignment]) -> Counts:
        """Of several assignments the case is followed up when each is; one that still may be in time leaves it open."""
        ids = {str(item.id): item.id for item in items}
        own = [run for run in self.runs if run.subject in ids and run.row.code == FIRST_FOLLOW_UP]
        verdicts = [self._verdict(run, self._done(run, ids[run.subject], ("followed_up", "answered"))) for run in own]
        pairs = zip(own, verdicts, strict=True)
        if any(run.episode == 1 and run.stopped_at is None and not verdict.late_high for run, verdict in pairs):
            verdicts = [item._replace(in_low=False, in_high=False) for item in verdicts]
        return counted("followed_up", verdicts)

    def finished(self) -> Counts:
        runs = [run for run in self.runs if run.row.family == "finish"]
        return counted("finished", [self._verdict(run, self._done(run, None, ("answered",))) for run in runs])

    def finished_by_unit(self, finished: Between) -> Counts:
        """A unit's answer against the limit that the whole case has."""
        runs = [run for run in self.runs if run.row.family == "finish" and run.started_at <= finished.high]
        return counted("finished", [self._verdict(run, finished) for run in runs[-1:]])

    def overdue(self, items: Iterable[Assignment] | None = None) -> Counts:
        """Of an open case: whether any period of the law has run out. A unit's rows leave out the verification, which is not its own."""
        ids = None if items is None else {str(item.id) for item in items}
        verdicts = [
            self._verdict(run, None)
            for run in self.runs
            if run.stopped_at is None
            and (run.row.code == FIRST_FOLLOW_UP or (run.subject == CASE and _LAW_STARTS & set(run.row.starts)))
            and (ids is None or run.subject in ids or (run.subject == CASE and run.row.code != VERIFICATION))
        ]
        return {"overdue": (int(any(item.late_low for item in verdicts)), int(any(item.late_high for item in verdicts)))}

    def returned(self, items: Iterable[Assignment]) -> Counts:
        """How often it was given back; late, and so counted against the unit, after half of the office time for its first follow-up."""
        returned = late = 0
        for item in items:
            if item.returned_at is None:
                continue
            returned += 1
            run = next((run for run in self.runs if run.subject == str(item.id) and run.row.code == FIRST_FOLLOW_UP), None)
            dues = self._dues(run) if run is not None else None
            if run is not None and dues is not None:
                zone, calendar = place_of(self.life, item.id, self.clockwork)
                start = kept(calendar, run.started_at)
                given = periods.working_seconds(calendar, start, max(start, dues.high), zone, run.pauses)
                late += periods.working_seconds(calendar, start, max(start, item.returned_at), zone, run.pauses) > given / 2
        return {"returned": (returned, returned), "returned_late": (late, late)}

    def first_finish(self) -> Between | None:
        """When everybody had answered for the first time, or the source closed it as answered there."""
        answered = next((event.at for event in self.life.events if event.assignment is None and event.mark == "answered"), None)
        if answered is not None:
            return at(self.known, answered)
        return self.closed()

    def closed(self) -> Between | None:
        """When it was closed, and not because nobody wanted an answer any more."""
        ended_at = self.life.ended_at
        return None if ended_at is None or self.ended in NOT_PURSUED else at(self.known, ended_at)

    def days(self, assignment: Assignment | None, start: datetime, finished: Between) -> tuple[int, int]:
        """Working days up to the answer, without those on which the reporter was asked for more."""
        zone, calendar = place_of(self.life, assignment.id if assignment is not None else None, self.clockwork)
        start = kept(calendar, start)
        low, high = (periods.working_days_between(calendar, start, max(start, end), zone, self.life.pauses) for end in finished)
        return low, high

    def _done(self, run: Run, assignment: UUID | None, marks: Sequence[str]) -> Between | None:
        """When what the clock waits for was done; None where it runs, or something else stopped it."""
        stopped = run.stopped_at
        if stopped is None:
            return None
        if any(event.at == stopped and event.assignment == assignment and event.mark in marks for event in self.life.events):
            return at(self.known, stopped)
        return self.closed() if stopped == self.life.ended_at else None

    def _verdict(self, run: Run, done: Between | None) -> Verdict:
        """What was not done is late once its deadline passed while it was still to be done."""
        dues = self._dues(run)
        if dues is None:
            return Verdict(done is not None, done is not None, False, False)
        if done is not None:
            in_low, in_high = done.high <= dues.low, done.low <= dues.high
            return Verdict(in_low, in_high, not in_high, not in_low)
        end = run.stopped_at or self.as_of
        return Verdict(False, False, end > dues.high, end > dues.low)

    def _dues(self, run: Run) -> Between | None:
        """The deadline, by either bound of what started it; None where a pause that is open keeps it from coming."""
        key = (run.subject, run.row.code, run.episode)
        if key not in self._known_dues:
            self._known_dues[key] = self._dues_of(run)
        return self._known_dues[key]

    def _dues_of(self, run: Run) -> Between | None:
        place = place_of(self.life, None if run.subject == CASE else UUID(run.subject), self.clockwork)
        starts = at(self.known, run.started_at) if "verified" in run.row.starts else (run.started_at,)
        found = [self.clockwork.due(replace(run, started_at=start), place) for start in dict.fromkeys(starts)]
        dues = [due for due in found if due is not None]
        return Between(min(dues), max(dues)) if len(dues) == len(found) else None
