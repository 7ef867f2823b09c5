"""The JSON Schema of each event, generated from its model and kept beside this file for readers in any language. Writes nothing.

The files are what others built on: `python -m shared.schemas` writes a new one or a compatible change, and refuses any other.
"""

import json
from importlib.resources import files
from typing import Any

from pydantic import BaseModel

from shared.events import EVENT_TYPES

SUFFIX = ".json"


def schema_of(event_type: str, model: type[BaseModel]) -> dict[str, Any]:
    """What a reader of this event must be able to take, by the names on the bus."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:jalur:schema:{event_type}", **schema}


def generated() -> dict[str, dict[str, Any]]:
    """Of today's models, by event type."""
    return {event_type: schema_of(event_type, model) for event_type, model in EVENT_TYPES.items()}


def committed() -> dict[str, dict[str, Any]]:
    """What was published, by event type."""
    found = (entry for entry in files(__package__).iterdir() if entry.name.endswith(SUFFIX))
    return {entry.name.removesuffix(SUFFIX): json.loads(entry.read_text(encoding="utf-8")) for entry in found}


def written(schema: dict[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
