"""`jalur tail`: what arrives for a unit, line by line. Belongs to no consumer group; commits and changes nothing."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.commands import CommandError, DataDir
from services.commands.connect import USAGE, find_stack, run

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord
    from rich.console import Console

    from shared.settings import Settings

app = typer.Typer()
_COLOURS = {"routed": "green", "triage": "yellow", "transferred": "magenta", "reminder": "cyan", "due": "yellow", "overdue": "red"}


@app.command()
def tail(
    unit: Annotated[str | None, typer.Argument(help="A unit, such as imigrasi, or triage; left out: all of them.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with what lies in the topics, not with what comes.")] = False,
    show_text: Annotated[bool, typer.Option("--text", help="Show the complaint's title and text too (identifiers are masked).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a record.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Follow what arrives for a unit: reports routed to it and follow-ups of its deadlines. Ends with Ctrl-C.

    Without a unit also what is held for triage or transferred. Title and text are shown only with --text.

    Exit codes: 1 failed, 2 no such unit, 130 Ctrl-C.
    """
    settings = find_stack(data_dir, os.environ).settings()
    run(_follow(settings, _topics_of(unit, settings.namespace), from_start=from_start, show_text=show_text, as_json=as_json))


def _topics_of(unit: str | None, namespace: str) -> list[str]:
    from shared.topics import Topics
    from shared.units import UNIT_SLUGS

    topics = Topics(namespace)
    if unit is None:
        every = [name for slug in UNIT_SLUGS for name in (topics.routed(slug), topics.follow_ups(slug))]
        return [*every, topics.triage, topics.follow_ups("triage"), topics.transferred]
    if unit == "triage":
        return [topics.triage, topics.follow_ups("triage")]
    if unit not in UNIT_SLUGS:
        raise CommandError(f"no unit {unit!r}; there are {', '.join(UNIT_SLUGS)}, and triage", USAGE)
    return [topics.routed(unit), topics.follow_ups(unit)]


async def _follow(settings: "Settings", names: list[str], *, from_start: bool, show_text: bool, as_json: bool) -> None:
    from rich.console import Console

    from services.commands.listen import listening

    console = Console(highlight=False, soft_wrap=True)
    async with listening(settings, names, from_start=from_start) as consumer:
        typer.echo(f"following {len(names)} topics of {settings.kafka}; Ctrl-C ends", err=True)
        while True:
            batches = await consumer.getmany(timeout_ms=1000)
            records = [record for batch in batches.values() for record in batch]
            for record in sorted(records, key=lambda item: (item.timestamp, item.topic, item.partition, item.offset)):
                if as_json:
                    typer.echo(json.dumps(_as_json(record, show_text), ensure_ascii=False))
                else:
                    _print(console, record, settings.namespace, show_text)


def _as_json(record: "ConsumerRecord[bytes, bytes]", show_text: bool) -> dict[str, Any]:
    from services.commands.lines import payload_of, without_text
    from shared.envelope import clean_headers, read_envelope

    payload = payload_of(record.value)
    envelope = read_envelope(clean_headers(record.headers))
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "appended_at": datetime.fromtimestamp(record.timestamp / 1000, UTC).isoformat(),
        "id": str(envelope.id) if envelope.id else None,
        "type": envelope.type,
        "payload": payload if show_text or payload is None else without_text(payload),
    }


def _print(console: "Console", record: "ConsumerRecord[bytes, bytes]", namespace: str, show_text: bool) -> None:
    from rich.text import Text

    from services.commands.lines import describe, instant, parts_of, payload_of
    from shared.envelope import clean_headers
    from shared.units import load_directory

    what, who = parts_of(record.topic, namespace)
    headers = clean_headers(record.headers)
    payload = payload_of(record.value)
    line = Text()
    try:
        said_at = instant(headers["ce_time"])
    except (KeyError, ValueError):
        said_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    line.append(f"{said_at.astimezone():%Y-%m-%d %H:%M:%S}  ", "dim")
    line.append(f"{who:<15}", "bold")
    if payload is None:
        line.append(f"not readable: {record.topic}, partition {record.partition}, offset {record.offset}", "red")
        console.print(line)
        return
    kind = str(payload.get("kind") or what.rpartition(".")[2])
    line.append(f"{kind:<12}", _COLOURS.get(kind, "default"))
    line.append(f"{payload.get('complaint_id')}  ")
    line.append(f"{payload.get('source') or '-'} {payload.get('source_ref') or '-'}  ", "dim")
    line.append(describe(what, payload, load_directory()))
    if show_text and payload.get("text"):
        line.append(f"\n    {payload.get('title')}\n    {' '.join(str(payload['text']).split())}", "italic")
    console.print(line)
