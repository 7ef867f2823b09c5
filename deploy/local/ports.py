"""Choose TCP ports on loopback: those of the last start, else the usual ones, else any that are free.

A server listens seconds after its port was chosen. Until then, and as long as this process lives or until `release`, the choice is
also claimed by an abstract socket, which another stack on this machine sees and the kernel takes away with its holder.
"""

import atexit
import fcntl
import json
import random
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from deploy.local.errors import StackError

HOST = "127.0.0.1"
USUAL = {"postgres": 5432, "kafka": 9092, "kafka-controller": 9093, "intake": 8080, "router": 8081, "notifier": 8082}
# Below the range from which Linux takes the ports of outgoing connections (32768 and up), one of which could sit on ours at the next start.
OTHERS = range(20_000, 32_000)

_claims: dict[int, tuple[Path, socket.socket | None]] = {}
_claims_lock = threading.Lock()


def reserve(file: Path, names: list[str]) -> dict[str, int]:
    """Claimed ports for all `names`, kept in `file` so that the next start uses the same where they are still free."""
    with file.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # Kafka and PostgreSQL may be started side by side
        stream.seek(0)
        remembered = _read(stream.read())
        chosen: dict[str, int] = {}
        for name in names:
            others = {port for other, port in remembered.items() if other not in names}
            chosen[name] = _choose(name, remembered, others | set(chosen.values()), file)
        stream.truncate(0)
        stream.write(json.dumps(remembered | chosen, indent=1) + "\n")
    return chosen


def insist(file: Path, *wanted: int) -> None:
    """Claim just these for the stack of `file`, or say in one line what a server would say in its log after seconds."""
    for port in wanted:
        if not _claim(port, file):
            raise StackError(f"port {port} on {HOST} is taken by another process")


def release(*ports: int) -> None:
    with _claims_lock:
        for port in ports:
            _, claim = _claims.pop(port, (None, None))
            if claim is not None:
                claim.close()


@atexit.register
def _release_all() -> None:
    release(*list(_claims))


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


def _choose(name: str, remembered: Mapping[str, int], taken: set[int], file: Path) -> int:
    for port in (remembered.get(name), USUAL.get(name), *random.sample(OTHERS, 200)):
        if port is not None and port not in taken and _claim(port, file):
            return port
    raise StackError(f"no free port for {name} on {HOST}")


def _claim(port: int, file: Path) -> bool:
    with _claims_lock:
        if port in _claims:
            return _claims[port][0] == file and is_free(port)
        claim = None
        if sys.platform.startswith("linux"):
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                claim.bind(f"\0jalur-port-{port}")
            except OSError:
                claim.close()
                return False
        if not is_free(port):
            if claim is not None:
                claim.close()
            return False
        _claims[port] = (file, claim)
        return True


def _read(text: str) -> dict[str, int]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return {name: port for name, port in content.items() if isinstance(port, int)} if isinstance(content, dict) else {}
