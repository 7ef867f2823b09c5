"""The routes and their OpenAPI text. The routes are plain Starlette (a third of the cost of a FastAPI body model a request)."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.intake.domain import Change, Submission
from services.intake.imports import ImportedRow
from services.intake.lines import MOST_LINES
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
        Route("/v1/imports", to("imports"), methods=["POST"]),
        Route("/v1/complaints/{id}", to("get"), methods=["GET"]),
        Route("/v1/complaints/{id}/changes", to("change"), methods=["POST"]),
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
        schemas = {"Problem": _PROBLEM, "Accepted": _ACCEPTED, "ChangeAccepted": _CHANGE_ACCEPTED, "Case": _CASE}
        for name, model in (("Submission", Submission), ("Change", Change), ("ImportedRow", ImportedRow)):
            schemas |= _schemas_of(name, model)
        app.openapi_schema = {
            "openapi": "3.1.0",
            "info": {
                "title": "Jalur intake",
                "version": "1",
                "description": "A 202 means stored durably; after a timeout or a 5xx send the same again with the same key.",
            },
            "components": {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
            "security": [{"key": []}],
            "paths": _PATHS,
        }
    return app.openapi_schema


def _schemas_of(name: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), name: schema}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _answers(status: str, description: str, content: dict[str, Any], *problems: str) -> dict[str, Any]:
    said = {
        "description": "A problem (RFC 9457)",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    return {status: {"description": description, "content": content}, **dict.fromkeys((*problems, "401", "500", "503"), said)}


_UUID = {"type": "string", "format": "uuid"}
_WHEN = {"type": "string", "format": "date-time"}
_MAYBE = {"type": ["string", "null"]}
_OBJECTS = {"type": "array", "items": {"type": "object"}}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "properties": {"field": {"type": "string"}, "detail": {"type": "string"}}}},
    },
}
_ACCEPTED: dict[str, Any] = {
    "type": "object",
    "required": ["id", "source", "source_ref", "status", "reported_at", "accepted_at"],
    "properties": {
        "id": _UUID,
        "source": {"type": "string"},
        "source_ref": _MAYBE,
        "status": {"const": "received"},
        "reported_at": _WHEN,
        "accepted_at": _WHEN,
    },
}
_CHANGE_ACCEPTED: dict[str, Any] = {
    "type": "object",
    "required": ["change_id", "complaint_id", "accepted_at"],
    "properties": {"change_id": {"type": "string"}, "complaint_id": _UUID, "accepted_at": _WHEN},
}
_CASE: dict[str, Any] = {
    "type": "object",
    "required": ["id", "source", "source_ref", "state", "class", "reported_at", "assignments", "clocks", "answers", "timeline"],
    "properties": {
        "id": _UUID,
        "source": {"type": "string"},
        "source_ref": _MAYBE,
        "state": {"type": "string"},
        "class": _MAYBE,
        "reported_at": _WHEN,
        "assignments": _OBJECTS,
        "clocks": _OBJECTS,
        "answers": _OBJECTS,
        "timeline": _OBJECTS,
    },
}
_ID = {"name": "id", "in": "path", "required": True, "schema": _UUID}
_KEY = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
# A line's own key is the batch's with its number.
_BATCH_KEY = _KEY | {"schema": {"type": "string", "minLength": 1, "maxLength": 200 - len(f"#{MOST_LINES}")}}
_NDJSON = {"application/x-ndjson": {"schema": {"type": "string"}}}
_PATHS: dict[str, Any] = {
    "/v1/complaints": {
        "post": {
            "summary": "Submit a report",
            "parameters": [_BATCH_KEY],
            "requestBody": {"required": True, "content": _json("Submission")},
            "responses": _answers("202", "Stored durably", _json("Accepted"), "400", "403", "409", "413", "422"),
        },
        "get": {
            "summary": "Find complaints by the source's reference",
            "parameters": [
                {"name": "source_ref", "in": "query", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
            ],
            "responses": _answers(
                "200",
                "What this key may see",
                {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Case"}}},
                        }
                    }
                },
                "400",
            ),
        },
    },
    "/v1/complaints/batch": {
        "post": {
            "summary": "Submit many reports, one a line; an answer a line",
            "parameters": [_KEY],
            "requestBody": {"required": True, "content": _NDJSON},
            "responses": _answers("200", '{"line", "id"} or {"line", "problem"} a line', _NDJSON, "400", "403"),
        }
    },
    "/v1/imports": {
        "post": {
            "summary": "Rows of a source's export, one a line (ImportedRow); an outcome a line",
            "requestBody": {"required": True, "content": _NDJSON},
            "responses": _answers("200", '{"row", "outcome", "id", "changes"} or {"line", "problem"} a line', _NDJSON, "403"),
        }
    },
    "/v1/complaints/{id}": {
        "get": {"summary": "Read a case", "parameters": [_ID], "responses": _answers("200", "The case", _json("Case"), "404")}
    },
    "/v1/complaints/{id}/changes": {
        "post": {
            "summary": "Tell what changed at the source",
            "parameters": [_ID],
            "requestBody": {"required": True, "content": _json("Change")},
            "responses": _answers("202", "Stored durably", _json("ChangeAccepted"), "400", "403", "404", "409", "413", "422"),
        }
    },
}
