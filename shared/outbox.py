"""Store events with the state they speak of; relay them to Kafka in order. Never sends what was not committed.

One replica relays at a time (a session's advisory lock). A round takes, oldest first, at most one event per complaint and topic, so
that the next one leaves only after the one before it was acknowledged. Where the outbox has lanes, each has the same share of a round.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg
from pydantic_core import from_json

from shared.envelope import Message
from shared.logs import get_logger
from shared.metrics import LaneMetrics, OutboxMetrics
from shared.outbox_pace import Pace
from shared.outbox_turns import BY_INDEX, LAGS, OLDEST_TO_GO, WAITING, Sight, round_query
from shared.postgres import AWAY, Connection
from shared.publisher import REFUSED_FOR_GOOD, Publisher

_log = get_logger()
_RELAY_LOCK = 0x6F757462
_ROUND = 1000
_TICK_SECONDS = 0.1
_GATHER_SECONDS = 0.03  # a round of many costs little more than a round of one
_PAUSE_SECONDS = 2.0
_ALL = ("", "")  # the one lane of an outbox that has none


async def add_to_outbox(connection: Connection, messages: Sequence[Message]) -> None:
    """In the caller's transaction, in the order given. The caller wakes the relay after its commit."""
    if not messages:
        return
    await copy_to_outbox(connection, ((item.topic, item.key, encode_headers(item), item.value) for item in messages))


async def copy_to_outbox(connection: Connection, events: Iterable[tuple[str, bytes | None, str, bytes | None]]) -> None:
    """(topic, key, headers as JSON, value), in the order given: what COPY reads first gets the lower id."""
    await connection.copy_records_to_table("outbox", records=events, columns=("topic", "key", "headers", "value"))


def encode_headers(message: Message) -> str:
    """As the outbox keeps them."""
    return message.headers_json()


@dataclass(frozen=True, slots=True)
class Lanes:
    """An outbox in which each source's events stand in a lane. `undecided` counts by lane whose report in `topic` nobody has decided."""

    metrics: LaneMetrics
    topic: str
    undecided: Callable[[Connection], Awaitable[Mapping[str, int]]]
    pace: Pace = field(default_factory=Pace)


