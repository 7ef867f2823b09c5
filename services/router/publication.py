"""The events that a logged decision says. Pure: the same row gives the same events, ids and all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from services.router.decision import Assign, Decision, Hold, Transfer, destination
from shared.envelope import Message, assignment_id, enclose, part_id
from shared.events import ComplaintHeld, ComplaintRouted, ComplaintTransferred, DecisionPart, Reason
from shared.topics import Topics


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A row of the log. `report` and `taken` are JSON; of an unreadable record `report` has only id and times.

    The report of a later decision is the whole request, with who asked for it, why, and what was refused until then.
    """

    causing_id: UUID
    complaint_id: UUID
    decision: int
    decided_at: datetime
    rules_version: str
    report: bytes
    taken: bytes
    traceparent: str | None


def events_of(row: LoggedDecision, topics: Topics, decision: Decision | None = None) -> list[Message]:
    """One message a part, to where the part goes. A finished report has no parts. `decision` spares reading the row's own."""
    decision = decision or Decision.from_json(row.taken)
    if not decision.parts:
        return []
    report: dict[str, Any] = from_json(row.report)
    shared = report | {
        "class_given": report.get("class"),
        "class": decision.class_,
        "class_by": decision.class_by,
        "is_anonymous": decision.is_anonymous,
        "is_confidential": decision.is_confidential,
        "decision": row.decision,
        "parts": [DecisionPart(destination=destination(part), leading=number == 0) for number, part in enumerate(decision.parts)],
        "decided_by": decision.decided_by,
        "confidence": decision.confidence,
        "is_oversight": decision.is_oversight,
        "is_urgent": decision.is_urgent,
        "special_data": decision.special_data,
        "reasons": decision.reasons,
        "ranking": decision.ranking,
        "suggestion": decision.suggestion,
        "rules_version": decision.rules_version,
        "decided_at": row.decided_at,
    }
    messages = []
    for number, part in enumerate(decision.parts):
        payload, topic = _payload(row, decision, shared | {"part": number}, part, topics)
        messages.append(
            enclose(
                payload,
                topic=topic,
                complaint_id=row.complaint_id,
                event_id=part_id(row.causing_id, number),
                source="router",
                at=row.decided_at,
                causation_id=row.causing_id,
                traceparent=row.traceparent,
            )
        )
    return messages


def _payload(
    row: LoggedDecision, decision: Decision, fields: dict[str, Any], part: Assign | Hold | Transfer, topics: Topics
) -> tuple[ComplaintRouted | ComplaintHeld | ComplaintTransferred, str]:
    if isinstance(part, Assign):
        given = assignment_id(row.complaint_id, row.decision, fields["part"])
        routed = fields | {"assignment_id": given, "unit": part.unit, "desk": part.desk, "copies": part.copies}
        return ComplaintRouted.model_validate(routed), topics.routed(part.unit)
    if isinstance(part, Transfer):
        return ComplaintTransferred.model_validate(fields | {"agency": part.agency, "notice": part.notice}), topics.transferred
    held = fields | {"why": part.why}
    if part.why == "unprocessable":
        held["causing_id"] = row.causing_id
    if decision.withhold_text:
        # All that somebody wrote freely may tell the story, or whom it is about.
        unsaid = {"title": None, "text": None, "category": None, "disposition": (), "source_status": None}
        held |= unsaid | {"reasons": [_without_names(reason) for reason in decision.reasons]}
    return ComplaintHeld.model_validate(held), topics.triage


def _without_names(reason: Reason) -> Reason:
    """What a disposition's reason says without the name, which the source wrote."""
    return reason.model_copy(update={"value": reason.value.partition(":")[0]}) if reason.kind == "disposition" else reason
