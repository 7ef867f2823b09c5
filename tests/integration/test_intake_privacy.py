"""Who reported, and what identifies a person, stays in intake: not in Kafka, not in an answer, not in a log or a metric."""

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.kafka import RunningKafka
from tests.assigned import assignment, tell
from tests.door import few_topics
from tests.processes import ServiceProcess
from tests.world import World, report, until

# Each of them stands in a text that is published masked, or in a field that is not published at all.
IDENTIFIERS = ("5371012505900003", "081234567890", "pelapor.rahasia@example.org", "09.254.294.3-407.000")
UNPUBLISHED = (
    "Namaku Rahasia",
    "Jalan Tersembunyi 17",
    "isian-formulir-rahasia",
    "lampiran-rahasia",
    "0897-0000-1111",
    "surat.lain@example.org",
)
SECRETS = (*IDENTIFIERS, *UNPUBLISHED)
SPOKEN = "NIK 5371012505900003, telepon 081234567890, surel pelapor.rahasia@example.org, NPWP 09.254.294.3-407.000"


def full(**fields: Any) -> dict[str, Any]:
    """A report with identifiers wherever a text can stand."""
    return report(
        **{
            "title": f"Paspor belum jadi, {SPOKEN}",
            "text": f"Saya mengurus paspor sejak Juni.\n{SPOKEN}\nMohon ditindaklanjuti.",
            "category": SPOKEN,
            "channel": SPOKEN,
            "location": dict.fromkeys(("province", "regency", "district", "village"), SPOKEN),
            "disposition": [{"name": f"Ditjen Imigrasi, {SPOKEN}", "at": "2026-07-13T09:00:00+07:00", "by": SPOKEN}],
            "source_status": SPOKEN,
            "relates_to": "isian-formulir-rahasia",
            "form": {"rahasia": "isian-formulir-rahasia", "nik": IDENTIFIERS[0]},
            "reporter": {
                "name": "Namaku Rahasia",
                "address": "Jalan Tersembunyi 17",
                "phone": "0897-0000-1111",
                "email": "surat.lain@example.org",
                "nik": IDENTIFIERS[0],
            },
            "attachments": [{"url": "https://example.org/lampiran-rahasia.jpg"}],
        }
        | fields
    )


