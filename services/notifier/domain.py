"""What happens to a case: opened, decided, changed, updated, fired. Pure: facts and time in, the case changed, nothing sent.

In whatever order the facts arrive, the case ends the same: its state is derived from what is known, and everything counts from
its own instant, not from when it was read.
"""

import re
from datetime import datetime
from typing import Any, Literal

from services.notifier.case import CASE, Assignment, Case, Parked, Part
from services.notifier.clocks import Clockwork, follow_up
from services.notifier.policy import FIRST_FOLLOW_UP, VERIFICATION
from shared.events import (
    AnswerStatus,
    AssignmentState,
    CaseState,
    CaseUpdate,
    ComplaintChanged,
    ComplaintHeld,
    ComplaintReceived,
    ComplaintRouted,
    ComplaintTransferred,
)

Outcome = Literal["applied", "parked"]
Decided = ComplaintRouted | ComplaintHeld | ComplaintTransferred
_CODE = re.compile(r"[a-z][a-z_]{0,39}")
_ENDS: dict[str, CaseState] = {"withdrawn": "withdrawn", "closed": "closed", "archived": "closed"}


def open_case(case: Case, report: ComplaintReceived | Decided, clockwork: Clockwork, now: datetime) -> None:
    """Take over the report's facts where they are not known yet, and start the clock that runs from receipt."""
    is_complete = report.title is not None or report.source is not None
    if case.is_complete or (case.is_opened and not is_complete):
        case.is_asked_again = True
        return
    was_opened = case.is_opened
    case.is_opened, case.is_complete = True, is_complete
    case.source, case.source_ref, case.service = report.source, report.source_ref, report.service
    case.class_ = report.class_ or case.class_
    case.province = report.location.province
    case.reported_at, case.accepted_at = report.reported_at, report.accepted_at
    case.is_final = report.is_final
    if report.is_final:
        case.first_outcome = "history"
    for clock in case.clocks:
        if clock.subject == CASE and not clock.fired:
            clockwork.restart(case, clock, report.reported_at)
    if report.is_final:
        _stop_all(case, report.reported_at, now, clockwork)
    elif not was_opened:
        clockwork.start(case, VERIFICATION, report.reported_at)
    by = f"source:{report.source}" if report.source is not None else None
    case.note(report.accepted_at, "received" if not report.is_final else "received as history", by)


def apply_decided(case: Case, part: Decided, clockwork: Clockwork, now: datetime) -> None:
    """One part of a decision; a part that is known already is a repeat."""
    open_case(case, part, clockwork, now)
    if any((known.decision, known.part) == (part.decision, part.part) for known in case.parts):
        return
    case.class_ = part.class_ or case.class_
    outcome = _outcome(part)
    case.parts.append(Part(part.decision, part.part, outcome, part.decided_at, tuple(item.destination for item in part.parts)))
    if (part.decision, part.part) == (0, 0) and not case.is_final:
        case.first_outcome = "transferred" if outcome == "proposed" else outcome
    case.is_oversight = case.is_oversight or part.is_oversight
    if isinstance(part, ComplaintRouted):
        _assign(case, part, clockwork, now)
    elif isinstance(part, ComplaintHeld):
        case.note(part.decided_at, f"held for triage: {part.why}", part.decided_by)
    else:
        proposed = " (proposed)" if outcome == "proposed" else ""
        case.note(part.decided_at, f"transferred to {part.agency}{proposed}", part.decided_by)
    if outcome in ("routed", "transferred") and not _is_proposal_among(part):
        for clock in case.clocks:
            if clock.code == VERIFICATION:
                clockwork.stop(case, clock, part.decided_at, now)


def _is_proposal_among(part: Decided) -> bool:
    """Whether a sibling, which may arrive later, waits for LAPOR! to say yes: until then nobody else watches it."""
    return part.source == "lapor" and part.decided_by == "router" and any(sibling.destination == "other_agency" for sibling in part.parts)


def _outcome(part: Decided) -> str:
    if isinstance(part, ComplaintRouted):
        return "routed"
    if isinstance(part, ComplaintHeld):
        return "held"
    # LAPOR! itself must say yes to a transfer; a person or the source that decided it has.
    return "proposed" if part.source == "lapor" and part.decided_by == "router" else "transferred"


def _assign(case: Case, part: ComplaintRouted, clockwork: Clockwork, now: datetime) -> None:
    assignment = Assignment(
        part.assignment_id, part.decision, part.part, part.unit, part.desk, part.is_oversight, part.decided_at, "assigned", part.decided_at
    )
    case.assignments.append(assignment)
    case.note(part.decided_at, f"assigned to {part.desk or part.unit}", part.decided_by)
    if case.ended_at is None:
        clockwork.start(case, FIRST_FOLLOW_UP, part.decided_at, assignment, part.copies)
    else:
        _close(case, assignment, case.ended_at, now)


def apply_change(case: Case, change: ComplaintChanged, clockwork: Clockwork, now: datetime) -> Outcome:
    """What the source said later. Some kinds end the case; the others are recorded in its timeline. Never refused."""
    if not case.is_opened:
        return "parked"
    what = f"{change.kind} by source" if change.kind != "joined" else f"reported again by {change.fields.get('source')}"
    if change.source_status:
        what += f" (status: {change.source_status})"
    case.note(change.accepted_at, what, change.by)
    ends = _ENDS.get(change.kind) or ("closed" if change.is_final else None)
    if ends is not None:
        _end(case, ends, change.accepted_at, change.by, clockwork, now)
    return "applied"


