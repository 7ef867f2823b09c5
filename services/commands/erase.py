"""`jalur erase`: erase what was written of a complaint, with a proof; hold what must not be erased; list what was."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from typer.core import TyperGroup

from services.commands import CommandError, DataDir
from services.commands.connect import REFUSED, USAGE, Stack, database, find_stack, run
from services.commands.erasing import REASONS, Erasure, Reason, Refused, erase, hold
from services.commands.known_cases import complaint_of, load_clockwork

if TYPE_CHECKING:
    from shared.topics import Topics

_LONGEST_REASON = 300
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Complaint = Annotated[str, typer.Argument(help="The complaint's id.")]
Why = Annotated[str, typer.Option("--reason", help="Who asks for it, and by which file number. No names.")]


class _ByComplaint(TyperGroup):
    """`jalur erase COMPLAINT` is `jalur erase complaint COMPLAINT`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["complaint", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ByComplaint,
    help="Erase what was written of a complaint and who reported it (UU 27/2022): jalur erase COMPLAINT --reason REASON.",
    no_args_is_help=True,
)


@app.command()
def complaint(
    complaint: Complaint,
    reason: Annotated[Reason, typer.Option("--reason", help=f"By which right: {', '.join(REASONS)}.")],
    is_open_too: Annotated[bool, typer.Option("--open", help="Also a case that has not ended: its unit is left with its ids.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Erase one complaint's words in every table, in one transaction, and prove it. What the law keeps stays and is listed.

    The case, its deadlines and the account of its time stay as they were. A second time there is nothing left to erase.

    Exit codes: 0 erased, now or before; 1 failed; 2 wrong usage; 4 refused: held, still open, on its way, or words within its lines.
    """
    stack = find_stack(data_dir, os.environ)
    topics = topics_of(stack)
    try:
        done = run(_erase(stack, complaint_of(complaint), reason, topics, is_open_too))
    except Refused as refusal:
        raise CommandError(str(refusal), REFUSED) from None
    proof = done.to_json(topics)
    if as_json:
        typer.echo(json.dumps(proof))
    else:
        show(proof)


@app.command("hold")
def hold_(complaint: Complaint, reason: Why, as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """Keep a complaint from being erased, by hand and by the nightly job: a court or the inspectorate needs it. Twice changes nothing.

    Exit codes: 0 held, 1 failed, 2 wrong usage.
    """
    _hold(complaint, reason, as_json, data_dir, is_held=True)


@app.command()
def release(complaint: Complaint, reason: Why, as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """Let a held complaint be erased again when its time comes. Twice changes nothing.

    Exit codes: 0 not held, 1 failed, 2 wrong usage.
    """
    _hold(complaint, reason, as_json, data_dir, is_held=False)


@app.command("list")
def list_(data_dir: DataDir = Path(".jalur")) -> None:
    """Print what was ever erased, one id a line: keep it beside the backups, for jalur restore --erased.

    Exit codes: 0 printed, 1 failed.
    """
    for complaint_id in run(_list(find_stack(data_dir, os.environ))):
        typer.echo(str(complaint_id))


def _hold(complaint: str, reason: str, as_json: bool, data_dir: Path, *, is_held: bool) -> None:
    complaint_id = complaint_of(complaint)
    if not reason.strip() or len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise CommandError(f"--reason is one line of at most {_LONGEST_REASON} characters", USAGE)
    is_new = run(_say_held(find_stack(data_dir, os.environ), complaint_id, reason.strip(), is_held))
    if as_json:
        typer.echo(json.dumps({"complaint_id": str(complaint_id), "is_held": is_held, "is_new": is_new}))
    else:
        typer.echo(f"{complaint_id} is {'' if is_new else 'already '}{'held' if is_held else 'not held'}")


async def _erase(stack: Stack, complaint_id: UUID, reason: str, topics: "Topics", is_open_too: bool) -> Erasure:
    from services.commands.dead_replays import operator

    clockwork = load_clockwork()
    async with database(stack) as connection:
        return await erase(
            connection, complaint_id, reason, topics=topics, clockwork=clockwork, operator=operator(), is_open_too=is_open_too
        )


async def _say_held(stack: Stack, complaint_id: UUID, reason: str, is_held: bool) -> bool:
    from services.commands.dead_replays import operator

    async with database(stack) as connection:
        return await hold(connection, complaint_id, reason, operator(), is_held=is_held)


async def _list(stack: Stack) -> list[UUID]:
    from services.commands.erasure_list import list_erased

    async with database(stack) as connection:
        return await list_erased(connection)


def topics_of(stack: Stack) -> "Topics":
    from shared.topics import Topics

    return Topics(replace(stack, kafka=stack.kafka or "not-asked:9092").settings().namespace)


def _family(topic: str) -> str:
    """A topic of each unit or service, as one."""
    from shared.topics import SERVICES
    from shared.units import UNIT_SLUGS

    begin, _, last = topic.rpartition(".")
    return f"{begin}.*" if last in (*UNIT_SLUGS, *SERVICES) else topic


def show(proof: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    if proof["erased_at"] is None:
        when = f"; erased {proof['earlier'][-1]}" if proof["earlier"] else ""
        console.print(f"{proof['complaint_id']}: nothing left to erase{when}")
    else:
        table = Table("table", "rows", box=None)
        for name, count in proof["removed"].items():
            table.add_row(name, str(count))
        console.print(f"{proof['complaint_id']}: erased {proof['erased_at']} ({proof['reason']}); looked again: 0 rows with words left")
        console.print(table)
    console.print("\nkept:")
    for line in proof["kept"]:
        console.print(f"- {line}")
    console.print("\nKafka's copies are gone:")
    for until in sorted(set(proof["kafka"].values())):
        names = {_family(name) for name, at in proof["kafka"].items() if at == until}
        console.print(f"- {until}: {', '.join(sorted(names))}")
    console.print(f"\nbackups: {proof['backups']}")
