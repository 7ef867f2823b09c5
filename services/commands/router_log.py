"""`jalur router diff`, `activate`, `export-feedback`: the decision log asked by a person, and the one change that a person may make."""

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import REFUSED, Stack, database, find_stack, run
from services.commands.router import load, load_files

if TYPE_CHECKING:
    from services.router.comparison import Comparison
    from services.router.judgement import Judge
    from shared.units import UnitDirectory

app = typer.Typer()
Candidate = Annotated[Path, typer.Option("--candidate", help="A folder with a whole rule set, as `jalur router train` writes it.")]
Last = Annotated[int, typer.Option("--last", min=1, max=100_000, help="So many of the newest decisions that the router took itself.")]


@app.command()
def diff(
    candidate: Candidate,
    last: Last = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts, with the complaints' ids.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Judge the decision log again with other rules or another model, and show who would move where. Changes nothing.

    Exit codes: 0 compared, 1 failed (a rule set that cannot be read is refused here too).
    """
    found = run(_compare(find_stack(data_dir, os.environ), *load(candidate), last))
    if as_json:
        moves = [
            {"complaint_id": str(m.complaint_id), "before": m.before, "after": m.after, "confidence": m.confidence} for m in found.moves
        ]
        typer.echo(json.dumps({"candidate": found.candidate, "judged": found.judged, "share": found.share, "moves": moves}))
        return
    _show(found)


@app.command()
def activate(
    candidate: Annotated[
        Path | None, typer.Option("--candidate", help="A folder with a whole rule set; without it the packaged one comes back.")
    ] = None,
    last: Last = 1000,
    confirm: Annotated[bool, typer.Option("--confirm", help="Activate although more of the log would move than the limit allows.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Put a rule set in force on every router within seconds. What was decided stays decided.

    Refused where more than 5 % of the last decisions would move, unless confirmed; a set that cannot be read is refused whole.
    Exit codes: 0 in force, 1 failed, 4 refused because too much would move.
    """
    found = run(_activate(find_stack(data_dir, os.environ), candidate, last, confirm))
    _show(found)
    if found.is_large and not confirm:
        typer.echo("not activated: read who would move (jalur router diff --json), then repeat with --confirm", err=True)
        raise typer.Exit(REFUSED)
    typer.echo(f"in force on every router within seconds: {found.candidate}")


@app.command("export-feedback")
def export_feedback(
    out: Annotated[str, typer.Option("--out", help="A file for the rows; - writes to stdout.")] = "-", data_dir: DataDir = Path(".jalur")
) -> None:
    """Write what people said where the router erred or asked, as rows for training: {"id", "t", "x", "u", "c", "v"}.

    Exit codes: 0 written, 1 failed.

    Left out whole: oversight matters, and reports with special personal data (UU 27/2022 art. 4). Read the rows before you train on them.
    """
    rows, left_out = run(_lessons(find_stack(data_dir, os.environ)))
    try:
        with nullcontext(sys.stdout) if out == "-" else Path(out).open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row) + "\n")  # ASCII: a line stays one line, and a text cannot command the terminal
    except BrokenPipeError:
        raise  # whoever read our output has enough: the command line ends quietly
    except OSError as error:
        raise CommandError(f"{out}: {error.strerror}", FAILED) from None
    typer.echo(f"{len(rows)} rows; {left_out} left out (special data, oversight, or no label yet)", err=True)


async def _compare(stack: Stack, judge: "Judge", directory: "UnitDirectory", last: int) -> "Comparison":
    from services.router.comparison import compare
    from services.router.log_reading import newest_first_decisions

    ministry = replace(stack, kafka=stack.kafka or "not-asked:9092").settings().ministry
    async with database(stack, "router") as connection:
        rows = await newest_first_decisions(connection, last)
    return compare(rows, judge, directory, ministry)


async def _activate(stack: Stack, candidate: Path | None, last: int, confirm: bool) -> "Comparison":
    from services.router.rule_sets import Activation, add_activation, pack

    # Read once: what is put in force is what was compared, whatever becomes of the folder meanwhile.
    judge, directory, files = load_files(candidate)
    found = await _compare(stack, judge, directory, last)
    if found.is_large and not confirm:
        return found
    content = pack(files) if candidate else None
    async with database(stack, "router") as connection:
        await add_activation(connection, Activation(found.candidate, content, found.judged, len(found.moves), found.is_large))
    return found


async def _lessons(stack: Stack) -> tuple[list[dict[str, str]], int]:
    from services.router.lessons import lesson_of
    from services.router.log_reading import corrected

    rows, left_out = [], 0
    async with database(stack, "router") as connection, connection.transaction(readonly=True):
        async for complaint_id, decisions in corrected(connection):
            row = lesson_of(complaint_id, decisions)
            left_out += row is None
            if row is not None:
                rows.append(row)
    return rows, left_out


def _show(found: "Comparison") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{found.candidate}: {len(found.moves)} of {found.judged} decisions would move ({found.share:.1%})", markup=False)
    if found.moves:
        table = Table("from", "to", "decisions", box=None)
        for (before, after), count in found.counts():
            table.add_row(before, after, str(count))
        console.print(table)
