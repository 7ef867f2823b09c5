"""Firings worked out ahead, on the real database: once each, as the case is then, and silent where something came between."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.notifier.timeline import broken_at
from shared.postgres import open_pool
from tests.facts import changed, hours, received, routed, updated
from tests.integration.test_notifier_store import Office, lines

DESK = "kanim:kupang"


@pytest.fixture
async def office(dsn: str) -> AsyncIterator[Office]:
    pool = await open_pool(dsn, service="notifier")
    yield Office(pool, dsn)
    await pool.close()


async def opened(office: Office, number: int) -> list[UUID]:
    cases = [uuid4() for _ in range(number)]
    await office.read(*(fact for case in cases for fact in (received(case), routed(case, desk=DESK))))
    return cases


async def look_ahead(office: Office) -> datetime:
    """Just before the first deadline; returns its instant."""
    due: datetime = await office.pool.fetchval("SELECT min(next_due_at) FROM cases")
    while await office.notifier.ahead.prepare(due - timedelta(minutes=5)):
        pass
    assert office.notifier.ahead.soonest == due
    return due


async def test_each_fires_once_unless_its_unit_spoke_meanwhile_and_its_timeline_holds(office: Office) -> None:
    first, second, silent, *others = await opened(office, 250)
    due = await look_ahead(office)
    await office.read(updated(silent, "accepted"), changed(second, "flags", hours(2)), at=hours(2))
    assert await office.notifier.sweep(due - timedelta(seconds=1)) == 0, "not before its instant"
    fired = 0
    while swept := await office.notifier.sweep(due):
        fired += swept
    assert fired == 249
    said = await office.said()
    assert {item.complaint_id for item in said} == {first, second, *others}
    assert {(item.code, item.kind, item.to, item.due_at) for item in said} == {("TERIMA_PENUGASAN", "unacknowledged", (DESK,), due)}
    for case in (first, second, silent):
        row = await office.pool.fetchrow("SELECT entries, head, sequence, next_due_at FROM cases WHERE id = $1", case)
        assert row is not None
        assert broken_at(await lines(office.pool, case), row["entries"], row["head"]) is None
        assert (await office.status(case)).sequence == row["sequence"]
        assert row["next_due_at"] > due
    assert len(said) == 249


async def test_whoever_went_away_meanwhile_is_not_told(office: Office) -> None:
    await opened(office, 3)
    due = await look_ahead(office)
    await office.pool.execute("INSERT INTO absences (desk, until, deputy) VALUES ($1, 'infinity', 'kanim:maumere')", DESK)
    assert await office.notifier.sweep(due) == 3
    assert {item.to for item in await office.said()} == {("kanim:maumere",)}


async def test_after_an_outage_what_is_due_together_is_fired_in_order_and_as_if_nothing_had_been_worked_out(office: Office) -> None:
    (case,) = await opened(office, 1)
    due = await look_ahead(office)
    assert await office.notifier.sweep(due + timedelta(days=40)) == 1
    said = await office.said()
    assert [item.due_at for item in said if item.code == "TERIMA_PENUGASAN"] == [due] * 3
    assert [item.level for item in said if item.code == "TERIMA_PENUGASAN"] == [0, 1, 2]
    row = await office.pool.fetchrow("SELECT entries, head FROM cases WHERE id = $1", case)
    assert row is not None
    assert broken_at(await lines(office.pool, case), row["entries"], row["head"]) is None
