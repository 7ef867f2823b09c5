"""A case's clocks as its row keeps them: JSON without names, because every sweep reads and writes it. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic_core import from_json, to_json

from services.notifier.case import Clock, Firing


def read_clocks(text: str) -> list[Clock]:
    """A case's clocks as its row has them."""
    return [_clock(item) for item in from_json(text)]


def write_clocks(clocks: Sequence[Clock]) -> str:
    return to_json([_written(clock) for clock in clocks]).decode()


def _clock(item: list[Any]) -> Clock:
    started_at, due_at, stopped_at, next_at = (datetime.fromisoformat(text) if text else None for text in item[5:9])
    assert started_at is not None and due_at is not None
    fired = [Firing(one[0], one[1], datetime.fromisoformat(one[2]), datetime.fromisoformat(one[3]), one[4]) for one in item[12]]
    subject, code, episode, occurrence, zone = item[:5]
    return Clock(subject, code, episode, occurrence, zone, started_at, due_at, item[9], stopped_at, item[10], item[11], next_at, fired)


def _written(clock: Clock) -> list[Any]:
    return [
        clock.subject, clock.code, clock.episode, clock.occurrence, clock.zone, clock.started_at, clock.due_at, clock.stopped_at,
        clock.next_at,
        clock.state, clock.is_provisional, clock.next_level,
        [[one.level, one.occurrence, one.instant, one.at, one.is_rescinded] for one in clock.fired],
    ]  # fmt: skip
