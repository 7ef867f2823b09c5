"""A room: a root of its own for one process, put together from folders of this machine. No container engine is needed.

Linux mount namespaces do it: as root with a user number changed for good, else in a user namespace where that number stands
for ourselves. The machine's own folders are read-only inside, so nothing that runs there can reach them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from deploy.check.fault import Fault

INSIDE = Path(__file__).with_name("inside.py")
# What a Debian-like system keeps elsewhere than /usr, or links there.
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Of our environment: where the registries are and whom to trust on the way, but nothing about another Python.
KEPT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "UV_INDEX_URL",
        "UV_DEFAULT_INDEX", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")  # fmt: skip


@dataclass(frozen=True)
class Room:
    """`folders` are mounted read-only, `writable` as they are, each at its own path below the room's root."""

    root: Path
    folders: tuple[tuple[str, str], ...] = ()
    writable: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    is_read_only: bool = False
    temporary: tuple[str, ...] = ("/tmp",)  # noqa: S108  inside the room
    uid: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, words: Sequence[str | Path], folder: str = "/", environment: Mapping[str, str] | None = None) -> list[str]:
        """What to start so that `words` run in the room."""
        way = entrance()
        told = {
            "root": str(self.root),
            "folders": self.folders,
            "writable": self.writable,
            "links": self.links,
            "is_read_only": self.is_read_only,
            "temporary": self.temporary,
            "uid": self.uid,
            "is_own_user_namespace": "--user" in way,
            "folder": folder,
            "environment": {**self.environment, **(environment or {})},
            "words": [str(word) for word in words],
        }
        return [*way, sys.executable, "-I", "-S", str(INSIDE), json.dumps(told)]


@cache
def entrance() -> tuple[str, ...]:
    """How to get a mount namespace on this machine."""
    for way in (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount")):
        try:
            if subprocess.run([*way, "mount", "--make-rprivate", "/"], capture_output=True, check=False).returncode == 0:
                return way
        except FileNotFoundError:
            break
    raise Fault(
        "the image's commands need a room of their own, and this machine gives none: run it as root, or allow user namespaces "
        "(sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
    )


def machine(with_programs: bool) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Folders and links that a Python of this machine needs; `with_programs` adds a shell and everything else."""
    python = Path(sys.base_prefix).resolve()
    whole = with_programs or python == Path("/usr")
    folders = (
        [("/usr", "/usr")] if whole else [(path, path) for path in ("/usr/lib", "/usr/lib64", "/usr/local/lib") if Path(path).is_dir()]
    )
    folders.append(("/etc", "/etc"))
    links = []
    for name in SYSTEM:
        path = Path("/") / name
        if not whole and name in ("bin", "sbin"):
            continue
        if path.is_symlink():
            links.append((f"/{name}", str(path.readlink())))
        elif path.is_dir():
            folders.append((f"/{name}", f"/{name}"))
    if python != Path("/usr"):
        folders.append((str(python), str(python)))
    # As in the base image, `python` is on the path, whatever this machine calls it.
    links.append(("/image/bin/python", str(Path(sys.base_prefix).resolve() / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")))
    return tuple(folders), tuple(links)


def kept_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ}
