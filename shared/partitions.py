"""Which partition a key goes to: Kafka's own rule, so that every writer puts a complaint's events where the others do. Pure.

aiokafka's goes byte by byte; keys are 16 bytes here, which are four words.
"""

import struct

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_WORDS = {length: struct.Struct(f"<{length // 4}I") for length in range(64)}


def murmur2(key: bytes) -> int:
    """MurmurHash2 as `org.apache.kafka.common.utils.Utils.murmur2` has it, without its sign."""
    length = len(key)
    whole = length & ~3
    hashed = 0x9747B28C ^ length
    words = _WORDS.get(length) or struct.Struct(f"<{length // 4}I")
    for word in words.unpack_from(key):
        mixed = word * _M & _MASK
        hashed = (hashed * _M & _MASK) ^ ((mixed ^ mixed >> 24) * _M & _MASK)
    if length > whole:
        hashed = (hashed ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    hashed = (hashed ^ hashed >> 13) * _M & _MASK
    return hashed ^ hashed >> 15


def partition_of(key: bytes, count: int) -> int:
    """Of a topic with `count` partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % count
