"""The door's limits: who asks too much waits, and nobody waits for him. Keys end, and are changed without a gap."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.intake.keys import KeyNotReplaceable, add_key, list_keys, revoke_key, rotate_key
from services.intake.speakers import Speaker
from services.intake.store import count_undecided
from shared.envelope import Message
from shared.limits import Limits, read_networks
from shared.metrics import IntakeMetrics
from shared.outbox import Lanes, Relay
from shared.outbox_pace import Pace
from tests.door import Door, open_door, problem
from tests.world import report, until

NARROW = Limits(key_rate=0.05, key_burst=8, refusals_rate=0.05, refusals_burst=4, key_batches=1, batch_mib=1)


@pytest.fixture
async def narrow(dsn: str) -> AsyncIterator[Door]:
    async with open_door(dsn, limits=NARROW, trusted_proxies=read_networks("127.0.0.1")) as opened:
        yield opened


async def samples(door: Door, name: str) -> dict[str, float]:
    """A metric's values by its labels."""
    lines = (await door.http.get("/metrics")).text.splitlines()
    return {line.partition(" ")[0].removeprefix(name): float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)}


async def test_a_key_past_its_burst_waits_and_another_does_not(narrow: Door) -> None:
    answers = [await narrow.submit(source_ref=str(number)) for number in range(12)]
    assert [answer.status_code for answer in answers[:8]] == [202] * 8
    for answer in answers[8:]:
        assert problem(answer, 429)["type"] == "urn:jalur:problem:too-many-requests"
        assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert (await narrow.read(answers[0].json()["id"])).status_code == 429, "whatever the key asks for"
    await narrow.accepted(role="source:ppid")
    assert (await samples(narrow, "jalur_intake_throttled_total"))['{limit="key"}'] >= 3
    assert (await samples(narrow, "jalur_intake_refused_total"))['{problem="too-many-requests"}'] >= 3


async def test_who_tries_keys_is_stopped_and_who_has_one_is_not(narrow: Door) -> None:
    await narrow.accepted()  # known from now on, also to an address that is out of favour
    tried = {"Authorization": f"Bearer jalur_{'0' * 12}_{'0' * 64}", "X-Forwarded-For": "198.51.100.1"}
    codes = [(await narrow.http.post("/v1/complaints", json=report(), headers=tried)).status_code for _ in range(6)]
    assert codes == [401] * 4 + [429] * 2
    here = await narrow.http.post("/v1/complaints", json=report(), headers={"X-Forwarded-For": "198.51.100.1"})
    assert here.status_code == 202
    elsewhere = await narrow.http.post("/v1/complaints", json=report(), headers=tried | {"X-Forwarded-For": "198.51.100.2"})
    assert elsewhere.status_code == 401
    refused = await samples(narrow, "jalur_intake_refused_keys_total")
    assert (refused['{reason="unknown"}'], refused['{reason="too_many"}']) == (5, 2)


async def test_an_address_past_its_burst_waits_for_whatever_it_asks_and_whoever_watches_does_not(dsn: str) -> None:
    async with open_door(dsn, limits=Limits(address_rate=0.05, address_burst=3)) as door:
        codes = [(await door.http.get(path)).status_code for path in ("/openapi.json", "/nowhere", "/v1/changes", "/openapi.json")]
        assert codes == [200, 404, 200, 429]
        answer = await door.submit()
        assert problem(answer, 429)["type"] == "urn:jalur:problem:too-many-requests"
        assert int(answer.headers["retry-after"]) > 1
        assert (await door.http.get("/health/live")).status_code == 200
        assert (await samples(door, "jalur_intake_throttled_total"))['{limit="address"}'] == 2


async def test_paths_and_methods_that_nobody_serves_count_too(dsn: str) -> None:
    async with open_door(dsn, limits=Limits(address_rate=0.05, address_burst=4)) as door:
        assert (await door.http.get("/v1/nowhere")).status_code == 404
        assert (await door.http.delete("/v1/complaints")).status_code == 405
        assert (await door.http.get("/health/nowhere")).status_code == 404
        await door.accepted()  # one request, counted once
        assert [(await door.http.get(path)).status_code for path in ("/v1/nowhere", "/health/nowhere", "/metrics/x")] == [429] * 3
        answers = [await door.http.get(path) for path in ("/health/live", "/health/ready", "/metrics")]
        assert 429 not in [answer.status_code for answer in answers]


