"""`jalur dead`: what died is put back once, at a bounded rate, written down; killed anywhere, it goes on under the same ids."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from services.cli import app
from services.commands import CommandError
from services.commands.dead_history import History, plan_replay
from services.commands.dead_letters import read_letters
from services.commands.dead_replays import Item, alone, put_back_all, read_replays
from shared.dead_letters import REPLAY_ID, dead_letter
from shared.envelope import Message
from shared.errors import Dead
from shared.publisher import Publisher
from shared.records import Record
from tests.world import World

CASES = [UUID(int=number) for number in range(1, 8)]


async def died(world: World, *cases: UUID) -> str:
    """Letters of the router, of records that nobody reads in this test; their origin."""
    origin = world.topics.updates("ahu")
    for number, case in enumerate(cases):
        record = Record(origin, 0, 1000 + number, 0, case.bytes, b'{"n": %d}' % number, {}, (("ce_id", str(case).encode()),))
        message = dead_letter(world.topics.dead_letters("router"), record, Dead("wrong_unit", "unit: ahu"))
        await world.send(message.topic, message.value, key=message.key, headers=message.headers)
    return origin


async def jalur(world: World, *words: str, postgres: str | None = None) -> tuple[int, str, str]:
    """The command in a thread of its own: exit code, stdout, stderr."""
    environ = {
        "JALUR_KAFKA": world.bootstrap,
        "JALUR_POSTGRES": postgres or world.dsn,
        "JALUR_NAMESPACE": world.topics.namespace,
        "JALUR_DATA": "no-stack-here",
    }
    done = await asyncio.to_thread(CliRunner().invoke, app, ["dead", *words], None, environ)
    if isinstance(done.exception, CommandError):
        return done.exception.exit_code, done.stdout, f"{done.stderr}{done.exception}"
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


async def asked(world: World, *words: str, code: int = 0) -> Any:
    found, out, error = await jalur(world, *words, "--json")
    assert found == code, (out, error)
    # A service in this process logs to the same stdout meanwhile.
    return json.loads(next(line for line in out.splitlines() if line.startswith(("[{", "{", "[]"))))


async def items_of(world: World, connection: "asyncpg.Connection[asyncpg.Record]") -> Sequence[Item]:
    settings = world.settings("commands")
    letters = await read_letters(settings, "router")
    history = History(letters, await read_replays(connection, "router"))
    return plan_replay(letters, history, frozenset({world.topics.updates("ahu")}), uuid4).to_send


def replay_ids(records: Iterable[Any]) -> list[str]:
    return sorted(dict(record.headers)[REPLAY_ID].decode() for record in records)


async def test_what_dies_again_says_so_and_is_put_back_from_where_it_lies_now(world: World) -> None:
    await world.start("notifier")
    case, origin = uuid4(), world.topics.updates("ahu")
    await world.send(origin, b'{"status": "answered"}', key=case.bytes, headers=[("x-request-id", b"r-1")])
    await world.until_records(1, world.topics.dead_letters("notifier"))
    (first,) = await asked(world, "list", "notifier", str(case))
    assert (first["deaths"], first["died_after"], first["put_back"]) == (1, None, [])

    assert (await asked(world, "replay", "notifier", first["at"], "--dry-run"))["would_send"] == 1
    assert len(await world.records(origin)) == 1
    assert (await asked(world, "replay", "notifier", "--all", "--yes"))["sent"] == 1
    await world.until_records(2, world.topics.dead_letters("notifier"))
    first, again = await asked(world, "list", "notifier", "--reason", "not_our_schema", "--origin", "complaints.updates.ahu")
    (put_back,) = first["put_back"]
    assert (put_back["died_again_at"], again["deaths"], again["died_after"]["letter"]) == (again["at"], 2, first["at"])

    _, shown, _ = await jalur(world, "show", "notifier", put_back["id"])
    assert f"died for the 2. time, after {put_back['operator']} put it back from {first['at']}" in shown
    assert "x-request-id: r-1" in shown
    assert f"died again at {again['at']}" in (await jalur(world, "list", "notifier"))[1]
    code, _, error = await jalur(world, "show", "notifier", str(case))
    assert (code, first["at"] in error, again["at"] in error) == (2, True, True), "the case has two letters"

    for words in (["--yes"], ["--yes", "--again"]):
        answer = await asked(world, "replay", "notifier", first["at"], *words)
        assert (answer["sent"], answer["died_again"]) == (0, {first["at"]: again["at"]})
    assert (await asked(world, "replay", "notifier", "--all", "--yes"))["sent"] == 1
    await world.until_records(3, world.topics.dead_letters("notifier"))
    assert [item["deaths"] for item in await asked(world, "list", "notifier")] == [1, 2, 3]


async def test_a_letter_is_put_back_once_and_who_did_it_cannot_be_unsaid(world: World) -> None:
    origin = await died(world, *CASES[:3])
    for expected in (3, 0):
        answer = await asked(world, "replay", "router", "--reason", "wrong_unit", "--yes")
        assert (answer["sent"], len(answer["put_back_before"])) == (expected, 3 - expected)
    records = await world.records(origin)
    assert len(records) == 3
    assert (await asked(world, "replay", "router", str(CASES[1]), "--again", "--yes"))["sent"] == 1
    again = [record for record in await world.records(origin) if record.key == CASES[1].bytes]
    assert len(set(replay_ids(again))) == 2

    rows = await world.db.fetch("SELECT * FROM jalur.dead_letter_replays")
    assert replay_ids(await world.records(origin)) == sorted(str(row["id"]) for row in rows)
    role = await world.db.fetchval("SELECT session_user")
    assert {(row["service"], row["reason"], row["db_role"], bool(row["operator"])) for row in rows} == {
        ("router", "wrong_unit", role, True)
    }
    assert all(row["begun_at"] <= row["sent_at"] for row in rows)
    for statement in ("DELETE FROM", "TRUNCATE", "UPDATE {} SET operator = 'nobody'", "UPDATE {} SET sent_at = NULL"):
        words = statement.format("jalur.dead_letter_replays")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.db.execute(words if words != statement else f"{statement} jalur.dead_letter_replays")


async def test_a_replay_keeps_to_its_rate_and_stops_where_the_service_stops(world: World) -> None:
    origin = await died(world, *CASES[:5])
    there: list[int] = []

    async def pause(seconds: float) -> None:
        assert seconds == 1.0
        there.append(len(await world.records(origin)))
        if len(there) == 2:
            await world.db.execute("INSERT INTO router.breakers (purpose, opened_at, reason) VALUES ('received', now(), 'many bad')")

    async with world.db.acquire() as connection:
        items = await items_of(world, connection)  # type: ignore[arg-type]
        sent, stopped = await put_back_all(connection, world.settings("commands"), "router", items, 1, pause)
    assert there == [1, 2]
    assert (sent, stopped is not None and "many bad" in stopped) == (3, True)
    assert len(await world.records(origin)) == await world.db.fetchval("SELECT count(*) FROM jalur.dead_letter_replays") == 3

    code, _, error = await jalur(world, "replay", "router", "--all", "--yes")
    assert (code, "2 were not sent" in error, "jalur resume router" in error) == (1, True, True)
    await world.db.execute("UPDATE router.breakers SET opened_at = NULL")
    assert (await asked(world, "replay", "router", "--all", "--yes"))["sent"] == 2


async def test_killed_before_it_knew_the_outcome_it_sends_again_under_the_same_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = await died(world, CASES[0])
    send = Publisher.send_surely

    async def sends_and_dies(self: Publisher, messages: Sequence[Message], within: float = 30.0) -> None:
        await send(self, messages, within)
        raise asyncio.CancelledError

    monkeypatch.setattr(Publisher, "send_surely", sends_and_dies)
    async with world.db.acquire() as connection:
        items = await items_of(world, connection)  # type: ignore[arg-type]
        with pytest.raises(asyncio.CancelledError):
            await put_back_all(connection, world.settings("commands"), "router", items, 1, asyncio.sleep)
    monkeypatch.undo()
    _, shown, _ = await jalur(world, "show", "router", str(CASES[0]))
    assert "perhaps not sent" in shown
    assert (await asked(world, "replay", "router", "--all", "--yes"))["sent"] == 1
    first, second = replay_ids(await world.records(origin))
    assert first == second
    assert (await asked(world, "replay", "router", "--all", "--yes"))["sent"] == 0


async def test_two_do_not_put_back_at_once_but_anybody_may_look(world: World) -> None:
    await died(world, CASES[0])
    async with world.db.acquire() as connection, alone(connection, "router"):
        code, _, error = await jalur(world, "replay", "router", "--all", "--yes")
        assert (code, "somebody else" in error) == (1, True)
        assert (await asked(world, "replay", "router", "--all", "--dry-run"))["would_send"] == 1
    assert (await asked(world, "replay", "router", "--all", "--yes"))["sent"] == 1


async def test_while_the_database_is_away_letters_can_be_looked_at_and_not_put_back(world: World) -> None:
    await died(world, CASES[0])
    away = "postgresql://jalur@127.0.0.1:1/jalur"
    code, out, error = await jalur(world, "list", "router", "--json", postgres=away)
    assert (code, json.loads(out)[0]["put_back"], "not known" in error) == (0, None, True)
    code, _, error = await jalur(world, "replay", "router", "--all", "--yes", postgres=away)
    assert (code, "PostgreSQL does not answer" in error) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "router", "--yes"],
        ["replay", "router", "0:0", "--all", "--yes"],
        ["replay", "router", "--all"],
        ["replay", "router", "--since", "yesterday", "--yes"],
        ["list", "router", "--reason", "unheard_of"],
    ],
)
async def test_what_is_wrongly_asked_is_said_and_sends_nothing(words: list[str]) -> None:
    async with World("127.0.0.1:1", "postgresql://jalur@127.0.0.1:1/jalur", "") as world:
        assert (await jalur(world, *words))[0] == 2
