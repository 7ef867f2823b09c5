"""What goes wrong in PostgreSQL or Kafka is never taken for a fault of the record: it comes again, nothing is dead, nothing is lost."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from shared.postgres import AWAY
from tests.bus import put, ready, statuses, until_ready
from tests.facts import decided, received, updated
from tests.world import World, until


async def _refuse_writing(world: World, refuse: bool) -> None:
    """As a failover leaves a service on a standby: new sessions may read only, and there are no old ones."""
    name = world.dsn.rpartition("/")[2]
    server = await asyncpg.connect(world.dsn.rpartition("/")[0] + "/postgres")
    await server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {"on" if refuse else "off"}')
    await server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'jalur-%'", name
    )
    await server.close()


async def _metric(app: Any, name: str) -> float:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def test_a_read_only_database_gives_batches_back_and_makes_no_dead_letters(world: World) -> None:
    router = await world.start("router")
    notifier = await world.start("notifier")
    await until_ready(router)
    await until_ready(notifier)
    await _refuse_writing(world, True)
    ids = [uuid4() for _ in range(12)]
    await put(world, *(received(complaint_id) for complaint_id in ids))

    async def both_gave_back() -> bool:
        return (
            await _metric(router, "jalur_router_batches_given_back_total") > 0
            and await _metric(notifier, "jalur_notifier_batches_given_back_total") > 0
        )

    await until("both services gave a batch back", both_gave_back)
    await _refuse_writing(world, False)

    async def all_assigned() -> bool:
        found = await statuses(world)
        return {key for key, status in found.items() if status.state == "assigned"} == {str(complaint_id) for complaint_id in ids}

    await until("every report is decided and its case assigned", all_assigned)
    assert await world.records(world.topics.dead_letters("router"), world.topics.dead_letters("notifier"), world.topics.triage) == []
    assert (await ready(router))[0]


def test_what_the_server_says_of_itself_comes_again_and_what_it_says_of_values_does_not() -> None:
    dying = asyncpg.InternalClientError  # a statement begun on a connection whose server was killed
    of_the_server = (asyncpg.ReadOnlySQLTransactionError, asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError, dying)
    of_values = (asyncpg.UniqueViolationError, asyncpg.NumericValueOutOfRangeError, asyncpg.RaiseError)
    assert all(issubclass(error, AWAY) for error in (*of_the_server, asyncpg.DiskFullError))
    assert not any(issubclass(error, AWAY) for error in of_values)


async def test_a_repeated_report_brings_back_a_status_that_was_lost(world: World) -> None:
    """A reader that lost a status, or was restored from before it, is told again under the same sequence."""
    notifier = await world.start("notifier")
    await until_ready(notifier)
    complaint_id = uuid4()

    async def is_in_state(state: str) -> bool:
        found = await statuses(world)
        return str(complaint_id) in found and found[str(complaint_id)].state == state

    # One after the other: had the decision been read first, the report would bring a status of its own after it.
    now = await world.now()  # nothing is due yet, so no firing brings a status of its own
    await put(world, received(complaint_id, now))
    await until("the case is open", lambda: is_in_state("received"))
    await put(world, *decided(complaint_id, "imigrasi", at=now))
    await until("the case is assigned", lambda: is_in_state("assigned"))
    before = await world.records(world.topics.status)
    await put(world, received(complaint_id, now))
    after = await world.until_records(len(before) + 1, world.topics.status)
    last = [record for record in after if record.key == complaint_id.bytes][-1]
    known = [record for record in before if record.key == complaint_id.bytes][-1]
    assert dict(last.headers)["ce_id"] == dict(known.headers)["ce_id"]
    assert last.value == known.value


async def test_an_update_id_used_for_a_second_complaint_is_refused_aloud(world: World) -> None:
    now = await world.now()
    notifier = await world.start("notifier")
    await until_ready(notifier)
    first, second = uuid4(), uuid4()
    for complaint_id in (first, second):
        await put(world, received(complaint_id, now), *decided(complaint_id, "imigrasi", at=now))
    await put(world, updated(first, "accepted", update_id="1"))

    async def accepted() -> bool:
        found = await statuses(world)
        return str(first) in found and found[str(first)].state == "accepted"

    await until("the first is accepted", accepted)
    await put(world, updated(second, "answered", update_id="1"))
    (refused,) = await world.until_records(1, world.topics.follow_ups("imigrasi"))
    assert b'"update_refused"' in (refused.value or b"")
    assert refused.key == second.bytes


async def test_a_case_that_cannot_fire_is_passed_over_and_the_others_fire(world: World) -> None:
    now = await world.now()
    notifier = await world.start("notifier")
    await until_ready(notifier)
    broken, sound = uuid4(), uuid4()
    for complaint_id in (broken, sound):
        await put(world, received(complaint_id, now), *decided(complaint_id, "imigrasi", at=now))

    async def both() -> bool:
        return len(await statuses(world)) == 2

    await until("both cases are open", both)
    await until("clocks run", lambda: world.db.fetchval("SELECT count(*) = 2 FROM notifier.cases WHERE clocks LIKE '%TINDAK_LANJUT%'"))
    # Its clocks are due, and no longer say which level is.
    no_level = "(SELECT jsonb_agg(jsonb_set(item, '{11}', 'null')) FROM jsonb_array_elements(clocks::jsonb) AS item)::text"
    await world.db.execute(f"UPDATE notifier.cases SET clocks = {no_level} WHERE id = $1", broken)
    await world.advance(timedelta(days=30))
    fired = await world.until_records(3, world.topics.follow_ups("imigrasi"))
    assert {record.key for record in fired} == {sound.bytes}
    assert await _metric(notifier, "jalur_notifier_bugs_total") > 0
