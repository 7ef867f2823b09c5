"""The unmasked report: shown only to whoever has to answer it now, each time on record, the reporter only where that may be."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.postgres import RunningPostgres
from tests.assigned import assignment, say, tell
from tests.door import Door, fields_of, problem, shared_door

UNIT, DESK = "unit:imigrasi", "desk:kanim:kupang"
NIK = "5371012505900003"
REPORTER = {"name": "Contoh Pelapor", "nik": NIK, "email": None, "phone": None, "address": None}
REPORT: dict[str, Any] = {
    "text": f"NIK saya {NIK}, paspor belum jadi.",
    "source_ref": "5049672",
    "form": {"nomor_paspor": "X1234567"},
    "attachments": [{"url": "https://example.org/ktp.jpg"}],
    "reporter": REPORTER,
    "is_anonymous": False,
}


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


async def reported(door: Door, *, role: str | None = None, status: dict[str, Any] | None = None, **fields: Any) -> str:
    """A report that went to the unit's desk."""
    complaint = str((await door.accepted(role=role, **(REPORT | fields)))["id"])
    await tell(door, complaint, assignment("imigrasi", "kanim:kupang"), **(status or {}))
    return complaint


async def disclosed(door: Door, complaint: str, role: str = DESK) -> dict[str, Any]:
    response = await say(door, "disclosures", complaint, {"purpose": "Mencocokkan berkas."}, role)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    found: dict[str, Any] = response.json()
    return found


async def test_the_desk_reads_all_that_was_sent_and_that_is_on_record(door: Door) -> None:
    mine = assignment("imigrasi", "kanim:kupang")
    complaint = await reported(door)
    await tell(door, complaint, mine, assignment("ham", part="0/1"))
    before = await shown_so_far(door)
    answer = await say(door, "disclosures", complaint, {"purpose": f"Mencocokkan NIK {NIK}"}, DESK)
    found = answer.json()
    (report,) = found["reports"]
    assert (report["source"], report["source_ref"], report["reporter"], report["form"]) == ("lapor", "5049672", REPORTER, REPORT["form"])
    assert NIK in report["text"]
    assert report["attachments"][0]["url"] == "https://example.org/ktp.jpg"
    row = await door.world.db.fetchrow("SELECT * FROM intake.disclosures")
    assert row is not None
    assert (row["id"], str(row["complaint_id"]), row["by"], row["unit"], row["desk"], row["assignment_id"]) == (
        UUID(found["disclosure_id"]), complaint, DESK, "imigrasi", "kanim:kupang", mine.id,
    )  # fmt: skip
    assert (row["purpose"], row["is_reporter_shown"]) == (f"Mencocokkan NIK {NIK}", True)
    (told,) = await door.changes()
    assert (told["kind"], told["change_id"], told["by"], told["accepted_at"]) == (
        "disclosure", found["disclosure_id"], DESK, found["disclosed_at"],
    )  # fmt: skip
    assert told["fields"] == {
        "purpose": "Mencocokkan NIK [NIK]", "unit": "imigrasi", "desk": "kanim:kupang", "assignment_id": str(mine.id),
    }  # fmt: skip
    for kept in (NIK, "Contoh Pelapor", "X1234567", "ktp.jpg"):
        assert kept not in str(await door.changes())
    assert await shown_so_far(door) == before + 1


async def shown_so_far(door: Door) -> float:
    text = (await door.http.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == "jalur_intake_disclosures_total")


async def test_each_reading_is_a_record_of_its_own(door: Door) -> None:
    complaint = await reported(door)
    ids = {(await disclosed(door, complaint, role))["disclosure_id"] for role in (DESK, UNIT, DESK)}
    assert len(ids) == 3
    assert {told["change_id"] for told in await door.changes()} == ids
    assert (await door.counts())["disclosures"] == 3


@pytest.mark.parametrize("role", ["source:lapor", "triage", "admin", "auditor"])
async def test_no_other_role_reads_it(door: Door, role: str) -> None:
    complaint = await reported(door)
    problem(await say(door, "disclosures", complaint, {"purpose": "Ingin tahu."}, role), 403)
    assert (await door.counts())["disclosures"] == 0


