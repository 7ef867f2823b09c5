"""How much a user may write to Kafka: asks a cluster and tells it, as its super user. Knows nothing of who should have how much.

By the protocol itself (KIP-546): neither client library has an administration call for it.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int8, Int16, Int32, Schema, String

from services.commands import CommandError
from shared.publisher import connection_options

if TYPE_CHECKING:
    from shared.settings import Settings

_BYTES = "producer_byte_rate"
_ANY_NAME = 2
_WITHIN_SECONDS = 15.0
_TEXT = String("utf-8")
_ENTITY = Array(("entity_type", _TEXT), ("entity_name", _TEXT))


class _Described(Response):
    API_KEY = 48
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", _TEXT),
        ("entries", Array(("entity", _ENTITY), ("values", Array(("key", _TEXT), ("value", Float64))))),
    )


class _DescribeV0(RequestStruct):
    API_KEY = 48
    API_VERSION = 0
    RESPONSE_TYPE = _Described
    SCHEMA = Schema(("components", Array(("entity_type", _TEXT), ("match_type", Int8), ("match", _TEXT))), ("strict", Boolean))


class _Describe(Request[_DescribeV0]):
    """Of every user by name, and of nothing that is narrower (a user's one client)."""

    API_KEY = 48

    def build(self, request_struct_class: type[_DescribeV0]) -> _DescribeV0:
        return request_struct_class([("user", _ANY_NAME, None)], True)


class _Altered(Response):
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(("throttle_time_ms", Int32), ("entries", Array(("error_code", Int16), ("error_message", _TEXT), ("entity", _ENTITY))))


class _AlterV0(RequestStruct):
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _Altered
    SCHEMA = Schema(
        ("entries", Array(("entity", _ENTITY), ("ops", Array(("key", _TEXT), ("value", Float64), ("remove", Boolean))))),
        ("validate_only", Boolean),
    )


class _Alter(Request[_AlterV0]):
    API_KEY = 49

    def __init__(self, rates: Mapping[str, float | None]) -> None:
        self._rates = rates

    def build(self, request_struct_class: type[_AlterV0]) -> _AlterV0:
        told = [([("user", user)], [(_BYTES, rate or 0.0, rate is None)]) for user, rate in self._rates.items()]
        return request_struct_class(told, False)


def byte_rates(settings: "Settings") -> dict[str, float]:
    """Bytes a second that each broker takes of a user; who is not in it may write as fast as it likes."""
    answer = asyncio.run(_ask(settings, _Describe()))
    _insist(answer.error_code)
    return {
        entity[0][1]: rate for entity, values in answer.entries or () if entity[0][1] is not None for key, rate in values if key == _BYTES
    }


def set_byte_rates(settings: "Settings", rates: Mapping[str, float | None]) -> None:
    """None takes a user's limit away."""
    answer = asyncio.run(_ask(settings, _Alter(rates)))
    for code, *_ in answer.entries:
        _insist(code)


async def _ask(settings: "Settings", request: "Request[Any]") -> Any:
    options: Any = connection_options(settings)
    client = AIOKafkaClient(**{"bootstrap_servers": settings.kafka, **options}, client_id="jalur-access")
    try:
        async with asyncio.timeout(_WITHIN_SECONDS):
            await client.bootstrap()
            return await client.send(client.get_random_node(), request)
    except (KafkaError, TimeoutError) as error:
        raise CommandError(f"Kafka at {settings.kafka} does not tell what users may write: {type(error).__name__}") from None
    finally:
        await client.close()


def _insist(code: int) -> None:
    if code:
        raise CommandError(f"Kafka does not limit what users may write: {for_code(code).__name__}")
