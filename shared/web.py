"""What every HTTP app has: problem details (RFC 9457), health, metrics, and a server that stops gracefully. No business here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.connections import Connections
from shared.metrics import exposition
from shared.problems import Problem
from shared.settings import Settings

# On every answer, also those of the server itself. Whoever ends TLS adds Strict-Transport-Security.
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'",
}


def respond(problem: Problem) -> Response:
    """`application/problem+json`, with the headers its status asks for."""
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.status == 413:
        headers["Connection"] = "close"  # the rest of the body is not read
    return Response(to_json(problem.body()), problem.status, headers, "application/problem+json")


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(value), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


@dataclass(slots=True)
class Readiness:
    """What readiness says: every check's name and either nothing (fine) or the reason it is not. `degraded` does not unready."""

    reasons: dict[str, str] = field(default_factory=dict)
    degraded: dict[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        return not self.reasons


def operator_routes(readiness: Callable[[], Awaitable[Readiness]], registry: CollectorRegistry) -> list[Route]:
    """`/health/live` (the process turns its loop), `/health/ready` (it can do its work), `/metrics`."""

    async def live(_request: Request) -> Response:
        return json_response({"status": "live"})

    async def ready(_request: Request) -> Response:
        try:
            async with asyncio.timeout(4):
                found = await readiness()
        except TimeoutError:
            found = Readiness({"check": "did not finish within 4 s"})
        status = "unready" if not found.is_ready else "degraded" if found.degraded else "ready"
        return json_response({"status": status, "reasons": found.reasons, "degraded": found.degraded}, 200 if found.is_ready else 503)

    async def metrics(_request: Request) -> Response:
        return Response(exposition(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)]


def serve(app: Any, settings: Settings) -> None:
    """Until SIGTERM or SIGINT: then no new connections, requests under way are answered, and the app's lifespan ends."""
    on_closed = getattr(app.state, "on_closed", lambda _reason: None)
    connections = Connections(settings.limits, SECURITY_HEADERS, settings.trusted_proxies, on_closed)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        date_header=False,
        timeout_graceful_shutdown=10,
        loop="uvloop",
        http=connections.protocol(),
        ws="none",
        headers=list(SECURITY_HEADERS.items()),  # for what uvicorn answers before there is a request
        backlog=2048,
    )
