"""Start, watch and stop child processes; know a process again later, so that a recycled pid is never signalled."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.local.errors import StackError, StoppedError

LAUNCHER = Path(__file__).with_name("launch.py")
LARGEST_LOG_BYTES = 16 * 1024 * 1024
RUN_SECONDS = 120


@dataclass(frozen=True)
class ProcessIdentity:
    """A pid together with the instant it began, as an opaque word: the pair names one process for ever."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The living process with this pid; None when there is none, or only an unburied one."""
        started = _started(pid)
        return None if started is None else cls(pid, started)

    @property
    def is_alive(self) -> bool:
        return _started(self.pid) == self.started

    def send(self, number: int) -> bool:
        """Signal this very process; False when it is gone."""
        if not self.is_alive:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait_gone(self, timeout_seconds: float) -> bool:
        return wait_until(lambda: not self.is_alive, timeout_seconds)


def _started(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except (FileNotFoundError, ProcessLookupError):
        return None if sys.platform.startswith("linux") else _started_elsewhere(pid)
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _started_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def processes_in(directory: Path) -> list[int]:
    """Processes whose working directory is this one: every process of a PostgreSQL server, also after its parent was killed."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(directory):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue  # gone, or another user's: the directory is closed to those
    return found


def wait_until(condition: Callable[[], bool], timeout_seconds: float, pause_seconds: float = 0.05) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True


class _Spawner:
    """One thread that starts every child: Linux ties a child to the thread that made it, and a caller's thread may be short-lived."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Future[subprocess.Popen[bytes]], Callable[[], subprocess.Popen[bytes]]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def spawn(self, make: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="spawner", daemon=True)
                self._thread.start()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((future, make))
        return future.result()

    def _serve(self) -> None:
        while True:
            future, make = self._orders.get()
            try:
                future.set_result(make())
            except BaseException as error:  # handed to the caller
                future.set_exception(error)
            del future, make


_spawner = _Spawner()


class Child:
    """A child process in a session of its own (Ctrl-C in the terminal reaches only its supervisor) that does not outlive this one."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._identity = ProcessIdentity.of(process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def identity(self) -> ProcessIdentity | None:
        """None when it was gone before anyone could look."""
        return self._identity

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    @property
    def is_running(self) -> bool:
        return self.exit_code is None

    def stop(self, number: int = signal.SIGTERM, timeout_seconds: float = 15.0) -> None:
        """Ask it to end; after `timeout_seconds` end it."""
        if self.is_running:
            self._process.send_signal(number)
            try:
                self._process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def await_ready(self, is_ready: Callable[[], bool], timeout_seconds: float, cancelled: threading.Event | None = None) -> None:
        """Wait until `is_ready`; raise when it ends before, when the time is up, or when the start is called off."""
        deadline = time.monotonic() + timeout_seconds
        while not is_ready():
            if not self.is_running:
                raise StackError(f"{self.name} ended with exit code {self.exit_code} while starting: {last_line(self.log)} ({self.log})")
            if cancelled is not None and cancelled.is_set():
                raise StoppedError(f"{self.name} was called off while starting")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready after {timeout_seconds:.0f} s ({self.log})")
            time.sleep(0.05)


def spawn(
    name: str, command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str], uid: int = 0, last_signal: int = signal.SIGKILL
) -> Child:
    """Start a command whose output goes to `log`; `last_signal` is what it gets when this process dies without stopping it."""
    return Child(name, _popen(command, log, environment, uid, last_signal, subprocess.DEVNULL), log)


def run(command: Sequence[str | Path], *, environment: Mapping[str, str], log: Path, uid: int = 0, stdin: bytes = b"") -> int:
    """Run a short command to its end, its output into `log`; the exit code."""
    process = _popen(command, log, environment, uid, signal.SIGKILL, subprocess.PIPE)
    try:
        process.communicate(stdin, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise StackError(f"{Path(command[0]).name} had not ended after {RUN_SECONDS} s ({log})") from None
    return process.returncode


def _popen(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str], uid: int, last_signal: int, stdin: int
) -> subprocess.Popen[bytes]:
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(last_signal)), str(uid)]
    arguments = [*launcher, *map(str, command)]

    def make() -> subprocess.Popen[bytes]:
        with open_log(log) as output:
            return subprocess.Popen(arguments, stdin=stdin, stdout=output, stderr=output, env=dict(environment), start_new_session=True)

    return _spawner.spawn(make)


def open_log(path: Path) -> IO[bytes]:
    """Append to a log that only its owner reads; one that has grown large is put aside once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(path.suffix + ".1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def last_line(log: Path) -> str:
    """The last line a child wrote, for a one-line error."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no output"
    return lines[-1].strip()[:300] if lines else "no output"
