"""Whatever lies in `complaints.received` gets a decision: what cannot be read is held for a person, and nothing is decided twice."""

import json
from typing import Any
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord

from shared.envelope import Message, part_id, received_id
from shared.units import UNIT_SLUGS
from tests.bus import caught_up, message_of, put, ready, statuses, until_ready
from tests.facts import received
from tests.world import World, event_ids, payload

TYPE = (("ce_type", b"id.jalur.complaint.received.v1"),)
PASPOR = "Paspor saya belum jadi di kantor imigrasi sejak tiga minggu lalu."


def destinations(world: World) -> tuple[str, ...]:
    return (*(world.topics.routed(unit) for unit in UNIT_SLUGS), world.topics.triage, world.topics.transferred)


def by_complaint(records: "list[ConsumerRecord[bytes, bytes]]") -> dict[UUID, tuple[str, dict[str, Any]]]:
    return {UUID(payload(record)["complaint_id"]): (record.topic.partition("complaints.")[2], payload(record)) for record in records}


async def test_an_unreadable_report_with_a_good_key_is_held_and_becomes_a_case_and_one_without_is_a_dead_letter(world: World) -> None:
    now = await world.now()
    good, broken, foreign, typed, later = (uuid4() for _ in range(5))
    topic = world.topics.received
    await put(
        world,
        Message(topic, None, received(good, now).to_json(), TYPE),
        Message(topic, b"5049672", received(good, now).to_json(), TYPE),
        Message(topic, broken.bytes, b'{"title": "NIK 5371014101900001', ()),
        Message(topic, foreign.bytes, received(good, now).to_json(), TYPE),
        Message(topic, typed.bytes, received(typed, now).to_json(), (("ce_type", b"id.jalur.case.update.v1"),)),
        Message(topic, later.bytes, b"", (("ce_type", None), ("traceparent", b"\xff"))),
        Message(
            topic, good.bytes, received(good, now, title="Paspor", text=PASPOR).to_json(), (("ce_type", None), ("traceparent", b"\xff"))
        ),
        Message(topic, later.bytes, received(later, now, title="Paspor", text=PASPOR).to_json(), TYPE),
    )
    router = await world.start("router")
    await world.start("notifier")
    await caught_up(world, "router")
    await caught_up(world, "notifier")

    events = await world.records(*destinations(world))
    found = by_complaint(events)
    assert {case: where for case, (where, _) in found.items()} == {
        good: "routed.imigrasi", broken: "triage", foreign: "triage", typed: "triage", later: "triage",
    }  # fmt: skip
    held = found[broken][1]
    assert (held["why"], held["causing_id"], held["title"], held["text"]) == ("unprocessable", str(received_id(broken)), None, None)
    assert set(event_ids(events)) == {str(part_id(received_id(case), 0)) for case in found}
    cases = await statuses(world)
    assert {case: cases[str(case)].state for case in found} == {
        good: "assigned", broken: "held", foreign: "held", typed: "held", later: "held",
    }  # fmt: skip
    assert {clock.code for clock in cases[str(broken)].clocks} == {"LAPOR_VERIFIKASI", "TRIASE"}
    assert cases[str(later)].source_ref == "5049672", "the notifier could read what the router could not: the case is filled"

    letters = await world.records(world.topics.dead_letters("router"))
    assert sorted(letter.key or b"" for letter in letters) == [b"", b"5049672"]
    await until_ready(router)
    assert await ready(router) == (True, {})

    await put(world, received(good, now, title="Lain", text="Sertifikat merek saya belum terbit"))
    await put(world, *(message_of(world.topics, received(case, now)) for case in (broken, later)))
    await caught_up(world, "router")
    again = await world.records(*destinations(world))
    assert set(event_ids(again)) == set(event_ids(events)), "a repeat is answered with what was decided"
    assert by_complaint(again)[good] == found[good]


async def test_every_readable_report_is_judged_however_odd_and_carries_nothing_but_what_we_know(world: World) -> None:
    now = await world.now()
    odd = {
        "very long": "paspor " * 60_000,
        "one word": "a" * 400_000,
        "no letters": "\u202e\u0000\ufeff\U0001f937\u200d\u2642\ufe0f" * 2_000,
        "combining": "paspo" + "\u0301" * 50_000 + "r",
        "empty": "",
        "nested": "[" * 5_000,
        "not a character": "\ufffe\uffff\x07",
    }
    ids = {name: uuid4() for name in odd}
    strange = uuid4()
    newer = json.loads(received(strange, now, title="Paspor", text=PASPOR).to_json())
    newer |= {
        "unit": "ahu",
        "desk": "x",
        "agency": 7,
        "part": "x",
        "copies": 1,
        "why": "x",
        "assignment_id": 1,
        "transfers": "x",
        "mood": [1],
    }
    await world.start("router")
    await put(world, *(received(ids[name], now, title=name, text=text) for name, text in odd.items()))
    await put(world, Message(world.topics.received, strange.bytes, json.dumps(newer).encode(), TYPE))
    huge = Message(world.topics.received, uuid4().bytes, b'{"title": "' + b"x" * 1_048_200 + b'"}', ())
    large = received(uuid4(), now, title="Paspor", text=PASPOR + "\x07" * 174_500)
    await put(world, huge, large)
    await caught_up(world, "router")
    found = by_complaint(await world.records(*destinations(world)))
    assert {name: found[case][1]["text"] for name, case in ids.items()} == odd
    where, event = found[strange]
    assert (where, event["unit"], event["transfers"], event["copies"], event["part"]) == ("routed.imigrasi", "imigrasi", 0, [], 0)
    assert "mood" not in event
    assert found[large.complaint_id][1]["why"] == "unprocessable", "it would not fit into its event"
    assert found[UUID(bytes=huge.key)][1]["why"] == "unprocessable"
    assert await world.records(world.topics.dead_letters("router")) == []
