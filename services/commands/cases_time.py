"""`jalur cases time`: whose turn a case was, and how much working time each used. Changes nothing."""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from services.commands import DataDir
from services.commands.connect import Stack, database, find_stack, run
from services.commands.known_cases import complaint_of, find_known, printable

if TYPE_CHECKING:
    from services.notifier.case import Case
    from services.notifier.clocks import Clockwork
    from services.notifier.ledger import Sum, Used

app = typer.Typer()


@app.command()
def time(
    complaint: Annotated[str, typer.Argument(help="The complaint's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Show whose turn a case was, from when to when, and the working time used by each holder, level of the hierarchy and kind of turn.

    Working time is office time (the midday break is not taken out); days are those that a clock started at the turn's beginning counts.
    Units that have parts of a case at the same time each use their own.

    Exit codes: 0 shown, 1 there is no such case, or failed, 2 wrong usage.
    """
    case, clockwork, now = run(_read(find_stack(data_dir, os.environ), complaint_of(complaint)))
    from services.notifier.ledger import time_used

    used = time_used(case, clockwork, now)
    if as_json:
        typer.echo(json.dumps(to_json(case, used, now)))
    else:
        _show(case, clockwork, used)


async def _read(stack: Stack, complaint_id: UUID) -> tuple["Case", "Clockwork", datetime]:
    from shared.postgres import read_clock

    _, case, clockwork = await find_known(stack, complaint_id)
    async with database(stack, "notifier") as connection:
        return case, clockwork, await read_clock(connection)


def to_json(case: "Case", used: "Iterable[Used]", now: datetime) -> dict[str, Any]:
    """`until` is null where it is still somebody's turn; hours are office hours."""
    used = list(used)
    return {
        "complaint_id": str(case.id),
        "as_of": now.isoformat(),
        "spans": [
            {
                "who": item.span.who,
                "desk": item.span.desk,
                "level": item.span.level,
                "kind": item.span.kind,
                "from": item.span.since.isoformat(),
                "to": item.span.until.isoformat() if item.span.until else None,
                "assignment_id": str(item.span.assignment) if item.span.assignment else None,
                "working_hours": round(item.seconds / 3600, 2),
                "working_days": item.days,
            }
            for item in used
        ],
    } | {
        f"by_{name}": {key: {"working_hours": round(total.seconds / 3600, 2), "working_days": total.days} for key, total in found.items()}
        for name, found in _sums(used).items()
    }


def _sums(used: "Iterable[Used]") -> "dict[str, dict[str, Sum]]":
    from services.notifier.ledger import holder, sums

    used = list(used)
    return {"holder": sums(used, holder), "level": sums(used, lambda span: span.level), "kind": sums(used, lambda span: span.kind)}


def _show(case: "Case", clockwork: "Clockwork", used: "list[Used]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from services.commands.lines import local
    from services.notifier.ledger import place_of

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{case.id}  {case.life.state}", markup=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    turns = Table("from", "to", "who", "level", "what", "office hours", "days", box=None)
    for item in used:
        zone, _ = place_of(case.life, item.span.assignment, clockwork)
        turns.add_row(
            local(item.span.since, zone),
            local(item.span.until, zone) if item.span.until else "still",
            Text(printable(item.span.desk or item.span.who)),
            item.span.level,
            item.span.kind,
            f"{item.seconds / 3600:.1f}",
            str(item.days),
        )
    console.print(turns)
    for name, found in _sums(used).items():
        table = Table(f"by {name}", "office hours", "days", box=None)
        for key, total in found.items():
            table.add_row(Text(printable(key)), f"{total.seconds / 3600:.1f}", str(total.days))
        console.print(table)
