"""The life of a case as its facts make it: who has it, in which state, and what started and stopped clocks. Pure data.

`living.py` makes it from the facts, `speaking.py` has the moves of those who have it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.notifier.facts import Decided, Ordered, Reported
from services.notifier.policy import Mark
from shared.events import AssignmentState, CaseState, FollowUpKind, RerouteCause

LIVE: tuple[AssignmentState, ...] = ("assigned", "accepted", "answered")
OPEN: tuple[AssignmentState, ...] = ("assigned", "accepted")


@dataclass(slots=True)
class Assignment:
    """A part that a unit was given. `ended_by_other`: it ended, and not by the unit's own word."""

    id: UUID
    part: Decided
    unit: str
    desk: str | None
    is_oversight: bool
    assigned_at: datetime
    state: AssignmentState
    since: datetime
    ended_by_other: bool = False
    returned_at: datetime | None = None
    answered_at: datetime | None = None

    def move(self, state: AssignmentState, at: datetime, *, by_other: bool = False) -> None:
        self.state, self.since, self.ended_by_other = state, max(at, self.assigned_at), by_other


@dataclass(frozen=True, slots=True)
class Event:
    """Something that starts or stops clocks: the case's own where `assignment` is null."""

    mark: Mark
    at: datetime
    assignment: UUID | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    id: UUID | None
    unit: str
    at: datetime
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Ask:
    """The router is to decide anew. `cause_id` is that of the fact that asks."""

    cause: RerouteCause
    cause_id: UUID
    at: datetime
    by: str
    replaces: tuple[str, ...]
    reason: str | None = None
    order: Ordered | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a unit is told once, known by `key`."""

    key: str
    kind: FollowUpKind
    assignment: UUID | None
    why: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the clocks say of a life: how long a reporter may reply, and up to when a period may be extended (None: not at all)."""

    reply_until: Callable[["Life", datetime], datetime]
    extend_until: Callable[["Life"], datetime | None]


@dataclass(slots=True)
class Life:
    report: Reported | None = None
    class_: str | None = None
    is_oversight: bool = False
    assignments: dict[UUID, Assignment] = field(default_factory=dict)
    parts: dict[str, Decided] = field(default_factory=dict)  # of which nobody else has taken the place
    replaced: set[str] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    last: dict[Mark, int] = field(default_factory=dict)  # the place of each of the case's own marks among the events
    pauses: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    extended_at: list[datetime] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    pending: dict[UUID, Ask] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    not_taken: dict[str, str] = field(default_factory=dict)  # fact → why
    verified_at: datetime | None = None
    answered_at: datetime | None = None
    reopenings: int = 0
    returns: int = 0
    merged_into: UUID | None = None
    ended_at: datetime | None = None
    ended_state: CaseState | None = None
    ended_by: str | None = None
    is_history: bool = False
    first_outcome: str = "undecided"
    state: CaseState = "received"

    def mark(self, mark: Mark, at: datetime, assignment: UUID | None = None) -> None:
        self.events.append(Event(mark, at, assignment))
        if assignment is None:
            self.last[mark] = len(self.events)

    @property
    def waiting(self) -> list[Decided]:
        """Parts that no unit has: held, or proposed to another agency."""
        return [part for part in self.parts.values() if part.outcome in ("held", "proposed")]

    def in_state(self, *states: AssignmentState) -> list[Assignment]:
        return [item for item in self.assignments.values() if item.state in states]

    @property
    def is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1][1] is None

    def verify(self, at: datetime) -> None:
        self.verified_at = at
        self.mark("verified", at)

    def pause(self, at: datetime) -> None:
        self.pauses.append((at, None))
        self.mark("asked", at)

    def resume(self, at: datetime) -> None:
        self.pauses[-1] = (self.pauses[-1][0], at)
        self.mark("completed", at)
        self.mark("complete", at)

    def end(self, state: CaseState, at: datetime, by: str) -> None:
        """Units that have not ended their part themselves learn of it."""
        self.ended_at, self.ended_state, self.ended_by = at, state, by
        self.mark("ended", at)
        for item in self.in_state(*LIVE):
            item.move("closed", at, by_other=True)
