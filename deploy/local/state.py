"""What a running stack is, on disk: addresses, processes and who watches over them. Holds a password, so only its owner reads it."""

import os
from pathlib import Path

from pydantic import BaseModel, ValidationError

from deploy.local.processes import ProcessIdentity


class Server(BaseModel):
    """One part of the stack: `address` is Kafka's bootstrap, PostgreSQL's DSN or a service's URL, None before it is known.

    No process: not started yet, or not by us.
    """

    address: str | None
    process: ProcessIdentity | None = None

    @property
    def living_pid(self) -> int | None:
        return self.process.pid if self.process and self.process.is_alive else None


class StackState(BaseModel):
    supervisor: ProcessIdentity
    kafka: Server
    postgres: Server
    services: dict[str, Server]
    settable_clock: bool = False
    is_secured: bool = False
    was_ready: bool = False

    @property
    def processes(self) -> list[ProcessIdentity]:
        """All that the supervisor started, in the order in which they are to be stopped."""
        return [server.process for server in (*self.services.values(), self.kafka, self.postgres) if server.process]


def read(file: Path) -> StackState | None:
    """None where there is no state, or none that can be read."""
    try:
        return StackState.model_validate_json(file.read_text())
    except (OSError, ValidationError):
        return None


def write(file: Path, state: StackState) -> None:
    """A reader sees the old state or the new one, never half of it."""
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(state.model_dump_json(indent=1) + "\n")
    part.replace(file)
