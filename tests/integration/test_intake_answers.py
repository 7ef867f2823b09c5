"""Answers and their drafts: kept in intake, told only when approved, shown to those whom they concern."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from deploy.local.postgres import RunningPostgres
from services.intake.read_model import apply_statuses
from shared.events import AnswerStatus, CaseStatus
from tests.assigned import SINCE, assignment, given, say, tell
from tests.door import Door, fields_of, problem, shared_door

UNIT, DESK = "unit:imigrasi", "desk:kanim:kupang"
TEXT = "Paspor Anda dapat diambil di loket 3."
FILES = [{"url": "https://example.org/surat.pdf", "media_type": "application/pdf"}]


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


def body(update_id: str = "1", status: str = "answered", **answer: Any) -> dict[str, Any]:
    usual = {"text": TEXT, "is_final": status == "answered", "drafted_by": "Petugas Loket", "approved_by": "Pejabat Penghubung"}
    return {"update_id": update_id, "status": status, "answer": usual | answer}


def draft(update_id: str = "1", **answer: Any) -> dict[str, Any]:
    return body(update_id, **({"approved_by": None} | answer))


async def read(door: Door, complaint: str, role: str) -> dict[str, Any]:
    response = await door.read(complaint, role)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_draft_is_kept_and_told_to_nobody(door: Door) -> None:
    complaint = await given(door, assignment("imigrasi", "kanim:kupang"))
    first = await say(door, "updates", complaint, draft(attachments=FILES), DESK)
    assert (first.status_code, first.json()["state"]) == (202, "draft")
    again = await say(door, "updates", complaint, draft(attachments=FILES), UNIT)
    assert again.text == first.text
    newer = await say(door, "updates", complaint, draft("2", text="Paspor Anda sudah jadi.", drafted_by=None), UNIT)
    assert newer.json()["answer_id"] != first.json()["answer_id"]
    assert await door.changes() == []
    shown = (await read(door, complaint, DESK))["drafts"]
    assert [(item["id"], item["text"], item["drafted_by"], item["by"]) for item in shown] == [
        (first.json()["answer_id"], TEXT, "Petugas Loket", DESK),
        (newer.json()["answer_id"], "Paspor Anda sudah jadi.", None, UNIT),
    ]
    assert shown[0]["attachments"] == FILES
    told = AnswerStatus(id=UUID(first.json()["answer_id"]), unit="imigrasi", at=SINCE)
    await tell(door, complaint, assignment("imigrasi", "kanim:kupang"), answers=(told,))
    assert "text" not in (await read(door, complaint, "source:lapor"))["answers"][0], "whatever is told of it"


async def test_only_the_office_whose_answer_it_is_sees_its_drafts(door: Door) -> None:
    mine = assignment("imigrasi", "kanim:kupang")
    complaint = await given(door, mine, assignment("imigrasi", "kanim:bali", part="0/1"), assignment("ham", part="0/2"))
    await say(door, "updates", complaint, draft() | {"assignment_id": str(mine.id)}, DESK)
    for role in (UNIT, DESK):
        assert len((await read(door, complaint, role))["drafts"]) == 1
    for role in ("desk:kanim:bali", "unit:ham"):
        assert (await read(door, complaint, role))["drafts"] == []
    for role in ("source:lapor", "triage", "admin", "auditor"):
        shown = await read(door, complaint, role)
        assert "drafts" not in shown
        assert TEXT not in str(shown)


@pytest.mark.parametrize(("status", "is_final"), [("answered", True), ("followed_up", False)])
async def test_an_approved_answer_is_told_without_its_text_and_its_officials(door: Door, status: str, is_final: bool) -> None:
    complaint = await given(door, assignment())
    answer = await say(door, "updates", complaint, body(status=status, attachments=FILES), UNIT)
    assert set(answer.json()) == {"update_id", "complaint_id", "accepted_at", "answer_id"}
    (told,) = await door.changes()
    assert (told["answer_id"], told["fields"]["answer"], told["text"]) == (answer.json()["answer_id"], {"is_final": is_final}, None)
    sent = str(await door.outbox())
    for kept in (TEXT, "Petugas Loket", "Pejabat Penghubung", "surat.pdf"):
        assert kept not in sent


async def test_an_answer_is_shown_once_the_notifier_counts_it(door: Door) -> None:
    mine = assignment("imigrasi", "kanim:kupang")
    complaint = await given(door, mine, assignment("ham", part="0/1"))
    answer_id = UUID((await say(door, "updates", complaint, body(attachments=FILES), DESK)).json()["answer_id"])
    assert (await read(door, complaint, "source:lapor"))["answers"] == []
    answers = (AnswerStatus(id=None, unit="ham", at=SINCE), AnswerStatus(id=answer_id, unit="imigrasi", at=SINCE, outcome="selesai"))
    await tell(door, complaint, mine, assignment("ham", part="0/1"), answers=answers)
    told = {"id": str(answer_id), "unit": "imigrasi", "at": "2026-07-13T01:00:00Z", "outcome": "selesai"}
    content = {"text": TEXT, "attachments": FILES, "is_final": True}
    officials = {"drafted_by": "Petugas Loket", "approved_by": "Pejabat Penghubung"}
    for role in ("source:lapor", "unit:ham"):
        bare, shown = (await read(door, complaint, role))["answers"]
        assert bare == {"id": None, "unit": "ham", "at": "2026-07-13T01:00:00Z", "outcome": None}
        assert shown == told | content
    for role in (UNIT, DESK, "triage", "admin", "auditor"):
        assert (await read(door, complaint, role))["answers"][1] == told | content | officials


async def test_a_case_that_was_merged_shows_the_answer_of_the_one_it_went_into(door: Door) -> None:
    lead, merged = await given(door, assignment()), await given(door, assignment("ham"))
    answer_id = UUID((await say(door, "updates", lead, body(), UNIT)).json()["answer_id"])
    await tell(door, merged, assignment("ham", state="answered"), answers=(AnswerStatus(id=answer_id, unit="ham", at=SINCE),))
    (shown,) = (await read(door, merged, "source:lapor"))["answers"]
    assert shown["text"] == TEXT


@pytest.mark.parametrize("why", [{"is_oversight": True}, {"class": "pengaduan_pengawasan"}])
async def test_the_answer_of_an_oversight_case_is_shown_to_no_reader_of_one_merged_into_it(door: Door, why: dict[str, Any]) -> None:
    mine = assignment("itjen")
    lead, merged = await given(door, mine), await given(door, assignment("ham"))
    answer_id = UUID((await say(door, "updates", lead, body(), "unit:itjen")).json()["answer_id"])
    told = (AnswerStatus(id=answer_id, unit="itjen", at=SINCE),)
    await tell(door, lead, mine, answers=told, **why)
    await tell(door, merged, assignment("ham", state="answered"), answers=told)
    for role in ("source:lapor", "unit:ham"):
        alone = await read(door, merged, role)
        assert TEXT not in str(alone)
        assert len(alone["answers"]) == 1
    for role in ("triage", "admin", "auditor"):
        assert TEXT in str(await read(door, merged, role))
    for text in await asked_of_lists(door, merged):
        assert TEXT not in text
    await tell(door, lead, assignment("ham"), answers=told)
    assert TEXT in str(await read(door, merged, "source:lapor"))


async def asked_of_lists(door: Door, complaint: str) -> list[str]:
    """What a source's list and the change feed show."""
    status = await door.world.db.fetchval("SELECT status FROM intake.cases WHERE complaint_id = $1", UUID(complaint))
    await apply_statuses(door.app.state.pool, [CaseStatus.model_validate_json(status).model_copy(update={"sequence": 2})])
    answers = [await door.http.get(path) for path in ("/v1/complaints", "/v1/changes")]
    assert all(complaint in answer.text for answer in answers)
    return [answer.text for answer in answers]


