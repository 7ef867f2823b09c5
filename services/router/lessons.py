"""Corrections as training rows: what a person or a source said a report is about. Pure; nothing personal or special leaves.

Reports of special personal data (UU 27/2022 art. 4) and oversight matters are left out whole: masking takes identifiers away, not a
story that tells who it is about. Of the others only the masked words leave, without id, place, dates and source.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from services.router.decision import Assign, Decision, Transfer, closed_by
from services.router.publication import LoggedDecision
from services.router.rules import OTHER_AGENCY
from services.router.succession import MINISTRY_NAMES
from shared.events import ComplaintReceived, RerouteRequested

# What may stand for a person although no identifier did: any longer number, however it is written, and a complaint's id.
_NUMBERS = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\d(?:[\W_]{0,3}\d){4,}", re.IGNORECASE)
_SUCCESSORS = frozenset(name.casefold() for name in MINISTRY_NAMES.values() if name)


def lesson_of(complaint_id: UUID, decisions: Sequence[LoggedDecision]) -> dict[str, Any] | None:
    """A row as the training corpus has them, or None where nothing may be learned from the complaint.

    The label is what the last person or source said, and the words are those that they had before them. There is none yet of a
    complaint of which only units disagreed, whose unit gave it back after that, or that went to another ministry as one of our matters.
    """
    taken = [Decision.from_json(row.taken) for row in decisions]
    if any(_is_closed(decision) for decision in taken):
        return None
    said = [(row, decision) for row, decision in zip(decisions, taken, strict=True) if decision.decided_by != "router" and decision.parts]
    if not said:
        return None
    row, decision = said[-1]
    lead = decision.parts[0]
    if not isinstance(lead, Assign | Transfer) or _is_successor(lead) or any(_gave_back(later, row.decision) for later in decisions):
        return None
    try:
        report = ComplaintReceived.model_validate_json(row.report)
    except ValidationError:
        return None
    return {
        # Not the complaint's id, and the same at each export, so that a row is not learned twice.
        "id": f"f-{hashlib.sha256(complaint_id.bytes).hexdigest()[:12]}",
        "t": _NUMBERS.sub("0", report.title),
        "x": _NUMBERS.sub("0", report.text),
        "u": lead.unit if isinstance(lead, Assign) else OTHER_AGENCY,
        "c": decision.class_ or "pengaduan",
        "v": f"feedback, {decision.decided_by}",
    }


def _is_closed(decision: Decision) -> bool:
    """Special, or an accusation, or perhaps one, or not to be read at all."""
    return closed_by(decision) is not None or decision.withhold_text or bool(decision.special_data)


def _is_successor(part: Assign | Transfer) -> bool:
    """A ministry that took units over: what left with one of them is no other agency's matter for the model."""
    return isinstance(part, Transfer) and part.agency.casefold() in _SUCCESSORS


def _gave_back(row: LoggedDecision, decision: int) -> bool:
    """Whether the row was asked for because a unit returned the leading part of that decision."""
    try:
        request = RerouteRequested.model_validate_json(row.report)
    except ValidationError:
        return False
    return request.cause == "returned" and f"{decision}/0" in request.replaces