class Relay:
    """Moves one service's outbox to Kafka. `wake()` after a commit; else it looks every 100 ms."""

    def __init__(self, dsn: str, service: str, publisher: Publisher, metrics: OutboxMetrics, lanes: Lanes | None = None) -> None:
        self._dsn = dsn
        self._service = service
        self._publisher = publisher
        self._metrics = metrics
        self._lanes = lanes
        self._sight = Sight(_ROUND)
        self._wake = asyncio.Event()
        self._paused: dict[str, float] = {}
        self._has_failed = True
        self.kafka_answers = False

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """For ever: connect, hold the lock, relay; begin again when the database went away."""
        while True:
            try:
                await self._run_connected()
            except AWAY as error:
                self._metrics.is_active.set(0)
                _log.warning("The relay lost the database and tries again", error=type(error).__name__)
                await asyncio.sleep(0.5)

    async def _run_connected(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=5,
            command_timeout=30,
            server_settings={
                "search_path": f"{self._service}, jalur",
                "application_name": f"jalur-{self._service}-relay",
                "timezone": "UTC",
                # A host that vanished, or a process that hangs, must not keep the lock: the server ends such a session within a minute.
                "idle_session_timeout": "60000",
                "tcp_keepalives_idle": "10",
                "tcp_keepalives_interval": "5",
                "tcp_keepalives_count": "3",
                "tcp_user_timeout": "15000",
                **BY_INDEX,
            },
        )
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", _RELAY_LOCK, self._service):
                self._metrics.is_active.set(0)
                await asyncio.sleep(0.5)
            self._metrics.is_active.set(1)
            looked_at = 0.0
            loop = asyncio.get_running_loop()
            while True:
                if loop.time() - looked_at > 1.0:
                    await self._measure(connection)
                    looked_at = loop.time()
                if not await self._round(connection):
                    self._wake.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_TICK_SECONDS):
                            await self._wake.wait()
                            await asyncio.sleep(_GATHER_SECONDS)
        finally:
            self._metrics.is_active.set(0)
            with suppress(*AWAY):
                await connection.close(timeout=2)

    async def _round(self, connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
        """Send one round; True where there may be more to send at once."""
        loop = asyncio.get_running_loop()
        self._paused = {topic: until for topic, until in self._paused.items() if until > loop.time()}
        query = round_query(has_lanes=self._lanes is not None, has_failed=self._has_failed)
        chosen = await connection.fetch(query, list(self._paused), _ROUND, *self._extent())
        found = {(row["topic"], row["lane"]) if self._lanes else _ALL: (row["seen"], row["complaints"]) for row in chosen}
        self._sight.learn(found)
        if not chosen:
            return False
        outcomes = await self._publisher.send_all([_message(row) for row in chosen])
        if len(chosen) > 1:
            # Kafka refuses a whole batch for one record in it: only what is refused by itself can never be taken.
            for number, outcome in enumerate(outcomes):
                if isinstance(outcome, REFUSED_FOR_GOOD):
                    (outcomes[number],) = await self._publisher.send_all([_message(chosen[number])])
        sent = [row["id"] for row, outcome in zip(chosen, outcomes, strict=True) if outcome is None]
        failures = [(row, outcome) for row, outcome in zip(chosen, outcomes, strict=True) if outcome is not None]
        # A crash before this DELETE sends the same event ids again.
        if sent:
            await connection.execute("DELETE FROM outbox WHERE id = ANY ($1::bigint[])", sent)
            self._metrics.sent.inc(len(sent))
        if self._lanes is not None:
            for row, outcome in zip(chosen, outcomes, strict=True):
                if outcome is None and row["topic"] == self._lanes.topic:
                    self._lanes.pace.sent(row["lane"])
        for row, outcome in failures:
            if isinstance(outcome, REFUSED_FOR_GOOD):
                await self._set_aside(connection, row["id"], outcome)
            else:
                self._paused[row["topic"]] = loop.time() + _PAUSE_SECONDS
        was_answering, self.kafka_answers = self.kafka_answers, bool(sent) or not failures
        if failures and not sent:
            if was_answering:
                _log.warning("Kafka does not take events; they wait in the outbox", error=type(failures[0][1]).__name__)
            await asyncio.sleep(0.5)
        return len(chosen) == _ROUND or sum(seen for seen, _ in found.values()) > len(chosen)

    def _extent(self) -> tuple[object, ...]:
        if self._lanes is None:
            return (self._sight.of(_ALL),)
        wide = self._sight.widths
        return (
            self._lanes.topic,
            list(self._lanes.pace.held),
            [topic for topic, _ in wide],
            [lane for _, lane in wide],
            list(wide.values()),
        )

    async def _set_aside(self, connection: "asyncpg.Connection[asyncpg.Record]", row_id: int, error: BaseException) -> None:
        async with connection.transaction():
            await connection.execute(
                """
                WITH gone AS (DELETE FROM outbox WHERE id = $1 RETURNING id, topic, key, headers, value, stored_at)
                INSERT INTO outbox_failed (id, topic, key, headers, value, stored_at, error)
                SELECT id, topic, key, headers, value, stored_at, $2 FROM gone
                """,
                row_id,
                type(error).__name__,
            )
        self._has_failed = True
        _log.error("Kafka refused an event for good; its complaint's later events wait", outbox_id=row_id, error=type(error).__name__)

    async def _measure(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        # An operator may delete a failed row at any time; the complaint then goes on.
        row = await connection.fetchrow(
            """
            SELECT (SELECT count(*) FROM outbox) AS depth, (SELECT count(*) FROM outbox_failed) AS failed,
                   coalesce(extract(epoch FROM clock_timestamp() - (SELECT stored_at FROM outbox ORDER BY id LIMIT 1)), 0)::float8 AS oldest
            """
        )
        assert row is not None
        self._has_failed = row["failed"] > 0
        self._metrics.depth.set(row["depth"])
        self._metrics.failed.set(row["failed"])
        self._metrics.oldest.set(max(0.0, row["oldest"]))
        if self._lanes is not None:
            await self._measure_lanes(connection, self._lanes)

    async def _measure_lanes(self, connection: "asyncpg.Connection[asyncpg.Record]", lanes: Lanes) -> None:
        found = await connection.fetch(LAGS)
        lanes.metrics.show({lag["lane"]: (lag["waiting"], max(0.0, lag["oldest"])) for lag in found})
        # In this order: what is accepted between the two looks counts as waiting, never as ahead.
        undecided = await lanes.undecided(connection)
        waiting = {row["lane"]: row["count"] for row in await connection.fetch(WAITING, lanes.topic)}
        lanes.pace.look(undecided, waiting)
        # What is held waits for its own source's turn, not for Kafka.
        self._metrics.oldest.set(max(0.0, await connection.fetchval(OLDEST_TO_GO, lanes.topic, list(lanes.pace.held)) or 0.0))


def _message(row: "asyncpg.Record") -> Message:
    headers = tuple((name, (value or "").encode()) for name, value in from_json(row["headers"]))
    return Message(row["topic"], row["key"], row["value"], headers)
