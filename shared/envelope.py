"""CloudEvents 1.0 in Kafka's binary mode: the headers around a payload, and the ids that make a repeat recognisable.

Pure: time and trace come in as arguments. Every id is derived, so a redelivery says the same id again
(CloudEvents 1.0, Kafka protocol binding §3.2).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from pydantic_core import to_json

from shared.events import TYPE_OF, Payload

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# For ids whose natural key has no complaint of its own: a refused update is known by (unit, update_id).
UPDATES = UUID("5f0c1d1e-3a44-5c0e-9a5f-7a6f0d8b6c11")


@dataclass(frozen=True, slots=True)
class Message:
    """One record as it is put on the bus: key is the complaint id's 16 raw bytes. Only a dead letter may lack key or value."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def headers_json(self) -> str:
        """As an outbox keeps them."""
        return to_json(self.headers).decode()


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the headers of a record say. All but the value's own schema is optional for a reader."""

    id: UUID | None
    type: str | None
    source: str | None
    sequence: int | None
    traceparent: str | None


def enclose(
    payload: Payload | type[Payload],
    *,
    topic: str,
    complaint_id: UUID,
    event_id: UUID,
    source: str,
    at: datetime,
    causation_id: UUID | None = None,
    sequence: int | None = None,
    traceparent: str | None = None,
    value: bytes | None = None,
) -> Message:
    """`source` is the writing service's name. `value` spares a serialisation where the caller has it already: then the type is enough."""
    headers: list[tuple[str, bytes]] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event_id).encode()),
        ("ce_type", TYPE_OF[payload if isinstance(payload, type) else type(payload)].encode()),
        ("ce_source", f"/jalur/{source}".encode()),
        ("ce_subject", str(complaint_id).encode()),
        ("ce_time", at.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
        ("content-type", b"application/json"),
    ]
    if causation_id is not None:
        headers.append(("ce_causationid", str(causation_id).encode()))
    if sequence is not None:
        headers.append(("ce_sequence", str(sequence).encode()))
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    if value is None:
        assert not isinstance(payload, type)
        value = payload.to_json()
    return Message(topic, complaint_id.bytes, value, tuple(headers))


def clean_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Headers as text; a null or undecodable value is left out rather than spoiling its record. The first of a name counts.

    So is a `traceparent` that is none: it is handed on, also by who never looks into it, and a unit may have written anything there.
    """
    cleaned: dict[str, str] = {}
    for name, value in headers:
        if value is None or name in cleaned:
            continue
        try:
            cleaned[name] = value.decode()
        except UnicodeDecodeError:
            continue
    if "traceparent" in cleaned and not is_traceparent(cleaned["traceparent"]):
        del cleaned["traceparent"]
    return cleaned


def is_traceparent(text: str) -> bool:
    """W3C Trace Context, version 00: the only one there is."""
    return _TRACEPARENT.fullmatch(text) is not None


def read_envelope(headers: dict[str, str]) -> Envelope:
    """Never raises: a header that does not parse is as good as absent."""
    sequence = headers.get("ce_sequence", "")
    return Envelope(
        id=_uuid(headers.get("ce_id")),
        type=headers.get("ce_type"),
        source=headers.get("ce_source"),
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 19 else None,
        traceparent=headers.get("traceparent"),
    )


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def complaint_of(key: bytes | None) -> UUID | None:
    """The complaint that a record's key names; None where the key is not 16 bytes."""
    return UUID(bytes=key) if key is not None and len(key) == 16 else None


def received_id(complaint_id: UUID) -> UUID:
    return uuid5(complaint_id, "received")


def part_id(causing_id: UUID, part: int) -> UUID:
    return uuid5(causing_id, f"part/{part}")


def assignment_id(complaint_id: UUID, decision: int, part: int) -> UUID:
    return uuid5(complaint_id, f"{decision}/{part}")


def change_event_id(complaint_id: UUID, by: str, change_id: str) -> UUID:
    return uuid5(complaint_id, f"change/{by}/{change_id}")


def firing_id(complaint_id: UUID, subject: str, code: str, level: int, occurrence: int) -> UUID:
    """`subject` is the assignment's id as text, or `case`."""
    return uuid5(complaint_id, f"firing/{subject}/{code}/{level}/{occurrence}")


def follow_up_id(complaint_id: UUID, kind: str, sequence: int) -> UUID:
    return uuid5(complaint_id, f"{kind}/{sequence}")


def refused_update_id(unit: str, update_id: str) -> UUID:
    return uuid5(UPDATES, f"{unit}/{update_id}")


def status_id(complaint_id: UUID, sequence: int) -> UUID:
    return uuid5(complaint_id, f"status/{sequence}")
