"""Many reports in one request, a line each: every line is answered in its place, and none spoils another."""

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.postgres import RunningPostgres
from tests.door import NOWHERE, Door, fields_of, problem, shared_door
from tests.processes import ServiceProcess
from tests.world import World, report, until

BATCH = "/v1/complaints/batch"
KIB = 1024


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


def line(number: int, **fields: Any) -> bytes:
    return json.dumps(report(source_ref=str(number), **fields)).encode()


async def ids_by_reference(world: World) -> dict[str, str]:
    rows = await world.db.fetch("SELECT source_ref, id::text FROM intake.complaints")
    return {row["source_ref"]: row["id"] for row in rows}


async def test_each_line_is_answered_in_order_and_the_lines_are_complaints(door: Door) -> None:
    answers = await door.send_lines(BATCH, [report(source_ref=str(number)) for number in range(200)])
    assert [answer["line"] for answer in answers] == list(range(1, 201))
    stored = await ids_by_reference(door.world)
    assert [answer["id"] for answer in answers] == [stored[str(number)] for number in range(200)]
    assert (await door.counts())["outbox"] == 200


async def test_bad_lines_are_told_in_their_place_and_spoil_no_neighbour(door: Door) -> None:
    lines = [
        line(1),
        b"no JSON",
        line(3, text="a" * 20_001),
        line(4),
        b'{"title": "a", "title": "b", "text": "c"}',
        line(6, form={"a": "b" * (256 * KIB)}),
        line(7, reported_at="2999-01-01T00:00:00Z"),
        b"\xff\xfe",
        b"null",
        line(10),
    ]
    answers = await door.send_lines(BATCH, b"\n".join(lines) + b"\n")
    assert [answer["line"] for answer in answers] == list(range(1, 11))
    assert [answer["line"] for answer in answers if "id" in answer] == [1, 4, 10]
    told = {answer["line"]: answer["problem"] for answer in answers if "problem" in answer}
    assert {number: body["status"] for number, body in told.items()} == {2: 400, 3: 422, 5: 400, 6: 413, 7: 422, 8: 400, 9: 422}
    assert {number: fields_of(told[number]) for number in (3, 5, 7, 9)} == {3: ["text"], 5: ["title"], 7: ["reported_at"], 9: ["body"]}
    assert (await door.counts())["complaints"] == 3


async def test_blank_lines_windows_line_ends_and_a_missing_last_one_are_fine(door: Door) -> None:
    answers = await door.send_lines(BATCH, b"\r\n" + line(1) + b"\r\n\n   \n" + line(2) + b"\r\n" + line(3))
    assert [(answer["line"], "id" in answer) for answer in answers] == [(2, True), (5, True), (6, True)]


@pytest.mark.parametrize("body", [b"", b"\n\r\n"])
async def test_a_batch_of_nothing_has_no_answers(door: Door, body: bytes) -> None:
    assert await door.send_lines(BATCH, body) == []


async def test_a_batch_repeated_under_its_key_gives_the_same_ids(door: Door) -> None:
    lines = [report(text=f"Laporan ke-{number} tentang paspor.") for number in range(100)]
    first = await door.send_lines(BATCH, lines, key="unggahan-7")
    assert await door.send_lines(BATCH, lines, key="unggahan-7") == first
    assert (await door.counts())["complaints"] == 100
    changed = await door.send_lines(BATCH, [*lines[:99], report(text="Isi lain.")], key="unggahan-7")
    assert changed[:99] == first[:99]
    assert fields_of(changed[99]["problem"]) == ["Idempotency-Key"]


async def test_a_batch_s_key_must_leave_room_for_the_number_of_a_line(door: Door) -> None:
    response = await door.http.post(BATCH, content=line(1), headers={"Idempotency-Key": "k" * 200})
    found = problem(response, 400)
    assert fields_of(found) == ["Idempotency-Key"]
    assert (await door.counts())["complaints"] == 0


async def test_lines_with_the_same_reference_are_one_complaint(door: Door) -> None:
    answers = await door.send_lines(BATCH, b"\n".join([line(1)] * 50 + [line(1, text="Isi lain.")]))
    assert len({answer["id"] for answer in answers[:50]}) == 1
    assert answers[50]["problem"]["status"] == 422
    assert (await door.counts())["complaints"] == 1


async def test_as_many_lines_as_are_allowed_are_taken_and_the_next_one_is_told(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.intake.lines.MOST_LINES", 100)
    lines = b"".join(line(number) + b"\n" for number in range(1, 101))
    answers = await door.send_lines(BATCH, lines + b"\n\r\n")
    assert [(answer["line"], "id" in answer) for answer in answers] == [(number, True) for number in range(1, 101)]
    more = await door.send_lines(BATCH, lines + line(101) + b"\n" + line(102))
    assert more[:-1] == answers, "what was taken is answered before the refusal"
    assert (more[-1]["line"], more[-1]["problem"]["status"]) == (None, 413)
    assert "100 lines" in more[-1]["problem"]["detail"]
    assert (await door.counts())["complaints"] == 100


@pytest.fixture
async def process(dsn: str, tmp_path: Path) -> AsyncIterator[tuple[World, ServiceProcess]]:
    async with World(NOWHERE, dsn, "alone") as world:
        intake = ServiceProcess(world, "intake", tmp_path).start()
        try:
            yield world, await intake.until_ready()
        finally:
            intake.stop()


def request(port: int, headers: dict[str, str], body: bytes) -> bytes:
    told = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body)), "Connection": "close"} | headers
    head = [f"POST {BATCH} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(head).encode() + body


def send_all_then_read(port: int, headers: dict[str, str], body: bytes) -> list[dict[str, Any]]:
    """A client that reads nothing until it has sent everything."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request(port, headers, body))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        return [json.loads(text) for text in answer.read().splitlines()]


def send_a_part(port: int, headers: dict[str, str], body: bytes, length: int) -> None:
    """A client that goes away in the middle."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        whole = request(port, headers, body)
        connection.sendall(whole[: len(whole) - len(body) + length])


async def test_5_000_lines_over_a_socket_that_reads_nothing_until_all_is_sent(process: tuple[World, ServiceProcess]) -> None:
    world, intake = process
    headers = await world.key("source:lapor") | {"Idempotency-Key": "unggahan-8"}
    body = b"".join(line(number) + b"\n" for number in range(5_000))
    await asyncio.to_thread(send_a_part, intake.port, headers, body, len(body) // 2)

    async def has_begun() -> bool:
        return bool(await world.db.fetchval("SELECT count(*) FROM intake.complaints"))

    await until("what was sent before the client went away is stored", has_begun)
    answers = await asyncio.to_thread(send_all_then_read, intake.port, headers, body)
    assert [answer["line"] for answer in answers] == list(range(1, 5_001))
    stored = await ids_by_reference(world)
    assert [answer.get("id") for answer in answers] == [stored[str(number)] for number in range(5_000)]
    assert await asyncio.to_thread(send_all_then_read, intake.port, headers, body) == answers
    assert await world.db.fetchval("SELECT count(*) FROM intake.outbox") == 5_000
