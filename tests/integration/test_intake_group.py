"""Requests that share a commit: one that fails harms no neighbour, one that is cut off takes nobody with it, none is stored twice."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from tests.door import Door, open_door, problem, wired
from tests.world import World, report, until

POISON = "racun"


@pytest.fixture
async def door(dsn: str) -> AsyncIterator[Door]:
    async with open_door(dsn) as opened:
        yield opened


async def refuse_in_database(door: Door, table: str, condition: str, sqlstate: str) -> None:
    """From now on the database refuses rows of a table, as a bug or a full disk would."""
    await door.world.db.execute(
        f"""
        CREATE FUNCTION intake.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {condition} THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{sqlstate}'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON intake.{table} FOR EACH ROW EXECUTE FUNCTION intake.refuse();
        """
    )


async def test_a_request_that_the_database_refuses_harms_no_neighbour(door: Door) -> None:
    await refuse_in_database(door, "reports", f"NEW.original LIKE '%{POISON}%'", "P0001")
    answers = await asyncio.gather(*(door.submit(title=POISON if number == 13 else "Paspor", key=str(number)) for number in range(40)))
    assert [number for number, answer in enumerate(answers) if answer.status_code != 202] == [13]
    problem(answers[13], 500)
    counts = await door.counts()
    assert (counts["complaints"], counts["reports"], counts["identities"], counts["outbox"]) == (39, 39, 39, 39)
    assert len({answer.json()["id"] for number, answer in enumerate(answers) if number != 13}) == 39


async def test_a_bad_request_among_good_ones_is_refused_alone(door: Door) -> None:
    bodies = [report(), report(reported_at="2999-01-01T00:00:00Z"), report(), report(unknown=1), report()]
    answers = await asyncio.gather(*(door.submit(body) for body in bodies * 5))
    assert [answer.status_code for answer in answers] == [202, 422, 202, 422, 202] * 5
    assert (await door.counts())["complaints"] == 15


async def test_a_report_without_a_name_is_stored_once_although_its_neighbour_fails_while_it_joins(door: Door) -> None:
    await door.accepted(sp4n_tracking_id="1", role="source:loket")
    await refuse_in_database(door, "reports", "NEW.number > 0", "P0001")
    joining = [door.submit(source_ref="1", text="Laporan yang sama dari pintu lain.") for _ in range(3)]
    answers = await asyncio.gather(*joining, *(door.submit() for _ in range(20)))
    assert [answer.status_code for answer in answers] == [500] * 3 + [202] * 20
    assert (await door.counts())["complaints"] == 21


@pytest.mark.parametrize("table", ["complaints", "reports", "identities", "outbox"])
async def test_a_full_disk_is_told_as_503_and_nothing_is_half_stored(door: Door, table: str) -> None:
    await refuse_in_database(door, table, "true", "disk_full")
    before = await door.counts()
    for answer in await asyncio.gather(*(door.submit(source_ref=str(number)) for number in range(5))):
        body = problem(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
        assert "again" in body["detail"]
    assert await door.counts() == before
    await door.world.db.execute(f"DROP TRIGGER refuse ON intake.{table}")
    await door.accepted(source_ref="1")


async def test_a_full_disk_half_stores_no_change(door: Door) -> None:
    complaint_id = (await door.accepted())["id"]
    before = await door.counts()
    await refuse_in_database(door, "outbox", "true", "disk_full")
    problem(await door.change(complaint_id, {"change_id": "1", "kind": "withdrawn"}), 503)
    assert await door.counts() == before


async def locked(door: Door) -> "asyncpg.Connection[asyncpg.Record]":
    """Somebody who holds up every commit that stores a report."""
    holder = await asyncpg.connect(door.world.dsn)
    await holder.execute("BEGIN; LOCK TABLE intake.reports IN SHARE MODE")
    return holder


async def is_held_up(world: World) -> bool:
    return bool(await world.db.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_callers_that_are_cut_off_do_not_take_their_group_with_them(door: Door) -> None:
    holder = await locked(door)
    posts = [asyncio.create_task(door.submit(source_ref=str(number))) for number in range(20)]
    await until("the group is being stored", lambda: is_held_up(door.world))
    for post in posts[:10]:
        post.cancel()
    await asyncio.wait(posts[:10])
    await holder.close()
    assert [answer.status_code for answer in await asyncio.gather(*posts[10:])] == [202] * 10

    async def all_are_stored() -> bool:
        return (await door.counts())["complaints"] == 20

    await until("those that were cut off are stored too", all_are_stored)
    again = await asyncio.gather(*(door.submit(source_ref=str(number)) for number in range(20)))
    assert [answer.status_code for answer in again] == [202] * 20
    assert (await door.counts())["complaints"] == 20


async def test_whoever_waits_for_a_commit_is_answered_when_the_service_ends(dsn: str) -> None:
    async with open_door(dsn) as door:
        holder = await locked(door)
        post = asyncio.create_task(door.submit(source_ref="1"))
        await until("the report is being stored", lambda: is_held_up(door.world))
    try:
        problem(await post, 503)
    finally:
        await holder.close()


async def test_a_commit_whose_answer_is_lost_is_not_made_twice(dsn: str) -> None:
    async with wired(dsn) as (wire, address), open_door(dsn, postgres=address) as door:
        await door.accepted(source_ref="first")
        before = await door.counts()
        wire.loses_next_commit = True
        answer: httpx.Response = await door.submit()  # without a name: a second try could not be told from a second report
        body = problem(answer, 503)
        assert "unknown" in body["detail"]

        async def is_stored() -> bool:
            return (await door.counts())["complaints"] > before["complaints"]

        await until("the commit took place", is_stored)
        await door.accepted(source_ref="later")
        assert (await door.counts())["complaints"] == before["complaints"] + 2
        assert (await door.counts())["outbox"] == before["outbox"] + 2
