"""What becomes known of a case, and what time does to it. Pure: facts and time in, the case changed, nothing sent.

In whatever order the facts arrive, the case ends the same: its life is made from all of them, in the order of their own instants.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid5

from services.notifier.case import Case, Parked
from services.notifier.clocks import Clockwork, Fired
from services.notifier.facts import Changed, Decided, Expired, Fact, Ordered, Reported, Requested, Said, Unmerged, identity
from services.notifier.ladder import Absences, addressees, say
from services.notifier.life import Ask, Life
from services.notifier.living import live
from services.notifier.wording import head, moved_by, words

_NONE_AWAY: Absences = {}


@dataclass(frozen=True, slots=True)
class Setting:
    """What surrounds the moves of one transaction: the clocks, Jalur's now, who is away."""

    clockwork: Clockwork
    now: datetime
    absences: Absences = field(default_factory=lambda: _NONE_AWAY)


def revive(case: Case, setting: Setting) -> None:
    """Make the life of a case that was just loaded."""
    case.life = live(case.facts, setting.clockwork.limits, frozenset(case.refused))


def learn(case: Case, new: Iterable[Fact], setting: Setting, targets: Mapping[UUID, str] | None = None) -> list[Ask]:
    """Take over facts; returns for which of them the router is to be asked, each once. What is known already changes nothing.

    `targets` are complaints that cannot be merged into, and why. What the case cannot take yet is parked, and tried again here.
    """
    fresh, waiting = _unknown(case, new), list(case.parked)
    if not fresh:
        return []
    tried = [*(item.fact for item in waiting), *fresh]
    before = case.life
    # Of merges that are to be taken now: one that was taken stays, whatever became of its lead.
    merges = [(fact.id, fact.into) for fact in tried if isinstance(fact, Said) and fact.into is not None]
    barred = {known_by: why for known_by, into in merges if (why := _bars(case, into, targets)) is not None}
    life = live([*case.facts, *tried], setting.clockwork.limits, frozenset(case.refused), barred)
    taken: list[Fact] = []
    for fact in tried:
        known_by, why = identity(fact), life.not_taken.get(identity(fact))
        if why is not None and (
            isinstance(fact, Said | Ordered) or not life.report or (isinstance(fact, Changed) and why == "not decided yet")
        ):
            if fact in fresh and not (isinstance(fact, Said) and fact.lead is not None):
                case.parked.append(Parked(fact.id, fact.fact, fact.at, fact))  # type: ignore[union-attr]
            continue
        for item in [item for item in waiting if identity(item.fact) == known_by]:
            case.parked.remove(item)
            case.unparked.append(item.id)
        taken.append(fact)
        what, by = words(fact)
        case.note(fact.at, what if why is None else f"{what}: noted only, {why}", by, fact.fact, fact)
    if not taken:
        return []
    _take_back(case, life, setting)
    case.facts += taken
    case.life = life
    asked = _ask(case, setting)
    decided = {fact.decision for fact in case.facts if isinstance(fact, Decided)} if case.given else ()
    if any(number_of(case, ask) in decided for ask in asked):  # after a restore the answer may be read before the question
        life = case.life = live(case.facts, setting.clockwork.limits, frozenset(case.refused))
    if _timing(life) != _timing(before):
        setting.clockwork.time(case, setting.now, moved_by(taken), setting.absences)
    _tell(case, setting)
    return asked


def _bars(case: Case, into: UUID, targets: Mapping[UUID, str] | None) -> str | None:
    if into == case.id:
        return "a complaint cannot be merged into itself"
    return "the complaint it goes into was not looked at" if targets is None else targets.get(into)


def _take_back(case: Case, life: Life, setting: Setting) -> None:
    """What was taken before something from earlier became known, and counts no longer: whoever said it is told, once."""
    for fact in case.facts:
        if not isinstance(fact, Said | Ordered) or (isinstance(fact, Said) and fact.lead is not None):
            continue
        known_by, why = identity(fact), life.not_taken.get(identity(fact))
        if why is not None and known_by not in case.life.not_taken and f"void {known_by}" not in case.told:
            case.told.add(f"void {known_by}")
            case.voided.append((fact, why))
            case.note(setting.now, f"{head(fact)}: counts no longer, {why}", "notifier", "voided", voided=known_by)


def _timing(life: Life) -> tuple[object, ...]:
    """All of a life that its clocks follow from."""
    return (life.report, life.class_, life.is_oversight, life.events, life.pauses, life.extended_at, life.merged_into)


def _unknown(case: Case, new: Iterable[Fact]) -> list[Fact]:
    """Facts not seen before, each once; a report of which all is known is a repeat, and so is one that knows less."""
    known = {identity(fact) for fact in case.facts} | {identity(item.fact) for item in case.parked} | case.refused
    reports = [fact for fact in case.facts if isinstance(fact, Reported)]
    found: list[Fact] = []
    for fact in new:
        if isinstance(fact, Reported):
            if any(item.is_complete or not fact.is_complete for item in reports):
                case.is_asked_again = True
                continue
            reports.append(fact)
        elif identity(fact) in known:
            case.is_asked_again = case.is_asked_again or isinstance(fact, Decided)
            continue
        known.add(identity(fact))
        found.append(fact)
    return found


