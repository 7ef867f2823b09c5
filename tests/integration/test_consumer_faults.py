"""A batch that fails comes again whole; a bug takes its own record only; a partition that goes elsewhere takes nothing with it."""

from collections import Counter
from uuid import UUID, uuid4

from structlog.testing import capture_logs

from tests.bus import caught_up, put, statuses, until_shared
from tests.facts import changed, received, routed, updated
from tests.world import World, event_ids, until


async def test_a_batch_over_many_partitions_that_postgresql_refuses_is_given_back_and_nothing_is_lost(world: World) -> None:
    """40P01 deadlock, 57P01 shutdown, 40001 serialisation, 53100 disk full: the same work is safe to repeat."""
    now = await world.now()
    await world.db.execute(
        """
        CREATE SEQUENCE public.tries;
        CREATE FUNCTION public.fails() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE codes text[] := '{40P01,57P01,40001,53100}'; try bigint := nextval('public.tries');
        BEGIN
            IF try <= 4 THEN RAISE EXCEPTION 'not now' USING ERRCODE = codes[try]; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER fails AFTER UPDATE ON notifier.cases FOR EACH STATEMENT EXECUTE FUNCTION public.fails();
        """
    )
    cases = [uuid4() for _ in range(300)]
    await put(
        world,
        *(received(case, now) for case in cases),
        *(routed(case, at=now) for case in cases),
        *(changed(case, "edited", now) for case in cases),
    )
    await world.start("notifier")
    await caught_up(world, "notifier")
    found = await statuses(world)
    assert {case for case in cases if found[str(case)].state != "assigned"} == set()
    assert all([entry.what for entry in status.timeline].count("edited by source") == 1 for status in found.values())
    assert await world.db.fetchval("SELECT last_value FROM public.tries") > 4, "it did fail"
    assert await world.records(world.topics.dead_letters("notifier")) == []


async def fail_for(world: World, table: str, column: str, case: UUID) -> None:
    await world.db.execute(
        f"""
        CREATE OR REPLACE FUNCTION public.breaks() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'a bug'; END $$;
        CREATE TRIGGER breaks BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW WHEN (NEW.{column} = '{case}')
            EXECUTE FUNCTION public.breaks();
        """
    )


async def test_a_bug_in_the_effect_of_one_record_takes_that_record_only(world: World) -> None:
    now = await world.now()
    cases = [uuid4() for _ in range(30)]
    broken = cases[13]
    await fail_for(world, "notifier.cases", "id", broken)
    await fail_for(world, "router.decisions", "complaint_id", broken)
    await put(world, *(received(case, now) for case in cases), updated(cases[0], "accepted"))
    with capture_logs() as logs:  # a bug's frames are drawn at length on a terminal
        await world.start("router")
        await world.start("notifier")
        await caught_up(world, "router")
        await caught_up(world, "notifier")
    assert {entry["log_level"] for entry in logs if "bug" in entry["event"]} == {"error"}
    assert {UUID(case) for case in await statuses(world)} == {*cases} - {broken}
    for service in ("router", "notifier"):
        (letter,) = await world.records(world.topics.dead_letters(service))
        assert letter.key == broken.bytes
        assert dict(letter.headers)["x-dlq-reason"] == b"bug"
        assert b"a bug" not in dict(letter.headers)["x-dlq-error"]


async def test_a_partition_that_goes_to_another_replica_in_the_middle_of_a_batch_loses_and_doubles_nothing(world: World) -> None:
    now = await world.now()
    await world.db.execute(
        """
        CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END $$;
        CREATE TRIGGER waits AFTER INSERT ON notifier.timeline FOR EACH STATEMENT EXECUTE FUNCTION public.waits();
        """
    )
    cases = [uuid4() for _ in range(60)]
    async with world.db.acquire() as gate:
        await gate.execute("SELECT pg_advisory_lock(42)")
        await put(world, *(received(case, now) for case in cases), *(routed(case, at=now) for case in cases))
        one = await world.start("notifier")

        async def waiting() -> bool:
            found = await world.db.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted")
            return bool(found)

        await until("a batch is in the middle of its effects", waiting)
        other = await world.start("notifier")
        await until_shared(one, other)
        await gate.execute("SELECT pg_advisory_unlock(42)")
    await caught_up(world, "notifier")
    found = await statuses(world)
    assert {case: found[str(case)].state for case in cases} == dict.fromkeys(cases, "assigned")
    for status in found.values():
        said = Counter(entry.what for entry in status.timeline)
        assert (said["received"], said["assigned to imigrasi"], max(said.values())) == (1, 1, 1)
    assert len(set(event_ids(await world.records(world.topics.status)))) == sum(status.sequence for status in found.values())
    assert await world.records(world.topics.dead_letters("notifier")) == []
