"""What a reader may ask: the query parameters of the lists and of the change feed, and their cursors. Pure."""

import base64
import binascii
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

from shared.events import CaseState
from shared.problems import Problem
from shared.units import UNIT_SLUGS

CASE_STATES: tuple[str, ...] = get_args(CaseState)
MOST = 200
USUAL = 50
DESK = r"[a-z]+:[a-z0-9-]+"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The first byte says whose cursor it is, so that one of the feed is not taken for one of a list.
_LIST = struct.Struct(">cQ16s")
_FEED = struct.Struct(">cQ")
_GREATEST = 2**63 - 1

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Position:
    """Behind which case a page begins. Neither part of it ever changes, so that pages neither repeat nor skip a case."""

    reported_at: datetime
    complaint_id: UUID


FIRST = Position(_EPOCH, UUID(int=0))


@dataclass(frozen=True, slots=True)
class ListQuestion:
    """`GET /v1/complaints`; None where a filter was left out."""

    unit: str | None = None
    desk: str | None = None
    state: str | None = None
    is_overdue: bool | None = None
    source_ref: str | None = None
    limit: int = USUAL
    after: Position = FIRST


@dataclass(frozen=True, slots=True)
class FeedQuestion:
    """`GET /v1/changes`; `after` is the number of the last change read."""

    after: int = 0
    limit: int = USUAL


def read_list_question(parameters: Pairs) -> ListQuestion:
    """Raises `Problem` 400 naming the parameter."""
    given = _once(parameters, ("unit", "desk", "state", "overdue", "source_ref", "limit", "cursor"))
    overdue = _one_of(given, "overdue", ("true", "false"))
    return ListQuestion(
        unit=_one_of(given, "unit", UNIT_SLUGS),
        desk=_desk(given),
        state=_one_of(given, "state", CASE_STATES),
        is_overdue=None if overdue is None else overdue == "true",
        source_ref=_source_ref(given),
        limit=_limit(given),
        after=read_position(given["cursor"]) if "cursor" in given else FIRST,
    )


def read_feed_question(parameters: Pairs) -> FeedQuestion:
    """Raises `Problem` 400 naming the parameter."""
    given = _once(parameters, ("after", "limit"))
    return FeedQuestion(after=read_change(given["after"]) if "after" in given else 0, limit=_limit(given))


def write_position(position: Position) -> str:
    microseconds = (position.reported_at - _EPOCH) // _MICROSECOND
    return _text(_LIST.pack(b"l", microseconds, position.complaint_id.bytes))


def read_position(text: str) -> Position:
    """Raises `Problem` 400 for what no list gave."""
    kind, microseconds, complaint_id = _LIST.unpack(_bytes(text, "cursor", _LIST.size))
    try:
        position = Position(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=complaint_id))
    except OverflowError:
        raise _malformed("cursor") from None
    if kind != b"l":
        raise _malformed("cursor")
    return position


def write_change(number: int) -> str:
    return _text(_FEED.pack(b"c", number))


def read_change(text: str) -> int:
    """Raises `Problem` 400 for what the feed never gave."""
    kind, number = _FEED.unpack(_bytes(text, "after", _FEED.size))
    if kind != b"c" or number > _GREATEST:
        raise _malformed("after")
    return int(number)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str, field: str, size: int) -> bytes:
    try:
        content = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise _malformed(field) from None
    # One position has one spelling: what was not given by `_text` is not taken.
    if len(content) != size or _text(content) != text:
        raise _malformed(field)
    return content


def _once(parameters: Pairs, known: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in known:
            raise Problem(400, "bad-query", "A query parameter is not known", f"only {', '.join(known)} are", field=name[:100])
        if name in given:
            raise _refused(name, "is given twice")
        given[name] = value
    return given


def _one_of(given: dict[str, str], name: str, possible: tuple[str, ...]) -> str | None:
    if name in given and given[name] not in possible:
        raise _refused(name, f"is one of {', '.join(possible)}")
    return given.get(name)


def _desk(given: dict[str, str]) -> str | None:
    if "desk" in given and (len(given["desk"]) > 200 or not re.fullmatch(DESK, given["desk"], re.ASCII)):
        raise _refused("desk", "is written <type>:<place>, as in kanim:kupang")
    return given.get("desk")


def _source_ref(given: dict[str, str]) -> str | None:
    reference = given.get("source_ref")
    if reference is not None and (not reference or len(reference.encode("utf-8", "replace")) > 200 or "\x00" in reference):
        raise _refused("source_ref", "has 1 to 200 bytes")
    return reference


def _limit(given: dict[str, str]) -> int:
    text = given.get("limit", str(USUAL))
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= MOST:
        raise _refused("limit", f"is a number from 1 to {MOST}")
    return int(text)


def _malformed(field: str) -> Problem:
    return _refused(field, "is not a cursor that was given out here; leave it out to begin at the beginning")


def _refused(field: str, detail: str) -> Problem:
    return Problem(400, "bad-query", "A query parameter is not acceptable", detail, field=field)
