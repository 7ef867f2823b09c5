"""Keeps small counts of oversight matters from being read out of the account, also by subtracting what is shown. Pure.

Oversight matters have rows of their own in every table, and no other row but the sum of all counts them; so nothing shown but that sum, and
the figures of one row among each other, can give a hidden figure away.
"""

from collections.abc import Mapping, Sequence

from services.notifier.account_rows import COLUMNS, COUNTS, DAYS, HOURS, Dimension, Row

LEAST = 5
"""A count of oversight matters under this is not shown."""

# Figures of a row of which one follows from the others.
_SUMS = (
    ("received", "history", "finished", "open", "passed_on", "not_pursued"),
    ("finished", "finished_in_time", "finished_late"),
)  # fmt: skip


def hide(tables: Mapping[Dimension, list[Row]]) -> None:
    """Takes out of the tables what must not be shown. `tables["total"]` has the rows `ordinary`, `oversight` and `all`."""
    total = next(row for row in tables["total"] if row.key == "oversight")
    everything = next(row for row in tables["total"] if row.key == "all")
    _hide_small(total)
    for name, rows in tables.items():
        if name == "total":
            continue
        own = [row for row in rows if row.is_oversight]
        for row in own:
            _hide_small(row)
        # Rows that add up to one that is shown: a single hidden one among them follows from the others.
        while any(_hide_second(own, total, column) for column in COUNTS + HOURS):
            for row in own:
                _hide_sums(row)
    _take(everything, total.hidden)


def _hide_small(row: Row) -> None:
    small = {name for name in COUNTS if (figure := row.figures[name]) is not None and figure[0] < LEAST}
    if "received" in small:
        small = set(COLUMNS)
    elif "finished" in small:
        small |= {*DAYS}
    _take(row, frozenset(small))
    _hide_sums(row)


def _hide_sums(row: Row) -> None:
    while True:
        for names in _SUMS:
            shown = [name for name in names if name not in row.hidden]
            if len(shown) == len(names) - 1:
                _take(row, frozenset({min(shown, key=lambda name: (row.figures[name] or (0.0, 0.0))[1])}))
                break
        else:
            return


def _hide_second(rows: Sequence[Row], total: Row, column: str) -> bool:
    hidden = [row for row in rows if column in row.hidden]
    shown = [row for row in rows if column not in row.hidden]
    if column in total.hidden or len(hidden) != 1 or not shown:
        return False
    _take(min(shown, key=lambda row: (row.figures[column] or (0.0, 0.0))[1]), frozenset({column}))
    return True


def _take(row: Row, names: frozenset[str]) -> None:
    row.hidden |= names
    for name in names:
        row.figures[name] = None