def refused() -> list[bytes]:
    """Requests that are refused at each place where a refusal might quote them."""
    wrong: list[dict[str, Any]] = [
        full(reporter={"name": ["Namaku Rahasia"], "nik": 5371012505900003, "extra": SPOKEN}),
        full(title=SPOKEN * 20),
        full(text=SPOKEN * 400),
        full(service=SPOKEN),
        full(is_anonymous=SPOKEN),
        full(occurred_on=SPOKEN, reported_at=SPOKEN),
        full(attachments=[{"url": f"ftp://{SPOKEN}"}]),
        full(sp4n_tracking_id=SPOKEN * 3),
        full(text=f"{SPOKEN}\x00"),
        full(form={"a": f"{SPOKEN}\ud800"}),
        full(form={"a": 10**30, "b": SPOKEN}),
        full(prioritas=SPOKEN),
        full() | dict.fromkeys(IDENTIFIERS, 1),
        full(reporter=dict.fromkeys(IDENTIFIERS, 1)),
        full(form={SPOKEN: "\x07", f"{SPOKEN}\x07": 1}),
    ]
    whole = json.dumps(full())
    return [
        *(json.dumps(body).encode() for body in wrong),
        whole[: len(whole) // 2].encode(),
        whole.replace('"text"', f'"{SPOKEN}": NaN, "text"').encode(),
        whole.replace('"text"', f'"{SPOKEN}": 1, "{SPOKEN}": 2, "text"').encode(),
        f'"{SPOKEN}"'.encode(),
        SPOKEN.encode(),
        SPOKEN.encode() + b"\xff",
    ]


@pytest.fixture
async def world(kafka: RunningKafka, dsn: str) -> AsyncIterator[World]:
    async with World(kafka.bootstrap, dsn, f"t{secrets.token_hex(5)}") as created:
        yield created


async def test_no_secret_leaves_intake_by_any_way(world: World, tmp_path: Path) -> None:
    topics = await few_topics(world.bootstrap, world.topics.namespace)
    intake = ServiceProcess(world, "intake", tmp_path, JALUR_LOG_LEVEL="debug").start()
    seen: list[str] = []
    try:
        await intake.until_ready()
        async with httpx.AsyncClient(base_url=intake.url, headers=await world.key("source:lapor"), timeout=30) as http:
            halo = await world.key("source:halo_kumham")

            async def post(path: str, body: Any, status: int, headers: dict[str, str] | None = None) -> Any:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                response = await http.post(path, content=content, headers=headers)
                assert response.status_code == status, response.text
                seen.append(response.text)
                return response.json() if status == 202 else response

            made = await post("/v1/complaints", full(source_ref="1"), 202)
            await post("/v1/complaints", full(sp4n_tracking_id="1"), 202, halo)
            await post("/v1/complaints", full(source_ref="1", text=f"Isi lain. {SPOKEN}"), 422)
            await post("/v1/complaints/batch", json.dumps(full(source_ref="2")).encode() + b"\n" + b"\n".join(refused()), 200)
            fields = {name: value for name, value in full().items() if name not in ("source_status", "relates_to")} | {"reason": SPOKEN}
            change = {"change_id": "1", "kind": "edited", "text": SPOKEN, "source_status": SPOKEN, "fields": fields}
            await post(f"/v1/complaints/{made['id']}/changes", change, 202)
            await post(f"/v1/complaints/{made['id']}/changes", change | {"text": f"{SPOKEN}!"}, 422)
            for day, text in (("13", "lama"), ("14", "baru")):
                row = {"row": 1, "exported_at": f"2026-07-{day}T00:00:00Z", "report": full(source_ref="3", text=f"{text} {SPOKEN}")}
                await post("/v1/imports", row, 200)
            seen += [(await http.post("/v1/complaints", content=body)).text for body in refused()]

            await tell(world, made["id"], assignment())
            unit, triage = await world.key("unit:imigrasi"), await world.key("triage")
            case = f"/v1/complaints/{made['id']}"
            answer = {"text": SPOKEN, "is_final": True, "drafted_by": "Namaku Rahasia", "approved_by": "Jalan Tersembunyi 17"}
            said = {"update_id": "1", "status": "answered", "note": SPOKEN, "reason": SPOKEN, "answer": answer}
            await post(f"{case}/updates", said, 202, unit)
            await post(f"{case}/updates", said | {"note": f"{SPOKEN}!"}, 422, unit)
            await post(f"{case}/updates", said | {"update_id": "2", "status": SPOKEN, "outcome": SPOKEN}, 422, unit)
            await post(f"{case}/updates", said | {"update_id": "3", "answer": answer | {"approved_by": None}}, 202, unit)
            order = {"decision_id": "1", "replaces": ["0/0"], "order": {"agency": SPOKEN[:200]}, "reason": SPOKEN}
            await post(f"{case}/decisions", order, 202, triage)
            await post(f"{case}/decisions", order | {"order": {"unit": SPOKEN}, "replaces": [SPOKEN]}, 422, triage)
            disclosed = await http.post(f"{case}/disclosures", json={"purpose": SPOKEN}, headers=unit)
            assert (disclosed.status_code, SPOKEN in disclosed.text) == (200, True)

            # A bug, told by the database in words that quote the row, and the same of a whole group.
            await world.db.execute(
                """
                CREATE FUNCTION intake.quote() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'row: %', NEW.original USING DETAIL = NEW.original; END $$;
                CREATE TRIGGER quote BEFORE INSERT ON intake.reports FOR EACH ROW EXECUTE FUNCTION intake.quote();
                CREATE TRIGGER quote BEFORE INSERT ON intake.speech FOR EACH ROW EXECUTE FUNCTION intake.quote();
                """
            )
            await post("/v1/complaints", full(source_ref="4"), 500)
            await post("/v1/complaints/batch", b"\n".join(json.dumps(full(source_ref=str(number))).encode() for number in range(5, 9)), 200)
            await post(f"{case}/updates", said | {"update_id": "4"}, 500, unit)
            paths = ("/metrics", "/health/ready", "/openapi.json", case, "/v1/complaints?source_ref=1", "/v1/complaints?source_ref=3")
            seen += [(await http.get(path)).text for path in paths]

        async def is_sent() -> bool:
            return not await world.db.fetchval("SELECT count(*) FROM intake.outbox")

        await until("the outbox is empty", is_sent)
    finally:
        intake.stop()
    records = await world.records(topics.received, topics.changes, topics.dead_letters("intake"))
    assert {json.loads(record.value or b"")["complaint_id"] for record in records if record.topic == topics.received}
    assert len(records) == 9, "three reports, a joined one, a change, an import's change, an update, a decision and a disclosure"
    seen += [f"{record.value!r} {record.key!r} {record.headers!r}" for record in records]
    assert "A request failed because of a bug" in intake.log
    seen.append(intake.log)
    for secret in SECRETS:
        found = next((text for text in seen if secret in text), None)
        assert found is None, f"{secret} in {found[max(0, found.index(secret) - 300) :][:600]}"
    originals = str(await world.db.fetch("SELECT original FROM intake.reports UNION ALL SELECT original FROM intake.changes"))
    assert all(secret in originals for secret in SECRETS), "what was sent is kept as it came"
    stored = await world.db.fetch("SELECT received FROM intake.complaints")
    assert not any(secret.encode() in row["received"] for row in stored for secret in SECRETS)