def _ask(case: Case, setting: Setting) -> list[Ask]:
    """Number the decisions that are to be asked for; a fact asks once, whatever becomes known later."""
    requests = [fact for fact in case.facts if isinstance(fact, Requested)]
    known = {fact.cause_id for fact in requests}
    decided = [fact.decision for fact in case.facts if isinstance(fact, Decided)]
    number = max([0, *(fact.decision for fact in requests), *decided, *case.given.values()])
    asked = [ask for ask in case.life.asks if ask.cause_id not in known]
    for ask in asked:
        again = case.given.get(ask.cause_id)
        number += again is None
        request = Requested(ask.at, again or number, ask.cause, ask.cause_id, ask.by, ask.replaces)
        case.facts.append(request)
        case.note(setting.now, *words(request), request.fact, request)
    return asked


def number_of(case: Case, ask: Ask) -> int:
    """The number of the decision that a fact asked for."""
    return next(fact.decision for fact in case.facts if isinstance(fact, Requested) and fact.cause_id == ask.cause_id)


def _tell(case: Case, setting: Setting) -> None:
    """What units must know of their own cases, each thing once."""
    for notice in case.life.notices:
        if notice.key in case.told:
            continue
        case.told.add(notice.key)
        assignment = case.life.assignments.get(notice.assignment) if notice.assignment is not None else None
        # Also where the case proved to be the inspectorate's: who has it no longer must stop, and learns nothing more.
        is_known_to_it = assignment is not None and not assignment.is_oversight
        to = (assignment.unit,) if assignment and is_known_to_it else addressees(("unit",), case, assignment, setting.absences)
        say(case, notice.kind, setting.now, to, assignment, why=notice.why)


def retime(case: Case, setting: Setting) -> None:
    """Newer policies or another calendar: every open deadline is worked out anew. A case in which nothing moved says nothing."""
    if case.timed_by >= setting.clockwork.version or not case.is_opened:
        return
    before = [replace(clock, fired=[replace(firing) for firing in clock.fired]) for clock in case.clocks]
    setting.clockwork.time(case, setting.now, f"policies and calendar {setting.clockwork.version}", setting.absences)
    case.is_changed = case.is_changed or before != case.clocks


def fire(case: Case, until: datetime, setting: Setting) -> tuple[list[Fired], list[Ask]]:
    """Fire what is due up to `until`, in the order of the instants; an expiry may end the case and with it its clocks.

    Returns what fired, and what the router is to be asked because of it.
    """
    fired: list[Fired] = []
    asked: list[Ask] = []
    while True:
        more, ending = setting.clockwork.fire(case, until, setting.now, setting.absences)
        fired += more
        if ending is None:
            return fired, asked
        clock, ends, instant = ending
        asked += learn(case, [Expired(instant, clock.code, clock.episode, ends, clock.started_at)], setting)


def refuse(case: Case, item: Parked, setting: Setting) -> str:
    """An update or order whose hour is over; returns why. What a source said is never refused."""
    assert isinstance(item.fact, Said | Ordered)
    into = item.fact.into if isinstance(item.fact, Said) else None
    barred = {item.fact.id: _bars(case, into, {into: "no such complaint is open"}) or ""} if into is not None else {}
    life = live([*case.facts, item.fact], setting.clockwork.limits, frozenset(case.refused), barred)
    why = life.not_taken.get(identity(item.fact)) or "its case could not take it in time"
    case.parked.remove(item)
    case.unparked.append(item.id)
    case.refused.add(identity(item.fact))
    if case.is_opened:
        case.note(setting.now, f"{head(item.fact)}: refused, {why}", item.fact.by, "refused", refused=str(item.id))
    return why


def passed_on(before: Life, life: Life, lead: UUID, member: UUID) -> Said | Unmerged | None:
    """What a case merged into `lead` must be told where that was just answered, or ended without an answer."""
    if life.answered_at is not None:
        if before.answered_at is not None or not life.answers:
            return None
        last = max(life.answers, key=lambda answer: answer.at)
        known_by = uuid5(member, f"{lead}/{last.at.isoformat()}")
        return Said(known_by, last.at, f"unit:{last.unit}", last.unit, "answered", outcome=last.outcome, answer_id=last.id, lead=lead)
    ended_at = _over_at(life)
    return Unmerged(ended_at, lead) if ended_at is not None and _over_at(before) is None else None


def _over_at(life: Life) -> datetime | None:
    """When it ended, also by all of it going to another agency."""
    is_gone = life.state == "transferred" and not life.waiting
    return life.ended_at or (life.events[life.last["ended"] - 1].at if is_gone and "ended" in life.last else None)
