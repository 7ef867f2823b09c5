"""Services die by SIGKILL in the middle of load: nothing accepted is lost, nothing is doubled after de-duplication by event id."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from shared.units import UNIT_SLUGS
from tests.load import Connector
from tests.processes import SERVICES, ServiceProcess
from tests.world import World, event_ids, payload, until

REPORTS = 600


async def test_each_service_is_killed_mid_load_and_nothing_is_lost_or_doubled(world: World, tmp_path: Path) -> None:
    services = {name: ServiceProcess(world, name, tmp_path).start() for name in SERVICES}
    for service in services.values():
        await service.until_ready()
    connector = Connector(services["intake"].url, await world.key("source:lapor"))
    load = asyncio.create_task(connector.post_all([str(5_000_000 + number) for number in range(REPORTS)]))
    for number, name in enumerate(("router", "notifier", "intake", "router", "notifier", "intake"), start=1):
        await until(f"a part of the load is in before {name} dies", accepted_at_least(connector, number * REPORTS // 7))
        services[name].kill()
        services[name].start()
    await load
    await check_balance(world, connector, REPORTS)
    for service in services.values():
        await service.until_ready()
        service.stop()


def accepted_at_least(connector: Connector, count: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return len(connector.accepted) >= count

    return look


async def check_balance(world: World, connector: Connector, count: int) -> None:
    """One id for each reference, one row, one decision part by event id, one case, and the read model knows them all."""
    assert all(len(ids) == 1 for ids in connector.accepted.values()), "a repeat was answered with another id"
    assert len(connector.ids) == count
    assert await world.db.fetchval("SELECT count(*) FROM intake.complaints") == count

    async def decided() -> bool:
        undecided = await world.db.fetchval("SELECT count(*) FROM intake.complaints WHERE next_look_at IS NOT NULL")
        waiting = await world.db.fetchval("SELECT count(*) FROM intake.outbox")
        return bool(undecided == 0 and waiting == 0)

    await until("every complaint is decided and in the read model", decided)
    parts = await world.records(*(world.topics.routed(unit) for unit in UNIT_SLUGS), world.topics.triage, world.topics.transferred)
    by_event = {event_id: payload(record)["complaint_id"] for event_id, record in zip(event_ids(parts), parts, strict=True)}
    assert Counter(by_event.values()) == Counter(connector.ids), "each complaint has one part, once by event id"
    rows = await world.db.fetch("SELECT first_outcome, count(*) FROM notifier.cases WHERE is_opened GROUP BY 1")
    outcomes: dict[str, int] = {row[0]: row[1] for row in rows}
    assert sum(outcomes.values()) == count
    assert outcomes.get("undecided", 0) == 0
    statuses = await world.records(world.topics.status)
    by_sequence = {(payload(record)["complaint_id"], payload(record)["sequence"]): record.value for record in statuses}
    assert len(by_sequence) == len(set(event_ids(statuses))), "a sequence is one status"
    clocks = await world.db.fetchval("SELECT count(*) FROM notifier.cases WHERE strpos(clocks, 'LAPOR_TINDAK_LANJUT') > 0")
    assert clocks == outcomes.get("routed", 0)
