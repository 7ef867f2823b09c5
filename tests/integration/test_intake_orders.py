"""What the triage desk and the admin decide by HTTP: stored and told once, whatever the case's state."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.postgres import RunningPostgres
from tests.assigned import assignment, given, say
from tests.door import Door, fields_of, problem, shared_door


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


def body(**fields: Any) -> dict[str, Any]:
    return {"decision_id": "1", "replaces": ["0/0"], "order": {"unit": "ham"}, "reason": "Menyangkut hak anak."} | fields


@pytest.mark.parametrize("role", ["triage", "admin"])
@pytest.mark.parametrize("order", [{"unit": "ham"}, {"agency": "Kementerian Perhubungan"}, {"hold": True}])
async def test_an_order_is_stored_and_told(door: Door, role: str, order: dict[str, Any]) -> None:
    complaint = str((await door.accepted())["id"])
    reason = "Kata pelapor.contoh@example.org: salah alamat."
    answer = await say(door, "decisions", complaint, body(order=order, replaces=["0/0", "0/2"], reason=reason), role)
    assert answer.status_code == 202, answer.text
    (told,) = await door.changes()
    assert answer.json() == {"decision_id": "1", "complaint_id": complaint, "accepted_at": told["accepted_at"]}
    assert (told["kind"], told["change_id"], told["by"], told["source"]) == ("decision", "1", role, "lapor")
    assert told["fields"] == {"replaces": ["0/0", "0/2"], "order": order, "reason": "Kata [EMAIL]: salah alamat."}


@pytest.mark.parametrize("role", ["source:lapor", "unit:imigrasi", "desk:kanim:kupang", "auditor"])
async def test_nobody_else_decides(door: Door, role: str) -> None:
    complaint = await given(door, assignment("imigrasi", "kanim:kupang"))
    before = await door.counts()
    problem(await say(door, "decisions", complaint, body(), role), 403)
    assert await door.counts() == before


async def test_a_complaint_that_is_not_there_cannot_be_decided(door: Door) -> None:
    refused = problem(await say(door, "decisions", "00000000-0000-4000-8000-000000000000", body(), "triage"), 404)
    assert refused["type"] == "urn:jalur:problem:not-found"


async def test_a_repeated_decision_gets_the_first_answer_and_another_under_its_id_is_refused(door: Door) -> None:
    complaint, other = await given(door), await given(door)
    answers = await asyncio.gather(*(say(door, "decisions", complaint, body(), "triage") for _ in range(10)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    before = await door.counts()
    for where, said in ((complaint, body(order={"hold": True})), (other, body())):
        assert fields_of(problem(await say(door, "decisions", where, said, "triage"), 422)) == ["decision_id"]
    assert await door.counts() == before
    assert (await say(door, "decisions", other, body(), "admin")).status_code == 202
    assert len(await door.changes()) == 2


async def test_an_admin_s_updates_and_decisions_share_their_ids_as_their_events_do(door: Door) -> None:
    complaint = await given(door)
    await say(door, "updates", complaint, {"update_id": "1", "status": "verified"}, "admin")
    assert fields_of(problem(await say(door, "decisions", complaint, body(), "admin"), 422)) == ["decision_id"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"replaces": []}, "replaces"),
        ({"replaces": ["0/0"] * 21}, "replaces"),
        ({"replaces": ["0"]}, "replaces.0"),
        ({"replaces": ["0/0\n"]}, "replaces.0"),
        ({"replaces": ["00/0"]}, "replaces.0"),
        ({"replaces": ["0/0", "1/0", "0/0"]}, "replaces"),
        ({"order": {}}, "order"),
        ({"order": {"unit": "ham", "hold": True}}, "order"),
        ({"order": {"hold": False}}, "order.hold"),
        ({"order": {"hold": 1}}, "order.hold"),
        ({"order": {"unit": "polri"}}, "order.unit"),
        ({"order": {"agency": " "}}, "order.agency"),
        ({"reason": ""}, "reason"),
        ({"reason": None}, "reason"),
        ({"decision_id": "x" * 201}, "decision_id"),
    ],
)
async def test_a_decision_that_is_wrong_is_refused_by_its_field(door: Door, wrong: dict[str, Any], field: str) -> None:
    complaint = await given(door)
    before = await door.counts()
    assert fields_of(problem(await say(door, "decisions", complaint, body(**wrong), "triage"), 422)) == [field]
    assert await door.counts() == before
