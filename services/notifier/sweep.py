"""Each second: how far the inputs are applied, what is due by then, and what the metrics say of it."""

import asyncio
import math
from datetime import datetime

from aiokafka import TopicPartition

from services.notifier.handlers import Notifier
from services.notifier.measures import Measures
from services.notifier.watermarks import Tracker, forget_positions, read_positions, read_watermark, record_reached
from shared.health import UNANSWERED, Ends, Progress
from shared.logs import get_logger
from shared.metrics import NotifierMetrics
from shared.postgres import Pool, read_clock, transaction
from shared.topics import Topics

_RETIMED_AT_ONCE = 5
_PARTITIONS_KNOWN_FOR_SECONDS = 10.0
_PERIOD_SECONDS = 1.0
MOST_CASES_A_SECOND = 10_000
_log = get_logger()


class Sweep:
    """The notifier's periodic work over one replica's partitions; the watermark is of all replicas."""

    def __init__(self, notifier: Notifier, pool: Pool, topics: Topics, ends: Ends, progress: Progress, metrics: NotifierMetrics) -> None:
        self._notifier = notifier
        self._pool = pool
        self._topics = topics
        self._ends = ends
        self._progress = progress
        self._measures = Measures(pool, metrics)
        self._tracker = Tracker()
        self._expected: list[TopicPartition] = []
        self._expected_at = -_PARTITIONS_KNOWN_FOR_SECONDS
        self._rested_at: float | None = None
        self._looked: tuple[datetime, float] | None = None  # Jalur's now, and the loop's
        self.kafka_answers = False

    async def rest(self) -> None:
        """Until the next step: a second, or until the first firing that is worked out, whichever comes sooner."""
        loop = asyncio.get_running_loop()
        if self._rested_at is not None:
            await asyncio.sleep(max(0.0, min(self._rested_at + _PERIOD_SECONDS, self._next_firing()) - loop.time()))
        self._rested_at = loop.time()

    def _next_firing(self) -> float:
        """By the loop's clock."""
        soonest = self._notifier.ahead.soonest
        if soonest is None or self._looked is None or soonest <= self._looked[0]:
            return math.inf
        return self._looked[1] + (soonest - self._looked[0]).total_seconds() + 0.001

    async def step(self) -> None:
        try:
            await self._move_watermark()
            self.kafka_answers = True
        except UNANSWERED as error:
            if self.kafka_answers:
                _log.warning("The watermark does not move; no deadline fires beyond it", error=type(error).__name__, detail=str(error))
            self.kafka_answers = False
        async with transaction(self._pool) as connection:
            until = await read_watermark(connection, self._expected)
            now = await read_clock(connection)
        self._looked = (now, asyncio.get_running_loop().time())
        while await self._notifier.take_passed_on():
            await asyncio.sleep(0)  # between batches the consumer gets its turn
        for _ in range(_RETIMED_AT_ONCE):  # a new table is worked in beside what is due, not before it
            if not await self._notifier.retime():
                break
            await asyncio.sleep(0)
        if until is not None:
            await self._catch_up(until)
            while await self._notifier.refuse_expired(until):
                await asyncio.sleep(0)
        await self._measures.step(now, until)
        if until is not None:
            await self._look_ahead(until)

    async def _catch_up(self, until: datetime) -> None:
        """Fire all that is due, oldest first; after an outage not faster than the units' consumers should be asked to take it."""
        loop = asyncio.get_running_loop()
        begun, fired = loop.time(), 0
        while swept := await self._notifier.sweep(until):
            fired += swept
            await asyncio.sleep(max(0.0, begun + fired / MOST_CASES_A_SECOND - loop.time()))

    async def _look_ahead(self, until: datetime) -> None:
        """Work out what is due in the next minutes, until it is time to look again at what is due now."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while await self._notifier.ahead.prepare(until) and loop.time() < min(begun + _PERIOD_SECONDS, self._next_firing()):
            await asyncio.sleep(0)

    async def _move_watermark(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._expected_at > _PARTITIONS_KNOWN_FOR_SECONDS:
            self._expected = await self._ends.partitions_of(self._topics.notifier_inputs())
            self._expected_at = loop.time()
        assigned = self._progress.assigned()
        self._tracker.forget(assigned)
        if not assigned:
            return
        # The instant first, the ends after it: what is appended in between is then waited for, never passed over.
        async with transaction(self._pool) as connection:
            at = await read_clock(connection)
            stored = await read_positions(connection, self._topics.notifier_inputs())
        known = self._progress.known(assigned, stored)
        ends = await self._without_recreated(await self._ends.read(assigned), known)
        positions = await self._progress.positions(ends, known)
        reached = self._tracker.reached(at, ends, positions)
        if reached:
            async with transaction(self._pool) as connection:
                await record_reached(connection, reached, positions)
        self._progress.look(ends, positions, loop.time())

    async def _without_recreated(self, ends: dict[TopicPartition, int], known: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        """A partition that ends before what was applied of it is another one under an old name: what is known of it is forgotten, and
        until it is read anew it holds every deadline back.
        """
        gone = self._progress.forget_beyond(ends, known)
        if gone:
            names = [f"{item.topic}-{item.partition}" for item in sorted(gone)]
            _log.error("Partitions end before what was applied of them; they are read anew", partitions=names)
            async with transaction(self._pool) as connection:
                await forget_positions(connection, gone)
        return {item: end for item, end in ends.items() if item not in gone}
