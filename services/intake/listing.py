"""The lists of cases: a page of what a key may see, oldest first. Changes nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from services.intake.listing_store import Wanted, begin_reading, find_answers, find_by_source_ref, find_page
from services.intake.questions import ListQuestion, Position, write_position
from services.intake.readers import ALL, deadlines_of, narrowest_first, own_reader
from services.intake.speakers import Speaker
from services.intake.views import case_view
from shared.events import CaseStatus
from shared.postgres import Connection, Pool, transaction


async def list_cases(pool: Pool, question: ListQuestion, speaker: Speaker) -> dict[str, Any]:
    """`items`, and in `next` where the following page begins, if there is one."""
    asked = [f"{name}:{value}" for name, value in (("desk", question.desk), ("unit", question.unit)) if value is not None]
    async with transaction(pool) as connection:
        now = await begin_reading(connection)
        wanted = Wanted(narrowest_first([own_reader(speaker), *asked]), question.state, question.is_overdue, now)
        if question.source_ref is not None:
            source = speaker.subject if speaker.role == "source" else None
            known = await find_by_source_ref(connection, source, question.source_ref)
            cases = [case for case in known if _position(case) > _order(question.after) and _is_wanted(case, wanted)]
        else:
            # One more than is shown says whether there is a following page.
            cases = await find_page(connection, wanted, question.after, question.limit + 1)
        shown = cases[: question.limit]
        views = await views_of(connection, shown, speaker)
    last = write_position(Position(*_position(shown[-1]))) if len(cases) > len(shown) else None
    return {"items": views, "next": last}


async def views_of(connection: Connection, cases: Sequence[dict[str, Any]], speaker: Speaker) -> list[dict[str, Any]]:
    """Each case as it is shown alone, its answers' texts included."""
    statuses = [from_json(case["status"]) if case["status"] is not None else None for case in cases]
    told = [[UUID(item["id"]) for item in (status or {}).get("answers", []) if item["id"] is not None] for status in statuses]
    known = await find_answers(connection, [case["id"] for case in cases], [answer_id for ids in told for answer_id in ids])
    return [
        case_view(case, status, [answer for complaint_id, answer in known if complaint_id == case["id"] or answer.id in ids], speaker)
        for case, status, ids in zip(cases, statuses, told, strict=True)
    ]


def _is_wanted(case: dict[str, Any], wanted: Wanted) -> bool:
    """What the lists' SQL asks, of one case whose source, where a source asks, is known already."""
    state, deadlines = "received", dict[str, datetime | None]({ALL: None})
    if case["status"] is not None:
        status = CaseStatus.model_validate_json(case["status"])
        state, deadlines = status.state, deadlines_of(status)
    readers = [ALL if reader.startswith("source:") else reader for reader in wanted.readers]
    if any(reader not in deadlines for reader in readers) or wanted.state not in (None, state):
        return False
    due_at = deadlines[readers[0]]
    return wanted.is_overdue in (None, due_at is not None and due_at <= wanted.now)


def _position(case: dict[str, Any]) -> tuple[Any, Any]:
    return case["reported_at"], case["id"]


def _order(position: Position) -> tuple[Any, Any]:
    return position.reported_at, position.complaint_id
