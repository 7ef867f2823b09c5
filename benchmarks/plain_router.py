"""The peer of the router's benchmark: a plain aiokafka consume-produce-commit loop doing the same judging, with no decision log.

`python -m benchmarks.plain_router BOOTSTRAP NAMESPACE COUNT`: prints the records a second from the first batch to the last commit.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from uuid import UUID

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.router.domain import decide
from services.router.publication import LoggedDecision, events_of
from services.router.ruleset import load_judge
from shared.envelope import received_id
from shared.events import ComplaintReceived
from shared.topics import Topics
from shared.units import load_directory


async def run(bootstrap: str, namespace: str, count: int) -> float:
    topics = Topics(namespace)
    directory = load_directory()
    judge = load_judge(directory)
    consumer = AIOKafkaConsumer(
        topics.received,
        bootstrap_servers=bootstrap,
        group_id="plain",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=1024 * 1024,
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, max_batch_size=128 * 1024)
    await consumer.start()
    await producer.start()
    done, begun = 0, 0.0
    while done < count:
        batches = await consumer.getmany(timeout_ms=50, max_records=500)
        if not batches:
            continue
        begun = begun or time.perf_counter()
        sent = []
        for records in batches.values():
            for record in records:
                assert record.value is not None and record.key is not None
                report = ComplaintReceived.model_validate_json(record.value)
                decision = decide(report, judge.judge(report), directory)
                complaint_id = UUID(bytes=record.key)
                row = LoggedDecision(
                    received_id(complaint_id),
                    complaint_id,
                    0,
                    datetime.now(UTC),
                    decision.rules_version,
                    record.value,
                    decision.to_json(),
                    None,
                )
                for message in events_of(row, topics, decision):
                    sent.append(await producer.send(message.topic, message.value, key=message.key, headers=list(message.headers)))
                done += 1
        await asyncio.gather(*sent)
        await consumer.commit()
    seconds = time.perf_counter() - begun
    await consumer.stop()
    await producer.stop()
    return count / seconds


if __name__ == "__main__":
    print(uvloop.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
