"""How far each input partition was applied, and up to which instant. The least of these instants is the sweep's clock.

For each partition an instant T is read first and the partition's end after it; once the *applied* position has reached that end, all
that was appended up to T has been applied. Positions and instants never go back.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from aiokafka import TopicPartition

from shared.postgres import Connection


class Tracker:
    """Which instants have been reached. Pure: positions and ends come in."""

    def __init__(self) -> None:
        self._aims: dict[TopicPartition, tuple[datetime, int]] = {}

    def reached(
        self, at: datetime, ends: Mapping[TopicPartition, int], positions: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, datetime]:
        """The instants reached now, given ends that were read after `at`. A partition that lags keeps its older aim until it is reached."""
        found: dict[TopicPartition, datetime] = {}
        for partition, end in ends.items():
            position = positions.get(partition)
            if position is None:
                continue
            aim = self._aims.get(partition)
            if position >= end:
                found[partition] = at
                self._aims.pop(partition, None)
            elif aim is None:
                self._aims[partition] = (at, end)
            elif position >= aim[1]:
                found[partition] = aim[0]
                self._aims[partition] = (at, end)
        return found

    def forget(self, kept: set[TopicPartition]) -> None:
        self._aims = {partition: aim for partition, aim in self._aims.items() if partition in kept}


async def record_positions(connection: Connection, positions: Mapping[TopicPartition, int]) -> None:
    """In the transaction of the effects."""
    ordered = sorted(positions)
    await connection.execute(
        """
        INSERT INTO watermarks (topic, partition, position)
        SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])
        ON CONFLICT (topic, partition) DO UPDATE SET position = greatest(watermarks.position, excluded.position)
        """,
        [item.topic for item in ordered],
        [item.partition for item in ordered],
        [positions[item] for item in ordered],
    )


async def record_reached(
    connection: Connection, reached: Mapping[TopicPartition, datetime], positions: Mapping[TopicPartition, int]
) -> None:
    ordered = sorted(reached)
    await connection.execute(
        """
        INSERT INTO watermarks (topic, partition, position, applied_until)
        SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::timestamptz[])
        ON CONFLICT (topic, partition) DO UPDATE SET position = greatest(watermarks.position, excluded.position),
            applied_until = greatest(watermarks.applied_until, excluded.applied_until)
        """,
        [item.topic for item in ordered],
        [item.partition for item in ordered],
        [positions[item] for item in ordered],
        [reached[item] for item in ordered],
    )


async def read_positions(connection: Connection, topics: Sequence[str]) -> dict[TopicPartition, int]:
    rows = await connection.fetch("SELECT topic, partition, position FROM watermarks WHERE topic = ANY ($1::text[])", topics)
    return {TopicPartition(row["topic"], row["partition"]): row["position"] for row in rows}


async def forget_positions(connection: Connection, partitions: Iterable[TopicPartition]) -> None:
    ordered = sorted(partitions)
    await connection.execute(
        "DELETE FROM watermarks WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::int[]))",
        [item.topic for item in ordered],
        [item.partition for item in ordered],
    )


async def read_watermark(connection: Connection, expected: Sequence[TopicPartition]) -> datetime | None:
    """The least instant over every expected input partition; None while one of them has none."""
    row = await connection.fetchrow(
        """
        SELECT min(applied_until) AS least, count(applied_until) AS known FROM watermarks
        JOIN unnest($1::text[], $2::int[]) AS wanted (topic, partition) USING (topic, partition)
        """,
        [item.topic for item in expected],
        [item.partition for item in expected],
    )
    assert row is not None
    return row["least"] if expected and row["known"] == len(expected) else None
