"""Cases and what is said of them, for the tests of the notifier's core: a test says only what it is about."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifier.calendar import Calendar, load_calendar
from services.notifier.case import Clock
from services.notifier.clocks import Clockwork
from services.notifier.policy import Policies, load_policies
from shared.envelope import assignment_id
from shared.events import ComplaintChanged, FollowUp
from shared.units import load_directory
from tests.facts import MONDAY, changed, decided, hours, received, updated
from tests.memory import KeptCase, Told, told

CASE_ID = UUID("0190a5b4-7c1e-7f00-8000-000000000003")
LEAD_ID = UUID("0190a5b4-7c1e-7f00-8000-00000000000a")
LONG_AFTER = MONDAY + timedelta(days=60)
JAKARTA = load_directory().zone(None, None)
FIRINGS = ("reminder", "due", "overdue", "escalated", "unacknowledged")


def assigned(*destinations: str, source: str = "lapor", **report: Any) -> KeptCase:
    """A case that its report and its whole first decision opened on that Monday morning."""
    parts = decided(CASE_ID, *(destinations or ("imigrasi",)), source=source, is_oversight=report.pop("is_oversight", False))
    return told(CASE_ID, [[received(CASE_ID, source=source, **report), *parts]])


def says(unit: str, status: str, at: float | datetime, **more: Any) -> Told:
    """A unit, in its own topic."""
    at = at if isinstance(at, datetime) else hours(at)
    return updated(CASE_ID, status, unit, **{"update_id": f"{unit}-{status}-{at.isoformat()}"} | more), at


def admin_says(status: str, at: float | datetime, **fields: Any) -> ComplaintChanged:
    return by_http("update", "admin", at, status=status, unit=None, assignment_id=None, **fields)


def ordered(at: float | datetime, *replaces: str, by: str = "triage", **order: Any) -> ComplaintChanged:
    return by_http("decision", by, at, replaces=list(replaces or ("0/0",)), order=order, reason="salah unit")


def by_http(kind: str, by: str, at: float | datetime, **fields: Any) -> ComplaintChanged:
    at = at if isinstance(at, datetime) else hours(at)
    return changed(CASE_ID, kind, at, by=by, change_id=f"{by}-{kind}-{fields.get('status')}-{at.isoformat()}", fields=fields)


def part_id(decision: int = 0, part: int = 0) -> UUID:
    return assignment_id(CASE_ID, decision, part)


def states(kept: KeptCase) -> dict[str, str]:
    """Of the assignments, by their parts."""
    return {item.part or "": item.state for item in kept.status().assignments}


def clocks(kept: KeptCase, code: str) -> list[Clock]:
    return [clock for clock in kept.case.clocks if clock.code == code]


def clock(kept: KeptCase, code: str) -> Clock:
    (found,) = clocks(kept, code)
    return found


def fired(kept: KeptCase, code: str, *kinds: str) -> list[FollowUp]:
    return [item for item in kept.said(*(kinds or FIRINGS)) if item.code == code]


def refusal(kept: KeptCase) -> str | None:
    """Why what is parked is refused once its hour is over; None where nothing is."""
    found = kept.refuse(LONG_AFTER)
    assert len(found) < 2
    return (found[0].why or "").partition(": ")[2] if found else None


def other_policies(version: str, **rows: dict[str, Any]) -> Policies:
    """The packaged policies with other values in every row of the codes named."""
    known = load_policies()
    clocks_ = [row.model_dump() | rows.get(row.code, {}) for row in known.clocks]
    return Policies.model_validate({"version": version, "clocks": clocks_})


def clockwork(policies: Policies | None = None, calendar: Calendar | None = None) -> Clockwork:
    return Clockwork(policies or load_policies(), calendar or load_calendar(), load_directory())
