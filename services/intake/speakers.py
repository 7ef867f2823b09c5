"""Who may speak: the roles of keys. Pure."""

from dataclasses import dataclass, field

ROLES_WITH_SUBJECT = ("source", "unit", "desk")
ROLES_ALONE = ("triage", "admin", "auditor")


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whoever holds a key: `source:lapor`, `unit:imigrasi`, `triage`, … `key_id` says by which of its keys, where that matters."""

    role: str
    subject: str | None
    key_id: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        return f"{self.role}:{self.subject}" if self.subject else self.role


def parse_role(text: str) -> Speaker:
    """`ROLE[:SUBJECT]`; raises `ValueError` saying what is possible."""
    role, _, subject = text.partition(":")
    if role in ROLES_ALONE and not subject and ":" not in text:
        return Speaker(role, None)
    if role in ROLES_WITH_SUBJECT and subject and all(sign.isascii() and (sign.isalnum() or sign in "_-:") for sign in subject):
        return Speaker(role, subject)
    possible = ", ".join([*(f"{name}:SUBJECT" for name in ROLES_WITH_SUBJECT), *ROLES_ALONE])
    raise ValueError(f"{text!r} is not a role; write one of {possible}, for example source:lapor or desk:kanim:kupang")
