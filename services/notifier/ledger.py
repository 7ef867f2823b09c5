"""The time ledger: whose turn a case was, from when to when, and how much working time each used. Pure; it judges nobody.

While the reporter is asked for more, only the reporter uses time. Units that have parts of one case at the same time each use their own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifier import periods
from services.notifier.calendar import Calendar
from services.notifier.case import Case
from services.notifier.clocks import Clockwork
from services.notifier.facts import Decided
from services.notifier.life import Event, Life
from services.notifier.pauses import merged, running

Level = Literal["office", "kanwil", "unit", "inspectorate", "triage", "router", "reporter", "source"]
# sending: on its way from the source; deciding, rerouting: with the router; held, proposed: at the triage desk; assigned, accepted,
# reopened: with a unit; asked, replying: the reporter's turn, before and after the answer.
Kind = Literal["sending", "deciding", "rerouting", "held", "proposed", "assigned", "accepted", "reopened", "asked", "replying"]

_TICK = timedelta.resolution
_OPENS: dict[str, tuple[str, Kind, str]] = {
    "rerouting": ("router", "rerouting", "rerouted"), "held": ("triage", "held", "placed"), "proposed": ("triage", "proposed", "confirmed"),
}  # fmt: skip
_CLOSES = {closing: opening for opening, (_, _, closing) in _OPENS.items()}


@dataclass(frozen=True, slots=True)
class Span:
    """Somebody's turn: [since, until), or still. `began`: when this holder's stint began, of which pauses and kinds cut spans."""

    who: str
    desk: str | None
    level: Level
    kind: Kind
    since: datetime
    until: datetime | None
    began: datetime
    is_last: bool = True
    assignment: UUID | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """A span with its office time, and its working days as a clock started at the stint's beginning counts them."""

    span: Span
    seconds: float
    days: int


@dataclass(slots=True)
class Sum:
    seconds: float = 0.0
    days: int = 0


@dataclass(slots=True)
class _Stint:
    """What one holder had without a break; `steps` are the kinds it went through, each with its beginning."""

    who: str
    steps: list[tuple[Kind, datetime]]
    until: datetime | None = None
    desk: str | None = None
    assignment: UUID | None = None


def spans_of(case: Case) -> list[Span]:
    """In the order of their beginnings. A report that was history when it came in has none until it is reopened."""
    life = case.life
    if life.report is None:
        return []
    events = sorted(life.events, key=lambda event: event.at)
    stints = [] if life.report.is_final else _before_the_decision(case, events)
    stints += _from_events(life, events)
    ended = max((event.at for event in events if event.mark == "ended" and event.assignment is None), default=None)
    if ended is not None and any(event.mark == "reopened" and event.at > ended for event in events):
        ended = None
    asked = [(since, ended if until is None else until) for since, until in life.pauses]
    asked = [(since, until) for since, until in asked if until is None or since < until]
    stints += [_Stint("reporter", [("asked", since)], until) for since, until in asked]
    return sorted((span for stint in stints for span in _cut(stint, asked)), key=lambda span: (span.since, span.who, str(span.assignment)))


def _before_the_decision(case: Case, events: list[Event]) -> list[_Stint]:
    report = case.life.report
    assert report is not None
    decided = [fact.at for fact in case.facts if isinstance(fact, Decided)]
    decided += [event.at for event in events if event.mark == "ended" and event.assignment is None]
    known = max(report.at, report.reported_at)
    found = [_Stint("source", [("sending", report.reported_at)], known)] if known > report.reported_at else []
    if not decided or min(decided) > known:
        found.append(_Stint("router", [("deciding", known)], min(decided, default=None)))
    return found


def _from_events(life: Life, events: list[Event]) -> list[_Stint]:
    """What marks open and close: a holder by its assignment, the triage desk and the router by what they were asked."""
    found: list[_Stint] = []
    running_: dict[object, _Stint] = {}

    def begin(key: object, stint: _Stint) -> None:
        if key not in running_:
            running_[key] = stint
            found.append(stint)

    def end(key: object, at: datetime) -> None:
        if (stint := running_.pop(key, None)) is not None:
            stint.until = at

    for event in events:
        mark, at, known_by = event.mark, event.at, event.assignment
        if known_by is not None:
            item = life.assignments[known_by]
            if mark in ("assigned", "reopened"):
                begin(known_by, _Stint(item.unit, [("assigned" if mark == "assigned" else "reopened", at)], None, item.desk, known_by))
            elif mark in ("accepted", "followed_up"):
                stint = running_.get(known_by)
                if stint is not None and stint.steps[-1][0] == "assigned":
                    stint.steps.append(("accepted", at))
            elif mark in ("answered", "returned", "ended"):
                end(known_by, at)
        elif mark in _OPENS:
            who, kind, _ = _OPENS[mark]
            begin(mark, _Stint(who, [(kind, at)]))
        elif mark in _CLOSES:
            end(_CLOSES[mark], at)
        elif mark == "answered":
            begin("replying", _Stint("reporter", [("replying", at)]))
        elif mark in ("replied", "reopened"):
            end("replying", at)
        elif mark == "ended":
            for key in list(running_):
                end(key, at)
    return found


