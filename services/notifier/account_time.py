"""What of a case is known only to have happened between two instants, and how the case ended. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from services.notifier.case import Case
from services.notifier.facts import Changed, Decided

NOT_PURSUED = ("withdrawn", "archived")


class Between(NamedTuple):
    """When something happened at the earliest and at the latest; both are one where it is known."""

    low: datetime
    high: datetime


def known_between(case: Case) -> Mapping[datetime, Between]:
    """By the instant that the case counts it from.

    A report that came in verified was verified between the two instants of the report. What differs between two exports happened after
    the last thing that an export told before.
    """
    report = case.life.report
    if report is None:
        return {}
    found: dict[datetime, Between] = {}
    if report.state == "verified" and not report.is_final and report.at > report.reported_at:
        found[report.reported_at] = Between(report.reported_at, report.at)
    decided = min((fact.at for fact in case.facts if isinstance(fact, Decided) and fact.decision == 0), default=report.reported_at)
    told = max(report.at, report.reported_at)
    for change in sorted((fact for fact in case.facts if isinstance(fact, Changed) and fact.is_interval), key=lambda fact: fact.at):
        if change.at > told:
            # What asks for another decision counts from the first one at the earliest.
            found[max(change.at, decided) if change.kind in ("edited", "redisposed") else change.at] = Between(told, change.at)
            told = change.at
    return found


def at(known: Mapping[datetime, Between], instant: datetime) -> Between:
    return known.get(instant) or Between(instant, instant)


def how_it_ended(case: Case) -> str | None:
    """closed, withdrawn or archived; an archived report was not answered. None while it has not ended."""
    life = case.life
    if life.ended_at is None:
        return None
    is_archived = any(
        isinstance(fact, Changed) and fact.at == life.ended_at and "archived" in (fact.kind, fact.state) for fact in case.facts
    )
    return "archived" if is_archived and life.ended_state == "closed" else life.ended_state
