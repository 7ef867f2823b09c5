"""`jalur classify`: texts in, judgements out; for trying a rule set and for other systems. Needs no running stack and keeps nothing."""

import codecs
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from services.commands.connect import REFUSED

if TYPE_CHECKING:
    from services.router.classification import Classified

app = typer.Typer()
Rules = Annotated[Path | None, typer.Option("--rules", help="A folder with a rule set instead of the one that comes with Jalur.")]
# Intake takes no longer one.
_LONGEST_LINE = 1_000_000


@app.command()
def classify(
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, also on a terminal.")] = False, rules: Rules = None
) -> None:
    """Judge the JSON lines of stdin, {"id", "title", "text"} each, and print one line for each, in their order.

    A line that cannot be read is answered by {"id", "problem"} and the others go on. Without an id a line is known by its number.
    Exit codes: 0 all judged, 4 some lines could not be read.
    """
    from services.commands.router import load

    judge, directory = load(rules)
    from services.router.classification import classify

    is_readable = not jsonl and sys.stdout.isatty()
    refused = 0
    for number, line in _lines(sys.stdin.buffer):
        given, problem = _read(line)
        id_ = given.get("id", number)
        if problem:
            refused += 1
            _print(json.dumps({"id": id_, "problem": f"line {number}: {problem}"}))
            continue
        found = classify(judge, directory, given.get("title") or "", given.get("text") or "")
        _print(_sentence(id_, found) if is_readable else json.dumps(found.to_line(id_)))
    if refused:
        raise typer.Exit(REFUSED)


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Those that are not blank, with their numbers; of one that is too long only so much that it shows."""
    number = 0
    while line := stream.readline(_LONGEST_LINE + 3):
        number += 1
        rest = line
        while len(rest) == _LONGEST_LINE + 3 and not rest.endswith(b"\n"):
            rest = stream.readline(_LONGEST_LINE + 3)
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.strip() or len(line) > _LONGEST_LINE:
            yield number, line


def _read(line: bytes) -> tuple[dict[str, Any], str]:
    if len(line.rstrip(b"\r\n")) > _LONGEST_LINE:
        return {}, f"is longer than {_LONGEST_LINE} bytes"
    try:
        given = json.loads(line.decode("utf-8"))
        json.dumps(given, allow_nan=False)  # Python also reads and writes NaN and Infinity, which others refuse
    except UnicodeDecodeError:
        return {}, "is not UTF-8"
    except (ValueError, RecursionError):
        return {}, "is no JSON"
    if not isinstance(given, dict):
        return {}, 'is no JSON object: {"id", "title", "text"}'
    for name in ("title", "text"):
        if not isinstance(given.get(name), str | None):
            return given, f"{name!r} is no text"
    if not ((given.get("title") or "").strip() or (given.get("text") or "").strip()):
        return given, "has neither title nor text"
    return given, ""


def _sentence(id_: Any, found: "Classified") -> str:
    doubt = "" if found.unit != "triage" else f" (perhaps {found.top})"
    line = f"{id_}  {found.unit}{doubt}  {found.confidence:.2f}  {found.class_}  {found.desk or ''}  {'; '.join(found.reasons[:3])}"
    return line if line.isprintable() else json.dumps(line)[1:-1]  # what somebody else wrote must not command the terminal
