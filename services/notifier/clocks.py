"""Clocks: when they start and stop, which level fires next, and who hears of it. Pure; time comes in as an argument."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifier.calendar import Calendar
from services.notifier.case import CASE, Assignment, Case, Clock, Firing
from services.notifier.policy import Policies, Policy
from shared.events import FollowUp, FollowUpKind
from shared.units import UnitDirectory


class Clockwork:
    """The policies, the calendar and the directory, which together say every instant."""

    def __init__(self, policies: Policies, calendar: Calendar, directory: UnitDirectory) -> None:
        self.policies = policies
        self.calendar = calendar
        self.directory = directory

    def start(self, case: Case, code: str, at: datetime, assignment: Assignment | None = None, copies: Iterable[str] = ()) -> None:
        """Start a clock. One that runs already is an error: its caller asks first whether the part is known.

        `copies` are the desks told of the assignment; an office is in their zone.
        """
        policy = self.policies.policy(code)
        subject = str(assignment.id) if assignment is not None else CASE
        if any(clock.subject == subject and clock.code == code for clock in case.clocks):
            raise RuntimeError(f"clock {code} of {subject} was started twice")
        zone = self.directory.zone(assignment.desk if assignment is not None else None, case.province, copies)
        due_at = self.calendar.due_at(self._within(at), policy.working_days, zone)
        clock = Clock(subject=subject, code=code, zone=zone.key, started_at=at, due_at=due_at, next_level=None, next_at=None)
        self._set_next(clock, policy)
        case.clocks.append(clock)
        case.is_changed = True

    def restart(self, case: Case, clock: Clock, at: datetime) -> None:
        """The start became known better, before anything fired. A stopped clock stays stopped."""
        zone = self.directory.zone(None, case.province)
        clock.zone, clock.started_at = zone.key, at
        clock.due_at = self.calendar.due_at(self._within(at), self.policies.policy(clock.code).working_days, zone)
        if clock.state == "running":
            self._set_next(clock, self.policies.policy(clock.code))
        case.is_changed = True

    def _within(self, at: datetime) -> datetime:
        """A start before the calendar begins is long overdue whichever day it was."""
        first = datetime(self.calendar.first_year + 1, 1, 2, tzinfo=at.tzinfo)
        return max(at, first)

    def _set_next(self, clock: Clock, policy: Policy) -> bool:
        """False where every level has fired."""
        zone = ZoneInfo(clock.zone)
        fired = {firing.level for firing in clock.fired}
        coming = [
            (self.calendar.shift(clock.due_at, level.after_working_days, zone), level.level)
            for level in policy.levels
            if level.level not in fired
        ]
        clock.next_at, clock.next_level = min(coming) if coming else (None, None)
        return bool(coming)

    def stop(self, case: Case, clock: Clock, at: datetime, now: datetime) -> None:
        """Stop a clock from `at`. Levels that fired although they lie after `at` are taken back."""
        if clock.stopped_at is not None and clock.stopped_at <= at:
            return
        clock.state, clock.stopped_at, clock.next_level, clock.next_at = "stopped", at, None, None
        case.is_changed = True
        for firing in clock.fired:
            if firing.instant >= at and not firing.is_rescinded:
                firing.is_rescinded = True
                why = f"what stops this clock counts from {_written(at)}"
                levels = self.policies.policy(clock.code).levels
                level = next((item for item in levels if item.level == firing.level), levels[-1])
                self._say(case, clock, "rescinded", firing, level.to, now, why=why)
                case.note(now, f"rescinded: {level.kind} {clock.code}", "notifier")

    def fire(self, case: Case, until: datetime, now: datetime) -> list[tuple[FollowUpKind, float]]:
        """Fire the case's due levels in the order of their instants; returns kind and lateness in seconds of each."""
        fired: list[tuple[FollowUpKind, float]] = []
        while True:
            due = [
                (clock.next_at, clock.code, clock.subject, clock)
                for clock in case.clocks
                if clock.next_at is not None and clock.next_at <= until
            ]
            if not due:
                return fired
            instant, *_, clock = min(due, key=lambda item: item[:3])
            policy = self.policies.policy(clock.code)
            level = next((item for item in policy.levels if item.level == clock.next_level), None)
            if level is None:  # the policy lost this level since: go on with those it has
                clock.state = "running" if self._set_next(clock, policy) else "expired"
                case.is_changed = True
                continue
            firing = Firing(level.level, instant)
            late = max(0.0, (now - firing.instant).total_seconds())
            clock.fired.append(firing)
            if not self._set_next(clock, policy):
                clock.state = "expired"
            self._say(case, clock, level.kind, firing, level.to, now, late_by_seconds=late)
            case.note(now, f"{level.kind} {clock.code}", "notifier")
            fired.append((level.kind, late))

    def _say(
        self,
        case: Case,
        clock: Clock,
        kind: FollowUpKind,
        firing: Firing,
        to: tuple[str, ...],
        now: datetime,
        *,
        why: str | None = None,
        late_by_seconds: float | None = None,
    ) -> None:
        assignment = case.assignment(UUID(clock.subject)) if clock.subject != CASE else None
        follow_up(
            case,
            kind,
            now,
            assignment=assignment,
            to=to,
            code=clock.code,
            level=firing.level,
            occurrence=clock.occurrence,
            due_at=clock.due_at,
            why=why,
            late_by_seconds=late_by_seconds,
        )


def follow_up(
    case: Case,
    kind: FollowUpKind,
    now: datetime,
    *,
    assignment: Assignment | None,
    to: tuple[str, ...],
    code: str | None = None,
    level: int | None = None,
    occurrence: int | None = None,
    due_at: datetime | None = None,
    why: str | None = None,
    late_by_seconds: float | None = None,
) -> None:
    """Say something to those concerned. `unit` in `to` is the assignment's; of an oversight matter only the inspectorate hears."""
    is_oversight = case.is_oversight or (assignment is not None and assignment.is_oversight)
    named = tuple(dict.fromkeys((assignment.unit if assignment else "triage") if who == "unit" else who for who in to))
    case.follow_ups.append(
        FollowUp(
            complaint_id=case.id,
            source=case.source,
            source_ref=case.source_ref,
            assignment_id=assignment.id if assignment else None,
            unit=assignment.unit if assignment else None,
            desk=assignment.desk if assignment else None,
            code=code,
            kind=kind,
            level=level,
            occurrence=occurrence,
            due_at=due_at,
            why=why,
            emitted_at=now,
            late_by_seconds=late_by_seconds,
            to=("itjen",) if is_oversight else named,
            sequence=case.next_sequence(),
        )
    )
    case.is_changed = True


def addressed_topics(to: tuple[str, ...]) -> tuple[str, ...]:
    """Whose follow-up topics an addressee list means: admin instansi is the secretariat general's, nobody is triage's."""
    return tuple(dict.fromkeys("setjen" if who == "admin_instansi" else who for who in to)) or ("triage",)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
