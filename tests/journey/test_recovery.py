"""Yesterday's database beside a newer Kafka, and a database whose Kafka is gone: nothing is lost, nobody gets a second part."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import CliRunner

from services.cli import app
from shared.events import CaseStatus
from shared.units import UNIT_SLUGS
from tests.bus import caught_up, follow_ups, ready, statuses
from tests.world import World, event_ids, report, until

FIRINGS = ("reminder", "due", "overdue", "escalated", "unacknowledged")
SECRET = "Telepon saya 081234567890. "


async def jalur(world: World, *words: str) -> str:
    environ = {
        "JALUR_KAFKA": world.bootstrap,
        "JALUR_POSTGRES": world.dsn,
        "JALUR_NAMESPACE": world.topics.namespace,
        "JALUR_DATA": "no-stack-here",
        "COLUMNS": "300",
    }
    done = await asyncio.to_thread(CliRunner().invoke, app, list(words), None, environ)
    assert done.exit_code == 0, (done.stdout, done.stderr, done.exception)
    return done.stdout


async def asked(world: World, *words: str) -> Any:
    said = await jalur(world, *words, "--json")
    return json.loads(next(line for line in said.splitlines() if line.startswith("{")))


@dataclass
class Office:
    """Who works with the installation while its services run."""

    world: World
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def submit(self, reference: str, **fields: Any) -> httpx.Response:
        async def answer() -> httpx.Response | None:
            found = await self.clients["source:lapor"].post("/v1/complaints", json=report(source_ref=reference, **fields))
            return None if found.status_code == 503 else found

        found = await until("intake answers", answer)
        assert found is not None
        return found

    async def accept(self, *references: str) -> list[str]:
        """Their complaint ids."""
        found = []
        for reference in references:
            response = await self.submit(reference, text=SECRET + report()["text"])
            assert response.status_code == 202, response.text
            found.append(str(response.json()["id"]))
        return found

    async def say(self, role: str, what: str, complaint_id: str, **body: Any) -> None:
        response = await self.clients[role].post(f"/v1/complaints/{complaint_id}/{what}", json=body)
        assert response.status_code == 202, response.text

    async def settled(self, *complaint_ids: str) -> dict[str, CaseStatus]:
        """All that was said is applied, these complaints are decided, and the read model shows it."""
        for service in ("router", "notifier"):
            await caught_up(self.world, service)

        async def look() -> dict[str, CaseStatus]:
            found = await statuses(self.world)
            rows = await self.world.db.fetch("SELECT complaint_id, sequence FROM intake.cases")
            shown = {str(row["complaint_id"]): row["sequence"] for row in rows}
            is_settled = all(name in found and found[name].state != "received" for name in complaint_ids)
            return found if is_settled and all(shown.get(name, 0) >= item.sequence for name, item in found.items()) else {}

        return await until("all is settled", look)


ROLES = ("source:lapor", "unit:imigrasi", "triage")


@asynccontextmanager
async def working(world: World, *services: str) -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        intake = await stack.enter_async_context(world.running("intake"))
        for service in services:
            await stack.enter_async_context(world.running(service))
        yield Office(world, {role: await stack.enter_async_context(world.client(intake, role)) for role in ROLES})


async def log_of(world: World) -> dict[Any, tuple[Any, ...]]:
    return {row["causing_id"]: tuple(row) for row in await world.db.fetch("SELECT * FROM router.decisions")}


async def parts_of(world: World) -> set[str]:
    routed = [world.topics.routed(unit) for unit in UNIT_SLUGS]
    return set(event_ids(await world.records(*routed, world.topics.triage, world.topics.transferred)))


def gist(status: CaseStatus) -> tuple[Any, ...]:
    """What a case is, but for how it was numbered."""
    assignments = [(item.id, item.state, item.part) for item in status.assignments]
    return (status.state, assignments, sorted((item.code, item.due_at, item.state) for item in status.clocks), status.answers)


async def test_a_restored_database_gets_back_from_kafka_what_it_lost(world: World, tmp_path: Path) -> None:
    folder, key = str(tmp_path / "backup"), str(tmp_path / "key")
    await jalur(world, "backup", "--new-key", key)
    async with working(world, "router", "notifier") as office:
        old = await office.accept(*(f"A-{number}" for number in range(12)))
        await office.settled(*old)
        await jalur(world, "backup", folder, "--key-file", key)  # while all work

        new = await office.accept(*(f"B-{number}" for number in range(6)))
        before = await office.settled(*new)
        at = {name: next(item.id for item in before[name].assignments) for name in (*old, *new)}
        await office.say("unit:imigrasi", "updates", old[0], update_id="u-1", status="accepted", assignment_id=str(at[old[0]]))
        returned = {"status": "returned", "reason": "bukan kami", "suggested_unit": "ahu"}
        await office.say("unit:imigrasi", "updates", old[1], update_id="u-2", assignment_id=str(at[old[1]]), **returned)
        order = {"replaces": ["0/0"], "order": {"unit": "ham"}, "reason": "salah alamat"}
        await office.say("triage", "decisions", old[2], decision_id="d-1", **order)
        await office.say("source:lapor", "changes", old[3], change_id="c-1", kind="withdrawn")
        answer = {"text": "Sudah selesai.", "is_final": True, "approved_by": "kepala"}
        done = {"status": "answered", "outcome": "completed", "answer": answer, "assignment_id": str(at[new[0]])}
        await office.say("unit:imigrasi", "updates", new[0], update_id="u-3", **done)

        async def decided_anew() -> bool:
            return bool(await world.db.fetchval("SELECT count(*) = 2 FROM router.decisions WHERE decision = 1"))

        await until("two were decided anew", decided_anew)
        await office.settled(*old, *new)
        await world.advance(timedelta(days=8))

        async def fired() -> bool:
            return len([item for item in await follow_ups(world, "imigrasi", "setjen") if item.kind in FIRINGS]) >= len(old)

        await until("deadlines fire", fired)
        truth = await office.settled()
    log, parts = await log_of(world), await parts_of(world)
    told = [item for item in await follow_ups(world, *UNIT_SLUGS, "triage") if item.kind in FIRINGS]
    clock = await world.db.fetch("SELECT * FROM jalur.clock_offsets")  # time is no property of a database: it goes on

    await jalur(world, "restore", folder, "--key-file", key, "--replace", "--yes")
    await world.db.executemany("INSERT INTO jalur.clock_offsets VALUES ($1, $2) ON CONFLICT DO NOTHING", [tuple(row) for row in clock])
    assert await world.db.fetchval("SELECT count(*) FROM intake.complaints") == len(old)
    async with world.running("intake") as intake:  # no service begins on it yet
        assert await ready(intake) == (False, {"schema": "is not in place yet"})
    counts = await asked(world, "recover")
    assert {name: counts[name] for name in ("complaints", "decisions", "requests", "undecided", "answers_without_text", "unreadable")} == {
        "complaints": len(new), "decisions": len(new) + 2, "requests": 2, "undecided": 0, "answers_without_text": 1, "unreadable": 0,
    }  # fmt: skip
    assert await log_of(world) == log

    async with working(world, "router", "notifier") as office:

        async def is_as_before() -> bool:
            now = await office.settled(*old, *new)
            return {name: gist(item) for name, item in now.items()} == {name: gist(item) for name, item in truth.items()}

        await until("each case is as it was", is_as_before, within=30)
        assert await parts_of(world) == parts
        assert await log_of(world) == log
        again = [item for item in await follow_ups(world, *UNIT_SLUGS, "triage") if item.kind in FIRINGS]
        assert {firing(item) for item in again} == {firing(item) for item in told}
        # What the sources know the complaints by leads to them still, and a repeat gives back what Kafka never had.
        assert "081234567890" not in await original(world, new[0])
        assert (await office.accept("B-0", "A-0")) == [new[0], old[0]]
        assert "081234567890" in await original(world, new[0])
        assert (await office.submit("B-1", text="Hal lain sama sekali.")).status_code == 422
        # And work goes on.
        await office.settled(*await office.accept("C-0"))
    await jalur(world, "cases", "verify")
    assert not (await asked(world, "cases", "republish", "--all", "--check"))["differences"]


def firing(item: Any) -> tuple[Any, ...]:
    return (item.complaint_id, item.assignment_id, item.code, item.level, item.occurrence, item.kind)


async def original(world: World, complaint_id: str) -> str:
    return str(await world.db.fetchval("SELECT original FROM intake.reports WHERE complaint_id::text = $1", complaint_id))


async def test_an_empty_kafka_is_filled_from_the_database_under_the_same_ids(world: World) -> None:
    async with working(world, "router", "notifier") as office:
        cases = await office.accept(*(f"A-{number}" for number in range(8)))
        await office.settled(*cases)
        await office.say("source:lapor", "changes", cases[0], change_id="c-1", kind="withdrawn")
        order = {"replaces": ["0/0"], "order": {"unit": "ham"}, "reason": "salah alamat"}
        await office.say("triage", "decisions", cases[1], decision_id="d-1", **order)

        async def decided_anew() -> bool:
            return bool(await world.db.fetchval("SELECT count(*) FROM router.decisions WHERE decision = 1"))

        await until("one was decided anew", decided_anew)
        truth = await office.settled(*cases)
    parts, status_ids = await parts_of(world), set(event_ids(await world.records(world.topics.status)))
    async with working(world) as office:  # accepted, sent, and read by nobody when Kafka goes
        late = await office.accept("B-0", "B-1")
        await office.say("source:lapor", "changes", cases[2], change_id="c-2", kind="withdrawn")
        await office.say("triage", "decisions", cases[3], decision_id="d-2", **order)
        await world.until_records(3 + 1, world.topics.changes)

    await lose_kafka(world)
    counts = await asked(world, "recover", "--kafka-lost")
    open_now = [item for item in truth.values() if item.state not in ("withdrawn", "closed")]
    assert counts["topics_created"] == len(world.topics.all())
    assert (counts["received"], counts["changes"], counts["statuses"]) == (2, 2, len(cases))
    assert counts["parts"] == len(open_now) + 1  # one of them was decided twice
    async with working(world, "router", "notifier") as office:

        async def is_carried_on() -> bool:
            now = await office.settled(*late)
            is_withdrawn, moved = now[cases[2]].state == "withdrawn", [item.unit for item in now[cases[3]].assignments]
            return is_withdrawn and moved == ["imigrasi", "ham"]

        await until("what nobody had read is carried on", is_carried_on)
        now = await office.settled()
        unmoved = [name for name in cases if name not in cases[2:4]]
        assert {name: now[name] for name in unmoved} == {name: truth[name] for name in unmoved}
        assert {str(item) for item in (await last_ids(world, unmoved))} <= status_ids
    # New are the first parts of the two late ones, and the part that the late order asked for.
    assert len(await parts_of(world) - parts) == len(late) + 1
    assert await world.db.fetchval("SELECT count(*) FROM router.decisions") == len(cases) + len(late) + 2


async def last_ids(world: World, complaint_ids: list[str]) -> list[str]:
    found: dict[str, str] = {}
    for record in await world.records(world.topics.status):
        found[dict(record.headers)["ce_subject"].decode()] = dict(record.headers)["ce_id"].decode()
    return [found[name] for name in complaint_ids]


async def lose_kafka(world: World) -> None:
    """Its topics, and with them where the groups stood."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    try:
        names = [topic.name for topic in world.topics.all()]
        await admin.delete_topics(names)

        async def are_gone() -> bool:
            return not set(names) & set(await admin.list_topics())

        await until("the topics are gone", are_gone)
    finally:
        await admin.close()
