"""`jalur import` and `jalur send`: a file's reports through intake's door, line by line, safe to repeat."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Annotated

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import REFUSED, Stack, find_stack
from services.commands.door import WINDOW, Answer, Door, need_key
from services.commands.reporting import Reporter, reporting

app = typer.Typer()
Key = Annotated[str | None, typer.Option("--key", envvar="JALUR_KEY", help="An API key of a source: jalur keys add source:lapor.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, and a summary at the end.")]


@app.command()
def send(
    file: Annotated[str, typer.Argument(metavar="FILE.jsonl", help="A submission a line, as POST /v1/complaints takes it; - is stdin.")],
    key: Key = None,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Send reports from a file, one a line.

    A line's Idempotency-Key comes from the whole file's contents and the line's number: the same file again doubles nothing. A file
    that was added to is another file; give its reports a source_ref where that can happen. While intake is away it is asked again.

    Exit codes: 0 all taken, 1 failed, 2 wrong usage, 4 some lines were refused (the others are taken), 130 Ctrl-C.
    """
    token = need_key(key)
    stack = find_stack(data_dir, os.environ)
    with _opened(file) as (content, digest, total), reporting(f"send {file}", total, as_json) as report:
        with opened_door(stack, token, report) as door:
            for first, window in _windows(content):
                _send_window(door, report, first, window, f"file-{digest[:40]}-{first}")
        report.summary(file=file)
    if report.counts["refused"]:
        raise typer.Exit(REFUSED)


def _send_window(door: Door, report: Reporter, first: int, window: list[bytes], idempotency_key: str) -> None:
    def place_of(answer: Answer) -> int | None:
        return answer["line"] - 1 if isinstance(answer.get("line"), int) else None

    for place, answer in door.post("/v1/complaints/batch", window, place_of, idempotency_key):
        number, problem = first + place, answer.get("problem")
        if problem is None:
            report.result("taken", {"line": number, "id": answer["id"]}, f"line {number:>5}\t{answer['id']}")
        else:
            report.result("refused", {"line": number, "problem": problem}, f"line {number:>5}\t{reason_of(problem)}")
        report.step()


@contextmanager
def opened_door(stack: Stack, token: str, report: Reporter) -> Iterator[Door]:
    import httpx

    timeout = httpx.Timeout(30.0, connect=5.0)
    with httpx.Client(base_url=stack.intake_url(), timeout=timeout, trust_env=False) as client:
        yield Door(client, token, report.waits)


def reason_of(problem: Answer) -> str:
    return f"{problem.get('detail') or problem.get('title')} ({problem.get('status')})"


@contextmanager
def _opened(name: str) -> Iterator[tuple[IO[bytes], str, int]]:
    """(content, sha256 as hex, lines that are not blank). stdin is kept in a temporary file: it is read twice."""
    with ExitStack() as files:
        try:
            if name == "-":
                content: IO[bytes] = files.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(sys.stdin.buffer, content)
                content.seek(0)
            else:
                content = files.enter_context(Path(name).open("rb"))
            digest, total = hashlib.sha256(), 0
            for line in content:
                digest.update(line)
                total += bool(line.strip())
            content.seek(0)
        except OSError as error:
            raise CommandError(f"cannot read {name}: {error.strerror}", FAILED) from None
        yield content, digest.hexdigest(), total


def _windows(content: IO[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """(number of the first line, lines without their ends)."""
    first = 1
    while window := [line.rstrip(b"\r\n") for line in islice(content, WINDOW)]:
        yield first, window
        first += len(window)
