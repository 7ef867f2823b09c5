"""Turns what arrives into facts of a case. Pure; it decides nothing about the case."""

import re
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from pydantic import ValidationError

from services.notifier.facts import Changed, Decided, Disclosed, Fact, Ordered, PartOutcome, Reported, Said
from shared.envelope import change_event_id, refused_update_id
from shared.events import (
    CaseUpdate,
    ComplaintChanged,
    ComplaintClass,
    ComplaintHeld,
    ComplaintReceived,
    ComplaintRouted,
    ComplaintTransferred,
    RerouteOrder,
    SourceChangeKind,
)
from shared.masking import mask

Part = ComplaintRouted | ComplaintHeld | ComplaintTransferred
_CODE = re.compile(r"[a-z][a-z_]{0,39}")
_LONGEST_REASON = 500
_REWRITES = ("title", "text", "location")
# Fields of a report that a source may send anew, and that another decision must know.
EDITED = ("title", "text", "class", "category", "channel", "occurred_on", "location", "is_anonymous", "is_confidential", "disposition")
_CLEARED = ("category", "channel", "occurred_on")
_SOURCE_KINDS = get_args(SourceChangeKind)
_CLASSES = get_args(ComplaintClass)


def reported(report: ComplaintReceived | Part) -> Reported:
    is_complete = report.title is not None or report.source is not None
    state = report.source_state if isinstance(report, ComplaintReceived) else None
    return Reported(
        at=report.accepted_at,
        reported_at=report.reported_at,
        source=report.source,
        source_ref=report.source_ref,
        service=report.service,
        channel=report.channel,
        category=report.category,
        class_=report.class_ if isinstance(report, ComplaintReceived) else report.class_given,
        province=report.location.province,
        state=state,
        is_final=report.is_final,
        # A decision does not say everything: the report itself, when it is read, takes its place.
        is_complete=is_complete and isinstance(report, ComplaintReceived),
    )


def decided(part: Part) -> Decided:
    routed = part if isinstance(part, ComplaintRouted) else None
    return Decided(
        at=part.decided_at,
        decision=part.decision,
        part=part.part,
        outcome=_outcome(part),
        assignment_id=routed.assignment_id if routed else None,
        unit=routed.unit if routed else None,
        desk=routed.desk if routed else None,
        copies=part.copies,
        agency=part.agency if isinstance(part, ComplaintTransferred) else None,
        why=part.why if isinstance(part, ComplaintHeld) else None,
        class_=part.class_,
        is_oversight=part.is_oversight,
        decided_by=part.decided_by,
        destinations=tuple(item.destination for item in part.parts),
    )


def _outcome(part: Part) -> PartOutcome:
    if isinstance(part, ComplaintRouted):
        return "routed"
    if isinstance(part, ComplaintHeld):
        return "held"
    # LAPOR! itself must say yes to a transfer; a person or the source that decided it has.
    return "proposed" if part.source == "lapor" and part.decided_by == "router" else "transferred"


def said(update: CaseUpdate, counts_at: datetime) -> Said:
    """What a unit wrote into its own topic. Its words are masked before they go further, and a reason is a line, not a letter."""
    return Said(
        id=refused_update_id(update.unit, update.update_id),
        at=counts_at,
        by=f"unit:{update.unit}",
        unit=update.unit,
        status=update.status,
        named=update.update_id,
        assignment_id=update.assignment_id,
        reason=_line(_text(update.reason) or _text(update.note)),
        suggested_unit=update.suggested_unit,
        into=update.into,
        outcome=_code(update.outcome),
    )


def changed(change: ComplaintChanged) -> Fact:
    """What came in by HTTP. Raises `ValueError` for fields that a door of ours would not have let through."""
    known_by = change_event_id(change.complaint_id, change.by, change.change_id)
    fields = change.fields
    if change.kind == "update":
        return _said_by_http(change, known_by)
    if change.kind == "decision":
        order = _order(fields.get("order"))
        replaces = fields.get("replaces")
        return Ordered(
            id=known_by,
            at=change.accepted_at,
            by=change.by,
            replaces=tuple(str(key) for key in replaces) if isinstance(replaces, list) else (),
            unit=order.unit,
            agency=order.agency,
            hold=bool(order.hold),
            reason=_text(fields.get("reason")),
            named=change.change_id,
        )
    if change.kind == "disclosure":
        who = _text(fields.get("desk")) or _text(fields.get("unit")) or change.by
        return Disclosed(known_by, change.accepted_at, change.by, who, _text(fields.get("purpose")))
    class_ = fields.get("class")
    return Changed(
        id=known_by,
        at=change.accepted_at,
        by=change.by,
        kind=change.kind,
        class_=class_ if class_ in _CLASSES else None,
        state=change.source_state,
        status=_text(change.source_status),
        is_final=change.is_final,
        is_rewritten=any(fields.get(name) is not None for name in _REWRITES),
        # The differences between two exports happened some time between them.
        is_interval=change.change_id.startswith("import/"),
        joined=_text(fields.get("source")) if change.kind == "joined" else None,
    )


def _said_by_http(change: ComplaintChanged, known_by: UUID) -> Said:
    fields = change.fields
    unit = _text(fields.get("unit"))
    try:
        update = CaseUpdate.model_validate(
            {name: fields.get(name) for name in ("assignment_id", "status", "suggested_unit", "into", "outcome")}
            | {"update_id": change.change_id, "complaint_id": change.complaint_id, "unit": unit or "setjen"}
        )
    except ValidationError as error:
        raise ValueError(f"fields of an update: {error.error_count()} not acceptable") from None
    return Said(
        # By either door the same update of a unit is the same.
        id=refused_update_id(unit, change.change_id) if unit is not None else known_by,
        at=change.accepted_at,
        by=change.by,
        unit=unit,
        status=update.status,
        named=change.change_id,
        assignment_id=update.assignment_id,
        reason=_text(fields.get("reason")) or _text(fields.get("note")),
        suggested_unit=update.suggested_unit,
        into=update.into,
        outcome=_code(update.outcome),
        answer_id=change.answer_id,
    )


def _order(value: Any) -> RerouteOrder:
    try:
        return RerouteOrder.model_validate(value)
    except ValidationError:
        raise ValueError("fields of a decision: order is not acceptable") from None


def _text(value: Any) -> str | None:
    """Words that can be stored and shown: without control characters, of which PostgreSQL takes not all."""
    if not isinstance(value, str):
        return None
    return "".join(sign if sign.isprintable() else " " for sign in value).strip() or None


def _line(words: str | None) -> str | None:
    """Masked before it is cut: half a number is not recognised. What is far too long to be a reason is cut before that, to be cheap."""
    return mask(words[: 4 * _LONGEST_REASON]).text[:_LONGEST_REASON] if words is not None else None


def _code(outcome: str | None) -> str | None:
    """An outcome is a code. Anything else is free text that nobody masked, and it stays where it was written."""
    return outcome if outcome and _CODE.fullmatch(outcome) else None


def edits_of(change: ComplaintChanged) -> dict[str, Any]:
    """What a source's change says anew of the report itself."""
    if change.kind not in _SOURCE_KINDS:
        return {}
    given = change.fields
    found = {name: given[name] for name in EDITED if name in given and (given[name] is not None or name in _CLEARED)}
    if change.source_state is not None:
        found |= {"source_state": change.source_state, "source_status": change.source_status}
    return found
