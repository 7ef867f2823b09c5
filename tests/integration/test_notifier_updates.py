"""Units speak by Kafka: what they say reaches their case and counts from the broker's time, or is refused in words."""

from datetime import timedelta
from uuid import uuid4

from shared.envelope import Message, assignment_id
from tests.bus import caught_up, follow_ups, put, statuses
from tests.facts import changed, received, routed, updated
from tests.world import World, event_ids, until


async def test_what_units_say_reaches_its_case_in_whatever_order_and_however_often(world: World) -> None:
    now = await world.now()
    accepting, following, answering, early = (uuid4() for _ in range(4))
    updates = {
        accepting: updated(accepting, "accepted", at=now + timedelta(days=400)),
        following: updated(following, "followed_up"),
        answering: updated(answering, "answered", outcome="selesai"),
        early: updated(early, "answered", assignment_id=assignment_id(early, 0, 0)),
    }
    facts = [fact for case in updates for fact in (received(case, now), routed(case, at=now))]
    edit = changed(accepting, "edited", now)
    await put(world, updates[early])
    await world.start("notifier")
    await caught_up(world, "notifier")
    assert await statuses(world) == {}, "of a complaint that nobody received nothing is said"
    await put(world, *facts, edit)
    before = await world.now()
    await put(world, *updates.values())
    await caught_up(world, "notifier")

    found = await statuses(world)
    assert {case: found[str(case)].state for case in updates} == {
        accepting: "accepted",
        following: "assigned",
        answering: "answered",
        early: "answered",
    }
    assert [(answer.unit, answer.outcome) for answer in found[str(answering)].answers] == [("imigrasi", "selesai")]
    assert found[str(following)].clocks[1].state == "stopped"
    since = found[str(accepting)].assignments[0].since
    assert before - timedelta(seconds=5) < since < await world.now(), "counts from the broker's time, not from what the unit wrote"

    said = set(event_ids(await world.records(world.topics.status)))
    await put(world, *updates.values(), edit, *facts)
    await caught_up(world, "notifier")
    assert set(event_ids(await world.records(world.topics.status))) == said, "a repeat is at most answered with the same event again"
    assert await follow_ups(world, "imigrasi") == []


async def test_an_update_by_another_unit_is_refused_after_an_hour_and_its_writer_learns_nothing(world: World) -> None:
    now = await world.now()
    case, unknown = uuid4(), uuid4()
    await world.start("notifier")
    foreign = updated(case, "answered", "ahu", assignment_id=assignment_id(case, 0, 0))
    await put(world, received(case, now), routed(case, "imigrasi", at=now), foreign, updated(unknown, "accepted", "ahu"))
    await caught_up(world, "notifier")
    assert await follow_ups(world, "ahu") == []
    await world.advance(timedelta(minutes=50))
    late = updated(case, "followed_up", "ahu")
    await put(world, late)
    await world.advance(timedelta(minutes=11))

    async def refused() -> bool:
        return len(await follow_ups(world, "ahu")) >= 2

    await until("the refusals are told", refused)
    refusals = {item.complaint_id: item for item in await follow_ups(world, "ahu")}
    assert {item.kind for item in refusals.values()} == {"update_refused"}
    assert refusals[case].why == f"update {foreign.update_id}: ahu has no such assignment of this complaint"
    assert (refusals[case].source, refusals[case].source_ref, refusals[case].desk) == (None, None, None)
    assert "imigrasi" not in refusals[case].to_json().decode()
    assert (refusals[unknown].why or "").endswith("no complaint of this id is known")
    assert (await statuses(world))[str(case)].state == "assigned"

    await put(world, foreign)
    await world.advance(timedelta(hours=2))

    async def late_refused() -> bool:
        return late.update_id in str(await follow_ups(world, "ahu"))

    await until("the later one is refused too", late_refused)
    assert len(await follow_ups(world, "ahu")) == 3, "a repeat of a refused update says nothing"


async def test_an_update_id_that_was_used_for_another_complaint_is_refused_and_not_lost_without_a_word(world: World) -> None:
    now = await world.now()
    one, other = uuid4(), uuid4()
    await world.start("notifier")
    await put(world, *(fact for case in (one, other) for fact in (received(case, now), routed(case, at=now))))
    await put(world, updated(one, "accepted", update_id="1"))
    await caught_up(world, "notifier")
    await put(world, updated(other, "accepted", update_id="1"))
    at_once = [updated(case, "accepted", "ahu", update_id="2") for case in (one, other)]
    await put(world, *(Message(world.topics.updates("ahu"), fact.complaint_id.bytes, fact.to_json(), ()) for fact in at_once), partition=0)
    await caught_up(world, "notifier")
    (refusal,) = await follow_ups(world, "imigrasi")
    assert (refusal.kind, refusal.complaint_id, refusal.to) == ("update_refused", other, ("imigrasi",))
    (refusal,) = await follow_ups(world, "ahu")
    assert refusal.complaint_id in (one, other) and "used for another complaint" in (refusal.why or "")
    await put(world, updated(other, "followed_up"))
    await caught_up(world, "notifier")
    assert (await statuses(world))[str(other)].state == "assigned"
    numbered = await world.records(world.topics.status, world.topics.follow_ups("imigrasi"))
    numbers = {(record.key, header) for record in numbered if (header := dict(record.headers).get("ce_sequence")) is not None}
    assert len(numbers) == len(set(event_ids([record for record in numbered if "ce_sequence" in dict(record.headers)])))
