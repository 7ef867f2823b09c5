"""Would a changed schema break those who read by the old one, or the new readers of records that still lie in Kafka? Pure.

Compatible is what both can live with: a new field that nobody requires, another description, another default. Readers ignore fields
they do not know, but a value outside a closed set, a null or another type where they expect none, stops them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
# What limits the values beyond their type.
_LIMITS = (
    "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
    "uniqueItems", "additionalProperties", "prefixItems",
)  # fmt: skip


def breaks_of_all(before: Mapping[str, Schema], now: Mapping[str, Schema]) -> list[str]:
    """What breaks, by event type, in words."""
    found = [f"{event_type}: the event is gone" for event_type in before if event_type not in now]
    for event_type, schema in before.items():
        if event_type in now:
            found += [f"{event_type}: {text}" for text in breaks(schema, now[event_type])]
    return found


def breaks(before: Schema, now: Schema) -> list[str]:
    return list(_compared(_Side(before), _Side(now), before, now, ()))


class _Side:
    """One of the two schemas; its references lead into its own definitions."""

    def __init__(self, root: Schema) -> None:
        self._definitions = root.get("$defs", {})

    def kinds(self, schema: Schema) -> dict[str, list[Schema]]:
        """The alternatives of a place by their JSON type; `any` where nothing is said."""
        found: dict[str, list[Schema]] = {}
        for alternative in self._alternatives(schema):
            types = alternative.get("type", _types_of_values(alternative))
            for kind in [types] if isinstance(types, str) else types:
                found.setdefault(kind, []).append(alternative)
        return found

    def _alternatives(self, schema: Schema) -> Iterator[Schema]:
        if "$ref" in schema:
            yield from self._alternatives(self._definitions[schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema:
            for alternative in schema["anyOf"]:
                yield from self._alternatives(alternative)
        else:
            yield schema


def _types_of_values(schema: Schema) -> list[str]:
    values = _values(schema)
    if values is None:
        return ["any"]
    return sorted({"null" if value == "null" else "string" if value.startswith('"') else "number" for value in values})


def _values(schema: Schema) -> set[str] | None:
    """The closed set of a place, as JSON; None where it is open."""
    if "const" in schema:
        return {json.dumps(schema["const"])}
    return {json.dumps(value) for value in schema["enum"]} if "enum" in schema else None


def _compared(one: _Side, other: _Side, before: Schema, now: Schema, path: tuple[str, ...]) -> Iterator[str]:
    place = ".".join(path) or "the payload"
    old, new = one.kinds(before), other.kinds(now)
    for kind in sorted(set(old) - set(new)):
        yield f"{place} may no longer be {kind}, as records in Kafka still have it"
    for kind in sorted(set(new) - set(old)):
        yield f"{place} may now be {kind}, which readers do not expect"
    for kind in sorted(set(old) & set(new)):
        if len(old[kind]) > 1 or len(new[kind]) > 1:
            if old[kind] != new[kind]:
                yield f"{place} has other alternatives of type {kind}"
            continue
        yield from _compared_alternative(one, other, old[kind][0], new[kind][0], path)


def _compared_alternative(one: _Side, other: _Side, old: Schema, new: Schema, path: tuple[str, ...]) -> Iterator[str]:
    place = ".".join(path) or "the payload"
    were, are = _values(old), _values(new)
    if were != are:
        if were is None or are is None:
            yield f"{place} {'is now a closed set' if were is None else 'is no longer a closed set'}"
        else:
            if were - are:
                yield f"{place} no longer knows {', '.join(sorted(were - are))}, as records in Kafka still have it"
            if are - were:
                yield f"{place} may now be {', '.join(sorted(are - were))}, which readers do not expect"
    for limit in _LIMITS:
        if old.get(limit) != new.get(limit):
            yield f"{place} has another {limit}"
    yield from _compared_fields(one, other, old, new, path)
    if "items" in old and "items" in new:
        yield from _compared(one, other, old["items"], new["items"], (*path, "[]"))
    elif ("items" in old) != ("items" in new):
        yield f"{place} has other items"


def _compared_fields(one: _Side, other: _Side, old: Schema, new: Schema, path: tuple[str, ...]) -> Iterator[str]:
    fields, others = old.get("properties", {}), new.get("properties", {})
    required, requires = set(old.get("required", ())), set(new.get("required", ()))
    for name in fields:
        place = ".".join((*path, name))
        if name not in others:
            yield f"{place} is gone"
            continue
        if name in requires - required:
            yield f"{place} is now required, and records in Kafka may lack it"
        if name in required - requires:
            yield f"{place} may now be missing, and readers rely on it"
        yield from _compared(one, other, fields[name], others[name], (*path, name))
    for name in sorted(requires - set(fields)):
        yield f"{'.'.join((*path, name))} is new and required, and records in Kafka lack it"
