"""`jalur cases republish`: says the present status of cases once more, so that a read model that lost it is whole again."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.commands import FAILED, CommandError, DataDir
from services.commands.connect import USAGE, Stack, database, find_stack, run
from services.commands.known_cases import complaint_of, load_clockwork

if TYPE_CHECKING:
    from services.notifier.case import Case
    from shared.events import CaseStatus
    from shared.postgres import Connection
    from shared.topics import Topics

app = typer.Typer()
_PAGE = 100
_PATIENCE_SECONDS = 1.0

_WHAT = {
    "missing": "intake has no status of it",
    "behind": "intake has an older one",
    "ahead": "intake has a newer one than the notifier ever said: was a backup restored?",
    "differs": "intake has another one under the same number",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the read model is not what the notifier would say. `known` is the sequence that intake has, if any."""

    complaint_id: UUID
    what: str
    sequence: int
    known: int | None


@dataclass(slots=True)
class _Done:
    count: int = 0
    last: UUID | None = None


@app.command()
def republish(
    complaints: Annotated[list[str] | None, typer.Argument(metavar="[COMPLAINT]...", help="These cases only.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every case, in the order of the ids.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say nothing again; list where intake has something else.")] = False,
    rate: Annotated[int, typer.Option("--rate", min=1, max=10_000, help="At most so many cases a second.")] = 500,
    after: Annotated[str | None, typer.Option("--after", metavar="COMPLAINT", help="With --all: go on behind this one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Say the status of cases again: the same event under the same id and number, which changes nothing for whoever has it.

    Small transactions, each under the locks of its cases, at a bounded rate. What was interrupted says how to go on.
    Where intake has another status under the same or a greater number, its number is set back, so that it takes what is said.

    Exit codes: 0 said again, or with --check: no differences; 1 differences, or failed; 2 wrong usage.
    """
    if bool(complaints) == all_:
        raise CommandError("name complaints, or --all", USAGE)
    if after is not None and not all_:
        raise CommandError("--after goes with --all", USAGE)
    chosen = [complaint_of(item) for item in dict.fromkeys(complaints or ())] or None
    behind = complaint_of(after) if after is not None else None
    stack = find_stack(data_dir, os.environ)
    if check:
        _tell(run(_check(stack, chosen, behind)), as_json)
        return
    done = _Done()
    try:
        run(_republish(stack, chosen, behind, rate, done))
    except (KeyboardInterrupt, asyncio.CancelledError, CommandError):
        if all_ and done.last is not None:
            typer.echo(f"{done.count} said again; go on with --all --after {done.last}", err=True)
        raise
    typer.echo(json.dumps({"republished": done.count}) if as_json else f"{done.count} cases said again")


def _tell(found: Sequence[Difference], as_json: bool) -> None:
    if as_json:
        rows = [
            {"complaint_id": str(item.complaint_id), "what": item.what, "sequence": item.sequence, "known": item.known} for item in found
        ]
        typer.echo(json.dumps({"differences": rows}))
    else:
        for item in found:
            typer.echo(f"{item.complaint_id}  {_WHAT[item.what]} (notifier {item.sequence}, intake {item.known or '-'})")
        typer.echo(f"{len(found)} differences" if len(found) != 1 else "1 difference", err=True)
    if found:
        raise typer.Exit(FAILED)


async def say_all_again(stack: Stack) -> int:
    """Every case, as fast as the database takes it; returns how many."""
    done = _Done()
    await _republish(stack, None, None, 10_000, done)
    return done.count


async def _republish(stack: Stack, chosen: list[UUID] | None, after: UUID | None, rate: int, done: _Done) -> None:
    from services.notifier.domain import Setting, revive
    from services.notifier.publication import messages_of
    from services.notifier.store import lock_cases
    from shared.outbox import add_to_outbox
    from shared.postgres import read_clock

    topics, clockwork = _topics(stack), load_clockwork()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with database(stack, "notifier") as connection:
        async for ids in _pages(connection, chosen, after, min(_PAGE, rate)):
            async with connection.transaction():
                setting = Setting(clockwork, await read_clock(connection))
                cases = (await lock_cases(connection, ids)).values()
                for case in cases:
                    revive(case, setting)
                await add_to_outbox(connection, [message for case in cases for message in messages_of(case, topics, setting.now)])
                await _make_room(connection, list(cases))
            done.count, done.last = done.count + len(ids), ids[-1]
            await asyncio.sleep(max(0.0, begun + done.count / rate - loop.time()))


async def _make_room(connection: "Connection", cases: Sequence["Case"]) -> None:
    """Intake takes greater numbers only: where it has another status under this one or beyond, its number goes back to the one before.

    What still lies in Kafka of before is smaller, so that nothing but what was just said is taken.
    """
    stored = await connection.fetch(
        "SELECT complaint_id, sequence, status FROM intake.cases WHERE complaint_id = ANY ($1::uuid[])", [case.id for case in cases]
    )
    known = {row["complaint_id"]: (row["sequence"], row["status"]) for row in stored}
    wrong = [case for case in cases if case.id in known and _what(case.status(case.sequence), known[case.id]) in ("ahead", "differs")]
    if wrong:
        await connection.execute(
            """
            WITH wrong AS MATERIALIZED (
                SELECT complaint_id FROM intake.cases WHERE complaint_id = ANY ($1::uuid[]) ORDER BY complaint_id FOR UPDATE
            )
            UPDATE intake.cases SET sequence = said.sequence - 1
            FROM wrong JOIN unnest($1::uuid[], $2::bigint[]) AS said (id, sequence) ON said.id = wrong.complaint_id
            WHERE cases.complaint_id = wrong.complaint_id AND cases.sequence >= said.sequence
            """,
            [case.id for case in wrong],
            [case.sequence for case in wrong],
        )


async def _check(stack: Stack, chosen: list[UUID] | None, after: UUID | None) -> list[Difference]:
    found: list[Difference] = []
    async with database(stack, "notifier") as connection:
        async for ids in _pages(connection, chosen, after, _PAGE):
            found += await _differences(connection, ids)
        if found:  # what was said a moment ago may not have arrived
            await asyncio.sleep(_PATIENCE_SECONDS)
            found = await _differences(connection, [item.complaint_id for item in found])
    return found


async def _differences(connection: "Connection", ids: Sequence[UUID]) -> list[Difference]:
    from services.notifier.case_reading import read_chosen
    from services.notifier.domain import Setting, revive
    from shared.postgres import read_clock

    clockwork = load_clockwork()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        setting = Setting(clockwork, await read_clock(connection))
        cases = []
        for stored in await read_chosen(connection, ids):
            case = stored.read()
            revive(case, setting)
            cases.append(case)
        rows = await connection.fetch(
            "SELECT complaint_id, sequence, status FROM intake.cases WHERE complaint_id = ANY ($1::uuid[])", list(ids)
        )
        keys = [complaint_id.bytes for complaint_id in ids]
        waiting = {bytes(row["key"]) for row in await connection.fetch("SELECT key FROM outbox WHERE key = ANY ($1::bytea[])", keys)}
    known = {row["complaint_id"]: (row["sequence"], row["status"]) for row in rows}
    found = []
    for case in cases:
        what = _what(case.status(case.sequence), known.get(case.id))
        if what is not None and case.id.bytes not in waiting:
            found.append(Difference(case.id, what, case.sequence, known[case.id][0] if case.id in known else None))
    return found


def _what(said: "CaseStatus", known: tuple[int, str] | None) -> str | None:
    """How what intake has differs from what would be said; None where it does not."""
    from pydantic import ValidationError

    if known is None:
        return "missing"
    sequence, written = known
    if sequence != said.sequence:
        return "behind" if sequence < said.sequence else "ahead"
    try:
        is_same = type(said).model_validate_json(written) == said
    except ValidationError:
        is_same = False
    return None if is_same else "differs"


async def _pages(connection: "Connection", chosen: list[UUID] | None, after: UUID | None, size: int) -> AsyncIterator[list[UUID]]:
    """The ids of opened cases: those chosen, or all. CommandError where one that was chosen is none."""
    if chosen is not None:
        rows = await connection.fetch("SELECT id FROM cases WHERE is_opened AND id = ANY ($1::uuid[])", chosen)
        missing = set(chosen) - {row["id"] for row in rows}
        if missing:
            raise CommandError(f"the notifier has no case of {', '.join(map(str, sorted(missing)[:5]))}")
        for number in range(0, len(chosen), size):
            yield chosen[number : number + size]
        return
    while True:
        rows = await connection.fetch(
            "SELECT id FROM cases WHERE is_opened AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2", after, size
        )
        if not rows:
            return
        yield [row["id"] for row in rows]
        after = rows[-1]["id"]


def _topics(stack: Stack) -> "Topics":
    from shared.topics import Topics

    return Topics(replace(stack, kafka=stack.kafka or "not-asked:9092").settings().namespace)
