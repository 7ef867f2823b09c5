"""What the notifier reads: which payload lies in which topic, and what can never be read."""

from pydantic import ValidationError

from services.notifier import reading
from shared.envelope import complaint_of
from shared.errors import Dead, where
from shared.events import (
    TYPE_OF,
    CaseUpdate,
    ComplaintChanged,
    ComplaintHeld,
    ComplaintReceived,
    ComplaintRouted,
    ComplaintTransferred,
    Payload,
)
from shared.records import Record
from shared.topics import Topics
from shared.units import UNIT_SLUGS

_MOST_DECISIONS = 10_000
Input = ComplaintReceived | ComplaintChanged | ComplaintRouted | ComplaintHeld | ComplaintTransferred | CaseUpdate


class Inputs:
    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._models: dict[str, type[Payload]] = {
            topics.received: ComplaintReceived,
            topics.changes: ComplaintChanged,
            topics.triage: ComplaintHeld,
            topics.transferred: ComplaintTransferred,
            **{topics.routed(unit): ComplaintRouted for unit in UNIT_SLUGS},
            **{topics.updates(unit): CaseUpdate for unit in UNIT_SLUGS},
        }

    def read(self, record: Record) -> Input:
        """Raises `Dead` for what can never be read, or does not belong to the topic it lies in."""
        complaint_id = complaint_of(record.key)
        if complaint_id is None:
            raise Dead("no_complaint_id", "the key is not 16 bytes")
        model = self._models[record.topic]
        given = record.headers.get("ce_type")
        if given is not None and given != TYPE_OF[model]:
            raise Dead("wrong_type", f"ce_type is not {TYPE_OF[model]}")
        try:
            payload = model.model_validate_json(record.value or b"")
        except ValidationError as error:
            raise Dead("not_our_schema", where(error)) from None
        assert isinstance(payload, Input)
        if isinstance(payload, ComplaintRouted | ComplaintHeld | ComplaintTransferred) and payload.decision > _MOST_DECISIONS:
            raise Dead("not_our_schema", "decision: no case has so many")
        if isinstance(payload, ComplaintChanged):
            try:
                reading.changed(payload)
            except ValueError as error:
                raise Dead("not_our_schema", str(error)) from None
        if payload.complaint_id != complaint_id:
            raise Dead("key_differs", "complaint_id is not the key's")
        if isinstance(payload, CaseUpdate | ComplaintRouted) and payload.unit != self._topics.unit_of(record.topic):
            raise Dead("wrong_unit", "unit is not the topic's")
        return payload
