"""What the notifier's tables say of themselves, for the metrics. Never dearer than a hundredth of a core."""

import asyncio
from datetime import datetime

from services.notifier.reconcile import count_orphans
from shared.metrics import NotifierMetrics
from shared.postgres import Pool, transaction

_OUTCOMES = ("history", "routed", "held", "transferred", "undecided")
_PAUSE_PER_SECOND = 100.0  # counting all cases takes a fifth of a second at a million: then it is done every twenty


class Measures:
    def __init__(self, pool: Pool, metrics: NotifierMetrics) -> None:
        self._pool = pool
        self._metrics = metrics
        self._count_next_at = 0.0

    async def step(self, now: datetime, until: datetime | None) -> None:
        """What is due by an index each time; what takes a look at every case as often as it is cheap."""
        loop = asyncio.get_running_loop()
        async with transaction(self._pool) as connection:
            due = await connection.fetchrow("SELECT count(*), min(next_due_at) FROM cases WHERE next_due_at <= $1", now)
            parked = await connection.fetchval("SELECT count(*) FROM parked")
            assert due is not None
            self._metrics.due_backlog.set(due[0])
            self._metrics.oldest_due.set((now - due[1]).total_seconds() if due[1] else 0)
            self._metrics.parked.set(parked)
            if until is not None:
                self._metrics.watermark_age.set((now - until).total_seconds())
            if loop.time() < self._count_next_at:
                return
            begun = loop.time()
            outcomes = await connection.fetch("SELECT first_outcome, count(*) FROM cases WHERE is_opened GROUP BY 1")
            orphans = await count_orphans(connection)
        found = {row[0]: row[1] for row in outcomes}
        for outcome in _OUTCOMES:
            self._metrics.cases.labels(outcome).set(found.get(outcome, 0))
        for reason, count in orphans.items():
            self._metrics.orphaned.labels(reason).set(count)
        self._count_next_at = loop.time() + _PAUSE_PER_SECOND * (loop.time() - begun)