async def test_a_batch_past_its_burst_is_read_more_slowly_and_not_refused(dsn: str) -> None:
    async with open_door(dsn, limits=Limits(key_rate=200, key_burst=2)) as door:
        begun = asyncio.get_running_loop().time()
        answers = await door.send_lines("/v1/complaints/batch", [report(source_ref=str(number)) for number in range(60)])
        assert asyncio.get_running_loop().time() - begun >= 58 / 200
        assert len([answer for answer in answers if "id" in answer]) == 60


async def test_a_key_has_so_many_batches_at_once_and_a_batch_so_many_bytes(narrow: Door) -> None:
    is_read, goes_on = asyncio.Event(), asyncio.Event()

    async def lines() -> AsyncIterator[bytes]:
        yield json.dumps(report()).encode() + b"\n"
        is_read.set()
        await goes_on.wait()
        yield b"\n" * (1 << 20)

    first = asyncio.create_task(narrow.http.post("/v1/complaints/batch", content=lines()))
    await is_read.wait()
    second = await narrow.http.post("/v1/complaints/batch", content=b"{}\n")
    assert problem(second, 429)["type"] == "urn:jalur:problem:too-many-at-once"
    goes_on.set()
    answers = [json.loads(line) for line in (await first).text.splitlines()]
    assert "id" in answers[0]
    assert (answers[1]["line"], answers[1]["problem"]["status"]) == (None, 413)
    assert (await narrow.http.post("/v1/complaints/batch", content=b"\n")).status_code == 200, "its place is free again"


async def test_a_key_is_changed_without_a_gap_and_an_ended_one_is_told_so(dsn: str) -> None:
    async with open_door(dsn) as door:
        old = (await door.world.key("source:lapor"))["Authorization"].removeprefix("Bearer ")
        async with door.world.db.acquire() as connection:
            rotation = await rotate_key(connection, old, timedelta(hours=24))
            assert rotation is not None
            assert timedelta(hours=23) < rotation.old_expires_at - datetime.now(UTC) <= timedelta(hours=24)
            with pytest.raises(KeyNotReplaceable, match="replaced by"):
                await rotate_key(connection, old, timedelta(hours=24))
            assert await rotate_key(connection, "0" * 12, timedelta()) is None

        async def status(key: str) -> int:
            return (await door.http.get("/v1/changes", headers={"Authorization": f"Bearer {key}"})).status_code

        assert [await status(key) for key in (old, rotation.key)] == [200, 200]
        async with door.world.db.acquire() as connection:
            await connection.execute("UPDATE intake.keys SET expires_at = now() - interval '1 second' WHERE id = $1", rotation.old_id)

        async def has_ended() -> bool:
            return await status(old) == 401

        await until("the old key has ended", has_ended)
        assert await status(rotation.key) == 200
        answer = await door.http.get("/v1/changes", headers={"Authorization": f"Bearer {old}"})
        assert "ended at" in problem(answer, 401)["detail"]
        wrong = await door.http.get("/v1/changes", headers={"Authorization": f"Bearer {old[:-1]}{'1' if old[-1] != '1' else '2'}"})
        assert "ended" not in problem(wrong, 401)["detail"], "only its holder learns what became of a key"
        refused = await samples(door, "jalur_intake_refused_keys_total")
        assert refused['{reason="expired"}'] >= 2
        assert refused['{reason="wrong_secret"}'] == 1
        async with door.world.db.acquire() as connection:
            await revoke_key(connection, rotation.key)
            with pytest.raises(KeyNotReplaceable, match="revoked"):
                await rotate_key(connection, rotation.key, timedelta())
            by_id = {key["id"]: key for key in await list_keys(connection)}
        assert by_id[rotation.old_id]["is_expired"]
        assert by_id[rotation.old_id]["replaced_by"] in by_id


