"""Cases that nobody and nothing minds any more: counted for the metric, listed for a person. SQL; it changes nothing.

An open case needs a clock that will speak of it again, or waits for one, and somebody who has to do something.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from shared.postgres import Connection

OrphanReason = Literal["no_clock", "no_owner"]
ORPHAN_REASONS: tuple[OrphanReason, ...] = get_args(OrphanReason)


@dataclass(frozen=True, slots=True)
class Orphan:
    """An open case and what it lacks. `is_undecided`: no decision has reached it, so that nobody can have it yet."""

    complaint_id: UUID
    state: str
    reasons: tuple[OrphanReason, ...]
    is_undecided: bool
    since: datetime


async def count_orphans(connection: Connection) -> dict[OrphanReason, int]:
    """For every reason, also 0. A case without an owner because it waits for its first decision is none: those are counted as undecided."""
    row = await connection.fetchrow(
        """
        SELECT count(*) FILTER (WHERE NOT is_watched) AS no_clock,
            count(*) FILTER (WHERE NOT has_owner AND first_outcome <> 'undecided') AS no_owner
        FROM cases WHERE is_open AND NOT (is_watched AND has_owner)
        """
    )
    assert row is not None
    return {reason: row[reason] for reason in ORPHAN_REASONS}


async def list_orphans(connection: Connection, limit: int) -> list[Orphan]:
    """Oldest first, undecided ones among them. Since when: the last line of the timeline, of an undecided case the first."""
    rows = await connection.fetch(
        """
        SELECT cases.id, state, is_watched, has_owner, first_outcome = 'undecided' AS is_undecided,
            coalesce(line.noted_at, reported_at) AS since
        FROM cases LEFT JOIN timeline line ON line.complaint_id = cases.id
            AND line.number = CASE WHEN first_outcome = 'undecided' AND is_watched THEN 1 ELSE cases.entries END
        WHERE is_open AND NOT (is_watched AND has_owner) ORDER BY since, cases.id LIMIT $1
        """,
        limit,
    )
    return [
        Orphan(row["id"], row["state"], _reasons(row["is_watched"], row["has_owner"]), row["is_undecided"], row["since"]) for row in rows
    ]


def _reasons(is_watched: bool, has_owner: bool) -> tuple[OrphanReason, ...]:
    lacking: dict[OrphanReason, bool] = {"no_clock": not is_watched, "no_owner": not has_owner}
    return tuple(reason for reason, is_lacking in lacking.items() if is_lacking)


async def find_undecided(connection: Connection, complaint_ids: list[UUID]) -> dict[UUID, bool]:
    """Of the complaints that the notifier has a case of: whether it waits for its first decision."""
    rows = await connection.fetch(
        "SELECT id, first_outcome = 'undecided' AS is_undecided FROM cases WHERE is_opened AND id = ANY ($1::uuid[])", complaint_ids
    )
    return {row["id"]: row["is_undecided"] for row in rows}
