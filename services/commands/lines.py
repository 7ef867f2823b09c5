"""What an event says, in one line for a person. Pure; a complaint's title and text are never part of a line."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from shared.units import UnitDirectory

FREE_TEXT = ("title", "text")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_REASONS = 3


def parts_of(topic: str, namespace: str) -> tuple[str, str]:
    """(name without namespace and unit, whose it is): `t.complaints.routed.imigrasi` → `complaints.routed`, `imigrasi`."""
    name = topic.removeprefix(f"{namespace}.") if namespace else topic
    entity, fact, *unit = name.split(".")
    return f"{entity}.{fact}", unit[0] if unit else fact


def payload_of(value: bytes | None) -> dict[str, Any] | None:
    """None for what is no JSON object: a topic shows what lies in it."""
    try:
        found = json.loads(value or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def instant(written: str) -> datetime:
    return datetime.fromisoformat(written)


def local(at: datetime, zone: ZoneInfo) -> str:
    """As the clerk's wall clock shows it: `Fri 27 Nov 16:30 WITA`."""
    there = at.astimezone(zone)
    return f"{_DAYS[there.weekday()]} {there:%-d %b %H:%M} {there.tzname()}"


def zone_of(payload: Mapping[str, Any], directory: "UnitDirectory") -> ZoneInfo:
    """The clock on the wall of whoever must act: the desk's, else that of the place."""
    return directory.zone(payload.get("desk"), (payload.get("location") or {}).get("province"), payload.get("copies") or ())


def why(payload: Mapping[str, Any], most: int = _REASONS) -> str:
    """What spoke loudest for a decision: `paspor, kantor imigrasi`; the unit that a reason speaks for is left out."""
    reasons = [reason for reason in payload.get("reasons") or () if not str(reason["value"]).startswith("runner-up")]
    said = [str(reason["value"]).partition(": ")[2] or str(reason["value"]) for reason in reasons]
    return ", ".join(said[:most])


def without_text(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in FREE_TEXT}


def describe(what: str, payload: Mapping[str, Any], directory: "UnitDirectory") -> str:
    """`what` is the topic's name without namespace and unit: `complaints.routed`, `complaints.follow-ups`, …"""
    if what == "complaints.follow-ups":
        return _follow_up(payload, directory)
    said = [payload.get("class") or "", f"by {payload.get('decided_by')}"]
    if payload.get("decided_by") == "router":
        said.append(f"{payload.get('confidence', 0.0):.2f}")
    match what:
        case "complaints.routed":
            said.insert(0, f"to {payload.get('desk') or payload.get('unit')}")
        case "complaints.triage":
            said.insert(0, f"held: {payload.get('why')}")
        case "complaints.transferred":
            said.insert(0, f"to {payload.get('agency')}")
    said += ["urgent"] if payload.get("is_urgent") else []
    said += ["oversight"] if payload.get("is_oversight") else []
    reasons = why(payload)
    return " · ".join(item for item in (*said, reasons) if item)


def _follow_up(payload: Mapping[str, Any], directory: "UnitDirectory") -> str:
    said = [payload.get("code") or "", payload.get("why") or ""]
    if payload.get("due_at"):
        said.insert(1, f"due {local(instant(payload['due_at']), zone_of(payload, directory))}")
    if payload.get("late_by_seconds") is not None:
        said.append(f"{payload['late_by_seconds']:.1f} s late")
    return " · ".join(item for item in said if item)
