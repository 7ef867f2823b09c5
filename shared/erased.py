"""What stays of an event or a request when its words are erased: ids, dates, units, levels and classes. Pure.

By a list of what stays, not of what goes: a field that nobody thought of is left out.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

ERASED = "[DIHAPUS]"
"""Stands where words stood; what a case is follows in places from whether somebody gave a reason, not from which."""

_WORDS = frozenset({"title", "text", "reason", "note", "purpose", "source_status"})
_KEPT = frozenset(
    """
    complaint_id source source_ref sp4n_tracking_id service channel class category occurred_on reported_at accepted_at is_anonymous
    is_confidential source_state is_final masked attachment_count decision replaces cause by order refused_units holding_units transfers
    change_id update_id decision_id kind at answer_id assignment_id unit desk status suggested_unit into outcome code level occurrence
    due_at previous_due_at emitted_at late_by_seconds to sequence state assignments clocks answers is_oversight waiting_parts merged_into
    why
    """.split()  # noqa: SIM905 - so many names are read as words
)


def without_words(said: Mapping[str, Any]) -> dict[str, Any]:
    """A report, request, change or event without what somebody wrote and without who wrote it; of the place the province stays.

    Erasing twice gives the same.
    """
    found: dict[str, Any] = {}
    for name, value in said.items():
        if name in _KEPT:
            found[name] = value
        elif name in _WORDS and isinstance(value, str):
            found[name] = ERASED
        elif name == "location" and isinstance(value, Mapping):
            found[name] = {"province": value.get("province")}
        elif name == "fields" and isinstance(value, Mapping):
            found[name] = without_words(value)
    return found


def erased_json(value: bytes | str) -> bytes:
    """The same of JSON; what is no object has nothing that could be kept."""
    try:
        said = from_json(value)
    except ValueError:
        said = None
    return to_json(without_words(said)) if isinstance(said, dict) else b"{}"
