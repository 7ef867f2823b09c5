"""What a decision is: its parts, and everything that the log keeps of it. Pure values; `domain.py` takes the decision."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.router.judgement import OVERSIGHT_UNIT
from shared.events import ComplaintClass, DecidedBy, HeldWhy, Ranked, Reason, Suggestion


@dataclass(frozen=True, slots=True)
class Assign:
    """To a unit; to its desk where one is known. `copies` are desks that are told."""

    unit: str
    desk: str | None = None
    copies: tuple[str, ...] = ()
    kind: Literal["assign"] = "assign"


@dataclass(frozen=True, slots=True)
class Hold:
    """To the triage desk, for a person to say where it goes."""

    why: HeldWhy
    kind: Literal["hold"] = "hold"


@dataclass(frozen=True, slots=True)
class Transfer:
    """To another agency, by its name; `notice` is what the reporter reads."""

    agency: str
    notice: str
    kind: Literal["transfer"] = "transfer"


# Why a complaint stays closed to the offices: an accusation, or perhaps one.
Closed = Literal["oversight", "doubt"]
OVERSIGHT_REASON = "oversight:"

Part = Annotated[Assign | Hold | Transfer, Field(discriminator="kind")]


class Decision(BaseModel):
    """One answer to "where does it go"; the first part leads. What the decision log keeps, and what a repeat is answered with.

    Without parts: the report is history. `withhold_text`: a held part must not show title and text, because its matter may be
    oversight. The privacy flags are the report's or stricter, never laxer. `confidence` is the judgement's; after units have refused,
    that of the outcome chosen among those that are left.
    """

    model_config = ConfigDict(frozen=True)

    parts: tuple[Part, ...]
    decided_by: DecidedBy = "router"
    class_: ComplaintClass | None
    class_by: DecidedBy | None
    confidence: float
    is_oversight: bool
    is_urgent: bool
    is_confidential: bool
    is_anonymous: bool
    withhold_text: bool = False
    special_data: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    ranking: tuple[Ranked, ...] = ()
    suggestion: Suggestion | None = None
    rules_version: str

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self)

    @classmethod
    def from_json(cls, value: bytes | str) -> "Decision":
        return cls.model_validate_json(value)


def destination(part: Assign | Hold | Transfer) -> str:
    """A unit slug, `triage` or `other_agency`."""
    if isinstance(part, Assign):
        return part.unit
    return "triage" if isinstance(part, Hold) else "other_agency"


def closed_by(decision: Decision) -> Closed | None:
    """An accusation, also where a person or the source gave it to the inspectorate; or perhaps one, also where nobody withheld its text.

    What could not be read is withheld too, and says nothing about what it is.
    """
    if decision.is_oversight or any(isinstance(part, Assign) and part.unit == OVERSIGHT_UNIT for part in decision.parts):
        return "oversight"
    is_withheld = decision.withhold_text and Hold("unprocessable") not in decision.parts
    is_doubted = any(reason.kind == "rule" and reason.value.startswith(OVERSIGHT_REASON) for reason in decision.reasons)
    return "doubt" if is_withheld or is_doubted else None


def unprocessable(rules_version: str) -> Decision:
    """For a record whose key is good and whose value cannot be read: a person looks. What is not known is kept as the strictest."""
    return Decision(
        parts=(Hold("unprocessable"),),
        class_=None,
        class_by=None,
        confidence=0.0,
        is_oversight=False,
        is_urgent=False,
        is_confidential=True,
        is_anonymous=True,
        withhold_text=True,
        rules_version=rules_version,
    )
