"""A case that turns out to be an oversight matter: the office learns no more of it, by whichever way it asks."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from deploy.local.postgres import RunningPostgres
from shared.events import CaseStatus
from tests.door import Door, problem, shared_door
from tests.facts import MONDAY
from tests.listed import asked, case, given_to, ids, tell

LIST, FEED = "/v1/complaints", "/v1/changes"
OFFICE = ("unit:imigrasi", "desk:kanim:kupang")
SECRET = "petugas loket minta uang"


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


def overseen(complaint: str, *, office: str, sequence: int = 2) -> CaseStatus:
    words = [{"at": MONDAY, "what": f"ordered to itjen in place of 0/0: {SECRET}", "by": "triage"}]
    parts = [given_to("imigrasi/kanim:kupang", office), given_to("itjen")]
    told: dict[str, Any] = {"timeline": words, "is_oversight": True, "class": "pengaduan_pengawasan"}
    return case(complaint, assignments=parts, sequence=sequence, **told)


async def made(door: Door, **fields: Any) -> str:
    return str((await door.accepted(**fields))["id"])


@pytest.mark.parametrize("state", ["returned", "replaced", "closed"])
async def test_an_office_whose_part_is_gone_finds_nothing_of_it_anywhere(door: Door, state: str) -> None:
    complaint, other = await made(door), await made(door)
    await tell(
        door, case(complaint, assignments=[given_to("imigrasi/kanim:kupang")]), case(other, assignments=[given_to("imigrasi/kanim:kupang")])
    )
    for role in OFFICE:
        assert sorted(await ids(door, LIST, role)) == sorted(await ids(door, FEED, role)) == sorted([complaint, other])
    await tell(door, overseen(complaint, office=state))
    for role in OFFICE:
        problem(await door.read(complaint, role), 404)
        assert await ids(door, LIST, role) == await ids(door, FEED, role) == [other]
        assert await ids(door, LIST, role, unit="itjen") == []
    for role in ("unit:itjen", "triage", "admin", "auditor"):
        assert SECRET in (await door.read(complaint, role)).text
        assert complaint in await ids(door, LIST, role)
        assert complaint in await ids(door, FEED, role)
    rows = "SELECT count(*) FROM intake.{} WHERE complaint_id = $1 AND reader = ANY ($2)"
    for table in ("listed_cases", "status_changes"):
        assert await door.world.db.fetchval(rows.format(table), UUID(complaint), list(OFFICE)) == 0


async def test_a_row_that_was_listed_before_shows_nothing(door: Door) -> None:
    complaint = await made(door)
    await tell(door, case(complaint, assignments=[given_to("imigrasi/kanim:kupang")]))
    status = overseen(complaint, office="returned").to_json().decode()
    await door.world.db.execute("UPDATE intake.cases SET status = $1 WHERE complaint_id = $2", status, UUID(complaint))
    for role in OFFICE:
        assert await ids(door, LIST, role) == await ids(door, FEED, role) == []


async def test_an_office_with_a_part_reads_that_part_alone_in_every_place(door: Door) -> None:
    complaint = await made(door)
    await tell(door, overseen(complaint, office="assigned"))
    for role in OFFICE:
        alone = (await door.read(complaint, role)).json()
        (listed,), (changed,) = (await asked(door, LIST, role))["items"], (await asked(door, FEED, role))["items"]
        assert alone == listed == {name: changed[name] for name in alone}
        assert (alone["class"], [item["unit"] for item in alone["assignments"]]) == (None, ["imigrasi"])
        assert SECRET not in str(changed)
        assert "itjen" not in str(changed)


async def test_a_source_reads_how_it_stands_and_not_why(door: Door) -> None:
    complaint = await made(door)
    await tell(door, overseen(complaint, office="replaced"))
    alone = (await door.read(complaint)).json()
    assert (alone["class"], [item["unit"] for item in alone["assignments"]]) == ("pengaduan_pengawasan", ["itjen"])
    assert [item["what"] for item in alone["timeline"]] == ["ordered to itjen in place of 0/0"]
    assert (await asked(door, LIST))["items"] == [alone]
    assert SECRET not in str(await asked(door, FEED))


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_a_filter_does_not_tell_what_the_case_does_not_show(door: Door, limit: int) -> None:
    hidden: list[str] = []
    plain: list[str] = []
    for number in range(5):
        complaint = await made(door, source_ref=str(number), reported_at=f"2026-07-06T08:0{number}:00Z")
        (plain if number == 3 else hidden).append(complaint)
    await tell(door, *(overseen(complaint, office="assigned") for complaint in hidden))
    await tell(door, case(plain[0], assignments=[given_to("imigrasi/kanim:kupang")]))
    for question in ({"unit": "imigrasi"}, {"desk": "kanim:kupang"}):
        assert await every(door, "source:lapor", limit, **question) == plain
    assert await every(door, "source:lapor", limit, unit="itjen") == hidden
    for role in OFFICE:
        assert await every(door, role, limit, unit="itjen") == []
        assert await every(door, role, limit, unit="imigrasi") == [*hidden[:3], *plain, *hidden[3:]]
        assert await ids(door, LIST, role, unit="itjen", source_ref="0") == []
    assert await ids(door, LIST, "source:lapor", unit="imigrasi", source_ref="0") == []
    assert await every(door, "unit:itjen", limit, unit="imigrasi") == hidden
    assert await every(door, "triage", limit, unit="imigrasi", desk="kanim:kupang") == [*hidden[:3], *plain, *hidden[3:]]


async def every(door: Door, role: str, limit: int, **query: Any) -> list[str]:
    """All pages; one that is followed by another is full, so that none tells of what it left out."""
    found: list[str] = []
    cursor = None
    while True:
        page = await asked(door, LIST, role, limit=limit, cursor=cursor, **query)
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return found
        assert len(page["items"]) == limit
