"""Recorded complaints as lines of JSON: what a simulation reads, and what is written of stored cases, without any text. Pure.

A line is an event as it came: `{"at", "event", "complaint_id", …}`, `at` the instant it counts from, the rest the event's own fields
(`shared/events.py`), of which those that a clock does not follow from may be left out:

- `received`: ComplaintReceived. `reported_at` is `at` where it is left out.
- `routed`: one part of a decision, with `unit` (ComplaintRouted), `why` (ComplaintHeld) or `agency` (ComplaintTransferred).
  `decision` and `part` are 0, and `parts` this one alone, where they are left out.
- `changed`: ComplaintChanged, of every kind: the source's own, updates by an administrator, decisions by triage.
- `update`: CaseUpdate, what a unit or its desk says.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from services.notifier import reading
from services.notifier.facts import RANK, Changed, Decided, Fact, Ordered, Reported, Said
from shared.envelope import assignment_id
from shared.events import CaseUpdate, ComplaintChanged, ComplaintHeld, ComplaintReceived, ComplaintRouted, ComplaintTransferred

_INSTANT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became known of a complaint at one instant."""

    at: datetime
    complaint_id: UUID
    facts: tuple[Fact, ...]


def read_event(given: Mapping[str, Any], number: int) -> Recorded:
    """The line with this number. ValueError says what is wrong with it, without quoting it."""
    read = _READERS.get(str(given.get("event")))
    if read is None:
        raise ValueError(f"'event' is none of {', '.join(_READERS)}")
    try:
        at = _INSTANT.validate_python(given.get("at")).astimezone(UTC)
    except (ValidationError, OverflowError):
        raise ValueError("'at' is no instant with an offset, as 2026-03-12T09:00:00+07:00") from None
    try:
        complaint_id = UUID(str(given.get("complaint_id")))
    except ValueError:
        raise ValueError("'complaint_id' is no UUID") from None
    try:
        return Recorded(at, complaint_id, read({**given, "complaint_id": complaint_id}, at, number))
    except ValidationError as error:
        place = ".".join(str(item) for item in error.errors(include_url=False, include_input=False)[0]["loc"])
        raise ValueError(f"{place!r} cannot be read in a {given['event']!r} event") from None


def _received(given: dict[str, Any], at: datetime, _number: int) -> tuple[Fact, ...]:
    report = ComplaintReceived.model_validate({"source": "", "title": "", "text": "", "reported_at": at} | given | {"accepted_at": at})
    return (reading.reported(report),)


def _routed(given: dict[str, Any], at: datetime, _number: int) -> tuple[Fact, ...]:
    kinds: dict[str, tuple[type[reading.Part], str | None]] = {
        "unit": (ComplaintRouted, given.get("unit")),
        "why": (ComplaintHeld, "triage"),
        "agency": (ComplaintTransferred, "other_agency"),
    }
    named = [name for name in kinds if given.get(name) is not None]
    if len(named) != 1:
        raise ValueError("a routed event has one of 'unit', 'why' (held) and 'agency' (transferred)")
    model, destination = kinds[named[0]]
    fields = {"decision": 0, "part": 0, "rules_version": "recorded", "reported_at": at, "notice": ""} | given
    fields |= {"accepted_at": at, "decided_at": at}
    if model is ComplaintRouted and "assignment_id" not in fields:
        decision, part_number = fields["decision"], fields["part"]
        if not (isinstance(decision, int) and isinstance(part_number, int)):
            raise ValueError("'decision' and 'part' are no whole numbers")
        fields["assignment_id"] = assignment_id(given["complaint_id"], decision, part_number)
    part = model.model_validate({"parts": [{"destination": destination, "leading": True}]} | fields)
    # A decision tells of its report too, where nothing else has.
    return (reading.reported(part), reading.decided(part))


def _changed(given: dict[str, Any], at: datetime, number: int) -> tuple[Fact, ...]:
    known = {"change_id": f"line {number}", "by": f"source:{given.get('source')}"}
    return (reading.changed(ComplaintChanged.model_validate(known | given | {"accepted_at": at})),)


def _update(given: dict[str, Any], at: datetime, number: int) -> tuple[Fact, ...]:
    update = CaseUpdate.model_validate({"update_id": f"line {number}"} | {name: value for name, value in given.items() if name != "at"})
    return (reading.said(update, at),)