async def test_the_nearest_end_of_a_key_that_nobody_replaced_is_shown_by_role(dsn: str) -> None:
    async with open_door(dsn) as door:
        now = datetime.now(UTC)
        async with door.world.db.acquire() as connection:
            replaced = await add_key(connection, Speaker("source", "ppid"), now + timedelta(minutes=1))
            await rotate_key(connection, replaced, timedelta(minutes=1), now + timedelta(days=90))
            await revoke_key(connection, await add_key(connection, Speaker("admin", None), now + timedelta(days=1)))
            await add_key(connection, Speaker("unit", "imigrasi"), now + timedelta(days=3))
            await add_key(connection, Speaker("unit", "ham"), now + timedelta(days=9))
            late = await add_key(connection, Speaker("triage", None), now - timedelta(days=1))

        async def shown() -> dict[str, float]:
            found = await samples(door, "jalur_intake_key_expiry_seconds")
            return {label: round(seconds / 86_400) for label, seconds in found.items()}

        async def is_shown() -> bool:
            return await shown() == {'{role="source"}': 90, '{role="unit"}': 3, '{role="triage"}': -1}

        await until("the roles' nearest ends", is_shown)
        async with door.world.db.acquire() as connection:
            await revoke_key(connection, late)

        async def is_gone() -> bool:
            return '{role="triage"}' not in await shown()

        await until("a revoked key is no concern any more", is_gone)
        assert await shown() == {'{role="source"}': 90, '{role="unit"}': 3}


class Bus:
    """A publisher that takes everything and remembers in which round."""

    def __init__(self) -> None:
        self.rounds: list[list[Message]] = []

    async def send_all(self, messages: Sequence[Message]) -> list[None]:
        self.rounds.append(list(messages))
        return [None] * len(messages)


async def _fill(connection: "asyncpg.Connection[asyncpg.Record]", source: str, count: int) -> None:
    """Accepted reports of a source, each with a change that came later."""
    ids = [uuid4() for _ in range(count)]
    await connection.execute(
        """
        INSERT INTO intake.complaints (id, source, reported_at, accepted_at, is_final, received, next_look_at)
        SELECT id, $2, now(), now(), false, '', now() FROM unnest($1::uuid[]) AS id
        """,
        ids,
        source,
    )
    for topic in ("received", "changes"):
        await connection.execute(
            "INSERT INTO intake.outbox (topic, key, headers, value) SELECT $2, uuid_send(id), '[]', '' FROM unnest($1::uuid[]) AS id",
            ids,
            topic,
        )
    await connection.execute(
        "INSERT INTO intake.outbox (topic, key, headers, value) SELECT 'changes', uuid_send(id), '[]', '2' FROM unnest($1::uuid[]) AS id",
        ids,
    )


