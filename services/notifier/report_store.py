"""The masked report that the notifier keeps, for whoever has to decide it anew. SQL; the caller commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from shared.events import ComplaintReceived
from shared.postgres import Connection


async def keep_reports(connection: Connection, reports: Sequence[tuple[UUID, bytes]]) -> None:
    """The value as it came; the first of a complaint stays."""
    await connection.execute(
        """
        INSERT INTO reports (complaint_id, value) SELECT * FROM unnest($1::uuid[], $2::bytea[]) ORDER BY 1
        ON CONFLICT (complaint_id) DO UPDATE SET value = excluded.value WHERE reports.value IS NULL
        """,
        *zip(*reports, strict=True),
    )


async def keep_edits(connection: Connection, edits: Sequence[tuple[UUID, datetime, dict[str, Any]]]) -> None:
    """What a source says anew, by the instant it counts from; the caller makes sure that each is new."""
    for complaint_id, at, fields in edits:
        await connection.execute(
            """
            INSERT INTO reports (complaint_id, edits) VALUES ($1, $2)
            ON CONFLICT (complaint_id) DO UPDATE SET edits = (reports.edits::jsonb || excluded.edits::jsonb)::text
            """,
            complaint_id,
            to_json([[at, fields]]).decode(),
        )


async def read_reports(connection: Connection, complaint_ids: Sequence[UUID]) -> dict[UUID, ComplaintReceived]:
    """As they read now; a report that never could be read is not among them."""
    found: dict[UUID, ComplaintReceived] = {}
    for row in await connection.fetch(
        "SELECT complaint_id, value, edits FROM reports WHERE complaint_id = ANY ($1::uuid[]) AND value IS NOT NULL", complaint_ids
    ):
        fields: dict[str, Any] = from_json(row["value"])
        for _at, edit in sorted(from_json(row["edits"]), key=lambda item: datetime.fromisoformat(item[0])):
            fields |= edit
        try:
            found[row["complaint_id"]] = ComplaintReceived.model_validate(fields)
        except ValidationError:  # an edit that no report can have: it is decided by the words that came first
            found[row["complaint_id"]] = ComplaintReceived.model_validate_json(row["value"])
    return found
