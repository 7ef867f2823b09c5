"""Recorded complaints lived again under a simulated clock, day by day, by the policies and the calendar given. Pure.

It is the notifier's own core that lives them; only Kafka, the database and the waiting are left out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifier.calendar import ONE_DAY
from services.notifier.case import Case
from services.notifier.clocks import Clockwork
from services.notifier.domain import Setting, fire, learn, passed_on
from services.notifier.facts import Fact, Said
from services.notifier.ladder import TRIAGE
from services.notifier.life import OPEN
from services.notifier.recording import Recorded

_UNITS = {"office", "kanwil", "unit"}
_ENDED = ("answered", "closed", "withdrawn", "history", "transferred")


@dataclass(frozen=True, slots=True)
class DayCount:
    """At the end of a local day: the cases that are open, and those overdue, also by who has them (one case may count for several)."""

    on: date
    open: int
    overdue: int
    by_unit: Mapping[str, int]


@dataclass(slots=True)
class Outcome:
    """What came of the cases under one set of policies. `fired` counts follow-ups by kind, `states` cases at the end."""

    name: str
    version: str
    days: list[DayCount] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)

    @property
    def units(self) -> list[str]:
        """That were overdue on any day, most first."""
        worst: Counter[str] = Counter()
        for day in self.days:
            worst |= Counter(day.by_unit)
        return sorted(worst, key=lambda unit: (-worst[unit], unit))


def simulate(name: str, events: Sequence[Recorded], clockwork: Clockwork, first: date, days: int, zone: ZoneInfo) -> Outcome:
    """Live the events, which are in their order, from the start of `first` in `zone`; what is recorded before that is lived first."""
    outcome = Outcome(name, clockwork.version)
    lived = _Lived(clockwork, outcome)
    waiting = iter(events)
    event = next(waiting, None)
    for number in range(days):
        on = first + ONE_DAY * number
        midnight = datetime.combine(on + ONE_DAY, time.min, tzinfo=zone)
        while event is not None and event.at < midnight:
            lived.learn(event)
            event = next(waiting, None)
        lived.pass_time(midnight)
        outcome.days.append(lived.count(on, midnight))
    outcome.states.update(case.life.state for case in lived.cases.values())
    return outcome


class _Lived:
    def __init__(self, clockwork: Clockwork, outcome: Outcome) -> None:
        self.cases: dict[UUID, Case] = {}
        self._open: dict[UUID, Case] = {}
        self._members: dict[UUID, set[UUID]] = {}
        self._clockwork = clockwork
        self._outcome = outcome
        rows = clockwork.policies.clocks
        # The reporter's own time is nobody's delay. A clock of the case is its units' where they hear of it, else the triage desk's.
        self._reporters = {row.code for row in rows if set(row.starts) <= {"asked", "answered"}}
        self._of_units = {row.code for row in rows if any(_UNITS & set(level.to) for level in row.levels)}

    def learn(self, event: Recorded) -> None:
        case = self.cases.setdefault(event.complaint_id, Case(event.complaint_id))
        # What counts from the very instant of a deadline comes before it.
        self._until(case, event.at - timedelta.resolution)
        self._move(case, event.at, lambda setting: learn(case, event.facts, setting, self._targets(case, event.facts)))

    def pass_time(self, until: datetime) -> None:
        for case in list(self._open.values()):
            self._until(case, until)

    def _until(self, case: Case, until: datetime) -> None:
        due = case.next_due_at
        if due is not None and due <= until:
            self._move(case, until, lambda setting: fire(case, until, setting))

    def _move(self, case: Case, at: datetime, move: Callable[[Setting], object]) -> None:
        """As one transaction; then the cases merged into this one take what happened to it."""
        before = case.life
        move(Setting(self._clockwork, at))
        self._outcome.fired.update(item.kind for item in case.follow_ups)
        case.follow_ups, case.noted, case.requests, case.unparked = [], [], [], []
        case.is_changed = case.is_asked_again = False
        life = case.life
        if case.is_open:
            self._open[case.id] = case
        else:
            self._open.pop(case.id, None)
        if life.merged_into is not None:
            self._members.setdefault(life.merged_into, set()).add(case.id)
        for member in sorted(self._members.get(case.id, ())):
            fact = passed_on(before, life, case.id, member)
            if fact is not None and self.cases[member].life.merged_into == case.id:
                self._learn_passed_on(self.cases[member], fact, at)

    def _learn_passed_on(self, member: Case, fact: Fact, at: datetime) -> None:
        self._move(member, at, lambda setting: learn(member, [fact], setting))

    def _targets(self, case: Case, facts: Iterable[Fact]) -> dict[UUID, str]:
        """Complaints that cannot be merged into."""
        named = {fact.into for fact in (*facts, *(item.fact for item in case.parked)) if isinstance(fact, Said) and fact.into is not None}
        found = {}
        for into in named:
            lead = self.cases.get(into)
            if into == case.id or lead is None or lead.life.report is None or lead.life.merged_into or lead.life.state in _ENDED:
                found[into] = "it cannot be merged into that one"
        return found

    def count(self, on: date, until: datetime) -> DayCount:
        late = [units for case in self._open.values() if (units := self._late(case, until))]
        return DayCount(on, len(self._open), len(late), Counter(unit for units in late for unit in units))

    def _late(self, case: Case, until: datetime) -> set[str]:
        """Who has let a deadline of the case pass that still runs."""
        if case.life.merged_into is not None:
            return set()
        found: set[str] = set()
        for clock in case.clocks:
            if clock.state not in ("running", "expired") or clock.due_at > until or clock.code in self._reporters:
                continue
            assignment = case.assignment(clock.subject)
            if assignment is not None:
                found.add(assignment.unit)
            elif clock.code in self._of_units:
                found |= {item.unit for item in case.life.in_state(*OPEN)} or {TRIAGE}
            else:
                found.add(TRIAGE)
        return found
