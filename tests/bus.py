"""What tests put on the bus themselves, and how they know that a service has dealt with it."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.envelope import Message, enclose
from shared.events import CaseStatus, CaseUpdate, ComplaintChanged, ComplaintHeld, ComplaintReceived, ComplaintRouted, FollowUp
from shared.health import Ends
from shared.topics import Topics
from tests.facts import MONDAY, Fact
from tests.world import World, event_ids, until


def message_of(topics: Topics, fact: Fact) -> Message:
    """As its writer puts it on the bus."""
    if isinstance(fact, ComplaintReceived):
        topic, source = topics.received, "intake"
    elif isinstance(fact, ComplaintChanged):
        topic, source = topics.changes, "intake"
    elif isinstance(fact, CaseUpdate):
        topic, source = topics.updates(fact.unit), fact.unit
    elif isinstance(fact, ComplaintRouted):
        topic, source = topics.routed(fact.unit), "router"
    else:
        topic, source = topics.triage if isinstance(fact, ComplaintHeld) else topics.transferred, "router"
    return enclose(fact, topic=topic, complaint_id=fact.complaint_id, event_id=uuid4(), source=source, at=MONDAY)


async def put(world: World, *given: Fact | Message, partition: int | None = None, transactional_id: str | None = None) -> None:
    """In the order given, acknowledged. `partition`: not by the key."""
    producer = AIOKafkaProducer(
        bootstrap_servers=world.bootstrap, acks="all", linger_ms=5, transactional_id=transactional_id, max_request_size=1_048_588
    )
    await producer.start()
    try:
        if transactional_id is not None:
            await producer.begin_transaction()
        sent = []
        for item in given:
            message = item if isinstance(item, Message) else message_of(world.topics, item)
            headers = list(message.headers)
            sent.append(await producer.send(message.topic, message.value, key=message.key, partition=partition, headers=headers))
        await asyncio.gather(*sent)
        if transactional_id is not None:
            await producer.commit_transaction()
    finally:
        await producer.stop()


async def caught_up(world: World, service: str, within: float = 60.0) -> None:
    """Wait until the service's group has committed all that lies in its inputs now, and its outbox is empty."""
    topics = world.topics.notifier_inputs() if service == "notifier" else (world.topics.received,)
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=world.bootstrap)
    await admin.start()
    await consumer.start()
    try:
        metadata = await consumer._client.fetch_all_metadata()
        partitions = [TopicPartition(topic, number) for topic in topics for number in metadata.partitions_for_topic(topic) or ()]
        await consumer._client.set_topics(topics)
        ends = {partition: end for partition, end in (await consumer.end_offsets(partitions)).items() if end > 0}

        async def look() -> bool:
            committed = await admin.list_consumer_group_offsets(world.topics.group(service), partitions=list(ends))
            if any(partition not in committed or committed[partition].offset < end for partition, end in ends.items()):
                return False
            return service == "router" or not await world.db.fetchval("SELECT count(*) FROM notifier.outbox")

        await until(f"the {service} has caught up", look, within)
    finally:
        await consumer.stop()
        await admin.close()


async def ready(app: Any) -> tuple[bool, dict[str, str]]:
    """What the service says of itself: whether it is ready, and the reasons why not."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        answer = await client.get("/health/ready")
        return answer.status_code == 200, answer.json()["reasons"]


async def until_ready(app: Any) -> None:
    async def look() -> bool:
        return (await ready(app))[0]

    await until("the service is ready", look)


async def statuses(world: World) -> dict[str, CaseStatus]:
    """The last status of each case, by complaint id. First occurrences by event id leave in their order."""
    found: dict[str, CaseStatus] = {}
    seen: set[str] = set()
    records = await world.records(world.topics.status)
    for record, event_id in zip(records, event_ids(records), strict=True):
        if event_id in seen:
            continue
        seen.add(event_id)
        status = CaseStatus.model_validate_json(record.value or b"")
        known = found.get(str(status.complaint_id))
        assert known is None or known.sequence < status.sequence, "statuses of one case leave in their order"
        found[str(status.complaint_id)] = status
    return found


async def follow_ups(world: World, *whose: str) -> list[FollowUp]:
    records = await world.records(*(world.topics.follow_ups(who) for who in whose))
    found = [FollowUp.model_validate_json(record.value or b"") for record in records]
    return sorted(found, key=lambda item: (str(item.complaint_id), item.sequence or 0))


async def stuck(world: World, app: Any) -> str | None:
    """What readiness would say if nothing moved for half a minute from now."""
    progress = app.state.progress
    ends = Ends(world.settings(world.topics.namespace))
    try:
        found = await ends.read(progress.assigned())
        positions = await progress.positions(found)
    finally:
        await ends.stop()
    now = asyncio.get_running_loop().time()
    for later in (0, 31):
        progress.look(found, positions, now + later)
    reason: str | None = progress.stuck
    return reason


async def until_shared(*apps: Any) -> None:
    """Wait until each replica has partitions of its own, and none in common."""

    async def look() -> bool:
        held = [app.state.progress.assigned() for app in apps]
        return all(held) and sum(map(len, held)) == len(set().union(*held))

    await until("the replicas share the partitions", look)


async def consumed(app: Any) -> float:
    """How many records the replica has dealt with."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if "_consumed_total{" in line)
