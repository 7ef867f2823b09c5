"""Where the embedded stack keeps what it keeps, and who may use it: one directory, closed to others, one supervisor at a time."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import AlreadyRunningError, StackError

DEFAULT = Path(".jalur")
OURS = frozenset({"lock", "stack.json", "ports.json", "postgres", "kafka", "logs", "secrets"})


@dataclass(frozen=True)
class DataDirectory:
    """Layout of a data directory."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> "DataDirectory":
        """Make it where it is missing, and close it to others. A directory that holds other things is refused, never closed."""
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = {entry.name for entry in path.iterdir()}
            if found and not found & OURS:
                raise StackError(f"{path} is not empty and not a data directory of Jalur")
            if path.stat().st_mode & (stat.S_ISVTX | 0o066):
                if path.stat().st_mode & stat.S_ISVTX:
                    raise StackError(f"{path} is shared with others: name a directory inside it")
                path.chmod(0o700)
        except OSError as error:
            raise StackError(f"cannot use {path} as data directory: {error.strerror}") from error
        return cls(path)

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def kafka(self) -> Path:
        return self.path / "kafka"

    @property
    def secrets(self) -> Path:
        """There only where the stack asks everybody who they are."""
        return self.path / "secrets"

    @property
    def ports(self) -> Path:
        return self.path / "ports.json"

    @property
    def state(self) -> Path:
        return self.path / "stack.json"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory; the kernel lets go when the holder dies, however it dies."""
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunningError(f"a stack is already running in {self.path} (jalur status, jalur down)") from None
            yield
        finally:
            os.close(handle)
