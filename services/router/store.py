"""The decision log's SQL: a decision is written once and read back; the caller commits."""

from collections.abc import Sequence
from uuid import UUID

from services.router.publication import LoggedDecision
from shared.postgres import Connection


async def record_decisions(connection: Connection, decisions: Sequence[LoggedDecision]) -> dict[UUID, LoggedDecision]:
    """Log what is not logged yet; returns for every causing id what the log says, which may be an older decision."""
    inserted = await connection.fetch(
        """
        INSERT INTO decisions (causing_id, complaint_id, decision, decided_at, rules_version, report, taken, traceparent)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[], $5::text[], $6::bytea[], $7::bytea[], $8::text[])
        ON CONFLICT DO NOTHING RETURNING causing_id
        """,
        [item.causing_id for item in decisions],
        [item.complaint_id for item in decisions],
        [item.decision for item in decisions],
        [item.decided_at for item in decisions],
        [item.rules_version for item in decisions],
        [item.report for item in decisions],
        [item.taken for item in decisions],
        [item.traceparent for item in decisions],
    )
    new = {row["causing_id"] for row in inserted}
    logged = {item.causing_id: item for item in decisions if item.causing_id in new}
    known = [item.causing_id for item in decisions if item.causing_id not in new]
    if known:
        rows = await connection.fetch(
            """
            SELECT causing_id, complaint_id, decision, decided_at, rules_version, report, taken, traceparent
            FROM decisions WHERE causing_id = ANY ($1::uuid[])
            """,
            known,
        )
        logged |= {row["causing_id"]: LoggedDecision(**dict(row)) for row in rows}
    return logged
