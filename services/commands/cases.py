"""`jalur cases`: what an operator asks of the cases. Here: which of them nobody minds; the others' modules are registered below."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from services.commands import FAILED, DataDir, cases_republish, cases_show, cases_time, cases_verify
from services.commands.connect import Stack, database, find_stack, run

if TYPE_CHECKING:
    from services.notifier.reconcile import Orphan
    from shared.postgres import Connection

app = typer.Typer(help="The cases: what is known of one, which nobody minds, whether their records hold.", no_args_is_help=True)
app.add_typer(cases_show.app)
app.add_typer(cases_time.app)
app.add_typer(cases_verify.app)
app.add_typer(cases_republish.app)

WHY = {
    "no_clock": "no clock will speak of it again",
    "no_owner": "nobody has to do anything about it",
    "undecided": "accepted, but not decided",
    "not_told": "decided, but intake has not heard of it",
}
TO_DO = {
    "no_clock": "its levels have all fired, or no policy covers it: see `jalur cases show`; then order a decision, or have it answered",
    "no_owner": "a part of its decision may not have arrived: see `jalur dead list notifier` and `jalur cases show`; then order a decision",
    "undecided": "intake sends it again by itself: see whether the router runs (`jalur status`) and `jalur dead list router`",
    "not_told": "see whether the outbox moves (`jalur status`); then `jalur cases republish` it",
}


@dataclass
class Unminded:
    """A complaint that nobody minds, for one or several reasons."""

    complaint_id: UUID
    state: str
    since: datetime
    reasons: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "complaint_id": str(self.complaint_id),
            "state": self.state,
            "since": self.since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "reasons": self.reasons,
            "why": [WHY[reason] for reason in self.reasons],
            "to_do": [TO_DO[reason] for reason in self.reasons],
        }


@app.command()
def reconcile(
    older_than: Annotated[
        int, typer.Option("--older-than", min=0, metavar="SECONDS", help="A complaint accepted more recently may still be on its way.")
    ] = 60,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="List at most so many of each kind, the oldest.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """List open cases without a clock or without an owner, and accepted complaints without a decision, oldest first. Changes nothing.

    Exit codes: 0 there are none, 1 there are some, or failed.
    """
    found, on_their_way, is_cut = run(_reconcile(find_stack(data_dir, os.environ), timedelta(seconds=older_than), limit))
    if as_json:
        typer.echo(json.dumps({"cases": [item.to_json() for item in found], "on_their_way": on_their_way, "is_cut": is_cut}))
    else:
        _show(found, on_their_way, is_cut)
    if found:
        raise typer.Exit(FAILED)


async def _reconcile(stack: Stack, grace: timedelta, limit: int) -> tuple[list[Unminded], int, bool]:
    from services.notifier.reconcile import find_undecided, list_orphans
    from shared.postgres import read_clock

    async with database(stack, "intake") as connection:
        accepted = await _unheard(connection, limit)
        now = await read_clock(connection)
    async with database(stack, "notifier") as connection:
        orphans = await list_orphans(connection, limit)
        decided = await find_undecided(connection, [complaint_id for complaint_id, _ in accepted])
    is_cut = limit in (len(orphans), len(accepted))
    return *merged(orphans, accepted, {key for key, is_undecided in decided.items() if not is_undecided}, now - grace), is_cut


def merged(
    orphans: Sequence["Orphan"], accepted: Sequence[tuple[UUID, datetime]], decided: set[UUID], until: datetime
) -> tuple[list[Unminded], int]:
    """One entry a complaint, oldest first; and how many were accepted after `until` and have been given their time.

    `accepted`: those that intake has heard no decision of; `decided`: which of them the notifier knows one of.
    """
    found: dict[UUID, Unminded] = {}
    for orphan in orphans:
        reasons = [reason for reason in orphan.reasons if not (orphan.is_undecided and reason == "no_owner")]
        found[orphan.complaint_id] = Unminded(
            orphan.complaint_id, orphan.state, orphan.since, [*reasons, *(["undecided"] if orphan.is_undecided else [])]
        )
    for complaint_id, accepted_at in accepted:
        item = found.setdefault(complaint_id, Unminded(complaint_id, "received", accepted_at))
        if "undecided" not in item.reasons:
            item.reasons.append("not_told" if complaint_id in decided else "undecided")
        item.since = min(item.since, accepted_at)
    young = [item for item in found.values() if item.since > until and not {"no_clock", "no_owner"} & set(item.reasons)]
    for item in young:
        del found[item.complaint_id]
    return sorted(found.values(), key=lambda item: (item.since, item.complaint_id)), len(young)


async def _unheard(connection: "Connection", limit: int) -> list[tuple[UUID, datetime]]:
    """Accepted complaints of which no decision has come back to intake, oldest first."""
    rows = await connection.fetch(
        "SELECT id, accepted_at FROM complaints WHERE next_look_at IS NOT NULL ORDER BY accepted_at, id LIMIT $1", limit
    )
    return [(row["id"], row["accepted_at"]) for row in rows]


def _show(found: Sequence[Unminded], on_their_way: int, is_cut: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    if found:
        table = Table("since", "complaint", "state", "why", box=None)
        for item in found:
            table.add_row(
                f"{item.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
                str(item.complaint_id),
                item.state,
                "; ".join(WHY[reason] for reason in item.reasons),
            )
        Console(highlight=False, soft_wrap=True).print(table)
        for reason in (reason for reason in WHY if any(reason in item.reasons for item in found)):
            typer.echo(f"{WHY[reason]}: {TO_DO[reason]}", err=True)
    count = f"{len(found)} cases" if len(found) != 1 else "1 case"
    typer.echo(f"{count} that nobody minds" + ("; there may be more: --limit" if is_cut else ""), err=True)
    if on_their_way:
        typer.echo(f"{on_their_way} accepted just now, on their way to a decision", err=True)
