"""The peers of the clocks' benchmark, each a process of its own: `python -m benchmarks.timer_peers PEER DSN BOOTSTRAP COUNT`.

`bare` sends keyed records and has no database. `procrastinate` and `pgqueuer` hold COUNT jobs that are due at one instant, and whose task
sends one keyed record and awaits Kafka's acknowledgement; they share one producer, and run as many tasks at once as serves them best.
Prints the records a second, from the instant that all are due to the last job's end being committed.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

# A follow-up as the notifier writes it, and its headers: the same bytes for everyone.
VALUE = json.dumps(
    {
        "complaint_id": "c0c0c0c0-0000-4000-8000-000000000001", "source": "lapor", "source_ref": "5049672",
        "assignment_id": "f0fa954f-0b08-54b4-bdb8-b829395cc913", "unit": "imigrasi", "desk": "kanim:kupang", "code": "LAPOR_TINDAK_LANJUT",
        "kind": "due", "level": 0, "occurrence": 1, "due_at": "2026-07-13T08:00:00Z", "previous_due_at": None, "why": None,
        "emitted_at": "2026-07-13T08:00:00.123456Z", "late_by_seconds": 0.123456, "to": ["kanim:kupang", "imigrasi"], "sequence": 3,
    },
    separators=(",", ":"),
).encode()  # fmt: skip
HEADERS = [
    ("ce_specversion", b"1.0"), ("ce_id", str(uuid4()).encode()), ("ce_type", b"id.jalur.case.follow-up.v1"),
    ("ce_source", b"/jalur/notifier"), ("ce_subject", str(uuid4()).encode()), ("ce_time", b"2026-07-13T08:00:00.123456Z"),
    ("content-type", b"application/json"), ("ce_sequence", b"3"),
]  # fmt: skip
TOPIC = "complaints.follow-ups.imigrasi"
# PgQueuer was fastest with 200 of 50, 200, 500 and 1000 in each of three rounds; Procrastinate gains little from 20 to 200.
AT_ONCE = 200


def new_producer(bootstrap: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, max_batch_size=128 * 1024)


async def bare(dsn: str, bootstrap: str, count: int) -> float:
    keys = [uuid4().bytes for _ in range(count)]
    producer = new_producer(bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, VALUE, key=keys[0], headers=HEADERS)
        begun = time.perf_counter()
        sent = [await producer.send(TOPIC, VALUE, key=key, headers=HEADERS) for key in keys]
        await asyncio.gather(*sent)
        return time.perf_counter() - begun
    finally:
        await producer.stop()


async def procrastinate(dsn: str, bootstrap: str, count: int) -> float:
    import procrastinate as library
    from procrastinate import types

    app = library.App(connector=library.PsycopgConnector(conninfo=dsn, min_size=10, max_size=20))
    producer = new_producer(bootstrap)

    @app.task(name="follow_up")
    async def follow_up(key: str) -> None:
        await (await producer.send(TOPIC, VALUE, key=bytes.fromhex(key), headers=HEADERS))

    async with app.open_async():
        if await app.connector.execute_query_one_async("SELECT to_regclass('procrastinate_jobs') AS known") == {"known": None}:
            await app.schema_manager.apply_schema_async()
        await app.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")
        due = datetime.now(UTC) + timedelta(seconds=3 + count / 5000)
        jobs: list[types.JSONDict] = [{"key": uuid4().hex} for _ in range(count)]
        for first in range(0, count, 5000):
            await follow_up.configure(schedule_at=due).batch_defer_async(*jobs[first : first + 5000])
        await app.connector.execute_query_async("ANALYZE procrastinate_jobs")
        await producer.start()
        begun = await _sleep_until(due)
        try:
            await app.run_worker_async(concurrency=AT_ONCE, wait=False, delete_jobs="always", install_signal_handlers=False)
            seconds = time.perf_counter() - begun
        finally:
            await producer.stop()
        left = await app.connector.execute_query_one_async("SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'")
        assert left["count"] == 0, left
    return seconds


async def pgqueuer(dsn: str, bootstrap: str, count: int) -> float:
    from pgqueuer import Job, PgQueuer, Queries
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
    from pgqueuer.domain.types import QueueExecutionMode

    pool = await asyncpg.create_pool(dsn, min_size=10, max_size=20)
    producer = new_producer(bootstrap)
    queries = Queries(AsyncpgPoolDriver(pool))
    if not await queries.schema_is_installed():
        await queries.install()
    await queries.clear_queue()
    app = PgQueuer.from_asyncpg_pool(pool)

    @app.entrypoint("follow_up")
    async def follow_up(job: Job) -> None:
        await (await producer.send(TOPIC, VALUE, key=job.payload, headers=HEADERS))

    wait = timedelta(seconds=3 + count / 5000)
    due = datetime.now(UTC) + wait
    for first in range(0, count, 5000):
        some = min(5000, count - first)
        await queries.enqueue(
            ["follow_up"] * some, [uuid4().bytes for _ in range(some)], [0] * some, execute_after=[due - datetime.now(UTC)] * some
        )
    await pool.execute("ANALYZE")
    await producer.start()
    begun = await _sleep_until(due)
    try:
        await app.run(batch_size=AT_ONCE, mode=QueueExecutionMode.drain, log_aggregation_interval=timedelta(0))
        seconds = time.perf_counter() - begun
    finally:
        await producer.stop()
    await pool.close()
    return seconds


async def _sleep_until(due: datetime) -> float:
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    return time.perf_counter()


PEERS: dict[str, Callable[[str, str, int], Awaitable[float]]] = {"bare": bare, "procrastinate": procrastinate, "pgqueuer": pgqueuer}


async def _run(name: str, dsn: str, bootstrap: str, count: int) -> float:
    return count / await PEERS[name](dsn, bootstrap, count)


if __name__ == "__main__":
    print(uvloop.run(_run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))))
