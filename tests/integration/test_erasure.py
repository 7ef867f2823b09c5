"""What was written of a complaint is erased from every table, and stays away; the case, its proof and its account stay."""

import json
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx

from shared.events import ComplaintChanged
from tests.bus import message_of
from tests.operators import asked, jalur
from tests.world import World, payload, report, until

# Each stands in a field of its own, and nowhere else.
_FIELDS = "judul isi kabupaten kecamatan pelapor alamat formulir lampiran kunci disposisi status komentar alasan titipan perintah tujuan"
_NAMES = f"{_FIELDS} jawaban konsep petugas pejabat ekspor".split()
WORDS = {name: f"{name}rahasia" for name in _NAMES}
SOURCE, UNIT, TRIAGE = "source:lapor", "unit:imigrasi", "triage"


async def found_in(world: World, *words: str) -> dict[str, list[str]]:
    """In which tables of the four schemas any of these words stands, in whichever column, also as bytes."""
    found: dict[str, list[str]] = {}
    tables = await world.db.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname IN ('jalur', 'intake', 'router', 'notifier') ORDER BY 1"
    )
    assert len(tables) > 20
    for table in tables:
        rows = await world.db.fetch(f"SELECT kept::text AS row FROM {table['name']} kept")
        hit = [word for word in words if any(word in row["row"] or word.encode().hex() in row["row"] for row in rows)]
        if hit:
            found[table["name"]] = hit
    return found


def full(**changed: Any) -> dict[str, Any]:
    body = report(
        source_ref="5049672",
        reporter={"name": WORDS["pelapor"], "address": WORDS["alamat"], "nik": "5371014107900001"},
        form={"butir": WORDS["formulir"]},
        attachments=[{"url": f"https://contoh.id/{WORDS['lampiran']}.jpg"}],
        source_status=f"Status {WORDS['status']}",
    )
    body["title"] += f" {WORDS['judul']}"
    body["text"] += f" {WORDS['isi']}"
    body["location"] |= {"regency": WORDS["kabupaten"], "district": WORDS["kecamatan"]}
    return body | changed


class Clerks:
    """What is said of one complaint at intake's door."""

    def __init__(self, clients: dict[str, httpx.AsyncClient], complaint_id: str = "") -> None:
        self.clients = clients
        self.complaint_id = complaint_id

    async def say(self, role: str, what: str, expected: int = 202, **body: Any) -> None:
        async def accepted() -> bool:
            response = await self.clients[role].post(f"/v1/complaints/{self.complaint_id}/{what}", json=body)
            assert response.status_code in (expected, 404), response.text
            return response.status_code == expected

        await until(f"{role} says {what}", accepted)

    async def seen(self) -> dict[str, Any]:
        return dict((await self.clients[TRIAGE].get(f"/v1/complaints/{self.complaint_id}")).json())

    async def until_line(self, beginning: str) -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            case = await self.seen()
            return case if any(entry["what"].startswith(beginning) for entry in case["timeline"]) else {}

        return await until(f"the timeline says {beginning}", look)


async def a_whole_case(clients: dict[str, httpx.AsyncClient]) -> Clerks:
    """Every kind of words: from the source, its unit, the triage desk; drafts, answers, a disclosure; withdrawn at the end."""
    clerks = Clerks(clients)

    async def accepted() -> str:
        response = await clients[SOURCE].post("/v1/complaints", json=full(), headers={"Idempotency-Key": WORDS["kunci"]})
        return str(response.json()["id"]) if response.status_code == 202 else ""

    clerks.complaint_id = await until("intake accepts", accepted)
    await clerks.until_line("assigned to")
    await clerks.say(UNIT, "disclosures", 200, purpose=WORDS["tujuan"])
    answer = {"text": WORDS["konsep"], "is_final": True, "drafted_by": WORDS["petugas"]}
    await clerks.say(UNIT, "updates", update_id="1", status="answered", answer=answer)
    await clerks.say(UNIT, "updates", update_id="2", status="need_info", reason=WORDS["alasan"])
    await clerks.until_line("need info by")
    await clerks.say(UNIT, "updates", update_id="2b", status="need_info", reason=WORDS["titipan"])
    await clerks.say(UNIT, "updates", update_id="2c", status="resumed")
    await clerks.until_line("resumed by")
    part = (await clerks.seen())["assignments"][0]["part"]
    order: dict[str, Any] = {"replaces": [part], "order": {"unit": "imigrasi"}, "reason": WORDS["perintah"]}
    await clerks.say(TRIAGE, "decisions", decision_id="3", **order)
    await clerks.until_line("decision 1 asked for")

    async def assigned_anew() -> bool:
        return [item["state"] for item in (await clerks.seen())["assignments"]] == ["replaced", "assigned"]

    await until("the order is carried out", assigned_anew)
    answer = {"text": WORDS["jawaban"], "is_final": True, "drafted_by": WORDS["petugas"], "approved_by": WORDS["pejabat"]}
    await clerks.say(UNIT, "updates", update_id="4", status="answered", answer=answer)
    await clerks.until_line("answered by")
    fields = {"disposition": [{"name": WORDS["disposisi"]}]}
    await clerks.say(
        SOURCE, "changes", change_id="5", kind="withdrawn", text=WORDS["komentar"], source_status=WORDS["status"], fields=fields
    )
    await clerks.until_line("withdrawn by source")
    return clerks


