"""The routes: plain Starlette (a third of the cost of a FastAPI body model a request)."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.intake.openapi import document
from shared.problems import Problem
from shared.web import respond

SUBMIT = "/v1/complaints"


def add_routes(app: FastAPI, operator: Sequence[Route]) -> None:
    """`app.state.door` answers; it is set by the lifespan."""

    def to(name: str) -> Any:
        async def endpoint(request: Request) -> Response:
            return await getattr(app.state.door, name)(request)  # type: ignore[no-any-return]

        return endpoint

    app.router.routes[:0] = [
        Route(SUBMIT, to("submit"), methods=["POST"]),
        Route("/v1/complaints", to("find"), methods=["GET"]),
        Route("/v1/complaints/batch", to("batch"), methods=["POST"]),
        Route("/v1/changes", to("feed"), methods=["GET"]),
        Route("/v1/imports", to("imports"), methods=["POST"]),
        Route("/v1/complaints/{id}", to("get"), methods=["GET"]),
        Route("/v1/complaints/{id}/changes", to("change"), methods=["POST"]),
        Route("/v1/complaints/{id}/updates", to("update"), methods=["POST"]),
        Route("/v1/complaints/{id}/decisions", to("decide"), methods=["POST"]),
        Route("/v1/complaints/{id}/disclosures", to("disclose"), methods=["POST"]),
        *operator,
    ]

    async def not_found(_request: Request, _error: Exception) -> Response:
        return respond(Problem(404, "not-found", "Not found", "no such path; GET /docs lists them"))

    async def wrong_method(request: Request, _error: Exception) -> Response:
        response = respond(Problem(405, "wrong-method", "Wrong method", f"{request.method} is not possible here"))
        response.headers["Allow"] = ", ".join(sorted(_methods_of(app, request.url.path)))
        return response

    app.add_exception_handler(404, not_found)
    app.add_exception_handler(405, wrong_method)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]


def _methods_of(app: FastAPI, path: str) -> set[str]:
    found: set[str] = set()
    for route in app.routes:
        if isinstance(route, Route) and route.path_regex.match(path):
            found |= route.methods or set()
    return found


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = document()
    return app.openapi_schema
