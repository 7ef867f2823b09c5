"""What a source says later of its report, and what it does to the life of the case. Pure."""

from datetime import datetime

from services.notifier.facts import Changed
from services.notifier.life import LIVE, OPEN, Ask, Life, Limits, Notice
from shared.events import AssignmentState, CaseState

ASKS_ANEW = ("edited", "redisposed")
_ENDS: dict[str, CaseState] = {"withdrawn": "withdrawn", "closed": "closed", "archived": "closed"}
_OVERSIGHT_CLASS = "pengaduan_pengawasan"
_INSPECTORATE = "itjen"


def change(life: Life, change: Changed, at: datetime, limits: Limits) -> str | None:
    """Take a change; else why not. What a source says is never refused: what is not possible is only noted."""
    if change.class_ is not None:
        life.class_ = change.class_
        if change.class_ == _OVERSIGHT_CLASS and not life.is_oversight:
            _oversee(life, change, at)
    ends = _ENDS.get(change.kind) or ("closed" if change.is_final else None)
    if ends is not None:
        if life.ended_at is not None or life.is_history:
            return None if life.is_history else f"the case had ended: {life.ended_state}"
        life.end(ends, at, change.by)
        return None
    if change.kind == "reopened":
        _reopen(life, change, at)
    elif change.kind == "replied" and _may_reply_to_closed(life, at, limits):
        life.ended_at = life.ended_state = life.ended_by = None
    if life.ended_at is not None or life.is_history:
        if change.kind == "replied":
            _late_reply(life, change)
        return None
    _verified_or_paused(life, change, at)
    if change.kind == "replied":
        _replied(life, change, at, limits)
    elif change.kind == "redisposed":
        life.asks.append(Ask("redisposed", change.id, at, change.by, _placed(life, ("assigned", "accepted"))))
    elif change.kind == "edited" and change.is_rewritten:
        keys = tuple(key for key in _placed(life, ("assigned",)) if life.parts[key].decided_by == "router")
        if keys:
            life.asks.append(Ask("edited", change.id, at, change.by, keys))
    return None


def _placed(life: Life, states: tuple[AssignmentState, ...]) -> tuple[str, ...]:
    """The parts that another decision may take the place of: waiting ones, and those whose unit is no further than this."""
    own = {item.part.key for item in life.assignments.values() if item.state in states}
    return tuple(key for key, part in life.parts.items() if key in own or part.outcome in ("held", "proposed"))


def _verified_or_paused(life: Life, change: Changed, at: datetime) -> None:
    if (change.state == "verified" or change.kind == "redisposed") and life.verified_at is None:
        life.verify(at)
    if change.state == "paused" and not life.is_paused and life.answered_at is None:
        life.pause(at)
    elif life.is_paused and (change.kind == "completed" or change.state in ("open", "verified")):
        life.resume(at)


def _replied(life: Life, change: Changed, at: datetime, limits: Limits) -> None:
    if life.answered_at is None:
        return
    if at > limits.reply_until(life, life.answered_at):
        _late_reply(life, change)
        return
    life.mark("replied", at)
    _take_up_again(life, at, "the reporter replied")


def _late_reply(life: Life, change: Changed) -> None:
    for item in life.assignments.values():
        if item.state in ("answered", "closed"):
            why = "the reporter replied after the time to reply; it is noted, the case stays as it is"
            life.notices.append(Notice(f"late reply {change.id} {item.id}", "closed", item.id, why))


def _may_reply_to_closed(life: Life, at: datetime, limits: Limits) -> bool:
    """A unit or an administrator closes, and the reporter still has the time to reply; what the source closed is closed."""
    is_theirs = life.ended_state == "closed" and not (life.ended_by or "").startswith("source")
    return is_theirs and life.answered_at is not None and at <= limits.reply_until(life, life.answered_at)


def _oversee(life: Life, change: Changed, at: datetime) -> None:
    """The source says that it is an official's misconduct: whoever has it and is not the inspectorate has it no longer."""
    life.is_oversight = True
    keys = tuple(key for key in _placed(life, OPEN) if life.parts[key].unit != _INSPECTORATE)
    if keys and life.ended_at is None and not life.is_history:
        life.asks.append(Ask("edited", change.id, at, change.by, keys))


def _reopen(life: Life, change: Changed, at: datetime) -> None:
    """Its clocks begin anew: what the law gives for a complaint it gives for one that is taken up again."""
    gone = tuple(key for key, part in life.parts.items() if part.outcome == "transferred")
    is_gone = bool(gone) and not life.in_state(*LIVE) and not life.waiting and not life.pending
    if life.ended_at is None and not life.is_history and life.answered_at is None and not is_gone:
        return
    life.ended_at = life.ended_state = life.ended_by = None
    life.is_history = False
    life.merged_into = None
    if life.is_paused:
        life.pauses[-1] = (life.pauses[-1][0], at)
    life.mark("reopened", at)
    life.mark("received", at)
    life.mark("complete", at)
    if life.verified_at is not None:
        life.mark("verified", at)
    for part in life.waiting:
        life.mark("held" if part.outcome == "held" else "proposed", at)
    _take_up_again(life, at, "the source reopened it")
    if not life.in_state(*LIVE) and not life.waiting:
        life.asks.append(Ask("edited", change.id, at, change.by, gone if is_gone else ()))


def _take_up_again(life: Life, at: datetime, why: str) -> None:
    life.answered_at = life.merged_into = None
    life.reopenings += 1
    life.mark("reopened", at)
    for item in life.in_state("answered", "closed"):
        item.move("accepted", at)
        life.mark("reopened", at, item.id)
        life.notices.append(Notice(f"reopened {life.reopenings} {item.id}", "reopened", item.id, why))
