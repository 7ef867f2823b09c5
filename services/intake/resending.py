"""All that intake ever accepted after a report, as the events it was said by: for a Kafka that lost them. Changes nothing."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
from pydantic_core import from_json

from services.intake.domain import Change
from services.intake.publication import change_message, changed_event, joined_event
from services.intake.speech import Decision, Update
from services.intake.speech_events import decision_event, disclosure_event, mask_texts, update_event
from shared.envelope import Message
from shared.events import AssignmentStatus, CaseStatus, ComplaintChanged
from shared.postgres import Connection
from shared.topics import Topics

_PAGE = 200
_ALL = """
    SELECT * FROM (
        SELECT 'change' AS what, complaint_id, accepted_at, by, change_id AS named, original, NULL::uuid AS answer_id, NULL AS writer,
            NULL::uuid AS assignment_id, NULL AS unit, NULL AS desk, NULL AS source_ref, NULL AS own_source FROM intake.changes
        UNION ALL SELECT kind, complaint_id, accepted_at, by, said_id, original, answer_id, writer,
            (SELECT answers.assignment_id FROM intake.answers WHERE answers.id = answer_id), NULL, NULL, NULL, NULL
            FROM intake.speech WHERE NOT is_draft
        UNION ALL SELECT 'disclosure', complaint_id, disclosed_at, by, id::text, purpose, NULL, NULL, assignment_id, unit, desk, NULL, NULL
            FROM intake.disclosures
        UNION ALL SELECT 'joined', complaint_id, accepted_at, 'source:' || source, number::text, '', NULL, NULL, NULL, NULL, NULL,
            source_ref, source FROM intake.reports WHERE number > 0
    ) AS said
    WHERE complaint_id = ANY ($1::uuid[]) ORDER BY complaint_id, what, by, named
"""


async def changes_since(connection: Connection, topics: Topics) -> AsyncIterator[list[tuple[ComplaintChanged, Message]]]:
    """Each event with its message, page by page; the ids are those of the first time."""
    after = UUID(int=0)
    while True:
        # By complaint: each table has an index for it, and none for the order of all that was said.
        page = await connection.fetch(
            """
            SELECT id, source, status FROM (SELECT id, source FROM intake.complaints WHERE id > $1 ORDER BY id LIMIT $2) AS page
            LEFT JOIN intake.cases ON complaint_id = id ORDER BY id
            """,
            after,
            _PAGE,
        )
        if not page:
            return
        standing = {row["id"]: row for row in page}
        if rows := await connection.fetch(_ALL, list(standing)):
            events = [_event(row, standing[row["complaint_id"]]) for row in rows]
            yield [(event, change_message(topics, event, None)) for event in events]
        after = page[-1]["id"]


def _event(row: asyncpg.Record, standing: asyncpg.Record) -> ComplaintChanged:
    """As it was made when it was accepted."""
    common = {"complaint_id": row["complaint_id"], "by": row["by"]}
    if row["what"] == "change":
        change = Change.model_validate_json(row["original"])
        return changed_event(change, source=row["by"].partition(":")[2], accepted_at=row["accepted_at"], **common)
    if row["what"] == "joined":
        source, reference = row["own_source"], row["source_ref"]
        return joined_event(source=source, source_ref=reference, report=int(row["named"]), accepted_at=row["accepted_at"], **common)
    if row["what"] == "disclosure":
        (purpose,) = mask_texts((row["original"],))
        told = {"id": row["assignment_id"], "unit": row["unit"], "desk": row["desk"], "state": "assigned", "since": row["accepted_at"]}
        return disclosure_event(
            UUID(row["named"]), AssignmentStatus.model_validate(told), purpose=purpose, source=standing["source"],
            disclosed_at=row["accepted_at"], **common,
        )  # fmt: skip
    if row["what"] == "decision":
        decision = Decision.model_validate_json(row["original"])
        agency, reason = mask_texts((decision.order.agency, decision.reason))
        return decision_event(
            decision, agency=agency, reason=reason, source=standing["source"], accepted_at=row["accepted_at"], **common
        )  # fmt: skip
    update = Update.model_validate(from_json(row["original"]))
    note, reason = mask_texts((update.note, update.reason))
    return update_event(
        update, _assignment(row, update, standing["status"]), note=note, reason=reason, source=standing["source"],
        answer_id=row["answer_id"], accepted_at=row["accepted_at"], **common,
    )  # fmt: skip


def _assignment(row: asyncpg.Record, update: Update, status: str | None) -> AssignmentStatus | None:
    """Which one a unit spoke of: as it named it, as its answer has it, else the one it has."""
    if row["writer"] == "admin" or status is None:
        return None
    unit = row["writer"].partition(":")[2]
    mine = [item for item in CaseStatus.model_validate_json(status).assignments if item.unit == unit]
    wanted = update.assignment_id or row["assignment_id"]
    return next((item for item in mine if item.id == wanted), mine[-1] if mine else None)