def _cut(stint: _Stint, asked: list[tuple[datetime, datetime | None]]) -> list[Span]:
    """A span for each kind that it went through, without the time in which the reporter was asked."""
    ends = [since for _, since in stint.steps[1:]]
    paused = merged(asked) if stint.who != "reporter" else []
    far = datetime.max.replace(tzinfo=UTC)
    began = stint.steps[0][1]
    pieces = [
        (kind, since, until)
        for (kind, begins), end in zip(stint.steps, [*ends, stint.until or far], strict=True)
        for since, until in running(begins, end, paused)
    ]
    return [
        Span(
            stint.who,
            stint.desk,
            _level(stint),
            kind,
            since,
            None if until == far else until,
            began,
            until == (stint.until or far),
            stint.assignment,
        )
        for kind, since, until in pieces
    ]


def _level(stint: _Stint) -> Level:
    """Where in the hierarchy the holder sits."""
    if stint.assignment is None:
        return stint.who  # type: ignore[return-value]
    if stint.desk is not None:
        return "kanwil" if stint.desk.startswith("kanwil:") else "office"
    return "inspectorate" if stint.who == "itjen" else "unit"


def time_used(case: Case, clockwork: Clockwork, until: datetime) -> list[Used]:
    """Each span with the working time it used up to `until`, by the calendar and the clock of whoever had it."""
    return [_used(case.life, span, clockwork, until) for span in spans_of(case) if span.since <= until]


def _used(life: Life, span: Span, clockwork: Clockwork, until: datetime) -> Used:
    zone, calendar = place_of(life, span.assignment, clockwork)
    end = _end(span, until)
    seconds = seconds_of(life, span, clockwork, until)
    # Of pieces that follow each other the later one has the close of office that lies on their border.
    is_last = span.is_last or end < (span.until or end)
    days = _days(calendar, span.began, end if is_last else end - _TICK, zone)
    before = _days(calendar, span.began, span.since - _TICK, zone) if span.since > span.began else 0
    return Used(span, seconds, days - before)


def seconds_of(life: Life, span: Span, clockwork: Clockwork, until: datetime) -> float:
    """The office time of a span that began before `until`."""
    zone, calendar = place_of(life, span.assignment, clockwork)
    return periods.working_seconds(calendar, kept(calendar, span.since), kept(calendar, _end(span, until)), zone)


def _end(span: Span, until: datetime) -> datetime:
    return until if span.until is None else min(span.until, until)


def _days(calendar: Calendar, start: datetime, end: datetime, zone: ZoneInfo) -> int:
    start = kept(calendar, start)
    return periods.working_days_between(calendar, start, max(start, end), zone)


def place_of(life: Life, assignment: UUID | None, clockwork: Clockwork) -> tuple[ZoneInfo, Calendar]:
    """Zone and calendar of the desk that has the assignment; of the place that the report names where there is none."""
    province = life.report.province if life.report else None
    item = life.assignments.get(assignment) if assignment is not None else None
    return clockwork.place(item.desk, province, item.part.copies) if item is not None else clockwork.place(None, province)


def kept(calendar: Calendar, at: datetime) -> datetime:
    """The instant, but not before the first day that the calendar knows."""
    return max(at, datetime(calendar.first_year, 1, 2, tzinfo=UTC))


def sums(used: Iterable[Used], key: Callable[[Span], str]) -> dict[str, Sum]:
    """By holder, level or kind, in the order in which each first had it."""
    found: dict[str, Sum] = {}
    for item in used:
        total = found.setdefault(key(item.span), Sum())
        total.seconds += item.seconds
        total.days += item.days
    return found


def holder(span: Span) -> str:
    return span.desk or span.who