def _end(case: Case, state: CaseState, at: datetime, by: str, clockwork: Clockwork, now: datetime) -> None:
    """The earliest ending counts, whichever is read first; what a unit said after it was said too late."""
    if case.ended_at is not None and (case.ended_at, case.ended_state or "", case.ended_by or "") <= (at, state, by):
        return
    case.ended_at, case.ended_state, case.ended_by = at, state, by
    case.answers = [answer for answer in case.answers if _answered_at(answer) <= at]
    _stop_all(case, at, now, clockwork)
    for assignment in case.assignments:
        _close(case, assignment, at, now)


def _stop_all(case: Case, at: datetime, now: datetime, clockwork: Clockwork) -> None:
    for clock in case.clocks:
        clockwork.stop(case, clock, at, now)


def _close(case: Case, assignment: Assignment, at: datetime, now: datetime) -> None:
    """The unit did not end it itself, so it is told, once."""
    was_closed = assignment.state == "closed"
    assignment.state, assignment.since = "closed", max(at, assignment.assigned_at)
    if not was_closed:
        follow_up(case, "closed", now, assignment=assignment, to=("unit",), why=f"the case ended: {case.ended_state}")


def apply_update(case: Case, update: CaseUpdate, counts_at: datetime, clockwork: Clockwork, now: datetime) -> Outcome:
    """What a unit said of its assignment, counted from the broker's append time. Of two that say the same the earlier counts."""
    assignment = owned_assignment(case, update)
    if assignment is None or refusal_of(case, update, counts_at) is not None:
        return "parked"
    by = f"unit:{update.unit}"
    case.note(counts_at, f"{update.status.replace('_', ' ')} by {update.unit}", by)
    if update.status == "accepted":
        _move(assignment, "accepted", counts_at, before=("assigned",))
    if update.status == "answered":
        _move(assignment, "answered", counts_at, before=("assigned", "accepted"))
        # An outcome is a code. Anything else is free text that nobody masked, and it stays in the unit's own topic.
        outcome = update.outcome if update.outcome and _CODE.fullmatch(update.outcome) else None
        answer = AnswerStatus(unit=update.unit, at=counts_at, outcome=outcome)
        case.answers.append(answer.model_dump(mode="json"))
        case.answers.sort(key=lambda item: (_answered_at(item), item["unit"], item["outcome"] or ""))
    if update.status in ("answered", "followed_up"):
        for clock in case.clocks:
            if clock.subject == str(assignment.id) and clock.code == FIRST_FOLLOW_UP:
                clockwork.stop(case, clock, counts_at, now)
    return "applied"


def _move(assignment: Assignment, state: AssignmentState, at: datetime, *, before: tuple[AssignmentState, ...]) -> None:
    if assignment.state in before or (assignment.state == state and at < assignment.since):
        assignment.state, assignment.since = state, at


def _answered_at(answer: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(answer["at"])


def owned_assignment(case: Case, update: CaseUpdate) -> Assignment | None:
    """The assignment an update speaks of, if it is the unit's; a unit with a single one need not name it."""
    own = [item for item in case.assignments if item.unit == update.unit]
    if update.assignment_id is None:
        return own[0] if len(own) == 1 and not _has_several(case, update.unit) else None
    return next((item for item in own if item.id == update.assignment_id), None)


def _has_several(case: Case, unit: str) -> bool:
    """Also where only one of a decision's parts has been read yet: each says where the others go."""
    given = {part.decision: part.destinations.count(unit) for part in case.parts}
    return sum(given.values()) > 1 or sum(item.unit == unit for item in case.assignments) > 1


def refusal_of(case: Case, update: CaseUpdate, counts_at: datetime) -> str | None:
    """Why the case cannot take an update now, in words for the unit; None where it can."""
    if not case.is_opened:
        return "no complaint of this id is known"
    if owned_assignment(case, update) is None:
        if update.assignment_id is None and _has_several(case, update.unit):
            return f"{update.unit} has several assignments of this complaint; name one in assignment_id"
        return f"{update.unit} has no such assignment of this complaint"
    if update.status not in ("accepted", "followed_up", "answered"):
        return f"status {update.status} is not taken; accepted, followed_up and answered are"
    if case.ended_at is not None and counts_at > case.ended_at:
        return f"the case had ended: {case.ended_state}"
    return None


def retry_parked(case: Case, clockwork: Clockwork, now: datetime) -> None:
    """Try everything parked again, oldest first, until nothing more can be taken."""
    progress = True
    while progress and case.parked:
        progress = False
        for item in sorted(case.parked, key=lambda parked: (parked.counts_at, parked.id)):
            if apply_parked(case, item, clockwork, now) == "applied":
                case.parked.remove(item)
                case.unparked.append(item.id)
                progress = True


def apply_parked(case: Case, item: Parked, clockwork: Clockwork, now: datetime) -> Outcome:
    if item.kind == "change":
        return apply_change(case, ComplaintChanged.model_validate_json(item.value), clockwork, now)
    return apply_update(case, CaseUpdate.model_validate_json(item.value), item.counts_at, clockwork, now)


def refuse_parked(case: Case, item: Parked, now: datetime) -> tuple[CaseUpdate, str]:
    """An update whose hour is over; returns it and why. What a source said is never refused."""
    update = CaseUpdate.model_validate_json(item.value)
    why = refusal_of(case, update, item.counts_at) or "its case could not take it in time"
    case.parked.remove(item)
    case.unparked.append(item.id)
    if case.is_opened:
        case.note(now, f"update {update.status} by {update.unit} refused: {why}", "notifier")
    return update, why


def settle(case: Case) -> None:
    """After all moves: the state that follows from what is known."""
    case.state = case.derived_state()
