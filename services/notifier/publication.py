"""The events that a changed case leaves in the outbox. Pure."""

from datetime import datetime

from pydantic_core import to_json

from services.notifier.case import Case
from services.notifier.facts import Ordered, Requested, Said
from services.notifier.ladder import TRIAGE, addressed_topics
from services.notifier.life import LIVE, Ask
from shared.envelope import Message, enclose, firing_id, follow_up_id, refused_update_id, status_id
from shared.events import CaseStatus, CaseUpdate, ComplaintReceived, FollowUp, RerouteOrder, RerouteRequested
from shared.topics import Topics

_FIRINGS = ("reminder", "due", "overdue", "escalated", "unacknowledged")


def messages_of(case: Case, topics: Topics, now: datetime) -> list[Message]:
    """Follow-ups in their order, each to every topic it is addressed to, then the status; a row that is no case yet says nothing."""
    if not case.is_opened:
        return []
    units = [item.unit for item in case.life.in_state(*LIVE)]
    messages = []
    for item in case.follow_ups:
        messages += _follow_up(case, item, units, topics)
    for request in case.requests:
        messages.append(request_message(case, request, topics, now))
    for said, why in case.voided:
        messages.append(refusal_message(case, said, why, topics, now))
    # What changed is a new sequence; a repeat of the last word is the same event again.
    sequence = case.next_sequence() if case.is_changed or case.unparked else case.sequence
    messages.append(
        enclose(
            CaseStatus,
            topic=topics.status,
            complaint_id=case.id,
            event_id=status_id(case.id, sequence),
            source="notifier",
            at=now,
            sequence=sequence,
            traceparent=case.traceparent,
            value=to_json(case.status_fields(sequence)),
        )
    )
    return messages


def _follow_up(case: Case, item: FollowUp, units: list[str], topics: Topics) -> list[Message]:
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
            traceparent=case.traceparent,
            value=value,
        )
        for who in addressed_topics(item, units)
    ]


def request_message(case: Case, request: RerouteRequested, topics: Topics, now: datetime) -> Message:
    return enclose(
        request,
        topic=topics.reroutes,
        complaint_id=case.id,
        event_id=follow_up_id(case.id, "decision", request.decision),
        source="notifier",
        at=now,
        causation_id=next(
            (fact.cause_id for fact in case.facts if isinstance(fact, Requested) and fact.decision == request.decision), None
        ),
        sequence=case.next_sequence(),
        traceparent=case.traceparent,
    )


def request_of(case: Case, ask: Ask, decision: int, report: ComplaintReceived | None) -> RerouteRequested:
    """What the router is asked. `report` is the masked report as it reads now; one that nobody could read can still be placed by order."""
    life = case.life
    if report is None:
        known = life.report
        assert known is not None
        report = ComplaintReceived(
            complaint_id=case.id, source=known.source or "", title="", text="", reported_at=known.reported_at, accepted_at=known.at
        )
    replaced = {life.parts[key].assignment_id for key in ask.replaces if key in life.parts}
    order = ask.order
    return RerouteRequested(
        **(dict(report) | {"is_final": life.is_history}),
        decision=decision,
        replaces=ask.replaces,
        cause=ask.cause,
        by=ask.by,
        reason=ask.reason,
        order=RerouteOrder(unit=order.unit, agency=order.agency, hold=order.hold or None) if order else None,
        refused_units=tuple(dict.fromkeys(item.unit for item in life.assignments.values() if item.state == "returned")),
        holding_units=tuple(dict.fromkeys(item.unit for item in life.in_state(*LIVE) if item.id not in replaced)),
        transfers=life.returns,
    )


def refusal_message(case: Case, said: Said | Ordered | CaseUpdate, why: str, topics: Topics, now: datetime) -> Message:
    """To whoever said it, whoever owns the case; a unit learns nothing of a case that is not its own."""
    unit = None if isinstance(said, Ordered) else said.unit
    is_its_own = unit is None or any(item.unit == unit for item in case.life.assignments.values())
    report = case.life.report
    named, known_by = (
        (said.update_id, refused_update_id(said.unit, said.update_id)) if isinstance(said, CaseUpdate) else (said.named, said.id)
    )
    what = "order" if isinstance(said, Ordered) else "update"
    if case.is_opened and not is_its_own:
        why = f"{unit} has no such assignment of this complaint"
    payload = FollowUp(
        complaint_id=case.id,
        source=report.source if report and is_its_own else None,
        source_ref=report.source_ref if report and is_its_own else None,
        assignment_id=None if isinstance(said, Ordered) else said.assignment_id,
        unit=unit,
        kind="update_refused",
        why=f"{what} {named}: {why}",
        emitted_at=now,
        to=(unit or _speaker(case),),
        sequence=case.next_sequence() if case.is_opened and is_its_own else None,
    )
    return enclose(
        payload,
        topic=topics.follow_ups(payload.to[0]),
        complaint_id=case.id,
        event_id=known_by,
        source="notifier",
        at=now,
        sequence=payload.sequence,
        traceparent=case.traceparent,
    )


def _speaker(case: Case) -> str:
    """An administrator or the triage desk hears at the triage desk; of an oversight matter only the inspectorate hears."""
    return "itjen" if case.life.is_oversight else TRIAGE
