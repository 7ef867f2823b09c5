"""A report is known by its key and its source's reference: whatever is repeated, it is one complaint with one answer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from deploy.local.postgres import RunningPostgres
from tests.door import Door, fields_of, problem, replica, shared_door
from tests.world import report, until

ONE = {"complaints": 1, "reports": 1, "outbox": 1}


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


def only(counts: dict[str, int], *tables: str) -> dict[str, int]:
    return {table: counts[table] for table in tables or ONE}


@pytest.mark.parametrize(
    ("reference", "key"), [(None, "key-1"), ("5049672", None), ("5049672", "key-1")], ids=["same key", "same reference", "both"]
)
async def test_fifty_repeats_at_once_give_one_complaint_and_fifty_equal_answers(door: Door, reference: str | None, key: str | None) -> None:
    answers = await asyncio.gather(*(door.submit(source_ref=reference, key=key) for _ in range(50)))
    assert {(answer.status_code, answer.text, answer.headers["location"]) for answer in answers} == {
        (202, answers[0].text, f"/v1/complaints/{answers[0].json()['id']}")
    }
    assert only(await door.counts()) == ONE


async def test_fifty_repeats_spread_over_two_replicas_give_one_complaint_and_fifty_equal_answers(door: Door) -> None:
    async with replica(door.world) as other:
        answers = await asyncio.gather(*((door, other)[number % 2].submit(source_ref="5049672", key="key-1") for number in range(50)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert only(await door.counts()) == ONE


async def test_a_repeat_may_write_its_keys_in_another_order_and_defaults_out(door: Door) -> None:
    first = await door.accepted(source_ref="5049672")
    body = {"form": {}, "is_anonymous": True, **dict(reversed(report(source_ref="5049672").items()))}
    assert await door.accepted(body) == first


async def test_a_repeat_after_the_clock_moved_says_what_the_first_answer_said(door: Door) -> None:
    first = await door.accepted(key="key-1")
    await door.world.advance(timedelta(days=2))
    assert await door.accepted(key="key-1") == first
    assert only(await door.counts()) == ONE


async def test_reports_without_a_name_are_complaints_of_their_own(door: Door) -> None:
    answers = await asyncio.gather(*(door.accepted() for _ in range(20)))
    assert len({answer["id"] for answer in answers}) == 20
    assert only(await door.counts()) == {"complaints": 20, "reports": 20, "outbox": 20}


async def test_names_belong_to_their_source(door: Door) -> None:
    first = await door.accepted(source_ref="77", key="key-1", role="source:ppid")
    second = await door.accepted(source_ref="77", key="key-1", role="source:halo_kumham", title="Lain")
    assert first["id"] != second["id"]


async def test_a_name_may_come_later_and_is_known_from_then_on(door: Door) -> None:
    first = await door.accepted(source_ref="5049672")
    assert await door.accepted(source_ref="5049672", key="key-1") == first
    body = problem(await door.submit(source_ref="5049673", key="key-1"), 422)
    assert fields_of(body) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("key", "reference", "field"), [("key-1", None, "Idempotency-Key"), (None, "5049672", "source_ref")], ids=["key", "reference"]
)
async def test_the_same_name_with_another_body_is_refused_naming_it(door: Door, key: str | None, reference: str | None, field: str) -> None:
    await door.accepted(source_ref=reference, key=key)
    before = await door.counts()
    body = problem(await door.submit(source_ref=reference, key=key, text="Isi laporan yang lain sama sekali."), 422)
    assert fields_of(body) == [field]
    assert field in body["detail"]
    assert await door.counts() == before


async def test_a_key_and_a_reference_of_different_complaints_are_refused_naming_both(door: Door) -> None:
    await door.accepted(source_ref="1", key="key-1")
    await door.accepted(source_ref="2", key="key-2")
    before = await door.counts()
    body = problem(await door.submit(source_ref="2", key="key-1"), 422)
    assert fields_of(body) == ["Idempotency-Key", "source_ref"] + (["sp4n_tracking_id"] if len(body["errors"]) == 3 else [])
    assert await door.counts() == before


async def hold_name(door: Door, reference: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Another transaction that is just taking the reference, and does not end."""
    connection = await asyncpg.connect(door.world.dsn)
    await connection.execute("BEGIN")
    await connection.execute("INSERT INTO intake.identities VALUES ('ref', 'lapor', $1, gen_random_uuid(), 0, '')", reference)
    return connection


async def test_a_repeat_waits_for_the_transaction_that_holds_its_name_then_is_asked_to_come_again(door: Door) -> None:
    holder = await hold_name(door, "5049672")
    try:
        held = [asyncio.create_task(door.submit(source_ref="5049672")) for _ in range(10)]
        async with asyncio.timeout(3):
            neighbours = await asyncio.gather(*(door.submit(source_ref=str(number)) for number in range(10)))
        assert [answer.status_code for answer in neighbours] == [202] * 10
        assert not any(task.done() for task in held), "neighbours do not wait for a held name"
        for answer in await asyncio.gather(*held):
            body = problem(answer, 409)
            assert int(answer.headers["retry-after"]) >= 1
            assert "again" in body["detail"]
        assert (await door.counts())["complaints"] == 10
    finally:
        await holder.close()
    await door.accepted(source_ref="5049672")


async def test_a_repeat_whose_name_becomes_free_while_it_waits_is_stored(door: Door) -> None:
    holder = await hold_name(door, "5049672")
    waiting = [asyncio.create_task(door.submit(source_ref="5049672")) for _ in range(3)]

    async def is_waiting() -> bool:
        return bool(await door.world.db.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"))

    await until("a request waits for the name", is_waiting)
    await holder.execute("ROLLBACK")
    await holder.close()
    answers = await asyncio.gather(*waiting)
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert only(await door.counts()) == ONE
