"""A record that can never be read, kept as it came, with where it came from and why. Pure.

The error never quotes input: a dead letter's headers are shown to operators.
"""

from datetime import UTC, datetime
from typing import Protocol

from shared.envelope import Message
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


def dead_letter(topic: str, record: _Origin, error: Dead, failed_at: datetime | None = None) -> Message:
    """The original key, value and headers as bytes, plus the `x-` headers. A record that was dead before keeps its first origin."""
    kept = tuple((name, value) for name, value in record.raw_headers if name not in OUR_HEADERS)
    about = (
        ("x-dlq-reason", error.reason.encode()),
        ("x-dlq-error", error.detail.encode()),
        ("x-origin-topic", record.topic.encode()),
        ("x-origin-partition", str(record.partition).encode()),
        ("x-origin-offset", str(record.offset).encode()),
        ("x-failed-at", (failed_at or datetime.now(UTC)).isoformat().encode()),
    )
    return Message(topic, record.key, record.value, (*kept, *about))


OUR_HEADERS = frozenset({"x-dlq-reason", "x-dlq-error", "x-origin-topic", "x-origin-partition", "x-origin-offset", "x-failed-at"})
