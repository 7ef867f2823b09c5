"""Run as a script: tie this process to its parent's life, drop root where told to, then become the given command.

Imports nothing of the project, so that it starts in milliseconds with `python -I -S`. A `preexec_fn` would do the same inside a
parent that has threads, where code between fork and exec may deadlock (and warns from Python 3.12 on).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, number: int) -> None:
    """Ask the kernel to send `number` when the parent's spawning thread ends; elsewhere than Linux this is left to the supervisor."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """argv: parent's pid, signal number, uid to drop to (0: stay who we are), command and its arguments."""
    parent, number, uid = (int(argument) for argument in sys.argv[1:4])
    command = sys.argv[4:]
    if uid:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    die_with_parent(parent, number)  # after the change of user, which clears it
    try:
        os.execvp(command[0], command)  # noqa: S606  the command is the stack's own, built from a list
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
