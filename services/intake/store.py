"""Intake's SQL: named functions on a connection; the caller commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake.domain import Identity
from shared.envelope import Message
from shared.outbox import encode_headers
from shared.postgres import Connection


@dataclass(frozen=True, slots=True)
class StoredReport:
    """What the first answer said; a repeat says it again."""

    complaint_id: UUID
    number: int
    source: str
    source_ref: str | None
    reported_at: datetime
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """An identity that is taken: by which complaint's report, for which request."""

    identity: Identity
    complaint_id: UUID
    report: int
    request_sha: bytes


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report with its original as JSON. Number 0 makes the complaint."""

    complaint_id: UUID
    number: int
    source: str
    source_ref: str | None
    reported_at: datetime
    accepted_at: datetime
    original: str


async def add_identities(connection: Connection, claims: Sequence[Claim]) -> set[Identity]:
    """Take the names that are free, in the order given; returns those that were. Waits for another transaction that is taking one."""
    rows = await connection.fetch(
        """
        INSERT INTO identities (kind, source, value, complaint_id, report, request_sha)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::int[], $6::bytea[])
        ON CONFLICT DO NOTHING RETURNING kind, source, value
        """,
        [claim.identity.kind for claim in claims],
        [claim.identity.source for claim in claims],
        [claim.identity.value for claim in claims],
        [claim.complaint_id for claim in claims],
        [claim.report for claim in claims],
        [claim.request_sha for claim in claims],
    )
    return {Identity(row["kind"], row["source"], row["value"]) for row in rows}


async def drop_identities(connection: Connection, complaint_ids: Sequence[UUID]) -> None:
    """Give back names taken earlier in this transaction for complaints that will not be made."""
    await connection.execute("DELETE FROM identities WHERE complaint_id = ANY ($1::uuid[])", complaint_ids)


async def find_claims(connection: Connection, identities: Sequence[Identity]) -> dict[Identity, Claim]:
    rows = await connection.fetch(
        """
        SELECT kind, source, value, complaint_id, report, request_sha FROM identities
        WHERE (kind, source, value) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))
        """,
        [identity.kind for identity in identities],
        [identity.source for identity in identities],
        [identity.value for identity in identities],
    )
    claims = [
        Claim(Identity(row["kind"], row["source"], row["value"]), row["complaint_id"], row["report"], row["request_sha"]) for row in rows
    ]
    return {claim.identity: claim for claim in claims}


@dataclass(frozen=True, slots=True)
class NewComplaint:
    id: UUID
    source: str
    source_ref: str | None
    reported_at: datetime
    accepted_at: datetime
    is_final: bool
    traceparent: str | None


async def add_complaints(
    connection: Connection, complaints: Sequence[NewComplaint], reports: Sequence[NewReport], messages: Sequence[Message], look_after: float
) -> None:
    """Complaints, their first reports and their events, row by row together: one statement, because it is the hot path's."""
    await connection.execute(
        """
        WITH reported AS (
            INSERT INTO reports (complaint_id, number, source, source_ref, reported_at, accepted_at, original)
            SELECT id, 0, source, source_ref, reported_at, accepted_at, original
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[])
                AS new (id, source, source_ref, reported_at, accepted_at, original)
        ), sent AS (
            INSERT INTO outbox (topic, key, headers, value, lane)
            SELECT topic, uuid_send(id), headers, value, source
            FROM unnest($1::uuid[], $7::text[], $8::text[], $9::bytea[], $2::text[])
                WITH ORDINALITY AS new (id, topic, headers, value, source, number)
            ORDER BY number
        )
        INSERT INTO complaints (id, source, source_ref, reported_at, accepted_at, received, is_final, traceparent, next_look_at, look_pause)
        SELECT new.*, now() + make_interval(secs => $12), make_interval(secs => $12)
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $9::bytea[], $10::bool[], $11::text[]) AS new
        """,
        [item.id for item in complaints],
        [item.source for item in complaints],
        [item.source_ref for item in complaints],
        [item.reported_at for item in complaints],
        [item.accepted_at for item in complaints],
        [item.original for item in reports],
        [message.topic for message in messages],
        [encode_headers(message) for message in messages],
        [message.value for message in messages],
        [item.is_final for item in complaints],
        [item.traceparent for item in complaints],
        look_after,
    )


async def add_reports(connection: Connection, reports: Sequence[NewReport]) -> None:
    await connection.execute(
        """
        INSERT INTO reports (complaint_id, number, source, source_ref, reported_at, accepted_at, original)
        SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[])
        """,
        [item.complaint_id for item in reports],
        [item.number for item in reports],
        [item.source for item in reports],
        [item.source_ref for item in reports],
        [item.reported_at for item in reports],
        [item.accepted_at for item in reports],
        [item.original for item in reports],
    )


