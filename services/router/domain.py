"""Where a judged report goes: the decision, which is taken once and kept. Pure and total: every live report gets at least one part.

It must not judge; what the text says is in the Judgement.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.router.judgement import OVERSIGHT_UNIT, Judgement
from services.router.rules import OTHER_AGENCY
from shared.events import ComplaintClass, ComplaintReceived, DecidedBy, HeldWhy, Ranked, Reason, Suggestion
from shared.units import UnitDirectory

OVERSIGHT_CLASS: ComplaintClass = "pengaduan_pengawasan"
# Units whose matters are handled at the Kanwil of the place; the others have no staff there.
UNITS_AT_KANWIL = frozenset({"imigrasi", "pemasyarakatan", "ahu", "ki", "ham", "bphn", "pp"})


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


Part = Annotated[Assign | Hold | Transfer, Field(discriminator="kind")]


class Decision(BaseModel):
    """One answer to "where does it go"; the first part leads. What the decision log keeps, and what a repeat is answered with.

    Without parts: the report is history. `withhold_text`: a held part must not show title and text, because its matter may be
    oversight. The privacy flags are the report's or stricter, never laxer.
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


def decide(report: ComplaintReceived, judgement: Judgement, directory: UnitDirectory) -> Decision:
    """Oversight matters (bribery, discipline) come first: to the inspectorate whatever the subject, without desk or copies, so that the
    office complained about learns nothing (Permenkumham 57/2016). Only a person's disposition at the source comes before the router's view.
    """
    is_oversight = judgement.is_oversight or report.class_ == OVERSIGHT_CLASS or report.service == "wbs"
    in_doubt = judgement.oversight_in_doubt and not is_oversight
    decided_by: DecidedBy = "router"
    suggestion: Suggestion | None = None
    reasons = judgement.reasons
    parts: tuple[Part, ...]
    if report.is_final:
        parts = ()
    elif report.disposition:
        decided_by = "source"
        parts, unknown = _disposed(report, is_oversight, directory)
        reasons += unknown
        suggestion = _suggestion(report, judgement, is_oversight, directory)
    else:
        parts = (_routed(report, judgement, is_oversight, directory),)

    class_, class_by = _class_in_force(report, judgement, is_oversight, decided_by)
    if is_oversight and not judgement.is_oversight:
        said = "service wbs" if report.service == "wbs" else f"class {OVERSIGHT_CLASS}"
        reasons = (Reason(kind="rule", value=f"oversight: {said}, given by the source", weight=1.0), *reasons)
    return Decision(
        parts=parts,
        decided_by=decided_by,
        class_=class_,
        class_by=class_by,
        confidence=judgement.confidence,
        is_oversight=is_oversight,
        is_urgent=judgement.is_urgent,
        # A doubt about oversight is reason enough: who complains about an official must not be found out by default.
        is_confidential=report.is_confidential or is_oversight or in_doubt,
        is_anonymous=report.is_anonymous,
        withhold_text=(is_oversight or in_doubt) and any(isinstance(part, Hold) for part in parts),
        special_data=judgement.special_data,
        reasons=reasons,
        ranking=judgement.ranking,
        suggestion=suggestion,
        rules_version=judgement.rules_version,
    )


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


def _routed(report: ComplaintReceived, judgement: Judgement, is_oversight: bool, directory: UnitDirectory) -> Part:
    """The router's own view."""
    if is_oversight:
        return Assign(OVERSIGHT_UNIT)
    if judgement.oversight_in_doubt:
        return Hold("low_confidence")
    if judgement.is_vague:
        return Hold("vague")
    if judgement.confidence < judgement.threshold:
        return Hold("low_confidence")
    if judgement.unit == OTHER_AGENCY:
        if judgement.agency is None or judgement.notice is None:
            return Hold("low_confidence")
        return Transfer(judgement.agency, judgement.notice)
    province = directory.province(report.location.province) if judgement.unit in UNITS_AT_KANWIL else None
    return Assign(judgement.unit, desk=province.kanwil if province else None)


def _disposed(report: ComplaintReceived, is_oversight: bool, directory: UnitDirectory) -> tuple[tuple[Part, ...], tuple[Reason, ...]]:
    """What a person at the source named, one part each in that order; whom the directory does not know is held for triage, and said."""
    parts: list[Part] = []
    reasons: list[Reason] = []
    for disposition in report.disposition:
        addressee = directory.addressee(disposition.name)
        part: Part
        if addressee is None:
            part = Hold("low_confidence")
            reasons.append(Reason(kind="disposition", value=f"unknown addressee: {disposition.name[:200]}", weight=1.0))
        else:
            part = Assign(addressee.unit, desk=None if is_oversight else addressee.desk)
        if part not in parts:
            parts.append(part)
    return tuple(parts), tuple(reasons)


def _suggestion(report: ComplaintReceived, judgement: Judgement, is_oversight: bool, directory: UnitDirectory) -> Suggestion:
    view = _routed(report, judgement, is_oversight, directory)
    unit = view.unit if isinstance(view, Assign) else OTHER_AGENCY if isinstance(view, Transfer) else None
    return Suggestion(unit=unit, confidence=judgement.confidence, is_oversight=is_oversight)


def _class_in_force(
    report: ComplaintReceived, judgement: Judgement, is_oversight: bool, decided_by: DecidedBy
) -> tuple[ComplaintClass, DecidedBy]:
    """The source's class stands, but that oversight raises it, unless a person disposed of the report after seeing it."""
    given = report.class_
    raised = is_oversight and given != OVERSIGHT_CLASS and not (given and decided_by == "source")
    if raised:
        return OVERSIGHT_CLASS, "router"
    if given is not None:
        return given, "source"
    return judgement.class_, "router"
