"""How near to being deleted unread records are: the oldest's age over what its topic keeps. Reads without a group; moves no position."""

import time
from collections.abc import Mapping
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.health import UNANSWERED, Progress
from shared.metrics import ConsumerMetrics
from shared.publisher import connection_options
from shared.settings import Settings
from shared.topics import Topics

_PATIENCE_SECONDS = 5.0
# Enough for a first record, which a broker gives out whole however large it is.
_FETCHED_BYTES = 16 * 1024


class RetentionWatch:
    """Over one service's consumers. Connects only while something is unread; a topic that Kafka says nothing of keeps its last figure."""

    def __init__(self, settings: Settings, metrics: ConsumerMetrics, *watched: Progress) -> None:
        self._settings = settings
        self._metrics = metrics
        self._watched = watched
        self._shown: set[str] = set()
        self._kept_ms = {
            topic.name: int(topic.config["retention.ms"])
            for topic in Topics(settings.namespace).all()
            if topic.config["cleanup.policy"] == "delete"
        }

    async def look(self) -> None:
        assigned = {item.topic for progress in self._watched for item in progress.assigned()} & self._kept_ms.keys()
        behind = {item: at for progress in self._watched for item, at in progress.behind.items() if item.topic in assigned}
        self._shown |= assigned  # what another replica has by now is no longer for this one to tell
        ages = dict.fromkeys(self._shown - {item.topic for item in behind}, 0.0)
        if behind:
            now_ms = time.time() * 1000
            try:
                oldest = await oldest_records(self._settings, behind)
            except UNANSWERED:
                oldest = {}
            for item, stamped_ms in oldest.items():
                ages[item.topic] = max(ages.get(item.topic, 0.0), now_ms - stamped_ms)
        for topic, age_ms in ages.items():
            self._metrics.lag_of_retention.labels(topic).set(age_ms / self._kept_ms[topic])


async def oldest_records(settings: Settings, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Of each partition when its first record from `positions` on was stamped, in milliseconds; those that Kafka gave out in time.

    What retention has taken is past helping: then it is the first that is left.
    """
    found: dict[TopicPartition, int] = {}
    reader = AIOKafkaConsumer(
        **connection_options(settings),
        client_id=f"jalur-{settings.service}-oldest",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        request_timeout_ms=5000,
        max_partition_fetch_bytes=_FETCHED_BYTES,
        fetch_max_wait_ms=100,
    )
    try:
        await reader.start()
        reader.assign(list(positions))
        for item, position in positions.items():
            reader.seek(item, position)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (missing := positions.keys() - found.keys()) and time.monotonic() < deadline:
            for item, records in (await reader.getmany(*missing, timeout_ms=500)).items():
                if records:
                    found[item] = records[0].timestamp
                    reader.pause(item)
    finally:
        with suppress(KafkaError, TimeoutError, OSError):
            await reader.stop()
    return found
