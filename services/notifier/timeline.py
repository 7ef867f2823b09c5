"""The timeline's chain: every line's hash covers the line before it, so that nothing can be changed or taken out unseen. Pure."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.notifier.case import Case, Entry
from services.notifier.facts import ADAPTER

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is stored. `fact` and `data` are JSON."""

    complaint_id: UUID
    number: int
    at: datetime
    noted_at: datetime
    kind: str
    what: str
    by: str | None
    fact: str | None
    data: str | None
    hash: bytes


def lines_of(case: Case, noted_at: datetime) -> list[Line]:
    """The case's new entries, chained to its last; moves the case's head."""
    found = []
    for entry in case.noted:
        line = _line(case, entry, noted_at)
        case.entries, case.head = line.number, line.hash
        found.append(line)
    return found


def _line(case: Case, entry: Entry, noted_at: datetime) -> Line:
    fact = ADAPTER.dump_json(entry.fact).decode() if entry.fact is not None else None
    data = _SORTED.encode(entry.data) if entry.data else None
    return next_line(case.head, case.id, case.entries + 1, entry.at, noted_at, entry.kind, entry.what, entry.by, fact, data)


def next_line(
    before: bytes,
    complaint_id: UUID,
    number: int,
    at: datetime,
    noted_at: datetime,
    kind: str,
    what: str,
    by: str | None,
    fact: str | None,
    data: str | None,
) -> Line:
    """The line after the one whose hash is `before`."""
    digest = hash_of(before, complaint_id, number, at, noted_at, kind, what, by, fact, data)
    return Line(complaint_id, number, at, noted_at, kind, what, by, fact, data, digest)


def hash_of(
    before: bytes,
    complaint_id: UUID,
    number: int,
    at: datetime,
    noted_at: datetime,
    kind: str,
    what: str,
    by: str | None,
    fact: str | None,
    data: str | None,
) -> bytes:
    """SHA-256 over the hash before it and the line's own fields, as compact JSON in this order, instants in UTC."""
    fields: list[Any] = [str(complaint_id), number, _stamp(at), _stamp(noted_at), kind, what, by, fact, data]
    return hashlib.sha256(before + _ENCODER.encode(fields).encode()).digest()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def broken_at(lines: Iterable[Line], entries: int, head: bytes) -> str | None:
    """What is wrong with a case's lines, given in the order of their numbers, by the count and the head that the case keeps."""
    before, number = b"", 0
    for line in lines:
        number += 1
        if line.number != number:
            return f"line {number} is missing"
        before = hash_of(before, line.complaint_id, number, line.at, line.noted_at, line.kind, line.what, line.by, line.fact, line.data)
        if before != line.hash:
            return f"line {number} was changed"
    if number != entries:
        return f"{entries - number} lines are missing at the end" if number < entries else f"{number - entries} lines too many"
    return None if before == head else "the last line is not the one that the case names"
