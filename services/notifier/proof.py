"""Proves a stored case by its own timeline: the chain holds, and its facts make the case that is stored. Pure."""

from collections.abc import Mapping, Sequence

from services.notifier.case import Case
from services.notifier.timeline import Line, broken_at, texts_fault

# What a case's row keeps of its life, by the columns' names.
KEPT = ("state", "first_outcome", "is_oversight", "merged_into")


def chain_fault(lines: Sequence[Line], entries: int, head: bytes) -> str | None:
    """What is wrong with the lines themselves, and at which of them."""
    return broken_at(lines, entries, head) or texts_fault(lines)


def life_faults(case: Case, stored: Mapping[str, object]) -> list[str]:
    """Where the facts, just lived again, make another case than the row says."""
    lived = {name: getattr(case.life, name) for name in KEPT}
    return [f"{name} is stored as {stored[name]}, its facts make it {lived[name]}" for name in KEPT if stored[name] != lived[name]]
