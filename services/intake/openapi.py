"""The OpenAPI document: what may be asked of intake, and what it answers. Text only; it serves nothing."""

from typing import Any

from pydantic import BaseModel

from services.intake.domain import Change, Submission
from services.intake.imports import ImportedRow
from services.intake.lines import MOST_LINES
from services.intake.questions import CASE_STATES, DESK, MOST, USUAL
from services.intake.speech import Decision, DisclosureRequest, Update
from shared.units import UNIT_SLUGS

_MODELS: dict[str, type[BaseModel]] = {
    "Submission": Submission,
    "Change": Change,
    "ImportedRow": ImportedRow,
    "Update": Update,
    "Decision": Decision,
    "DisclosureRequest": DisclosureRequest,
}


def document() -> dict[str, Any]:
    schemas = {
        "Problem": _PROBLEM,
        "Accepted": _ACCEPTED,
        "ChangeAccepted": _CHANGE_ACCEPTED,
        "UpdateAccepted": _UPDATE_ACCEPTED,
        "DecisionAccepted": _DECISION_ACCEPTED,
        "Disclosed": _DISCLOSED,
        "Case": _CASE,
        "ChangedCase": _CHANGED_CASE,
    }
    for name, model in _MODELS.items():
        schemas |= _schemas_of(name, model)
    return {
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
    later = said | {"headers": {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}}}
    answers = {status: {"description": description, "content": content}, **dict.fromkeys((*problems, "401", "500"), said)}
    return answers | {"429": later | {"description": "Too many requests, a second or at once: wait and send it again"}, "503": later}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _page(name: str, following: dict[str, Any]) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
    schema = {"type": "object", "required": ["items", "next"], "properties": {"items": items, "next": following}}
    return {"application/json": {"schema": schema}}


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
_UPDATE_ACCEPTED: dict[str, Any] = {
    "type": "object",
    "required": ["update_id", "complaint_id", "accepted_at", "answer_id"],
    "properties": {
        "update_id": {"type": "string"},
        "complaint_id": _UUID,
        "accepted_at": _WHEN,
        "answer_id": {**_MAYBE, "format": "uuid"},
        "state": {"const": "draft", "description": "only of a draft: it is kept, and nobody was told"},
    },
}
_DECISION_ACCEPTED: dict[str, Any] = {
    "type": "object",
    "required": ["decision_id", "complaint_id", "accepted_at"],
    "properties": {"decision_id": {"type": "string"}, "complaint_id": _UUID, "accepted_at": _WHEN},
}
_DISCLOSED: dict[str, Any] = {
    "type": "object",
    "required": ["disclosure_id", "complaint_id", "disclosed_at", "purpose", "reports", "changes"],
    "properties": {
        "disclosure_id": _UUID,
        "complaint_id": _UUID,
        "disclosed_at": _WHEN,
        "purpose": {"type": "string"},
        "reports": _OBJECTS | {"description": "each as its source sent it; `reporter` is null where it may not be known"},
        "changes": _OBJECTS | {"description": "what the sources said later, oldest first"},
    },
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
        "answers": _OBJECTS | {"description": "read by id, with text, attachments and is_final where they were given here"},
        "drafts": _OBJECTS | {"description": "read by id by the unit or desk whose they are"},
        "timeline": _OBJECTS,
    },
}
_ID = {"name": "id", "in": "path", "required": True, "schema": _UUID}
_KEY = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
# A line's own key is the batch's with its number.
_BATCH_KEY = _KEY | {"schema": {"type": "string", "minLength": 1, "maxLength": 200 - len(f"#{MOST_LINES}")}}
_NDJSON = {"application/x-ndjson": {"schema": {"type": "string"}}}
_CHANGED_CASE: dict[str, Any] = {
    "allOf": [{"$ref": "#/components/schemas/Case"}],
    "required": ["cursor", "complaint_id", "sequence", "changed_at"],
    "properties": {"cursor": {"type": "string"}, "complaint_id": _UUID, "sequence": {"type": "integer"}, "changed_at": _WHEN},
}
_LIMIT = _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL})
_PATHS: dict[str, Any] = {
    "/v1/complaints": {
        "post": {
            "summary": "Submit a report",
            "parameters": [_KEY],
            "requestBody": {"required": True, "content": _json("Submission")},
            "responses": _answers("202", "Stored durably", _json("Accepted"), "400", "403", "408", "409", "413", "422"),
        },
        "get": {
            "summary": "List what this key may see, oldest reported first",
            "description": (
                "Any filter may be left out. `overdue`: whether a deadline that still runs has passed, for a unit or desk one of its own "
                "or the whole case's. `next` is the `cursor` of the following page, null on the last."
            ),
            "parameters": [
                _query("unit", {"type": "string", "enum": list(UNIT_SLUGS)}),
                _query("desk", {"type": "string", "maxLength": 200, "pattern": f"^{DESK}$"}),
                _query("state", {"type": "string", "enum": list(CASE_STATES)}),
                _query("overdue", {"type": "string", "enum": ["true", "false"]}),
                _query("source_ref", {"type": "string", "minLength": 1, "maxLength": 200}),
                _LIMIT,
                _query("cursor", {"type": "string"}),
            ],
            "responses": _answers("200", "A page", _page("Case", {"type": ["string", "null"]}), "400"),
        },
    },
    "/v1/changes": {
        "get": {
            "summary": "What changed since: each case of this key's whose status changed, once, at its newest",
            "description": (
                "`after` is the last answer's `next`; left out, it begins at the beginning. `next` is given also where nothing changed. "
                "410: the cursor lies ahead of all changes, because the database was restored as it was earlier; begin anew."
            ),
            "parameters": [_query("after", {"type": "string"}), _LIMIT],
            "responses": _answers("200", "The changes, in their order", _page("ChangedCase", {"type": "string"}), "400", "410"),
        }
    },
    "/v1/complaints/batch": {
        "post": {
            "summary": "Submit many reports, one a line; an answer a line",
            "parameters": [_BATCH_KEY],
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
        "get": {
            "summary": "Read a case",
            "description": (
                "Of an oversight case (an official's misconduct is in question) only the inspectorate and who watches the whole are shown "
                "all, here, in the lists and in the feed. A unit or desk reads it while it has a part: that part, its clocks, its answers "
                "and what it said, `class` null. A source reads how it stands, without reasons and without the other units' names."
            ),
            "parameters": [_ID],
            "responses": _answers("200", "The case", _json("Case"), "404"),
        }
    },
    "/v1/complaints/{id}/changes": {
        "post": {
            "summary": "Tell what changed at the source",
            "parameters": [_ID],
            "requestBody": {"required": True, "content": _json("Change")},
            "responses": _answers("202", "Stored durably", _json("ChangeAccepted"), "400", "403", "404", "408", "409", "413", "422"),
        }
    },
    "/v1/complaints/{id}/updates": {
        "post": {
            "summary": "Tell what becomes of an assignment (a unit or its desk), or of the case (an admin)",
            "description": (
                "`update_id` is the unit's: its desks and its Kafka topic share it. `returned`, `extended` and `refused` need a `reason`, "
                "`need_info` a `note` or a `reason`, `merged` an `into`, `answered` a final `answer`. An `answer` without `approved_by` is "
                "kept as a draft and told to nobody. An admin says `verified`, `need_info`, `resumed`, `merged` and `closed`, of the case. "
                "A unit merges what is its alone into what it has a part of; oversight cases only the inspectorate, between its own."
            ),
            "parameters": [_ID],
            "requestBody": {"required": True, "content": _json("Update")},
            "responses": _answers("202", "Stored durably", _json("UpdateAccepted"), "400", "403", "404", "408", "409", "413", "422"),
        }
    },
    "/v1/complaints/{id}/decisions": {
        "post": {
            "summary": "Order where parts of a case go (triage, admin)",
            "description": "What the case cannot take is refused later, by a follow-up to the triage desk.",
            "parameters": [_ID],
            "requestBody": {"required": True, "content": _json("Decision")},
            "responses": _answers("202", "Stored durably", _json("DecisionAccepted"), "400", "403", "404", "408", "409", "413", "422"),
        }
    },
    "/v1/complaints/{id}/disclosures": {
        "post": {
            "summary": "Read the unmasked report (the unit or desk that has to answer now); each reading is recorded",
            "parameters": [_ID],
            "requestBody": {"required": True, "content": _json("DisclosureRequest")},
            "responses": _answers("200", "The report as it came", _json("Disclosed"), "400", "403", "404", "408", "409", "413", "422"),
        }
    },
}
