"""The decision log from the events that it once said: for a database that was set back to an earlier instant. Pure.

What is rebuilt says the very same events again, ids and all; what the topics do not tell any more is said to be missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import to_json

from services.router.decision import Assign, Decision, Hold, Part, Transfer
from services.router.publication import LoggedDecision
from shared.events import ComplaintHeld, ComplaintReceived, ComplaintRouted, ComplaintTransferred, RerouteRequested

Event = ComplaintRouted | ComplaintHeld | ComplaintTransferred


@dataclass(frozen=True, slots=True)
class Rebuilt:
    row: LoggedDecision
    decision: Decision
    missing_parts: int  # never published, or gone with their topic's retention: of them only the destination is known
    is_whole: bool  # the record that asked lies in Kafka still


def rebuild(causing_id: UUID, traceparent: str | None, events: Sequence[Event], asked: bytes | None) -> Rebuilt:
    """`events` are the parts of one decision that were published, `asked` the value of the record that asked for it, where it is left."""
    by_part = {event.part: event for event in events}
    some = next(iter(by_part.values()))
    report, is_whole = _report(causing_id, some, asked)
    withheld = any(isinstance(event, ComplaintHeld) and event.title is None and event.text is None for event in by_part.values())
    # Where a part is held without its text, that event leaves out names among the reasons.
    fullest = next((event for event in by_part.values() if event.text is not None), some)
    decision = Decision(
        parts=tuple(_part(by_part.get(number), item.destination) for number, item in enumerate(some.parts)),
        decided_by=some.decided_by,
        class_=some.class_,
        class_by=some.class_by,
        confidence=some.confidence,
        is_oversight=some.is_oversight,
        is_urgent=some.is_urgent,
        is_confidential=some.is_confidential,
        is_anonymous=some.is_anonymous,
        withhold_text=withheld,
        special_data=some.special_data,
        reasons=fullest.reasons,
        ranking=some.ranking,
        suggestion=some.suggestion,
        rules_version=some.rules_version,
    )
    row = LoggedDecision(
        causing_id, some.complaint_id, some.decision, some.decided_at, some.rules_version, report, decision.to_json(), traceparent
    )
    return Rebuilt(row, decision, len(some.parts) - len(by_part), is_whole)


def _report(causing_id: UUID, event: Event, asked: bytes | None) -> tuple[bytes, bool]:
    if isinstance(event, ComplaintHeld) and event.why == "unprocessable" and event.causing_id == causing_id:
        known = {"complaint_id": event.complaint_id, "reported_at": event.reported_at, "accepted_at": event.accepted_at}
        return to_json(known), True
    model = RerouteRequested if event.decision else ComplaintReceived
    if asked is not None:
        try:
            return model.model_validate_json(asked).to_json(), True
        except ValidationError:
            pass
    # The event tells the report as the decision made it: the flags as they were raised, and no text where that is withheld.
    said = event.model_dump(mode="json", by_alias=True)
    fields = {name: said[name] for name in _REPORTED if name in said}
    return to_json(fields | {"class": said["class_given"], "transfers": said["transfers"]}), False


_REPORTED = tuple(field.alias or name for name, field in ComplaintReceived.model_fields.items())


def _part(event: Event | None, destination: str) -> Part:
    if isinstance(event, ComplaintRouted):
        return Assign(event.unit, event.desk, event.copies)
    if isinstance(event, ComplaintTransferred):
        return Transfer(event.agency, event.notice)
    if isinstance(event, ComplaintHeld):
        return Hold(event.why)
    # A person looks at a part whose agency nobody knows any more.
    return Hold("low_confidence") if destination in ("triage", "other_agency") else Assign(destination)
