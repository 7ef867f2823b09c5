"""What a source says later: stored and told once, masked, and only by a source of the complaint."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest

from deploy.local.postgres import RunningPostgres
from shared.events import SourceChangeKind
from tests.door import Door, fields_of, problem, replica, shared_door

NIK = "5371012505900003"
KINDS: tuple[str, ...] = get_args(SourceChangeKind)


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


@pytest.fixture
async def complaint(door: Door) -> str:
    return str((await door.accepted(source_ref="5049672"))["id"])


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_change_is_stored_and_told(door: Door, complaint: str, kind: str) -> None:
    answer = await door.change(complaint, {"change_id": f"{kind}-1", "kind": kind, "at": "2026-07-15T11:00:00+08:00"})
    assert answer.status_code == 202
    assert set(answer.json()) == {"change_id", "complaint_id", "accepted_at"}
    (told,) = await door.changes()
    assert (told["kind"], told["change_id"], told["complaint_id"]) == (kind, f"{kind}-1", complaint)
    assert (told["by"], told["source"], told["at"]) == ("source:lapor", "lapor", "2026-07-15T03:00:00Z")
    assert told["accepted_at"] == answer.json()["accepted_at"]
    assert told["is_final"] == (kind in ("withdrawn", "closed", "archived"))


async def test_a_final_status_of_the_source_is_final_whatever_the_kind(door: Door, complaint: str) -> None:
    await door.change(complaint, {"change_id": "1", "kind": "edited", "source_status": "Selesai"})
    await door.change(complaint, {"change_id": "2", "kind": "edited", "source_status": "Sedang diproses"})
    assert [(told["source_status"], told["is_final"]) for told in await door.changes()] == [("Selesai", True), ("Sedang diproses", False)]


async def test_a_change_is_told_masked_and_without_what_stays_in_intake(door: Door, complaint: str) -> None:
    body: dict[str, Any] = {
        "change_id": "7",
        "kind": "edited",
        "text": f"Nomor saya 0812-3456-7890, NIK {NIK}.",
        "source_status": "Belum ditindaklanjuti",
        "fields": {
            "title": f"Paspor a.n. Contoh Pelapor, NIK {NIK}",
            "text": "Surel saya pelapor.contoh@example.org, mohon dibalas.",
            "class": "pengaduan",
            "occurred_on": "2026-07-08",
            "location": {"province": "Nusa Tenggara Timur", "regency": "Kota Kupang"},
            "disposition": [{"name": "Direktorat Jenderal Imigrasi", "at": "2026-07-14T09:00:00+07:00", "by": f"petugas NIK {NIK}"}],
            "is_anonymous": False,
            "reason": "Lengkapi nomor 081234567890",
            "reporter": {"name": "Contoh Pelapor", "nik": NIK, "email": "pelapor.contoh@example.org"},
            "form": {"nomor_paspor": "X1234567"},
            "attachments": [{"url": "https://example.org/ktp.jpg"}],
        },
    }
    assert (await door.change(complaint, body)).status_code == 202
    (told,) = await door.changes()
    assert set(told["fields"]) == set(body["fields"]) - {"reporter", "form", "attachments"}
    assert told["fields"]["class"] == "pengaduan"
    assert told["fields"]["occurred_on"] == "2026-07-08"
    assert told["fields"]["location"]["regency"] == "Kota Kupang"
    assert told["fields"]["disposition"][0]["name"] == "Direktorat Jenderal Imigrasi"
    assert told["fields"]["is_anonymous"] is False
    sent = str(await door.outbox("id.jalur.complaint.changed.v1"))
    for secret in (NIK, "0812", "pelapor.contoh", "Contoh Pelapor", "X1234567", "ktp.jpg"):
        assert secret not in sent
    kept = await door.world.db.fetchval("SELECT original FROM intake.changes")
    assert NIK in kept
    assert "X1234567" in kept


async def test_a_repeated_change_gets_the_first_answer_and_is_told_once(door: Door, complaint: str) -> None:
    body = {"change_id": "7", "kind": "withdrawn", "text": "Dicabut oleh pelapor."}
    async with replica(door.world) as other:
        answers = await asyncio.gather(*((door, other)[number % 2].change(complaint, body) for number in range(30)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert len(await door.changes()) == 1
    assert (await door.counts())["changes"] == 1


async def test_another_change_under_the_same_id_is_refused_naming_it(door: Door, complaint: str) -> None:
    await door.change(complaint, {"change_id": "7", "kind": "withdrawn"})
    other = (await door.accepted())["id"]
    before = await door.counts()
    for where, body in ((complaint, {"change_id": "7", "kind": "closed"}), (other, {"change_id": "7", "kind": "withdrawn"})):
        assert fields_of(problem(await door.change(where, body), 422)) == ["change_id"]
    assert await door.counts() == before


async def test_each_writer_has_change_ids_of_its_own(door: Door, complaint: str) -> None:
    await door.accepted(role="source:halo_kumham", sp4n_tracking_id="5049672")
    for role in ("source:lapor", "source:halo_kumham"):
        assert (await door.change(complaint, {"change_id": "7", "kind": "replied"}, role)).status_code == 202
    assert sorted(told["by"] for told in await door.changes() if told["change_id"] == "7") == ["source:halo_kumham", "source:lapor"]


@pytest.mark.parametrize("where", ["another source", "no such complaint", "no id at all"])
async def test_whose_complaint_it_is_not_learns_nothing(door: Door, complaint: str, where: str) -> None:
    before = await door.counts()
    place = {"another source": complaint, "no such complaint": "00000000-0000-4000-8000-000000000000", "no id at all": "x"}[where]
    role = "source:ppid" if where == "another source" else None
    found = problem(await door.change(place, {"change_id": "1", "kind": "closed"}, role), 404)
    assert found["detail"] == "no such complaint for this key"
    assert await door.counts() == before


@pytest.mark.parametrize("role", ["unit:imigrasi", "desk:kanim:kupang", "triage", "admin", "auditor"])
async def test_only_a_source_may_change(door: Door, complaint: str, role: str) -> None:
    problem(await door.change(complaint, {"change_id": "1", "kind": "closed"}, role), 403)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["change_id", "kind"]),
        ({"change_id": "1", "kind": "joined"}, ["kind"]),
        ({"change_id": "1", "kind": "decision"}, ["kind"]),
        ({"change_id": "", "kind": "closed"}, ["change_id"]),
        ({"change_id": "1" * 201, "kind": "closed"}, ["change_id"]),
        ({"change_id": 1, "kind": "closed"}, ["change_id"]),
        ({"change_id": "1", "kind": "closed", "at": "2026-07-15"}, ["at"]),
        ({"change_id": "1", "kind": "closed", "at": "0001-01-01T00:00:00+14:00"}, ["at"]),
        ({"change_id": "1", "kind": "closed", "at": "9999-12-31T23:59:59-12:00"}, ["at"]),
        ({"change_id": "1", "kind": "closed", "by": "admin"}, ["by"]),
        ({"change_id": "1", "kind": "edited", "fields": {"unit": "ahu"}}, ["fields.unit"]),
        ({"change_id": "1", "kind": "edited", "fields": {"text": "a" * 20_001}}, ["fields.text"]),
        ({"change_id": "1", "kind": "edited", "fields": {"location": {"country": "x"}}}, ["fields.location.country"]),
        ({"change_id": "1", "kind": "edited", "text": "a\x00"}, ["text"]),
    ],
)
async def test_a_change_that_is_wrong_is_refused_by_its_fields(door: Door, complaint: str, body: dict[str, Any], fields: list[str]) -> None:
    before = await door.counts()
    assert fields_of(problem(await door.change(complaint, body), 422)) == fields
    assert await door.counts() == before


async def test_changes_of_a_complaint_wait_behind_its_report_in_their_order(door: Door, complaint: str) -> None:
    for number in range(5):
        await door.change(complaint, {"change_id": str(number), "kind": "replied"})
    waiting = [event for event in await door.outbox() if event.complaint_id == complaint]
    assert [event.value.get("change_id") for event in waiting] == [None, "0", "1", "2", "3", "4"]
    assert len({event.headers["ce_id"] for event in waiting}) == 6
