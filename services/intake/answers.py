"""What a reader sees of the answers that intake keeps: texts of those that count, and of drafts only one's own. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from services.intake.speakers import Speaker


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An answer or a draft, with the officials' names. `attachments` is JSON, as given."""

    id: UUID
    assignment_id: UUID
    unit: str
    desk: str | None
    by: str
    accepted_at: datetime
    is_draft: bool
    is_final: bool
    text: str
    attachments: str
    drafted_by: str | None
    approved_by: str | None

    def is_of(self, speaker: Speaker) -> bool:
        """Whether it is that unit's or that desk's own; a desk's is its unit's too."""
        return (speaker.role == "unit" and self.unit == speaker.subject) or (speaker.role == "desk" and self.desk == speaker.subject)


def spoken_view(told: Sequence[Mapping[str, Any]], known: Sequence[KnownAnswer], speaker: Speaker) -> dict[str, Any]:
    """`answers`, and for a unit or desk its own `drafts`."""
    view: dict[str, Any] = {"answers": answers_view(told, known, speaker)}
    return view | {"drafts": drafts_view(known, speaker)} if speaker.role in ("unit", "desk") else view


def answers_view(told: Sequence[Mapping[str, Any]], known: Sequence[KnownAnswer], speaker: Speaker) -> list[dict[str, Any]]:
    """The case's answers as the notifier `told` of them, with what intake keeps of each.

    Who drafted and who approved is for the office that answered and for those who oversee it, not for the source or for other units.
    """
    by_id = {str(answer.id): answer for answer in known if not answer.is_draft}
    view = []
    for item in told:
        shown = dict(item)
        answer = by_id.get(str(item.get("id")))
        if answer is not None:
            shown |= _content(answer)
            if answer.is_of(speaker) or speaker.role in ("triage", "admin", "auditor"):
                shown |= _officials(answer)
        view.append(shown)
    return view


def drafts_view(known: Sequence[KnownAnswer], speaker: Speaker) -> list[dict[str, Any]]:
    """The speaker's own drafts, oldest first."""
    return [
        {"id": answer.id, "assignment_id": answer.assignment_id, "at": answer.accepted_at, "by": answer.by}
        | _content(answer)
        | _officials(answer)
        for answer in known
        if answer.is_draft and answer.is_of(speaker)
    ]


def _content(answer: KnownAnswer) -> dict[str, Any]:
    return {"text": answer.text, "attachments": from_json(answer.attachments), "is_final": answer.is_final}


def _officials(answer: KnownAnswer) -> dict[str, Any]:
    return {"drafted_by": answer.drafted_by, "approved_by": answer.approved_by}
