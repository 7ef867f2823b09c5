"""The facts that the notifier is told, as payloads with few words; a test says only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.envelope import assignment_id
from shared.events import (
    CaseUpdate,
    ComplaintChanged,
    ComplaintHeld,
    ComplaintReceived,
    ComplaintRouted,
    ComplaintTransferred,
    DecisionPart,
)

Decided = ComplaintRouted | ComplaintHeld | ComplaintTransferred
Fact = ComplaintReceived | Decided | ComplaintChanged | CaseUpdate

# A Monday, 08:00 in Jakarta, far from holidays and Ramadan.
MONDAY = datetime(2026, 7, 6, 1, 0, tzinfo=UTC)


def hours(number: float) -> datetime:
    """So many hours after that Monday morning."""
    return MONDAY + timedelta(hours=number)


def received(complaint_id: UUID, at: datetime = MONDAY, **changed: Any) -> ComplaintReceived:
    return ComplaintReceived.model_validate(_report(complaint_id, at) | changed)


def _report(complaint_id: UUID, at: datetime) -> dict[str, Any]:
    return {
        "complaint_id": complaint_id, "source": "lapor", "source_ref": "5049672", "title": "Paspor belum jadi",
        "text": "Paspor saya belum jadi sejak tiga minggu lalu.", "reported_at": at, "accepted_at": at,
    }  # fmt: skip


def decided(
    complaint_id: UUID, *destinations: str, at: datetime = MONDAY, reported_at: datetime | None = None, **changed: Any
) -> list[Decided]:
    """One decision, a part for each destination: a unit, `unit/desk`, `triage` or `other_agency`."""
    decision = changed.get("decision", 0)
    parts = [DecisionPart(destination=item.partition("/")[0], leading=number == 0) for number, item in enumerate(destinations)]
    common = (
        _report(complaint_id, reported_at or at)
        | {"decision": decision, "parts": parts, "rules_version": "test", "decided_at": at}
        | changed
    )
    made: list[Decided] = []
    for number, destination in enumerate(destinations):
        fields = common | {"part": number}
        unit, _, desk = destination.partition("/")
        if unit == "triage":
            made.append(ComplaintHeld.model_validate({"why": "low_confidence"} | fields))
        elif unit == "other_agency":
            made.append(ComplaintTransferred.model_validate({"agency": "Kementerian Agama", "notice": "…"} | fields))
        else:
            given = {"assignment_id": assignment_id(complaint_id, decision, number), "unit": unit, "desk": desk or None}
            made.append(ComplaintRouted.model_validate(given | fields))
    return made


def routed(complaint_id: UUID, unit: str = "imigrasi", **changed: Any) -> Decided:
    return decided(complaint_id, unit, **changed)[0]


def unprocessable(complaint_id: UUID, at: datetime = MONDAY) -> ComplaintHeld:
    """What the router says of a record of which it could read only the key."""
    return ComplaintHeld(
        complaint_id=complaint_id,
        reported_at=at,
        accepted_at=at,
        decision=0,
        part=0,
        parts=(DecisionPart(destination="triage", leading=True),),
        rules_version="test",
        decided_at=at,
        why="unprocessable",
    )


def changed(complaint_id: UUID, kind: str, at: datetime = MONDAY, **more: Any) -> ComplaintChanged:
    fields = {"change_id": f"{kind}-{at.isoformat()}", "complaint_id": complaint_id, "source": "lapor", "kind": kind, "by": "source:lapor"}
    return ComplaintChanged.model_validate(fields | {"accepted_at": at} | more)


def updated(complaint_id: UUID, status: str, unit: str = "imigrasi", **more: Any) -> CaseUpdate:
    fields = {"update_id": str(uuid4()), "complaint_id": complaint_id, "unit": unit, "status": status}
    if status in ("returned", "refused", "need_info", "extended"):
        fields["reason"] = "Alasan."
    return CaseUpdate.model_validate(fields | more)
