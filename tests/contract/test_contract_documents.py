"""The published documents say what the code does: the same text as generated, valid by their standards, every topic and route in them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from unittest.mock import create_autospec
from uuid import UUID

import pytest
from fastapi import FastAPI
from faststream.specification.asyncapi.v3_0_0.schema import Channel, Operation
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31
from starlette.routing import Route

from services.commands import documents
from services.intake.contract import add_routes
from services.intake.domain import check_idempotency_key
from services.intake.lines import MOST_LINES
from services.intake.openapi import document as openapi
from services.intake.read_model import status_subscription
from services.router.handlers import Router
from services.router.reading import Reader
from shared.dead_letters import put_back
from shared.problems import Problem
from shared.schemas.asyncapi import addresses, channels
from shared.schemas.asyncapi import document as asyncapi
from shared.topics import Topics

HERE = Path(__file__).parent
# AsyncAPI 3.0.0: the only fields that the document itself may have.
ROOT_FIELDS = {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}
SAMPLES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((HERE / "samples").glob("*.json"))}
TOPICS = Topics()


def test_the_published_documents_are_those_of_the_code() -> None:
    published = {path.name: path.read_text(encoding="utf-8") for path in documents.FOLDER.glob("*.json")}
    assert published == documents.generated(), "run `python -m services.commands.documents`"


def test_the_asyncapi_document_has_the_frame_of_its_standard() -> None:
    """As far as FastStream's own models of AsyncAPI 3.0 know it."""
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0" and {"title", "version"} <= set(document["info"])
    assert set(document) <= ROOT_FIELDS
    for channel in document["channels"].values():
        Channel.model_validate(channel)
    for operation in document["operations"].values():
        Operation.model_validate(operation)
        assert operation["action"] in ("send", "receive")


def test_the_openapi_document_is_valid_by_its_standard() -> None:
    assert [error.message for error in Draft202012Validator(OPENAPI_31).iter_errors(openapi())] == []


@pytest.mark.parametrize("document", [openapi(), asyncapi()], ids=["openapi", "asyncapi"])
def test_every_reference_of_a_document_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, list):
            for item in node:
                yield from references(item)
        elif isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                yield reference
            for item in node.values():
                yield from references(item)

    def leads_somewhere(reference: str) -> bool:
        found: Any = document
        for name in reference.removeprefix("#/").split("/"):
            if not isinstance(found, dict) or name not in found:
                return False
            found = found[name]
        return True

    every = set(references(document))
    assert len(every) > 5
    assert [reference for reference in sorted(every) if not leads_somewhere(reference)] == []


def test_every_topic_is_in_the_document_once_with_its_partitions_and_retention() -> None:
    said = {}
    for channel in channels(TOPICS):
        binding = asyncapi()["channels"][channel.name]["bindings"]["kafka"]
        for address in addresses(channel):
            assert address not in said
            said[address] = binding
    assert set(said) == {topic.name for topic in TOPICS.all()}
    for topic in TOPICS.all():
        assert said[topic.name]["partitions"] == topic.partitions
        configured = {
            name: value[0] if isinstance(value, list) else str(value) for name, value in said[topic.name]["topicConfiguration"].items()
        }
        assert configured == topic.config


def test_each_group_reads_what_the_document_says() -> None:
    nothing = cast(Any, None)
    router = Router(create_autospec(Reader, instance=True), nothing, nothing, TOPICS, nothing)
    read = {
        "intake": status_subscription(nothing, TOPICS).topics,
        "router": router.received().topics,
        "router-reroutes": router.reroutes().topics,
        "notifier": TOPICS.notifier_inputs(),
    }
    said: dict[str, set[str]] = {}
    for channel in channels(TOPICS):
        for group in channel.readers:
            said.setdefault(group, set()).update(addresses(channel))
    assert said == {group: set(topics) for group, topics in read.items()}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_what_was_published_is_as_the_document_says(sample: dict[str, Any]) -> None:
    document = asyncapi()
    (channel,) = [item for item in channels(TOPICS) if sample["topic"] in addresses(item)]
    assert channel.payload is not None
    message = document["components"]["messages"][channel.payload.__name__]
    validator = Draft202012Validator(document)
    assert list(validator.evolve(schema=message["payload"] | {"components": document["components"]}).iter_errors(sample["value"])) == []
    assert list(Draft202012Validator(message["headers"]).iter_errors(sample["headers"])) == []


def test_a_dead_letter_put_back_says_so_as_the_document_has_it_wherever_a_service_reads() -> None:
    document = asyncapi()
    said = put_back("complaints.received", None, None, (), UUID(int=1), datetime(2026, 3, 9, tzinfo=UTC)).headers
    for channel in channels(TOPICS):
        name = channel.payload.__name__ if channel.payload else "DeadLetter"
        known = document["components"]["messages"][name]["headers"]["properties"]
        assert ({header for header, _ in said} <= set(known)) == bool(channel.readers or channel.payload is None), channel.name


def test_every_route_of_the_door_is_in_its_document_and_nothing_else() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    add_routes(app, [])
    served = {(method, route.path) for route in app.routes if isinstance(route, Route) for method in (route.methods or set()) - {"HEAD"}}
    assert served == {(method.upper(), path) for path, item in openapi()["paths"].items() for method in item}


def test_a_key_as_long_as_the_document_allows_is_taken_and_leaves_room_for_the_number_of_a_line() -> None:
    def longest(path: str) -> int:
        (header,) = [item for item in openapi()["paths"][path]["post"]["parameters"] if item["in"] == "header"]
        return int(header["schema"]["maxLength"])

    most = longest("/v1/complaints")
    assert check_idempotency_key("k" * most)
    with pytest.raises(Problem):
        check_idempotency_key("k" * (most + 1))
    assert longest("/v1/complaints/batch") + len(f"#{MOST_LINES}") == most
