"""Keeps small counts of oversight matters from being read out of the account, also by subtracting what is shown. Pure.

Oversight matters have rows of their own in every table, and no other row but the sum of all counts them; so only that sum, and the figures
of one row among each other, could give a hidden figure away.
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
        own = [row for row in rows if row.is_oversight]
        if name == "total":
            continue
        for row in own:
            _hide_small(row)
        # Rows that add up to one that is shown hide each other as the figures of one row do.
        while sum(_hide_more(own, total, column) for column in COUNTS + HOURS):
            for row in own:
                _hide_sums(row)
    everything.hidden |= total.hidden
    for rows in tables.values():
        for row in rows:
            row.figures |= dict.fromkeys(row.hidden)


def _hide_small(row: Row) -> None:
    small = {name for name in COUNTS if _least(row, name) < LEAST}
    if "received" in small:
        small = set(COLUMNS)
    elif "finished" in small:
        small |= {*DAYS}
    row.hidden |= small
    _hide_sums(row)


def _hide_sums(row: Row) -> None:
    """As many figures as it takes that those hidden could be anything under the limit; the smallest go first, and the sum itself last."""
    while True:
        for whole, *parts in _SUMS:
            shown = [name for name in parts if name not in row.hidden]
            hidden = [name for name in parts if name in row.hidden]
            if whole not in row.hidden and hidden and sum(_least(row, name) for name in hidden) < LEAST:
                row.hidden |= {min(reversed(shown), key=lambda name: _least(row, name)) if shown else whole}
                break
            if whole in row.hidden and not hidden:
                row.hidden |= {min(reversed(shown), key=lambda name: _least(row, name))}
                break
        else:
            return


def _hide_more(rows: Sequence[Row], total: Row, column: str) -> bool:
    hidden = [row for row in rows if column in row.hidden]
    shown = [row for row in rows if column not in row.hidden]
    if column in total.hidden or not hidden or not shown or sum(_least(row, column) for row in hidden) >= LEAST:
        return False
    min(shown, key=lambda row: _least(row, column)).hidden |= {column}
    return True


def _least(row: Row, name: str) -> float:
    figure = row.figures[name]
    return figure[0] if figure is not None else 0.0
