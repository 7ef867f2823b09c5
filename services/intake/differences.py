"""What a newer export says differently of a known report, as changes. Pure.

The changes' ids come from the export's instant, so the same export says the same changes again.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from services.intake.domain import Change, ChangedFields, Submission
from services.intake.lapor_status import is_final, mapped
from shared.events import SourceChangeKind

_EDITED = ("title", "text", "category", "channel", "occurred_on", "location", "reporter", "form", "attachments")
# With the rest of a change's id it stays under 200 bytes.
_LONGEST_REFERENCE = 120
_FLAGS = ("is_anonymous", "is_confidential")


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
