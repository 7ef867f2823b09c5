"""The case as it is held in memory while a batch or a sweep changes it. Pure data; `domain.py` has the moves."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from services.notifier.facts import Fact, Ordered, Said
from services.notifier.life import OPEN, Assignment, Life
from shared.events import CaseStatus, ClockState, FollowUp, RerouteRequested

CASE = "case"
id_of = lru_cache(maxsize=4096)(UUID)  # a case asks for the same few subjects again and again


@dataclass(slots=True)
class Firing:
    """A level that fired: as which occurrence, the instant it was due at, when that was, and whether it proved wrong."""

    level: int
    occurrence: int
    instant: datetime
    at: datetime
    is_rescinded: bool = False


@dataclass(slots=True)
class Clock:
    """One policy running on the case or on an assignment. `subject` is `case` or the assignment's id as text, `episode` counts its starts.

    `occurrence` names its firings: another start, and a firing that came too early, take the next number.
    """

    subject: str
    code: str
    episode: int
    occurrence: int
    zone: str
    started_at: datetime
    due_at: datetime
    state: ClockState = "running"
    stopped_at: datetime | None = None
    is_provisional: bool = False
    next_level: int | None = None
    next_at: datetime | None = None
    fired: list[Firing] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.subject, self.code, self.episode)


@dataclass(slots=True)
class Parked:
    """A fact that waits for its case, and the instant it counts from."""

    id: UUID
    kind: str
    counts_at: datetime
    fact: Fact


class Shown(NamedTuple):
    """A line of the timeline as readers are shown it."""

    at: datetime
    what: str
    by: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline. `fact` is what became known, where the line is that; `data` what else a recount needs."""

    at: datetime
    what: str
    by: str | None
    kind: str
    fact: Fact | None = None
    data: dict[str, Any] | None = None


@dataclass(slots=True)
class Case:
    id: UUID
    sequence: int = 0
    timed_by: str = ""
    facts: list[Fact] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    clocks: list[Clock] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    parked: list[Parked] = field(default_factory=list)
    recent: list[Shown] = field(default_factory=list)  # the last 50, oldest first
    entries: int = 0  # how many lines its timeline has, and the hash of the last
    head: bytes = b""
    given: dict[UUID, int] = field(default_factory=dict)  # after a restore: the numbers of decisions that were asked for, by what asked
    erased_at: datetime | None = None  # what was written up to then is erased, and does not come back
    life: Life = field(default_factory=Life)

    traceparent: str | None = None  # of whatever moves it now

    # What the moves of this transaction left to be written.
    noted: list[Entry] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    requests: list[RerouteRequested] = field(default_factory=list)
    voided: list[tuple[Said | Ordered, str]] = field(default_factory=list)  # what was taken and proved impossible, and why
    unparked: list[UUID] = field(default_factory=list)
    is_changed: bool = False
    is_asked_again: bool = False  # a repeat of what is known: whoever sent it may have missed the answer

    @property
    def is_opened(self) -> bool:
        return self.life.report is not None

    def next_sequence(self) -> int:
        """The notifier alone numbers a case, under its row's lock."""
        self.sequence += 1
        return self.sequence

    def note(self, at: datetime, what: str, by: str | None, kind: str, fact: Fact | None = None, **data: Any) -> None:
        self.noted.append(Entry(at, what.replace("\x00", " "), by, kind, fact, data or None))
        self.is_changed = True

    def assignment(self, subject: str) -> Assignment | None:
        return self.life.assignments.get(id_of(subject)) if subject != CASE else None

    @property
    def next_due_at(self) -> datetime | None:
        return min((clock.next_at for clock in self.clocks if clock.next_at is not None), default=None)

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something; also to say yes to a transfer that is only proposed."""
        if self.life.state == "transferred":
            return bool(self.life.waiting)
        return self.is_opened and self.life.state not in ("closed", "withdrawn", "history")

    @property
    def is_watched(self) -> bool:
        """Whether a clock will speak of it again, its own or that of the case it was merged into."""
        is_merged = self.life.merged_into is not None and self.life.answered_at is None
        return is_merged or any(clock.next_at is not None for clock in self.clocks)

    @property
    def due_at(self) -> datetime | None:
        """The earliest deadline that still runs, also where it has passed."""
        return min((clock.due_at for clock in self.clocks if clock.state in ("running", "expired")), default=None)

    @property
    def has_owner(self) -> bool:
        life = self.life
        return bool(life.in_state(*OPEN) or life.waiting or life.pending or life.answered_at is not None or life.merged_into is not None)

    def status(self, sequence: int) -> CaseStatus:
        return CaseStatus.model_validate(self.status_fields(sequence))

    def status_fields(self, sequence: int) -> dict[str, Any]:
        """What readers are told: a CaseStatus field by field. As plain values it is written many times faster than as models."""
        life = self.life
        report = life.report
        assert report is not None
        due: dict[str, datetime] = {}
        for clock in self.clocks:
            if clock.state in ("running", "expired") and (clock.subject not in due or clock.due_at < due[clock.subject]):
                due[clock.subject] = clock.due_at
        named = {str(item.id): item for item in life.assignments.values()}
        shown = [*self.recent, *(Shown(item.at, item.what, item.by) for item in self.noted)]
        shown.sort(key=lambda entry: entry.at)
        return {
            "complaint_id": self.id,
            "source": report.source,
            "source_ref": report.source_ref,
            "state": life.state,
            "class": life.class_,
            "reported_at": report.reported_at,
            "assignments": [
                {
                    "id": subject,
                    "unit": item.unit,
                    "desk": item.desk,
                    "state": item.state,
                    "since": item.since,
                    "part": item.part.key,
                    "due_at": due.get(subject),
                }
                for subject, item in sorted(named.items(), key=lambda pair: (pair[1].part.decision, pair[1].part.part))
            ],
            "clocks": [
                {
                    "code": clock.code,
                    "unit": named[clock.subject].unit if clock.subject in named else None,
                    "due_at": clock.due_at,
                    "state": clock.state,
                    "assignment_id": clock.subject if clock.subject in named else None,
                    "occurrence": clock.occurrence,
                    "is_provisional": clock.is_provisional,
                }
                for clock in sorted(self.clocks, key=lambda clock: (clock.started_at, clock.subject != CASE, clock.code, clock.subject))
            ],
            "answers": [
                {"id": item.id, "unit": item.unit, "at": item.at, "outcome": item.outcome}
                for item in sorted(life.answers, key=lambda answer: (answer.at, answer.unit, answer.outcome or ""))
            ],
            "timeline": [{"at": entry.at, "what": entry.what, "by": entry.by} for entry in shown[-50:]],
            "due_at": min(due.values(), default=None),
            "is_oversight": life.is_oversight,
            "waiting_parts": sorted(part.key for part in life.waiting),
            "merged_into": life.merged_into,
            "sequence": sequence,
        }
