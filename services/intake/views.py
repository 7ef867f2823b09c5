"""What GET shows of a case, and to whom. Pure."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from services.intake.answers import KnownAnswer, spoken_view
from services.intake.speakers import Speaker


def may_read(speaker: Speaker, sources: Sequence[str], status: dict[str, Any] | None) -> bool:
    """A source reads what it reported, a unit or desk what was given to it, triage, admin and auditor all."""
    if speaker.role in ("triage", "admin", "auditor"):
        return True
    if speaker.role == "source":
        return speaker.subject in sources
    assignments = (status or {}).get("assignments", [])
    return any(item.get(speaker.role) == speaker.subject for item in assignments)


def case_view(
    case: dict[str, Any], status: dict[str, Any] | None, answers: Sequence[KnownAnswer] = (), speaker: Speaker | None = None
) -> dict[str, Any]:
    """The notifier's last word; before there is one, what intake itself knows.

    For one case alone, with its `answers` and who reads: also their texts, and a unit's or desk's own `drafts`.
    """
    view = {"id": case["id"], "source": case["source"], "source_ref": case["source_ref"]}
    if status is not None:
        names = ("state", "class", "reported_at", "assignments", "clocks", "answers", "timeline")
        view |= {name: status[name] for name in names}
        return view if speaker is None else view | spoken_view(status["answers"], answers, speaker)
    received = from_json(case["received"])
    return view | {
        "state": "received",
        "class": received["class"],
        "reported_at": case["reported_at"],
        "assignments": [],
        "clocks": [],
        "answers": [],
        "timeline": [{"at": case["accepted_at"], "what": "received", "by": f"source:{case['source']}"}],
    }
