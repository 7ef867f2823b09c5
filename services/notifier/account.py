"""The quarterly account that the monitoring of SP4N-LAPOR! asks of an agency: cases in, tables out. Pure; cases may be any number.

Counted are the reports received in the quarter, by the calendar day in Jakarta, and apart from them those that were still open when it
began.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from services.notifier.account_case import View, measure
from services.notifier.account_oversight import hide
from services.notifier.account_rows import DIMENSIONS, Dimension, Row, Tally
from services.notifier.case import Case
from services.notifier.clocks import Clockwork
from shared.events import ComplaintClass
from shared.units import UNIT_SLUGS

Group = Literal["received", "carried_over"]
GROUPS: tuple[Group, ...] = ("received", "carried_over")
ZONE = ZoneInfo("Asia/Jakarta")
_QUARTER = re.compile(r"([0-9]{4})Q([1-4])")
Key = tuple[str, bool]

# Rows that always stand there, so that a missing one tells nothing.
_ALWAYS: dict[Dimension, tuple[Key, ...]] = {
    "total": (),
    "unit": tuple((unit, unit == "itjen") for unit in UNIT_SLUGS),
    "kanwil": (("oversight", True),),
    "class": tuple((name, name == "pengaduan_pengawasan") for name in get_args(ComplaintClass)),
    "channel": (("oversight", True),),
}


@dataclass(frozen=True, slots=True)
class Quarter:
    """[start, end), from midnight to midnight in Jakarta."""

    year: int
    number: int

    @property
    def start(self) -> datetime:
        return datetime(self.year, 3 * self.number - 2, 1, tzinfo=ZONE).astimezone(UTC)

    @property
    def end(self) -> datetime:
        year, month = divmod(12 * self.year + 3 * self.number, 12)
        return datetime(year, month + 1, 1, tzinfo=ZONE).astimezone(UTC)

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"


def read_quarter(text: str) -> Quarter:
    """ValueError says how a quarter is written."""
    found = _QUARTER.fullmatch(text.strip().upper())
    if found is None or not 2000 <= int(found[1]) <= 2100:
        raise ValueError(f"{text[:20]!r} is no quarter: write the year, a Q and 1 to 4, as 2026Q3")
    return Quarter(int(found[1]), int(found[2]))


class Account:
    """Adds up cases one by one."""

    def __init__(self, quarter: Quarter, as_of: datetime, clockwork: Clockwork) -> None:
        self.quarter, self.as_of, self.clockwork = quarter, as_of, clockwork
        self._tallies: dict[Group, dict[Dimension, dict[Key, Tally]]] = {
            group: {name: {key: Tally() for key in keys} for name, keys in _ALWAYS.items()} for group in GROUPS
        }

    def add(self, case: Case) -> bool:
        """Whether it belongs to the account. The case's facts are all that is needed of it."""
        found = measure(case, self.clockwork, self.as_of)
        if found is None or found.reported_at >= self.quarter.end:
            return False
        group: Group = "received" if found.reported_at >= self.quarter.start else "carried_over"
        if group == "carried_over" and not found.was_open_at(self.quarter.start):
            return False
        is_oversight = found.is_oversight
        self._add(group, "total", ("oversight" if is_oversight else "ordinary", is_oversight), found.whole)
        for unit, view in found.units.items():
            self._add(group, "unit", (unit, is_oversight), view)
        for kanwil in found.kanwil:
            self._add(group, "kanwil", (kanwil, is_oversight), found.whole)
        self._add(group, "class", (found.class_, is_oversight), found.whole)
        self._add(group, "channel", ("oversight" if is_oversight else found.channel, is_oversight), found.whole)
        return True

    def _add(self, group: Group, dimension: Dimension, key: Key, view: View) -> None:
        self._tallies[group][dimension].setdefault(key, Tally()).add(view)

    def tables(self, group: Group) -> dict[Dimension, list[Row]]:
        """Rows in order, without what must not be shown of oversight matters."""
        tallies = self._tallies[group]
        ordinary, oversight = (tallies["total"].get(key, Tally()) for key in (("ordinary", False), ("oversight", True)))
        everything = Tally()
        everything.merge(ordinary)
        everything.merge(oversight)
        found: dict[Dimension, list[Row]] = {
            "total": [ordinary.row("ordinary", False), oversight.row("oversight", True), everything.row("all", False)]
        }
        for dimension in DIMENSIONS[1:]:
            rows = tallies[dimension]
            always = [key for key, _ in _ALWAYS[dimension]]
            order = sorted(rows, key=lambda key: (key[1], always.index(key[0]) if key[0] in always else len(always), key[0]))
            found[dimension] = [rows[key].row(*key) for key in order]
        hide(found)
        # That such a row stands there at all would tell that it is not empty.
        for dimension, rows_ in found.items():
            found[dimension] = [
                row
                for row in rows_
                if not (row.is_oversight and "received" in row.hidden) or dimension == "total" or (row.key, True) in _ALWAYS[dimension]
            ]
        return found
