"""The timeline's chain: every line's hash covers the line before it, so that nothing can be changed or taken out unseen. Pure.

What somebody wrote lies beside its line, which has a mark in its place and a salted hash of it: the law may ask that the words go, and the
chain holds without them. Where they went, a later line says so.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from services.notifier.case import Case, Entry
from services.notifier.facts import ADAPTER, Fact, text_of, with_text, without_text
from services.notifier.wording import words

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


ERASED = "erased"
"""The kind of the line that says that what was written before it is gone."""
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is stored. `fact` and `data` are JSON; `text` too, with its `salt`, where somebody wrote something and it is kept."""

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
    text_sha: bytes | None = None
    salt: bytes | None = None
    text: str | None = None

    @property
    def shown(self) -> str:
        """`what` with the words in it."""
        return shown_of(self.what, self.text)


def shown_of(what: str, text: str | None) -> str:
    return what if text is None else str(from_json(text)["what"])


def fact_of(fact: str, text: str | None) -> Fact:
    """The fact of a line, with the words in it where they are kept."""
    read = ADAPTER.validate_json(fact)
    return read if text is None else with_text(read, from_json(text)["fact"])


def lines_of(case: Case, noted_at: datetime, salt: Callable[[], bytes]) -> list[Line]:
    """The case's new entries, chained to its last; moves the case's head. `salt` gives a new secret each time it is asked."""
    found = []
    for entry in case.noted:
        line = _line(case, entry, noted_at, salt)
        case.entries, case.head = line.number, line.hash
        found.append(line)
    return found


def _line(case: Case, entry: Entry, noted_at: datetime, salt: Callable[[], bytes]) -> Line:
    what, fact, data = entry.what, entry.fact, _SORTED.encode(entry.data) if entry.data else None
    beside: tuple[bytes, str] | None = None
    if fact is not None and (written := text_of(fact)):
        beside = salt(), _SORTED.encode({"what": what, "fact": written})
        fact = without_text(fact)
        # Behind the words of the fact may stand why it was noted only.
        what = words(fact)[0] + what[len(words(entry.fact)[0]) :] if entry.fact is not None else what
    known = ADAPTER.dump_json(fact).decode() if fact is not None else None
    return next_line(case.head, case.id, case.entries + 1, entry.at, noted_at, entry.kind, what, entry.by, known, data, beside)


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
    beside: tuple[bytes, str] | None = None,
) -> Line:
    """The line after the one whose hash is `before`; `beside` it lie a salt and a text."""
    text_sha = text_hash(*beside) if beside is not None else None
    digest = hash_of(before, complaint_id, number, at, noted_at, kind, what, by, fact, data, text_sha)
    salt, text = beside or (None, None)
    return Line(complaint_id, number, at, noted_at, kind, what, by, fact, data, digest, text_sha, salt, text)


def text_hash(salt: bytes, text: str) -> bytes:
    """By it the text is known, and without the salt not even guessed."""
    return hashlib.sha256(salt + text.encode()).digest()


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
    text_sha: bytes | None = None,
) -> bytes:
    """SHA-256 over the hash before it and the line's own fields, as compact JSON in this order, instants in UTC; last the text's hash."""
    fields: list[Any] = [str(complaint_id), number, _stamp(at), _stamp(noted_at), kind, what, by, fact, data]
    if text_sha is not None:
        fields.append(text_sha.hex())
    return hashlib.sha256(before + _ENCODER.encode(fields).encode()).digest()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def broken_at(lines: Sequence[Line], entries: int, head: bytes) -> str | None:
    """What is wrong with a case's lines, given in the order of their numbers, by the count and the head that the case keeps."""
    before, number = b"", 0
    for line in lines:
        number += 1
        if line.number != number:
            return f"line {number} is missing"
        before = hash_of(
            before, line.complaint_id, number, line.at, line.noted_at, line.kind, line.what, line.by, line.fact, line.data, line.text_sha
        )
        if before != line.hash:
            return f"line {number} was changed"
    if number != entries:
        return f"{entries - number} lines are missing at the end" if number < entries else f"{number - entries} lines too many"
    return None if before == head else "the last line is not the one that the case names"


def texts_fault(lines: Sequence[Line]) -> str | None:
    """What is wrong with the texts beside lines whose chain holds: changed, or gone without a later line that says so."""
    erased = max((line.number for line in lines if line.kind == ERASED), default=0)
    for line in lines:
        if line.text is not None:
            if line.text_sha is None or line.salt is None or text_hash(line.salt, line.text) != line.text_sha:
                return f"the text of line {line.number} was changed"
        elif line.text_sha is not None and line.number > erased:
            return f"the text of line {line.number} is gone, and no line says that it was erased"
    return None


def count_erased(lines: Iterable[Line]) -> int:
    return sum(line.text_sha is not None and line.text is None for line in lines)
