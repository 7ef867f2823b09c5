"""Choose TCP ports on loopback: those of the last start, else the usual ones, else any that are free."""

import fcntl
import json
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from deploy.local.errors import StackError

HOST = "127.0.0.1"
USUAL = {"postgres": 5432, "kafka": 9092, "kafka-controller": 9093, "intake": 8080, "router": 8081, "notifier": 8082}
# Below the range from which Linux takes the ports of outgoing connections (32768 and up), one of which could sit on ours at the next start.
OTHERS = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen there now; connections of a server that just ended do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()  # on Linux two sockets with SO_REUSEADDR may bind, only one may listen
        except OSError:
            return False
    return True


def insist(*wanted: int) -> None:
    """Say in one line what a server would say in its log after seconds."""
    for port in wanted:
        if not is_free(port):
            raise StackError(f"port {port} on {HOST} is taken by another process")


def choose(name: str, remembered: Mapping[str, int], taken: set[int]) -> int:
    """A free port for `name` that is not in `taken`."""
    for port in (remembered.get(name), USUAL.get(name)):
        if port is not None and port not in taken and is_free(port):
            return port
    for port in random.sample(OTHERS, 200):
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no free port for {name} on {HOST}")


def reserve(file: Path, names: list[str]) -> dict[str, int]:
    """Ports for all `names`, kept in `file` so that the next start uses the same where they are still free."""
    with file.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # Kafka and PostgreSQL may be started side by side
        stream.seek(0)
        remembered = _read(stream.read())
        chosen: dict[str, int] = {}
        for name in names:
            others = {port for other, port in remembered.items() if other not in names}
            chosen[name] = choose(name, remembered, others | set(chosen.values()))
        stream.truncate(0)
        stream.write(json.dumps(remembered | chosen, indent=1) + "\n")
    return chosen


def _read(text: str) -> dict[str, int]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return {name: port for name, port in content.items() if isinstance(port, int)} if isinstance(content, dict) else {}
