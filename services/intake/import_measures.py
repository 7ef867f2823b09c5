"""How old the exports are that intake knows, for the metrics. Never dearer than a hundredth of a core of the database."""

import asyncio

from services.intake import known_rows
from shared.metric_table import source_label
from shared.metrics import IntakeMetrics
from shared.postgres import Pool, read_clock, transaction

_PAUSE_PER_SECOND = 100.0  # it takes a look at every row: a second or so at a million of them


class ImportMeasures:
    def __init__(self, pool: Pool, metrics: IntakeMetrics) -> None:
        self._pool = pool
        self._metrics = metrics
        self._next_at = 0.0

    async def step(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._next_at:
            return
        async with transaction(self._pool) as connection:
            begun = loop.time()
            newest = await known_rows.newest_exports(connection)
            taken = loop.time() - begun
            now = await read_clock(connection)  # last: the order in which locks are taken elsewhere
        ages: dict[str, float] = {}
        for source, exported_at in newest.items():
            label, age = source_label(source), max(0.0, (now - exported_at).total_seconds())
            ages[label] = min(age, ages.get(label, age))
        for label, age in ages.items():
            self._metrics.import_age.labels(label).set(age)
        self._next_at = loop.time() + _PAUSE_PER_SECOND * taken
