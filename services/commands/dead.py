"""`jalur dead`: the records that a service could not read. Shows them, and puts them back where they came from when told to."""

import asyncio
import json
import os
import sys
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.commands import CommandError, DataDir
from services.commands.connect import REFUSED, USAGE, ServiceName, Stack, database, find_stack, run

if TYPE_CHECKING:  # imported when a command runs: they need pydantic
    from services.commands.dead_history import History, Plan
    from services.commands.dead_letters import DeadLetter, Wanted

app = typer.Typer(help="Records that a service could not read: show them, put them back.", no_args_is_help=True)
Service = Annotated[ServiceName, typer.Argument(help="Whose dead letters.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
_ID = "PARTITION:OFFSET as in `jalur dead list`, or the id of its complaint, of its event, or of the replay that it died after."
Names = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help=_ID)]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="As not_our_schema; may be repeated.")]
Origins = Annotated[list[str] | None, typer.Option("--origin", metavar="TOPIC", help="As complaints.received; may be repeated.")]
Since = Annotated[str | None, typer.Option("--since", help="Died at or after this instant, as 2026-03-12T09:00:00+07:00.")]
Until = Annotated[str | None, typer.Option("--until", help="Died before this instant.")]


@app.command("list")
def list_(
    service: Service,
    names: Names = None,
    reason: Reasons = None,
    origin: Origins = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """A line a dead letter, oldest first: where it lies, why it is dead, where it came from, what became of it. Never what stands in it.

    Exit codes: 0 listed, 1 failed, or a name names nothing, 2 wrong usage.
    """
    stack = find_stack(data_dir, os.environ)
    wanted = _wanted(stack, names, reason, origin, since, until)
    history, why_not = run(_history(stack, service))
    chosen = wanted.of(history.letters)
    if as_json:
        unknown = {"deaths": None, "died_after": None, "put_back": None}
        typer.echo(json.dumps([letter.summary() | (unknown if why_not else history.told(letter)) for letter in chosen]))
    else:
        for letter in chosen:
            found = letter.summary()
            typer.echo(
                f"{found['at']:<8} {(found['failed_at'] or '-')[:19]}  {found['reason']}  {found['error']}  from {_from(letter)}  "
                f"{found['complaint_id'] or 'no complaint'}{'' if why_not else _became(history, letter)}"
            )
        typer.echo(f"{len(chosen)} dead letters of {service}" if len(chosen) != 1 else f"1 dead letter of {service}", err=True)
    if why_not:
        typer.echo(f"what was put back is not known: {why_not}", err=True)


@app.command()
def show(
    service: Service,
    name: Annotated[str, typer.Argument(metavar="ID", help=_ID)],
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """One dead letter with its headers and value as they came, and its history; bytes that are not text are shown in base64.

    Exit codes: 0 shown, 1 there is none, or failed, 2 wrong usage, or an id that several have.
    """
    from services.commands.dead_letters import named_by, printable

    stack = find_stack(data_dir, os.environ)
    history, why_not = run(_history(stack, service))
    letter, *others = named_by(history.letters, name)
    if others:
        raise CommandError(f"{name} names several: {' '.join(item.place for item in (letter, *others)[:20])}; say which", USAGE)
    told = {"deaths": None, "died_after": None, "put_back": None} if why_not else history.told(letter)
    found = letter.summary() | letter.content() | told
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        typer.echo(f"{found['reason']}: {found['error']}\nfrom {_from(letter)}, failed at {found['failed_at']}")
        for line in _story(told):
            typer.echo(line)
        typer.echo(f"key {found['complaint_id'] or printable(found['key'])}")
        for header, value in found["headers"]:
            typer.echo(f"{printable(header)}: {printable(value)}")
        typer.echo(f"\n{printable(found['value'])}")
    if why_not:
        typer.echo(f"what was put back is not known: {why_not}", err=True)


@app.command()
def replay(
    service: Service,
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="All of the service's dead letters.")] = False,
    reason: Reasons = None,
    origin: Origins = None,
    since: Since = None,
    until: Until = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was put back before and has not died again.")] = False,
    rate: Annotated[int, typer.Option("--rate", min=1, max=1000, help="At most so many records a second.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Put dead letters back, oldest first, where they came from: key, value and headers as they were, with x-replay-id and x-replayed-at.

    Each is put back once, and who did it is written down; what died again has a letter of its own, which may be put back in its turn. What
    was applied before is known by its id and does no harm. An update counts from when it is put back. The letter itself stays until its
    retention ends. Where the service stops reading because too much dies again, so does the replay: mend the cause, and try one first.

    Exit codes: 0 sent (or, with --dry-run, listed), 1 failed or stopped, 2 wrong usage, 4 some cannot be sent: they do not name a place
    in a topic of ours, or were too large to keep.
    """
    stack = find_stack(data_dir, os.environ)
    wanted = _wanted(stack, names, reason, origin, since, until)
    if every == bool(wanted):
        raise CommandError("say which: an ID, --reason, --origin, --since or --until; or --all", USAGE)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise CommandError("nobody is there to ask: add --yes to send, --dry-run to look", USAGE)
    plan, sent, stopped = run(_replay(stack, service, wanted, again, rate, dry_run=dry_run, ask=not yes, is_quiet=as_json))
    if as_json:
        answer = {
            "sent": sent,
            "would_send": len(plan.to_send),
            "put_back_before": [letter.place for letter in plan.put_back_before],
            "died_again": {letter.place: later.place for letter, later in plan.died_again},
            "cannot_be_sent": [letter.place for letter in plan.cannot_be_sent],
        }
        typer.echo(json.dumps(answer))
    else:
        typer.echo(f"{len(plan.to_send)} would be sent" if dry_run else f"{sent} sent")
    if stopped is not None:
        raise CommandError(f"{len(plan.to_send) - sent} were not sent: {stopped}")
    if plan.cannot_be_sent:
        raise typer.Exit(REFUSED)


async def _replay(
    stack: Stack, service: str, wanted: "Wanted", again: bool, rate: int, *, dry_run: bool, ask: bool, is_quiet: bool
) -> tuple["Plan", int, str | None]:
    """The plan, how many were sent, and why not all of them."""
    from uuid import uuid4

    from services.commands.dead_history import History, plan_replay
    from services.commands.dead_letters import read_letters
    from services.commands.dead_replays import alone, put_back_all, read_replays
    from shared.topics import Topics

    settings = stack.settings()
    topics = frozenset(topic.name for topic in Topics(settings.namespace).all())
    async with database(stack) as connection, nullcontext() if dry_run else alone(connection, service):
        letters = await read_letters(settings, service)
        history = History(letters, await read_replays(connection, service))
        plan = plan_replay(wanted.of(letters), history, topics, uuid4, again=again)
        if not is_quiet:
            _say(plan)
        if dry_run or not plan.to_send:
            return plan, 0, None
        if ask:  # the lock is held meanwhile: what was asked is what is sent
            typer.confirm(f"send {len(plan.to_send)} again?", abort=True)
        return plan, *await put_back_all(connection, settings, service, plan.to_send, rate, asyncio.sleep)


def _say(plan: "Plan") -> None:
    for letter, _, replay_id, number in plan.to_send:
        typer.echo(f"{letter.place:<8} to {letter.origin} as {replay_id}{f', for the {number}. time' if number > 1 else ''}")
    for letter in plan.put_back_before:
        typer.echo(f"{letter.place:<8} was put back before")
    for letter, later in plan.died_again:
        typer.echo(f"{letter.place:<8} was put back and died again: it is {later.place} now")
    for letter in plan.cannot_be_sent:
        whole = "it names no place in a topic of ours" if letter.is_whole else "it was too large to keep"
        typer.echo(f"{letter.place:<8} cannot be sent: {whole} ({letter.origin or '-'})")


async def _history(stack: Stack, service: str) -> tuple["History", str | None]:
    """With why it is not known what was put back: letters can be looked at while the database is away."""
    from services.commands.dead_history import History
    from services.commands.dead_letters import read_letters
    from services.commands.dead_replays import read_replays
    from shared.postgres import AWAY

    letters = await read_letters(stack.settings(), service)
    try:
        async with database(stack) as connection:
            return History(letters, await read_replays(connection, service)), None
    except CommandError as error:
        return History(letters, ()), str(error)
    except AWAY as error:
        return History(letters, ()), f"PostgreSQL: {type(error).__name__}"


def _wanted(
    stack: Stack, names: list[str] | None, reasons: list[str] | None, origins: list[str] | None, since: str | None, until: str | None
) -> "Wanted":
    from services.commands.dead_letters import Wanted
    from shared.errors import DEAD_REASONS

    unknown = set(reasons or ()) - set(DEAD_REASONS)
    if unknown:
        raise CommandError(f"there is no reason {min(unknown)[:60]!r}; there are {', '.join(DEAD_REASONS)}", USAGE)
    namespace = stack.settings().namespace
    return Wanted(names or (), reasons or (), origins or (), _instant(since, "--since"), _instant(until, "--until"), namespace)


def _instant(written: str | None, option: str) -> datetime | None:
    from services.commands.clock import instant_of

    try:
        return None if written is None else instant_of(written, option)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def _from(letter: "DeadLetter") -> str:
    return f"{letter.origin or '-'} {letter.about.get('x-origin-partition', '-')}:{letter.about.get('x-origin-offset', '-')}"


def _became(history: "History", letter: "DeadLetter") -> str:
    deaths = history.deaths(letter)
    told = f"  died {deaths} times" if deaths > 1 else ""
    if (later := history.last_death(letter)) is not None:
        return f"{told}  put back, died again at {later.place}"
    replays = history.replays_of(letter)
    return f"{told}  put back {replays[-1].begun_at.isoformat()[:19]} by {replays[-1].operator}" if replays else told


def _story(told: dict[str, Any]) -> list[str]:
    lines = []
    if (before := told["died_after"]) is not None:
        lines.append(
            f"died for the {told['deaths']}. time, after {before['operator']} put it back from {before['letter']} as {before['id']}"
        )
    for item in told["put_back"] or ():
        ended = f", died again: {item['died_again_at']}" if item["died_again_at"] else ""
        sent = "" if item["sent_at"] else ", perhaps not sent"
        lines.append(f"put back {item['begun_at']} by {item['operator']} ({item['db_role']}) as {item['id']}{sent}{ended}")
    return lines
