"""`jalur report`: the quarterly account, as a table, JSON, CSV, XLSX or an HTML page. Reads the notifier's database and changes nothing."""

import json
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import CommandError, DataDir
from services.commands.connect import USAGE, Stack, database, find_stack, run

if TYPE_CHECKING:
    from rich.table import Table

    from services.commands.report_tables import Report
    from services.notifier.account import Quarter
    from services.notifier.account_rows import Row

app = typer.Typer()

_WIDE, _COLUMN = 216, 17

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)


@app.command()
def report(
    quarter: Annotated[str, typer.Option("--quarter", metavar="2026Q3", help="Reports received in it, by the day in Jakarta.")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts; the names stay.")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE")] = None,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="One page with pictures, for the screen and for A4.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="INSTANT", help="RFC 3339; nothing that happened later counts. Without it: now.")
    ] = None,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Account for a quarter per unit, Kanwil, class and channel, as the monitoring of SP4N-LAPOR! asks.

    Received, verified within 3 working days, followed up within 5, finished within the class's limit, reopened, returned, still open and
    overdue, how long answering took and who used the time; and apart from them the reports that were still open from before. Limits are
    judged by the deadlines as they stand now. Small figures about oversight matters are not shown.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    from services.notifier.account import read_quarter

    try:
        asked, instant = read_quarter(quarter), _instant(as_of) if as_of is not None else None
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    found = run(count(find_stack(data_dir, os.environ), asked, instant))
    if csv is not None or xlsx is not None:
        from services.commands.report_tables import write_csv, write_xlsx

        _write(csv, lambda file: write_csv(found, file))
        _write(xlsx, lambda file: write_xlsx(found, file))
    if html is not None:
        from services.commands.report_page import page
        from shared.units import load_directory

        written = page(found, load_directory())
        _write(html, lambda file: file.write_text(written, encoding="utf-8"))
    if as_json:
        from services.commands.report_tables import to_json

        typer.echo(json.dumps(to_json(found), ensure_ascii=False))
    elif csv is None and xlsx is None and html is None:
        show(found)


def _instant(written: str) -> datetime:
    if not _INSTANT.fullmatch(written):
        raise ValueError(f"--as-of {written[:40]!r} is no instant with an offset, as 2026-10-01T00:00:00+07:00")
    try:
        return datetime.fromisoformat(written.upper())
    except ValueError as error:
        raise ValueError(f"--as-of: {error}") from None


def _write(file: Path | None, write: Callable[[Path], object]) -> None:
    if file is None:
        return
    try:
        write(file)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    typer.echo(f"wrote {file}", err=True)


async def count(stack: Stack, quarter: "Quarter", as_of: datetime | None) -> "Report":
    """Case by case, all as of one moment of the database."""
    from services.commands.known_cases import load_clockwork
    from services.commands.report_tables import Report
    from services.notifier.account import GROUPS, Account
    from services.notifier.account_store import stream_cases
    from shared.postgres import read_clock

    clockwork = load_clockwork()
    async with database(stack, "notifier") as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        now = await read_clock(connection)
        as_of = _checked(quarter, as_of or now, now)
        account = Account(quarter, as_of, clockwork)
        async for case in stream_cases(connection, quarter.start, quarter.end):
            account.add(case)
    return Report(quarter, as_of, clockwork.version, {group: account.tables(group) for group in GROUPS})


def _checked(quarter: "Quarter", as_of: datetime, now: datetime) -> datetime:
    if as_of > now:
        raise CommandError(f"--as-of {as_of.isoformat()} has not come yet", USAGE)
    if as_of < quarter.start:
        raise CommandError(f"{quarter} had not begun at {as_of.isoformat(timespec='minutes')}", USAGE)
    return as_of


def show(found: "Report") -> None:
    """The tables for a person, each in as many pieces as the screen needs; rows without a report are left out."""
    from rich.console import Console

    from services.commands.report_words import COLUMNS, DIMENSIONS, GROUPS, NOTES
    from services.notifier.account import ZONE

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    console.print(f"{found.quarter}, as of {found.as_of.astimezone(ZONE):%Y-%m-%d %H:%M} WIB; deadlines by {found.versions}", markup=False)
    step = max(2, (console.width - 28) // _COLUMN)
    for group, words in GROUPS.items():
        console.print(f"\n{words[1]}", style="bold", markup=False)
        for dimension, rows in found.tables[group].items():
            shown = [row for row in rows if row.hidden or (row.figures["received"] or (0, 0))[0]]
            for first in range(0, len(COLUMNS) + 1 if shown else 0, step):
                console.print(_table(DIMENSIONS[dimension][1].lower(), shown, first, first + step))
    for _, english in NOTES:
        console.print(english, style="dim", markup=False)


def _table(name: str, rows: "list[Row]", first: int, last: int) -> "Table":
    """The columns from `first` to before `last`; after the counted ones comes who used the time."""
    from rich.table import Table
    from rich.text import Text

    from services.commands.known_cases import printable
    from services.commands.report_words import COLUMNS, SHARES, cell, unit_share

    table = Table(box=None, padding=(0, 1))
    table.add_column(name, no_wrap=True, overflow="fold")
    for english in [words[1] for words, _, _ in COLUMNS[first:last]] + ([SHARES[1]] if last > len(COLUMNS) else []):
        table.add_column(english.lower(), justify="right", max_width=_COLUMN - 2)
    for row in rows:
        known = printable(row.key) + (" (oversight)" if row.is_oversight and row.key != "oversight" else "")
        cells = [cell(row, one, other) for _, one, other in COLUMNS[first:last]]
        table.add_row(Text(known), *cells, *([unit_share(row)] if last > len(COLUMNS) else []))
    return table
