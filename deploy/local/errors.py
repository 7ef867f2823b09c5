"""What can go wrong with the embedded stack, each with one line that a person can act on."""


class StackError(Exception):
    """Told to the operator as one line; never carries a password."""


class JarMismatchError(StackError):
    """A jar does not have the locked sha256: it has been deleted, nothing runs with it."""


class AlreadyRunningError(StackError):
    """Another process uses this data directory: stop that one first, or name another directory."""


class StoppedError(StackError):
    """A stop was asked for while something was still starting."""
