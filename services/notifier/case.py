"""The case as it is held in memory while a batch or a sweep changes it. Pure data; `domain.py` has the moves."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.events import (
    AnswerStatus,
    AssignmentState,
    AssignmentStatus,
    CaseState,
    CaseStatus,
    ClockState,
    ClockStatus,
    FollowUp,
    TimelineEntry,
)

CASE = "case"


@dataclass(slots=True)
class Firing:
    """A level that fired: the instant it was due at, and whether that proved wrong."""

    level: int
    instant: datetime
    is_rescinded: bool = False


@dataclass(slots=True)
class Clock:
    """One policy running on the case or on an assignment. `subject` is `case` or the assignment's id as text."""

    subject: str
    code: str
    zone: str
    started_at: datetime
    due_at: datetime
    next_level: int | None
    next_at: datetime | None
    occurrence: int = 1
    state: ClockState = "running"
    stopped_at: datetime | None = None
    fired: list[Firing] = field(default_factory=list)


@dataclass(slots=True)
class Assignment:
    id: UUID
    decision: int
    part: int
    unit: str
    desk: str | None
    is_oversight: bool
    assigned_at: datetime
    state: AssignmentState
    since: datetime


@dataclass(slots=True)
class Parked:
    """An update or a change that waits. `value` is its payload as JSON, `counts_at` the instant it counts from."""

    id: UUID
    kind: str
    counts_at: datetime
    value: bytes


@dataclass(slots=True)
class Part:
    """What a decision made of one part: `routed`, `held`, `transferred`, or `proposed` (a transfer that waits for a yes).

    `destinations` are those of the whole decision, this part's among them.
    """

    decision: int
    part: int
    outcome: str
    at: datetime
    destinations: tuple[str, ...] = ()


@dataclass(slots=True)
class Case:
    id: UUID
    is_opened: bool = False
    is_complete: bool = False
    source: str | None = None
    source_ref: str | None = None
    service: str | None = None
    class_: str | None = None
    province: str | None = None
    reported_at: datetime | None = None
    accepted_at: datetime | None = None
    is_final: bool = False
    is_oversight: bool = False
    state: CaseState = "received"
    first_outcome: str = "undecided"
    parts: list[Part] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    ended_at: datetime | None = None
    ended_state: CaseState | None = None
    ended_by: str | None = None
    sequence: int = 0
    assignments: list[Assignment] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    timeline: list[TimelineEntry] = field(default_factory=list)  # the last 50, oldest first

    # What the moves of this transaction left to be written.
    noted: list[TimelineEntry] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    unparked: list[UUID] = field(default_factory=list)
    is_changed: bool = False
    is_asked_again: bool = False  # a repeat of what is known: whoever sent it may have missed the answer

    def next_sequence(self) -> int:
        """The notifier alone numbers a case, under its row's lock."""
        self.sequence += 1
        return self.sequence

    def note(self, at: datetime, what: str, by: str | None) -> None:
        self.noted.append(TimelineEntry(at=at, what=what, by=by))
        self.is_changed = True

    def assignment(self, assignment_id: UUID) -> Assignment | None:
        return next((item for item in self.assignments if item.id == assignment_id), None)

    @property
    def next_due_at(self) -> datetime | None:
        return min((clock.next_at for clock in self.clocks if clock.next_at is not None), default=None)

    def derived_state(self) -> CaseState:
        """From what is known, not from the order in which it became known."""
        if self.is_final:
            return "history"
        if self.ended_state is not None:
            return self.ended_state
        states = {item.state for item in self.assignments if item.state not in ("replaced", "returned")}
        if states:
            if states <= {"answered", "closed"}:
                return "answered"
            return "accepted" if states & {"accepted", "answered"} else "assigned"
        outcomes = {part.outcome for part in self.parts}
        if "held" in outcomes:
            return "held"
        return "transferred" if outcomes & {"transferred", "proposed"} else "received"

    def status(self, sequence: int) -> CaseStatus:
        """What readers are told."""
        assert self.reported_at is not None
        units = {str(item.id): item.unit for item in self.assignments}
        return CaseStatus(
            complaint_id=self.id,
            source=self.source,
            source_ref=self.source_ref,
            state=self.state,
            class_=self.class_,
            reported_at=self.reported_at,
            assignments=tuple(
                AssignmentStatus(id=item.id, unit=item.unit, desk=item.desk, state=item.state, since=item.since)
                for item in sorted(self.assignments, key=lambda assignment: (assignment.decision, assignment.part))
            ),
            clocks=tuple(
                ClockStatus(code=item.code, unit=units.get(item.subject), due_at=item.due_at, state=item.state)
                for item in sorted(self.clocks, key=lambda clock: (clock.started_at, clock.subject != CASE, clock.code, clock.subject))
            ),
            answers=tuple(AnswerStatus.model_validate(item) for item in self.answers),
            timeline=tuple(sorted([*self.timeline, *self.noted], key=lambda entry: entry.at)[-50:]),
            sequence=sequence,
        )
