"""The database goes away: intake says so, promises nothing it cannot keep, and goes on by itself when it is back."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.door import NOWHERE, Door, Wire, open_door, problem, wired
from tests.world import World, report, until

SOMEONE = "/v1/complaints/00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def parts(dsn: str) -> AsyncIterator[tuple[Wire, Door]]:
    async with wired(dsn) as (wire, address), open_door(dsn, postgres=address) as door:
        yield wire, door


async def ask_everything(door: Door) -> dict[str, httpx.Response]:
    headers = await door.headers("source:ppid")  # a key that nobody has verified yet
    change = {"change_id": "1", "kind": "closed"}
    return {
        "submit": await door.submit(),
        "submit with a new key": await door.http.post("/v1/complaints", json=report(), headers=headers),
        "change": await door.http.post(f"{SOMEONE}/changes", json=change, headers=headers),
        "read": await door.http.get(SOMEONE, headers=headers),
        "find": await door.http.get("/v1/complaints?source_ref=1", headers=headers),
        "batch": await door.http.post("/v1/complaints/batch", json=report(), headers=headers),
        "import": await door.http.post("/v1/imports", content=b"{}", headers=headers),
    }


async def is_ready(door: Door) -> bool:
    return (await door.http.get("/health/ready")).status_code == 200


async def test_while_the_database_is_away_everything_is_503_and_afterwards_all_is_well(parts: tuple[Wire, Door]) -> None:
    wire, door = parts
    await door.world.key("source:ppid")
    first = await door.accepted(source_ref="1", key="key-1")
    await wire.cut()
    for name, response in (await ask_everything(door)).items():
        problem(response, 503)
        assert int(response.headers["retry-after"]) >= 1, name
    ready = await door.http.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "unready")
    assert ready.json()["reasons"]["postgres"] == "does not answer"
    assert (await door.http.get("/health/live")).status_code == 200
    assert (await door.http.get("/metrics")).status_code == 200

    await wire.open()
    await until("intake is ready again", lambda: is_ready(door))
    assert await door.accepted(source_ref="1", key="key-1") == first
    await door.accepted(source_ref="2")
    assert (await door.counts())["complaints"] == 2


async def test_reports_that_are_being_stored_when_the_database_goes_are_503_and_may_be_repeated(parts: tuple[Wire, Door]) -> None:
    wire, door = parts
    await door.accepted(source_ref="0")
    posts = [asyncio.create_task(door.submit(source_ref=str(number))) for number in range(1, 30)]
    while not any(post.done() for post in posts):
        await asyncio.sleep(0)
    await wire.cut()
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} <= {202, 503}
    await wire.open()
    await until("intake is ready again", lambda: is_ready(door))
    again = await asyncio.gather(*(door.submit(source_ref=str(number)) for number in range(1, 30)))
    assert [answer.status_code for answer in again] == [202] * 29
    for before, after in zip(answers, again, strict=True):
        assert before.status_code == 503 or before.text == after.text
    assert (await door.counts())["complaints"] == 30


async def test_intake_starts_without_a_database_and_makes_its_schema_when_one_comes(dsn: str) -> None:
    async with wired(dsn) as (wire, address), World(NOWHERE, dsn, "alone") as world:
        await world.db.execute("DROP SCHEMA intake CASCADE")
        await wire.cut()
        async with world.running("intake", postgres=address) as app:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://intake") as http:
                headers = {"Authorization": "Bearer jalur_0_0"}
                problem(await http.post("/v1/complaints", json=report(), headers=headers), 503)
                assert "schema" in (await http.get("/health/ready")).json()["reasons"]
                await wire.open()
                door = Door(world, app, http)
                await until("intake is ready", lambda: is_ready(door))
                http.headers.update(await world.key("source:lapor"))
                await door.accepted()
