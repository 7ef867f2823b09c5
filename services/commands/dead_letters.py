"""Dead letters as they lie in Kafka and as an operator names them. Reads; sends and stores nothing."""

import base64
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.commands import CommandError
from services.commands.connect import USAGE
from shared.dead_letters import OUR_HEADERS, REPLAY_ID, REPLAYED_AT, TOO_LARGE

if TYPE_CHECKING:
    from shared.settings import Settings

Identity = tuple[str, int, int, bytes]
"""Of a record: topic, partition, offset, digest of its bytes."""


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter as it lies in Kafka. `headers` are the original record's, `about` says why and where from."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    about: dict[str, str]
    kept_at: datetime

    @property
    def place(self) -> str:
        return f"{self.partition}:{self.offset}"

    @property
    def origin(self) -> str:
        return self.about.get("x-origin-topic", "")

    @property
    def reason(self) -> str:
        return self.about.get("x-dlq-reason", "")

    @property
    def failed_at(self) -> datetime:
        """Where the service did not say it, when Kafka got the letter."""
        try:
            said = datetime.fromisoformat(self.about.get("x-failed-at", ""))
        except ValueError:
            return self.kept_at
        return said if said.tzinfo else self.kept_at

    @property
    def complaint_id(self) -> UUID | None:
        from shared.envelope import complaint_of

        return complaint_of(self.key)

    @property
    def event_id(self) -> UUID | None:
        return self._id("ce_id")

    @property
    def replay_id(self) -> UUID | None:
        """As the record says, who may be anybody: only with a row of that id was it put back from here."""
        return self._id(REPLAY_ID)

    @property
    def identity(self) -> Identity | None:
        """Which record died; None where the letter does not say it."""
        partition, offset = self.about.get("x-origin-partition", ""), self.about.get("x-origin-offset", "")
        if not (_is_number(partition, digits=9) and _is_number(offset)):
            return None
        sizes = b"%d %d " % (-1 if self.key is None else len(self.key), -1 if self.value is None else len(self.value))
        digest = hashlib.sha256(sizes + (self.key or b"") + (self.value or b"")).digest()
        return self.origin, int(partition), int(offset), digest

    @property
    def is_whole(self) -> bool:
        return not self.about.get("x-dlq-error", "").endswith(TOO_LARGE)

    def summary(self) -> dict[str, Any]:
        return {
            "at": self.place,
            "failed_at": self.about.get("x-failed-at"),
            "reason": self.about.get("x-dlq-reason"),
            "error": self.about.get("x-dlq-error"),
            "origin": {name: self.about.get(f"x-origin-{name}") for name in ("topic", "partition", "offset")},
            "complaint_id": _or_none(self.complaint_id),
            "event_id": _or_none(self.event_id),
        }

    def content(self) -> dict[str, Any]:
        shown = [[name, _text(value)] for name, value in self.headers if name not in (REPLAY_ID, REPLAYED_AT)]
        return {"key": _text(self.key), "headers": shown, "value": _text(self.value)}

    def _id(self, header: str) -> UUID | None:
        try:
            return UUID(next(value for name, value in self.headers if name == header and value is not None).decode())
        except (StopIteration, ValueError):
            return None


@dataclass(frozen=True)
class Wanted:
    """Which letters an operator names: all that is given must hold; of `names` one. Nothing given is every letter."""

    names: Sequence[str] = ()
    reasons: Collection[str] = ()
    origins: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    namespace: str = ""

    def __bool__(self) -> bool:
        return bool(self.names or self.reasons or self.origins or self.since or self.until)

    def of(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """In the order of `letters`. Raises `CommandError` for a name that is none, or that names no letter."""
        named = {letter.place for name in self.names for letter in named_by(letters, name)}
        return [letter for letter in letters if (not self.names or letter.place in named) and self._has(letter)]

    def _has(self, letter: DeadLetter) -> bool:
        origins = {name for given in self.origins for name in (given, f"{self.namespace}.{given}")}
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not origins or letter.origin in origins)
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at < self.until)
        )


def named_by(letters: Sequence[DeadLetter], name: str) -> list[DeadLetter]:
    """By PARTITION:OFFSET, or by the id of its complaint, of its event, or of the replay after which it died again."""
    partition, _, offset = name.partition(":")
    if _is_number(partition) and _is_number(offset):
        found = [letter for letter in letters if (letter.partition, letter.offset) == (int(partition), int(offset))]
    else:
        try:
            wanted = UUID(name)
        except ValueError:
            raise CommandError(f"{name[:60]!r} is neither PARTITION:OFFSET, such as 0:17, nor an id", USAGE) from None
        found = [letter for letter in letters if wanted in (letter.complaint_id, letter.event_id, letter.replay_id)]
    if not found:
        raise CommandError(f"there is no dead letter {'at' if ':' in name else 'of'} {name}")
    return found


async def read_letters(settings: "Settings", service: str) -> list[DeadLetter]:
    """All of a service's, oldest first."""
    from services.commands.listen import read_stored
    from shared.topics import Topics

    return [
        DeadLetter(
            record.partition,
            record.offset,
            record.key,
            record.value,
            tuple((name, value) for name, value in record.headers if name not in OUR_HEADERS),
            {name: printable((value or b"").decode(errors="replace")) for name, value in record.headers if name in OUR_HEADERS},
            datetime.fromtimestamp(max(0, record.timestamp) / 1000, UTC),
        )
        for record in await read_stored(settings, Topics(settings.namespace).dead_letters(service))
    ]


def printable(text: str | None) -> str:
    """What somebody else wrote must not command the terminal."""
    if text is None:
        return "(null)"
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def _is_number(text: str, digits: int = 18) -> bool:
    """Of as many digits as the database surely takes."""
    return text.isascii() and text.isdecimal() and len(text) <= digits


def _or_none(value: UUID | None) -> str | None:
    return str(value) if value else None
