"""The quarterly account as figures for scripts and spreadsheets: JSON, CSV, XLSX. Writes only the file that it is given."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.notifier.account import GROUPS, Group, Quarter
from services.notifier.account_oversight import LEAST
from services.notifier.account_rows import BOUNDED, COLUMNS, COUNTS, DAYS, HOLDERS, Dimension, Figure, Row, shares

HIDDEN = "*"
"""Stands where a figure about oversight matters is not shown."""

_HAS_BOUNDS = BOUNDED | set(DAYS)
_COMMANDS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NO_CELL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Report:
    """What was counted. `versions`: the policies and the calendar by which the deadlines were worked out."""

    quarter: Quarter
    as_of: datetime
    versions: str
    tables: dict[Group, dict[Dimension, list[Row]]]


def to_json(report: Report) -> dict[str, Any]:
    """Names are stable. What may be known only by its bounds always has `low` and `high`; what is not shown is null, and named."""
    return {
        "quarter": str(report.quarter),
        "from": _utc(report.quarter.start),
        "to": _utc(report.quarter.end),
        "as_of": _utc(report.as_of),
        "versions": report.versions,
        "suppressed_below": LEAST,
    } | {group: {name: [_row(row) for row in rows] for name, rows in report.tables[group].items()} for group in GROUPS}


def _row(row: Row) -> dict[str, Any]:
    figures: dict[str, Any] = {name: _figure(name, row.figures[name]) for name in (*COUNTS, *DAYS)}
    hours = {holder: figure[0] if (figure := row.figures[f"hours_{holder}"]) is not None else None for holder in HOLDERS}
    share = shares(row.figures)
    return (
        {"key": row.key, "is_oversight": row.is_oversight}
        | figures
        | {
            "hours": hours,
            "shares": {holder: round(part, 4) for holder, part in share.items()} if share else None,
            "suppressed": [name for name in COLUMNS if name in row.hidden],
        }
    )


def _figure(name: str, figure: Figure | None) -> Any:
    if figure is None:
        return None
    low, high = figure
    return {"low": low, "high": high} if name in _HAS_BOUNDS else int(low)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def lines(report: Report) -> Iterator[list[str | float | None]]:
    """A header, and one line for each row of each table; two columns where only bounds may be known."""
    names = [part for name in COLUMNS for part in ((f"{name}_low", f"{name}_high") if name in _HAS_BOUNDS else (name,))]
    yield ["group", "table", "key", "is_oversight", *names]
    for group in GROUPS:
        for table, rows in report.tables[group].items():
            for row in rows:
                cells: list[str | float | None] = [group, table, harmless(row.key), "yes" if row.is_oversight else "no"]
                for name in COLUMNS:
                    figure = row.figures[name]
                    width = 2 if name in _HAS_BOUNDS else 1
                    if figure is None:
                        cells += [HIDDEN if name in row.hidden else None] * width
                    else:
                        cells += list(figure[:width])
                yield cells


def harmless(text: str) -> str:
    """A spreadsheet takes a cell that begins with one of these for a command; with an apostrophe before it, for text."""
    text = _NO_CELL.sub("\ufffd", text)
    return f"'{text}" if text.lstrip(" ").startswith(_COMMANDS) else text


def write_csv(report: Report, file: Path) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as opened:  # the mark tells spreadsheets that it is UTF-8
        csv.writer(opened).writerows(lines(report))


def write_xlsx(report: Report, file: Path) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = str(report.quarter)
    for number, cells in enumerate(lines(report), start=1):
        for column, value in enumerate(cells, start=1):
            cell = sheet.cell(number, column, value)
            if isinstance(value, str):
                cell.data_type = "s"  # never a formula
            if number == 1:
                cell.font = Font(bold=True)
                sheet.column_dimensions[get_column_letter(column)].width = max(9, len(str(value)) + 2)
    sheet.freeze_panes = "E2"
    sheet.auto_filter.ref = sheet.dimensions
    notes = book.create_sheet("about")
    for line in (
        ("quarter", str(report.quarter)),
        ("as of", _utc(report.as_of)),
        ("policies and calendar", report.versions),
        (HIDDEN, f"a count of oversight matters under {LEAST}, or one from which such a count would follow"),
    ):
        notes.append(line)
    notes.column_dimensions["A"].width = 24
    book.save(file)
