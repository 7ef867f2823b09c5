"""What of an update, a decision and a disclosure goes on. Pure. Answers' texts, attachments and the officials' names stay."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake.speech import Decision, Update
from shared.events import AssignmentStatus, ComplaintChanged
from shared.masking import mask


def mask_texts(texts: tuple[str | None, ...]) -> tuple[str | None, ...]:
    return tuple(None if text is None else mask(text).text for text in texts)


def update_event(
    update: Update,
    assignment: AssignmentStatus | None,
    *,
    note: str | None,
    reason: str | None,
    complaint_id: UUID,
    source: str,
    by: str,
    answer_id: UUID | None,
    accepted_at: datetime,
) -> ComplaintChanged:
    """`note` and `reason` are the update's, masked; without an assignment it is said of the whole case."""
    fields: dict[str, Any] = {
        "status": update.status,
        "assignment_id": str(assignment.id) if assignment else None,
        "unit": assignment.unit if assignment else None,
        "note": note,
        "reason": reason,
        "suggested_unit": update.suggested_unit,
        "into": str(update.into) if update.into else None,
        "outcome": update.outcome,
    }
    if update.answer is not None:
        fields["answer"] = {"is_final": update.answer.is_final}
    return ComplaintChanged(
        change_id=update.update_id,
        complaint_id=complaint_id,
        source=source,
        kind="update",
        by=by,
        at=update.at,
        accepted_at=accepted_at,
        fields=fields,
        answer_id=answer_id,
    )


def decision_event(
    decision: Decision, *, agency: str | None, reason: str | None, complaint_id: UUID, source: str, by: str, accepted_at: datetime
) -> ComplaintChanged:
    """`agency` and `reason` are the decision's, masked."""
    order = decision.order.model_dump(exclude_none=True) | ({} if agency is None else {"agency": agency})
    return ComplaintChanged(
        change_id=decision.decision_id,
        complaint_id=complaint_id,
        source=source,
        kind="decision",
        by=by,
        accepted_at=accepted_at,
        fields={"replaces": list(decision.replaces), "order": order, "reason": reason},
    )


def disclosure_event(
    disclosure_id: UUID,
    assignment: AssignmentStatus,
    *,
    purpose: str | None,
    complaint_id: UUID,
    source: str,
    by: str,
    disclosed_at: datetime,
) -> ComplaintChanged:
    """`purpose` is masked."""
    return ComplaintChanged(
        change_id=str(disclosure_id),
        complaint_id=complaint_id,
        source=source,
        kind="disclosure",
        by=by,
        accepted_at=disclosed_at,
        fields={"purpose": purpose, "unit": assignment.unit, "desk": assignment.desk, "assignment_id": str(assignment.id)},
    )
