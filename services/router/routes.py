"""The router's own view of where a report goes: oversight first, doubt to a person, and after a refusal down the ranking. Pure.

It must not know of orders or dispositions, which come before it; `domain.py` puts them in their order.
"""

from collections.abc import Callable
from dataclasses import dataclass

from services.router.decision import Assign, Hold, Part, Transfer
from services.router.desks import addressed
from services.router.judgement import OVERSIGHT_UNIT, Judgement
from services.router.rules import OTHER_AGENCY
from services.router.succession import given_over
from shared.events import ComplaintReceived, HeldWhy, Reason, RerouteRequested
from shared.settings import MinistrySlug
from shared.units import UNIT_SLUGS, UnitDirectory

MOST_PARTS = 5
MOST_TRANSFERS = 3
# What had less than this of the whole before the others refused is noise of the model, however large its share of the rest.
LEAST_SCORE = 0.05
_WITHOUT_THRESHOLDS = 0.95


def _same_threshold(_outcome: str) -> float:
    return _WITHOUT_THRESHOLDS


def _no_notice(_agency: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Practice:
    """What decides beside report and judgement: whose installation it is, the confidence that an outcome needs to be decided without a
    person, and what the reporter of another agency's matter reads. The last two are the rule set's.
    """

    ministry: MinistrySlug = "kemenkumham"
    threshold_of: Callable[[str], float] = _same_threshold
    notice_of: Callable[[str], str | None] = _no_notice


@dataclass(frozen=True, slots=True)
class History:
    """Which units gave the report back, which hold another part of it, and how often it was passed on."""

    refused: frozenset[str] = frozenset()
    holding: frozenset[str] = frozenset()
    transfers: int = 0

    @staticmethod
    def of(report: ComplaintReceived) -> "History":
        if not isinstance(report, RerouteRequested):
            return History()
        return History(frozenset(report.refused_units), frozenset(report.holding_units), report.transfers)

    @property
    def barred(self) -> frozenset[str]:
        return self.refused | self.holding


@dataclass(frozen=True, slots=True)
class View:
    """`confidence` is that of the outcome in the first part, or of the one that was not sure enough."""

    parts: tuple[Part, ...]
    confidence: float
    reasons: tuple[Reason, ...] = ()


def view_of(report: ComplaintReceived, judgement: Judgement, is_oversight: bool, directory: UnitDirectory, practice: Practice) -> View:
    history = History.of(report)
    if is_oversight:
        return View((_overseen(history),), judgement.confidence)
    if history.refused.issuperset(UNIT_SLUGS):
        return View((Hold("refused_by_all"),), judgement.confidence)
    if history.transfers >= MOST_TRANSFERS:
        return View((Hold("transfer_cap"),), judgement.confidence)
    if judgement.oversight_in_doubt:
        return View((Hold("low_confidence"),), judgement.confidence)
    if judgement.is_vague:
        return View((Hold("vague"),), judgement.confidence)

    if not history.barred:
        outcome, confidence = judgement.unit, judgement.confidence
        if confidence < judgement.threshold or (outcome == OTHER_AGENCY and _agency(judgement) is None):
            return View((Hold("low_confidence"),), confidence)
        reasons: tuple[Reason, ...] = ()
    else:
        choice = _next(judgement, history.barred, practice)
        if choice is None or not choice.is_plausible:
            return View((Hold(_why_not(judgement, history, practice)),), choice.confidence if choice else 0.0)
        outcome, confidence = choice.outcome, choice.confidence
        passed = [ranked.unit for ranked in judgement.ranking if ranked.unit in history.barred and ranked.score > 0]
        reasons = (Reason(kind="rule", value=f"passed over: {', '.join(passed)}", weight=confidence),) if passed else ()

    parts = _parts_of(outcome, _agency(judgement), report, judgement, directory, practice)
    if history.barred and isinstance(parts[0], Transfer):
        return View((Hold("low_confidence"),), confidence, reasons)
    # Who gives its part back says nothing of the others, which keep theirs; a new text may bring new matters.
    if not isinstance(report, RerouteRequested) or report.cause == "edited":
        for matter in judgement.matters:
            if matter.unit in history.barred:
                continue
            agency = Transfer(matter.agency, matter.notice) if matter.agency and matter.notice else None
            is_sure = matter.confidence >= practice.threshold_of(matter.unit)
            own = _parts_of(matter.unit, agency, report, judgement, directory, practice) if is_sure else []
            if not own:
                reasons += (Reason(kind="rule", value=f"further matter for a person: {matter.unit}", weight=matter.confidence),)
            parts += own or [Hold("low_confidence")]
    # At LAPOR! a transfer is a proposal, whose clock would stop with the part beside it.
    return View(_together(parts, may_transfer=report.source != "lapor" and not history.barred), confidence, reasons)


def _overseen(history: History) -> Part:
    """To the inspectorate alone; where it has said no, or has it already, a person looks, and no office learns of it."""
    if OVERSIGHT_UNIT in history.refused:
        return Hold("refused_by_all")
    return Hold("transfer_cap") if OVERSIGHT_UNIT in history.holding else Assign(OVERSIGHT_UNIT)


@dataclass(frozen=True, slots=True)
class _Choice:
    outcome: str
    confidence: float
    is_plausible: bool


def _next(judgement: Judgement, barred: frozenset[str], practice: Practice) -> _Choice | None:
    """The best of those that are left: how likely it is, given that it is none of the others (the scores are shares of one whole)."""
    left = [ranked for ranked in judgement.ranking if ranked.unit not in barred]
    whole = sum(ranked.score for ranked in left)
    if whole <= 0:
        return None
    best = max(left, key=lambda ranked: ranked.score)
    confidence = round(best.score / whole, 4)
    is_plausible = best.score >= LEAST_SCORE and confidence >= practice.threshold_of(best.unit)
    # A share of what is left is not calibrated: enough for a unit, which can give the report back, and not for whoever cannot.
    return _Choice(best.unit, confidence, is_plausible and best.unit != OTHER_AGENCY)


def _why_not(judgement: Judgement, history: History, practice: Practice) -> HeldWhy:
    """Nobody plausible is left. Where the report would only go back to a unit that had it or has it, it would go in circles."""
    is_sure = judgement.confidence >= judgement.threshold
    if is_sure and judgement.unit in history.refused and len(history.refused) > 1:
        return "transfer_cap"
    would = _next(judgement, history.refused, practice)
    if would is not None and would.is_plausible and would.outcome in history.holding:
        return "transfer_cap"
    return "low_confidence"


def _agency(judgement: Judgement) -> Transfer | None:
    return Transfer(judgement.agency, judgement.notice) if judgement.agency and judgement.notice else None


def _parts_of(
    outcome: str, agency: Transfer | None, report: ComplaintReceived, judgement: Judgement, directory: UnitDirectory, practice: Practice
) -> list[Part]:
    if outcome == OTHER_AGENCY:
        return [agency] if agency else []
    own = addressed(outcome, report, judgement.place, directory)
    return [given_over(part, report, directory, practice.ministry) for part in own]


def _together(parts: list[Part], *, may_transfer: bool) -> tuple[Part, ...]:
    """The same unit and desk, or the same agency, once; an inspectorate's matter is not shared with anybody.

    What a person must look at is one part, the last. Only the leading part is transferred where `may_transfer` is not so.
    """
    if overseen := [part for part in parts if isinstance(part, Assign) and part.unit == OVERSIGHT_UNIT]:
        return tuple(overseen[:1])
    once: dict[tuple[str, str | None], Part] = {}
    held: tuple[Part, ...] = ()
    for part in parts:
        if isinstance(part, Assign):
            once.setdefault((part.unit, part.desk), part)
        elif isinstance(part, Transfer) and (may_transfer or not once):
            once.setdefault((OTHER_AGENCY, part.agency), part)
        elif isinstance(part, Hold) or (OTHER_AGENCY, part.agency) not in once:
            held = (Hold("low_confidence"),)
    return (*tuple(once.values())[: MOST_PARTS - len(held)], *held)
