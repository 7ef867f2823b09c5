"""The lists of cases: a page of what a key may see, oldest first. Changes nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from services.intake.answers import KnownAnswer
from services.intake.listing_store import Wanted, begin_reading, find_answers, find_by_source_ref, find_page, find_statuses
from services.intake.questions import ListQuestion, Position, write_position
from services.intake.readers import ALL, deadlines_of, narrowest_first, own_reader
from services.intake.speakers import Speaker
from services.intake.views import case_view, is_shown_to, may_know_joined, told_to
from shared.events import CaseStatus
from shared.postgres import Connection, Pool, transaction

_MOST_AT_ONCE = 200


async def list_cases(pool: Pool, question: ListQuestion, speaker: Speaker) -> dict[str, Any]:
    """`items`, and in `next` where the following page begins, if there is one."""
    asked = [f"{name}:{value}" for name, value in (("desk", question.desk), ("unit", question.unit)) if value is not None]
    async with transaction(pool) as connection:
        now = await begin_reading(connection)
        wanted = Wanted(narrowest_first([own_reader(speaker), *asked]), question.state, question.is_overdue, now)
        if question.source_ref is not None:
            source = speaker.subject if speaker.role == "source" else None
            known = await find_by_source_ref(connection, source, question.source_ref)
            cases = [case for case in known if _position(case) > _order(question.after)]
            cases = [case for case in cases if _is_wanted(case, wanted) and _is_shown(case, question, speaker)]
        else:
            cases = await _find_shown(connection, wanted, question, speaker)
        shown = cases[: question.limit]
        views = await views_of(connection, shown, speaker)
    last = write_position(Position(*_position(shown[-1]))) if len(cases) > len(shown) else None
    return {"items": views, "next": last}


async def _find_shown(connection: Connection, wanted: Wanted, question: ListQuestion, speaker: Speaker) -> list[dict[str, Any]]:
    """One more than the page shows, which says whether there is a following page: what is left out must not make a page shorter."""
    most = question.limit + 1
    shown: list[dict[str, Any]] = []
    after, size = question.after, most
    while True:
        found = await find_page(connection, wanted, after, size)
        shown += [case for case in found if _is_shown(case, question, speaker)]
        if len(found) < size or len(shown) >= most:
            return shown[:most]
        after, size = Position(*_position(found[-1])), max(most, _MOST_AT_ONCE)


def _is_shown(case: dict[str, Any], question: ListQuestion, speaker: Speaker) -> bool:
    """Whether the key may read the case, and what its filters ask for stands in what it is shown: else the filter would tell it."""
    if speaker.subject is None or case["status"] is None:
        return True
    status = from_json(case["status"])
    if speaker.role != "source" and not is_shown_to(speaker, status):
        return False
    asked = [(name, value) for name, value in (("unit", question.unit), ("desk", question.desk)) if value is not None]
    if not asked:
        return True
    assignments = told_to(speaker, status)["assignments"]
    return all(any(item[name] == value for item in assignments) for name, value in asked)


async def views_of(connection: Connection, cases: Sequence[dict[str, Any]], speaker: Speaker) -> list[dict[str, Any]]:
    """Each case with its answers' texts. They have to be the speaker's to read."""
    statuses = {case["id"]: from_json(case["status"]) if case["status"] is not None else None for case in cases}
    told = {
        complaint_id: [UUID(item["id"]) for item in (status or {}).get("answers", []) if item["id"] is not None]
        for complaint_id, status in statuses.items()
    }
    known = await find_answers(connection, list(statuses), [answer_id for ids in told.values() for answer_id in ids])
    leads = sorted({complaint_id for complaint_id, _ in known} - statuses.keys())
    standing = statuses | {
        complaint_id: from_json(text) for complaint_id, text in (await find_statuses(connection, leads) if leads else {}).items()
    }

    def answers_of(own: UUID) -> list[KnownAnswer]:
        return [
            answer
            for complaint_id, answer in known
            if complaint_id == own or (answer.id in told[own] and may_know_joined(speaker, answer, standing.get(complaint_id)))
        ]

    return [case_view(case, statuses[case["id"]], answers_of(case["id"]), speaker) for case in cases]


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
