"""Intake and a real broker: it does without one, and what it accepted leaves in order once there is one."""

import json
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from deploy.local.kafka import RunningKafka
from shared.envelope import change_event_id, received_id
from shared.events import CaseStatus
from shared.schemas import committed
from tests.door import NOWHERE, Door, few_topics, replica
from tests.world import World, event_ids, payload, until

Records = list["ConsumerRecord[bytes, bytes]"]


@pytest.fixture
async def world(kafka: RunningKafka, dsn: str) -> AsyncIterator[World]:
    async with World(kafka.bootstrap, dsn, f"t{secrets.token_hex(5)}") as created:
        yield created


async def until_sent(world: World) -> None:
    async def is_empty() -> bool:
        return not await world.db.fetchval("SELECT count(*) FROM intake.outbox")

    await until("the outbox is empty", is_empty)


async def metric(door: Door, name: str) -> float:
    lines = (await door.http.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


async def test_what_is_accepted_without_a_broker_leaves_in_order_once_there_is_one(world: World) -> None:
    async with replica(world, kafka=NOWHERE) as door:
        ids = [(await door.accepted(source_ref=str(number)))["id"] for number in range(30)]
        for number in range(4):
            for complaint_id in ids:
                assert (await door.change(complaint_id, {"change_id": f"{number}/{complaint_id}", "kind": "replied"})).status_code == 202
        ready = await door.http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"], list(ready.json()["degraded"])) == (200, "degraded", ["kafka"])
        assert await metric(door, "jalur_intake_kafka_away") == 1
        waiting = await door.outbox()
        assert len(waiting) == 150

    topics = await few_topics(world.bootstrap, world.topics.namespace)
    async with replica(world) as door:
        await until_sent(world)
        received, changes = await world.records(topics.received), await world.records(topics.changes)
        assert sorted(event_ids(received)) == sorted(str(received_id(UUID(complaint_id))) for complaint_id in ids)
        by_complaint: dict[str, list[str]] = defaultdict(list)
        for record in changes:
            by_complaint[payload(record)["complaint_id"]].append(payload(record)["change_id"][:1])
        assert by_complaint == {complaint_id: ["0", "1", "2", "3"] for complaint_id in ids}
        assert len({record.partition for record in received}) == 2

        async def is_whole() -> bool:
            return bool((await door.http.get("/health/ready")).json()["status"] == "ready")

        await until("intake sees the broker", is_whole)
        assert await metric(door, "jalur_intake_kafka_away") == 0
    assert_binary_mode(received + changes)


def assert_binary_mode(records: Records) -> None:
    """CloudEvents 1.0, Kafka protocol binding §3.2: attributes as UTF-8 headers, the payload alone in the value."""
    schemas = committed()
    for record in records:
        headers = {name: value.decode() for name, value in record.headers}
        assert len(headers) == len(record.headers), "no header twice"
        value = json.loads(record.value or b"")
        complaint = UUID(bytes=record.key)
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_type"] in schemas
        assert headers["ce_source"] == "/jalur/intake"
        assert headers["ce_subject"] == value["complaint_id"] == str(complaint)
        assert headers["content-type"] == "application/json"
        assert datetime.fromisoformat(headers["ce_time"]) == datetime.fromisoformat(value["accepted_at"])
        assert headers["ce_time"].endswith("Z")
        is_change = headers["ce_type"] == "id.jalur.complaint.changed.v1"
        expected = change_event_id(complaint, value["by"], value["change_id"]) if is_change else received_id(complaint)
        assert headers["ce_id"] == str(expected)
        assert not any(name.startswith("ce_") for name in value)


async def test_the_trace_of_a_request_goes_on_with_its_event(world: World) -> None:
    topics = await few_topics(world.bootstrap, world.topics.namespace)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with replica(world) as door:
        door.http.headers["traceparent"] = trace
        traced = (await door.accepted())["id"]
        door.http.headers["traceparent"] = "no trace"
        await door.accepted()
        records = await world.until_records(2, topics.received)
    traces = {payload(record)["complaint_id"]: dict(record.headers).get("traceparent") for record in records}
    assert traces.pop(traced) == trace.encode()
    assert list(traces.values()) == [None]


async def test_an_event_that_kafka_refuses_for_good_holds_back_its_own_complaint_only(world: World) -> None:
    topics = await few_topics(world.bootstrap, world.topics.namespace, max_message_bytes="4000")
    async with replica(world, kafka=NOWHERE) as door:  # so that all of them go out in one round
        small = [(await door.accepted(source_ref=str(number)))["id"] for number in range(20)]
        large = (await door.accepted(text="Paspor saya belum jadi. " * 800))["id"]
        small += [(await door.accepted(source_ref=str(number)))["id"] for number in range(20, 40)]
    async with replica(world) as door:

        async def is_set_aside() -> bool:
            return bool(await world.db.fetchval("SELECT count(*) FROM intake.outbox_failed"))

        await until("the event is set aside", is_set_aside)
        for complaint_id in (large, *small):
            await door.change(complaint_id, {"change_id": complaint_id, "kind": "replied"})
        assert {payload(record)["complaint_id"] for record in await world.until_records(40, topics.received)} == set(small)
        assert {payload(record)["complaint_id"] for record in await world.until_records(40, topics.changes)} == set(small)
        assert [event.complaint_id for event in await door.outbox()] == [large]
        failed = await world.db.fetch("SELECT key, error FROM intake.outbox_failed")
        assert [(str(UUID(bytes=row["key"])), row["error"]) for row in failed] == [(large, "MessageSizeTooLargeError")]

        async def is_shown() -> bool:
            return await metric(door, "jalur_intake_outbox_failed_events") == 1

        await until("the metric shows it", is_shown)
        await world.db.execute("DELETE FROM intake.outbox_failed")
        await until_sent(world)


def status(complaint_id: str, sequence: int, state: str, **fields: Any) -> CaseStatus:
    return CaseStatus.model_validate(
        {
            "complaint_id": complaint_id,
            "source": "lapor",
            "source_ref": "5049672",
            "state": state,
            "reported_at": "2026-07-13T01:20:00Z",
            "sequence": sequence,
        }
        | fields
    )


async def tell(world: World, *statuses: CaseStatus, value: bytes | None = None) -> None:
    for item in statuses:
        await world.send(world.topics.status, item.to_json() if value is None else value, key=item.complaint_id.bytes)


ASSIGNED: dict[str, Any] = {
    "class": "pengaduan",
    "assignments": [
        {
            "id": str(UUID(int=9)), "unit": "imigrasi", "desk": "kanim:kupang", "state": "assigned", "since": "2026-07-13T01:20:03Z",
            "part": "0/0", "due_at": "2026-07-20T08:00:00Z",
        }
    ],
    "clocks": [
        {
            "code": "LAPOR_TINDAK_LANJUT", "unit": "imigrasi", "due_at": "2026-07-20T08:00:00Z", "state": "running",
            "assignment_id": str(UUID(int=9)), "occurrence": 1, "is_provisional": False,
        }
    ],
    "timeline": [{"at": "2026-07-13T01:20:03Z", "what": "assigned", "by": "router"}],
}  # fmt: skip


async def test_a_case_is_read_as_the_notifier_last_told_it_whatever_the_order(world: World) -> None:
    topics = await few_topics(world.bootstrap, world.topics.namespace)
    async with replica(world) as door:
        complaint_id = (await door.accepted(source_ref="5049672"))["id"]
        other = (await door.accepted(source_ref="1"))["id"]

        async def state(of: str = complaint_id) -> str:
            return str((await door.read(of)).json()["state"])

        assert await state() == "received"
        for role in ("unit:imigrasi", "desk:kanim:kupang"):
            assert (await door.read(complaint_id, role)).status_code == 404
        await tell(world, status(complaint_id, 1, "received"), status(complaint_id, 3, "assigned", **ASSIGNED))

        async def is_assigned() -> bool:
            return await state() == "assigned"

        await until("the newest status is applied", is_assigned)
        partition = UUID(complaint_id).bytes
        for value in (status(complaint_id, 2, "held").to_json(), b"not a status", status(other, 1, "history").to_json()):
            await world.send(topics.status, value, key=partition)

        async def is_told() -> bool:
            return await state(other) == "history"

        await until("the statuses are applied", is_told)
        await world.until_records(1, topics.dead_letters("intake"))
        found = (await door.read(complaint_id)).json()
        assert found["state"] == "assigned"
        assert {name: found[name] for name in ASSIGNED} == ASSIGNED
        assert (found["id"], found["source"], found["source_ref"]) == (complaint_id, "lapor", "5049672")
        assert found["reported_at"] == "2026-07-13T01:20:00Z"
        assert (await door.http.get("/v1/complaints", params={"source_ref": "5049672"})).json()["items"] == [found]
        for role, expected in {
            "unit:imigrasi": 200, "desk:kanim:kupang": 200, "triage": 200, "admin": 200, "auditor": 200,
            "unit:ahu": 404, "desk:kanim:bali": 404, "source:ppid": 404,
        }.items():  # fmt: skip
            assert (await door.read(complaint_id, role)).status_code == expected, role


async def test_a_status_that_says_no_more_than_it_must_can_be_read(world: World) -> None:
    await few_topics(world.bootstrap, world.topics.namespace)
    async with replica(world) as door:
        complaint_id = (await door.accepted())["id"]
        told = status(complaint_id, 1, "held")
        least = {
            name: value
            for name, value in json.loads(told.to_json()).items()
            if name in ("complaint_id", "source", "source_ref", "state", "reported_at", "sequence")
        }
        await tell(world, told, value=json.dumps(least | {"of_a_newer_writer": 1}).encode())

        async def is_held() -> bool:
            answer = await door.read(complaint_id)
            assert answer.status_code == 200
            return bool(answer.json()["state"] == "held")

        await until("the status is applied", is_held)
        found = (await door.read(complaint_id)).json()
        assert (found["class"], found["assignments"], found["timeline"]) == (None, [], [])
        assert "of_a_newer_writer" not in found


async def test_what_nothing_was_heard_of_is_sent_again_until_a_status_says_more_than_received(world: World) -> None:
    topics = await few_topics(world.bootstrap, world.topics.namespace)
    async with replica(world, resend_after_seconds=0.2) as door:
        complaint_id = (await door.accepted())["id"]
        records = await world.until_records(2, topics.received)
        assert len({(record.key, record.value, tuple(record.headers)) for record in records}) == 1, "the same event again"
        await tell(world, status(complaint_id, 1, "received"))
        count = len(await world.records(topics.received))
        await world.until_records(count + 1, topics.received)
        assert await metric(door, "jalur_intake_undecided_complaints") == 1
        await tell(world, status(complaint_id, 2, "assigned", **ASSIGNED))

        async def is_decided() -> bool:
            return await metric(door, "jalur_intake_undecided_complaints") == 0

        await until("nothing is undecided", is_decided)
        assert await world.db.fetchval("SELECT next_look_at FROM intake.complaints") is None
