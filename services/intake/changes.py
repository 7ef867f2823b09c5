"""What a source says later of a report: stored once, with its event, in one transaction."""

import asyncio
from datetime import datetime
from uuid import UUID

from services.intake import store
from services.intake.domain import Change, original_of, request_sha
from services.intake.handlers import PATIENCE_SECONDS, Intake, not_found, patiently
from services.intake.publication import change_message, changed_event
from services.intake.speakers import Speaker
from shared.events import ComplaintChanged
from shared.masking import LONG_TEXT
from shared.outbox import add_to_outbox
from shared.postgres import Connection, read_clock
from shared.problems import Problem


async def accept_change(intake: Intake, complaint_id: UUID, change: Change, speaker: Speaker, traceparent: str | None) -> dict[str, object]:
    """Store a source's change and its event; a repeat gets the first answer. Raises `Problem` 404 for what is not the source's."""
    async with patiently(intake.pool, PATIENCE_SECONDS) as connection:
        sources = await store.find_report_sources(connection, complaint_id)
        if speaker.subject not in {source for source, _ in sources} or not await store.lock_complaint(connection, complaint_id):
            raise not_found()
        now = await read_clock(connection)
        is_new = await store_change(intake, connection, complaint_id, change, speaker, now, traceparent)
        if not is_new:
            stored = await store.get_change(connection, speaker.name, change.change_id)
            if stored["request_sha"] != request_sha(original_of(change)) or stored["complaint_id"] != complaint_id:
                raise Problem(
                    422,
                    "identity-conflict",
                    "Sent before with another body",
                    "change_id was used for another change; give each change an id of its own",
                    field="change_id",
                )
            now = stored["accepted_at"]
    if is_new:
        intake.relay.wake()
    return {"change_id": change.change_id, "complaint_id": complaint_id, "accepted_at": now}


async def store_change(
    intake: Intake, connection: Connection, complaint_id: UUID, change: Change, speaker: Speaker, now: datetime, traceparent: str | None
) -> bool:
    """In the caller's transaction, the complaint locked; False where this change is known."""
    original = original_of(change)
    is_new = await store.add_change(
        connection,
        by=speaker.name,
        change_id=change.change_id,
        complaint_id=complaint_id,
        kind=change.kind,
        accepted_at=now,
        request_sha=request_sha(original),
        original=original,
    )
    if is_new:

        def masked_event() -> ComplaintChanged:
            return changed_event(change, complaint_id=complaint_id, source=speaker.subject or "", by=speaker.name, accepted_at=now)

        # The masker takes tens of milliseconds over a long text: not on the loop that others wait for.
        event = await asyncio.to_thread(masked_event) if len(original) > LONG_TEXT else masked_event()
        await add_to_outbox(connection, [change_message(intake.topics, event, traceparent)])
        intake.metrics.changes.labels(change.kind).inc()
    return is_new
