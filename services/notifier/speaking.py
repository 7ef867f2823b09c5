"""What a unit, a desk or an administrator says of a case, and what it does to its life. Pure; the law of who may speak, when."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.notifier.facts import Said
from services.notifier.life import LIVE, OPEN, Answer, Ask, Assignment, Life, Limits
from shared.events import AssignmentState

# In which states of its assignment a unit may say what.
_SPEAKS: dict[str, tuple[AssignmentState, ...]] = {
    "accepted": OPEN,
    "followed_up": OPEN,
    "answered": LIVE,
    "refused": LIVE,  # the unit declines, which is an answer in law
    "returned": OPEN,
    "need_info": OPEN,
    "resumed": OPEN,
    "extended": OPEN,
    "merged": OPEN,
    "closed": ("answered",),
}
_NEEDS_REASON = ("returned", "refused", "need_info", "extended")
_ADMIN_SPEAKS = ("verified", "need_info", "resumed", "merged", "closed")
LAPOR_CLOSES = "LAPOR! itself closes its reports; the closing comes as a change"


def say(life: Life, said: Said, at: datetime, given: Mapping[str, int], barred: Mapping[UUID, str], limits: Limits) -> str | None:
    """Take an update; else why not, in words for whoever said it. `given`: how many parts each unit has, also of those not read yet."""
    if said.lead is not None:
        return _answer_with(life, said, at)
    if life.ended_at is not None:
        return f"the case had ended: {life.ended_state}"
    if life.merged_into is not None:
        return f"the case was merged into {life.merged_into}; speak there"
    if life.is_history:
        return "the report was finished at its source before it came in"
    if said.unit is None:
        if said.status not in _ADMIN_SPEAKS:
            return f"{said.status} is the assigned unit's to say"
        return _of_the_case(life, said, at, None, barred, limits)
    if said.status not in _SPEAKS:
        return f"{said.status} is an administrator's to say"
    assignment = _own(life, said, given)
    if isinstance(assignment, str):
        return assignment
    if said.reason is None and said.status in _NEEDS_REASON:
        return f"{said.status} needs its reason"
    if assignment.state not in _SPEAKS[said.status]:
        return f"{said.status} is not possible: the assignment is {assignment.state}"
    if said.status in ("need_info", "resumed", "extended", "merged", "closed"):
        return _of_the_case(life, said, at, assignment, barred, limits)
    _of_the_assignment(life, said, at, assignment)
    return None


def _own(life: Life, said: Said, given: Mapping[str, int]) -> Assignment | str:
    """The assignment spoken of; a unit with a single one need not name it."""
    own = [item for item in life.assignments.values() if item.unit == said.unit]
    if said.assignment_id is not None:
        own = [item for item in own if item.id == said.assignment_id]
    elif len(own) > 1 or (own and given.get(own[0].unit, 0) > 1):
        running = [item for item in own if item.state in LIVE]
        if len(running) != 1 or given.get(running[0].unit, 0) > len(own):
            return f"{said.unit} has several assignments of this complaint; name one in assignment_id"
        own = running
    return own[0] if own else f"{said.unit} has no such assignment of this complaint"


def _of_the_assignment(life: Life, said: Said, at: datetime, assignment: Assignment) -> None:
    if said.status == "accepted":
        if assignment.state == "assigned":
            assignment.move("accepted", at)
            life.mark("accepted", at, assignment.id)
    elif said.status == "followed_up":
        life.mark("followed_up", at, assignment.id)
        life.mark("followed_up", at)
        if said.answer_id is not None:  # an interim answer: the reporter reads it, the case goes on
            life.answers.append(Answer(said.answer_id, assignment.unit, at, "interim"))
    elif said.status == "returned":
        assignment.move("returned", at)
        assignment.returned_at = at
        life.returns += 1
        life.mark("returned", at, assignment.id)
        key = assignment.part.key
        # A person's order about this part is being carried out: it says where it goes.
        if not any(ask.order is not None and key in ask.replaces for ask in life.pending.values()):
            life.asks.append(Ask("returned", said.id, at, said.by, (key,), reason=_why_returned(said)))
    else:
        answer(life, assignment, at, Answer(said.answer_id, assignment.unit, at, "refused" if said.status == "refused" else said.outcome))


def _why_returned(said: Said) -> str | None:
    suggested = f" (suggested: {said.suggested_unit})" if said.suggested_unit else ""
    return f"{said.reason}{suggested}" if said.reason else suggested.strip(" ()") or None


def answer(life: Life, assignment: Assignment, at: datetime, given: Answer) -> None:
    """A later answer of the same assignment adds to the first; the first one stopped the clocks."""
    if assignment.state != "answered":
        assignment.move("answered", at)
        assignment.answered_at = at
        life.mark("answered", at, assignment.id)
    life.answers.append(given)


def _answer_with(life: Life, said: Said, at: datetime) -> str | None:
    """The case that this one was merged into was answered, which answers this one."""
    if life.merged_into != said.lead or life.ended_at is not None:
        return f"the case is not merged into {said.lead}"
    concerned = life.in_state(*OPEN)
    for assignment in concerned:
        answer(life, assignment, at, Answer(said.answer_id, assignment.unit, at, said.outcome))
    if not concerned and said.unit is not None:
        life.answers.append(Answer(said.answer_id, said.unit, at, said.outcome))
    for part in life.waiting:  # nobody has to place it any more
        life.replaced.add(part.key)
        del life.parts[part.key]
    life.pending.clear()
    if life.is_paused:
        life.pauses[-1] = (life.pauses[-1][0], at)
    life.answered_at = at
    life.mark("answered", at)
    return None


def _of_the_case(
    life: Life, said: Said, at: datetime, assignment: Assignment | None, barred: Mapping[UUID, str], limits: Limits
) -> str | None:
    if said.status == "verified":
        if life.verified_at is not None:
            return "the report is verified already"
        life.verify(at)
    elif said.status == "need_info":
        if life.answered_at is not None:
            return "everybody has answered"  # nothing runs that could wait, and nothing that would end the waiting
        if life.is_paused:
            return "the reporter has been asked already"
        life.pause(at)
    elif said.status == "resumed":
        if not life.is_paused:
            return "the case is not paused"
        life.resume(at)
    elif said.status == "extended":
        return _extend(life, said, at, limits)
    elif said.status == "merged":
        return _merge(life, said, at, barred)
    else:
        return _close(life, said, at, assignment)
    return None


def _extend(life: Life, said: Said, at: datetime, limits: Limits) -> str | None:
    until = limits.extend_until(life)
    if until is None:
        return "no period of this case can be extended"
    if life.extended_at:
        return "the period was extended already; it can be once"
    if at > until:
        return "the period was over; it can be extended only before its deadline"
    life.extended_at.append(at)
    return None


def _merge(life: Life, said: Said, at: datetime, barred: Mapping[UUID, str]) -> str | None:
    if said.into is None:
        return "into names no complaint"
    if said.unit is not None:
        others = [item for item in life.in_state(*OPEN) if item.unit != said.unit]
        if others or life.waiting or life.pending:
            return "others have a part of this complaint; only an administrator can merge it"
        if life.is_oversight and said.unit != "itjen":
            return "only an administrator can merge it"
    if (why := barred.get(said.id)) is not None:
        return why
    life.merged_into = said.into
    return None


def _close(life: Life, said: Said, at: datetime, assignment: Assignment | None) -> str | None:
    if life.report is not None and life.report.source == "lapor":
        return LAPOR_CLOSES
    if assignment is not None:
        assignment.move("closed", at)
        if life.in_state(*LIVE) or life.waiting or life.pending:
            return None
    elif life.answered_at is None:
        return "not everybody has answered"
    life.end("closed", at, said.by)
    return None
