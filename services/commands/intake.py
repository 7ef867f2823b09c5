"""`jalur import` and `jalur send`: a file's reports through intake's door, line by line, safe to repeat."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import REFUSED, Stack, find_stack
from services.commands.door import WINDOW, Answer, Door, need_key
from services.commands.reporting import Reporter, reporting

if TYPE_CHECKING:
    from services.intake.lapor_export import Export, ExportRow

app = typer.Typer()
Key = Annotated[str | None, typer.Option("--key", envvar="JALUR_KEY", help="An API key of a source: jalur keys add source:lapor.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, and a summary at the end.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="An export of the LAPOR! admin panel.")],
    key: Key = None,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Import a LAPOR! Excel export: new reports, history, and what changed since the last export.

    Safe to run twice, and on a newer export: what is known is compared, and what an older export says otherwise is left alone. Where
    the file does not say when it was exported, its modification time is taken and said. The outcome of a row is new, history
    (finished before Jalur saw it), changed, same, older (than what is known) or refused.

    Exit codes: 0 all taken, 1 failed, 2 wrong usage, 4 some rows were refused (the others are taken), 130 Ctrl-C.
    """
    token = need_key(key)
    stack = find_stack(data_dir, os.environ)
    export = _read(file)
    exported_at = export.exported_at or datetime.fromtimestamp(file.stat().st_mtime, UTC)
    if export.exported_at is None:
        typer.echo(f"{file} does not say when it was exported: its modification time is taken, {exported_at.isoformat()}", err=True)
    for note in export.notes:
        typer.echo(f"{file}: {note}", err=True)
    with reporting(f"import {file}", len(export.rows), as_json) as report, opened_door(stack, token, report) as door:
        for bad in export.bad_rows:
            _refused(report, bad.number, None, bad.reason)
        for first in range(0, len(export.rows), WINDOW):
            _import_window(door, report, export.rows[first : first + WINDOW], exported_at)
        said = "sheet" if export.exported_at else "file"
        report.summary(file=str(file), exported_at=exported_at.isoformat(), exported_at_from=said)
    if report.counts["refused"]:
        raise typer.Exit(REFUSED)


def _read(file: Path) -> "Export":
    from services.intake.lapor_export import ForeignFile, read_export

    try:
        return read_export(file)
    except ForeignFile as error:
        raise CommandError(f"{file}: {error}", FAILED) from None
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}", FAILED) from None


def _import_window(door: Door, report: Reporter, rows: Sequence["ExportRow"], exported_at: datetime) -> None:
    places = {row.number: place for place, row in enumerate(rows)}
    lines = [
        json.dumps({"row": row.number, "exported_at": exported_at.isoformat(), "report": row.fields}, ensure_ascii=False).encode()
        for row in rows
    ]

    def place_of(answer: Answer) -> int | None:
        return places.get(answer["row"]) if "row" in answer else _line_of(answer)

    for place, answer in door.post("/v1/imports", lines, place_of):
        row = rows[place]
        if "problem" in answer:
            _refused(report, row.number, row.tracking_id, reason_of(answer["problem"]))
        else:
            found = {"row": row.number, "source_ref": row.tracking_id, **answer, "notes": row.notes}
            said = "; ".join([*answer["changes"], *row.notes])
            report.result(answer["outcome"], found, f"row {row.number:>4}  {row.tracking_id}\t{answer['id']}  {said}".rstrip())
        report.step()


def _refused(report: Reporter, number: int, tracking_id: str | None, reason: str) -> None:
    found = {"row": number, "source_ref": tracking_id, "outcome": "refused", "reason": reason}
    report.result("refused", found, f"row {number:>4}  {tracking_id or '-':<7}\t{reason}")


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
    for place, answer in door.post("/v1/complaints/batch", window, _line_of, idempotency_key):
        number, problem = first + place, answer.get("problem")
        if problem is None:
            report.result("taken", {"line": number, "id": answer["id"]}, f"line {number:>5}\t{answer['id']}")
        else:
            report.result("refused", {"line": number, "problem": problem}, f"line {number:>5}\t{reason_of(problem)}")
        report.step()


def _line_of(answer: Answer) -> int | None:
    return answer["line"] - 1 if isinstance(answer.get("line"), int) else None


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
