"""What the notifier's tables say of themselves: whose cases are open, how far past their time, and how far the calendar reaches."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.notifier.handlers import Notifier
from services.notifier.inputs import Input
from services.notifier.measures import Measures, Workload, look_into
from shared.metrics import NotifierMetrics
from shared.outbox import Relay
from shared.postgres import Pool, open_pool, transaction
from shared.publisher import Publisher
from shared.records import Record
from shared.settings import Settings
from tests.bus import message_of
from tests.facts import MONDAY, Fact, decided, hours, received, updated
from tests.memory import CLOCKWORK, TOPICS


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(dsn, service="notifier")
    yield pool
    await pool.close()


def reported(case: UUID, *units: str) -> list[Fact]:
    return [received(case, hours(0)), *decided(case, *units, at=hours(1), source="lapor", reported_at=hours(0))]


async def test_open_cases_are_counted_by_unit_and_by_how_far_they_are_past_their_time(pool: Pool, dsn: str) -> None:
    metrics = NotifierMetrics()
    relay = Relay(dsn, "notifier", Publisher(Settings("notifier", "127.0.0.1:1", dsn)), metrics.outbox)  # never run: nothing leaves
    notifier = Notifier(CLOCKWORK, pool, relay, TOPICS, metrics)
    answered, waiting, fresh = uuid4(), uuid4(), uuid4()
    facts: list[Fact] = [
        *reported(answered, "ahu"),
        *reported(waiting, "imigrasi", "ki"),
        *reported(fresh, "triage"),
        updated(answered, "answered", "ahu", outcome="selesai"),
    ]
    batch: list[tuple[Record, Input]] = []
    for offset, fact in enumerate(facts):
        message = message_of(TOPICS, fact)
        stamp = int(hours(2).timestamp() * 1000)
        batch.append((Record(message.topic, 0, offset, stamp, message.key, message.value, {}, ()), fact))
    await notifier.apply_batch(batch)

    def shown(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(f"jalur_notifier_{name}", labels) or 0.0

    now = hours(3)
    await Measures(pool, metrics).step(now, now)
    assert [shown("open_cases", unit=unit, level="open") for unit in ("imigrasi", "ki", "triage", "ahu")] == [1, 1, 1, 0]
    assert shown("oldest_overdue_age_seconds", unit="imigrasi") == 0
    assert shown("calendar_horizon_days") > 0

    now = MONDAY + timedelta(days=40)
    while await notifier.sweep(now):
        pass
    await Measures(pool, metrics).step(now, now)
    assert shown("open_cases", unit="imigrasi", level="open") == 0
    assert shown("open_cases", unit="imigrasi", level="overdue") + shown("open_cases", unit="imigrasi", level="escalated") == 1
    assert timedelta(days=20).total_seconds() < shown("oldest_overdue_age_seconds", unit="imigrasi") < timedelta(days=40).total_seconds()

    whole, pages, after = Workload(), Workload(), UUID(int=0)
    async with transaction(pool) as connection:
        await look_into(connection, whole, after, 100)
        while (last := await look_into(connection, pages, after, 1)) is not None:
            after = last
    assert whole == pages, "page by page the same"
