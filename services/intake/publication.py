"""What of a report and of a change goes on: events with their free text masked, without who reported. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake.domain import SERVICE_OF, Addressed, Change, Submission
from services.intake.lapor_status import is_final, state_said
from shared.envelope import Message, change_event_id, enclose, received_id
from shared.events import ComplaintChanged, ComplaintReceived, Disposition, Instant, Location
from shared.masking import mask
from shared.topics import Topics

# What a source may take away again. Of all else a null says nothing, and a reader would take it for the new value.
_CLEARABLE = ("category", "channel", "occurred_on")


class _Masker:
    """Masks the free texts of one report and remembers which kinds of identifiers it met."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()

    def __call__(self, text: str) -> str:
        masked = mask(text)
        self.kinds.update(masked.kinds)
        return masked.text

    def maybe(self, text: str | None) -> str | None:
        return None if text is None else self(text)


@dataclass(frozen=True, slots=True)
class MaskedReport:
    """All of a received event that does not depend on the moment of its commit."""

    title: str
    text: str
    category: str | None
    channel: str | None
    source_status: str | None
    location: Location
    disposition: tuple[Disposition, ...]
    kinds: tuple[str, ...]


def mask_report(submission: Submission) -> MaskedReport:
    """Pure CPU work: a millisecond where there is something to mask, tens of them for a very long text."""
    masker = _Masker()
    place = submission.location
    return MaskedReport(
        title=masker(submission.title),
        text=masker(submission.text),
        category=masker.maybe(submission.category),
        channel=masker.maybe(submission.channel),
        source_status=masker.maybe(submission.source_status),
        location=Location(
            province=masker.maybe(place.province),
            regency=masker.maybe(place.regency),
            district=masker.maybe(place.district),
            village=masker.maybe(place.village),
        ),
        disposition=_dispositions(submission.disposition, masker),
        kinds=tuple(sorted(masker.kinds)),
    )


def _dispositions(entries: Sequence[Addressed], masker: _Masker) -> tuple[Disposition, ...]:
    return tuple(Disposition(name=masker(entry.name), at=entry.at, by=masker.maybe(entry.by)) for entry in entries)


def received_event(
    submission: Submission, masked: MaskedReport, *, complaint_id: UUID, source: str, reported_at: Instant, accepted_at: Instant
) -> ComplaintReceived:
    return ComplaintReceived(
        complaint_id=complaint_id,
        source=source,
        source_ref=submission.source_ref,
        service=submission.service or SERVICE_OF.get(source, "layanan"),
        channel=masked.channel,
        title=masked.title,
        text=masked.text,
        class_=submission.class_,
        category=masked.category,
        occurred_on=submission.occurred_on,
        reported_at=reported_at,
        accepted_at=accepted_at,
        location=masked.location,
        is_anonymous=submission.is_anonymous,
        is_confidential=submission.is_confidential,
        disposition=masked.disposition,
        source_status=masked.source_status,
        source_state=state_said(submission.source_status, is_disposed=bool(submission.disposition)),
        is_final=is_final(submission.source_status),
        masked=masked.kinds,
        attachment_count=len(submission.attachments),
    )


def changed_event(change: Change, *, complaint_id: UUID, source: str, by: str, accepted_at: datetime) -> ComplaintChanged:
    """What of a change goes on: free text masked, no null that takes nothing away; reporter, form and attachments stay."""
    masker = _Masker()
    fields = change.fields.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"reporter", "form", "attachments"})
    return ComplaintChanged(
        change_id=change.change_id,
        complaint_id=complaint_id,
        source=source,
        kind=change.kind,
        by=by,
        at=change.at,
        accepted_at=accepted_at,
        fields={name: _masked_values(value, masker) for name, value in fields.items() if value is not None or name in _CLEARABLE},
        text=masker.maybe(change.text),
        source_status=masker.maybe(change.source_status),
        source_state=state_said(change.source_status),
        is_final=is_final(change.source_status) or change.kind in ("withdrawn", "closed", "archived"),
    )


def _masked_values(value: Any, masker: _Masker) -> Any:
    if isinstance(value, str):
        return masker(value)
    if isinstance(value, dict):
        return {name: _masked_values(item, masker) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_masked_values(item, masker) for item in value]
    return value


def joined_event(
    *, complaint_id: UUID, source: str, source_ref: str | None, report: int, by: str, accepted_at: datetime
) -> ComplaintChanged:
    """A second report of the same matter, known by its SP4N tracking id, came in by another door."""
    return ComplaintChanged(
        change_id=f"joined/{report}",
        complaint_id=complaint_id,
        source=source,
        kind="joined",
        by=by,
        accepted_at=accepted_at,
        fields={"source": source, "source_ref": source_ref},
    )


def received_message(topics: Topics, event: ComplaintReceived, value: bytes, traceparent: str | None) -> Message:
    return enclose(
        event,
        topic=topics.received,
        complaint_id=event.complaint_id,
        event_id=received_id(event.complaint_id),
        source="intake",
        at=event.accepted_at,
        traceparent=traceparent,
        value=value,
    )


def change_message(topics: Topics, event: ComplaintChanged, traceparent: str | None) -> Message:
    return enclose(
        event,
        topic=topics.changes,
        complaint_id=event.complaint_id,
        event_id=change_event_id(event.complaint_id, event.by, event.change_id),
        source="intake",
        at=event.accepted_at,
        traceparent=traceparent,
    )
