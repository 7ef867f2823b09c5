"""Who hears of a level: the names in a policy, made those of a case. Pure.

Up the hierarchy, and never to nobody: a level that is missing or away falls to its deputy, else to the one above it, and there is always
the unit, the triage desk or admin instansi. Of an oversight matter only the inspectorate hears.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.notifier.case import CASE, Case, Clock
from services.notifier.life import LIVE, OPEN, Assignment
from shared.events import FollowUp, FollowUpKind

INSPECTORATE = "itjen"
ADMIN = "admin_instansi"
TRIAGE = "triage"
# Where admin instansi sits: the bureau for public relations and law in the secretariat general.
ADMIN_UNIT = "setjen"

Absences = Mapping[str, str | None]  # who is away now, and who stands in


def addressees(named: Sequence[str], case: Case, assignment: Assignment | None, absences: Absences) -> tuple[str, ...]:
    """The names of those who hear of it, each once, in the policy's order; never empty."""
    if case.life.is_oversight or (assignment is not None and assignment.is_oversight):
        return (INSPECTORATE,)
    concerned = [assignment] if assignment is not None else case.life.in_state(*OPEN) or case.life.in_state(*LIVE)
    found: list[str] = []
    for name in named:
        if name in ("office", "kanwil", "unit"):
            found += [_up(name, item, absences) for item in concerned] or [TRIAGE]
        else:
            found.append(INSPECTORATE if name == "inspectorate" else name)
    return tuple(dict.fromkeys(found)) or (TRIAGE,)


def _up(name: str, assignment: Assignment, absences: Absences) -> str:
    kanwil = next((copy for copy in assignment.part.copies if copy.startswith("kanwil:")), None)
    steps = {"office": (assignment.desk, kanwil), "kanwil": (kanwil,), "unit": ()}[name]
    for step in steps:
        if step is not None and (present := _present(step, absences)) is not None:
            return present
    return assignment.unit


def _present(desk: str, absences: Absences) -> str | None:
    """The desk or whoever stands in for it; None where they are all away."""
    seen: set[str] = set()
    while desk in absences:
        deputy = absences[desk]
        if deputy is None or deputy in seen:
            return None
        seen.add(desk)
        desk = deputy
    return desk


def addressed_topics(item: FollowUp, units: Sequence[str]) -> tuple[str, ...]:
    """Whose follow-up topics the addressees mean: a desk's is its assignment's unit's, admin instansi's the secretariat general's.

    `units` are those that have the case, for a desk of a clock that is the whole case's.
    """
    found: list[str] = []
    for who in item.to:
        if ":" in who:
            found += [item.unit] if item.unit is not None else list(units)
        else:
            found.append(ADMIN_UNIT if who == ADMIN else who)
    return tuple(dict.fromkeys(found)) or (TRIAGE,)


def say(case: Case, kind: FollowUpKind, now: datetime, to: Sequence[str], assignment: Assignment | None = None, **more: Any) -> None:
    """Leave a follow-up; `to` are the names of `addressees`."""
    report = case.life.report
    case.follow_ups.append(
        FollowUp(
            complaint_id=case.id,
            source=report.source if report else None,
            source_ref=report.source_ref if report else None,
            assignment_id=assignment.id if assignment else None,
            unit=assignment.unit if assignment else None,
            desk=assignment.desk if assignment else None,
            kind=kind,
            emitted_at=now,
            to=tuple(to),
            sequence=case.next_sequence(),
            **more,
        )
    )
    case.is_changed = True


def say_of_clock(
    case: Case, clock: Clock, kind: FollowUpKind, now: datetime, named: Sequence[str], absences: Absences, **more: Any
) -> None:
    assignment = case.assignment(clock.subject) if clock.subject != CASE else None
    more = {"code": clock.code, "due_at": clock.due_at, "occurrence": clock.occurrence} | more
    say(case, kind, now, addressees(named, case, assignment, absences), assignment, **more)
