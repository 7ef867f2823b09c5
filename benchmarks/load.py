"""The load generator, a process of its own: raw HTTP/1.1 over kept connections, as fast as answers come or at a steady rate.

`python -m benchmarks.load PORT FIRST COUNT CONNECTIONS RATE` with the header Authorization in JALUR_BENCH_KEY; RATE 0 is "as fast as
possible". Prints one JSON object.
"""

import asyncio
import json
import os
import sys
import time
from typing import cast

import uvloop

from benchmarks.reports import post


class Connection(asyncio.Protocol):
    """One request under way; the answer's end is found by its Content-Length."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(rest) >= length and self._answer is not None:
            self._buffer = rest[length:]
            answer, self._answer = self._answer, None
            answer.set_result((int(head[9:12]), rest[:length]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError())

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer


async def run(port: int, first: int, count: int, connections: int, rate: float) -> dict[str, float]:
    headers = {"Authorization": key} if (key := os.environ.get("JALUR_BENCH_KEY")) else {}
    requests = [post(first + number, headers) for number in range(count)]
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    left = iter(range(count))
    begun = time.perf_counter()

    async def work() -> None:
        _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
        for number in left:
            due = begun + number / rate if rate else 0.0
            if rate and (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            # At a steady rate the wait counts from when the request was due: a slow server must not slow its own measurement.
            asked = due if rate else time.perf_counter()
            status, _ = await connection.ask(requests[number])
            latencies.append(time.perf_counter() - asked)
            statuses[status] = statuses.get(status, 0) + 1
        connection.transport.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    seconds = time.perf_counter() - begun
    latencies.sort()
    return {
        "count": count,
        "seconds": seconds,
        "rate": count / seconds,
        "accepted": statuses.get(202, 0),
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
    }


if __name__ == "__main__":
    port, first, count, connections = (int(word) for word in sys.argv[1:5])
    print(json.dumps(uvloop.run(run(port, first, count, connections, float(sys.argv[5])))))
