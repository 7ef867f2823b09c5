"""A service of ours as a child process: told by its environment where broker, database and its own port are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.local import ports, probe
from deploy.local.datadir import DataDirectory
from deploy.local.processes import Child, spawn


@dataclass(frozen=True)
class Service:
    """What to start under which name."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunningService:
    child: Child
    url: str

    def is_ready(self) -> bool:
        return probe.service_is_ready(self.url, timeout_seconds=1.0)

    def stop(self, timeout_seconds: float = 15.0) -> None:
        """SIGTERM: it drains, commits and leaves its group; SIGKILL when it has not ended by then."""
        self.child.stop(timeout_seconds=timeout_seconds)


def service_url(port: int) -> str:
    return f"http://{ports.HOST}:{port}"


def launch_service(service: Service, directory: DataDirectory, port: int, environment: Mapping[str, str]) -> RunningService:
    own = {"JALUR_HOST": ports.HOST, "JALUR_PORT": str(port), "JALUR_REPLICA": "0"}
    child = spawn(service.name, service.command, log=directory.log(service.name), environment={**environment, **own, **service.environment})
    return RunningService(child, service_url(port))
