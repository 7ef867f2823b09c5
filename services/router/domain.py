"""Where a judged report goes: the decision, which is taken once and kept. Pure and total: every live report gets at least one part.

It must not judge; what the text says is in the Judgement.
"""

from dataclasses import replace

from services.router.decision import OVERSIGHT_REASON, Assign, Decision, Hold, Part, Transfer, unprocessable
from services.router.judgement import OVERSIGHT_UNIT, Judgement
from services.router.orders import asked, disposed, obeyed
from services.router.routes import Practice, View, view_of
from services.router.rules import OTHER_AGENCY
from shared.events import ComplaintClass, ComplaintReceived, DecidedBy, Reason, RerouteOrder, RerouteRequested, Suggestion
from shared.units import UnitDirectory

__all__ = ["Assign", "Decision", "Hold", "Part", "Practice", "Transfer", "decide", "unprocessable"]

OVERSIGHT_CLASS: ComplaintClass = "pengaduan_pengawasan"
_USUAL = Practice()


def decide(
    report: ComplaintReceived,
    judgement: Judgement,
    directory: UnitDirectory,
    practice: Practice = _USUAL,
    *,
    was_oversight: bool = False,
    was_in_doubt: bool = False,
) -> Decision:
    """A person comes first: an order is obeyed, a disposition of the source is followed, and the router's view rides along.

    In that view oversight (bribery, discipline) comes first: to the inspectorate whatever the subject, without desk or copies, so that
    the office complained about learns nothing (Permenkumham 57/2016). `was_oversight`: an earlier decision on the complaint said so;
    other rules may judge otherwise by now, but what was kept from an office then is not shown to it for that. `was_in_doubt`: one of them
    did not know; it stays a doubt, which gives neither desk nor copies nor, where it is held, the text.
    """
    if was_in_doubt:
        judgement = replace(judgement, oversight_in_doubt=True)
    source_says = _said_by_source(report)
    among_matters = any(matter.unit == OVERSIGHT_UNIT for matter in judgement.matters)
    is_oversight = judgement.is_oversight or source_says is not None or among_matters or was_oversight
    in_doubt = judgement.oversight_in_doubt and not is_oversight
    is_closed = is_oversight or in_doubt
    view = view_of(report, judgement, is_oversight, directory, practice)
    suggestion = _suggestion(view, is_oversight)
    request = report if isinstance(report, RerouteRequested) else None

    decided_by: DecidedBy = "router"
    parts: tuple[Part, ...] = ()
    found: tuple[Reason, ...] = ()
    if request is not None and (request.order is not None or request.cause == "ordered"):
        decided_by = "human"
        part, found = obeyed(request.order or RerouteOrder(), report, judgement.place, is_closed, directory, practice)
        parts = (part,)
    elif report.is_final:
        pass
    elif report.disposition and (request is None or request.cause in ("edited", "redisposed")):
        decided_by = "source"
        parts, found = disposed(report, judgement.place, is_closed, directory)
    if not parts and not report.is_final:
        decided_by = "router"
        parts, found = view.parts, (*found, *view.reasons)

    if not is_oversight and any(isinstance(part, Assign) and part.unit == OVERSIGHT_UNIT for part in parts):
        # What anybody gives to the inspectorate is its kind of matter, however that was found, and whoever else has a part of it.
        is_oversight = True
        parts = tuple(dict.fromkeys(Assign(part.unit) if isinstance(part, Assign) else part for part in parts))

    withhold_text = (is_oversight or in_doubt) and any(isinstance(part, Hold) for part in parts)
    first: list[Reason] = [asked(request, not withhold_text)] if request is not None else []
    if is_oversight and not judgement.is_oversight:
        why = [
            (f"{source_says}, given by the source", source_says is not None),
            ("one of several matters", among_matters),
            ("an earlier decision said so", was_oversight),
            ("the inspectorate's matter", True),
        ]
        first.append(Reason(kind="rule", value=f"{OVERSIGHT_REASON} {next(said for said, is_so in why if is_so)}", weight=1.0))
    elif in_doubt and not any(reason.value.startswith(OVERSIGHT_REASON) for reason in judgement.reasons):
        said = "an earlier decision was in doubt" if was_in_doubt else "in doubt"
        first.append(Reason(kind="rule", value=f"{OVERSIGHT_REASON} {said}", weight=1.0))
    class_, class_by = _class_in_force(report, judgement, is_oversight, decided_by)
    return Decision(
        parts=parts,
        decided_by=decided_by,
        class_=class_,
        class_by=class_by,
        confidence=view.confidence if decided_by == "router" else judgement.confidence,
        is_oversight=is_oversight,
        is_urgent=judgement.is_urgent,
        # A doubt about oversight is reason enough: who complains about an official must not be found out by default.
        is_confidential=report.is_confidential or is_oversight or in_doubt,
        is_anonymous=report.is_anonymous,
        withhold_text=withhold_text,
        special_data=judgement.special_data,
        reasons=(*first, *judgement.reasons, *found),
        ranking=judgement.ranking,
        suggestion=None if decided_by == "router" else suggestion,
        rules_version=judgement.rules_version,
    )


def _said_by_source(report: ComplaintReceived) -> str | None:
    if report.service == "wbs":
        return "service wbs"
    return f"class {OVERSIGHT_CLASS}" if report.class_ == OVERSIGHT_CLASS else None


def _suggestion(view: View, is_oversight: bool) -> Suggestion:
    """The unit is None where the router would have asked a person."""
    leading = view.parts[0]
    unit = leading.unit if isinstance(leading, Assign) else OTHER_AGENCY if isinstance(leading, Transfer) else None
    return Suggestion(unit=unit, confidence=view.confidence, is_oversight=is_oversight)


def _class_in_force(
    report: ComplaintReceived, judgement: Judgement, is_oversight: bool, decided_by: DecidedBy
) -> tuple[ComplaintClass, DecidedBy]:
    """The source's class stands, but that oversight raises it, unless a person there disposed of the report after seeing it."""
    given = report.class_
    raised = is_oversight and given != OVERSIGHT_CLASS and not (given and decided_by == "source")
    if raised:
        return OVERSIGHT_CLASS, "router"
    if given is not None:
        return given, "source"
    return judgement.class_, "router"
