"""`complaints.reroutes` on the real thing: what is asked for is decided once by its number, and nothing that was asked vanishes."""

import json
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from structlog.testing import capture_logs

from shared.breaker import resume
from shared.envelope import Message, enclose, part_id, received_id
from shared.errors import TryAgain
from shared.events import RerouteRequested
from shared.publisher import Publisher
from shared.units import UNIT_SLUGS
from tests.bus import caught_up, put, ready, until_ready
from tests.facts import received
from tests.integration.test_router_decisions import from_the_beginning, measured
from tests.judges import PASPOR, WordJudge, judge_with
from tests.world import World, event_ids, payload, until

TYPE = (("ce_type", b"id.jalur.complaint.reroute-requested.v1"),)
OTHER = WordJudge("other-1", {"paspor": {"ki": 0.9}})


def request_id(complaint_id: UUID, decision: int) -> UUID:
    return uuid5(complaint_id, f"decision/{decision}")


def request(world: World, complaint_id: UUID, decision: int = 1, event_id: UUID | None = None, **known: Any) -> Message:
    """As the notifier writes it; by default what a unit's return asks for."""
    at = known.pop("at", None) or received(complaint_id).accepted_at
    fields = {
        "complaint_id": complaint_id, "source": "lapor", "title": "Paspor", "text": "Paspor saya belum jadi.", "reported_at": at,
        "accepted_at": at, "decision": decision, "replaces": [f"{decision - 1}/0"], "cause": "returned", "by": "unit:imigrasi",
        "refused_units": ["imigrasi"], "transfers": 1,
    }  # fmt: skip
    return enclose(
        RerouteRequested.model_validate(fields | known), topic=world.topics.reroutes, complaint_id=complaint_id,
        event_id=event_id or request_id(complaint_id, decision), source="notifier", at=at, sequence=decision,
    )  # fmt: skip


async def decided(world: World) -> "list[ConsumerRecord[bytes, bytes]]":
    """All that the router has said, in the order of each topic."""
    return await world.records(*(world.topics.routed(unit) for unit in UNIT_SLUGS), world.topics.triage, world.topics.transferred)


def said(record: "ConsumerRecord[bytes, bytes]") -> tuple[str, int]:
    return record.topic.partition("complaints.")[2], payload(record)["decision"]


