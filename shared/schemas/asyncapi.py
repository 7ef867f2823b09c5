"""The AsyncAPI document: every topic, what lies in it, under which key and headers, who writes and who reads it. Pure; it connects nothing.

FastStream's own document knows no payload of a raw batch subscriber, and nothing of topics that only an outbox or a unit writes.
"""

from dataclasses import dataclass
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.dead_letters import REPLAY_ID, REPLAYED_AT
from shared.events import (
    TYPE_OF,
    CaseStatus,
    CaseUpdate,
    ComplaintChanged,
    ComplaintHeld,
    ComplaintReceived,
    ComplaintRouted,
    ComplaintTransferred,
    FollowUp,
    Payload,
    RerouteRequested,
)
from shared.topics import SERVICES, Topic, Topics
from shared.units import UNIT_SLUGS

_BINDING = "0.5.0"
_UNIT, _WHO, _SERVICE = "{unit}", "{who}", "{service}"
_PARAMETERS: dict[str, dict[str, Any]] = {
    "unit": {"description": "a unit of the directory", "enum": list(UNIT_SLUGS)},
    "who": {"description": "a unit, or the triage desk", "enum": [*UNIT_SLUGS, "triage"]},
    "service": {"description": "whose reader could not read it", "enum": list(SERVICES)},
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic, or one for each unit. `readers` are consumer groups of the services; `outside` is who else reads or writes it."""

    name: str
    address: str
    title: str
    payload: type[Payload] | None
    writers: tuple[str, ...]
    readers: tuple[str, ...] = ()
    outside: str | None = None
    text: str = ""


def channels(topics: Topics) -> tuple[Channel, ...]:
    return (
        Channel("received", topics.received, "Accepted reports", ComplaintReceived, ("intake",), ("router", "notifier")),
        Channel(
            "changes",
            topics.changes,
            "What sources, units and desks said later by HTTP or import",
            ComplaintChanged,
            ("intake",),
            ("notifier",),
        ),
        Channel(
            "routed",
            topics.routed(_UNIT),
            "Parts given to a unit",
            ComplaintRouted,
            ("router",),
            ("notifier",),
            "read by the unit",
            "A record may come twice: know it by `ce_id`.",
        ),
        Channel(
            "triage",
            topics.triage,
            "Parts that wait for a person",
            ComplaintHeld,
            ("router",),
            ("notifier",),
            "read by the triage desk",
            "`title` and `text` are null where oversight is in doubt.",
        ),
        Channel(
            "transferred",
            topics.transferred,
            "Parts that are another agency's matter",
            ComplaintTransferred,
            ("router",),
            ("notifier",),
            "read by whoever tells that agency",
        ),
        Channel(
            "updates",
            topics.updates(_UNIT),
            "What a unit says of its assignments",
            CaseUpdate,
            (),
            ("notifier",),
            "written by the unit",
            "Counts from the instant the broker appended it. No header is needed.",
        ),
        Channel("reroutes", topics.reroutes, "Requests for another decision", RerouteRequested, ("notifier",), ("router-reroutes",)),
        Channel(
            "follow-ups",
            topics.follow_ups(_WHO),
            "Reminders, deadlines, escalations and refusals",
            FollowUp,
            ("notifier",),
            (),
            "read by the unit or the triage desk",
        ),
        Channel(
            "status",
            topics.status,
            "The whole state of each case, newest last",
            CaseStatus,
            ("notifier",),
            ("intake",),
            None,
            "Compacted by key; apply only a greater `sequence`.",
        ),
        Channel(
            "dead-letters",
            topics.dead_letters(_SERVICE),
            "Records that could not be read, as they came",
            None,
            SERVICES,
            (),
            "shown and sent again by an operator (`jalur dead`)",
        ),
    )


def document() -> dict[str, Any]:
    topics = Topics()
    known = {topic.name: topic for topic in topics.all()}
    every = channels(topics)
    payloads = [channel.payload for channel in every if channel.payload is not None]
    _, schemas = models_json_schema(
        [(model, "validation") for model in payloads], by_alias=True, ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Jalur on Kafka",
            "version": "1",
            "description": (
                "CloudEvents 1.0 in Kafka's binary mode; values are JSON. Delivery is at least once, in order of a complaint and topic: "
                "know a repeat by `ce_id`. Readers ignore fields they do not know; what would break a reader is a new `ce_type`. "
                "`JALUR_NAMESPACE`, where it is set, stands before every topic and group."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _SERVERS,
        "channels": {channel.name: _channel(channel, known[addresses(channel)[0]]) for channel in every},
        "operations": dict(_operation(channel, *what) for channel in every for what in _doings(channel)),
        "components": {
            "messages": {_message_name(channel): _message(channel) for channel in every},
            "schemas": schemas["$defs"],
            "securitySchemes": {"scram": {"type": "scramSha512", "description": "`JALUR_KAFKA_USER` and its password; one user a unit"}},
        },
    }


_SERVERS: dict[str, Any] = {
    "installation": {
        "host": "{bootstrap}",
        "protocol": "kafka-secure",
        "description": "SCRAM-SHA-512 over TLS",
        "variables": {"bootstrap": {"description": "the bootstrap servers that `JALUR_KAFKA` names"}},
        "security": [{"$ref": "#/components/securitySchemes/scram"}],
    },
    "embedded": {
        "host": "127.0.0.1:{port}",
        "protocol": "kafka",
        "description": "of `jalur up`, on this machine alone",
        "variables": {"port": {"description": "`jalur status --json` says it"}},
    },
}


def addresses(channel: Channel) -> tuple[str, ...]:
    """The topics that a channel stands for."""
    for name, parameter in _PARAMETERS.items():
        if f"{{{name}}}" in channel.address:
            return tuple(channel.address.replace(f"{{{name}}}", value) for value in parameter["enum"])
    return (channel.address,)


def _channel(channel: Channel, topic: Topic) -> dict[str, Any]:
    parameters = {name: parameter for name, parameter in _PARAMETERS.items() if f"{{{name}}}" in channel.address}
    told = " ".join(filter(None, (f"Outside the services: {channel.outside}." if channel.outside else "", channel.text)))
    return {
        "address": channel.address,
        "title": channel.title,
        **({"description": told} if told else {}),
        "messages": {_message_name(channel): {"$ref": f"#/components/messages/{_message_name(channel)}"}},
        **({"parameters": parameters} if parameters else {}),
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {name: _typed(name, value) for name, value in topic.config.items()},
                "bindingVersion": _BINDING,
            }
        },
    }


def _typed(name: str, value: str) -> Any:
    return [value] if name == "cleanup.policy" else int(value) if value.isdigit() else value


def _doings(channel: Channel) -> list[tuple[str, str]]:
    return [*(("send", service) for service in channel.writers), *(("receive", group) for group in channel.readers)]


def _operation(channel: Channel, action: str, who: str) -> tuple[str, dict[str, Any]]:
    service = who.partition("-")[0]
    name = f"{service}-{'writes' if action == 'send' else 'reads'}-{channel.name}"
    operation: dict[str, Any] = {
        "action": action,
        "title": f"{service} {'writes' if action == 'send' else 'reads'} {channel.address}",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{_message_name(channel)}"}],
    }
    if action == "receive":
        group = {"type": "string", "const": Topics().group(who)}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": _BINDING}}
    return name, operation


def _message_name(channel: Channel) -> str:
    return channel.payload.__name__ if channel.payload else "DeadLetter"


def _message(channel: Channel) -> dict[str, Any]:
    key = {"type": "string", "description": "the complaint id's 16 raw bytes"}
    message: dict[str, Any] = {
        "title": channel.title,
        "contentType": "application/json",
        "headers": _headers(channel),
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
    }
    if channel.payload is None:
        key["description"] = "as it came, or none"
        return message | {"contentType": "application/octet-stream", "summary": "Key, value and headers as they came"}
    return message | {
        "name": TYPE_OF[channel.payload],
        "summary": (channel.payload.__doc__ or "").strip(),
        "payload": {"$ref": f"#/components/schemas/{channel.payload.__name__}"},
        **({"correlationId": {"location": "$message.header#/ce_subject"}} if channel.writers else {}),
    }


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _headers(channel: Channel) -> dict[str, Any]:
    """As `envelope.enclose` writes them: bytes of text, whatever the JSON types below."""
    if channel.payload is None:
        told = {
            "x-dlq-reason": _text("one word of a closed set"),
            "x-dlq-error": _text("what was wrong; quotes no input"),
            "x-origin-topic": _text("where it lay"),
            "x-origin-partition": _text("its partition"),
            "x-origin-offset": _text("its offset"),
            "x-failed-at": _text("when", format="date-time"),
        }
        return {"type": "object", "required": list(told), "properties": told | _REPLAYED}
    uuid = {"format": "uuid"}
    told = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": _text("derived from what happened: a repeat says the same one", **uuid),
        "ce_type": {"type": "string", "const": TYPE_OF[channel.payload]},
        "ce_source": {"type": "string", "enum": [f"/jalur/{service}" for service in channel.writers]},
        "ce_subject": _text("the complaint's id", **uuid),
        "ce_time": _text("when it happened", format="date-time"),
        "content-type": {"type": "string", "const": "application/json"},
    }
    if not channel.writers:
        told = {"traceparent": _TRACE} | _REPLAYED
        return {"type": "object", "description": "none is needed; `traceparent` may be given", "properties": told}
    required = list(told)
    if channel.writers == ("router",):
        told["ce_causationid"] = _text("the `ce_id` of the record that was decided", **uuid)
        required.append("ce_causationid")
    if channel.payload is RerouteRequested:
        told["ce_causationid"] = _text("the id of what asked, by which the same question keeps its number", **uuid)
    if channel.writers == ("notifier",):
        told["ce_sequence"] = _text("the case's number for what happened; left out where there is none", pattern="^[0-9]{1,18}$")
    told["traceparent"] = _TRACE
    # Only what a service reads can have died there.
    return {"type": "object", "required": required, "properties": told | (_REPLAYED if channel.readers else {})}


_TRACE = _text(
    "W3C Trace Context of what led to this record; left out where no request said one and no traces are wanted",
    pattern="^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
)
_REPLAYED = {
    REPLAY_ID: _text("of a dead letter that an operator put back: which replay; all else is as it first came", format="uuid"),
    REPLAYED_AT: _text("when it was put back", format="date-time"),
}
