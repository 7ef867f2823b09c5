"""Records as they lie in Kafka, and a batch of them that commits and rewinds its own partitions only."""

from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream.kafka.message import KafkaAckableMessage, KafkaMessage
from faststream.message import AckStatus

from shared.envelope import clean_headers
from shared.logs import get_logger

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in Kafka, its headers cleaned. `timestamp_ms` is real time, by whoever the topic says."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]
    raw_headers: tuple[tuple[str, bytes | None], ...]


class RawBatch(KafkaAckableMessage):
    """A batch that commits and rewinds its own partitions only, skipping those that went to another replica meanwhile."""

    def __init__(self, records: "tuple[ConsumerRecord[bytes | None, bytes | None], ...]", reader: AIOKafkaConsumer) -> None:
        super().__init__(raw_message=records, body=b"", consumer=reader)
        self.reader = reader

    async def ack(self) -> None:
        if not self.committed:
            ends = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records_of(self)}
            assigned = self.reader.assignment()
            try:
                await self.reader.commit({partition: end for partition, end in ends.items() if partition in assigned})
            except KafkaError as error:  # the batch's effects are durable; it will be read once more
                _log.warning("A batch's positions could not be committed", error=type(error).__name__)
        self.committed = AckStatus.ACKED

    async def nack(self) -> None:
        if not self.committed:
            starts: dict[TopicPartition, int] = {}
            for record in records_of(self):
                partition = TopicPartition(record.topic, record.partition)
                starts[partition] = min(starts.get(partition, record.offset), record.offset)
            for partition, start in starts.items():
                if partition in self.reader.assignment():
                    self.reader.seek(partition, start)
        self.committed = AckStatus.NACKED


def records_of(message: KafkaMessage) -> tuple["ConsumerRecord[bytes | None, bytes | None]", ...]:
    raw = message.raw_message
    return raw if isinstance(raw, tuple) else (raw,)


def read_record(raw: "ConsumerRecord[bytes | None, bytes | None]") -> Record:
    headers = tuple(raw.headers)
    return Record(raw.topic, raw.partition, raw.offset, raw.timestamp, raw.key, raw.value, clean_headers(headers), headers)
