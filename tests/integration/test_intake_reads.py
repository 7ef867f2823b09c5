"""What a key may read before anybody decided anything: its own, found by id and by reference, and nothing of others."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.postgres import RunningPostgres
from tests.door import Door, fields_of, problem, shared_door

PATH = "/v1/complaints"


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


async def found_ids(door: Door, reference: str, role: str | None = None) -> list[str]:
    response = await door.http.get(PATH, params={"source_ref": reference}, headers=await door.headers(role))
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["items"]]


async def test_before_any_status_a_report_is_received(door: Door) -> None:
    body: dict[str, Any] = {"source_ref": "5049672", "class": "pengaduan", "reported_at": "2026-07-13T09:20:00+08:00"}
    made = await door.accepted(**body)
    response = await door.http.get(f"{PATH}/{made['id']}")
    assert response.json() == {
        "id": made["id"],
        "source": "lapor",
        "source_ref": "5049672",
        "state": "received",
        "class": "pengaduan",
        "reported_at": "2026-07-13T01:20:00Z",
        "assignments": [],
        "clocks": [],
        "answers": [],
        "timeline": [{"at": made["accepted_at"], "what": "received", "by": "source:lapor"}],
    }
    assert (await door.http.post(PATH, json={"title": "a", "text": "b"})).headers["location"].startswith(f"{PATH}/")
    assert await found_ids(door, "5049672") == [made["id"]]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("source:lapor", 200), ("triage", 200), ("admin", 200), ("auditor", 200),
        ("source:ppid", 404), ("unit:imigrasi", 404), ("desk:kanim:kupang", 404),
    ],
)  # fmt: skip
async def test_a_role_sees_what_it_may_and_the_rest_does_not_exist(door: Door, role: str, status: int) -> None:
    complaint_id = (await door.accepted(source_ref="5049672"))["id"]
    response = await door.read(complaint_id, role)
    assert response.status_code == status
    assert await found_ids(door, "5049672", role) == ([complaint_id] if status == 200 else [])
    if status == 404:
        unknown = await door.read("00000000-0000-4000-8000-000000000000", role)
        assert response.json() == unknown.json(), "what may not be seen looks like what is not there"


async def test_a_reference_that_two_sources_use_leads_each_to_its_own(door: Door) -> None:
    ids = {role: (await door.accepted(source_ref="77", role=role))["id"] for role in ("source:ppid", "source:halo_kumham")}
    for role, complaint_id in ids.items():
        assert await found_ids(door, "77", role) == [complaint_id]
    assert sorted(await found_ids(door, "77", "triage")) == sorted(ids.values())


async def test_a_joined_report_is_found_by_either_reference(door: Door) -> None:
    made = await door.accepted(source_ref="5049672")
    await door.accepted(role="source:halo_kumham", source_ref="HK-1", sp4n_tracking_id="5049672")
    assert await found_ids(door, "HK-1", "source:halo_kumham") == [made["id"]]
    assert await found_ids(door, "HK-1", "source:lapor") == []
    assert await found_ids(door, "HK-1", "admin") == [made["id"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("source_ref=", "source_ref"),
        ("source_ref=" + "1" * 201, "source_ref"),
        ("source_ref=%00", "source_ref"),
        ("source_ref=1&source_ref=2", "source_ref"),
        ("source_ref=1&x=", "x"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_naming_it(door: Door, query: str, field: str) -> None:
    assert fields_of(problem(await door.http.get(f"{PATH}?{query}"), 400)) == [field]


@pytest.mark.parametrize("reference", ["%ff", "%ed%a0%80", "' OR true --", "\U0001f6c2", "%", "a\tb"])
async def test_an_odd_reference_finds_nothing(door: Door, reference: str) -> None:
    path = f"{PATH}?source_ref={reference}" if reference.startswith("%") else PATH
    response = await door.http.get(path, params=None if reference.startswith("%") else {"source_ref": reference})
    assert (response.status_code, response.json()) == (200, {"items": [], "next": None})


@pytest.mark.parametrize("name", ["x", "batch", "5049672", "0", "00000000-0000-4000-8000-00000000000g", "%00", "..%2f"])
async def test_what_is_no_id_is_not_there(door: Door, name: str) -> None:
    assert problem(await door.http.get(f"{PATH}/{name}"), 404)["type"] == "urn:jalur:problem:not-found"


async def test_paths_and_methods_that_are_not_there_are_told_as_problems(door: Door) -> None:
    for path in ("/v2/complaints", f"{PATH}/", "/v1/imports/"):
        problem(await door.http.post(path, json={"title": "a", "text": "b"}), 404)
    response = await door.http.delete(PATH)
    problem(response, 405)
    assert response.headers["allow"] == "GET, HEAD, POST"
