"""Ask the real thing whether it is ready: a broker for its metadata, a database for a row, a service for its health.

Each question opens its own connection, waits a bounded time and never raises: not ready is an answer.
"""

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 5.0


def kafka_is_ready(
    bootstrap: str, timeout_seconds: float = PATIENCE_SECONDS, *, cluster: str | None = None, connection: Mapping[str, Any] | None = None
) -> bool:
    """The controller has let a broker in, and it knows where consumer groups are kept (the first answer creates that topic).

    With `cluster`: it is also the cluster of this id. `connection` is what a client is given where the cluster asks who we are.
    """
    if not any(_listens(address) for address in bootstrap.split(",")):
        return False  # the client would log an error for what is only early
    return _ask(_ask_kafka(bootstrap, cluster, connection or {}), timeout_seconds)


def postgres_is_ready(dsn: str, timeout_seconds: float = PATIENCE_SECONDS) -> bool:
    """The database lets us in with this password and answers a query."""
    return _ask(_ask_postgres(dsn), timeout_seconds)


def service_is_ready(url: str, timeout_seconds: float = PATIENCE_SECONDS) -> bool:
    """`GET /health/ready` is 200."""
    try:
        # Without the environment's proxies: the services are on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/health/ready", timeout=timeout_seconds) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _listens(address: str) -> bool:
    host = urlsplit(f"//{address}")
    try:
        with socket.create_connection((host.hostname or "", host.port or 9092), timeout=1.0):
            return True
    except OSError:
        return False


async def _ask_kafka(bootstrap: str, wanted: str | None, connection: Mapping[str, Any]) -> bool:
    from aiokafka.admin import AIOKafkaAdminClient

    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=3000, **connection)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        if not cluster["brokers"] or wanted not in (None, cluster["cluster_id"]):
            return False
        await admin.find_coordinator("jalur-ready")
        return True
    finally:
        await admin.close()


async def _ask_postgres(dsn: str) -> bool:
    import asyncpg

    connection = await asyncpg.connect(dsn, timeout=3.0)
    try:
        return bool(await connection.fetchval("SELECT 1") == 1)
    finally:
        await connection.close()


def _ask(question: Coroutine[Any, Any, bool], timeout_seconds: float) -> bool:
    """Run in a thread with a loop of its own, so that callers may be synchronous, also inside a running loop."""
    answers: list[bool] = []

    async def bounded() -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                answers.append(await question)
        except Exception:  # whatever a client raises: it is not ready
            answers.append(False)

    thread = threading.Thread(target=asyncio.run, args=(bounded(),), daemon=True)
    thread.start()
    thread.join(timeout_seconds + 2.0)
    return bool(answers and answers[0])
