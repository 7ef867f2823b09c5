"""Group commit by itself: who shares a commit, who is told what, and what happens when it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from services.intake.group import Alone, GroupCommit
from shared.metrics import IntakeMetrics


class Store:
    """A database: remembers groups and singles, fails as it is told."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.singles: list[str] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.error: Exception | None = None
        self.poison: set[str] = set()

    async def commit_all(self, items: Sequence[str]) -> list[str | Exception]:
        self.groups.append(list(items))
        await self.is_open.wait()
        if self.error is not None:
            raise self.error
        if self.poison & set(items):
            raise ValueError("refused")
        return [Alone() if item.startswith("alone") else f"<{item}>" for item in items]

    async def commit_one(self, item: str) -> str:
        self.singles.append(item)
        if item in self.poison:
            raise ValueError("refused")
        return f"<{item}>"


Submit = Callable[[str], Awaitable[str]]


@asynccontextmanager
async def running(store: Store, lane_of: Callable[[str], str] = lambda _item: "") -> AsyncIterator[Submit]:
    group: GroupCommit[str, str] = GroupCommit(
        store.commit_all, store.commit_one, lambda item: [item[-1]], IntakeMetrics(), gives_up_on=(OSError, TimeoutError), lane_of=lane_of
    )
    task = asyncio.create_task(group.run())
    try:
        yield group.submit
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_requests_that_wait_at_the_same_moment_share_a_commit() -> None:
    store = Store()
    async with running(store) as submit:
        answers = await asyncio.gather(*(submit(f"{number}{chr(97 + number)}") for number in range(20)))
    assert answers == [f"<{number}{chr(97 + number)}>" for number in range(20)]
    assert len(store.groups) < 5


async def test_requests_with_a_common_name_never_stand_in_one_group_and_keep_their_order() -> None:
    store = Store()
    async with running(store) as submit:
        await asyncio.gather(*(submit(item) for item in ("1a", "2a", "1b", "3a", "2b")))
    assert not any(len({item[-1] for item in group}) < len(group) for group in store.groups)
    assert [item for group in store.groups for item in group if item.endswith("a")] == ["1a", "2a", "3a"]


async def test_a_group_that_fails_is_tried_again_one_by_one() -> None:
    store = Store()
    store.poison = {"3c"}
    async with running(store) as submit:
        answers = await asyncio.gather(*(submit(item) for item in ("1a", "2b", "3c", "4d")), return_exceptions=True)
    assert answers[:2] == ["<1a>", "<2b>"]
    assert isinstance(answers[2], ValueError)
    assert answers[3] == "<4d>"


async def test_a_group_whose_outcome_is_unknown_is_not_tried_again() -> None:
    store = Store()
    store.error = OSError("the connection broke")
    async with running(store) as submit:
        answers = await asyncio.gather(*(submit(item) for item in ("1a", "2b")), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OSError, OSError]
    assert store.singles == []


async def test_what_waits_by_itself_does_not_hold_up_the_next_group() -> None:
    store = Store()
    waits = asyncio.Event()

    async def commit_one(item: str) -> str:
        await waits.wait()
        return f"<{item}>"

    store.commit_one = commit_one  # type: ignore[method-assign]
    async with running(store) as submit:
        waiting = asyncio.ensure_future(submit("alone a"))
        assert await submit("1b") == "<1b>"
        assert not waiting.done()
        waits.set()
        assert await waiting == "<alone a>"


async def test_a_caller_that_goes_away_does_not_take_its_group_with_it() -> None:
    store = Store()
    store.is_open.clear()
    async with running(store) as submit:
        gone, stays = asyncio.ensure_future(submit("1a")), asyncio.ensure_future(submit("2b"))
        while not store.groups:
            await asyncio.sleep(0)
        gone.cancel()
        store.is_open.set()
        assert await stays == "<2b>"
    assert [item for group in store.groups for item in group] == ["1a", "2b"]


async def test_whoever_waits_when_it_ends_is_told_that_the_outcome_is_unknown() -> None:
    store = Store()
    store.is_open.clear()
    async with running(store) as submit:
        under_way = asyncio.ensure_future(submit("1a"))
        while not store.groups:
            await asyncio.sleep(0)
        behind = asyncio.ensure_future(submit("2b"))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(store.is_open.set)
    with pytest.raises(TimeoutError):
        await under_way
    assert await behind == "<2b>", "what had not begun is still committed"


@pytest.mark.parametrize(
    ("lane_of", "is_fair"), [(lambda item: item.partition("/")[0], True), (lambda _item: "", False)], ids=["lanes", "none"]
)
async def test_a_crowd_of_one_lane_does_not_keep_another_waiting(lane_of: Callable[[str], str], is_fair: bool) -> None:
    store = Store()
    async with running(store, lane_of) as submit:
        store.is_open.clear()
        first = asyncio.ensure_future(submit("noisy/first"))
        crowd = [asyncio.ensure_future(submit(f"noisy/{chr(0x4E00 + number)}")) for number in range(1000)]
        quiet = [asyncio.ensure_future(submit(f"quiet/{chr(0x3041 + number)}")) for number in range(20)]
        await asyncio.sleep(0)
        store.is_open.set()
        await asyncio.gather(first, *crowd, *quiet)
    waited = max(number for number, group in enumerate(store.groups) if any(item.startswith("quiet") for item in group))
    assert (waited <= 1) is is_fair, f"the last of the quiet ones was in group {waited} of {len(store.groups)}"
    order = [item for group in store.groups for item in group if item.startswith("noisy/") and item != "noisy/first"]
    assert order == sorted(order), "a lane keeps its own order"