async def reroutes_read(world: World) -> None:
    """Wait until the router's group has committed all requests that lie there now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=world.bootstrap, group_id=world.topics.group("router-reroutes"), enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(world.topics.reroutes, number) for number in range(3)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)

        async def look() -> bool:
            return all([(await consumer.committed(item) or 0) >= end for item, end in ends.items()])

        await until("the router has read all requests", look)
    finally:
        await consumer.stop()


async def test_a_return_walks_the_ranking_and_an_order_is_obeyed_and_both_carry_their_number(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_with(monkeypatch)
    case = uuid4()
    router = await world.start("router")
    await put(world, received(case, title="Paspor"))
    await caught_up(world, "router")
    orders: dict[str, Any] = {"cause": "ordered", "by": "triage", "reason": "Legalisasi.", "order": {"unit": "imigrasi"}, "transfers": 2}
    await put(
        world,
        request(world, case, 1),
        request(world, case, 2, **orders),
        request(world, case, 3, cause="ordered", by="admin", order={"agency": "Kejaksaan"}),
        request(world, case, 4, cause="ordered", by="admin", order={"hold": True}),
    )
    await reroutes_read(world)
    found = await decided(world)
    assert sorted(map(said, found)) == [
        ("routed.ahu", 1),
        ("routed.imigrasi", 0),
        ("routed.imigrasi", 2),
        ("transferred", 3),
        ("triage", 4),
    ]
    by_number = {payload(record)["decision"]: payload(record) for record in found}
    assert set(event_ids(found)) == {str(part_id(received_id(case) if number == 0 else request_id(case, number), 0)) for number in range(5)}
    walked, ordered = by_number[1], by_number[2]
    assert (walked["decided_by"], walked["transfers"], walked["suggestion"]) == ("router", 1, None)
    assert (ordered["decided_by"], ordered["transfers"], ordered["suggestion"]["unit"]) == ("human", 2, "ahu")
    assert ordered["assignment_id"] == str(uuid5(case, "2/0"))
    assert {"kind": "human", "value": "ordered by triage: Legalisasi.", "weight": 1.0} in ordered["reasons"]
    assert (by_number[3]["agency"], by_number[4]["why"]) == ("Kejaksaan", "ordered")
    assert {"cause", "by", "order", "refused_units"}.isdisjoint(walked), "an event says what was decided"
    assert await measured(router, "jalur_router_returned_total") == 1
    assert await measured(router, 'jalur_router_returned_total{band="0.80-0.90",decided_by="router",unit="imigrasi"}') == 1
    assert await measured(router, 'jalur_router_returned_reasons_total{band="0.80-0.90",reason="term"}') == 1
    assert await measured(router, 'jalur_router_ordered_total{agreed="no"') == 3
    assert await measured(router, 'jalur_router_ordered_reasons_total{agreed="no"') == 3
    await until_ready(router)


async def test_requests_of_one_batch_are_published_in_their_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judge_with(monkeypatch)
    case = uuid4()
    numbers = list(range(1, 40))
    await put(world, *(request(world, case, number, cause="ordered", order={"unit": "ki"}) for number in numbers))
    await world.start("router")
    await reroutes_read(world)
    assert [said(record) for record in await decided(world)] == [("routed.ki", number) for number in numbers]


async def test_a_repeat_under_another_judge_says_the_same_again_and_is_counted_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case = uuid4()
    await put(world, request(world, case, 1), request(world, case, 2, cause="edited"))
    judge_with(monkeypatch)
    async with world.running("router"):
        await reroutes_read(world)
    before = await decided(world)
    judge_with(monkeypatch, OTHER)
    await from_the_beginning(world, world.topics.group("router-reroutes"), world.topics.reroutes)
    async with world.running("router") as router:
        await reroutes_read(world)
        assert await measured(router, "jalur_router_repeated_total") == 2
        assert await measured(router, "jalur_router_decided_total") == 0
        assert await measured(router, "jalur_router_returned_total") == 0
    after = await decided(world)
    assert len(after) == 2 * len(before) == 4
    assert {(record.topic, record.key, record.value, tuple(record.headers)) for record in after} == {
        (record.topic, record.key, record.value, tuple(record.headers)) for record in before
    }


async def test_a_router_that_dies_between_the_log_and_kafka_says_what_it_had_decided_when_it_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = uuid4()
    send = Publisher.send_surely
    judge_with(monkeypatch)

    async def nothing_leaves(*_: Any, **__: Any) -> None:
        raise TryAgain("Kafka is away")

    monkeypatch.setattr(Publisher, "send_surely", nothing_leaves)
    async with world.running("router"):
        await put(world, request(world, case))
        await until("it is logged", lambda: world.db.fetchval("SELECT count(*) FROM router.decisions"))
    assert await decided(world) == []
    monkeypatch.setattr(Publisher, "send_surely", send)
    judge_with(monkeypatch, OTHER)
    async with world.running("router"):
        await reroutes_read(world)
    (event,) = await decided(world)
    assert said(event) == ("routed.ahu", 1)
    assert payload(event)["rules_version"] == PASPOR.version


@pytest.mark.parametrize("is_one_batch", [True, False])
async def test_a_number_that_another_request_has_taken_decides_nothing_new_and_is_said_loudly(
    world: World, monkeypatch: pytest.MonkeyPatch, is_one_batch: bool
) -> None:
    judge_with(monkeypatch)
    case, other = uuid4(), uuid4()
    first = request(world, case)
    # The same number under another id; and the same id for another complaint, which must not be answered with this one's decision.
    late = [
        request(world, case, event_id=uuid4(), cause="ordered", order={"unit": "ki"}),
        request(world, other, event_id=request_id(case, 1)),
    ]
    if is_one_batch:
        await put(world, first, *late, partition=0)
    with capture_logs() as logs:
        router = await world.start("router")
        if not is_one_batch:
            await put(world, first)
            await reroutes_read(world)
            await put(world, *late)
        await reroutes_read(world)
    (event,) = await decided(world)
    assert (said(event), event.key) == (("routed.ahu", 1), case.bytes)
    assert await measured(router, "jalur_router_conflicting_total") == 2
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert {(entry["complaint_id"], entry["decision"]) for entry in errors} == {(str(case), 1), (str(other), 1)}
    assert await world.records(world.topics.dead_letters("router")) == []


async def test_two_routers_take_each_number_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judge_with(monkeypatch)
    cases = [uuid4() for _ in range(200)]
    async with world.running("router") as one, world.running("router") as other:
        await until("the first has requests to read", lambda: assigned(one))
        await until("the other has requests to read", lambda: assigned(other))
        await put(world, *(request(world, case) for case in cases))
        await reroutes_read(world)
    assert sorted(event_ids(await decided(world))) == sorted(str(part_id(request_id(case, 1), 0)) for case in cases)


async def assigned(app: Any) -> bool:
    return bool(app.state.reroutes.progress.assigned())


async def test_what_cannot_be_read_is_held_where_its_number_can_and_dead_where_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judge_with(monkeypatch)
    topic = world.topics.reroutes
    ids = {name: uuid4() for name in ("odd unit", "no report", "no number", "zero", "broken", "typed", "foreign", "huge", "good")}
    good = json.loads(request(world, ids["good"], at=await world.now()).value or b"")

    def odd(name: str, headers: Any = TYPE, **known: Any) -> Message:
        return Message(topic, ids[name].bytes, json.dumps(good | {"complaint_id": str(ids[name])} | known).encode(), headers)

    event_id = uuid4()
    await put(
        world,
        odd("odd unit", (*TYPE, ("ce_id", str(event_id).encode())), order={"unit": "kemenkes"}, decision=3),
        Message(topic, ids["no report"].bytes, b'{"decision": 7}', (("ce_id", b"\xff"),)),
        odd("no number", decision=None),
        odd("zero", decision=0),
        Message(topic, ids["broken"].bytes, b'{"decision": 1, "title": "NIK 5371014101900001', ()),
        odd("typed", (("ce_type", b"id.jalur.case.update.v1"),)),
        Message(topic, ids["foreign"].bytes, json.dumps(good).encode(), TYPE),
        odd("huge", decision=2**40),
        Message(topic, b"5049672", json.dumps(good).encode(), TYPE),
        odd("good", (("ce_type", None), ("ce_id", b"x"))),
    )
    router = await world.start("router")
    await reroutes_read(world)
    found = {UUID(bytes=record.key): (said(record), payload(record)) for record in await decided(world)}
    assert {case: where for case, (where, _) in found.items()} == {
        ids["odd unit"]: ("triage", 3), ids["no report"]: ("triage", 7), ids["good"]: ("routed.ahu", 1),
    }  # fmt: skip
    held = found[ids["odd unit"]][1]
    assert (held["why"], held["causing_id"], held["title"], held["is_confidential"]) == ("unprocessable", str(event_id), None, True)
    assert found[ids["no report"]][1]["causing_id"] == str(request_id(ids["no report"], 7))
    letters = await world.records(world.topics.dead_letters("router"))
    reasons = {letter.key: dict(letter.headers)["x-dlq-reason"] for letter in letters}
    assert reasons == {
        ids["no number"].bytes: b"not_our_schema", ids["zero"].bytes: b"not_our_schema",
        ids["broken"].bytes: b"not_our_schema", ids["typed"].bytes: b"wrong_type", ids["foreign"].bytes: b"key_differs",
        ids["huge"].bytes: b"not_our_schema", b"5049672": b"no_complaint_id",
    }  # fmt: skip
    assert not [letter for letter in letters if b"5371014101900001" in dict(letter.headers)["x-dlq-error"]]
    await until_ready(router)


async def test_what_the_inspectorate_was_given_once_is_not_shown_to_an_office_by_newer_rules(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_with(monkeypatch)
    case = uuid4()
    async with world.running("router"):
        await put(world, received(case, title="Pungli", text="Pungli di loket paspor."))
        await caught_up(world, "router")
    judge_with(monkeypatch, OTHER)
    await put(
        world,
        request(world, case, 1, cause="edited", by="source:lapor", refused_units=[]),
        request(world, case, 2, by="unit:itjen", refused_units=["itjen"], replaces=["1/0"]),
        request(world, case, 3, cause="ordered", by="triage", order={"unit": "imigrasi"}),
    )
    router = await world.start("router")
    await reroutes_read(world)
    found = {payload(record)["decision"]: (said(record)[0], payload(record)) for record in await decided(world)}
    assert {number: where for number, (where, _) in found.items()} == {
        0: "routed.itjen",
        1: "routed.itjen",
        2: "triage",
        3: "routed.imigrasi",
    }
    assert (found[2][1]["why"], found[2][1]["text"]) == ("refused_by_all", None)
    assert (found[3][1]["desk"], found[3][1]["is_confidential"]) == (None, True)
    assert await measured(router, "jalur_router_returned_total") == 1


async def test_a_flood_of_unreadable_requests_stops_them_alone_until_an_operator_resumes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_with(monkeypatch)
    case = uuid4()
    await put(world, *(Message(world.topics.reroutes, uuid4().bytes, b'{"decision": 1}', ()) for _ in range(30)), partition=0)
    router = await world.start("router")

    async def is_stopped() -> bool:
        return "reroutes: breaker" in (await ready(router))[1]

    await until("the breaker of reroutes is open", is_stopped)
    await put(world, received(case, title="Paspor"))
    await caught_up(world, "router")
    assert [said(record) for record in await decided(world)] == [("routed.imigrasi", 0)], "new reports go on"
    async with world.db.acquire() as connection:
        assert await resume(connection, "router") == ["reroutes"]
    await until_ready(router)
    await reroutes_read(world)
    assert len(await decided(world)) == 31
