"""What every HTTP app has: problem details (RFC 9457), health, metrics, and a server that stops gracefully. No business here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.metrics import exposition
from shared.settings import Settings

PROBLEM_TYPE = "urn:jalur:problem:"


class Problem(Exception):
    """An answer that says what was wrong, where, and what to do. `field` is a dotted path into the body, or a header's name."""

    def __init__(
        self, status: int, kind: str, title: str, detail: str, *, field: str | None = None,
        errors: Sequence[Mapping[str, str]] = (), retry_after: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(f"{kind}: {detail}")
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = tuple(errors) or (({"field": field, "detail": detail},) if field else ())
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": PROBLEM_TYPE + self.kind, "title": self.title, "status": self.status, "detail": self.detail}
        if self.errors:
            found["errors"] = list(self.errors)
        return found

    def response(self) -> Response:
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status == 413:
            headers["Connection"] = "close"  # the rest of the body is not read
        return Response(to_json(self.body()), self.status, headers, "application/problem+json")


def away(what: str = "the database") -> Problem:
    return Problem(
        503, "away", "Not available now",
        f"{what} does not answer; whether the request was stored is unknown: send it again with the same key", retry_after=2,
    )  # fmt: skip


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(value), status, headers, "application/json")


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
    uvicorn.run(
        app, host=settings.host, port=settings.port, access_log=False, log_config=None, server_header=False, date_header=False,
        timeout_graceful_shutdown=10, loop="uvloop", http="httptools", backlog=2048,
    )  # fmt: skip
