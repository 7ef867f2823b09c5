"""`jalur dead`: the records that a service could not read. Shows them, and sends them again to where they came from when told to."""

import base64
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import USAGE, ServiceName, find_stack, run

if TYPE_CHECKING:
    from shared.envelope import Message
    from shared.settings import Settings

app = typer.Typer(help="Records that a service could not read: show them, send them again.", no_args_is_help=True)
Service = Annotated[ServiceName, typer.Argument(help="Whose dead letters.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter as it lies in Kafka. `headers` are the original record's, `about` says why and where from."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    about: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.partition}:{self.offset}"

    @property
    def origin(self) -> str:
        return self.about.get("x-origin-topic", "")

    def summary(self) -> dict[str, Any]:
        from shared.envelope import complaint_of

        complaint_id = complaint_of(self.key)
        return {
            "at": self.place,
            "failed_at": self.about.get("x-failed-at"),
            "reason": self.about.get("x-dlq-reason"),
            "error": self.about.get("x-dlq-error"),
            "origin": {name: self.about.get(f"x-origin-{name}") for name in ("topic", "partition", "offset")},
            "complaint_id": str(complaint_id) if complaint_id else None,
        }


@app.command("list")
def list_(service: Service, as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """A line a dead letter, oldest first: where it lies, why it is dead, where it came from. Never what stands in it.

    Exit codes: 0 listed, 1 failed.
    """
    letters = run(_letters(find_stack(data_dir, os.environ).settings(), service))
    if as_json:
        typer.echo(json.dumps([letter.summary() for letter in letters]))
        return
    for letter in letters:
        found = letter.summary()
        typer.echo(
            f"{found['at']:<8} {(found['failed_at'] or '-')[:19]}  {found['reason']}  {found['error']}  from {_from(letter)}  "
            f"{found['complaint_id'] or 'no complaint'}"
        )
    typer.echo(f"{len(letters)} dead letters of {service}" if len(letters) != 1 else f"1 dead letter of {service}", err=True)


@app.command()
def show(
    service: Service,
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As in `jalur dead list`.")],
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """One dead letter with its headers and its value as they came; bytes that are not text are shown in base64.

    Exit codes: 0 shown, 1 there is none, or failed, 2 wrong usage.
    """
    (letter,) = _chosen(run(_letters(find_stack(data_dir, os.environ).settings(), service)), place)
    headers = [[name, _text(value)] for name, value in letter.headers]
    found = letter.summary() | {"key": _text(letter.key), "headers": headers, "value": _text(letter.value)}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    typer.echo(f"{found['reason']}: {found['error']}\nfrom {_from(letter)}, failed at {found['failed_at']}")
    typer.echo(f"key {found['complaint_id'] or _printable(found['key'])}")
    for name, value in headers:
        typer.echo(f"{name}: {_printable(value)}")
    typer.echo(f"\n{_printable(found['value'])}")


@app.command()
def replay(
    service: Service,
    place: Annotated[str | None, typer.Argument(metavar="[PARTITION:OFFSET]", help="As in `jalur dead list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of the service's dead letters.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Send dead letters again, as they were, to the topics they came from: key, value and headers.

    A repeat does no harm: what was applied before is known by its id. An update counts from when it is sent again. The dead letter
    itself stays until its retention ends.

    Exit codes: 0 sent (or, with --dry-run, listed), 1 failed, 2 wrong usage, 4 some cannot be sent: they name no topic of ours.
    """
    if (place is None) == (not every):
        raise CommandError("name one dead letter as PARTITION:OFFSET, or say --all", USAGE)
    settings = find_stack(data_dir, os.environ).settings()
    letters = run(_letters(settings, service))
    chosen = letters if place is None else _chosen(letters, place)
    messages, strays = revived(chosen, settings.namespace)
    if not as_json:
        for letter in chosen:
            typer.echo(f"{letter.place:<8} {'cannot be sent: no topic of ours in' if letter in strays else 'to'} {letter.origin or '-'}")
    if messages and not dry_run:
        _confirm(len(messages), yes)
        run(_send(settings, messages))
    sent = 0 if dry_run else len(messages)
    if as_json:
        typer.echo(json.dumps({"sent": sent, "would_send": len(messages), "cannot_be_sent": [letter.place for letter in strays]}))
    else:
        typer.echo(f"{len(messages)} would be sent" if dry_run else f"{sent} sent")
    if strays:
        from services.commands.connect import REFUSED

        raise typer.Exit(REFUSED)


def revived(letters: Sequence[DeadLetter], namespace: str) -> tuple[list["Message"], list[DeadLetter]]:
    """The original records, and the letters that name no topic of this installation: a header decides on no other topic."""
    from shared.envelope import Message
    from shared.topics import Topics

    known = {topic.name for topic in Topics(namespace).all()}
    messages = [Message(letter.origin, letter.key, letter.value, letter.headers) for letter in letters if letter.origin in known]
    return messages, [letter for letter in letters if letter.origin not in known]


def _confirm(count: int, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to ask: add --yes to send, --dry-run to look", USAGE)
    typer.confirm(f"send {count} again?", abort=True)


def _chosen(letters: Sequence[DeadLetter], place: str) -> list[DeadLetter]:
    partition, colon, offset = place.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal()):
        raise CommandError(f"{place!r} is not PARTITION:OFFSET, such as 0:17", USAGE)
    found = [letter for letter in letters if (letter.partition, letter.offset) == (int(partition), int(offset))]
    if not found:
        raise CommandError(f"there is no dead letter at {place}", FAILED)
    return found


async def _letters(settings: "Settings", service: str) -> list[DeadLetter]:
    from services.commands.listen import read_stored
    from shared.dead_letters import OUR_HEADERS
    from shared.topics import Topics

    return [
        DeadLetter(
            record.partition,
            record.offset,
            record.key,
            record.value,
            tuple((name, value) for name, value in record.headers if name not in OUR_HEADERS),
            {name: _printable((value or b"").decode(errors="replace")) for name, value in record.headers if name in OUR_HEADERS},
        )
        for record in await read_stored(settings, Topics(settings.namespace).dead_letters(service))
    ]


async def _send(settings: "Settings", messages: Sequence["Message"]) -> None:
    from shared.publisher import Publisher

    publisher = Publisher(settings)
    try:
        await publisher.send_surely(messages)
    finally:
        await publisher.stop()


def _from(letter: DeadLetter) -> str:
    return f"{letter.origin or '-'} {letter.about.get('x-origin-partition', '-')}:{letter.about.get('x-origin-offset', '-')}"


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def _printable(text: str | None) -> str:
    """What somebody else wrote must not command the terminal."""
    if text is None:
        return "(null)"
    return text if text.isprintable() else json.dumps(text)[1:-1]
