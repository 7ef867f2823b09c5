"""What a unit, a desk or the admin says of a case: stored once, with its answer and its event, in one transaction."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from services.intake import speech_store, store
from services.intake.answers import KnownAnswer
from services.intake.domain import original_of, request_sha
from services.intake.handlers import PATIENCE_SECONDS, Intake, not_found, patiently
from services.intake.publication import change_message
from services.intake.speakers import Speaker
from services.intake.speech import Update, check_merge, check_update, find_assignment, own_assignments, refused_field
from services.intake.speech_events import mask_texts, update_event
from services.intake.speech_store import Said
from shared.events import AssignmentStatus, CaseStatus
from shared.masking import LONG_TEXT
from shared.outbox import add_to_outbox
from shared.postgres import Connection, read_clock
from shared.problems import Problem


async def accept_update(intake: Intake, complaint_id: UUID, update: Update, speaker: Speaker, traceparent: str | None) -> dict[str, object]:
    """Store an update and its event; a repeat gets the first answer, also after its assignment ended. A draft has no event.

    Raises `Problem` 404 for what is not the speaker's.
    """
    check_update(update, speaker.role, complaint_id)
    note, reason = await masked(update.note, update.reason)
    original = original_of(update)
    sha = request_sha(original)
    async with patiently(intake.pool, PATIENCE_SECONDS) as connection:
        if not await store.lock_complaint(connection, complaint_id):
            raise not_found()
        source, status = await speech_store.get_standing(connection, complaint_id)
        case = CaseStatus.model_validate_json(status) if status is not None else None
        mine = own_assignments(speaker, case)
        if not mine and speaker.role != "admin":
            raise not_found()
        writers = sorted({_writer(item) for item in mine}) or ["admin"]
        known = await find_repeat(connection, writers, update.update_id, complaint_id, sha, field="update_id")
        if known is not None:
            return _body(known)
        assignment = find_assignment(mine, update.assignment_id) if mine else None
        if update.into is not None:
            await _check_into(connection, update.into, speaker, assignment, case)
        now = await read_clock(connection)
        answer_id = uuid4() if update.answer is not None else None
        said = Said(
            writer=_writer(assignment) if assignment else "admin",
            said_id=update.update_id,
            complaint_id=complaint_id,
            kind="update",
            by=speaker.name,
            accepted_at=now,
            request_sha=sha,
            # The answer has a row of its own.
            original=original if update.answer is None else original_of(update.model_copy(update={"answer": None})),
            answer_id=answer_id,
            is_draft=update.is_draft,
        )
        if not await speech_store.add_said(connection, said):
            raise conflict("update_id")
        if answer_id is not None and assignment is not None:
            await speech_store.add_answer(connection, complaint_id, _answer(update, answer_id, assignment, speaker, now))
        if not update.is_draft:
            event = update_event(
                update,
                assignment,
                note=note,
                reason=reason,
                complaint_id=complaint_id,
                source=source,
                by=speaker.name,
                answer_id=answer_id,
                accepted_at=now,
            )
            await add_to_outbox(connection, [change_message(intake.topics, event, traceparent)])
    if update.is_draft:
        intake.metrics.drafts.inc()
    else:
        intake.metrics.updates.labels(update.status).inc()
        intake.relay.wake()
    return _body(said)


async def _check_into(
    connection: Connection, into: UUID, speaker: Speaker, assignment: AssignmentStatus | None, case: CaseStatus | None
) -> None:
    """By what was last told of both cases, neither of which waits for the other here; the notifier judges it again."""
    if assignment is not None and case is not None:
        told = await speech_store.find_status(connection, into)
        check_merge(speaker, assignment, case, CaseStatus.model_validate_json(told) if told is not None else None)
    elif not await speech_store.exists(connection, into):
        raise refused_field("into", "there is no such complaint")


async def masked(*texts: str | None) -> tuple[str | None, ...]:
    """Long texts off the loop that others wait for."""
    if sum(len(text) for text in texts if text is not None) > LONG_TEXT:
        return await asyncio.to_thread(mask_texts, texts)
    return mask_texts(texts)


async def find_repeat(
    connection: Connection, writers: Sequence[str], said_id: str, complaint_id: UUID, sha: bytes, *, field: str
) -> Said | None:
    """What the same request said the first time. Raises `Problem` 422 where this id said something else.

    A desk may have parts from several units: which of them it means is not known here, so the id must be used by all to be refused.
    """
    known = await speech_store.find_said(connection, writers, said_id)
    for said in known:
        if (said.complaint_id, said.request_sha) == (complaint_id, sha):
            return said
    if known and len(known) == len(writers):
        raise conflict(field)
    return None


def conflict(field: str) -> Problem:
    detail = f"{field} was used for something else; give each update and each decision an id of its own"
    return Problem(422, "identity-conflict", "Sent before with another body", detail, field=field)


def _writer(assignment: AssignmentStatus) -> str:
    """A unit and its desks share their ids, as they do on the unit's topic."""
    return f"unit:{assignment.unit}"


def _answer(update: Update, answer_id: UUID, assignment: AssignmentStatus, speaker: Speaker, now: datetime) -> KnownAnswer:
    answer = update.answer
    assert answer is not None
    return KnownAnswer(
        id=answer_id,
        assignment_id=assignment.id,
        unit=assignment.unit,
        desk=assignment.desk,
        by=speaker.name,
        accepted_at=now,
        is_draft=update.is_draft,
        is_final=answer.is_final,
        text=answer.text,
        attachments=f"[{','.join(item.model_dump_json(exclude_unset=True) for item in answer.attachments)}]",
        drafted_by=answer.drafted_by,
        approved_by=answer.approved_by,
    )


def _body(said: Said) -> dict[str, object]:
    body: dict[str, object] = {
        "update_id": said.said_id,
        "complaint_id": said.complaint_id,
        "accepted_at": said.accepted_at,
        "answer_id": said.answer_id,
    }
    return body | {"state": "draft"} if said.is_draft else body