@pytest.mark.parametrize("state", ["returned", "replaced", "closed"])
async def test_who_has_it_no_more_reads_it_no_more(door: Door, state: str) -> None:
    complaint = await reported(door)
    await tell(door, complaint, assignment("imigrasi", "kanim:kupang", state=state), assignment("ham", part="1/0"))
    for role in (DESK, UNIT, "unit:itjen"):
        refused = await say(door, "disclosures", complaint, {"purpose": "Ingin tahu."}, role)
        assert NIK not in refused.text
        problem(refused, 404)
    problem(await say(door, "disclosures", "00000000-0000-4000-8000-000000000000", {"purpose": "Ingin tahu."}, DESK), 404)
    assert (await door.counts())["disclosures"] == 0
    assert await door.changes() == []


@pytest.mark.parametrize("wrong", [{}, {"purpose": ""}, {"purpose": "  "}, {"purpose": "x" * 501}, {"purpose": 1}])
async def test_without_a_purpose_nothing_is_shown(door: Door, wrong: dict[str, Any]) -> None:
    complaint = await reported(door)
    assert fields_of(problem(await say(door, "disclosures", complaint, wrong, DESK), 422)) == ["purpose"]


@pytest.mark.parametrize("fields", [{"is_anonymous": True}, {"source": "wbs"}, {"service": "wbs"}, {"class": "pengaduan_pengawasan"}])
async def test_a_reporter_who_is_anonymous_or_blows_the_whistle_stays_hidden(door: Door, fields: dict[str, Any]) -> None:
    source = fields.get("source")
    complaint = await reported(
        door, role=f"source:{source}" if source else None, **{name: value for name, value in fields.items() if name != "source"}
    )
    found = await disclosed(door, complaint)
    assert found["reports"][0]["reporter"] is None
    assert "Contoh Pelapor" not in str(found)


async def test_a_flag_that_was_left_out_hides_the_reporter(door: Door) -> None:
    body = {"title": "Paspor", "text": "Belum jadi"} | {"reporter": REPORTER}
    complaint = str((await door.accepted(body))["id"])
    await tell(door, complaint, assignment("imigrasi", "kanim:kupang"))
    assert (await disclosed(door, complaint))["reports"][0]["reporter"] is None


@pytest.mark.parametrize("role", [DESK, "unit:itjen"])
@pytest.mark.parametrize("by_class", [True, False])
async def test_in_an_oversight_matter_nobody_learns_who_reported(door: Door, role: str, by_class: bool) -> None:
    complaint = await reported(door)
    parts = [assignment("imigrasi", "kanim:kupang"), assignment("itjen", state="assigned", part="0/1")]
    more: dict[str, Any] = {"class": "pengaduan_pengawasan"} if by_class else {}
    await tell(door, complaint, *(parts if role != DESK or not by_class else parts[:1]), **more)
    found = await disclosed(door, complaint, role)
    assert found["reports"][0]["reporter"] is None
    assert NIK in found["reports"][0]["text"]
    assert await door.world.db.fetchval("SELECT is_reporter_shown FROM intake.disclosures") is False


async def test_a_case_that_once_was_an_oversight_matter_hides_its_reporter_for_good(door: Door) -> None:
    complaint = await reported(door, status={"is_oversight": True, "class": "pengaduan"})
    assert (await disclosed(door, complaint))["reports"][0]["reporter"] is None
    assert await door.world.db.fetchval("SELECT is_reporter_shown FROM intake.disclosures") is False


async def test_a_flag_raised_later_counts_and_is_not_taken_back(door: Door) -> None:
    complaint = await reported(door)
    await door.change(complaint, {"change_id": "1", "kind": "edited", "text": "Tambahan", "fields": {"reporter": REPORTER}})
    found = await disclosed(door, complaint)
    assert found["reports"][0]["reporter"] == REPORTER
    assert found["changes"][0]["text"] == "Tambahan"
    for number, value in ((2, True), (3, False)):
        await door.change(complaint, {"change_id": str(number), "kind": "flags", "fields": {"is_anonymous": value}})
        found = await disclosed(door, complaint)
        assert (found["reports"][0]["reporter"], found["reports"][0]["is_anonymous"]) == (None, True)
        assert found["changes"][0]["fields"] == {"reporter": None}
        assert "Contoh Pelapor" not in str(found)


async def test_the_reports_of_every_door_are_shown_and_the_stricter_flag_counts(door: Door) -> None:
    complaint = await reported(door)
    other: dict[str, Any] = {"sp4n_tracking_id": "5049672", "reporter": REPORTER, "text": "Lewat Halo.", "is_anonymous": True}
    assert (await door.accepted(role="source:halo_kumham", **other))["id"] == complaint
    found = await disclosed(door, complaint)
    assert [(report["source"], report["reporter"]) for report in found["reports"]] == [("lapor", None), ("halo_kumham", None)]
