"""`jalur resume`: close a service's open breakers, after a person has seen why they opened."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from services.commands import DataDir
from services.commands.connect import ServiceName, Stack, database, find_stack, run

app = typer.Typer()


@app.command()
def resume(
    service: Annotated[ServiceName, typer.Argument(help="Whose consumer was stopped.")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Let a service read again that stopped because too many records could not be read. Says which of its breakers were open.

    The service notices within a second and goes on where it stopped; what it cannot read becomes dead letters (jalur dead list).

    Exit codes: 0 none is open any more, 1 failed.
    """
    closed = run(_resume(find_stack(data_dir, os.environ), service))
    if as_json:
        typer.echo(json.dumps({"service": service, "closed": closed}))
    elif closed:
        typer.echo(f"{service} reads again: {', '.join(closed)}")
    else:
        typer.echo(f"no breaker of {service} was open")


async def _resume(stack: Stack, service: str) -> list[str]:
    from shared.breaker import resume

    async with database(stack) as connection:
        return await resume(connection, service)
