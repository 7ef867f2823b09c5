"""Works out the next firings in the minutes before they are due, and writes them at their instant. What it holds may be lost."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from services.notifier import domain, store
from services.notifier.clocks import Clockwork, Fired
from services.notifier.domain import Setting
from services.notifier.prepared import Event, Prepared, prepare, stamps_of
from shared.outbox import copy_to_outbox
from shared.postgres import Connection, Pool, read_clock, transaction
from shared.topics import Topics

_AHEAD = timedelta(minutes=15)
# With so many, and 100,000 due at once, the notifier held 213 MiB.
MOST = 20_000
_ROUND = 100
_LOOK_EVERY = timedelta(seconds=5)

Ready = list[tuple[asyncpg.Record, Prepared]]


class Ahead:
    def __init__(self, clockwork: Clockwork, pool: Pool, topics: Topics) -> None:
        self._clockwork = clockwork
        self._pool = pool
        self._topics = topics
        self._prepared: dict[UUID, Prepared] = {}
        self._seen: dict[UUID, bytes] = {}  # and the head of the timeline then: also of those that are not one plain follow-up
        self._waiting: list[UUID] = []
        self.soonest: datetime | None = None  # of those that are worked out
        self._looked_at: datetime | None = None

    @property
    def is_filled(self) -> bool:
        return bool(self._prepared)

    def take(self, rows: Sequence[asyncpg.Record], until: datetime, setting: Setting) -> tuple[Ready, list[UUID]]:
        """Of claimed rows, those whose firing is worked out and still holds; and the others' ids."""
        ready: Ready = []
        others: list[UUID] = []
        for row in rows:
            item = self._prepared.pop(row["id"], None)
            if (
                item is not None
                and item.key == (row["sequence"], row["head"], row["timed_by"], row["next_due_at"])
                and (item.next_due_at is None or item.next_due_at > until)
                and item.absences == setting.absences
            ):
                ready.append((row, item))
            else:
                others.append(row["id"])
        return ready, others

    async def write(self, connection: Connection, ready: Ready, now: datetime, traced: Mapping[UUID, str]) -> list[Fired]:
        """In the transaction that claimed the rows. `traced`: each one's `traceparent`, where traces are wanted."""
        stamp, _ = stamps_of(now, now)
        stamps = {item.key[3]: stamps_of(now, item.key[3]) for _, item in ready}
        lines = [item.line(row["id"], row["entries"], now) for row, item in ready]
        await store.record_fired(
            connection,
            [
                (row["id"], item.sequence, item.next_due_at, item.is_watched, item.clocks_at(stamp), line.number, line.hash)
                for (row, item), line in zip(ready, lines, strict=True)
            ],
        )
        await store.add_lines(connection, lines)

        def events() -> Iterator[Event]:
            for row, item in ready:
                yield from item.events(row["id"], *stamps[item.key[3]], traced.get(row["id"]))

        await copy_to_outbox(connection, events())
        return [(item.kind, max(0.0, (now - item.key[3]).total_seconds())) for _, item in ready]

    async def prepare(self, until: datetime) -> bool:
        """Work out some of what is due in the next minutes; True where there may be more to do at once."""
        if self._looked_at is None or not self._looked_at <= until < self._looked_at + _LOOK_EVERY:
            await self._look(until)
        some, self._waiting = self._waiting[:_ROUND], self._waiting[_ROUND:]
        if not some:
            return False
        async with transaction(self._pool) as connection:
            setting = Setting(self._clockwork, await read_clock(connection), await store.read_absences(connection, until))
            for row, case in await store.read_unlocked(connection, some):
                self._seen[case.id] = row["head"]
                key = (row["sequence"], row["head"], row["timed_by"], row["next_due_at"])
                try:
                    domain.revive(case, setting)
                    found = prepare(case, key, self._clockwork, setting.absences, self._topics)
                except Exception:  # the sweep itself will meet it again, and says so
                    found = None
                if found is not None:
                    self._prepared[case.id] = found
                    self.soonest = min(self.soonest or found.key[3], found.key[3])
        return True

    async def _look(self, until: datetime) -> None:
        """What is due soon and not worked out, or not as it now is; what is no longer due soon is forgotten."""
        self._looked_at = until
        async with transaction(self._pool) as connection:
            rows = await store.find_soon_due(connection, until, until + _AHEAD, MOST)
        heads = {row["id"]: row["head"] for row in rows}
        self._seen = {known: head for known, head in self._seen.items() if heads.get(known) == head}
        self._prepared = {known: item for known, item in self._prepared.items() if known in self._seen}
        self.soonest = min((item.key[3] for item in self._prepared.values()), default=None)
        self._waiting = [row["id"] for row in rows if row["id"] not in self._seen]
