"""What moves between the services: one model per event, exactly as it stands in a Kafka value.

Pure: no I/O and no broker. Readers ignore fields they do not know, so that a newer writer does not stop an older reader; a breaking
change is a new `ce_type` version. Times are aware; they are written as RFC 3339 in UTC.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first and the last day of the calendar, in another zone
        raise ValueError("lies outside the years 1 to 9999") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]

ServiceName = Literal["sp4n", "ppid_permohonan", "ppid_keberatan", "yankomas", "wbs", "ulp", "layanan"]
ComplaintClass = Literal["pengaduan", "pengaduan_pengawasan", "aspirasi", "informasi"]
UnitSlug = Literal["imigrasi", "pemasyarakatan", "ahu", "ki", "ham", "pp", "bphn", "setjen", "itjen", "bsk", "bpsdm"]

CaseState = Literal[
    "received", "held", "assigned", "accepted", "answered", "closed", "paused", "transferred", "withdrawn", "merged", "history"
]
AssignmentState = Literal["assigned", "accepted", "answered", "returned", "replaced", "closed"]
ClockState = Literal["running", "paused", "stopped", "expired"]
# What a source's own status means; intake alone maps it. `verified`: an administrator there has verified or disposed of the report.
SourceState = Literal["open", "verified", "paused", "closed", "archived"]
HeldWhy = Literal["low_confidence", "vague", "unprocessable", "transfer_cap", "refused_by_all", "ordered"]
ReasonKind = Literal["term", "rule", "model", "place", "office", "disposition", "human"]
SourceChangeKind = Literal[
    "edited", "reclassified", "flags", "redisposed", "replied", "completed", "withdrawn", "closed", "archived", "reopened"
]
# `joined`: a second report with the same SP4N tracking id came in by another door; it acts on nothing and is noted in the timeline.
ChangeKind = SourceChangeKind | Literal["update", "decision", "disclosure", "joined"]
UpdateStatus = Literal[
    "accepted", "verified", "followed_up", "answered", "returned", "need_info", "resumed", "extended", "merged", "closed", "refused"
]
FollowUpKind = Literal[
    "reminder",
    "due",
    "overdue",
    "escalated",
    "unacknowledged",
    "deadline_changed",
    "rescinded",
    "update_refused",
    "reopened",
    "closed",
    "replaced",
]
DecidedBy = Literal["router", "source", "human"]
RerouteCause = Literal["returned", "ordered", "edited", "redisposed", "expired"]


class Payload(BaseModel):
    """A value on the bus. Frozen: a fact does not change after it was said."""

    model_config = ConfigDict(extra="ignore", frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self, by_alias=True)


class Location(Payload):
    """Where it happened (not where the reporter lives), by the names the source gave."""

    province: str | None = None
    regency: str | None = None
    district: str | None = None
    village: str | None = None


class Disposition(Payload):
    """An addressee that a person at the source named, as written there."""

    name: str
    at: Instant | None = None
    by: str | None = None


class Reason(Payload):
    """One thing that spoke for the decision, readable by a clerk. `weight` is a score, larger speaks louder."""

    kind: ReasonKind
    value: str
    weight: float = 0.0


class Ranked(Payload):
    unit: str
    score: float


class DecisionPart(Payload):
    """Where one part goes: a unit slug, `triage` or `other_agency`; one part leads."""

    destination: str
    leading: bool = False


class Suggestion(Payload):
    """What the router would have decided where a person or the source decided instead."""

    unit: str | None
    confidence: float
    is_oversight: bool = False


class ComplaintReceived(Payload):
    """A report was accepted. Free text is masked; who reported is not here."""

    complaint_id: UUID
    source: str
    source_ref: str | None = None
    service: ServiceName = "sp4n"
    channel: str | None = None
    title: str
    text: str
    class_: ComplaintClass | None = Field(default=None, alias="class")
    category: str | None = None
    occurred_on: date | None = None
    reported_at: Instant
    accepted_at: Instant
    location: Location = Location()
    is_anonymous: bool = True
    is_confidential: bool = True
    disposition: tuple[Disposition, ...] = ()
    source_status: str | None = None
    source_state: SourceState | None = None
    is_final: bool = False
    masked: tuple[str, ...] = Field(default=(), description="kinds of identifiers that were masked")
    attachment_count: int = 0


class _Decided(Payload):
    """The report's fields, which may be unknown, and what was decided about one part of it."""

    complaint_id: UUID
    source: str | None = None
    source_ref: str | None = None
    service: ServiceName | None = None
    channel: str | None = None
    title: str | None = None
    text: str | None = None
    class_: ComplaintClass | None = Field(default=None, alias="class", description="the class in force")
    category: str | None = None
    occurred_on: date | None = None
    reported_at: Instant
    accepted_at: Instant
    location: Location = Location()
    is_anonymous: bool = True
    is_confidential: bool = True
    disposition: tuple[Disposition, ...] = ()
    source_status: str | None = None
    is_final: bool = False
    masked: tuple[str, ...] = ()
    attachment_count: int = 0

    decision: int = Field(ge=0, description="number of the decision, per complaint, from 0")
    part: int = Field(ge=0)
    parts: tuple[DecisionPart, ...]
    copies: tuple[str, ...] = ()
    decided_by: DecidedBy = "router"
    class_given: ComplaintClass | None = None
    class_by: DecidedBy | None = None
    confidence: float = 0.0
    is_oversight: bool = False
    is_urgent: bool = False
    special_data: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    ranking: tuple[Ranked, ...] = ()
    suggestion: Suggestion | None = None
    rules_version: str
    decided_at: Instant
    transfers: int = 0


