"""What one case adds to the quarterly account: how it stands, its limits, its time; for the whole and for each unit that had it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from services.notifier.account_limits import Counts, Limits
from services.notifier.account_time import NOT_PURSUED, Between
from services.notifier.case import Case
from services.notifier.clocks import Clockwork
from services.notifier.facts import Reported
from services.notifier.ledger import seconds_of, spans_of
from services.notifier.life import OPEN, Assignment, Life
from services.notifier.living import live

Standing = Literal["history", "finished", "open", "passed_on", "not_pursued"]


@dataclass(frozen=True, slots=True)
class View:
    """What a case adds to a row: counts, working days to the answer (at least, at most), office seconds by who used them."""

    counts: Counts
    days: tuple[int, int] | None
    used: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """A case as the account sees it. `turns`: when it was taken up (true) and finished (false), in order."""

    reported_at: datetime
    is_oversight: bool
    class_: str
    channel: str
    kanwil: tuple[str, ...]
    whole: View
    units: Mapping[str, View]
    turns: tuple[tuple[datetime, bool], ...]

    def was_open_at(self, instant: datetime) -> bool:
        """Whether it had been received before, and was not finished then."""
        return next((is_open for at, is_open in reversed(self.turns) if at < instant), False)


def measure(case: Case, clockwork: Clockwork, as_of: datetime) -> Measured | None:
    """None for what is no case, or was not one yet at `as_of`. What happened later counts for nothing; what was learnt later does."""
    case = replace(case, facts=[fact for fact in case.facts if isinstance(fact, Reported) or fact.at <= as_of])
    life = case.life = live(case.facts, clockwork.limits, frozenset(case.refused))
    report = life.report
    if report is None or report.reported_at > as_of:
        return None
    limits = Limits(case, clockwork, as_of)
    units: dict[str, list[Assignment]] = {}
    for item in life.assignments.values():
        if any(event.assignment == item.id for event in life.events):  # a part that came after the end was never the unit's turn
            units.setdefault(item.unit, []).append(item)
    is_oversight = life.is_oversight or life.class_ == "pengaduan_pengawasan" or "itjen" in units
    used = _used(case, clockwork, as_of)
    whole = _whole(life, limits, used)
    given = [item for items in units.values() for item in items]
    return Measured(
        report.reported_at,
        is_oversight,
        life.class_ or "none",
        "/".join(filter(None, (report.source or "unknown", report.channel))),
        ("oversight",) if is_oversight else _kanwil(given, report, clockwork),
        whole,
        {unit: _of_unit(life, limits, items, used) for unit, items in units.items()} or {_nobody(life): whole},
        _turns(life, report),
    )


def _used(case: Case, clockwork: Clockwork, as_of: datetime) -> Mapping[str, float]:
    """Up to the answer: what the reporter then takes to reply is nobody's delay."""
    found: dict[str, float] = {}
    for span in spans_of(case):
        if span.kind != "replying" and span.since <= as_of:
            who = "unit" if span.assignment is not None else span.who
            found[who] = found.get(who, 0.0) + seconds_of(case.life, span, clockwork, as_of)
    return found


def _nobody(life: Life) -> str:
    """Who has a case that no unit ever had."""
    if life.is_history:
        return "history"
    if life.waiting or life.pending:
        return "triage"
    return "other_agency" if any(part.outcome == "transferred" for part in life.parts.values()) else "undecided"


def _kanwil(given: Sequence[Assignment], report: Reported, clockwork: Clockwork) -> tuple[str, ...]:
    """In whose area it is: by the desks and their copies, else by the place that the report names.

    Of an oversight matter it is not asked: the office complained about must not learn of it from a count.
    """
    named = {name for item in given for name in (item.desk, *item.part.copies) if name is not None and name.startswith("kanwil:")}
    place = clockwork.directory.province(report.province)
    return tuple(sorted(named)) or ((place.kanwil,) if place is not None else ("none",))


def _turns(life: Life, report: Reported) -> tuple[tuple[datetime, bool], ...]:
    turns = [] if report.is_final else [(report.reported_at, True)]
    turns += [
        (event.at, event.mark == "reopened")
        for event in life.events
        if event.assignment is None and event.mark in ("answered", "ended", "reopened")
    ]
    return tuple(sorted(turns, key=lambda turn: turn[0]))


def _whole(life: Life, limits: Limits, used: Mapping[str, float]) -> View:
    report = life.report
    assert report is not None
    standing = _standing(life, limits)
    given = list(life.assignments.values())
    counts = _standing_counts(standing) | limits.verified() | limits.followed_up(given) | limits.returned(given)
    if report.is_final:  # also where the source reopened it since
        counts["history"] = (1, 1)
    if standing == "finished":
        counts |= limits.finished()
    if standing == "open":
        counts |= limits.overdue()
    if life.reopenings:
        counts["reopened"] = (1, 1)
    finished = limits.first_finish()
    return View(counts, limits.days(None, report.reported_at, finished) if finished is not None else None, used)


def _standing(life: Life, limits: Limits) -> Standing:
    if life.is_history:
        return "history"
    if life.answered_at is not None:
        return "finished"
    if limits.ended is not None:
        return "not_pursued" if limits.ended in NOT_PURSUED else "finished"
    # Where everything went to other agencies the life ends, although nobody said so.
    has_left = life.events and life.events[-1].mark == "ended" and life.events[-1].assignment is None
    return "passed_on" if has_left else "open"


def _of_unit(life: Life, limits: Limits, items: list[Assignment], used: Mapping[str, float]) -> View:
    had = [item for item in items if item.state not in ("returned", "replaced")]
    standing = _standing_of_unit(had, limits)
    counts = _standing_counts(standing) | limits.verified() | limits.followed_up(items) | limits.returned(items)
    ids = {item.id for item in items}
    if any(event.mark == "reopened" and event.assignment in ids for event in life.events):
        counts["reopened"] = (1, 1)
    if standing == "open":
        counts |= limits.overdue(items)
    first = {event.assignment: event.at for event in reversed(life.events) if event.mark == "answered"}
    answers = [first[item.id] for item in had if item.id in first]
    finished = Between(max(answers), max(answers)) if answers and len(answers) == len(had) else None
    if finished is None and standing == "finished":
        finished = limits.closed()
    if standing == "finished" and finished is not None:
        counts |= limits.finished_by_unit(finished)
    begun = min(had, key=lambda item: item.assigned_at, default=None)
    days = limits.days(begun, begun.assigned_at, finished) if begun is not None and finished is not None else None
    return View(counts, days, used)


def _standing_of_unit(had: Sequence[Assignment], limits: Limits) -> Standing:
    if not had:
        return "passed_on"
    if any(item.state in OPEN for item in had):
        return "open"
    is_answered = any(item.answered_at is not None for item in had)
    return "finished" if is_answered or limits.ended not in NOT_PURSUED else "not_pursued"


def _standing_counts(standing: Standing) -> Counts:
    return {"received": (1, 1), standing: (1, 1)}
