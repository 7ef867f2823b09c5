"""Shows the unmasked report to whoever has to answer it now. It is recorded and told before it is shown, each time."""

from uuid import UUID, uuid4

from services.intake import speech_store, store
from services.intake.handlers import PATIENCE_SECONDS, Intake, not_found, patiently
from services.intake.publication import change_message
from services.intake.speakers import Speaker
from services.intake.speech import LIVE, DisclosureRequest, own_assignments
from services.intake.speech_events import disclosure_event
from services.intake.speech_store import Disclosure
from services.intake.unmasked import Originals
from services.intake.updates import masked
from shared.events import CaseStatus
from shared.outbox import add_to_outbox
from shared.postgres import read_clock


async def disclose(
    intake: Intake, complaint_id: UUID, request: DisclosureRequest, speaker: Speaker, traceparent: str | None
) -> dict[str, object]:
    """Raises `Problem` 404 for a unit or desk to which nothing of the complaint is assigned now."""
    (purpose,) = await masked(request.purpose)
    async with patiently(intake.pool, PATIENCE_SECONDS) as connection:
        if not await store.lock_complaint(connection, complaint_id):
            raise not_found()
        source, standing = await speech_store.get_standing(connection, complaint_id)
        status = CaseStatus.model_validate_json(standing) if standing is not None else None
        live = [item for item in own_assignments(speaker, status) if item.state in LIVE]
        if status is None or not live:
            raise not_found()
        # With several parts of one complaint it is the same report: the part that it has had longest stands for all.
        assignment = min(live, key=lambda item: (item.since, item.id))
        originals = Originals(
            await speech_store.find_originals(connection, complaint_id), await speech_store.find_source_changes(connection, complaint_id)
        )
        disclosure = Disclosure(
            id=uuid4(),
            complaint_id=complaint_id,
            by=speaker.name,
            unit=assignment.unit,
            desk=assignment.desk,
            assignment_id=assignment.id,
            purpose=request.purpose,
            disclosed_at=await read_clock(connection),
            is_reporter_shown=originals.may_show_reporter(status),
        )
        await speech_store.add_disclosure(connection, disclosure)
        event = disclosure_event(
            disclosure.id,
            assignment,
            purpose=purpose,
            complaint_id=complaint_id,
            source=source,
            by=speaker.name,
            disclosed_at=disclosure.disclosed_at,
        )
        await add_to_outbox(connection, [change_message(intake.topics, event, traceparent)])
    intake.metrics.disclosures.inc()
    intake.relay.wake()
    return {
        "disclosure_id": disclosure.id,
        "complaint_id": complaint_id,
        "disclosed_at": disclosure.disclosed_at,
        "purpose": disclosure.purpose,
    } | originals.view(with_reporter=disclosure.is_reporter_shown)
