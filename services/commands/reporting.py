"""How a command that works through a file shows it: a line a result on stdout, a progress bar where somebody looks."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

COLOURS = {"new": "green", "taken": "green", "history": "blue", "changed": "yellow", "same": "dim", "older": "dim", "refused": "red"}


class Reporter:
    """One result after another, counted by outcome."""

    def __init__(self, as_json: bool, what: str, console: "Console", progress: "Progress", task: "TaskID") -> None:
        self.counts: Counter[str] = Counter()
        self._waited_for = ""
        self._as_json, self._what, self._console, self._progress, self._task = as_json, what, console, progress, task

    def result(self, outcome: str, found: dict[str, Any], line: str) -> None:
        """`found` is what a script reads, `line` what a person does; `outcome` stands in both."""
        from rich.text import Text

        self.counts[outcome] += 1
        if self._as_json:
            typer.echo(json.dumps(found, ensure_ascii=False))
        else:
            place, _, rest = line.partition("\t")
            self._console.print(Text(f"{place}  ").append(f"{outcome:<8}", COLOURS.get(outcome, "default")).append(f"  {rest}"))

    def step(self, count: int = 1) -> None:
        self._progress.update(self._task, advance=count, description=self._what)

    def waits(self, reason: str) -> None:
        self._progress.update(self._task, description=f"{self._what}: {reason}; trying again")

    def summary(self, **more: Any) -> None:
        if self._as_json:
            typer.echo(json.dumps({"summary": {**more, **self.counts}}, ensure_ascii=False))
        else:
            said = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.items()) or "nothing in it"
            self._console.print(f"{self._what}: {said}", markup=False)


@contextmanager
def reporting(what: str, total: int | None, as_json: bool) -> Iterator[Reporter]:
    """The bar is drawn only where it can spoil nothing that a script reads, and is gone at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    together = sys.stdout.isatty() and not as_json
    console = Console(highlight=False, soft_wrap=True)
    above = console if together else Console(stderr=True)
    is_shown = above.is_terminal and not (as_json and sys.stdout.isatty())
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=above, transient=True, redirect_stdout=False, redirect_stderr=False, disable=not is_shown) as progress:
        yield Reporter(as_json, what, console, progress, progress.add_task(what, total=total))
