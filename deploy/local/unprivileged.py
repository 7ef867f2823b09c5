"""PostgreSQL refuses to run as root: find a way to run it as nobody in particular.

As an ordinary user: as that user. As root: in a user namespace, where files stay root's and folders closed to others stay closed;
where namespaces are refused: as an unprivileged user, who must be able to reach binaries and data.
"""

import functools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

NOBODY = 65534


@dataclass(frozen=True)
class Wrapper:
    """What goes before a command, and the user to become for it (0: none)."""

    prefix: tuple[str, ...] = ()
    uid: int = 0


def wrapper() -> Wrapper:
    if os.geteuid() != 0:
        return Wrapper()
    prefix = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
    return Wrapper(prefix) if _works(prefix) else Wrapper(uid=NOBODY)


@functools.cache
def _works(prefix: tuple[str, ...]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def hand_over(folder: Path, binary: Path, chosen: Wrapper) -> None:
    """Give `folder` and what lies directly in it to the user that will work there; a `StackError` where it or `binary` is out of reach."""
    if not chosen.uid:
        return
    folder.parent.chmod(0o711)  # ours: to be passed through, not to be read
    for path in (folder, *folder.iterdir()):
        os.chown(path, chosen.uid, chosen.uid)
    for path in (folder, binary):
        closed = [parent for parent in path.parents if not parent.stat().st_mode & 0o001]
        if closed:
            raise StackError(
                f"PostgreSQL does not run as root, user namespaces are refused here, and uid {chosen.uid} cannot pass {closed[-1]}: "
                "run as an ordinary user, or keep project and --data-dir where others can pass"
            )