async def outcome_of(world: World, complaint_id: str) -> dict[str, Any]:
    """All that must stay as it was."""
    shown = await asked(world, "cases", "show", complaint_id)
    return {name: shown[name] for name in ("state", "class", "reported_at", "assignments", "clocks", "answers", "first_outcome")}


async def test_what_was_written_is_erased_everywhere_and_stays_away(world: World) -> None:
    intake, _router, _notifier = [await world.start(service) for service in ("intake", "router", "notifier")]
    clerks = await a_whole_case({role: await world.entered(world.client(intake, role)) for role in (SOURCE, UNIT, TRIAGE)})
    complaint_id = clerks.complaint_id
    words = set(WORDS) - {"ekspor"}
    kept = await found_in(world, *WORDS.values())
    assert {word for hits in kept.values() for word in hits} == {WORDS[name] for name in words}, "each word is kept somewhere before"
    assert {"notifier.timeline_texts", "notifier.reports", "router.decisions", "intake.reports", "intake.cases"} <= kept.keys()
    assert "notifier.timeline" not in kept, "what somebody wrote lies beside the lines"
    now = (await world.now()).astimezone(ZoneInfo("Asia/Jakarta"))
    report_of_then = ("report", "--quarter", f"{now.year}Q{(now.month + 2) // 3}", "--as-of", now.isoformat(timespec="seconds"))
    before, account = await outcome_of(world, complaint_id), await asked(world, *report_of_then)

    held = await jalur(world, "erase", "hold", complaint_id, "--reason", "perkara 12/Pid/2026")
    assert held.exit_code == 0, held
    refused = await jalur(world, "erase", complaint_id, "--reason", "requested")
    assert (refused.exit_code, "perkara 12/Pid/2026" in refused.stderr) == (4, True), refused
    assert (await jalur(world, "erase", "release", complaint_id, "--reason", "putusan tetap")).exit_code == 0

    proof = await asked(world, "erase", complaint_id, "--reason", "requested")
    assert await found_in(world, *WORDS.values(), "5371014107900001") == {}
    assert (proof["reason"], proof["remaining"], proof["removed"]["notifier.timeline_texts"]) == ("requested", 0, 4)
    assert set(kept) - {"intake.cases", "intake.identities", "notifier.outbox", "intake.outbox"} <= proof["removed"].keys()
    assert proof["kafka"][world.topics.changes] > proof["kafka"][world.topics.received] > proof["erased_at"]
    assert await outcome_of(world, complaint_id) == before
    assert await asked(world, *report_of_then) == account, "the account of that time is the same"
    verified = await asked(world, "cases", "verify", complaint_id)
    assert (verified["broken"], verified["erased"]) == ([], 4)
    assert (await jalur(world, "cases", "republish", complaint_id)).exit_code == 0
    again = await asked(world, "erase", complaint_id, "--reason", "requested")
    assert (again["removed"], again["erased_at"], len(again["earlier"])) == ({}, None, 1), "a second time nothing is left"
    assert (await jalur(world, "erase", "list")).stdout == f"{complaint_id}\n"

    await _nothing_comes_back(world, clerks)
    await _the_last_status_in_kafka_has_no_words(world, complaint_id)


async def _nothing_comes_back(world: World, clerks: Clerks) -> None:
    """Kafka's copies come again, and one that was never read; the source sends its export and its request anew; the case goes on."""
    copies = await world.records(world.topics.received, world.topics.changes, world.topics.routed("imigrasi"))
    assert any(WORDS["isi"].encode() in (item.value or b"") for item in copies), "Kafka's end with their retention"
    accepted_at = next(payload(item)["accepted_at"] for item in copies if item.topic == world.topics.received)
    late = ComplaintChanged(
        change_id="late", complaint_id=UUID(clerks.complaint_id), source="lapor", kind="replied", by=SOURCE, accepted_at=accepted_at,
        fields={"title": WORDS["judul"]}, text=WORDS["komentar"], source_status=WORDS["status"],
    )  # fmt: skip
    for item in copies:
        await world.send(item.topic, item.value, key=item.key, headers=item.headers)
    message = message_of(world.topics, late)
    await world.send(message.topic, message.value, key=message.key, headers=message.headers)
    row = {"row": 1, "exported_at": "2026-07-14T00:00:00Z", "report": full(text=WORDS["ekspor"], source_status="Selesai")}
    imported = await clerks.clients[SOURCE].post("/v1/imports", json=row)
    assert json.loads(imported.text)["outcome"] == "same", imported.text
    assert (await clerks.clients[SOURCE].post("/v1/complaints", json=full())).status_code == 422, "known, and not to be compared any more"
    await clerks.say(SOURCE, "changes", change_id="6", kind="reopened", text="Dibuka lagi.")
    case = await clerks.until_line("reopened by source")
    assert case["state"] not in ("withdrawn", "closed")
    assert any(entry["what"].startswith("replied by source") for entry in case["timeline"])
    assert await found_in(world, *WORDS.values(), "5371014107900001") == {}
    assert (await asked(world, "cases", "verify"))["broken"] == []
    assert await world.db.fetchval("SELECT count(*) FROM intake.complaints") == 1


async def _the_last_status_in_kafka_has_no_words(world: World, complaint_id: str) -> None:
    statuses = [payload(item) for item in await world.records(world.topics.status)]
    assert any(WORDS["alasan"] in str(item) for item in statuses)
    assert not [word for word in WORDS.values() if word in str(statuses[-1])]
    assert statuses[-1]["complaint_id"] == complaint_id
