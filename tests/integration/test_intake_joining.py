"""An SP4N tracking id is the same from every door: the second report joins the first one's complaint."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.postgres import RunningPostgres
from tests.door import Door, fields_of, problem, replica, shared_door

TRACKING_ID = "5049672"
# By which door, and with what, a report of the same matter comes in.
LAPOR: dict[str, Any] = {"role": "source:lapor", "source_ref": TRACKING_ID, "text": "Paspor saya belum jadi sejak tiga minggu."}
HALO: dict[str, Any] = {
    "role": "source:halo_kumham",
    "source_ref": "HK-2026-17",
    "sp4n_tracking_id": TRACKING_ID,
    "text": "Penelepon bertanya tentang paspor yang belum jadi.",
    "reporter": {"name": "Contoh Penelepon", "phone": "081200000000"},
}
NAMELESS: dict[str, Any] = {"role": "source:loket", "sp4n_tracking_id": TRACKING_ID, "text": "Datang ke loket menanyakan paspor."}


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


@pytest.mark.parametrize(("first", "second"), [(HALO, LAPOR), (LAPOR, HALO), (LAPOR, NAMELESS), (NAMELESS, LAPOR)])
async def test_a_report_known_by_another_door_joins_its_complaint(door: Door, first: dict[str, Any], second: dict[str, Any]) -> None:
    made = await door.accepted(**first)
    joined = await door.accepted(**second)
    assert joined["id"] == made["id"]
    assert (joined["source"], joined["source_ref"]) == (second["role"].partition(":")[2], second.get("source_ref"))

    counts = await door.counts()
    assert (counts["complaints"], counts["reports"]) == (1, 2), "the second report is kept"
    assert [event.type for event in await door.outbox()] == ["id.jalur.complaint.received.v1", "id.jalur.complaint.changed.v1"]
    (change,) = await door.changes()
    assert change["kind"] == "joined"
    assert change["by"] == second["role"]
    assert change["fields"] == {"source": joined["source"], "source_ref": joined["source_ref"]}
    assert change["accepted_at"] == joined["accepted_at"]
    for role in (first["role"], second["role"]):
        assert (await door.read(made["id"], role)).status_code == 200
        answer = await door.change(made["id"], {"change_id": f"of {role}", "kind": "replied", "text": "Masih menunggu."}, role)
        assert answer.status_code == 202
    assert (await door.read(made["id"], "source:ppid")).status_code == 404


@pytest.mark.parametrize(
    "second", [LAPOR, HALO, NAMELESS | {"key": "loket-1"}, NAMELESS], ids=["ref", "own ref", "key", "no name of its own"]
)
async def test_repeats_of_a_report_that_joined_get_its_answer_and_publish_nothing(door: Door, second: dict[str, Any]) -> None:
    first = await door.accepted(**(HALO if second is LAPOR else LAPOR))
    async with replica(door.world) as other:
        answers = await asyncio.gather(*((door, other)[number % 2].submit(**second) for number in range(20)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert answers[0].json()["id"] == first["id"]
    counts = await door.counts()
    assert (counts["complaints"], counts["reports"], len(await door.changes())) == (1, 2, 1)


async def test_three_doors_at_once_make_one_complaint_of_three_reports(door: Door) -> None:
    async with replica(door.world) as other:
        answers = await asyncio.gather(
            *((door, other)[number % 2].accepted(**body) for number in range(4) for body in (LAPOR, HALO, NAMELESS))
        )
    assert len({answer["id"] for answer in answers}) == 1
    counts = await door.counts()
    assert (counts["complaints"], counts["reports"], len(await door.changes())) == (1, 3, 2)
    assert len({change["change_id"] for change in await door.changes()}) == 2


async def test_a_second_report_that_joined_may_not_be_repeated_with_another_body(door: Door) -> None:
    await door.accepted(**LAPOR)
    await door.accepted(**HALO)
    before = await door.counts()
    body = problem(await door.submit(**(HALO | {"text": "Isi yang lain."})), 422)
    assert fields_of(body) == ["source_ref"]
    assert await door.counts() == before


async def test_a_reference_and_a_tracking_id_of_different_complaints_are_refused(door: Door) -> None:
    await door.accepted(**LAPOR)
    halo = HALO | {"sp4n_tracking_id": "6000000"}
    await door.accepted(**halo)
    before = await door.counts()
    body = problem(await door.submit(**(halo | {"sp4n_tracking_id": TRACKING_ID})), 422)
    assert "source_ref" in fields_of(body)
    assert await door.counts() == before


async def test_who_reported_by_the_second_door_stays_in_intake(door: Door) -> None:
    await door.accepted(**LAPOR)
    await door.accepted(**HALO)
    sent = str(await door.outbox())
    assert "Penelepon" not in sent
    assert "0812" not in sent
