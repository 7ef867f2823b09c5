"""A record that can never be read, kept as it came, with where it came from and why. Pure.

The error never quotes input: a dead letter's headers are shown to operators.
"""

from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from shared.envelope import Message, complaint_of
from shared.errors import Dead


class _Origin(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def raw_headers(self) -> tuple[tuple[str, bytes | None], ...]: ...


# With the headers added here, anything larger would be refused by a broker with the usual limit of 1 MiB, again and again.
_MOST_BYTES = 1_000_000
TOO_LARGE = "; too large to keep, it lies at its origin"


def dead_letter(topic: str, record: _Origin, error: Dead, failed_at: datetime | None = None) -> Message:
    """The original key, value and headers as bytes, plus the `x-` headers; those that a record had from elsewhere are left out.

    `x-replay-id` and `x-replayed-at` stay with the record: so a letter says that it was put back before, and died again.

    Of a record too large to keep only the `x-` headers remain, and its key where it is a complaint's.
    """
    kept = tuple((name, value) for name, value in record.raw_headers if name not in OUR_HEADERS)
    size = len(record.key or b"") + len(record.value or b"") + sum(len(name.encode()) + len(value or b"") + 10 for name, value in kept)
    is_too_large = size > _MOST_BYTES
    about = (
        ("x-dlq-reason", error.reason.encode()),
        ("x-dlq-error", (error.detail + TOO_LARGE if is_too_large else error.detail).encode()),
        ("x-origin-topic", record.topic.encode()),
        ("x-origin-partition", str(record.partition).encode()),
        ("x-origin-offset", str(record.offset).encode()),
        ("x-failed-at", (failed_at or datetime.now(UTC)).isoformat().encode()),
    )
    if is_too_large:
        return Message(topic, record.key if complaint_of(record.key) else None, None, about)
    return Message(topic, record.key, record.value, (*kept, *about))


OUR_HEADERS = frozenset({"x-dlq-reason", "x-dlq-error", "x-origin-topic", "x-origin-partition", "x-origin-offset", "x-failed-at"})

REPLAY_ID = "x-replay-id"
REPLAYED_AT = "x-replayed-at"


def put_back(
    topic: str, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...], replay_id: UUID, at: datetime
) -> Message:
    """A dead record as it first came, saying that it was put back: what an earlier replay said of it is left out."""
    kept = tuple((name, said) for name, said in headers if name not in (REPLAY_ID, REPLAYED_AT))
    said = ((REPLAY_ID, str(replay_id).encode()), (REPLAYED_AT, at.isoformat().encode()))
    return Message(topic, key, value, (*kept, *said))
