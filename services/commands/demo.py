"""`jalur demo`: a stack of its own in a throw-away directory, a story told on it, and nothing left behind."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import CommandError
from services.commands.connect import USAGE, Stack, find_stack, run

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()
START_SECONDS = 120.0
STOP_SECONDS = 60.0
_BIG = ("kafka", "postgres")


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Do not remove the directory; `jalur up --data-dir` starts on it again.")] = False,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="A new or empty directory instead of a temporary one.")] = None,
) -> None:
    """Show the whole path on real Kafka and PostgreSQL, checking each step, in a throw-away directory.

    It starts a stack of its own and stops it again, whatever else runs on this machine and whatever JALUR_* names.

    Exit codes: 0 all held, 1 something did not (its logs are kept and named), 2 wrong usage, 130 Ctrl-C.
    """
    from rich.console import Console

    from services.commands.demo_story import tell

    console = Console(highlight=False)
    began = time.monotonic()
    with _ended_by_signals(), _throw_away(data_dir, keep) as directory:
        with _running(directory, console) as stack:
            run(tell(stack, directory, console))
            console.print("\n[dim]stopping[/]")
        console.print(f"[bold green]all held[/] after {time.monotonic() - began:.0f} s" + (f"; kept in {directory}" if keep else ""))


@contextmanager
def _throw_away(data_dir: Path | None, keep: bool) -> Iterator[Path]:
    """An empty directory that is gone afterwards. Where something failed its logs stay, and the error says where."""
    if data_dir is None:
        directory = Path(tempfile.mkdtemp(prefix="jalur-demo-"))
    else:
        directory = data_dir.absolute()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            is_empty = not any(directory.iterdir())
        except OSError as error:
            raise CommandError(f"cannot use {directory}: {error.strerror}") from None
        if not is_empty:
            raise CommandError(f"{directory} is not empty: the demo wants a directory that it may remove", USAGE)
    try:
        yield directory
    except CommandError as error:
        if keep or not (directory / "logs").exists():
            raise
        keep = True
        for name in _BIG:
            shutil.rmtree(directory / name, ignore_errors=True)
        raise CommandError(f"{error}; logs: {directory / 'logs'}", error.exit_code) from None
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _running(directory: Path, console: "Console") -> Iterator[Stack]:
    """`jalur up` with a clock that can be set, as a child that is stopped at the end and does not outlive this process."""
    from deploy.local.datadir import DataDirectory
    from deploy.local.errors import StackError
    from deploy.local.processes import spawn

    environment = {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")}
    command = [sys.executable, "-m", "services.cli", "up", "--settable-clock", "--data-dir", str(directory)]
    log = DataDirectory(directory).log("stack")
    began = time.monotonic()
    child = spawn("the stack", command, log=log, environment=environment, last_signal=signal.SIGTERM)
    try:
        with console.status("starting PostgreSQL, Kafka and the three services"):
            try:
                child.await_ready(lambda: _was_ready(directory), START_SECONDS)
            except StackError as error:
                raise CommandError(str(error)) from None
        console.print(
            f"PostgreSQL, Kafka and three services run after {time.monotonic() - began:.0f} s, in [dim]{directory}[/]", soft_wrap=True
        )
        yield find_stack(directory, environment)
    finally:
        with _uninterrupted():
            child.stop(timeout_seconds=STOP_SECONDS)


def _was_ready(directory: Path) -> bool:
    from deploy.local import state
    from deploy.local.datadir import DataDirectory

    known = state.read(DataDirectory(directory).state)
    return known is not None and known.was_ready


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: through everything that cleans up."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """While the stack is being stopped, which takes seconds, another Ctrl-C must not leave half of it running."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
