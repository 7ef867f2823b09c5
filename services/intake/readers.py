"""Who is shown a case, by the names of keys, and which of its deadlines concern each of them. Pure."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.intake.speakers import Speaker
from shared.events import CaseStatus

# The reader who is shown every case: triage, admin and auditor.
ALL = "all"
# A case that has ended has no deadline any more.
ENDED = ("closed", "withdrawn", "history")
INSPECTORATE = "itjen"
OVERSIGHT = "pengaduan_pengawasan"
_HAS_IT = ("assigned", "accepted", "answered")
_NARROWEST_FIRST = ("desk", "unit", "source", ALL)


def own_reader(speaker: Speaker) -> str:
    """Under which name a key's holder is shown cases."""
    return speaker.name if speaker.subject is not None else ALL


def narrowest_first(readers: Iterable[str]) -> tuple[str, ...]:
    """Each once; all of them have to be shown a case, so `all` says nothing beside another."""
    found = sorted(set(readers), key=lambda reader: (_NARROWEST_FIRST.index(reader.partition(":")[0]), reader))
    return tuple(reader for reader in found if reader != ALL) or (ALL,)


def is_oversight(status: CaseStatus) -> bool:
    return concerns_oversight(status.class_, (item.unit for item in status.assignments), is_told=status.is_oversight)


def concerns_oversight(class_: str | None, units: Iterable[str], *, is_told: bool) -> bool:
    """Whether an official's misconduct is in question: the notifier has said so once, or the class says so, or the inspectorate has
    or had a part. The doubt is the reporter's."""
    return is_told or class_ == OVERSIGHT or INSPECTORATE in units


def makes_readers(unit: str, state: str, *, in_oversight: bool) -> bool:
    """Whether a part makes its unit and its desk readers of the case, by the part's state.

    Who gave a part back still sees an ordinary case. In an oversight case the office complained about may be the one that had it: it
    is a reader only while the part is its own (Permenkumham 57/2016). The inspectorate keeps what ended in its hands.
    """
    return not in_oversight or state in _HAS_IT or (unit == INSPECTORATE and state == "closed")


def deadlines_of(status: CaseStatus) -> dict[str, datetime | None]:
    """For each reader whom the status names, and for `all`: the earliest deadline that still runs, if any.

    A stopped or paused clock, or one of a case that has ended, counts for nobody. An assignment's deadline concerns its unit and desk
    alone, the whole case's each of them that has not given it back; in an oversight case the latter is the inspectorate's alone.
    """
    in_oversight = is_oversight(status)
    running = [clock for clock in status.clocks if clock.state in ("running", "expired") and status.state not in ENDED]
    shared = _earliest(clock.due_at for clock in running if clock.assignment_id is None)
    own: dict[UUID, datetime] = {}
    for clock in running:
        if clock.assignment_id is not None:
            own[clock.assignment_id] = min(clock.due_at, own.get(clock.assignment_id, clock.due_at))
    found: dict[str, datetime | None] = {ALL: _earliest(clock.due_at for clock in running)}
    for item in status.assignments:
        if not makes_readers(item.unit, item.state, in_oversight=in_oversight):
            continue
        is_its_own = item.state in _HAS_IT and (item.unit == INSPECTORATE or not in_oversight)
        due_at = _earliest((own.get(item.id), shared if is_its_own else None))
        for reader in (f"unit:{item.unit}", *((f"desk:{item.desk}",) if item.desk is not None else ())):
            found[reader] = _earliest((found.get(reader), due_at))
    return found


def _earliest(instants: Iterable[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)
