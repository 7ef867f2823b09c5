"""One part of the stack under watch: started, started again with a growing pause when it ends by itself, stopped."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from deploy.local.errors import StackError
from deploy.local.processes import Child

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
LONG_LIFE_SECONDS = 60.0


class Running(Protocol):
    """What Kafka, PostgreSQL and a service have in common once they run."""

    @property
    def child(self) -> Child: ...
    def is_ready(self) -> bool: ...
    def stop(self, timeout_seconds: float = ...) -> None: ...


@dataclass
class BackOff:
    """How long to wait before the next start: double each time, and short again after a long life."""

    pause_seconds: float = 0.0

    def after(self, lived_seconds: float) -> float:
        if self.pause_seconds == 0.0 or lived_seconds >= LONG_LIFE_SECONDS:
            self.pause_seconds = FIRST_PAUSE_SECONDS
        else:
            self.pause_seconds = min(self.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        return self.pause_seconds


Kind = TypeVar("Kind", bound=Running)


@dataclass
class Supervised(Generic[Kind]):
    """A part and its present process. Times are seconds of one monotonic clock, given by the caller."""

    name: str
    launch: Callable[[], Kind]
    server: Kind | None = None
    is_ready: bool = False
    _started_at: float = 0.0
    _start_at: float | None = None
    _back_off: BackOff = field(default_factory=BackOff)

    def start(self, now: float) -> Kind:
        self._started_at, self._start_at, self.is_ready = now, None, False
        self.server = self.launch()
        return self.server

    def step(self, now: float) -> str | None:
        """Look after it once. What there is to tell, if anything: it ended, was started again, is ready."""
        if self._start_at is not None:
            return self._start_again(now) if now >= self._start_at else None
        assert self.server is not None, "step comes after start"
        if not self.server.child.is_running:
            code = self.server.child.exit_code or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            return self._ended(now, f"{how} ({self.server.child.log})")
        if not self.is_ready and self.server.is_ready():
            self.is_ready = True
            return f"ready (pid {self.server.child.pid})"
        return None

    def _ended(self, now: float, how: str) -> str:
        self.is_ready = False
        pause = self._back_off.after(now - self._started_at)
        self._start_at = now + pause
        return f"{how}; starting again in {pause:g} s"

    def _start_again(self, now: float) -> str:
        try:
            server = self.start(now)
        except (StackError, OSError) as error:
            return self._ended(now, f"could not be started: {error}")
        return f"started again (pid {server.child.pid})"


def stop_all(parts: Sequence[Supervised[Any]], timeout_seconds: float) -> None:
    """Stop side by side and wait for all of them."""
    threads = [
        threading.Thread(target=part.server.stop, args=(timeout_seconds,)) for part in parts if part.server and part.server.child.is_running
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
