"""The router's wiring: the directory is read once, the rule set in force before anything is consumed and again when it changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

from starlette.applications import Starlette

from services.router.handlers import Router
from services.router.judgement import Judge
from services.router.reading import Judged, Reader
from services.router.routes import Practice
from services.router.rule_sets import RuleKeeper
from services.router.ruleset import load_judge
from shared.broker import BatchConsumer, Subscription
from shared.certificates import CertificateWatch
from shared.health import Ends, Progress, consumer_readiness
from shared.metrics import RouterMetrics
from shared.postgres import open_pool
from shared.publisher import Publisher
from shared.retention import RetentionWatch
from shared.runtime import Prepared, forever, running
from shared.settings import Settings
from shared.topics import Topics
from shared.units import load_directory
from shared.web import Readiness, operator_routes


def practice_of(settings: Settings, judge: Judge) -> Practice:
    return Practice(settings.ministry, judge.thresholds.of, judge.notice)


def build(settings: Settings) -> Starlette:
    """The app: health and metrics by HTTP, the work in its lifespan."""
    metrics = RouterMetrics()
    topics = Topics(settings.namespace)
    directory = load_directory()
    keeper = RuleKeeper(load_judge(directory), directory)
    reader = Reader(keeper.judge, directory, practice_of(settings, keeper.judge))
    prepared = Prepared()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        pool = await open_pool(settings.postgres, service="router")
        publisher = Publisher(settings)
        router = Router(reader, pool, publisher, topics, metrics)

        def consumer_of(subscription: Subscription[Judged], group: str) -> BatchConsumer[Judged]:
            return BatchConsumer(
                settings,
                subscription,
                group=topics.group(group),
                dead_letters=topics.dead_letters("router"),
                pool=pool,
                publisher=publisher,
                metrics=metrics.consumer,
            )

        received = consumer_of(router.received(), "router")
        reroutes = consumer_of(router.reroutes(), "router-reroutes")
        ends, ends_of_reroutes = Ends(settings), Ends(settings)  # one client for both would ask for its topics anew each time
        of_received, of_reroutes = Progress(received, metrics.consumer), Progress(reroutes, metrics.consumer)
        app.state.pool, app.state.consumer, app.state.progress = pool, received, of_received
        app.state.reroutes = SimpleNamespace(pool=pool, consumer=reroutes, progress=of_reroutes, kafka_answers=True)

        rules_known = app.state.rules_known = asyncio.Event()

        async def follow_rules() -> None:
            if await keeper.follow(pool):
                reader.use(keeper.judge, practice_of(settings, keeper.judge))
            metrics.rules_refused.set(keeper.is_refused)
            rules_known.set()

        async def consume(consumer: BatchConsumer[Judged]) -> None:
            await rules_known.wait()  # no report is judged by a rule set that is in force no more
            await consumer.run()

        async def look() -> None:
            app.state.kafka_answers = await of_received.measure(ends) and await of_reroutes.measure(ends_of_reroutes)

        works = (
            consume(received),
            consume(reroutes),
            forever(follow_rules, seconds=2.0),
            forever(look, seconds=1.0),
            forever(router.measure_drift, seconds=60.0),
            forever(RetentionWatch(settings, metrics.consumer, of_received, of_reroutes).look, seconds=10.0),
            forever(CertificateWatch(settings, metrics.certificates).look, seconds=60.0),
        )
        try:
            async with running(settings, prepared, *works, plumbing=("breaker",)):
                yield
        finally:
            await ends.stop()
            await ends_of_reroutes.stop()
            await publisher.stop()
            await pool.close()

    async def readiness() -> Readiness:
        found = await consumer_readiness(app.state, prepared)
        # Reroutes have fewer partitions than new reports: a replica that gets none of them is as ready as the others.
        of_reroutes = (await consumer_readiness(app.state.reroutes, prepared)).reasons
        if app.state.reroutes.consumer.consumer is not None:
            of_reroutes.pop("group", None)
        if prepared.is_done and not app.state.rules_known.is_set():
            found.reasons["rules"] = "the rule set in force is not known yet"
        found.reasons |= {f"reroutes: {name}": why for name, why in of_reroutes.items() if name not in found.reasons}
        return found

    app = Starlette(lifespan=lifespan, routes=operator_routes(readiness, metrics.registry))
    app.state.kafka_answers = False
    return app
