"""The services as real processes, killed and started again at will."""

import os
import random
import sys
from contextlib import suppress
from pathlib import Path

import httpx

from deploy.local.ports import OTHERS, is_free
from deploy.local.processes import Child, spawn
from tests.world import World, until

SERVICES = ("intake", "router", "notifier")
_given: set[int] = set()


def some_port() -> int:
    """A free port that no other test was given."""
    port = next(port for port in random.sample(OTHERS, 500) if port not in _given and is_free(port))
    _given.add(port)
    return port


class ServiceProcess:
    """One replica of a service. `kill` is SIGKILL; `start` again takes the same port and ordinal."""

    def __init__(self, world: World, service: str, logs: Path, replica: int = 0, **environment: str) -> None:
        self.service = service
        self.port = some_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = logs / f"{service}-{replica}.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JALUR_")},
            "JALUR_KAFKA": world.bootstrap,
            "JALUR_POSTGRES": world.dsn,
            "JALUR_NAMESPACE": world.topics.namespace,
            "JALUR_CLOCK": "settable",
            "JALUR_PORT": str(self.port),
            "JALUR_REPLICA": str(replica),
            **environment,
        }
        self._child: Child | None = None

    def start(self) -> "ServiceProcess":
        self._child = spawn(self.service, (sys.executable, "-m", f"services.{self.service}"), log=self._log, environment=self._environment)
        return self

    def kill(self) -> None:
        assert self._child is not None
        self._child.kill()

    def stop(self) -> int | None:
        """SIGTERM and wait; the exit code."""
        assert self._child is not None
        self._child.stop()
        return self._child.exit_code

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    async def is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{self.url}/health/ready")).status_code == 200
        return False

    async def until_ready(self, within: float = 60.0) -> "ServiceProcess":
        await until(f"{self.service} is ready", self.is_ready, within)
        return self
