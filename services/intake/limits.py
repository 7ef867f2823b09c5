"""How much one key and one address may ask of intake: refused or paced before it costs anything. Knows no report."""

import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.types import Scope

from services.intake.speakers import Speaker
from shared.limits import Buckets, Limits, Network, address_reader
from shared.metrics import IntakeMetrics
from shared.problems import Problem

# Submissions of one source that are parsed, masked and stored at the same time. It fills two commits; the rest waits in a queue of its
# own, so that another source's report is behind a few hundred at most.
_SUBMISSIONS_AT_ONCE = 256
# Whatever else a key asks for takes at most half of the database's connections.
_REQUESTS_AT_ONCE = 4
_IN_WORK = "jalur.in_work"
_ADDRESS = "jalur.address"


class DoorLimits:
    """One replica's counts. `clock` is in seconds and never goes back."""

    def __init__(
        self, limits: Limits, metrics: IntakeMetrics, trusted: tuple[Network, ...] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._has_proxies = bool(trusted)
        self._address_of = address_reader(trusted)
        self._addresses = Buckets(limits.address_rate, limits.address_burst)
        self._keys = Buckets(limits.key_rate, limits.key_burst)
        self._refusals = Buckets(limits.refusals_rate, limits.refusals_burst)
        self._requests: Counter[str] = Counter()
        self._batches: Counter[str] = Counter()
        self._submissions: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_SUBMISSIONS_AT_ONCE))
        self._places: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_REQUESTS_AT_ONCE))
        self.most_batch_bytes = limits.batch_mib * 2**20

    def admit_address(self, scope: Scope) -> str:
        """Who asks, counted once for a request; raises `Problem` 429 where that address asks too often."""
        known: str | None = scope.get(_ADDRESS)
        if known is not None:
            return known
        forwarded = b",".join([value for name, value in scope["headers"] if name == b"x-forwarded-for"]) if self._has_proxies else b""
        address = self._address_of(scope["client"][0] if scope.get("client") else "", forwarded)
        if wait := self._addresses.take(address, self._clock()):
            raise self._too_often("address", wait, "this address sends more requests than it may")
        scope[_ADDRESS] = address
        return address

    def admit_key(self, scope: Scope, speaker: Speaker, *, is_batch: bool = False) -> None:
        """One more request by this key, until `leave`; raises `Problem` 429 where it has too many, a second or at once."""
        key = speaker.key_id or speaker.name
        if wait := self._keys.take(key, self._clock()):
            raise self._too_often("key", wait, "this key sends more requests than it may")
        if self._requests[key] >= self._limits.key_at_once:
            raise self._too_many("at_once", f"this key has {self._limits.key_at_once} requests under way")
        if is_batch and self._batches[key] >= self._limits.key_batches:
            raise self._too_many("batches", f"this key has {self._limits.key_batches} batches under way")
        self._requests[key] += 1
        self._batches[key] += is_batch
        scope[_IN_WORK] = (key, is_batch)

    def leave(self, scope: Scope) -> None:
        """The request is over, whatever became of it."""
        entry = scope.pop(_IN_WORK, None)
        if entry is None:
            return
        key, is_batch = entry
        self._requests[key] -= 1
        self._batches[key] -= is_batch
        if not self._requests[key]:  # nobody waits any more: what is kept is of keys at work
            for kept in (self._requests, self._batches, self._places):
                kept.pop(key, None)

    def pacer(self, speaker: Speaker) -> Callable[[], Awaitable[None]]:
        """To be awaited before each line: past its burst a batch is not refused but read more slowly."""
        key = speaker.key_id or speaker.name

        async def pace() -> None:
            while wait := self._keys.take(key, self._clock()):
                await asyncio.sleep(wait)

        return pace

    def submission(self, speaker: Speaker) -> asyncio.Semaphore:
        """A place among the submissions of this source."""
        return self._submissions[speaker.name]

    @asynccontextmanager
    async def place(self, speaker: Speaker) -> AsyncIterator[None]:
        """A place among this key's requests that need the database for themselves."""
        async with self._places[speaker.key_id or speaker.name]:
            yield

    def check_refusals(self, address: str) -> None:
        """Raises `Problem` 429 where this address showed too many keys that are none."""
        if wait := self._refusals.wait(address, self._clock()):
            self._metrics.keys_refused.labels("too_many").inc()
            raise self._too_often("refusals", wait, "too many refused keys came from this address")

    def count_refusal(self, address: str) -> None:
        self._refusals.take(address, self._clock())

    def _too_often(self, limit: str, wait: float, detail: str) -> Problem:
        self._metrics.throttled.labels(limit).inc()
        return Problem(429, "too-many-requests", "Too many requests", f"{detail}; wait and go on", retry_after=max(1, math.ceil(wait)))

    def _too_many(self, limit: str, detail: str) -> Problem:
        self._metrics.throttled.labels(limit).inc()
        return Problem(429, "too-many-at-once", "Too many requests at once", f"{detail}; wait for an answer", retry_after=1)