@pytest.mark.parametrize("is_fair", [True, False])
async def test_a_flood_of_one_source_does_not_delay_another_on_its_way_to_kafka(dsn: str, is_fair: bool) -> None:
    """Both orders of the relay over the same outbox: without turns the quiet source waits until the flood is through."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "intake, jalur"})
    try:
        await connection.execute("SET enable_seqscan = off")
        await _fill(connection, "lapor", 2_500)
        await _fill(connection, "ppid", 20)
        quiet = {row["key"] for row in await connection.fetch("SELECT key FROM outbox WHERE lane = 'ppid'")}
        assert len(quiet) == 20
        metrics, bus = IntakeMetrics(), Bus()
        publisher: Any = bus
        relay = Relay(dsn, "intake", publisher, metrics.outbox, Lanes(metrics.lanes, "received", count_undecided) if is_fair else None)
        await relay._measure(connection)
        if is_fair:
            assert metrics.lanes.waiting.labels("lapor")._value.get() == 7_500
            assert metrics.lanes.waiting.labels("ppid")._value.get() == 60
            assert metrics.lanes.oldest.labels("ppid")._value.get() > 0
        while await relay._round(connection):
            pass
        sent = [message for messages in bus.rounds for message in messages]
        assert len(sent) == 7_560
        assert len({(message.topic, message.key, message.value) for message in sent}) == 7_560
        for key in quiet:
            assert [message.value for message in sent if message.key == key and message.topic == "changes"] == [b"", b"2"]
        last = max(number for number, messages in enumerate(bus.rounds) if any(message.key in quiet for message in messages))
        assert (last <= 1) is is_fair, f"the quiet source's last event left in round {last} of {len(bus.rounds)}"
    finally:
        await connection.close()


@pytest.mark.parametrize("is_fair", [True, False])
async def test_many_events_of_one_complaint_do_not_delay_another_of_its_lane(dsn: str, is_fair: bool) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "intake, jalur"})
    try:
        await connection.execute("SET enable_seqscan = off")
        busy, quiet = uuid4().bytes, uuid4().bytes
        add = """
            INSERT INTO outbox (topic, key, headers, value)
            SELECT $1, $2, '[]', convert_to(number::text, 'UTF8') FROM generate_series(1, $3) AS number
        """
        await connection.execute(add, "answers", busy, 3_000)
        await connection.execute(add, "answers", quiet, 2)
        await connection.execute(add, "changes", busy, 2)
        metrics, bus = IntakeMetrics(), Bus()
        publisher: Any = bus
        relay = Relay(dsn, "intake", publisher, metrics.outbox, Lanes(metrics.lanes, "received", count_undecided) if is_fair else None)
        for _ in range(3):
            assert await relay._round(connection), "there is more"

        def left(key: bytes, topic: str = "answers") -> list[bytes | None]:
            return [message.value for messages in bus.rounds for message in messages if (message.topic, message.key) == (topic, key)]

        assert left(quiet) == [b"1", b"2"]
        # Whoever comes later waits no longer either: it is remembered how far to look.
        late = uuid4().bytes
        await connection.execute(add, "answers", late, 1)
        await relay._round(connection)
        assert left(late) == [b"1"]
        while await relay._round(connection):
            pass
        assert left(busy) == [str(number).encode() for number in range(1, 3_001)], "each once, in order"
        assert left(busy, "changes") == [b"1", b"2"]
    finally:
        await connection.close()


async def test_a_source_that_is_far_ahead_of_its_decisions_waits_for_them_and_holds_nobody_else(dsn: str) -> None:
    """What lies in Kafka is read in order: a flood that had all left would stand before whatever comes after it."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "intake, jalur"})
    try:
        await connection.execute("SET enable_seqscan = off")
        metrics, bus = IntakeMetrics(), Bus()
        publisher: Any = bus
        relay = Relay(dsn, "intake", publisher, metrics.outbox, Lanes(metrics.lanes, "received", count_undecided, Pace(1_000)))

        async def seconds(count: int) -> int:
            """A second's round and look, so many times; how many of the flood's reports have left since the beginning."""
            for _ in range(count):
                await relay._round(connection)
                await relay._measure(connection)
            keys = {row["key"] for row in await connection.fetch("SELECT uuid_send(id) AS key FROM complaints WHERE source = 'lapor'")}
            return sum(message.topic == "received" and message.key in keys for messages in bus.rounds for message in messages)

        await relay._measure(connection)
        await _fill(connection, "lapor", 5_000)
        left = await seconds(4)
        assert 1_000 <= left < 2_500
        await _fill(connection, "ppid", 20)
        await seconds(1)
        quiet = {row["key"] for row in await connection.fetch("SELECT uuid_send(id) AS key FROM complaints WHERE source = 'ppid'")}
        assert quiet == {message.key for message in bus.rounds[-1] if message.topic == "received"}
        assert metrics.outbox.oldest._value.get() < metrics.lanes.oldest.labels("lapor")._value.get(), (
            "who is held is no outbox that is stuck"
        )

        sent = [message.key for messages in bus.rounds for message in messages if message.topic == "received"]
        await connection.execute("UPDATE complaints SET next_look_at = NULL WHERE uuid_send(id) = ANY ($1::bytea[])", sent)
        more = await seconds(3)
        assert left < more <= left + 2_000, "decided, and the next may leave"
        assert await seconds(20) == 5_000, "nobody decides anything any more: then they are no safer here than there"
    finally:
        await connection.close()