_READERS: dict[str, Callable[[dict[str, Any], datetime, int], tuple[Fact, ...]]] = {
    "received": _received,
    "routed": _routed,
    "changed": _changed,
    "update": _update,
}


def in_order(events: Iterable[Recorded]) -> list[Recorded]:
    """By their instants; at one instant a report before its decision, and that before what is said of it."""
    return sorted(events, key=lambda event: (event.at, max(RANK[fact.fact] for fact in event.facts)))


# Written from what a case knows


def events_of(complaint_id: UUID, facts: Iterable[Fact]) -> Iterator[dict[str, Any]]:
    """The lines of a case in the order of their instants. No title, text, note, reason or reference of a source is in them.

    What the notifier itself makes of them (requests, expiries, what a leading case passed on) a simulation makes anew.
    """
    known = sorted(facts, key=lambda fact: (fact.at, RANK[fact.fact]))
    reports = [fact for fact in known if isinstance(fact, Reported)]
    chosen = next((fact for fact in reports if fact.is_complete), None)
    source = next((fact.source for fact in reports if fact.source), None)
    for fact in known:
        if isinstance(fact, Reported) and fact is not chosen:
            continue
        written = _written(fact, source)
        if written is not None:
            about = {"at": _stamp(fact.at), "event": written.pop("event"), "complaint_id": str(complaint_id)}
            yield about | {name: value for name, value in written.items() if value not in (None, [], {})}


def _written(fact: Fact, source: str | None) -> dict[str, Any] | None:
    if isinstance(fact, Reported):
        return {
            "event": "received", "source": fact.source, "service": fact.service, "channel": fact.channel, "category": fact.category,
            "class": fact.class_, "reported_at": _stamp(fact.reported_at), "source_state": fact.state, "is_final": fact.is_final,
            "location": {"province": fact.province} if fact.province else None,
        }  # fmt: skip
    if isinstance(fact, Decided):
        return {
            "event": "routed", "source": source, "decision": fact.decision, "part": fact.part, "unit": fact.unit, "desk": fact.desk,
            "assignment_id": str(fact.assignment_id) if fact.assignment_id else None, "copies": list(fact.copies),
            "agency": fact.agency, "why": fact.why, "class": fact.class_, "is_oversight": fact.is_oversight, "decided_by": fact.decided_by,
            "parts": [{"destination": item} for item in fact.destinations],
        }  # fmt: skip
    if isinstance(fact, Said):
        return _said(fact, source)
    if isinstance(fact, Changed):
        fields: dict[str, Any] = {"class": fact.class_} if fact.class_ else {}
        fields |= {"title": _LEFT_OUT} if fact.is_rewritten else {}
        fields |= {"source": fact.joined} if fact.joined else {}
        return {
            "event": "changed", "change_id": f"{'import/' if fact.is_interval else ''}{fact.id}", "source": source, "kind": fact.kind,
            "by": fact.by, "fields": fields, "source_state": fact.state, "is_final": fact.is_final,
        }  # fmt: skip
    if isinstance(fact, Ordered):
        order = {"unit": fact.unit, "agency": fact.agency, "hold": fact.hold or None}
        fields = {"replaces": list(fact.replaces), "order": {name: value for name, value in order.items() if value is not None}}
        return {"event": "changed", "change_id": str(fact.id), "kind": "decision", "by": fact.by, "fields": fields}
    return None


def _said(said: Said, source: str | None) -> dict[str, Any] | None:
    if said.lead is not None:
        return None
    about: dict[str, Any] = {
        "status": said.status,
        "assignment_id": str(said.assignment_id) if said.assignment_id else None,
        "suggested_unit": said.suggested_unit,
        "into": str(said.into) if said.into else None,
        "outcome": said.outcome,
        "reason": _LEFT_OUT if said.reason else None,
    }
    if said.unit is not None:
        return {"event": "update", "update_id": str(said.id), "unit": said.unit, "by": said.by} | about
    fields = {name: value for name, value in about.items() if value is not None}
    return {"event": "changed", "change_id": str(said.id), "source": source, "kind": "update", "by": said.by, "fields": fields}


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
