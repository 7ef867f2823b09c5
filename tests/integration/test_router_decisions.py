"""A decision is taken once, whatever the rules say later and however many routers there are."""

import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

import services.router.app
from services.router.rules import PACKAGED, load_rules
from shared.envelope import part_id, received_id
from tests.bus import caught_up, consumed, put, until_shared
from tests.facts import received
from tests.world import World, event_ids, payload


async def from_the_beginning(world: World, group: str, topic: str) -> None:
    """Let the group, which has no members now, read everything again."""
    consumer = AIOKafkaConsumer(bootstrap_servers=world.bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(3)]
    consumer.assign(partitions)
    await consumer.commit(dict.fromkeys(partitions, 0))
    await consumer.stop()


async def test_a_second_delivery_under_other_rules_says_the_same_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = await world.now()
    first, second = uuid4(), uuid4()
    imigrasi, ahu = world.topics.routed("imigrasi"), world.topics.routed("ahu")
    words = {"title": "Paspor", "text": "Paspor saya belum jadi di kantor imigrasi."}
    await put(world, received(first, now, **words))
    async with world.running("router"):
        await caught_up(world, "router")
    (before,) = await world.records(imigrasi)

    shutil.copytree(PACKAGED, tmp_path / "rules")
    file = tmp_path / "rules" / "units.toml"
    text = file.read_text(encoding="utf-8").replace("[[imigrasi]]", "[[x]]").replace("[[ahu]]", "[[imigrasi]]").replace("[[x]]", "[[ahu]]")
    file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(services.router.app, "load_rules", lambda: load_rules(tmp_path / "rules"))
    await put(world, received(second, now, **words))
    await from_the_beginning(world, world.topics.group("router"), world.topics.received)
    async with world.running("router"):
        await caught_up(world, "router")
    repeated, other = await world.records(imigrasi), await world.records(ahu)
    assert [payload(record)["complaint_id"] for record in other] == [str(second)], "the other rules are in force"
    assert payload(other[0])["rules_version"] != payload(before)["rules_version"]
    assert len(repeated) == 2
    assert {(record.key, record.value, tuple(record.headers)) for record in repeated} == {(before.key, before.value, tuple(before.headers))}


async def test_two_routers_share_the_load_and_say_everything_once_by_id(world: World) -> None:
    now = await world.now()
    one, other = await world.start("router"), await world.start("router")
    await until_shared(one, other)
    cases = [uuid4() for _ in range(300)]
    await put(world, *(received(case, now, title="Paspor", text="Paspor saya belum jadi di kantor imigrasi.") for case in cases))
    await caught_up(world, "router")
    events = event_ids(await world.records(world.topics.routed("imigrasi")))
    assert sorted(events) == sorted(str(part_id(received_id(case), 0)) for case in cases)
    assert await consumed(one) + await consumed(other) == 300
    assert min(await consumed(one), await consumed(other)) > 50
