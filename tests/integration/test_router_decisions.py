"""A decision is taken once, whatever the rules say later and however many routers there are."""

from importlib.resources import files
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.testing import capture_logs

from services.router.domain import Assign, Hold
from shared.envelope import part_id, received_id
from shared.events import Reason
from tests.bus import caught_up, consumed, put, until_shared
from tests.facts import received
from tests.judges import WordJudge, judge_with
from tests.unit.test_router_domain import decided, disposed
from tests.world import World, event_ids, payload, until


async def from_the_beginning(world: World, group: str, topic: str) -> None:
    """Let the group, which has no members now, read everything again."""
    consumer = AIOKafkaConsumer(bootstrap_servers=world.bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(3)]
    consumer.assign(partitions)
    await consumer.commit(dict.fromkeys(partitions, 0))
    await consumer.stop()


async def test_a_second_delivery_under_other_rules_says_the_same_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = await world.now()
    first, second = uuid4(), uuid4()
    imigrasi, ahu = world.topics.routed("imigrasi"), world.topics.routed("ahu")
    words = {"title": "Paspor", "text": "Paspor saya belum jadi di kantor imigrasi."}
    await put(world, received(first, now, **words))
    judge_with(monkeypatch)
    async with world.running("router"):
        await caught_up(world, "router")
    (before,) = await world.records(imigrasi)

    judge_with(monkeypatch, WordJudge("paspor-2", {"paspor": {"ahu": 0.9}}))
    await put(world, received(second, now, **words))
    await from_the_beginning(world, world.topics.group("router"), world.topics.received)
    async with world.running("router"):
        await caught_up(world, "router")
    repeated, other = await world.records(imigrasi), await world.records(ahu)
    assert [payload(record)["complaint_id"] for record in other] == [str(second)], "the other rules are in force"
    assert payload(other[0])["rules_version"] != payload(before)["rules_version"]
    assert len(repeated) == 2
    assert {(record.key, record.value, tuple(record.headers)) for record in repeated} == {(before.key, before.value, tuple(before.headers))}


async def test_two_routers_share_the_load_and_say_everything_once_by_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = await world.now()
    judge_with(monkeypatch)
    one, other = await world.start("router"), await world.start("router")
    await until_shared(one, other)
    cases = [uuid4() for _ in range(300)]
    await put(world, *(received(case, now, title="Paspor", text="Paspor saya belum jadi di kantor imigrasi.") for case in cases))
    await caught_up(world, "router")
    events = event_ids(await world.records(world.topics.routed("imigrasi")))
    assert sorted(events) == sorted(str(part_id(received_id(case), 0)) for case in cases)
    assert await consumed(one) + await consumed(other) == 300
    assert min(await consumed(one), await consumed(other)) > 50


async def test_another_mix_of_destinations_is_seen_and_said_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judge_with(monkeypatch)
    now = await world.now()
    add = """
        INSERT INTO router.decisions (causing_id, complaint_id, decision, decided_at, rules_version, report, taken, destination, decided_by)
        SELECT gen_random_uuid(), gen_random_uuid(), $4, $1::timestamptz - make_interval(hours => $2), '1', '', '', $3, $5
        FROM generate_series(1, 600)
    """
    await world.db.execute(add, now, 72, "imigrasi", 0, "router")
    await world.db.execute(add, now, 24 * 30, "ki", 0, "router")  # too long ago
    await world.db.execute(add, now, 2, "ki", 1, "router")  # not first decisions
    await world.db.execute(add, now, 2, "ki", 0, "source")  # not the router's
    await world.db.execute(add, now, 2, None, 0, "router")  # history
    await world.db.execute(add, now, 2, "triage", 0, "router")
    with capture_logs() as logs:
        app = await world.start("router")
        drift = await until("the drift is measured", lambda: measured(app, "jalur_router_mix_drift"))
    assert drift > 1
    assert [entry["log_level"] for entry in logs if "mix of units" in entry["event"]] == ["warning"]


async def measured(app: object, name: str) -> float:
    """0 until it is a number."""
    import httpx

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:  # type: ignore[arg-type]
        lines = (await client.get("/metrics")).text.splitlines()
    values = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)]
    return sum(value for value in values if value == value)


async def test_what_was_logged_before_the_mix_was_counted_is_counted_after_the_migration(world: World) -> None:
    now = await world.now()
    odd = decided().model_copy(update={"reasons": (Reason(kind="term", value='\x00 \\\x00 \\\\u0000" paspor', weight=1.0),)})
    taken = [
        odd.model_copy(update={"parts": (Assign("ki"), Assign("ahu"))}),
        odd.model_copy(update={"parts": (Hold("vague"),)}),
        decided(is_final=True),
        decided(**disposed("AHU")),
    ]
    async with world.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL search_path TO router; ALTER TABLE decisions DROP COLUMN destination, DROP COLUMN decided_by")
        for number, decision in enumerate(taken):
            await connection.execute(
                "INSERT INTO decisions (causing_id, complaint_id, decision, decided_at, rules_version, report, taken)"
                " VALUES (gen_random_uuid(), gen_random_uuid(), $1, $2, '1', '', $3)",
                number, now, decision.to_json(),
            )  # fmt: skip
        await connection.execute((files("services.router") / "migrations" / "002_mix.sql").read_text(encoding="utf-8"))
        rows = await connection.fetch("SELECT destination, decided_by FROM decisions ORDER BY decision")
    assert [tuple(row) for row in rows] == [("ki", "router"), ("triage", "router"), (None, "router"), ("ahu", "source")]
