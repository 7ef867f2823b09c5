"""Reading the decision log for a person's questions: what would other rules do, and what was learned from corrections."""

from collections.abc import AsyncIterator
from uuid import UUID

from services.router.publication import LoggedDecision
from shared.postgres import Connection

_COLUMNS = "causing_id, complaint_id, decision, decided_at, rules_version, report, taken, traceparent"


async def newest_first_decisions(connection: Connection, last: int) -> list[LoggedDecision]:
    """The newest `last` first decisions that the router took itself, and whose words are not erased; fewer where the log has fewer."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM decisions
        WHERE decision = 0 AND decided_by = 'router' AND destination IS NOT NULL AND erased_at IS NULL ORDER BY decided_at DESC LIMIT $1
        """,  # noqa: S608 - our own column names
        last,
    )
    return [LoggedDecision(**dict(row)) for row in rows]


async def corrected(connection: Connection) -> AsyncIterator[tuple[UUID, list[LoggedDecision]]]:
    """Each complaint on which a person or a source said something, with all its decisions in order, but for erased ones.

    Needs a transaction.
    """
    cursor = connection.cursor(
        f"""
        SELECT {_COLUMNS} FROM decisions
        WHERE complaint_id IN (SELECT complaint_id FROM decisions WHERE decided_by IN ('human', 'source') OR decision > 0)
            AND complaint_id NOT IN (SELECT complaint_id FROM decisions WHERE erased_at IS NOT NULL)
        ORDER BY complaint_id, decision
        """  # noqa: S608 - our own column names
    )
    complaint: UUID | None = None
    decisions: list[LoggedDecision] = []
    async for row in cursor:
        if row["complaint_id"] != complaint:
            if complaint is not None:
                yield complaint, decisions
            complaint, decisions = row["complaint_id"], []
        decisions.append(LoggedDecision(**dict(row)))
    if complaint is not None:
        yield complaint, decisions
