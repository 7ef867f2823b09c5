"""The change feed: whoever polls with `next` learns of every change of its own cases, also of one committed late."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.postgres import RunningPostgres
from services.intake.listing_store import NewStatus, record_statuses
from services.intake.questions import write_change
from services.intake.readers import deadlines_of
from shared.events import AnswerStatus, CaseStatus
from shared.postgres import transaction
from tests.door import Door, fields_of, problem, shared_door
from tests.facts import MONDAY
from tests.listed import asked, case, given_to, ids, tell
from tests.world import until

PATH = "/v1/changes"


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


async def made(door: Door, count: int, role: str = "source:lapor") -> list[str]:
    return [(await door.accepted(role=role))["id"] for _ in range(count)]


async def poll(door: Door, after: str | None, role: str | None = None, limit: int | None = None) -> tuple[list[str], str]:
    page = await asked(door, PATH, role, after=after, limit=limit)
    return [item["complaint_id"] for item in page["items"]], page["next"]


async def test_a_poll_shows_what_changed_since_the_last_one_and_nothing_else(door: Door) -> None:
    first, second, untouched = await made(door, 3)
    found, after = await poll(door, None)
    assert found == []
    await tell(door, case(second))
    await tell(door, case(first))
    found, after = await poll(door, after)
    assert found == [second, first]
    assert await poll(door, after) == ([], after)
    await tell(door, case(second, "accepted", sequence=2))
    found, after = await poll(door, after)
    assert found == [second]
    assert untouched not in await ids(door, PATH)


async def test_a_case_that_changed_often_is_shown_once_at_its_newest(door: Door) -> None:
    one, other = await made(door, 2)
    for sequence, state in enumerate(("received", "assigned", "accepted", "answered")):
        await tell(door, case(one, state, sequence=sequence))
        await tell(door, case(other, "assigned", sequence=sequence))
    await tell(door, case(one, "assigned", sequence=1), case(one, "answered", sequence=3))  # old news, which is no change
    items = (await asked(door, PATH))["items"]
    assert [(item["complaint_id"], item["state"], item["sequence"]) for item in items] == [(one, "answered", 3), (other, "assigned", 3)]


async def test_an_item_is_the_case_as_read_alone_with_when_and_where_it_changed(door: Door) -> None:
    complaint = (await door.accepted(source_ref="5049672"))["id"]
    await tell(door, case(complaint, "answered", [given_to("imigrasi", "answered")], answers=[AnswerStatus(unit="imigrasi", at=MONDAY)]))
    page = await asked(door, PATH)
    (item,) = page["items"]
    read = (await door.read(complaint)).json()
    assert {name: item[name] for name in read} == read
    assert item["complaint_id"] == complaint
    assert item["source_ref"] == "5049672"
    assert item["cursor"] == page["next"]
    assert item["changed_at"].endswith("Z")
    assert set(item) == {*read, "cursor", "complaint_id", "sequence", "changed_at"}


async def test_each_key_polls_its_own_cases(door: Door) -> None:
    (lapor,), (ppid,) = await made(door, 1), await made(door, 1, "source:ppid")
    await tell(door, case(lapor, assignments=[given_to("imigrasi/kanim:kupang")]), case(ppid, assignments=[given_to("imigrasi")]))
    expected = {
        "source:lapor": [lapor], "source:ppid": [ppid], "source:wbs": [], "unit:imigrasi": [lapor, ppid], "unit:ham": [],
        "desk:kanim:kupang": [lapor], "triage": [lapor, ppid], "admin": [lapor, ppid], "auditor": [lapor, ppid],
    }  # fmt: skip
    for role, complaints in expected.items():
        assert sorted((await poll(door, None, role))[0]) == sorted(complaints), role


async def test_a_source_that_joined_knows_the_case_by_its_own_reference(door: Door) -> None:
    complaint = (await door.accepted(source_ref="5049672"))["id"]
    await door.accepted(role="source:halo_kumham", source_ref="HK-1", sp4n_tracking_id="5049672")
    await tell(door, case(complaint))
    shown = {}
    for role in ("source:lapor", "source:halo_kumham", "triage"):
        (item,) = (await asked(door, PATH, role))["items"]
        shown[role] = (item["source"], item["source_ref"])
    assert shown == {
        "source:lapor": ("lapor", "5049672"), "source:halo_kumham": ("halo_kumham", "HK-1"), "triage": ("lapor", "5049672")
    }  # fmt: skip


async def test_a_long_feed_is_read_page_by_page(door: Door) -> None:
    complaints = await made(door, 11)
    for complaint in complaints:
        await tell(door, case(complaint))
    seen: list[str] = []
    after = None
    while True:
        found, after = await poll(door, after, limit=3)
        if not found:
            break
        seen += found
    assert seen == complaints


async def test_what_is_committed_late_is_not_passed(door: Door) -> None:
    """One writer has applied its status and not committed; another would overtake it."""
    slow, quick = await made(door, 2)
    held = case(slow)
    pool = door.app.state.pool
    async with transaction(pool) as connection:
        await record_statuses(connection, [_row(held)])
        overtaking = asyncio.create_task(tell(door, case(quick)))

        async def is_done_or_waits() -> bool:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return overtaking.done() or bool(await door.world.db.fetchval(waiting))

        await until("the other writer is done, or waits", is_done_or_waits)
        found, after = await poll(door, None)
    await overtaking
    more, _ = await poll(door, after)
    assert sorted(found + more) == sorted([slow, quick])


async def test_many_writers_and_a_reader_at_once_lose_nothing(door: Door) -> None:
    complaints = await made(door, 40)
    chunks = [complaints[start::8] for start in range(8)]

    async def write(chunk: list[str]) -> None:
        for sequence in (1, 2, 3):
            for complaint in chunk:
                await tell(door, case(complaint, sequence=sequence))

    writing = asyncio.gather(*(write(chunk) for chunk in chunks))
    last: dict[str, int] = {}
    after: str | None = None
    is_over = False
    while not is_over:
        is_over = writing.done()
        page: dict[str, Any] = await asked(door, PATH, after=after, limit=7)
        while page["items"]:
            for item in page["items"]:
                assert last.get(item["complaint_id"], 0) < item["sequence"], "nothing is shown twice"
                last[item["complaint_id"]] = item["sequence"]
            page = await asked(door, PATH, after=page["next"], limit=7)
        after = page["next"]
    await writing
    assert last == dict.fromkeys(complaints, 3)


async def test_a_cursor_that_is_none_is_refused(door: Door) -> None:
    assert fields_of(problem(await door.http.get(PATH, params={"after": "5049672"}), 400)) == ["after"]
    assert fields_of(problem(await door.http.get(PATH, params={"unit": "imigrasi"}), 400)) == ["unit"]


async def test_a_cursor_from_before_the_database_was_set_back_is_told_apart(door: Door) -> None:
    assert fields_of(problem(await door.http.get(PATH, params={"after": write_change(2**40)}), 410)) == ["after"]


def _row(status: CaseStatus) -> NewStatus:
    return NewStatus(status.complaint_id, status.sequence, status.state, status.to_json().decode(), deadlines_of(status))
