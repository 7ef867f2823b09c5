"""What units, desks, the triage desk and the admin say of a case: the requests, and who may say what of which assignment. Pure.

Whether the case can take it is the notifier's to judge; what it last told may lag behind.
"""

from collections.abc import Collection
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StringConstraints, model_validator

from services.intake.domain import Attachment, Input, LongText, Name, When, has_words
from services.intake.readers import INSPECTORATE, is_oversight
from services.intake.speakers import Speaker
from shared.events import AssignmentStatus, CaseStatus, UnitSlug, UpdateStatus
from shared.problems import Problem

Remark = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=4_000), AfterValidator(has_words)]
Words = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=500), AfterValidator(has_words)]
Outcome = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z_]{0,39}$")]
PartName = Annotated[str, StringConstraints(strict=True, pattern=r"^(0|[1-9][0-9]{0,5})/(0|[1-9][0-9]{0,5})$")]

# An assignment in one of these is its unit's to speak for; one that was returned, replaced or closed is somebody else's, or nobody's.
LIVE = ("assigned", "accepted", "answered")
# Verifying is the agency administrator's act. The four others may be the whole case's: then he says them for all who have a part in it.
_OF_ADMIN: tuple[UpdateStatus, ...] = ("verified", "need_info", "resumed", "merged", "closed")
_NEEDS_REASON: tuple[UpdateStatus, ...] = ("returned", "extended", "refused")
# What is only said with these statuses: elsewhere it was meant for another one, and would be lost without a word.
_ONLY_WITH: tuple[tuple[str, tuple[UpdateStatus, ...]], ...] = (
    ("answer", ("answered", "followed_up", "refused")),
    ("suggested_unit", ("returned",)),
    ("into", ("merged",)),
    ("outcome", ("answered", "closed", "refused")),
)


def _truly(value: object) -> object:
    if value is not True:  # 1 is equal to it
        raise ValueError("must be true")
    return value


class Answer(Input):
    """An answer to the reporter. Without `approved_by` it is a draft. Its text and the officials' names never leave intake."""

    text: LongText
    attachments: list[Attachment] = Field(default_factory=list, max_length=50)
    is_final: StrictBool
    drafted_by: Words | None = None
    approved_by: Words | None = None


class Update(Input):
    """The body of `POST /v1/complaints/{id}/updates`."""

    update_id: Name
    assignment_id: UUID | None = None
    status: UpdateStatus
    at: When | None = None
    note: Remark | None = None
    reason: Remark | None = None
    suggested_unit: UnitSlug | None = None
    into: UUID | None = None
    outcome: Outcome | None = None
    answer: Answer | None = None

    @property
    def is_draft(self) -> bool:
        return self.answer is not None and self.answer.approved_by is None


class Order(Input):
    """Where a person sends the parts: to a unit, to another agency, or nowhere for now."""

    unit: UnitSlug | None = None
    agency: Words | None = None
    hold: Annotated[Literal[True], BeforeValidator(_truly)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Order":
        if sum(value is not None for value in (self.unit, self.agency, self.hold)) != 1:
            raise ValueError("give exactly one of unit, agency and hold")
        return self


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("names a part twice")
    return names


class Decision(Input):
    """The body of `POST /v1/complaints/{id}/decisions`. A part that `replaces` does not name stays as it is."""

    decision_id: Name
    replaces: Annotated[list[PartName], Field(min_length=1, max_length=20), AfterValidator(_each_once)]
    order: Order
    reason: Remark


class DisclosureRequest(Input):
    """The body of `POST /v1/complaints/{id}/disclosures`."""

    purpose: Words


def refused_field(field: str, detail: str) -> Problem:
    return Problem(422, "invalid-field", "A field is not acceptable", detail, field=field)


def _not_allowed(detail: str) -> Problem:
    return Problem(403, "not-allowed", "Not allowed", detail)


def check_update(update: Update, role: str, complaint_id: UUID) -> None:
    """Raises `Problem` 403 for a status that is not this role's to say, 422 for one that is said incompletely."""
    if role == "admin" and update.status not in _OF_ADMIN:
        raise Problem(
            403, "not-allowed", "Not allowed", f"{update.status} is the assigned unit's to say; an admin says {', '.join(_OF_ADMIN)}"
        )
    if role != "admin" and update.status == "verified":
        raise Problem(403, "not-allowed", "Not allowed", f"verified is an admin's to say; this key is {role}")
    if role == "admin" and update.assignment_id is not None:
        raise refused_field("assignment_id", "an admin speaks of the whole case: leave it out")
    if update.status in _NEEDS_REASON and update.reason is None:
        raise refused_field("reason", f"is required with {update.status}")
    if update.status == "need_info" and update.note is None and update.reason is None:
        raise refused_field("note", "is required with need_info (or reason): what the reporter is asked for")
    if update.status == "merged" and update.into is None:
        raise refused_field("into", "is required with merged: the complaint that goes on")
    if update.into == complaint_id:
        raise refused_field("into", "a complaint is not merged into itself")
    for field, statuses in _ONLY_WITH:
        if getattr(update, field) is not None and update.status not in statuses:
            raise refused_field(field, f"is said only with {', '.join(statuses)}")
    _check_answer(update)


def check_merge(speaker: Speaker, assignment: AssignmentStatus, status: CaseStatus, lead: CaseStatus | None) -> None:
    """A unit or desk merges what is its alone into what it has a part of; the rest is an admin's to merge, and oversight is kept apart.

    Raises `Problem` 422 in the words for what does not exist, and 403 in words that do not tell which of the two cases concerns whom.
    """
    if not any(item.state in LIVE and item.unit == assignment.unit for item in own_assignments(speaker, lead)):
        raise refused_field("into", "there is no such complaint of yours")
    others = any(item.state in LIVE and item.unit != assignment.unit for item in status.assignments)
    is_kept_apart = is_oversight(status) or (lead is not None and is_oversight(lead))
    if others or (is_kept_apart and assignment.unit != INSPECTORATE):
        raise _not_allowed("this merge is an admin's to say: it concerns more than this key's own part")


def _check_answer(update: Update) -> None:
    answer = update.answer
    if update.status == "answered" and answer is None:
        raise refused_field("answer", "is required with answered")
    if answer is None:
        return
    if answer.is_final and update.status == "followed_up":
        raise refused_field("answer.is_final", "a final answer is said with answered, or with refused where the unit declines")
    if not answer.is_final and update.status != "followed_up":
        raise refused_field("answer.is_final", "an interim answer is said with followed_up")


def own_assignments(speaker: Speaker, status: CaseStatus | None) -> list[AssignmentStatus]:
    """A unit's own, those of its desks among them; a desk's own alone. Ended ones too."""
    if status is None or speaker.role not in ("unit", "desk"):
        return []
    return [item for item in status.assignments if getattr(item, speaker.role) == speaker.subject]


def find_assignment(mine: Collection[AssignmentStatus], assignment_id: UUID | None) -> AssignmentStatus:
    """The live one among a speaker's `mine` that is meant. Raises `Problem` 404 where there is none, 422 where there are several."""
    live = [item for item in mine if item.state in LIVE and assignment_id in (None, item.id)]
    if not live:
        raise Problem(404, "not-found", "Not found", "no assignment of this key is open in the complaint, or not the one that is named")
    if len(live) > 1:
        raise refused_field("assignment_id", "several assignments, name one")
    return live[0]
