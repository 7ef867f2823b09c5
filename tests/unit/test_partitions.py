"""Keys go where Kafka's own clients send them: the events of one complaint stay in one partition whoever writes them."""

from uuid import uuid4

from aiokafka.partitioner import DefaultPartitioner, murmur2
from hypothesis import example, given
from hypothesis import strategies as st

from shared import partitions


@given(st.binary(max_size=100))
@example(b"")
@example(b"\xff" * 16)
def test_a_key_hashes_as_in_kafkas_clients(key: bytes) -> None:
    assert partitions.murmur2(key) == murmur2(key)


def test_a_complaint_goes_to_the_partition_that_aiokafka_would_choose() -> None:
    for count in (1, 3, 6, 12):
        for key in (uuid4().bytes for _ in range(100)):
            known = list(range(count))
            assert partitions.partition_of(key, count) == DefaultPartitioner()(key, known, known)