class ComplaintRouted(_Decided):
    """A part was given to a unit."""

    assignment_id: UUID
    unit: UnitSlug
    desk: str | None = None


class ComplaintHeld(_Decided):
    """A part waits for a person at the triage desk. `title` and `text` are null where oversight is in doubt."""

    unit: None = None
    assignment_id: None = None
    desk: None = None
    why: HeldWhy
    causing_id: UUID | None = Field(default=None, description="of the record that could not be read, where why is unprocessable")


class ComplaintTransferred(_Decided):
    """A part is another agency's matter; for source `lapor` a proposal until a person or the source confirms it."""

    unit: None = None
    assignment_id: None = None
    desk: None = None
    agency: str
    notice: str


class ComplaintChanged(Payload):
    """What later came in by HTTP or import. Answer texts, identities and attachments stay in intake."""

    change_id: str
    complaint_id: UUID
    source: str | None = None
    kind: ChangeKind
    by: str = Field(description="the writer's key: role, or role:subject")
    at: Instant | None = Field(default=None, description="as the writer says; shown, never trusted")
    accepted_at: Instant
    fields: dict[str, Any] = {}
    text: str | None = None
    answer_id: UUID | None = None
    source_status: str | None = None
    source_state: SourceState | None = None
    is_final: bool = False


class RerouteOrder(Payload):
    """A person's order; exactly one of the three."""

    unit: UnitSlug | None = None
    agency: str | None = None
    hold: bool | None = None


class RerouteRequested(ComplaintReceived):
    """The notifier asks for another decision; an `order` is obeyed without judging."""

    decision: int = Field(ge=1)
    replaces: tuple[str, ...] = Field(description='the parts it replaces, each "<decision>/<part>"; a part not named stays')
    cause: RerouteCause
    by: str
    reason: str | None = None
    order: RerouteOrder | None = None
    refused_units: tuple[UnitSlug, ...] = ()
    holding_units: tuple[UnitSlug, ...] = ()
    transfers: int = 0


class CaseUpdate(Payload):
    """What a unit says about its assignment. Counts from the broker's append time, never from `at`."""

    update_id: str = Field(min_length=1, max_length=200)
    complaint_id: UUID
    assignment_id: UUID | None = None
    unit: UnitSlug
    status: UpdateStatus
    at: Instant | None = None
    by: str | None = None
    note: str | None = None
    reason: str | None = None
    suggested_unit: UnitSlug | None = None
    into: UUID | None = None
    outcome: str | None = None


class FollowUp(Payload):
    """A clock fired, or a unit must know that something about its case changed. No text of the complaint is in it."""

    complaint_id: UUID
    source: str | None
    source_ref: str | None
    assignment_id: UUID | None = None
    unit: UnitSlug | None = None
    desk: str | None = None
    code: str | None = Field(default=None, description="the clock's policy, such as LAPOR_TINDAK_LANJUT")
    kind: FollowUpKind
    level: int | None = None
    occurrence: int | None = None
    due_at: Instant | None = None
    previous_due_at: Instant | None = None
    why: str | None = None
    emitted_at: Instant
    late_by_seconds: float | None = None
    to: tuple[str, ...]
    sequence: int | None


class AssignmentStatus(Payload):
    id: UUID
    unit: UnitSlug
    desk: str | None = None
    state: AssignmentState
    since: Instant
    part: str | None = Field(default=None, description='the part it came from, "<decision>/<part>", as a decision\'s `replaces` names it')
    due_at: Instant | None = Field(default=None, description="the earliest of its own deadlines that still runs")


class ClockStatus(Payload):
    code: str
    unit: UnitSlug | None = None
    due_at: Instant
    state: ClockState
    assignment_id: UUID | None = Field(default=None, description="null where the clock is the whole case's")
    occurrence: int = 1
    is_provisional: bool = Field(default=False, description="the joint leave of a year it counts is not decreed yet")


class AnswerStatus(Payload):
    id: UUID | None = None
    unit: UnitSlug
    at: Instant
    outcome: str | None = None


class TimelineEntry(Payload):
    at: Instant
    what: str
    by: str | None = None


class CaseStatus(Payload):
    """The whole state of a case; a reader applies only a greater `sequence`. `timeline` has the last 50 entries."""

    complaint_id: UUID
    source: str | None
    source_ref: str | None
    state: CaseState
    class_: ComplaintClass | None = Field(default=None, alias="class")
    reported_at: Instant
    assignments: tuple[AssignmentStatus, ...] = ()
    clocks: tuple[ClockStatus, ...] = ()
    answers: tuple[AnswerStatus, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    due_at: Instant | None = Field(default=None, description="the earliest deadline that still runs, of whichever clock")
    is_oversight: bool = Field(default=False, description="only the inspectorate and those who watch the whole may know what is said of it")
    waiting_parts: tuple[str, ...] = Field(default=(), description="parts that no unit has: held, or proposed to another agency")
    merged_into: UUID | None = None
    sequence: int


EVENT_TYPES: dict[str, type[Payload]] = {
    "id.jalur.complaint.received.v1": ComplaintReceived,
    "id.jalur.complaint.changed.v1": ComplaintChanged,
    "id.jalur.complaint.routed.v1": ComplaintRouted,
    "id.jalur.complaint.held.v1": ComplaintHeld,
    "id.jalur.complaint.transferred.v1": ComplaintTransferred,
    "id.jalur.complaint.reroute-requested.v1": RerouteRequested,
    "id.jalur.case.update.v1": CaseUpdate,
    "id.jalur.case.follow-up.v1": FollowUp,
    "id.jalur.case.status.v1": CaseStatus,
}
TYPE_OF: dict[type[Payload], str] = {model: name for name, model in EVENT_TYPES.items()}
