"""`jalur migrate`: bring every service's tables up to date as their owner, before the services of a release start."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from services.commands import CommandError, DataDir
from services.commands.connect import find_stack, run

app = typer.Typer()


@app.command()
def migrate(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False, data_dir: DataDir = Path(".jalur")) -> None:
    """Apply the migrations that are new, and give the services' roles their rights on what they made. Safe to repeat.

    A service migrates by itself where its role may make tables; where it may not, it waits until this has run.

    Exit codes: 0 up to date, 1 failed.
    """
    from services.commands.access_database import apply_rights
    from shared.postgres import migrate_all

    dsn = find_stack(data_dir, os.environ).dsn()

    async def work() -> tuple[list[str], list[str]]:
        return await migrate_all(dsn), await apply_rights(dsn)

    try:
        applied, changed = run(work())
    except RuntimeError as error:  # a migration that was changed after it was applied
        raise CommandError(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"applied": applied, "rights": changed}))
        return
    for line in (*(f"applied {name}" for name in applied), *changed):
        typer.echo(line)
    if not applied and not changed:
        typer.echo("nothing to do: the database is up to date")
