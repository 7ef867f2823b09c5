"""One text, judged and decided as a report without any other field would be: what `jalur classify` and the measurements show. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.router.domain import Assign, Hold, Transfer, decide
from services.router.judgement import Judge
from services.router.routes import Practice
from services.router.rules import OTHER_AGENCY
from shared.events import ComplaintReceived
from shared.units import UnitDirectory

TRIAGE = "triage"
# A text alone has neither id nor date; before the ministry was divided, all eleven units were at home.
_NOBODY = UUID(int=0)
_BEFORE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Classified:
    """`unit`: a slug, `other_agency` or `triage`; `top`: the best guess, never `triage`. `agency` and `province` are official names.

    `desk` is where it would go, or of a report in doubt the office that it names; none where it is about misconduct. `offices` are all
    that the text names, `oversight` also where that is in doubt, `further` the units of its other matters, `held` why a person must look.
    """

    unit: str
    top: str
    confidence: float
    class_: str
    urgent: bool
    oversight: bool
    agency: str | None
    province: str | None
    desk: str | None
    reasons: tuple[str, ...]
    regency: str | None
    service: str | None
    special_data: tuple[str, ...]
    further: tuple[str, ...]
    offices: tuple[str, ...]
    held: str | None

    def to_line(self, id_: Any) -> dict[str, Any]:
        """What `jalur classify` prints of a line."""
        return {
            "id": id_,
            "unit": self.unit,
            "top": self.top,
            "confidence": self.confidence,
            "class": self.class_,
            "urgent": self.urgent,
            "oversight": self.oversight,
            "agency": self.agency,
            "province": self.province,
            "desk": self.desk,
            "reasons": list(self.reasons),
        }


def bare_report(title: str, text: str) -> ComplaintReceived:
    return ComplaintReceived(complaint_id=_NOBODY, source="text", title=title, text=text, reported_at=_BEFORE, accepted_at=_BEFORE)


def classify(judge: Judge, directory: UnitDirectory, title: str, text: str) -> Classified:
    report = bare_report(title, text)
    judgement = judge.judge(report)
    decision = decide(report, judgement, directory, Practice("kemenkumham", judge.thresholds.of, judge.notice))
    lead = decision.parts[0]
    names = [part.unit if isinstance(part, Assign) else OTHER_AGENCY if isinstance(part, Transfer) else TRIAGE for part in decision.parts]
    desk = lead.desk if isinstance(lead, Assign) else None
    if isinstance(lead, Hold) and not decision.withhold_text:
        desk = next((office.desk for office in judgement.place.offices if office.unit == judgement.unit), None)
    return Classified(
        unit=names[0],
        top=judgement.unit,
        confidence=judgement.confidence,
        class_=decision.class_ or judgement.class_,
        urgent=decision.is_urgent,
        oversight=decision.is_oversight or judgement.oversight_in_doubt,
        agency=lead.agency if isinstance(lead, Transfer) else judgement.likely_agency if judgement.unit == OTHER_AGENCY else None,
        province=judgement.place.province,
        desk=desk,
        reasons=tuple(f"{reason.kind}: {reason.value}" for reason in decision.reasons),
        regency=judgement.place.regency,
        service=judgement.service,
        special_data=decision.special_data,
        further=tuple(dict.fromkeys(name for name in names[1:] if name != names[0])),
        offices=tuple(office.desk for office in judgement.place.offices),
        held=lead.why if isinstance(lead, Hold) else None,
    )
