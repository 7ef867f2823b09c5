"""What a consumer does with a failure, named by what its reader should do.

JalurError
  Dead              the record can never be read: keep its bytes in the dead letters, go on
  Unprocessable     a received report that cannot be read or judged: hold it for a person
  TryAgain          infrastructure is away: give the whole batch back after a pause
  BreakerOpen       too many bad records at once: stop reading, wait for an operator
"""

from collections import deque
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the command line imports these names before it knows whether it needs pydantic
    from pydantic import ValidationError

DeadReason = Literal["no_complaint_id", "not_our_schema", "wrong_type", "wrong_unit", "key_differs", "bug"]
DEAD_REASONS: tuple[DeadReason, ...] = ("no_complaint_id", "not_our_schema", "wrong_type", "wrong_unit", "key_differs", "bug")


class JalurError(Exception):
    """The root of what Jalur itself raises."""


class Dead(JalurError):
    """`detail` says where, never what stood there."""

    def __init__(self, reason: DeadReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: DeadReason = reason
        self.detail = detail


class TryAgain(JalurError):
    """Nothing of the batch is lost; it comes again."""


class BreakerOpen(JalurError):
    """Raised before any effect of the batch."""


def where(error: "ValidationError") -> str:
    """The places and kinds of a validation's errors, without the input: `location.province: string_type`."""
    found = [f"{'.'.join(str(step) for step in item['loc']) or 'value'}: {item['type']}" for item in error.errors(include_input=False)[:5]]
    return "; ".join(found)


class DeadLetterLimit:
    """Opens when at least `most` bad records within `window` seconds are also at least half of what came.

    Asked before any effect of a batch. Records stamped up to `forgiven_until_ms` (an operator's resume) do not count.
    """

    def __init__(self, most: int = 20, window_seconds: float = 60.0) -> None:
        self.most = most
        self.window_seconds = window_seconds
        self.forgiven_until_ms = 0
        self._seen: deque[tuple[float, int, int]] = deque()

    def would_open(self, now: float, came: int, bad: int) -> bool:
        """Whether applying a batch with `bad` of `came` records would open it. `now` is a monotonic clock's seconds."""
        while self._seen and self._seen[0][0] <= now - self.window_seconds:
            self._seen.popleft()
        all_bad = bad + sum(item[2] for item in self._seen)
        all_came = came + sum(item[1] for item in self._seen)
        return all_bad >= self.most and all_bad * 2 >= all_came

    def record(self, now: float, came: int, bad: int) -> None:
        self._seen.append((now, came, bad))

    def forgive(self, until_ms: int) -> None:
        """A repeat of what was forgiven, or of something older, changes nothing."""
        if until_ms > self.forgiven_until_ms:
            self.forgiven_until_ms = until_ms
            self._seen.clear()
