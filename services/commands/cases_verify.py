"""`jalur cases verify`: proves the timelines, line by line, and that the facts in them make the cases that are stored."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import Stack, database, find_stack, run
from services.commands.known_cases import complaint_of, load_clockwork

if TYPE_CHECKING:
    from services.notifier.case_reading import StoredCase
    from services.notifier.domain import Setting

app = typer.Typer()
_PAGE = 200


@dataclass
class Verified:
    cases: int = 0
    lines: int = 0
    erased: int = 0
    broken: list[tuple[UUID, str]] = field(default_factory=list)


@app.command()
def verify(
    complaint: Annotated[str | None, typer.Argument(help="Only this one; without it all of them.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Prove that no line of a timeline was changed, taken out or added, and that each case is what its facts say. Changes nothing.

    A text that was erased is counted, not broken: its line holds without it, and a later line says so.

    Exit codes: 0 all hold, 1 some are broken (each is named with its line), or failed, 2 wrong usage.
    """
    chosen = complaint_of(complaint) if complaint is not None else None
    found = run(_verify(find_stack(data_dir, os.environ), chosen, as_json))
    if as_json:
        broken = [{"complaint_id": str(complaint_id), "what": what} for complaint_id, what in found.broken]
        typer.echo(json.dumps({"cases": found.cases, "lines": found.lines, "erased": found.erased, "broken": broken}))
    else:
        count = len({complaint_id for complaint_id, _ in found.broken})
        erased = f", {found.erased} texts erased" if found.erased else ""
        typer.echo(f"{found.cases} cases, {found.lines} lines: " + (f"{count} broken" if count else "all hold") + erased, err=True)
    if found.broken:
        raise typer.Exit(FAILED)


async def _verify(stack: Stack, complaint_id: UUID | None, as_json: bool) -> Verified:
    from services.notifier.case_reading import find_case, find_strays, read_cases
    from services.notifier.domain import Setting
    from services.notifier.timeline import count_erased
    from shared.postgres import read_clock

    found = Verified()

    def look(stored: "StoredCase", setting: "Setting") -> None:
        found.cases += 1
        found.lines += len(stored.lines)
        found.erased += count_erased(stored.lines)
        say(stored.id, faults_of(stored, setting))

    def say(broken: UUID, faults: list[str]) -> None:
        for fault in faults:
            found.broken.append((broken, fault))
            if not as_json:
                typer.echo(f"{broken}  {fault}")

    def say_strays(strays: list[UUID]) -> None:
        for stray in strays:
            say(stray, ["its lines are there, but the case that names their last one is not"])

    async with database(stack, "notifier") as connection:
        setting = Setting(load_clockwork(), await read_clock(connection))
        if complaint_id is not None:
            stored = await find_case(connection, complaint_id)
            if stored is None:
                raise CommandError(f"the notifier has no case of {complaint_id}")
            look(stored, setting)
            return found
        last: UUID | None = None
        async for page in read_cases(connection, _PAGE):
            for stored in page:
                look(stored, setting)
            say_strays(await find_strays(connection, last, page[-1].id))
            last = page[-1].id
        say_strays(await find_strays(connection, last, None))
    return found


def faults_of(stored: "StoredCase", setting: "Setting") -> list[str]:
    """What is wrong with a case; where its lines are broken, what they would make of it says nothing more."""
    from services.notifier.domain import revive
    from services.notifier.proof import chain_fault, life_faults

    fault = chain_fault(stored.lines, stored.row["entries"], stored.row["head"])
    if fault is not None:
        return [fault]
    if not stored.row["is_opened"]:
        return []  # nothing is known of it but that somebody named it
    try:
        case = stored.read()
    except ValueError as error:
        return [str(error)]
    revive(case, setting)
    return life_faults(case, dict(stored.row))
