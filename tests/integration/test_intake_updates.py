"""What units, desks and the admin say of a case by HTTP: each only of its own, stored and told once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.postgres import RunningPostgres
from tests.assigned import assignment, given, say, tell
from tests.door import Door, fields_of, problem, replica, shared_door

UNIT, DESK = "unit:imigrasi", "desk:kanim:kupang"
NIK = "5371012505900003"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


def body(status: str = "accepted", update_id: str = "1", **fields: Any) -> dict[str, Any]:
    return {"update_id": update_id, "status": status} | fields


FULL: dict[str, dict[str, Any]] = {
    "accepted": {},
    "followed_up": {"note": "Berkas diperiksa."},
    "answered": {"answer": {"text": "Paspor dapat diambil.", "is_final": True, "approved_by": "Pejabat Penghubung"}, "outcome": "selesai"},
    "returned": {"reason": "Bukan wewenang kami.", "suggested_unit": "ahu"},
    "need_info": {"note": "Mohon nomor permohonan."},
    "resumed": {},
    "extended": {"reason": "Perlu pemeriksaan lapangan."},
    "closed": {"outcome": "selesai"},
    "refused": {"reason": "Informasi dikecualikan."},
}


@pytest.mark.parametrize("status", sorted(FULL))
async def test_everything_a_unit_may_say_is_stored_and_told(door: Door, status: str) -> None:
    mine = assignment("imigrasi", "kanim:kupang")
    complaint = await given(door, mine, assignment("ham"))
    answer = await say(door, "updates", complaint, body(status, at="2026-07-15T11:00:00+08:00", **FULL[status]), UNIT)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == {"update_id", "complaint_id", "accepted_at", "answer_id"}
    (told,) = await door.changes()
    assert (told["kind"], told["change_id"], told["complaint_id"], told["by"]) == ("update", "1", complaint, UNIT)
    assert (told["source"], told["at"], told["accepted_at"]) == ("lapor", "2026-07-15T03:00:00Z", answer.json()["accepted_at"])
    nothing = dict.fromkeys(("note", "reason", "suggested_unit", "into", "outcome"))
    expected = nothing | {"status": status, "assignment_id": str(mine.id), "unit": "imigrasi"} | FULL[status]
    if status == "answered":
        expected["answer"] = {"is_final": True}
    assert told["fields"] == expected
    assert told["answer_id"] == answer.json()["answer_id"]
    assert (told["answer_id"] is not None) == (status == "answered")


async def test_a_case_is_merged_into_one_that_exists(door: Door) -> None:
    complaint, lead = await given(door, assignment()), await given(door, assignment("imigrasi", "kanim:bali"))
    assert fields_of(problem(await say(door, "updates", complaint, body("merged", into=NOBODY), UNIT), 422)) == ["into"]
    assert (await say(door, "updates", complaint, body("merged", into=lead), UNIT)).status_code == 202
    assert [told["fields"]["into"] for told in await door.changes()] == [lead]


async def test_what_a_unit_may_not_merge_is_refused_as_if_it_were_not_there_and_the_admin_may(door: Door) -> None:
    mine, foreign, unheard = await given(door, assignment()), await given(door, assignment("ham")), (await door.accepted())["id"]
    shared = await given(door, assignment(), assignment("ham", part="0/1"))
    overseen = await given(door, assignment(), is_oversight=True)
    before = await door.counts()
    unknown = problem(await say(door, "updates", mine, body("merged", into=NOBODY), UNIT), 422)
    for lead in (foreign, unheard):
        assert problem(await say(door, "updates", mine, body("merged", into=lead), UNIT), 422) == unknown
    refusals = [
        problem(await say(door, "updates", complaint, body("merged", into=lead), UNIT), 403)
        for complaint, lead in ((shared, mine), (mine, overseen), (overseen, mine))
    ]
    assert all(refusal == refusals[0] for refusal in refusals), "which of the reasons it is would tell of what is not theirs"
    assert await door.counts() == before
    for number, (complaint, lead) in enumerate(((shared, mine), (mine, overseen), (overseen, foreign))):
        assert (await say(door, "updates", complaint, body("merged", str(number), into=lead), "admin")).status_code == 202


async def test_a_merge_that_is_repeated_gets_its_first_answer_also_where_it_would_be_refused_now(door: Door) -> None:
    complaint, lead = await given(door, assignment()), await given(door, assignment())
    first = await say(door, "updates", complaint, body("merged", into=lead), UNIT)
    await tell(door, lead, assignment(state="replaced"), assignment("itjen", part="1/0"))
    again = await say(door, "updates", complaint, body("merged", into=lead), UNIT)
    assert (again.status_code, again.text) == (202, first.text)


@pytest.mark.parametrize("status", ["verified", "need_info", "resumed", "closed"])
async def test_the_admin_speaks_of_the_whole_case_also_before_anything_is_known_of_it(door: Door, status: str) -> None:
    complaint = str((await door.accepted())["id"])
    assert (await say(door, "updates", complaint, body(status, **FULL.get(status, {})), "admin")).status_code == 202
    (told,) = await door.changes()
    assert (told["by"], told["fields"]["status"], told["fields"]["unit"], told["fields"]["assignment_id"]) == ("admin", status, None, None)


@pytest.mark.parametrize(
    ("role", "status"),
    [("admin", "accepted"), ("admin", "followed_up"), ("admin", "answered"), ("admin", "returned"), ("admin", "extended"),
     ("admin", "refused"), (UNIT, "verified"), (DESK, "verified"), ("source:lapor", "accepted"), ("triage", "closed"),
     ("auditor", "closed")],
)  # fmt: skip
async def test_what_is_not_a_role_s_to_say_is_refused(door: Door, role: str, status: str) -> None:
    complaint = await given(door, assignment("imigrasi", "kanim:kupang"))
    before = await door.counts()
    problem(await say(door, "updates", complaint, body(status, **FULL.get(status, {})), role), 403)
    assert await door.counts() == before


@pytest.mark.parametrize("role", ["unit:ham", "desk:kanim:bali", "desk:imigrasi", "unit:kanim:kupang"])
async def test_a_case_that_is_not_theirs_does_not_exist(door: Door, role: str) -> None:
    mine = assignment("imigrasi", "kanim:kupang")
    complaint = await given(door, mine)
    before = await door.counts()
    unknown = await say(door, "updates", NOBODY, body(), role)
    for said in (body(), body(assignment_id=str(mine.id))):
        response = await say(door, "updates", complaint, said, role)
        assert problem(response, 404) == unknown.json()
    assert await door.counts() == before


async def test_a_unit_speaks_for_its_desks_and_a_desk_only_for_itself(door: Door) -> None:
    own, other = assignment("imigrasi", "kanim:kupang"), assignment("imigrasi", "kanim:bali", part="0/1")
    complaint = await given(door, own, other)
    assert (await say(door, "updates", complaint, body(), DESK)).status_code == 202
    problem(await say(door, "updates", complaint, body(update_id="2", assignment_id=str(other.id)), DESK), 404)
    refused = problem(await say(door, "updates", complaint, body(update_id="3"), UNIT), 422)
    assert (fields_of(refused), refused["detail"]) == (["assignment_id"], "assignment_id: several assignments, name one")
    assert (await say(door, "updates", complaint, body(update_id="4", assignment_id=str(other.id)), UNIT)).status_code == 202
    assert [told["fields"]["assignment_id"] for told in await door.changes()] == [str(own.id), str(other.id)]


@pytest.mark.parametrize("state", ["returned", "replaced", "closed"])
async def test_of_an_assignment_that_ended_nothing_more_is_said(door: Door, state: str) -> None:
    ended = assignment(state=state)
    complaint = await given(door, ended)
    problem(await say(door, "updates", complaint, body(assignment_id=str(ended.id)), UNIT), 404)
    await tell(door, complaint, ended, assignment(state="answered", part="1/0"))
    assert (await say(door, "updates", complaint, body("closed"), UNIT)).status_code == 202


async def test_a_repeat_gets_the_first_answer_also_by_the_desk_and_after_the_assignment_ended(door: Door) -> None:
    mine = assignment("imigrasi", "kanim:kupang")
    complaint = await given(door, mine)
    said = body("returned", reason="Bukan wewenang kami.")
    async with replica(door.world) as other:
        answers = await asyncio.gather(
            *(say((door, other)[number % 2], "updates", complaint, said, (UNIT, DESK)[number // 2 % 2]) for number in range(20))
        )
        assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    await tell(door, complaint, mine.model_copy(update={"state": "returned"}))
    assert (await say(door, "updates", complaint, said, DESK)).text == answers[0].text
    assert len(await door.changes()) == 1
    assert (await door.counts())["speech"] == 1


async def test_an_id_that_said_something_else_is_refused_whoever_of_the_unit_said_it(door: Door) -> None:
    mine = assignment("imigrasi", "kanim:kupang")
    complaint, other = await given(door, mine), await given(door, assignment("imigrasi", "kanim:kupang"))
    await say(door, "updates", complaint, body(), UNIT)
    before = await door.counts()
    for where, said, role in ((complaint, body("resumed"), DESK), (other, body(), UNIT), (other, body(), DESK)):
        assert fields_of(problem(await say(door, "updates", where, said, role), 422)) == ["update_id"]
    assert await door.counts() == before


async def test_each_unit_and_the_admin_have_ids_of_their_own(door: Door) -> None:
    complaint = await given(door, assignment("imigrasi"), assignment("ham"))
    for role in (UNIT, "unit:ham", "admin"):
        assert (await say(door, "updates", complaint, body("closed"), role)).status_code == 202
    assert sorted(told["by"] for told in await door.changes()) == ["admin", "unit:ham", UNIT]


async def test_a_desk_with_parts_of_two_units_has_ids_of_both(door: Door) -> None:
    desk = "kanwil:nusa-tenggara-timur"
    parts = assignment("setjen", desk), assignment("ham", desk, part="0/1")
    complaint = await given(door, *parts)
    for part in parts:
        assert (await say(door, "updates", complaint, body(assignment_id=str(part.id)), f"desk:{desk}")).status_code == 202
    said = body("resumed", assignment_id=str(parts[1].id))
    assert fields_of(problem(await say(door, "updates", complaint, said, f"desk:{desk}"), 422)) == ["update_id"]
    assert [told["fields"]["unit"] for told in await door.changes()] == ["setjen", "ham"]


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        (body("returned"), ["reason"]),
        (body("extended"), ["reason"]),
        (body("refused", note="tidak"), ["reason"]),
        (body("need_info"), ["note"]),
        (body("merged"), ["into"]),
        (body("answered"), ["answer"]),
        (body("accepted", outcome="selesai"), ["outcome"]),
        (body("closed", into=NOBODY), ["into"]),
        (body("closed", outcome="Selesai!"), ["outcome"]),
        (body("closed", outcome="s" * 41), ["outcome"]),
        (body("returned", reason=" "), ["reason"]),
        (body("returned", reason="x", suggested_unit="polri"), ["suggested_unit"]),
        (body("accepted", update_id=""), ["update_id"]),
        (body("accepted", note="a\x00"), ["note"]),
        (body("accepted", note="x" * 4001), ["note"]),
        (body("accepted", assignment_id="1"), ["assignment_id"]),
        (body("jadi"), ["status"]),
        (body("accepted", by="unit:ham"), ["by"]),
        ({"status": "accepted"}, ["update_id"]),
    ],
)
async def test_an_update_that_is_wrong_is_refused_by_its_field(door: Door, said: dict[str, Any], fields: list[str]) -> None:
    complaint = await given(door, assignment())
    before = await door.counts()
    assert fields_of(problem(await say(door, "updates", complaint, said, UNIT), 422)) == fields
    assert await door.counts() == before


async def test_what_is_not_the_admin_s_is_refused_by_its_field(door: Door) -> None:
    mine = assignment()
    complaint = await given(door, mine)
    said = body("closed", assignment_id=str(mine.id))
    assert fields_of(problem(await say(door, "updates", complaint, said, "admin"), 422)) == ["assignment_id"]
    assert fields_of(problem(await say(door, "updates", complaint, body("merged", into=complaint), "admin"), 422)) == ["into"]
    problem(await say(door, "updates", NOBODY, body("closed"), "admin"), 404)


@pytest.mark.parametrize("length", [10, 3_000])
async def test_notes_and_reasons_are_told_masked(door: Door, length: int) -> None:
    complaint = await given(door, assignment())
    said = body("returned", note=f"{'x ' * (length // 2)}NIK {NIK}", reason="Hubungi pelapor.contoh@example.org, 0812-3456-7890")
    assert (await say(door, "updates", complaint, said, UNIT)).status_code == 202
    (told,) = await door.changes()
    assert told["fields"]["note"].endswith("NIK [NIK]")
    assert told["fields"]["reason"] == "Hubungi [EMAIL], [TELEPON]"
    assert NIK in await door.world.db.fetchval("SELECT original FROM intake.speech")


async def test_what_is_said_waits_behind_the_report_in_its_order(door: Door) -> None:
    complaint = await given(door, assignment())
    for number in range(4):
        await say(door, "updates", complaint, body("followed_up", str(number)), UNIT)
    waiting = [event for event in await door.outbox() if event.complaint_id == complaint]
    assert [event.value.get("change_id") for event in waiting] == [None, "0", "1", "2", "3"]
    assert len({event.headers["ce_id"] for event in waiting}) == 5
