"""What a scrape of each service takes while every label that there is has a value: `python -m benchmarks.scrapes`. Needs no stack."""

import random
import statistics
import time
from itertools import product

from prometheus_client import Counter, Gauge, Histogram
from rich.console import Console

from benchmarks.tables import Row, table_of
from shared.metric_table import Table, rows_of
from shared.metrics import IntakeMetrics, NotifierMetrics, RouterMetrics, exposition

_ROUNDS = 20


def filled(metrics: IntakeMetrics | RouterMetrics | NotifierMetrics) -> None:
    """Every series of the service, with figures as long as those of a busy year."""
    for table in (metrics, *(part for part in vars(metrics).values() if isinstance(part, Table))):
        for row in rows_of(type(table)):
            made: Counter | Gauge | Histogram = getattr(table, row.attribute)
            labels = row.metric("").labels
            for values in product(*labels.values()):
                series = made.labels(*values) if labels else made
                number = random.random() * 1e6
                series.observe(number) if isinstance(series, Histogram) else series.inc(number)


def rows() -> list[Row]:
    found: list[Row] = []
    for name, metrics in (("intake", IntakeMetrics()), ("router", RouterMetrics()), ("notifier", NotifierMetrics())):
        filled(metrics)
        taken, worked = [], []
        for _ in range(_ROUNDS):
            begun, begun_to_work = time.perf_counter(), time.process_time()
            text = exposition(metrics.registry)
            taken.append((time.perf_counter() - begun) * 1000)
            worked.append((time.process_time() - begun_to_work) * 1000)
        samples = sum(not line.startswith(b"#") for line in text.splitlines())
        wall, core = statistics.median(taken), statistics.median(worked)
        shown = f"{wall:.1f} ms, {core:.1f} ms of a core; {samples:,} samples, {len(text) / 1024:.0f} KiB"
        found.append((f"scrape of {name}, every label present, median of {_ROUNDS}", shown, "< 50 ms"))
    return found


if __name__ == "__main__":
    Console().print(table_of("scrapes", rows()))
