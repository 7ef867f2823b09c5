"""What a check finds wrong."""


class Fault(Exception):
    """The deployment, or the machine that checks it, is not as it must be; the message says what to change."""
