"""The service does what its OpenAPI document says, for whatever that document lets a client send and for what it forbids."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import positive_data_acceptance
from schemathesis.core.result import Ok

from deploy.local.postgres import RunningPostgres
from tests.door import NOWHERE
from tests.processes import ServiceProcess
from tests.world import World

OPERATIONS = {
    "POST /v1/complaints": "source:lapor",
    "GET /v1/complaints": "source:lapor",
    "GET /v1/complaints/{id}": "source:lapor",
    "GET /v1/changes": "source:lapor",
    "POST /v1/complaints/{id}/changes": "source:lapor",
    "POST /v1/complaints/{id}/updates": "admin",
    "POST /v1/complaints/{id}/decisions": "triage",
    "POST /v1/complaints/{id}/disclosures": "desk:kanim:kupang",
}


@pytest.fixture(scope="module")
async def address(
    postgres: RunningPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, dict[str, dict[str, str]]]]:
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f'CREATE DATABASE "openapi" TEMPLATE "{template}"')
    async with World(NOWHERE, postgres.dsn.rpartition("/")[0] + "/openapi", "alone") as world:
        intake = ServiceProcess(world, "intake", Path(tmp_path_factory.mktemp("openapi"))).start()
        await intake.until_ready()
        yield intake.url, {role: await world.key(role) for role in OPERATIONS.values()}
        intake.stop()
    await connection.execute('DROP DATABASE "openapi" WITH (FORCE)')
    await connection.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_service_is_as_its_document_says(address: tuple[str, dict[str, dict[str, str]]], name: str, mode: GenerationMode) -> None:
    url, keys = address
    document = httpx.get(f"{url}/openapi.json").json()
    # A header is trimmed and left out on its way, so what is sent is not what was meant to be forbidden: headers have tests of their own.
    for operation in (item for path in document["paths"].values() for item in path.values()):
        operation["parameters"] = [item for item in operation.get("parameters", []) if item["in"] != "header"]
    schema = schemathesis.openapi.from_dict(document)
    found = [item.ok() for item in schema.get_all_operations() if isinstance(item, Ok)]
    (chosen,) = [item for item in found if item.label == name]

    @settings(
        max_examples=40, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(case=chosen.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        # No schema can say "no control characters, not blank, an offset, at most 200 bytes": what breaks such a rule may be refused.
        excluded = [positive_data_acceptance] if mode is GenerationMode.POSITIVE else []
        case.call_and_validate(base_url=url, headers=keys[OPERATIONS[name]], excluded_checks=excluded)

    check()
