"""An export is read row by row: what is new comes in, what differs becomes changes, what is older or the same does nothing."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.postgres import RunningPostgres
from services.intake import known_rows, publication
from shared.masking import mask
from tests.door import Door, fields_of, shared_door
from tests.world import report, until

IMPORTS = "/v1/imports"
MONDAY, TUESDAY, WEDNESDAY = "2026-07-13T09:00:00+07:00", "2026-07-14T09:00:00+07:00", "2026-07-15T09:00:00+07:00"


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


def row(number: Any = 7, exported_at: str = MONDAY, **fields: Any) -> dict[str, Any]:
    """A line of an export, of one and the same report unless it says otherwise."""
    known: dict[str, Any] = {"source_ref": "5049672", "category": "Keimigrasian", "reported_at": "2026-07-10T08:00:00+07:00"}
    return {"row": number, "exported_at": exported_at, "report": report(**known | fields)}


async def outcomes(door: Door, *rows: dict[str, Any]) -> list[Any]:
    answers = await door.send_lines(IMPORTS, rows)
    return [answer.get("outcome", answer.get("problem")) for answer in answers]


async def test_a_new_row_is_a_complaint_and_the_same_row_again_is_the_same(door: Door) -> None:
    (first,) = await door.send_lines(IMPORTS, [row()])
    assert (first["row"], first["outcome"], first["changes"]) == (7, "new", [])
    before = await door.counts()
    for exported_at in (MONDAY, TUESDAY, MONDAY):
        (again,) = await door.send_lines(IMPORTS, [row(exported_at=exported_at)])
        assert again == first | {"outcome": "same"}
    assert await door.counts() == before
    (event,) = await door.outbox()
    assert (event.value["is_final"], event.value["reported_at"]) == (False, "2026-07-10T01:00:00Z")


@pytest.mark.parametrize("status", ["Selesai", "Ditutup oleh Admin", "Arsip", "Diarsipkan oleh Sistem"])
async def test_a_finished_row_is_history(door: Door, status: str) -> None:
    assert await outcomes(door, row(source_status=status)) == ["history"]
    (event,) = await door.outbox()
    assert event.value["is_final"] is True
    assert event.value["source_status"] == status
    assert await outcomes(door, row(source_status=status)) == ["same"]


NEWER: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a text": ({"text": "Isi laporan yang diubah oleh admin."}, ["edited"]),
    "a place": ({"location": {"province": "Bali"}}, ["edited"]),
    "a category that was taken away": ({"category": None}, ["edited"]),
    "a reporter": ({"reporter": {"name": "Contoh Pelapor"}}, ["edited"]),
    "a class": ({"class": "aspirasi"}, ["reclassified"]),
    "a flag": ({"is_anonymous": False}, ["flags"]),
    "a disposition": ({"disposition": [{"name": "Direktorat Jenderal Imigrasi"}]}, ["redisposed"]),
    "an open status": ({"source_status": "Sedang diproses"}, ["edited"]),
    "an answer of the reporter": ({"source_status": "Ditanggapi oleh Pelapor"}, ["replied"]),
    "a text and an open status": ({"text": "Isi lain.", "source_status": "Sedang diproses"}, ["edited"]),
    "a finished status": ({"source_status": "Selesai"}, ["closed"]),
    "an archived status": ({"source_status": "Arsip"}, ["archived"]),
    "all at once": (
        {
            "title": "Judul lain",
            "class": "informasi",
            "is_confidential": False,
            "disposition": [{"name": "Setjen"}],
            "source_status": "Selesai",
        },
        ["edited", "reclassified", "flags", "redisposed", "closed"],
    ),
}


@pytest.mark.parametrize(("changed", "kinds"), NEWER.values(), ids=NEWER)
async def test_a_newer_export_s_differences_become_changes(door: Door, changed: dict[str, Any], kinds: list[str]) -> None:
    (first,) = await door.send_lines(IMPORTS, [row()])
    (answer,) = await door.send_lines(IMPORTS, [row(exported_at=TUESDAY, **changed)])
    assert answer == {"row": 7, "outcome": "changed", "id": first["id"], "changes": kinds}
    told = await door.changes()
    assert [change["kind"] for change in told] == kinds
    assert {(change["by"], change["complaint_id"], change["at"]) for change in told} == {("source:lapor", first["id"], None)}
    assert told[-1]["is_final"] == (kinds[-1] in ("closed", "archived"))
    if "source_status" in changed:
        assert [change["source_status"] for change in told if change["source_status"]] == [changed["source_status"]]
    assert await outcomes(door, row(exported_at=TUESDAY, **changed)) == ["same"]
    assert len(await door.changes()) == len(kinds)


async def test_a_finished_report_that_runs_again_is_reopened(door: Door) -> None:
    await outcomes(door, row(source_status="Selesai"), row(exported_at=TUESDAY, source_status="Sedang diproses"))
    assert [(change["kind"], change["is_final"]) for change in await door.changes()] == [("reopened", False)]


async def test_an_older_export_never_overwrites_a_newer_one(door: Door) -> None:
    newest = {"source_status": "Selesai", "text": "Isi yang terakhir."}
    assert await outcomes(door, row(exported_at=WEDNESDAY, **newest)) == ["history"]
    assert await outcomes(door, row(exported_at=TUESDAY, text="Isi yang lama.")) == ["older"]
    assert await outcomes(door, row(exported_at=WEDNESDAY, text="Isi dari ekspor yang sama.")) == ["older"]
    assert await door.changes() == []
    assert await outcomes(door, row(exported_at=WEDNESDAY, **newest)) == ["same"]


async def test_rows_of_one_report_in_one_call_are_taken_in_their_order(door: Door) -> None:
    rows = [row(1), row(2, TUESDAY, text="Isi kedua."), row(3, MONDAY, text="Isi dari dulu."), row(4, WEDNESDAY, text="Isi ketiga.")]
    assert await outcomes(door, *rows) == ["new", "changed", "older", "changed"]
    assert [change["fields"]["text"] for change in await door.changes()] == ["Isi kedua.", "Isi ketiga."]
    assert (await door.counts())["complaints"] == 1


async def test_two_imports_at_once_end_with_the_newest_whatever_came_first(door: Door) -> None:
    exports = [
        [row(number, exported_at, source_ref=str(number), text=f"Isi {exported_at}.") for number in range(40)]
        for exported_at in (WEDNESDAY, MONDAY)
    ]
    await asyncio.gather(*(door.send_lines(IMPORTS, rows) for rows in exports))
    assert await outcomes(door, *exports[0]) == ["same"] * 40
    assert (await door.counts())["complaints"] == 40
    first_ones = [event.value["text"] for event in await door.outbox("id.jalur.complaint.received.v1")]
    changed = [change["fields"]["text"] for change in await door.changes()]
    assert set(changed) <= {f"Isi {WEDNESDAY}."}, "the older export changed nothing"
    assert len(changed) == first_ones.count(f"Isi {MONDAY}.")


async def test_a_report_that_came_by_http_is_known_to_the_import(door: Door) -> None:
    made = await door.accepted(row()["report"])
    (answer,) = await door.send_lines(IMPORTS, [row(source_status="Selesai")])
    assert (answer["id"], answer["outcome"], answer["changes"]) == (made["id"], "changed", ["closed"])


async def test_a_report_that_came_by_another_door_is_joined_by_its_row(door: Door) -> None:
    made = await door.accepted(role="source:halo_kumham", sp4n_tracking_id="5049672")
    (answer,) = await door.send_lines(IMPORTS, [row()])
    assert answer["id"] == made["id"]
    assert [change["kind"] for change in await door.changes()] == ["joined"]
    assert await outcomes(door, row()) == ["same"]
    assert await outcomes(door, row(exported_at=TUESDAY, title="Judul lain")) != ["same"]


async def test_a_row_that_cannot_be_taken_is_told_and_spoils_no_neighbour(door: Door) -> None:
    rows = [
        row(1, source_ref="1"),
        row(2, source_ref=None),
        row(3, exported_at="2026-07-13"),
        row(4, source_ref="4", title=""),
        {"row": "5", "exported_at": MONDAY, "report": report(source_ref="5")},
        row(6, source_ref="6", reported_at="1999-01-01T00:00:00Z"),
        row(7, exported_at="2999-01-01T00:00:00Z", source_ref="7"),
        row(8, source_ref="8"),
    ]
    answers = await door.send_lines(IMPORTS, rows)
    assert [answer["row"] for answer in answers if "outcome" in answer] == [1, 8]
    told = {answer["line"]: fields_of(answer["problem"]) for answer in answers if "problem" in answer}
    assert told == {2: ["report.source_ref"], 3: ["exported_at"], 4: ["report.title"], 5: ["row"], 6: ["reported_at"], 7: ["exported_at"]}
    assert (await door.counts())["complaints"] == 2


async def test_an_import_shows_what_came_of_its_rows_and_how_old_its_export_is(door: Door) -> None:
    async def shown(name: str, **labels: str) -> float:
        for family in text_string_to_metric_families((await door.http.get("/metrics")).text):
            for sample in family.samples:
                if sample.name == f"jalur_intake_{name}" and sample.labels == labels:
                    return sample.value
        return -1.0

    def rows_of(source: str, outcome: str) -> Awaitable[float]:
        return shown("imported_rows_total", source=source, outcome=outcome)

    before = {outcome: await rows_of("lapor", outcome) for outcome in ("new", "same", "refused")}
    assert min(before.values()) >= 0, "shown from the start"
    yesterday = (await door.world.now() - timedelta(days=1)).isoformat()
    await door.send_lines(IMPORTS, [row(1, yesterday), row(2, yesterday), row(3, yesterday, title=""), row(4, MONDAY, source_ref="8")])
    assert {outcome: await rows_of("lapor", outcome) - count for outcome, count in before.items()} == {"new": 2, "same": 1, "refused": 1}

    async def is_shown() -> bool:
        return await shown("import_age_seconds", source="lapor") == pytest.approx(86400, abs=60)

    await until("the newest export's age is shown", is_shown)
    assert await shown("import_age_seconds", source="wbs") == -1, "nothing of who never imported"
    other = await door.headers("source:kotak-saran")
    await door.http.post(IMPORTS, content=json.dumps(row(5, yesterday, source_ref="9")), headers=other)
    assert await rows_of("other", "new") == 1, "a name that an installation chose is no label"


@pytest.mark.parametrize("way", ["submit", "change", "import", "newer export"])
async def test_a_long_text_is_masked_beside_the_event_loop(door: Door, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    complaint_id = (await door.accepted(row()["report"]))["id"]
    threads: set[int] = set()

    def spy(text: str) -> Any:
        if len(text) > 10_000:
            threads.add(threading.get_ident())
        return mask(text)

    monkeypatch.setattr(publication, "mask", spy)
    text = "NIK 5371012505900003 nomor 081234567890. " * 450
    if way == "submit":
        await door.accepted(text=text)
    elif way == "change":
        await door.change(complaint_id, {"change_id": "1", "kind": "edited", "fields": {"text": text}})
    else:
        await outcomes(door, row(source_ref="5049672" if way == "newer export" else "1", exported_at=TUESDAY, text=text))
    assert threads
    assert threading.get_ident() not in threads
    assert "5371012505900003" not in str(await door.outbox())


async def test_an_import_leaves_half_of_the_databases_connections_to_everybody_else(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: list[int] = [0]
    find = known_rows.find_known_row

    async def watched(*args: Any, **more: Any) -> known_rows.KnownRow | None:
        at_once.append(at_once[0] + 1)
        at_once[0] += 1
        try:
            await asyncio.sleep(0)
            return await find(*args, **more)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(known_rows, "find_known_row", watched)
    rows = [row(number, source_ref=str(number)) for number in range(64)]
    assert await outcomes(door, *rows) == ["new"] * 64
    again = [row(number, TUESDAY, source_ref=str(number), category="Lain") for number in range(64)]
    assert await outcomes(door, *again) == ["changed"] * 64
    assert max(at_once) == 4
