"""How near to being deleted what is unread is, as the records in Kafka say it."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from deploy.local.kafka import RunningKafka
from shared.metrics import RouterMetrics
from shared.retention import RetentionWatch
from shared.settings import Settings
from tests.door import few_topics

DAY_MS = 86_400_000


async def test_the_oldest_unread_record_s_age_is_shown_as_a_share_of_what_its_topic_keeps(kafka: RunningKafka) -> None:
    topics = await few_topics(kafka.bootstrap, "retention")
    old, other = (TopicPartition(topics.received, number) for number in (0, 1))
    compacted = TopicPartition(topics.status, 0)
    now_ms = int(time.time() * 1000)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    await producer.start()
    try:
        for partition, days in ((old, 15), (old, 6), (other, 3), (compacted, 300)):
            await producer.send_and_wait(partition.topic, b"{}", partition=partition.partition, timestamp_ms=now_ms - days * DAY_MS)
    finally:
        await producer.stop()
    metrics, progress = RouterMetrics(), SimpleNamespace(assigned=lambda: {old, other, compacted}, behind={})
    watch = RetentionWatch(Settings("router", kafka.bootstrap, "", namespace="retention"), metrics.consumer, cast(Any, progress))

    async def shown(behind: dict[TopicPartition, int]) -> float | None:
        progress.behind = behind
        await watch.look()
        return metrics.registry.get_sample_value("jalur_router_lag_of_retention_ratio", {"topic": topics.received})

    assert await shown({}) == 0
    assert await shown({old: 0, other: 0, compacted: 0}) == pytest.approx(15 / 30, abs=0.001), "30 days are kept"
    assert await shown({old: 1, other: 0}) == pytest.approx(6 / 30, abs=0.001)
    assert await shown({other: 0}) == pytest.approx(3 / 30, abs=0.001)
    progress.assigned = set
    assert await shown({other: 0}) == 0, "another replica's now"
    silent = {"topic": topics.status}
    assert metrics.registry.get_sample_value("jalur_router_lag_of_retention_ratio", silent) is None, "nothing of it is deleted for its age"


async def test_while_kafka_does_not_answer_the_last_figure_stands() -> None:
    partition = TopicPartition("complaints.received", 0)
    metrics, progress = RouterMetrics(), SimpleNamespace(assigned=lambda: {partition}, behind={})
    watch = RetentionWatch(Settings("router", "127.0.0.1:1", ""), metrics.consumer, cast(Any, progress))
    await watch.look()
    metrics.consumer.lag_of_retention.labels(partition.topic).set(0.25)
    progress.behind = {partition: 0}
    await watch.look()
    assert metrics.registry.get_sample_value("jalur_router_lag_of_retention_ratio", {"topic": partition.topic}) == 0.25
