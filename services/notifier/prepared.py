"""A firing worked out ahead: all that it writes, but for the instant at which it happens. Pure.

At a close of office thousands of clocks are due at one instant, known for days. What a firing leaves follows from the case alone, so it
is worked out in the minutes before; at the instant it is written, if the case, looked at under its lock, is still the very same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic_core import to_json

from services.notifier.case import Case
from services.notifier.clock_text import write_clocks
from services.notifier.clocks import Clockwork
from services.notifier.ladder import Absences
from services.notifier.publication import messages_of
from services.notifier.timeline import Line, lines_of, next_line
from shared.events import FollowUpKind
from shared.topics import Topics

# Stands for the instant of the firing until that is known.
_SOMETIME = datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_MARK = "9998-12-31T23:59:59.999999"
_LATE = b'"late_by_seconds":'

Key = tuple[int, bytes, str, datetime]  # sequence, head of the timeline, by what it was timed, when it is due
Event = tuple[str, bytes, str, bytes]  # topic, key, headers and value as the outbox keeps them


@dataclass(slots=True)
class Prepared:
    """Valid while the case's row says `key`, the same are away, and nothing more of the case is due."""

    key: Key
    absences: Absences
    kind: FollowUpKind
    next_due_at: datetime | None
    is_watched: bool
    sequence: int
    clocks: str
    what: str
    data: str
    topics: tuple[str, ...]
    headers: tuple[str, ...]
    follow_up: tuple[bytes, bytes]  # before and after its lateness
    status: bytes

    def events(self, complaint_id: UUID, stamp: str, late: bytes, traceparent: str | None = None) -> Iterator[Event]:
        """The follow-up, to each of its topics, and the status. `stamp` and `late` as `stamps_of` gives them."""
        said = (self.follow_up[0] + late + self.follow_up[1]).replace(_MARK.encode(), stamp.encode())
        last = len(self.topics) - 1
        for number, topic in enumerate(self.topics):
            value = said if number < last else self.status.replace(_MARK.encode(), stamp.encode())
            headers = self.headers[number].replace(_MARK, stamp)
            if traceparent is not None:
                headers = f'{headers[:-1]},["traceparent","{traceparent}"]]'  # as `enclose` ends them
            yield topic, complaint_id.bytes, headers, value

    def clocks_at(self, stamp: str) -> str:
        return self.clocks.replace(_MARK, stamp)

    def line(self, complaint_id: UUID, entries: int, now: datetime) -> Line:
        """The timeline's line after the `entries` that it has."""
        return next_line(self.key[1], complaint_id, entries + 1, now, now, "fired", self.what, "notifier", None, self.data)


def stamps_of(now: datetime, instant: datetime) -> tuple[str, bytes]:
    """An instant as the events have it (without its Z), and how late it is there."""
    return now.astimezone(UTC).isoformat().removesuffix("+00:00"), to_json(max(0.0, (now - instant).total_seconds()))


def prepare(case: Case, key: Key, clockwork: Clockwork, absences: Absences, topics: Topics) -> Prepared | None:
    """Work out the next firing of a case that lives, and is used up by it. None where it is not one plain follow-up."""
    instant = case.next_due_at
    if instant is None or instant != key[3] or case.timed_by < clockwork.version or case.life.merged_into is not None:
        return None
    if any(entry.at > instant for entry in case.recent):
        return None
    _, ending = clockwork.fire(case, instant, _SOMETIME, absences)
    if ending is not None or len(case.follow_ups) != 1 or len(case.noted) != 1 or case.noted[0].data is None:
        return None
    *said, status = messages_of(case, topics, _SOMETIME)
    follow_up, (line,) = said[0].value or b"", lines_of(case, _SOMETIME, bytes)
    before, mark, late = follow_up.partition(_LATE)
    value = status.value or b""
    if not mark or follow_up.count(_MARK.encode()) != 1 or value.count(_MARK.encode()) != 1 or line.data is None:
        return None  # somebody's own text reads like our mark
    return Prepared(
        key=key,
        absences=absences,
        kind=case.follow_ups[0].kind,
        next_due_at=case.next_due_at,
        is_watched=case.is_watched,
        sequence=case.sequence,
        clocks=write_clocks(case.clocks),
        what=line.what,
        data=line.data,
        topics=tuple(message.topic for message in (*said, status)),
        headers=tuple(message.headers_json() for message in (*said, status)),
        follow_up=(before + mark, late[late.index(b",") :]),
        status=value,
    )
