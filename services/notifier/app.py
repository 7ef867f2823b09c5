"""The notifier's wiring: policies, calendar and directory are read once, before anything is consumed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from services.notifier.calendar import load_calendar
from services.notifier.clocks import Clockwork
from services.notifier.handlers import Notifier
from services.notifier.policy import load_policies
from services.notifier.sweep import Sweep
from shared.broker import BatchConsumer
from shared.certificates import CertificateWatch
from shared.health import Ends, Progress, consumer_readiness
from shared.metrics import NotifierMetrics
from shared.outbox import Relay
from shared.postgres import open_pool
from shared.publisher import Publisher
from shared.retention import RetentionWatch
from shared.runtime import Prepared, forever, running
from shared.settings import Settings
from shared.topics import Topics
from shared.units import load_directory
from shared.web import Readiness, operator_routes


def build(settings: Settings) -> Starlette:
    """The app: health and metrics by HTTP, the work in its lifespan."""
    metrics = NotifierMetrics()
    topics = Topics(settings.namespace)
    clockwork = Clockwork(load_policies(), load_calendar(), load_directory())
    prepared = Prepared()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        pool = await open_pool(settings.postgres, service="notifier")
        publisher = Publisher(settings)
        relay = Relay(settings.postgres, "notifier", publisher, metrics.outbox)
        notifier = Notifier(clockwork, pool, relay, topics, metrics)
        consumer = BatchConsumer(
            settings,
            notifier.subscription(),
            group=topics.group("notifier"),
            dead_letters=topics.dead_letters("notifier"),
            pool=pool,
            publisher=publisher,
            metrics=metrics.consumer,
        )
        ends = Ends(settings)
        progress = Progress(consumer, metrics.consumer)
        sweep = Sweep(notifier, pool, topics, ends, progress, metrics)
        app.state.pool, app.state.consumer, app.state.progress = pool, consumer, progress

        async def look() -> None:
            await sweep.rest()
            await sweep.step()
            app.state.kafka_answers = sweep.kafka_answers

        works = (
            consumer.run(),
            forever(look, seconds=0.0),
            forever(RetentionWatch(settings, metrics.consumer, progress).look, seconds=10.0),
            forever(CertificateWatch(settings, metrics.certificates).look, seconds=60.0),
            relay.run(),
        )
        try:
            async with running(settings, prepared, *works, plumbing=("outbox", "breaker")):
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
