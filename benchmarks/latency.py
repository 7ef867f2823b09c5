"""POST to readable in the unit's topic: the instant of the request against the instant a consumer has the event in its hands."""

import asyncio
import json
import time

from aiokafka import AIOKafkaConsumer

from benchmarks.load import Connection
from benchmarks.reports import post
from benchmarks.site import Site
from shared.units import UNIT_SLUGS

_FIRST = 50_000_000


def measure(site: Site, key: str, *, rate: int, seconds: int) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    return asyncio.run(_measure(site, key, rate, rate * seconds))


async def _measure(site: Site, key: str, rate: int, count: int) -> tuple[float, float]:
    seen: dict[bytes, float] = {}
    topics = [site.topics.routed(unit) for unit in UNIT_SLUGS] + [site.topics.triage, site.topics.transferred]
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=site.kafka.bootstrap, auto_offset_reset="latest", fetch_max_wait_ms=50)
    await consumer.start()
    await consumer.seek_to_end()
    posted: dict[bytes, float] = {}

    async def watch() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                now = time.perf_counter()
                for record in records:
                    seen.setdefault(record.key or b"", now)

    watching = asyncio.create_task(watch())
    headers = {"Authorization": f"Bearer {key}"}
    requests = iter([post(_FIRST + number, headers) for number in range(count)])
    numbers = iter(range(count))
    loop = asyncio.get_running_loop()
    begun = time.perf_counter() + 0.5

    async def work() -> None:
        _, connection = await loop.create_connection(Connection, "127.0.0.1", site.ports["intake"])
        for number, request in zip(numbers, requests, strict=False):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            _, answer = await connection.ask(request)
            posted[bytes.fromhex(json.loads(answer)["id"].replace("-", ""))] = due
        connection.transport.close()

    await asyncio.gather(*(work() for _ in range(32)))
    deadline = time.perf_counter() + 30
    while posted.keys() - seen.keys() and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    watching.cancel()
    await consumer.stop()
    missing = len(posted.keys() - seen.keys())
    if missing:
        raise SystemExit(f"{missing} of {count} reports did not reach a topic within 30 s")
    times = sorted((seen[key] - at) * 1000 for key, at in posted.items())
    return times[len(times) // 2], times[int(len(times) * 0.99)]
