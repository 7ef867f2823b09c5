"""SQL of what is said of a case, of answers and of disclosures: named functions on a connection; the caller commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake.answers import KnownAnswer
from shared.postgres import Connection


@dataclass(frozen=True, slots=True)
class Said:
    """An update or a decision. `writer` is whose id `said_id` is."""

    writer: str
    said_id: str
    complaint_id: UUID
    kind: str
    by: str
    accepted_at: datetime
    request_sha: bytes
    original: str
    answer_id: UUID | None = None
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Who was shown a report unmasked, for which assignment and what for."""

    id: UUID
    complaint_id: UUID
    by: str
    unit: str
    desk: str | None
    assignment_id: UUID
    purpose: str
    disclosed_at: datetime
    is_reporter_shown: bool


async def get_standing(connection: Connection, complaint_id: UUID) -> tuple[str, str | None]:
    """The first source of a complaint that exists, and the notifier's last word on it as JSON where there is one."""
    row = await connection.fetchrow(
        "SELECT source, status FROM complaints LEFT JOIN cases ON cases.complaint_id = complaints.id WHERE complaints.id = $1", complaint_id
    )
    assert row is not None
    return row["source"], row["status"]


async def exists(connection: Connection, complaint_id: UUID) -> bool:
    return await connection.fetchval("SELECT true FROM complaints WHERE id = $1", complaint_id) is not None


async def find_status(connection: Connection, complaint_id: UUID) -> str | None:
    """The notifier's last word on a complaint, as JSON; None where there is none, or no such complaint."""
    return await connection.fetchval(  # type: ignore[no-any-return]
        "SELECT status FROM cases JOIN complaints ON complaints.id = complaint_id WHERE complaint_id = $1", complaint_id
    )


async def find_said(connection: Connection, writers: Sequence[str], said_id: str) -> list[Said]:
    rows = await connection.fetch(
        """
        SELECT writer, said_id, complaint_id, kind, by, accepted_at, request_sha, original, answer_id, is_draft
        FROM speech WHERE writer = ANY ($1::text[]) AND said_id = $2
        """,
        writers,
        said_id,
    )
    return [Said(**dict(row)) for row in rows]


async def add_said(connection: Connection, said: Said) -> bool:
    """False where its writer has used this id."""
    return (
        await connection.fetchval(
            """
            INSERT INTO speech (writer, said_id, complaint_id, kind, by, accepted_at, request_sha, original, answer_id, is_draft)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING true
            """,
            said.writer,
            said.said_id,
            said.complaint_id,
            said.kind,
            said.by,
            said.accepted_at,
            said.request_sha,
            said.original,
            said.answer_id,
            said.is_draft,
        )
        is not None
    )


async def add_answer(connection: Connection, complaint_id: UUID, answer: KnownAnswer) -> None:
    await connection.execute(
        """
        INSERT INTO answers (id, complaint_id, assignment_id, unit, desk, by, accepted_at,
                             is_draft, is_final, text, attachments, drafted_by, approved_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        answer.id,
        complaint_id,
        answer.assignment_id,
        answer.unit,
        answer.desk,
        answer.by,
        answer.accepted_at,
        answer.is_draft,
        answer.is_final,
        answer.text,
        answer.attachments,
        answer.drafted_by,
        answer.approved_by,
    )


async def add_disclosure(connection: Connection, disclosure: Disclosure) -> None:
    await connection.execute(
        """
        INSERT INTO disclosures (id, complaint_id, by, unit, desk, assignment_id, purpose, disclosed_at, is_reporter_shown)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        disclosure.id,
        disclosure.complaint_id,
        disclosure.by,
        disclosure.unit,
        disclosure.desk,
        disclosure.assignment_id,
        disclosure.purpose,
        disclosure.disclosed_at,
        disclosure.is_reporter_shown,
    )


async def find_originals(connection: Connection, complaint_id: UUID) -> list[dict[str, Any]]:
    """Every report of a complaint as it came, the first one first."""
    rows = await connection.fetch(
        "SELECT source, source_ref, reported_at, accepted_at, original, is_masked FROM reports WHERE complaint_id = $1 ORDER BY number",
        complaint_id,
    )
    return [dict(row) for row in rows]


async def find_source_changes(connection: Connection, complaint_id: UUID) -> list[dict[str, Any]]:
    """What its sources said later, as it came, oldest first."""
    rows = await connection.fetch(
        "SELECT change_id, by, kind, accepted_at, original FROM changes WHERE complaint_id = $1 ORDER BY accepted_at, by, change_id",
        complaint_id,
    )
    return [dict(row) for row in rows]
