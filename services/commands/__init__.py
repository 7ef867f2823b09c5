"""The sub-commands of `jalur`: what they have in common. Each module holds one group and imports what is heavy only when it runs."""

from pathlib import Path
from typing import Annotated

import typer

FAILED = 1
NOT_READY = 3

DataDir = Annotated[Path, typer.Option("--data-dir", envvar="JALUR_DATA", help="Where the stack on this machine keeps its data.")]
"""Give it the default `Path(".jalur")`."""


class CommandError(typer.TyperException):
    """Ends a command: one line on stderr and this exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