async def test_a_unit_that_declines_may_say_so_in_an_answer(door: Door) -> None:
    complaint = await given(door, assignment())
    said = body(status="refused", is_final=True) | {"reason": "Informasi dikecualikan."}
    assert (await say(door, "updates", complaint, said, UNIT)).status_code == 202
    (told,) = await door.changes()
    assert (told["fields"]["status"], told["fields"]["answer"]) == ("refused", {"is_final": True})


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (body(is_final=False), "answer.is_final"),
        (draft(is_final=False), "answer.is_final"),
        (body(status="followed_up", is_final=True), "answer.is_final"),
        (body(approved_by=" "), "answer.approved_by"),
        (body(approved_by=""), "answer.approved_by"),
        (body(text=" \n"), "answer.text"),
        (body(text="x" * 20_001), "answer.text"),
        (body(attachments=[{"url": "file:///etc/passwd"}]), "answer.attachments.0.url"),
        (body(status="closed", is_final=True), "answer"),
        (body(is_final=None), "answer.is_final"),
        (body(by="x"), "answer.by"),
    ],
)
async def test_an_answer_that_is_wrong_is_refused_by_its_field(door: Door, said: dict[str, Any], field: str) -> None:
    complaint = await given(door, assignment())
    before = await door.counts()
    assert fields_of(problem(await say(door, "updates", complaint, said, UNIT), 422)) == [field]
    assert await door.counts() == before


async def test_an_answer_is_the_assigned_unit_s_alone(door: Door) -> None:
    complaint = await given(door, assignment())
    problem(await say(door, "updates", complaint, draft(), "unit:ham"), 404)
    problem(await say(door, "updates", complaint, draft(), "admin"), 403)
    assert (await door.counts())["answers"] == 0
