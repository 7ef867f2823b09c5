"""What a person said about where a report goes: an order of triage or admin, a disposition at the source. Pure; obeyed, not judged."""

from services.router.decision import Assign, Hold, Part, Transfer
from services.router.desks import addressed, copies_of
from services.router.places import Place
from services.router.routes import History, Practice
from shared.events import ComplaintReceived, Reason, RerouteOrder, RerouteRequested
from shared.units import UnitDirectory

# A reason is a clerk's line, not a letter.
_LONGEST_SAYING = 500
# Names, not texts: they stand in the decision beside the report, and the event of both must fit into Kafka.
LONGEST_AGENCY = 300
_LONGEST_ADDRESSEE = 200
_MOST_UNKNOWN = 20


def obeyed(
    order: RerouteOrder, report: ComplaintReceived, place: Place, is_closed: bool, directory: UnitDirectory, practice: Practice
) -> tuple[Part, tuple[Reason, ...]]:
    """One part, also towards a unit that refused or has left the ministry. An order that names nothing, or several things, holds.

    `is_closed`: an accusation, or perhaps one; the text chooses no desk for it, and nobody is told.
    """
    agency = (order.agency or "").strip()
    said = [name for name, value in (("unit", order.unit), ("agency", agency), ("hold", order.hold)) if value]
    if said == ["unit"]:
        assert order.unit is not None
        return Assign(order.unit) if is_closed else addressed(order.unit, report, place, directory)[0], ()
    if said == ["agency"] and len(agency) <= LONGEST_AGENCY:
        return Transfer(agency, practice.notice_of(agency) or ORDERED_NOTICE.replace("{agency}", agency)), ()
    if said == ["hold"]:
        return Hold("ordered"), ()
    names = "an agency by more than a name" if said == ["agency"] else " and ".join(said) or "neither unit, agency nor hold"
    return Hold("ordered"), (Reason(kind="rule", value=f"unclear order: names {names}", weight=1.0),)


# For a rule set without a notice of its own.
ORDERED_NOTICE = "Terima kasih atas laporan Anda. Pokok laporan ini merupakan kewenangan {agency}, dan kami sampaikan ke instansi tersebut."


def disposed(
    report: ComplaintReceived, place: Place, is_closed: bool, directory: UnitDirectory
) -> tuple[tuple[Part, ...], tuple[Reason, ...]]:
    """What a person at the source named, one part each in that order; whom the directory does not know is held for triage, and said.

    Nobody is given a second part beside the one it holds. A unit that refused is given it again only where the source says so anew.
    """
    history = History.of(report)
    is_said_anew = not isinstance(report, RerouteRequested) or report.cause == "redisposed"
    passed_over = history.holding if is_said_anew else history.barred
    parts: list[Part] = []
    reasons: list[Reason] = []
    for disposition in report.disposition:
        addressee = directory.addressee(disposition.name)
        part: Part
        if addressee is None:
            part = Hold("low_confidence")
            if len(reasons) < _MOST_UNKNOWN:
                reasons.append(Reason(kind="disposition", value=f"unknown addressee: {disposition.name[:_LONGEST_ADDRESSEE]}", weight=1.0))
        elif addressee.unit in passed_over:
            continue
        elif is_closed:
            part = Assign(addressee.unit)
        else:
            part = Assign(addressee.unit, addressee.desk, copies_of(addressee.desk, report, place, directory))
        if part not in parts:
            parts.append(part)
    if not parts and is_said_anew and report.disposition:
        parts.append(Hold("transfer_cap"))  # all whom the source names have it already
    return tuple(parts), tuple(reasons)


def asked(request: RerouteRequested, is_text_shown: bool) -> Reason:
    """Who wanted another decision, and why. What was said may quote the report, so it is left out where that must not be seen."""
    said = f": {request.reason.strip()[:_LONGEST_SAYING]}" if request.reason and is_text_shown else ""
    is_human = request.order is not None or request.cause in ("ordered", "returned", "redisposed")
    return Reason(kind="human" if is_human else "rule", value=f"{request.cause} by {request.by}{said}", weight=1.0)
