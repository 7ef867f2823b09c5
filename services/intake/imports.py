"""One row of a LAPOR! export: new, history, changed, the same, or older than what is known. Safe to repeat at any point."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.intake import store
from services.intake.differences import differences
from services.intake.domain import Submission, When, original_of
from services.intake.handlers import Accepted, Intake
from services.intake.lapor_status import is_final
from services.intake.speakers import Speaker
from shared.postgres import read_clock, transaction
from shared.problems import Problem

Outcome = Literal["new", "history", "changed", "same", "older"]


class ImportedRow(BaseModel):
    """A line of `POST /v1/imports`: the row's number in its file, when the file was exported, and the report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: int
    exported_at: When
    report: Submission


async def accept_row(
    intake: Intake, row: ImportedRow, speaker: Speaker, submit: Callable[[Submission], Awaitable[Accepted]]
) -> dict[str, Any]:
    """`submit` is the way every new report takes. Raises `Problem` for a row that cannot be taken."""
    report, reference, source = row.report, row.report.source_ref, speaker.subject
    if reference is None or source is None:
        raise Problem(422, "invalid-field", "A field is not acceptable", "report.source_ref: is required", field="report.source_ref")
    fields = report.model_dump_json(by_alias=True, exclude_defaults=True)
    outcome: Outcome
    kinds: list[str] = []
    async with transaction(intake.pool) as connection:
        known = await store.find_known_row(connection, source, reference)
    if known is None:
        accepted = await submit(report)
        complaint_id = accepted.report.complaint_id
        outcome = "history" if is_final(report.source_status) else "new"
        async with transaction(intake.pool) as connection:
            await _remember(connection, source, reference, complaint_id, row.exported_at, fields)
    else:
        complaint_id = known.complaint_id
        outcome, kinds = await _compare(intake, row, speaker, complaint_id, fields)
    return {"row": row.row, "outcome": outcome, "id": complaint_id, "changes": kinds}


async def _compare(intake: Intake, row: ImportedRow, speaker: Speaker, complaint_id: UUID, fields: str) -> tuple[Outcome, list[str]]:
    reference, source = row.report.source_ref, speaker.subject
    assert reference is not None and source is not None
    async with transaction(intake.pool) as connection:
        await store.lock_complaint(connection, complaint_id)
        known = await store.find_known_row(connection, source, reference)
        assert known is not None
        before = Submission.model_validate_json(known.fields)
        changes = differences(before, row.report, row.exported_at)
        if known.exported_at is not None and row.exported_at <= known.exported_at:
            return ("older" if changes else "same"), []
        now = await read_clock(connection)
        for change in changes:
            await intake.store_change(connection, complaint_id, change, speaker, now, original_of(change), None)
        await _remember(connection, source, reference, complaint_id, row.exported_at, fields)
    if changes:
        intake.relay.wake()
    return ("changed" if changes else "same"), [change.kind for change in changes]


async def _remember(connection: Any, source: str, reference: str, complaint_id: UUID, exported_at: datetime, fields: str) -> None:
    await store.record_known_row(
        connection, source=source, source_ref=reference, complaint_id=complaint_id, exported_at=exported_at, fields=fields
    )
