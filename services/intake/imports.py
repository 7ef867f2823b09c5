"""One row of a LAPOR! export: new, history, changed, the same, or older than what is known. Safe to repeat at any point."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StrictInt

from services.intake import known_rows, store
from services.intake.changes import store_change
from services.intake.differences import differences, unmasked
from services.intake.domain import Submission, When, original_of, refused_instant
from services.intake.erasure import is_erased
from services.intake.handlers import PATIENCE_SECONDS, Intake, patiently
from services.intake.lapor_status import is_final
from services.intake.publication import mask_report
from services.intake.requests import Accepted
from services.intake.speakers import Speaker
from shared.postgres import read_clock, transaction
from shared.problems import Problem

# A sheet may say only the day, in the zone of whoever exported it.
_CLOCK_SKEW = timedelta(days=1)
Outcome = Literal["new", "history", "changed", "same", "older"]


class ImportedRow(BaseModel):
    """A line of `POST /v1/imports`: the row's number in its file, when the file was exported, and the report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: StrictInt
    exported_at: When
    report: Submission


async def accept_row(
    intake: Intake,
    row: ImportedRow,
    speaker: Speaker,
    submit: Callable[[Submission, datetime], Awaitable[Accepted]],
    place: Callable[[], AbstractAsyncContextManager[None]],
) -> dict[str, Any]:
    """`submit` is the way every new report takes, `place` a turn at the database. Raises `Problem` for a row that cannot be taken."""
    report, reference, source = row.report, row.report.source_ref, speaker.subject
    if reference is None or source is None:
        raise Problem(422, "invalid-field", "A field is not acceptable", "report.source_ref: is required", field="report.source_ref")
    async with place(), transaction(intake.pool) as connection:
        if row.exported_at > await read_clock(connection) + _CLOCK_SKEW:
            raise refused_instant("exported_at", "lies more than a day ahead")
        known = await known_rows.find_known_row(connection, source, reference, is_whole=True)
    if known is None:
        try:
            accepted = await submit(report, row.exported_at)
        except Problem as problem:
            if problem.kind != "identity-conflict":  # another import may have brought it in meanwhile, with other words
                raise
            async with place(), transaction(intake.pool) as connection:
                known = await known_rows.find_known_row(connection, source, reference)
            if known is None:
                raise
        else:
            if not accepted.is_repeat:
                outcome: Outcome = "history" if is_final(report.source_status) else "new"
                return {"row": row.row, "outcome": outcome, "id": accepted.report.complaint_id, "changes": []}
    complaint_id = known.complaint_id if known is not None else accepted.report.complaint_id
    async with place():
        outcome, kinds = await _compare(intake, row, speaker, complaint_id, reference)
    return {"row": row.row, "outcome": outcome, "id": complaint_id, "changes": kinds}


async def _compare(intake: Intake, row: ImportedRow, speaker: Speaker, complaint_id: UUID, reference: str) -> tuple[Outcome, list[str]]:
    source = speaker.subject or ""
    async with patiently(intake.pool, PATIENCE_SECONDS) as connection:
        await store.lock_complaint(connection, complaint_id)
        if await is_erased(connection, complaint_id):
            return "same", []  # an export brings nothing back; what its source has to say of it since then comes as a change
        known = await known_rows.find_known_row(connection, source, reference)
        assert known is not None
        before = Submission.model_validate_json(known.fields)
        changes = differences(before, row.report, row.exported_at)
        if changes:  # after a recovery what is known may be masked, and would differ by its marks alone
            before = unmasked(before, row.report, await asyncio.to_thread(mask_report, row.report))
            changes = differences(before, row.report, row.exported_at)
        if known.exported_at is not None and row.exported_at <= known.exported_at:
            return ("older" if changes else "same"), []
        now = await read_clock(connection)
        for change in changes:
            await store_change(intake, connection, complaint_id, change, speaker, now, None)
        shown = known_rows.ExportedRow(source, reference, complaint_id, row.exported_at, original_of(row.report))
        await known_rows.record_known_rows(connection, [shown])
    if changes:
        intake.relay.wake()
    return ("changed" if changes else "same"), [change.kind for change in changes]
