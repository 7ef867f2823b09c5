import time
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
async def test_x(world):
    await world.start("notifier")
    from tests.bus import put; from tests.facts import received; from uuid import uuid4
    await put(world, received(uuid4()))
    t=time.monotonic()
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=world.bootstrap)
    await admin.start(); print("admin start",time.monotonic()-t); t=time.monotonic()
    await consumer.start(); print("consumer start",time.monotonic()-t); t=time.monotonic()
    metadata = await consumer._client.fetch_all_metadata(); print("md",time.monotonic()-t); t=time.monotonic()
    partitions = [TopicPartition(topic, number) for topic in world.topics.notifier_inputs() for number in metadata.partitions_for_topic(topic) or ()]
    ends=await consumer.end_offsets(partitions); print("ends",time.monotonic()-t); t=time.monotonic()
    ends={p:e for p,e in ends.items() if e}
    for _ in range(5):
        c=await admin.list_consumer_group_offsets(world.topics.group("notifier"), partitions=list(ends)); print("list",c,time.monotonic()-t); t=time.monotonic()
    await consumer.stop(); print("cstop",time.monotonic()-t); t=time.monotonic()
    await admin.close(); print("close",time.monotonic()-t); t=time.monotonic()
