"""Who may speak: a key says its role; one that is missing, unknown, misshapen or revoked says nothing at all."""

import time
from collections.abc import AsyncIterator

import pytest

from services.intake.keys import list_keys, revoke_key
from tests.door import Door, fields_of, open_door, problem
from tests.world import report, until

POSTS = ("/v1/complaints", "/v1/complaints/batch", "/v1/imports", "/v1/complaints/00000000-0000-4000-8000-000000000000/changes")
GETS = ("/v1/complaints?source_ref=1", "/v1/complaints/00000000-0000-4000-8000-000000000000")


@pytest.fixture
async def door(dsn: str) -> AsyncIterator[Door]:
    async with open_door(dsn) as opened:
        yield opened


def shapes(good: str) -> dict[str, str | None]:
    prefix, short, secret = good.removeprefix("Bearer ").split("_")
    return {
        "none": None,
        "empty": "",
        "no key": "Bearer ",
        "another scheme": f"Basic {prefix}_{short}_{secret}",
        "no scheme": f"{prefix}_{short}_{secret}",
        "another prefix": f"Bearer other_{short}_{secret}",
        "unknown id": f"Bearer {prefix}_{'0' * 12}_{secret}",
        "wrong secret": f"Bearer {prefix}_{short}_{'0' * 64}",
        "no secret": f"Bearer {prefix}_{short}_",
        "one part less": f"Bearer {prefix}_{secret}",
        "one part more": f"Bearer {prefix}_{short}_{secret}_x",
        "not ASCII": f"Bearer {prefix}_{short}_{secret}\u00e9",
        "control character": f"Bearer {prefix}_\x00_{secret}",
        "very long": f"Bearer {prefix}_{short}_{'0' * 60_000}",
        "query of the database": f"Bearer {prefix}_' OR true --_{secret}",
    }


async def test_without_a_good_key_nothing_is_said_or_stored(door: Door) -> None:
    good = (await door.world.key("source:lapor"))["Authorization"]
    before = await door.counts()
    for name, text in shapes(good).items():
        headers = [] if text is None else [(b"Authorization", text.encode("latin-1"))]
        for path in (*POSTS, *GETS):
            door.http.headers.pop("Authorization", None)
            request = door.http.build_request("POST" if path in POSTS else "GET", path, headers=headers, json=report())
            response = await door.http.send(request)
            found = problem(response, 401)
            assert fields_of(found) == ["Authorization"], name
            assert response.headers["www-authenticate"] == "Bearer"
    assert await door.counts() == before


async def test_a_good_key_is_known_whatever_the_case_of_its_scheme(door: Door) -> None:
    good = (await door.world.key("source:lapor"))["Authorization"]
    response = await door.http.post("/v1/complaints", json=report(), headers={"Authorization": good.replace("Bearer", "bearer")})
    assert response.status_code == 202


@pytest.mark.parametrize("role", ["unit:imigrasi", "desk:kanim:kupang", "triage", "admin", "auditor"])
async def test_only_sources_bring_something_in(door: Door, role: str) -> None:
    before = await door.counts()
    for path in POSTS:
        response = await door.http.post(path, json=report(), headers=await door.headers(role))
        assert role.partition(":")[0] in problem(response, 403)["detail"]
    assert await door.counts() == before


async def test_a_revoked_key_stops_within_a_second(door: Door) -> None:
    await door.accepted()
    async with door.world.db.acquire() as connection:
        (key,) = await list_keys(connection)
        revoked_at = await revoke_key(connection, key["id"])
        assert revoked_at is not None
    revoked = time.monotonic()

    async def is_refused() -> bool:
        return (await door.submit()).status_code == 401

    await until("the key is refused", is_refused, within=1.0)
    assert time.monotonic() - revoked < 1.0
    async with door.world.db.acquire() as connection:
        assert await revoke_key(connection, key["id"]) == revoked_at, "revoking twice keeps the first instant"
        assert await revoke_key(connection, "0" * 12) is None


async def test_keys_are_kept_as_hashes_only(door: Door) -> None:
    secret = (await door.world.key("source:lapor"))["Authorization"].rpartition("_")[2]
    rows = await door.world.db.fetch("SELECT * FROM intake.keys")
    assert secret not in str([tuple(row) for row in rows])
