"""The events that a changed case leaves in the outbox. Pure."""

from datetime import datetime

from services.notifier.case import Case
from services.notifier.clocks import addressed_topics
from shared.envelope import Message, enclose, firing_id, follow_up_id, refused_update_id, status_id
from shared.events import CaseUpdate, FollowUp
from shared.topics import Topics

_FIRINGS = ("reminder", "due", "overdue", "escalated", "unacknowledged")


def messages_of(case: Case, topics: Topics, now: datetime) -> list[Message]:
    """Follow-ups in their order, each to every topic it is addressed to, then the status; a row that is no case yet says nothing."""
    if not case.is_opened:
        return []
    messages = []
    for item in case.follow_ups:
        messages += _follow_up(case, item, topics)
    # What changed is a new sequence; a repeat of the last word is the same event again.
    status = case.status(case.next_sequence() if case.is_changed or case.unparked else case.sequence)
    messages.append(
        enclose(
            status,
            topic=topics.status,
            complaint_id=case.id,
            event_id=status_id(case.id, status.sequence),
            source="notifier",
            at=now,
            sequence=status.sequence,
        )
    )
    return messages


def _follow_up(case: Case, item: FollowUp, topics: Topics) -> list[Message]:
    assert item.sequence is not None
    if item.kind in _FIRINGS:
        assert item.code is not None and item.level is not None and item.occurrence is not None
        event_id = firing_id(case.id, str(item.assignment_id or "case"), item.code, item.level, item.occurrence)
    else:
        event_id = follow_up_id(case.id, item.kind, item.sequence)
    value = item.to_json()
    return [
        enclose(
            item,
            topic=topics.follow_ups(who),
            complaint_id=case.id,
            event_id=event_id,
            source="notifier",
            at=item.emitted_at,
            sequence=item.sequence,
            value=value,
        )
        for who in addressed_topics(item.to)
    ]


def refusal_message(case: Case, update: CaseUpdate, why: str, topics: Topics, now: datetime) -> Message:
    """To the unit that wrote the update, whoever owns the case; it learns nothing of the case but that it is not its own."""
    is_its_own = any(item.unit == update.unit for item in case.assignments)
    payload = FollowUp(
        complaint_id=update.complaint_id,
        source=case.source if is_its_own else None,
        source_ref=case.source_ref if is_its_own else None,
        assignment_id=update.assignment_id,
        unit=update.unit,
        kind="update_refused",
        why=f"update {update.update_id}: {why}",
        emitted_at=now,
        to=(update.unit,),
        sequence=case.next_sequence() if case.is_opened else None,
    )
    return enclose(
        payload,
        topic=topics.follow_ups(update.unit),
        complaint_id=update.complaint_id,
        event_id=refused_update_id(update.unit, update.update_id),
        source="notifier",
        at=now,
        sequence=payload.sequence,
    )
