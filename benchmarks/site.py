"""A throw-away installation to measure: broker and database with their usual durability, services as processes of their own."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from deploy.local.kafka import RunningKafka, start_kafka
from deploy.local.ports import OTHERS, is_free
from deploy.local.postgres import RunningPostgres, start_postgres
from services.intake.keys import add_key
from services.intake.speakers import Speaker
from shared.topics import Topics
from shared.topics_admin import apply_topics

SERVICES = ("intake", "router", "notifier")


_given: set[int] = set()


def some_port() -> int:
    """A free port, each one once: a service that is stopped keeps its port for its next start."""
    port = next(port for port in OTHERS if port not in _given and is_free(port))
    _given.add(port)
    return port


def wait_for(what: str, look: Any, seconds: float = 120.0, pause: float = 0.05) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


class Site:
    """Servers and services of one run. Numbers of reports never repeat within it."""

    def __init__(self, folder: Path, kafka: RunningKafka, postgres: RunningPostgres) -> None:
        self.folder = folder
        self.kafka = kafka
        self.postgres = postgres
        self.topics = Topics()
        self.ports: dict[str, int] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._next = 0

    def told(self, service: str) -> dict[str, str]:
        """Where a service finds the servers, and who it is there."""
        return {"JALUR_KAFKA": self.kafka.bootstrap, "JALUR_POSTGRES": self.postgres.dsn}

    def words(self, service: str) -> list[str]:
        """The program that is measured, after `python -m`."""
        return [f"services.{service}"]

    def start(self, *services: str) -> None:
        for service in services:
            self.ports.setdefault(service, some_port())
            environment = os.environ | self.told(service) | {"JALUR_PORT": str(self.ports[service]), "JALUR_REPLICA": "0"}
            log = (self.folder / f"{service}.log").open("ab")
            self.processes[service] = subprocess.Popen(
                [sys.executable, "-m", *self.words(service)], env=environment, stdout=log, stderr=log
            )
            port = self.ports[service]
            wait_for(f"{service} is ready", lambda port=port: is_ready(port))

    def stop(self, *services: str) -> None:
        for service in services:
            self.processes[service].terminate()
            self.processes.pop(service).wait(20)

    def kill(self, service: str) -> None:
        self.processes[service].kill()
        self.processes.pop(service).wait()

    def memory_mib(self, service: str) -> float:
        return float(psutil.Process(self.processes[service].pid).memory_info().rss) / 2**20

    def key(self) -> str:
        async def add() -> str:
            connection = await asyncpg.connect(self.postgres.dsn)
            try:
                return await add_key(connection, Speaker("source", "lapor"))
            finally:
                await connection.close()

        return asyncio.run(add())

    def query(self, text: str) -> Any:
        async def ask() -> Any:
            connection = await asyncpg.connect(self.postgres.dsn)
            try:
                return await connection.fetchval(text)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def load(self, port: int, count: int, *, connections: int = 64, rate: float = 0, key: str | None = None) -> dict[str, Any]:
        """Run the load generator to its end."""
        environment = dict(os.environ) | ({"JALUR_BENCH_KEY": f"Bearer {key}"} if key else {})
        words = [str(port), str(self._next), str(count), str(connections), str(rate)]
        self._next += count
        output = subprocess.run([sys.executable, "-m", "benchmarks.load", *words], env=environment, check=True, capture_output=True)
        found: dict[str, Any] = json.loads(output.stdout)
        return found

    def settle(self) -> None:
        """Wait until everything accepted is decided and sent."""
        wait_for("the backlog is gone", lambda: self.query("SELECT count(*) FROM intake.outbox") == 0, 300)
        wait_for(
            "everything is decided",
            lambda: self.query("SELECT count(*) FROM intake.complaints WHERE next_look_at IS NOT NULL") == 0,
            300,
            0.5,
        )


@contextmanager
def running_site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="jalur-bench-") as name:
        folder = Path(name)
        postgres = start_postgres(folder / "postgres")
        kafka = start_kafka(folder / "kafka")
        site = Site(folder, kafka, postgres)
        try:
            asyncio.run(apply_topics(kafka.bootstrap))
            yield site
        finally:
            for service in list(site.processes):
                site.stop(service)
            kafka.stop()
            postgres.stop()
