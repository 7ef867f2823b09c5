"""The case that another is merged into: which one a unit names, and why it cannot be that one. Pure."""

from collections.abc import Sequence
from uuid import UUID

from services.notifier import reading
from services.notifier.case import Case
from services.notifier.facts import Fact, Said
from services.notifier.life import LIVE
from shared.events import CaseUpdate, ComplaintChanged


def merges_into(payload: object) -> UUID | None:
    if isinstance(payload, CaseUpdate):
        return payload.into if payload.into != payload.complaint_id else None
    if isinstance(payload, ComplaintChanged) and payload.kind == "update" and payload.fields.get("into"):
        fact = reading.changed(payload)
        return fact.into if isinstance(fact, Said) and fact.into != payload.complaint_id else None
    return None


def refused_leads(told: Sequence[Fact], case: Case, cases: dict[UUID, Case]) -> dict[UUID, str]:
    """Cases that cannot be merged into, and why, among those that are named. One that is not locked here is not known well enough."""
    found: dict[UUID, str] = {}
    for fact in (*told, *(item.fact for item in case.parked)):
        if isinstance(fact, Said) and fact.into is not None:
            why = _no_lead(cases.get(fact.into), fact)
            if why is not None:
                found[fact.into] = why
    return found


def _no_lead(lead: Case | None, said: Said) -> str | None:
    """A unit merges only into what it has itself: of another's case it learns nothing, not even that there is one."""
    if lead is None or not lead.is_opened:
        return "no such complaint is open"
    life = lead.life
    is_its_own = said.unit is None or any(item.unit == said.unit for item in life.in_state(*LIVE))
    if not is_its_own or (life.is_oversight and said.unit not in (None, "itjen")):
        return "no such complaint is open"
    if life.merged_into is not None:
        return f"{lead.id} was itself merged into {life.merged_into}; name that one"
    if life.ended_at is not None or life.is_history or life.answered_at is not None:
        return f"{lead.id} is {life.state}; answer this one by itself"
    return None
