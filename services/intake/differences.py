"""What a newer export says differently of a known report, as changes. Pure.

The changes' ids come from the export's instant, so the same export says the same changes again.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from services.intake.domain import LONGEST_TEXT, Change, ChangedFields, Submission
from services.intake.lapor_status import is_final, mapped
from services.intake.publication import MaskedReport
from shared.events import SourceChangeKind

_EDITED = ("title", "text", "category", "channel", "occurred_on", "location", "reporter", "form", "attachments")
# With the rest of a change's id it stays under 200 bytes.
_LONGEST_REFERENCE = 120
_FLAGS = ("is_anonymous", "is_confidential")
_MASKED = ("title", "text", "category", "channel", "source_status")
LONGEST_OF = {"title": 500, "text": LONGEST_TEXT}


def differences(known: Submission, newer: Submission, exported_at: datetime) -> list[Change]:
    """At most one change of each kind, one that ends the report last.

    What happened between two exports has no instant of its own: `at` is null.
    """
    found: list[Change] = []
    stamp = exported_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    reference = newer.source_ref or ""
    if len(reference.encode()) > _LONGEST_REFERENCE:
        reference = hashlib.sha256(reference.encode()).hexdigest()

    def add(kind: SourceChangeKind, names: tuple[str, ...], source_status: str | None = None) -> None:
        fields: dict[str, Any] = {name: getattr(newer, name) for name in names}
        found.append(
            Change(
                change_id=f"import/{stamp}/{reference}/{kind}",
                kind=kind,
                fields=ChangedFields.model_validate(_renamed(fields)),
                source_status=source_status,
            )
        )

    status = _kind_of(known.source_status, newer.source_status) if known.source_status != newer.source_status else None
    edited = tuple(name for name in _EDITED if getattr(known, name) != getattr(newer, name))
    if edited or status == "edited":
        add("edited", edited, newer.source_status if status == "edited" else None)
    if known.class_ != newer.class_:
        add("reclassified", ("class_",))
    flags = tuple(name for name in _FLAGS if getattr(known, name) != getattr(newer, name))
    if flags:
        add("flags", flags)
    if known.disposition != newer.disposition:
        add("redisposed", ("disposition",))
    if status is not None and status != "edited":
        add(status, (), newer.source_status)
    return found


def unmasked(known: Submission, newer: Submission, masked: MaskedReport) -> Submission:
    """`known`, of which some may have come back from Kafka masked: where `newer` says the same but for the masks, in its words.

    `masked` is `newer`, masked. A mark stands in a source's own words only where it was put for them, so of what is whole nothing changes.
    """
    same = {name: getattr(newer, name) for name in _MASKED if getattr(known, name) in _cuts(name, getattr(masked, name))}
    if known.location.model_dump() == masked.location.model_dump():
        same["location"] = newer.location
    if [(item.name, item.at, item.by) for item in known.disposition] == [(item.name, item.at, item.by) for item in masked.disposition]:
        same["disposition"] = newer.disposition
    return known.model_copy(update=same)


def _cuts(name: str, text: str | None) -> tuple[str | None, ...]:
    """A mark may be longer than what it stands for: of a title or a text as much was kept as a report may have."""
    return (text, text[: LONGEST_OF[name]].strip()) if text is not None and name in LONGEST_OF else (text,)


def _renamed(fields: dict[str, Any]) -> dict[str, Any]:
    """As a request would write it: the models of a submission's parts as plain values, under their names outside."""
    plain = {name: value.model_dump(mode="json") if hasattr(value, "model_dump") else value for name, value in fields.items()}
    if "class_" in plain:
        plain["class"] = plain.pop("class_")
    for name in ("disposition", "attachments"):
        if name in plain:
            plain[name] = [item.model_dump(mode="json") for item in plain[name]]
    if plain.get("occurred_on") is not None:
        plain["occurred_on"] = plain["occurred_on"].isoformat()
    return plain


def _kind_of(before: str | None, after: str | None) -> SourceChangeKind:
    state = mapped(after)
    if state == "closed":
        return "closed"
    if state == "archived":
        return "archived"
    if is_final(before):
        return "reopened"
    if after is not None and "pelapor" in after.casefold():
        return "replied"
    return "edited"
