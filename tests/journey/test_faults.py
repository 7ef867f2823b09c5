"""Broker and database die in the middle of load, on servers of this test's own with durability on. What was answered 202 arrives."""

import asyncio
from pathlib import Path

from deploy.local.kafka import start_kafka
from deploy.local.postgres import start_postgres
from shared.topics_admin import apply_topics
from tests.journey.test_kill import accepted_at_least, check_balance
from tests.load import Connector
from tests.processes import ServiceProcess, some_port
from tests.world import World, until


async def test_kafka_comes_late_then_broker_and_database_are_killed_and_all_that_was_accepted_arrives(tmp_path: Path) -> None:
    port = some_port()
    postgres = await asyncio.to_thread(start_postgres, tmp_path / "postgres", port=some_port())
    kafka = None
    services: list[ServiceProcess] = []
    try:
        async with World(f"127.0.0.1:{port}", postgres.dsn, "") as world:
            intake = ServiceProcess(world, "intake", tmp_path).start()
            services.append(intake)
            await intake.until_ready()  # with no broker in sight
            connector = Connector(intake.url, await world.key("source:lapor"))
            references = [str(6_000_000 + number) for number in range(600)]
            await connector.post_all(references[:100])
            assert len(connector.ids) == 100

            kafka = await asyncio.to_thread(start_kafka, tmp_path / "kafka", port=port)
            await apply_topics(kafka.bootstrap)
            services += [ServiceProcess(world, name, tmp_path).start() for name in ("router", "notifier")]
            for service in services:
                await service.until_ready()

            load = asyncio.create_task(connector.post_all(references[100:350]))
            await until("load is under way", accepted_at_least(connector, 200))
            kafka.kill()
            await until("intake accepts without a broker", accepted_at_least(connector, 300))
            kafka = await asyncio.to_thread(start_kafka, tmp_path / "kafka", port=port)
            await load
            load = asyncio.create_task(connector.post_all(references[350:]))
            await until("load goes on", accepted_at_least(connector, 380))
            postgres.kill()
            await until("the connector sees that the database is away", lambda: _trouble(connector))
            postgres = await asyncio.to_thread(start_postgres, tmp_path / "postgres", port=postgres.port)
            await load
            await check_balance(world, connector, 600)
            for service in services:
                await service.until_ready()
    finally:
        for service in services:
            service.stop()
        if kafka is not None:
            kafka.stop()
        postgres.stop()


async def _trouble(connector: Connector) -> bool:
    return connector.trouble > 0
