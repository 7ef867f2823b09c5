"""Create the topics on a cluster and wait until each partition has a leader. Never changes or deletes an existing topic."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from shared.errors import JalurError
from shared.topics import Topics


class TopicsNotReady(JalurError):
    """The cluster refused a topic, or a partition has no leader yet; the message names the topic."""


async def apply_topics(
    bootstrap: str,
    namespace: str = "",
    replication: int = 1,
    *,
    most_partitions: int = 1000,
    within: float = 30.0,
    connection: Mapping[str, Any] | None = None,
) -> list[str]:
    """Create what is missing; returns the names created. Safe to repeat and to run twice at once.

    `connection` is what a client is given where the cluster asks who we are (`publisher.connection_options`).
    """
    wanted = {topic.name: replace(topic, partitions=min(topic.partitions, most_partitions)) for topic in Topics(namespace).all()}
    admin = AIOKafkaAdminClient(**{"bootstrap_servers": bootstrap.split(","), **(connection or {})}, client_id="jalur-topics")
    try:
        async with asyncio.timeout(within):
            await admin.start()
            missing = [topic for name, topic in wanted.items() if name not in set(await admin.list_topics())]
            if missing:
                response = await admin.create_topics(
                    [NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.config) for topic in missing]
                )
                for name, code, *message in response.topic_errors:  # type: ignore[attr-defined]
                    if code not in (0, TopicAlreadyExistsError.errno):
                        raise TopicsNotReady(f"Kafka refused to create topic {name}: error {code} {message[0] if message else ''}".rstrip())
            while True:
                described = await admin.describe_topics(list(wanted))
                leaderless = [
                    item["topic"]
                    for item in described
                    if item["error_code"] != 0
                    or len(item["partitions"]) < wanted[item["topic"]].partitions
                    or any(partition["leader"] < 0 for partition in item["partitions"])
                ]
                if not leaderless:
                    return [topic.name for topic in missing]
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise TopicsNotReady(f"the topics were not ready within {within:.0f} s") from None
    except KafkaError as error:
        raise TopicsNotReady(f"Kafka at {bootstrap} does not take topics: {type(error).__name__}") from None
    finally:
        await admin.close()
