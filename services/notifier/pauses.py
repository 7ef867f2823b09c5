"""When a clock does not run: pauses in order, and what is left between them. Pure; why a clock is paused it does not know.

Two instants of one zone are compared and subtracted by Python as wall clocks show them, so everything here is UTC.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from services.notifier.calendar import local_time

Pause = tuple[datetime, datetime | None]
"""[from, to): at `to` the clock runs again; without it, it is still paused."""

Pausing = tuple[datetime, datetime]
"""A pause as UTC; one without end lasts until `NEVER`."""

NEVER = datetime.max.replace(tzinfo=UTC)


def merged(pauses: Sequence[Pause]) -> list[Pausing]:
    """In order, without empty ones and overlaps. ValueError for one that ends before it begins."""
    given = []
    for begins, ends in pauses:
        since, until = local_time(begins, UTC), NEVER if ends is None else local_time(ends, UTC)
        if until < since:
            raise ValueError(f"a pause ends before it begins: {since.isoformat()} to {until.isoformat()}")
        if since < until:
            given.append((since, until))
    found: list[Pausing] = []
    for since, until in sorted(given):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(until, found[-1][1]))
        else:
            found.append((since, until))
    return found


def running(start: datetime, end: datetime, paused: Sequence[Pausing]) -> Iterator[tuple[datetime, datetime]]:
    """What is left of [start, end) between merged pauses."""
    for since, until in paused:
        if start < min(since, end):
            yield start, min(since, end)
        start = max(start, until)
    if start < end:
        yield start, end


def pause_at(paused: Sequence[Pausing], at: datetime) -> Pausing | None:
    """The one of merged pauses in which the instant lies."""
    number = bisect_right(paused, at, key=lambda pause: pause[0]) - 1
    return paused[number] if number >= 0 and at < paused[number][1] else None


def why_paused(pause: Pausing | None) -> str | None:
    if pause is None:
        return None
    return "paused without end" if pause[1] == NEVER else "paused"
