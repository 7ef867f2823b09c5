"""Run as a script in a fresh mount namespace: put the room together, go in, become its user, and be the command.

Standard library only: it runs without the project, and the mounts are made by the system call itself.
"""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
NO_ATIME, NO_DIR_ATIME, REL_ATIME = 1 << 10, 1 << 11, 1 << 21
DETACH = 2
NEW_USER = 0x10000000
SET_NO_NEW_PRIVILEGES = 38
# As statvfs tells them, and as mount takes them; a remount must not take away what the machine has set.
FLAGS = ((2, NO_SUID), (4, NO_DEV), (8, NO_EXEC), (1024, NO_ATIME), (2048, NO_DIR_ATIME), (4096, REL_ATIME))

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}{arguments}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    _call("mount", source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None)


def bind(source: str, target: Path, read_only: bool) -> None:
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, str(target), flags=BIND | (0 if read_only else RECURSIVE))
    if read_only:
        forbid_writing(target)


def forbid_writing(target: Path) -> None:
    present = os.statvfs(target).f_flag
    mount("none", str(target), flags=REMOUNT | BIND | READ_ONLY | sum(flag for seen, flag in FLAGS if present & seen))


def main() -> None:
    told = json.loads(sys.argv[1])
    root = Path(told["root"])
    os.umask(0o022)
    mount("none", "/", flags=PRIVATE | RECURSIVE)
    mount(str(root), str(root), flags=BIND)  # a room must be a mount to become the root
    old = root / ".machine"
    for source, target in told["folders"]:
        bind(source, root / target.lstrip("/"), read_only=True)
    for source, target in told["writable"]:
        bind(source, root / target.lstrip("/"), read_only=False)
    for name in ("dev", "proc"):
        bind(f"/{name}", root / name, read_only=False)
    for name, value in told["links"]:
        link = root / name.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(value)
    for name in told["temporary"]:
        (root / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
    old.mkdir(exist_ok=True)
    if told["is_read_only"]:
        forbid_writing(root)
    for name in told["temporary"]:
        mount("tmpfs", str(root / name.lstrip("/")), "tmpfs", NO_SUID | NO_DEV)
        (root / name.lstrip("/")).chmod(0o1777)
    subprocess.run(["pivot_root", str(root), str(old)], check=True)
    os.chdir("/")
    _call("umount2", b"/.machine", DETACH)
    become(told["uid"], told["is_own_user_namespace"])
    os.chdir(told["folder"])
    environment = told["environment"]
    os.execvpe(told["words"][0], told["words"], environment)  # noqa: S606


def become(uid: int, is_own_user_namespace: bool) -> None:
    """For good: no right of the old user is left, and none can be won back."""
    if uid:
        if is_own_user_namespace:
            _call("unshare", NEW_USER)
            Path("/proc/self/uid_map").write_text(f"{uid} 0 1")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/gid_map").write_text(f"{uid} 0 1")
        else:
            os.setgroups([])
            os.setgid(uid)
        os.setuid(uid)
    _call("prctl", SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


if __name__ == "__main__":
    main()
