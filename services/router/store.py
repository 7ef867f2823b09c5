"""The decision log's SQL: a decision is written once and read back; the caller commits."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.router.decision import Decision, destination
from services.router.publication import LoggedDecision
from shared.postgres import Connection

Asked = tuple[UUID, UUID, int]
_COLUMNS = "causing_id, complaint_id, decision, decided_at, rules_version, report, taken, traceparent"


async def record_decisions(connection: Connection, decisions: Sequence[tuple[LoggedDecision, Decision]]) -> dict[Asked, LoggedDecision]:
    """Log what is not logged yet; returns what the log says to each (causing id, complaint, decision), which may be an older decision.

    What is missing in the answer is in conflict: its number was given by another record, or its causing id belongs to another decision.
    """
    # In the order given: of two in conflict the first read counts. Two replicas that wait for each other crosswise, which a partition
    # changing hands may cause, are told apart by the database; the batch that it refuses comes again.
    rows = [row for row, _ in decisions]
    inserted = await connection.fetch(
        f"""
        INSERT INTO decisions ({_COLUMNS}, destination, decided_by)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[], $5::text[], $6::bytea[], $7::bytea[], $8::text[],
                             $9::text[], $10::text[])
        ON CONFLICT DO NOTHING RETURNING causing_id, complaint_id, decision
        """,  # noqa: S608 - our own column names
        [row.causing_id for row in rows],
        [row.complaint_id for row in rows],
        [row.decision for row in rows],
        [row.decided_at for row in rows],
        [row.rules_version for row in rows],
        [row.report for row in rows],
        [row.taken for row in rows],
        [row.traceparent for row in rows],
        [destination(decision.parts[0]) if decision.parts else None for _, decision in decisions],
        [decision.decided_by for _, decision in decisions],
    )
    new = {tuple(row) for row in inserted}
    logged = {asked_of(row): row for row in rows if asked_of(row) in new}
    known = [row.causing_id for row in rows if asked_of(row) not in new]
    if known:
        found = await connection.fetch(f"SELECT {_COLUMNS} FROM decisions WHERE causing_id = ANY ($1::uuid[])", known)  # noqa: S608
        for row in (LoggedDecision(**dict(item)) for item in found):
            logged.setdefault(asked_of(row), row)
    return logged


def asked_of(row: LoggedDecision) -> Asked:
    return row.causing_id, row.complaint_id, row.decision


async def find_decisions(connection: Connection, complaints: Collection[UUID]) -> dict[UUID, dict[int, Decision]]:
    """All that was decided on these complaints until now, by their decisions' numbers."""
    rows = await connection.fetch("SELECT complaint_id, decision, taken FROM decisions WHERE complaint_id = ANY ($1::uuid[])", complaints)
    found: dict[UUID, dict[int, Decision]] = {complaint: {} for complaint in complaints}
    for row in rows:
        found[row["complaint_id"]][row["decision"]] = Decision.from_json(row["taken"])
    return found


async def count_mix(connection: Connection, now: datetime, recent: timedelta, baseline: timedelta) -> tuple[dict[str, int], dict[str, int]]:
    """Where the router's own first decisions led: in the time until now, and in the time before that."""
    rows = await connection.fetch(
        """
        SELECT destination, count(*) FILTER (WHERE decided_at > $2) AS recent, count(*) FILTER (WHERE decided_at <= $2) AS baseline
        FROM decisions
        WHERE decided_at > $1 AND decided_at <= $3 AND decision = 0 AND decided_by = 'router' AND destination IS NOT NULL
        GROUP BY destination
        """,
        now - recent - baseline,
        now - recent,
        now,
    )
    return {row["destination"]: row["recent"] for row in rows}, {row["destination"]: row["baseline"] for row in rows}
