"""What the notifier's tables say of themselves, for the metrics. Never dearer than a hundredth of a core for each of its questions."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

from services.notifier.calendar import Calendar, load_calendar
from services.notifier.case import CASE, Clock
from services.notifier.clock_text import read_clocks
from services.notifier.ladder import TRIAGE
from services.notifier.reconcile import count_orphans
from shared.metric_table import LEVELS, UNITS_AND_TRIAGE
from shared.metrics import NotifierMetrics
from shared.postgres import Connection, Pool, transaction

_OUTCOMES = ("history", "routed", "held", "transferred", "undecided")
_PAUSE_PER_SECOND = 100.0  # counting all cases takes a fifth of a second at a million: then it is done every twenty
_PAGE = 1000  # looking into so many cases takes some tens of milliseconds, which the sweep waits for
_LIVE = ("running", "paused", "expired")


@dataclass
class Workload:
    """What each unit has open, and how far past its time; a case counts once at each unit that a clock of it runs for."""

    cases: Counter[tuple[str, str]] = field(default_factory=Counter)
    oldest: dict[str, datetime] = field(default_factory=dict)

    def add(self, clocks: Iterable[Clock], units: dict[str, str]) -> None:
        """`units`: whom the case was given to, by assignment. The case's own clocks are of those that still have it, else triage's."""
        live = [clock for clock in clocks if clock.state in _LIVE and clock.stopped_at is None]
        having = {units.get(clock.subject, TRIAGE) for clock in live if clock.subject != CASE} or {TRIAGE}
        worst: dict[str, int] = {}
        for clock in live:
            level = max((fired.level for fired in clock.fired if not fired.is_rescinded), default=-1)
            for unit in having if clock.subject == CASE else {units.get(clock.subject, TRIAGE)}:
                worst[unit] = max(worst.get(unit, -1), level)
                if level >= 0:
                    self.oldest[unit] = min(self.oldest.get(unit, clock.due_at), clock.due_at)
        self.cases.update((unit, _level(level)) for unit, level in worst.items())


def _level(level: int) -> str:
    """Reminders come before anything is due."""
    return LEVELS[max(0, min(level + 1, len(LEVELS) - 1))]


class Measures:
    def __init__(self, pool: Pool, metrics: NotifierMetrics, calendar: Calendar | None = None) -> None:
        self._pool = pool
        self._metrics = metrics
        self._settled_until = settled_until(calendar or load_calendar())
        self._count_next_at = self._page_next_at = 0.0
        self._workload = Workload()
        self._looked_into = UUID(int=0)

    async def step(self, now: datetime, until: datetime | None) -> None:
        """What is due by an index each time; what takes a look at every case as often as it is cheap, or page by page."""
        async with transaction(self._pool) as connection:
            due = await connection.fetchrow("SELECT count(*), min(next_due_at) FROM cases WHERE next_due_at <= $1", now)
            parked = await connection.fetchval("SELECT count(*) FROM parked")
            assert due is not None
            self._metrics.due_backlog.set(due[0])
            self._metrics.oldest_due.set((now - due[1]).total_seconds() if due[1] else 0)
            self._metrics.parked.set(parked)
            self._metrics.calendar_horizon.set((self._settled_until - now).total_seconds() / 86400)
            if until is not None:
                self._metrics.watermark_age.set((now - until).total_seconds())
            await self._count(connection)
            await self._look_into_page(connection, now)

    async def _count(self, connection: Connection) -> None:
        begun = asyncio.get_running_loop().time()
        if begun < self._count_next_at:
            return
        outcomes = await connection.fetch("SELECT first_outcome, count(*) FROM cases WHERE is_opened GROUP BY 1")
        orphans = await count_orphans(connection)
        found = {row[0]: row[1] for row in outcomes}
        for outcome in _OUTCOMES:
            self._metrics.cases.labels(outcome).set(found.get(outcome, 0))
        for reason, count in orphans.items():
            self._metrics.orphaned.labels(reason).set(count)
        self._count_next_at = _after_a_pause(begun)

    async def _look_into_page(self, connection: Connection, now: datetime) -> None:
        """The next cases by their ids; what is shown is always of a whole round, which takes a quarter of an hour at a million cases."""
        begun = asyncio.get_running_loop().time()
        if begun < self._page_next_at:
            return
        last = await look_into(connection, self._workload, self._looked_into, _PAGE)
        if last is not None:
            self._looked_into = last
        else:
            for unit, level in product(UNITS_AND_TRIAGE, LEVELS):
                self._metrics.open_cases.labels(unit, level).set(self._workload.cases[unit, level])
            for unit in UNITS_AND_TRIAGE:
                due_at = self._workload.oldest.get(unit, now)
                self._metrics.oldest_overdue.labels(unit).set(max(0.0, (now - due_at).total_seconds()))
            self._workload, self._looked_into = Workload(), UUID(int=0)
        self._page_next_at = _after_a_pause(begun)


def settled_until(calendar: Calendar) -> datetime:
    """The end of the last year whose days off are all decreed."""
    return datetime(max(calendar.settled_years, default=calendar.first_year - 1) + 1, 1, 1, tzinfo=UTC)


async def look_into(connection: Connection, workload: Workload, after: UUID, limit: int) -> UUID | None:
    """Add the open ones of the next `limit` cases; the last one's id, None where no more follow. Merged ones are their lead's matter,
    of answered ones only the reporter's turn is left.
    """
    rows = await connection.fetch(
        """
        SELECT id, CASE WHEN is_open AND merged_into IS NULL AND state <> 'answered' THEN clocks END AS clocks
        FROM cases WHERE id > $1 ORDER BY id LIMIT $2
        """,
        after,
        limit,
    )
    open_cases = {row["id"]: row["clocks"] for row in rows if row["clocks"] is not None}
    units = await _units_of(connection, list(open_cases))
    for complaint_id, clocks in open_cases.items():
        workload.add(read_clocks(clocks), units.get(complaint_id, {}))
    return rows[-1]["id"] if len(rows) == limit else None


async def _units_of(connection: Connection, complaint_ids: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
    """Of each case the units it was given to, by assignment."""
    found: dict[UUID, dict[str, str]] = {}
    for row in await connection.fetch(
        """
        SELECT complaint_id, decided ->> 'assignment_id' AS assignment_id, decided ->> 'unit' AS unit
        FROM (SELECT complaint_id, fact::jsonb AS decided FROM timeline WHERE complaint_id = ANY ($1::uuid[]) AND fact IS NOT NULL) facts
        WHERE decided ->> 'fact' = 'decided' AND decided ->> 'assignment_id' IS NOT NULL
        """,
        complaint_ids,
    ):
        found.setdefault(row["complaint_id"], {})[row["assignment_id"]] = row["unit"]
    return found


def _after_a_pause(begun: float) -> float:
    now = asyncio.get_running_loop().time()
    return now + _PAUSE_PER_SECOND * (now - begun)
