"""`jalur desks`, who is away and who hears instead, on the real database."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from services.notifier import store
from tests.operators import asked, database_alone, jalur, notifier
from tests.world import World


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with database_alone(dsn) as created:
        yield created


async def away(world: World) -> dict[str, str | None]:
    """As the notifier reads it."""
    async with notifier(world) as connection:
        return await store.read_absences(connection, await world.now())


async def test_a_desk_is_away_until_the_end_of_a_day_of_its_own_and_present_again_when_said(world: World) -> None:
    day = (await world.now()).date() + timedelta(days=3)
    done = await jalur(world, "desks", "absent", "kanwil:papua", "--until", day.isoformat(), "--deputy", "admin_instansi")
    assert done.exit_code == 0
    until = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)  # midnight in Jayapura
    audit = json.loads(done.stderr)
    assert (audit["event"], audit["desk"], audit["deputy"]) == ("A desk is absent", "kanwil:papua", "admin_instansi")
    assert datetime.fromisoformat(audit["until"]) == until
    assert audit["operator"]
    (row,) = await asked(world, "desks", "list")
    assert (row["desk"], datetime.fromisoformat(row["until"]), row["hears"]) == ("kanwil:papua", until, "admin_instansi")
    assert await away(world) == {"kanwil:papua": "admin_instansi"}

    assert (await asked(world, "desks", "present", "kanwil:papua"))["was_away"] is True
    assert (await asked(world, "desks", "present", "kanwil:papua"))["was_away"] is False
    assert (await away(world), await asked(world, "desks", "list")) == ({}, [])


async def test_an_absence_ends_by_itself_and_what_has_passed_is_refused(world: World) -> None:
    now = await world.now()
    assert (await jalur(world, "desks", "absent", "kanim:kupang", "--until", (now + timedelta(hours=1)).isoformat())).exit_code == 0
    await world.advance(timedelta(hours=2))
    assert (await away(world), await asked(world, "desks", "list")) == ({}, [])
    assert (await jalur(world, "desks", "absent", "kanim:kupang", "--until", now.isoformat())).exit_code == 2
    assert (await jalur(world, "desks", "absent", "kanim:kupang", "--until", "besok")).exit_code == 2


async def test_deputies_who_are_away_too_are_warned_about_and_circles_are_refused(world: World) -> None:
    until = ("--until", ((await world.now()) + timedelta(days=5)).isoformat())
    assert (await jalur(world, "desks", "absent", "kanim:kupang", *until, "--deputy", "kanim:atambua")).exit_code == 0
    second = await jalur(world, "desks", "absent", "kanim:maumere", *until, "--deputy", "kanim:kupang")
    assert second.exit_code == 0
    assert "kanim:kupang is away too; kanim:atambua hears instead" in second.stderr
    circle = await jalur(world, "desks", "absent", "kanim:atambua", *until, "--deputy", "kanim:maumere")
    assert circle.exit_code == 2
    assert "kanim:atambua → kanim:maumere → kanim:kupang → kanim:atambua" in circle.stderr
    assert "kanim:atambua" not in await away(world)
    assert (await jalur(world, "desks", "absent", "kanim:kupang", *until, "--deputy", "kanim:kupang")).exit_code == 2
