"""A service's background work: starts once the database is ready, runs for ever, ends together. Knows no service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from shared.logs import get_logger
from shared.postgres import AWAY, SchemaBehind, is_recovered, migrate
from shared.settings import Settings

_log = get_logger()


class Prepared:
    """Whether the database's schema is in place; until then requests are answered 503."""

    def __init__(self) -> None:
        self.is_done = False


@asynccontextmanager
async def running(
    settings: Settings, prepared: Prepared, *works: Coroutine[Any, Any, None], plumbing: tuple[str, ...]
) -> AsyncIterator[None]:
    """Migrate (waiting for the database as long as it takes), then run every work side by side until the block ends.

    A work that ends before that is a bug: it is logged and the process ends, so that whoever watches it starts it again.
    """
    tasks: list[asyncio.Task[None]] = []
    is_ending = False

    def ended(task: "asyncio.Task[None]") -> None:
        if is_ending:
            return
        error = None if task.cancelled() else task.exception()
        if error is None and task is starting:
            return
        _log.error("Background work ended before its time; the process ends, to be started again", exc_info=error)
        raise SystemExit(70)  # EX_SOFTWARE; raised in the loop, it ends the server

    async def start() -> None:
        await _migrate_when_possible(settings, plumbing)
        prepared.is_done = True
        for work in works:
            task = asyncio.create_task(work)
            task.add_done_callback(ended)
            tasks.append(task)

    starting = asyncio.create_task(start())
    starting.add_done_callback(ended)
    try:
        yield
    finally:
        is_ending = True
        starting.cancel()
        await asyncio.wait([starting])
        for work in works[len(tasks) :]:
            work.close()
        # In the order given, each fully ended before the next: what consumes stops before what sends.
        for task in tasks:
            task.cancel()
            await asyncio.wait([task])


async def _migrate_when_possible(settings: Settings, plumbing: tuple[str, ...]) -> None:
    said = ""
    while True:
        try:
            applied = await migrate(settings.postgres, settings.service, plumbing=plumbing, clock_is_settable=settings.clock_is_settable)
            may_begin = await is_recovered(settings.postgres)
        except AWAY as error:
            _log.warning("The database does not answer; waits for it", error=type(error).__name__)
            await asyncio.sleep(0.5)
        except SchemaBehind as error:
            if said != str(error):  # once: it may take an operator's while
                said = str(error)
                _log.error("The database is older than this program; waits for `jalur migrate`", detail=said)
            await asyncio.sleep(0.5)
        else:
            if applied:
                _log.info("The database's schema was brought up to date", applied=applied)
            if may_begin:
                return
            if not said:
                said = "restored"
                _log.error("The database was set back to a backup; waits for `jalur recover`")
            await asyncio.sleep(0.5)


async def forever(step: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Repeat `step`; where the database or Kafka is away it is passed over and comes again."""
    while True:
        try:
            await step()
        except AWAY as error:
            _log.warning("A periodic step was passed over", step=getattr(step, "__qualname__", "step"), error=type(error).__name__)
        except Exception as error:  # ending the process would only begin it again with the same bug, and stop all else
            name = getattr(step, "__qualname__", "step")
            _log.error("A periodic step failed because of a bug; it comes again", step=name, exc_info=error)
        await asyncio.sleep(seconds)
