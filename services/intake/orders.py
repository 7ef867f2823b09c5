"""What the triage desk or the admin orders for a case's parts: stored once, with its event. It does not judge it."""

from uuid import UUID

from services.intake import speech_store, store
from services.intake.domain import original_of, request_sha
from services.intake.handlers import PATIENCE_SECONDS, Intake, not_found, patiently
from services.intake.publication import change_message
from services.intake.speakers import Speaker
from services.intake.speech import Decision
from services.intake.speech_events import decision_event
from services.intake.speech_store import Said
from services.intake.updates import conflict, find_repeat, masked
from shared.outbox import add_to_outbox
from shared.postgres import read_clock


async def accept_decision(
    intake: Intake, complaint_id: UUID, decision: Decision, speaker: Speaker, traceparent: str | None
) -> dict[str, object]:
    """Store a decision and its event; a repeat gets the first answer. Raises `Problem` 404 where there is no such complaint."""
    agency, reason = await masked(decision.order.agency, decision.reason)
    original = original_of(decision)
    sha = request_sha(original)
    async with patiently(intake.pool, PATIENCE_SECONDS) as connection:
        if not await store.lock_complaint(connection, complaint_id):
            raise not_found()
        said = await find_repeat(connection, [speaker.name], decision.decision_id, complaint_id, sha, field="decision_id")
        is_new = said is None
        if said is None:
            source, _ = await speech_store.get_standing(connection, complaint_id)
            now = await read_clock(connection)
            said = Said(speaker.name, decision.decision_id, complaint_id, "decision", speaker.name, now, sha, original)
            if not await speech_store.add_said(connection, said):
                raise conflict("decision_id")
            event = decision_event(
                decision, agency=agency, reason=reason, complaint_id=complaint_id, source=source, by=speaker.name, accepted_at=now
            )
            await add_to_outbox(connection, [change_message(intake.topics, event, traceparent)])
    if is_new:
        intake.metrics.decisions.inc()
        intake.relay.wake()
    return {"decision_id": said.said_id, "complaint_id": complaint_id, "accepted_at": said.accepted_at}
