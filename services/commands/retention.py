"""`jalur retention`: each night, erase what was written of complaints whose time is over."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import USAGE, Stack, database, find_stack, run
from services.commands.erase import topics_of
from services.commands.erasing import Refused, erase
from services.commands.known_cases import load_clockwork

if TYPE_CHECKING:
    from services.commands.retention_periods import Period
    from shared.postgres import Connection

app = typer.Typer(help="How long words are kept: erase those whose time is over.", no_args_is_help=True)
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Due:
    complaint_id: UUID
    service: str
    ended_at: datetime
    over_at: datetime
    held_because: str | None


@dataclass(slots=True)
class Night:
    """`looked_at`: cases that ended; `removed`: rows, by table. `has_failed`: not all of `refused` may wait for another night."""

    looked_at: int = 0
    due: list[Due] = field(default_factory=list)
    erased: list[UUID] = field(default_factory=list)
    refused: dict[UUID, str] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    has_failed: bool = False


@app.callback()
def retention() -> None:
    pass


@app.command("run")
def run_(
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Say what is due, and change nothing.")] = False,
    periods: Annotated[Path | None, typer.Option("--periods", help="Your own years, as in services/commands/data/retention.toml.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="Erase at most so many; the rest is due tomorrow.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Erase what was written of complaints whose case ended long enough ago, each in a transaction of its own. Safe to repeat, or to stop.

    The time runs from the last line of the case's timeline. What is held (jalur erase hold) is passed over and named; so is what cannot
    be erased, and the others are.

    Exit codes: 0 done; 1 failed, or some could not be erased; 2 wrong usage.
    """
    from services.commands.retention_periods import load_periods

    years = _read(periods) if periods is not None else load_periods()
    found = run(_run(find_stack(data_dir, os.environ), years, limit, is_dry))
    if as_json:
        typer.echo(json.dumps(_json(found, is_dry)))
    else:
        _show(found, is_dry)
    if found.has_failed:
        raise typer.Exit(FAILED)


def _read(file: Path) -> "dict[str, Period]":
    from services.commands.retention_periods import read_periods

    try:
        return read_periods(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", USAGE) from None
    except ValueError as error:
        raise CommandError(f"{file}: {error}", USAGE) from None


async def _run(stack: Stack, years: "Mapping[str, Period]", limit: int, is_dry: bool) -> Night:
    from services.commands.dead_replays import operator

    night, who, topics, clockwork = Night(), operator(), topics_of(stack), load_clockwork()
    async with database(stack) as connection:
        async for item in _due(connection, dict(years), night):
            night.due.append(item)
            if is_dry or item.held_because is not None or len(night.erased) >= limit:
                continue
            try:
                done = await erase(connection, item.complaint_id, "retention", topics=topics, clockwork=clockwork, operator=who)
            except Exception as error:
                if connection.is_closed():  # not this case's fault, and no other would fare better
                    raise
                # What others raise may quote a row.
                night.refused[item.complaint_id] = str(error) if isinstance(error, CommandError) else type(error).__name__
                # Refused: held, or opened again, since this page was read.
                night.has_failed = night.has_failed or not isinstance(error, Refused)
                continue
            if not done.removed:  # a line without words came since it was erased; it is due no more
                continue
            night.erased.append(item.complaint_id)
            for table, count in done.removed.items():
                night.removed[table] = night.removed.get(table, 0) + count
    return night


async def _due(connection: "Connection", years: "dict[str, Period]", night: Night) -> AsyncIterator[Due]:
    """Cases that have ended, in pages by their ids. One that was erased is due again where something was said of it since."""
    from pydantic_core import from_json

    from services.commands.retention_periods import over_at
    from shared.postgres import read_clock

    now, last = await read_clock(connection), UUID(int=0)
    while True:
        rows = await connection.fetch(
            """
            SELECT cases.id, line.noted_at, complaints.received, held.is_held, held.reason FROM notifier.cases
            JOIN notifier.timeline line ON line.complaint_id = cases.id AND line.number = cases.entries
            JOIN intake.complaints ON complaints.id = cases.id
            LEFT JOIN LATERAL (
                SELECT is_held, reason FROM jalur.legal_holds WHERE complaint_id = cases.id ORDER BY number DESC LIMIT 1
            ) held ON true
            WHERE cases.id > $1 AND is_opened AND NOT is_open AND (cases.erased_at IS NULL OR cases.erased_at < line.noted_at)
            ORDER BY cases.id LIMIT $2
            """,
            last,
            _PAGE,
        )
        for row in rows:
            try:
                service = str(from_json(row["received"]).get("service"))
            except (ValueError, AttributeError) as error:  # of no known service: nobody can say when its time is over
                night.refused[row["id"]] = f"intake.complaints cannot be read: {type(error).__name__}"
                night.has_failed = True
                continue
            over = over_at(row["noted_at"], service, years)
            if over <= now:
                yield Due(row["id"], service, row["noted_at"], over, row["reason"] if row["is_held"] else None)
        night.looked_at += len(rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1]["id"]


def _json(night: Night, is_dry: bool) -> dict[str, Any]:
    return {
        "is_dry_run": is_dry,
        "looked_at": night.looked_at,
        "due": [
            {
                "complaint_id": str(item.complaint_id),
                "service": item.service,
                "ended_at": _utc(item.ended_at),
                "over_at": _utc(item.over_at),
                "held_because": item.held_because,
            }
            for item in night.due
        ],
        "erased": list(map(str, night.erased)),
        "refused": {str(complaint_id): why for complaint_id, why in night.refused.items()},
        "removed": night.removed,
    }


def _show(night: Night, is_dry: bool) -> None:
    for item in night.due:
        if item.held_because is not None:
            typer.echo(f"{item.complaint_id}  held: {item.held_because}")
        elif is_dry:
            typer.echo(f"{item.complaint_id}  {item.service}, ended {item.ended_at:%Y-%m-%d}, due {item.over_at:%Y-%m-%d}")
    for complaint_id, why in night.refused.items():
        typer.echo(f"{complaint_id}  not erased: {why}")
    rows = sum(night.removed.values())
    done = "would be erased" if is_dry else f"erased, {rows} rows"
    free = [item for item in night.due if item.held_because is None]
    typer.echo(f"{night.looked_at} ended cases, {len(free) if is_dry else len(night.erased)} {done}", err=True)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
