"""Group commit: requests that wait at the same moment share one transaction. Knows nothing of what they carry.

A group that fails is tried again request by request, so that one bad request harms no neighbour; what has to wait for somebody else
waits aside. A caller that goes away does not take its group with it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Sequence
from operator import itemgetter
from typing import Generic, TypeVar

from shared.metrics import IntakeMetrics

_LINGER_SECONDS = 0.005
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Alone(Exception):
    """An item's answer in its group: nothing of it was stored, it has to be committed by itself."""


class GroupCommit(Generic[Item, Answer]):
    """`commit_all` answers every item or raises for all of them; an answer may be an exception, which only its caller gets.

    `commit_one` takes those answered `Alone`, and each of a group that failed, beside the groups that follow. Errors in `gives_up_on`
    leave open whether the group was stored: it is not tried again, because what has no name would be stored twice.
    Items that share a name (`names_of`) never stand in one group: the later one sees what the earlier one stored.
    """

    def __init__(
        self,
        commit_all: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
        commit_one: Callable[[Item], Awaitable[Answer]],
        names_of: Callable[[Item], Sequence[Hashable]],
        metrics: IntakeMetrics,
        *,
        most: int = 128,
        gives_up_on: tuple[type[BaseException], ...] = (),
        lane_of: Callable[[Item], Hashable] = lambda _item: None,
    ) -> None:
        self._commit_all = commit_all
        self._commit_one = commit_one
        self._names_of = names_of
        self._metrics = metrics
        self._most = most
        self._gives_up_on = gives_up_on
        self._lane_of = lane_of
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._has_work = asyncio.Event()
        self._alone: set[asyncio.Task[None]] = set()
        self._is_busy = False

    async def submit(self, item: Item) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._has_work.set()
        return await asyncio.shield(future)

    async def run(self) -> None:
        """For ever; on cancellation what already waits is still committed."""
        try:
            while True:
                await self._has_work.wait()
                if self._is_busy:  # others are on their way: a moment's wait is repaid by a larger group
                    await asyncio.sleep(_LINGER_SECONDS)
                self._has_work.clear()
                group = self._take()
                self._is_busy = len(group) > 1
                await self._commit(group)
                if self._waiting:
                    self._has_work.set()
        finally:
            while self._waiting:
                await self._commit(self._take())
            if self._alone:
                await asyncio.wait(self._alone)

    def _take(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        group: list[tuple[Item, asyncio.Future[Answer]]] = []
        left: list[tuple[Item, asyncio.Future[Answer]]] = []
        named: set[Hashable] = set()
        for entry in self._in_turn():
            names = self._names_of(entry[0])
            if len(group) >= self._most or not named.isdisjoint(names):
                left.append(entry)
            else:
                group.append(entry)
            named.update(names)
        self._waiting = left
        return group

    def _in_turn(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        """As they came where all have room; else the first of each lane, then the second of each: none waits behind another's crowd."""
        if len(self._waiting) <= self._most:
            return self._waiting
        turns: Counter[Hashable] = Counter()
        numbered = []
        for entry in self._waiting:
            lane = self._lane_of(entry[0])
            turns[lane] += 1
            numbered.append((turns[lane], entry))
        return [entry for _, entry in sorted(numbered, key=itemgetter(0))]

    async def _commit(self, group: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        self._metrics.group_size.observe(len(group))
        answers: Sequence[Answer | Exception]
        try:
            answers = await self._commit_all([item for item, _ in group])
        except asyncio.CancelledError:
            for _, future in group:
                _settle(future, TimeoutError("stopped before the commit was answered"))
            raise
        except Exception as error:
            answers = [error if isinstance(error, self._gives_up_on) else Alone()] * len(group)
        for (item, future), answer in zip(group, answers, strict=True):
            if isinstance(answer, Alone):
                task = asyncio.create_task(self._commit_alone(item, future))
                self._alone.add(task)
                task.add_done_callback(self._alone.discard)
            else:
                _settle(future, answer)

    async def _commit_alone(self, item: Item, future: "asyncio.Future[Answer]") -> None:
        try:
            answer = await self._commit_one(item)
        except Exception as error:
            _settle(future, error)
        else:
            _settle(future, answer)


def _settle(future: "asyncio.Future[Answer]", answer: Answer | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
        future.exception()  # its caller may be gone: read once, so that nothing is logged as never retrieved
    else:
        future.set_result(answer)