async def find_reports(connection: Connection, reports: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], StoredReport]:
    """By complaint and number."""
    rows = await connection.fetch(
        """
        SELECT complaint_id, number, source, source_ref, reported_at, accepted_at FROM reports
        WHERE (complaint_id, number) IN (SELECT * FROM unnest($1::uuid[], $2::int[]))
        """,
        [complaint_id for complaint_id, _ in reports],
        [number for _, number in reports],
    )
    return {(row["complaint_id"], row["number"]): StoredReport(**dict(row)) for row in rows}


async def find_same_report(connection: Connection, complaint_id: UUID, source: str, original: str) -> int | None:
    return await connection.fetchval(  # type: ignore[no-any-return]
        "SELECT number FROM reports WHERE complaint_id = $1 AND source = $2 AND original = $3 ORDER BY number LIMIT 1",
        complaint_id,
        source,
        original,
    )


async def lock_complaint(connection: Connection, complaint_id: UUID) -> bool:
    """Whoever adds to a complaint locks it first: its events then enter the outbox in the order of their commits."""
    return await connection.fetchval("SELECT true FROM complaints WHERE id = $1 FOR UPDATE", complaint_id) is not None


async def count_reports(connection: Connection, complaint_id: UUID) -> int:
    return await connection.fetchval("SELECT count(*) FROM reports WHERE complaint_id = $1", complaint_id)  # type: ignore[no-any-return]


async def find_report_sources(connection: Connection, complaint_id: UUID) -> list[tuple[str, str | None]]:
    """(source, source_ref) of every report of a complaint, the first one first; empty where there is no such complaint."""
    rows = await connection.fetch("SELECT source, source_ref FROM reports WHERE complaint_id = $1 ORDER BY number", complaint_id)
    return [(row["source"], row["source_ref"]) for row in rows]


async def find_case(connection: Connection, complaint_id: UUID) -> dict[str, Any] | None:
    """What GET needs: the complaint's own facts, and the notifier's last word where there is one."""
    row = await connection.fetchrow(
        """
        SELECT complaints.id, source, source_ref, reported_at, accepted_at, received, status
        FROM complaints LEFT JOIN cases ON cases.complaint_id = complaints.id WHERE complaints.id = $1
        """,
        complaint_id,
    )
    return dict(row) if row is not None else None


async def add_change(
    connection: Connection,
    *,
    by: str,
    change_id: str,
    complaint_id: UUID,
    kind: str,
    accepted_at: datetime,
    request_sha: bytes,
    original: str,
) -> bool:
    """False where this writer already sent a change of this id."""
    return (
        await connection.fetchval(
            """
            INSERT INTO changes (by, change_id, complaint_id, kind, accepted_at, request_sha, original)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING true
            """,
            by,
            change_id,
            complaint_id,
            kind,
            accepted_at,
            request_sha,
            original,
        )
        is not None
    )


async def get_change(connection: Connection, by: str, change_id: str) -> dict[str, Any]:
    row = await connection.fetchrow(
        "SELECT complaint_id, accepted_at, request_sha FROM changes WHERE by = $1 AND change_id = $2", by, change_id
    )
    assert row is not None
    return dict(row)


async def claim_unheard(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Complaints that nothing was heard of in time; their next look is doubled. What still waits in the outbox is only looked at later:
    it was not sent yet, and must not be sent twice the moment Kafka is back.
    """
    rows = await connection.fetch(
        """
        WITH unheard AS MATERIALIZED (
            SELECT id, EXISTS (SELECT FROM outbox WHERE outbox.key = uuid_send(complaints.id)) AS is_waiting FROM complaints
            WHERE next_look_at <= now() ORDER BY next_look_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
        ), looked AS (
            UPDATE complaints SET
                look_pause = CASE WHEN is_waiting THEN look_pause ELSE look_pause * 2 END,
                next_look_at = now() + CASE WHEN is_waiting THEN look_pause ELSE look_pause * 2 END,
                resent = resent + (NOT is_waiting)::int
            FROM unheard WHERE complaints.id = unheard.id
            RETURNING complaints.id, accepted_at, received, traceparent, is_waiting
        )
        SELECT id, accepted_at, received, traceparent FROM looked WHERE NOT is_waiting
        """,
        limit,
    )
    return [dict(row) for row in rows]


async def count_undecided(connection: Connection) -> dict[str, int]:
    """By source: accepted complaints of which the read model shows nothing but `received`."""
    rows = await connection.fetch("SELECT source, count(*) AS count FROM complaints WHERE next_look_at IS NOT NULL GROUP BY source")
    return {row["source"]: row["count"] for row in rows}
