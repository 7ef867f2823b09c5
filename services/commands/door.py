"""Posting many lines to intake, as often as it takes: what is not answered is sent again, so each line ends with one answer.

It relies on intake's promise that a repeat changes nothing: by the Idempotency-Key where one is given, by the source's reference else.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.commands import CommandError
from services.commands.connect import USAGE

if TYPE_CHECKING:
    import httpx

WINDOW = 200
"""Lines in one request. It is part of the meaning of a line's Idempotency-Key: another number would make a repeated file a new one."""

_TRIES_OF_A_BUG = 5
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 10.0
Answer = dict[str, Any]


def need_key(key: str | None) -> str:
    if not key:
        raise CommandError("no key: give --key or JALUR_KEY; `jalur keys add source:lapor` makes one", USAGE)
    return key


@dataclass
class Door:
    """Intake's side for lines of JSON. `waits` is told why nothing goes on just now; `patience_seconds` is without any answer."""

    client: "httpx.Client"
    key: str
    waits: Callable[[str], None] = lambda _reason: None
    patience_seconds: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    _reason: str = field(default="", init=False)

    def post(
        self, path: str, lines: Sequence[bytes], place_of: Callable[[Answer], int | None], idempotency_key: str | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """(place in `lines`, answer) of each line that is not blank, as they come. `place_of` an answer: None where it has none.

        Raises `CommandError` where intake refuses the whole, or says nothing for too long.
        """
        left = {place for place, line in enumerate(lines) if line.strip()}
        pause, heard_at, tries = _FIRST_PAUSE_SECONDS, self.now(), 0
        while left:
            tries += 1
            # Answered lines are sent as blank ones: the numbers of the others stay.
            body = b"".join((line if place in left else b"") + b"\n" for place, line in enumerate(lines))
            asked_pause = 0.0
            for answer in self._ask(path, body, idempotency_key):
                if isinstance(answer, float):
                    asked_pause = answer
                    continue
                place = place_of(answer)
                if place in left and (not _is_passing(answer) or (tries >= _TRIES_OF_A_BUG and _is_bug(answer))):
                    left.discard(place)
                    heard_at, pause = self.now(), _FIRST_PAUSE_SECONDS
                    yield place, answer
            if not left:
                return
            if self.now() - heard_at > self.patience_seconds:
                raise CommandError(
                    f"intake did not take {len(left)} lines within {self.patience_seconds:.0f} s: {self._reason}; "
                    "the same command again is safe and goes on"
                )
            self.waits(self._reason)
            self.sleep(max(pause, asked_pause))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _ask(self, path: str, body: bytes, idempotency_key: str | None) -> Iterator[Answer | float]:
        """One request: its answers, and the pause that intake asks for. A connection that breaks ends it."""
        import httpx

        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/x-ndjson"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        self._reason = "an answer was cut short"
        try:
            with self.client.stream("POST", path, content=body, headers=headers) as response:
                if response.status_code != 200:
                    response.read()
                    detail = _detail(response)
                    if response.status_code < 500 and response.status_code not in (408, 409, 429):
                        raise CommandError(f"intake refused: {detail} ({response.status_code})")
                    self._reason = f"{detail} ({response.status_code})"
                    yield _seconds(response.headers.get("retry-after"))
                    return
                for line in _lines_of(response):
                    answer = json.loads(line)
                    if _is_passing(answer):
                        self._reason = str(answer["problem"].get("detail"))
                    yield answer
        except httpx.TransportError as error:
            self._reason = f"intake at {self.client.base_url} does not answer: {type(error).__name__}"
        except ValueError:  # half a line of JSON
            self._reason = "an answer was cut short"


def _lines_of(response: "httpx.Response") -> Iterator[bytes]:
    """Split at line feeds alone: httpx's own lines also end at separators that JSON leaves as they are, such as U+2028."""
    rest = b""
    for chunk in response.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _is_passing(answer: Answer) -> bool:
    """A problem that is not the line's own: the same line may be taken a moment later."""
    status = answer.get("problem", {}).get("status", 0)
    return bool(status >= 500 or status == 409)


def _is_bug(answer: Answer) -> bool:
    """What intake stumbles over again and again is told as the line's own answer: it must not hold up the lines behind it."""
    return bool(answer.get("problem", {}).get("status") == 500)


def _detail(response: "httpx.Response") -> str:
    try:
        found = response.json()
        return f"{found['title']}: {found['detail']}"
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase or "no reason given"


def _seconds(text: str | None) -> float:
    return min(float(text), 60.0) if text and text.isascii() and text.isdigit() else 0.0
