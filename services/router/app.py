"""The router's wiring: rules and directory are read once, before anything is consumed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from services.router.handlers import Router
from services.router.judgement import Judge
from services.router.rules import load_rules
from shared.broker import BatchConsumer
from shared.health import Ends, Progress, consumer_readiness
from shared.metrics import RouterMetrics
from shared.postgres import open_pool
from shared.publisher import Publisher
from shared.runtime import Prepared, forever, running
from shared.settings import Settings
from shared.topics import Topics
from shared.units import load_directory
from shared.web import Readiness, operator_routes


def build(settings: Settings) -> Starlette:
    """The app: health and metrics by HTTP, the work in its lifespan."""
    metrics = RouterMetrics()
    topics = Topics(settings.namespace)
    directory = load_directory()
    judge = Judge(load_rules(), directory)
    prepared = Prepared()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        pool = await open_pool(settings.postgres, service="router")
        publisher = Publisher(settings)
        router = Router(judge, directory, pool, publisher, topics, metrics)
        consumer = BatchConsumer(
            settings,
            router.subscription(),
            group=topics.group("router"),
            dead_letters=topics.dead_letters("router"),
            pool=pool,
            publisher=publisher,
            metrics=metrics.consumer,
        )
        ends = Ends(settings)
        progress = Progress(consumer, metrics.consumer)
        app.state.pool, app.state.consumer, app.state.progress = pool, consumer, progress

        async def look() -> None:
            app.state.kafka_answers = await progress.measure(ends)

        try:
            async with running(settings, prepared, consumer.run(), forever(look, seconds=1.0), plumbing=("breaker",)):
                yield
        finally:
            await ends.stop()
            await publisher.stop()
            await pool.close()

    async def readiness() -> Readiness:
        return await consumer_readiness(app.state, prepared)

    app = Starlette(lifespan=lifespan, routes=operator_routes(readiness, metrics.registry))
    app.state.kafka_answers = False
    return app
