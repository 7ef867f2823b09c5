"""Intake's wiring: database first, Kafka when it comes. Accepts from the first moment PostgreSQL answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from services.intake import store
from services.intake.api import Door
from services.intake.contract import SUBMIT, add_routes
from services.intake.doorkeeper import Doorkeeper
from services.intake.group import GroupCommit
from services.intake.handlers import Intake
from services.intake.import_measures import ImportMeasures
from services.intake.keys import seconds_to_expiry
from services.intake.limits import DoorLimits
from services.intake.read_model import status_subscription
from services.intake.requests import Accepted, Request
from shared.broker import BatchConsumer
from shared.certificates import CertificateWatch
from shared.health import Ends, Progress
from shared.metrics import IntakeMetrics
from shared.outbox import Lanes, Relay
from shared.postgres import AWAY, IN_DOUBT, open_pool, transaction
from shared.problems import Problem
from shared.publisher import Publisher
from shared.runtime import Prepared, forever, running
from shared.settings import Settings
from shared.topics import Topics
from shared.web import Readiness, operator_routes, respond

# Who watches the service is never refused; whatever else is asked counts, also what nobody serves.
_NEVER_COUNTED = ("/health/live", "/health/ready", "/metrics")


class _Intake(FastAPI):
    """Submissions skip the framework's layers, which cost as much as the rest of a request; `Door.submit` answers every error itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        try:
            if scope["path"] not in _NEVER_COUNTED:
                self.state.limits.admit_address(scope)
            if scope["path"] == SUBMIT and scope["method"] == "POST":
                response = await self.state.door.submit(HttpRequest(scope, receive, send))
                await response(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        except Problem as problem:
            await respond(self.state.door.problem_of(problem))(scope, receive, send)
        finally:
            self.state.limits.leave(scope)


def build(settings: Settings) -> FastAPI:
    """The app; its lifespan opens and closes everything it needs."""
    metrics = IntakeMetrics()
    topics = Topics(settings.namespace)
    limits = DoorLimits(settings.limits, metrics, settings.trusted_proxies)
    prepared = Prepared()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await open_pool(settings.postgres, service="intake")
        publisher = Publisher(settings)
        relay = Relay(settings.postgres, "intake", publisher, metrics.outbox, Lanes(metrics.lanes, topics.received, store.count_undecided))
        intake = Intake(pool, topics, relay, metrics, settings.resend_after_seconds)
        group: GroupCommit[Request, Accepted] = GroupCommit(
            intake.accept_all,
            intake.accept_one,
            lambda request: request.identities,
            metrics,
            gives_up_on=IN_DOUBT,
            lane_of=lambda request: request.source,
        )
        consumer = BatchConsumer(
            settings,
            status_subscription(pool, topics),
            group=topics.group("intake"),
            dead_letters=topics.dead_letters("intake"),
            pool=pool,
            publisher=publisher,
            metrics=metrics.consumer,
        )
        ends = Ends(settings)
        progress = Progress(consumer, metrics.consumer)
        app.state.door = Door(intake, Doorkeeper(pool, limits, metrics), limits, group, prepared)
        app.state.pool, app.state.consumer, app.state.progress = pool, consumer, progress

        async def look() -> None:
            async with transaction(pool) as connection:
                metrics.show_undecided(await store.count_undecided(connection))
                metrics.show_key_expiry(await seconds_to_expiry(connection))
            await intake.resend_unheard()
            app.state.kafka_answers = await progress.measure(ends)
            metrics.kafka_away.set(not app.state.kafka_answers)

        works = (
            consumer.run(),
            group.run(),
            forever(look, seconds=1.0),
            forever(ImportMeasures(pool, metrics).step, seconds=1.0),
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
        found = Readiness()
        try:
            async with asyncio.timeout(2):
                await app.state.pool.fetchval("SELECT 1")
        except AWAY:
            found.reasons["postgres"] = "does not answer"
        if not prepared.is_done:
            found.reasons["schema"] = "is not in place yet"
        if not app.state.kafka_answers:
            found.degraded["kafka"] = "does not answer; events wait in the outbox"
        # What intake reads is only the read model: submissions go on.
        if app.state.consumer.breaker.is_open:
            found.degraded["breaker"] = app.state.consumer.breaker.reason
        if app.state.progress.stuck:
            found.degraded["progress"] = app.state.progress.stuck
        return found

    app = _Intake(title="Jalur intake", version="1", lifespan=lifespan, openapi_url="/openapi.json", docs_url="/docs", redoc_url=None)
    app.router.redirect_slashes = False  # behind a TLS proxy the redirect would name http, and the key would follow it
    add_routes(app, operator_routes(readiness, metrics.registry))
    app.state.kafka_answers = False
    app.state.limits, app.state.on_closed = limits, metrics.show_closed
    return app
