"""Group commit: requests that wait at the same moment share one transaction. Knows nothing of what they carry.

A group that fails is tried again request by request, so that one bad request harms no neighbour. A caller that goes away does not
take its group with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from shared.metrics import IntakeMetrics

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Item, Answer]):
    """`commit_all` answers every item or raises for all of them; an answer may be an exception, which only its caller gets.

    Items that share a name (`names_of`) never stand in one group: the later one sees what the earlier one stored.
    """

    def __init__(
        self,
        commit_all: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
        names_of: Callable[[Item], Sequence[Hashable]],
        metrics: IntakeMetrics,
        *,
        most: int = 128,
        gives_up_on: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._commit_all = commit_all
        self._names_of = names_of
        self._metrics = metrics
        self._most = most
        self._gives_up_on = gives_up_on
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._has_work = asyncio.Event()
        self._alone: set[asyncio.Task[None]] = set()

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
                self._has_work.clear()
                while self._waiting:
                    await self._commit(self._take())
        finally:
            while self._waiting:
                await self._commit(self._take())
            if self._alone:
                await asyncio.wait(self._alone)

    def _take(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        group: list[tuple[Item, asyncio.Future[Answer]]] = []
        left: list[tuple[Item, asyncio.Future[Answer]]] = []
        named: set[Hashable] = set()
        for entry in self._waiting:
            names = self._names_of(entry[0])
            if len(group) >= self._most or not named.isdisjoint(names):
                left.append(entry)
            else:
                group.append(entry)
            named.update(names)
        self._waiting = left
        return group

    async def _commit(self, group: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        self._metrics.group_size.observe(len(group))
        try:
            answers = await self._commit_all([item for item, _ in group])
        except Exception as error:
            if len(group) == 1 or isinstance(error, self._gives_up_on):
                for _, future in group:
                    _settle(future, error)
                return
            # Side by side, so that one that waits for another replica's commit does not make the others wait too.
            task = asyncio.create_task(self._commit_each(group))
            self._alone.add(task)
            task.add_done_callback(self._alone.discard)
            return
        for (_, future), answer in zip(group, answers, strict=True):
            _settle(future, answer)

    async def _commit_each(self, group: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        async def one(item: Item, future: "asyncio.Future[Answer]") -> None:
            try:
                (answer,) = await self._commit_all([item])
            except Exception as error:
                _settle(future, error)
            else:
                _settle(future, answer)

        await asyncio.gather(*(one(item, future) for item, future in group))


def _settle(future: "asyncio.Future[Answer]", answer: Answer | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
        future.exception()  # its caller may be gone: read once, so that nothing is logged as never retrieved
    else:
        future.set_result(answer)
