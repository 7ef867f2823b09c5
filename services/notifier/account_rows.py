"""The rows of the quarterly account: what they count, and how they add up. Pure; what must not be shown is `account_oversight.py`'s."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from services.notifier.account_case import View

Dimension = Literal["total", "unit", "kanwil", "class", "channel"]
DIMENSIONS: tuple[Dimension, ...] = ("total", "unit", "kanwil", "class", "channel")

# received = history + finished + open + passed_on + not_pursued (a reopened report that came in finished is counted twice);
# finished = in time + late, where its class has a limit.
COUNTS = (
    "received", "history", "verified_in_time", "verified_late", "followed_up_in_time", "followed_up_late",
    "finished", "finished_in_time", "finished_late", "reopened", "returned", "returned_late", "passed_on", "not_pursued",
    "open", "overdue",
)  # fmt: skip
# Counts of which only bounds may be known.
BOUNDED = frozenset(name for name in COUNTS if name.endswith(("_in_time", "_late")) and name != "returned_late") | {"overdue"}
DAYS = ("median_days", "p90_days")
HOLDERS = ("unit", "triage", "router", "reporter", "source")
HOURS = tuple(f"hours_{holder}" for holder in HOLDERS)
COLUMNS = (*COUNTS, *DAYS, *HOURS)

Figure = tuple[float, float]
"""At least and at most; both are one where it is known."""


@dataclass(slots=True)
class Row:
    """A line of a table. A figure is None where there is nothing to measure, or where it is in `hidden`, which must not be shown."""

    key: str
    is_oversight: bool
    figures: dict[str, Figure | None]
    hidden: frozenset[str] = frozenset()


@dataclass(slots=True)
class Tally:
    """The sum of what cases add to a row; its size does not grow with their number."""

    counts: dict[str, list[int]] = field(default_factory=lambda: {name: [0, 0] for name in COUNTS})
    days: tuple[Counter[int], Counter[int]] = field(default_factory=lambda: (Counter(), Counter()))
    used: dict[str, float] = field(default_factory=lambda: dict.fromkeys(HOLDERS, 0.0))

    def add(self, view: View) -> None:
        for name, (low, high) in view.counts.items():
            self.counts[name][0] += low
            self.counts[name][1] += high
        if view.days is not None:
            for counter, days in zip(self.days, view.days, strict=True):
                counter[days] += 1
        for holder, seconds in view.used.items():
            self.used[holder] += seconds

    def merge(self, other: "Tally") -> None:
        for name, (low, high) in other.counts.items():
            self.counts[name][0] += low
            self.counts[name][1] += high
        for counter, more in zip(self.days, other.days, strict=True):
            counter.update(more)
        for holder, seconds in other.used.items():
            self.used[holder] += seconds

    @property
    def answered(self) -> int:
        return self.days[0].total()

    def row(self, key: str, is_oversight: bool) -> Row:
        figures: dict[str, Figure | None] = {name: (low, high) for name, (low, high) in self.counts.items()}
        low_days, high_days = (sorted(counter.elements()) for counter in self.days)
        figures["median_days"] = (float(median(low_days)), float(median(high_days))) if low_days else None
        figures["p90_days"] = (float(_nearest(low_days, 90)), float(_nearest(high_days, 90))) if low_days else None
        for holder in HOLDERS:
            hours = round(self.used[holder] / 3600, 1)
            figures[f"hours_{holder}"] = (hours, hours)
        return Row(key, is_oversight, figures)


def _nearest(values: list[int], percent: int) -> int:
    """The least value that so many of a hundred do not exceed (nearest rank)."""
    return values[max(0, -(-percent * len(values) // 100) - 1)]


def shares(figures: Mapping[str, Figure | None]) -> dict[str, float] | None:
    """Who used the time, as parts of 1; None where nobody used any, or where it must not be shown."""
    hours = {holder: figures[f"hours_{holder}"] for holder in HOLDERS}
    used = {holder: figure[0] for holder, figure in hours.items() if figure is not None}
    total = sum(used.values())
    return {holder: value / total for holder, value in used.items()} if total and len(used) == len(HOLDERS) else None
