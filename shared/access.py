"""Who may do what on the bus and in the database, from the unit directory. Pure; `jalur access` compares it with what is, and applies it.

What is not here is nobody's right but the operators': Kafka's super user, and the role that owns the tables.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.errors import JalurError
from shared.topics import SERVICES, Topics
from shared.units import UNIT_SLUGS

TRIAGE = "triage"
OWNER = "jalur_owner"
ROLES: Mapping[str, str] = {service: f"jalur_{service}" for service in SERVICES}
SCHEMAS = ("jalur", *SERVICES)
EVERYBODY = "PUBLIC"
_GROUPS: Mapping[str, tuple[str, ...]] = {"intake": ("intake",), "router": ("router", "router-reroutes"), "notifier": ("notifier",)}


class NamespaceUnfit(JalurError):
    """Groups of such a namespace would lie among a unit's own: choose another."""


@dataclass(frozen=True, slots=True, order=True)
class BusRight:
    """An access rule of Kafka. What Jalur gives is always allowed, from any host, to a topic or group by name or prefix."""

    user: str
    resource: str
    name: str
    operation: str
    is_prefix: bool = False
    permission: str = "allow"
    host: str = "*"

    def __str__(self) -> str:
        named = f"{self.resource}s that begin with {self.name}" if self.is_prefix else f"{self.resource} {self.name}"
        verb = "may" if self.permission == "allow" else "may not"
        return f"{self.user} {verb} {self.operation} {named}" + (f" from {self.host}" if self.host != "*" else "")


def unit_user(topics: Topics, unit: str) -> str:
    return topics.user(f"unit-{unit}")


def users(topics: Topics) -> tuple[str, ...]:
    """Everybody whom Kafka must know, but for its own super user."""
    return (*(topics.user(name) for name in (*SERVICES, TRIAGE)), *(unit_user(topics, unit) for unit in UNIT_SLUGS))


def byte_rates(topics: Topics) -> dict[str, float]:
    """Bytes a second that each broker takes of a unit: no deadline fires before what all units wrote until then was read, so that one
    that floods its updates would hold up everybody's. Some hundred updates a second, far more than officials write.
    """
    return {unit_user(topics, unit): 256.0 * 1024 for unit in UNIT_SLUGS}


def is_ours(topics: Topics, user: str) -> bool:
    """Whether a user's rights are ours to give and take; one of a unit that the directory does not know any more is."""
    return user in users(topics) or user.startswith(unit_user(topics, ""))


def bus_rights(topics: Topics) -> frozenset[BusRight]:
    """Raises `NamespaceUnfit`."""
    if topics.namespace.partition(".")[0] in (*UNIT_SLUGS, TRIAGE, "jalur"):
        raise NamespaceUnfit(f"the namespace {topics.namespace} begins like a unit's consumer groups: choose another")
    return frozenset(_bus_rights(topics))


def _bus_rights(topics: Topics) -> Iterator[BusRight]:
    units = UNIT_SLUGS
    read: dict[str, tuple[str, ...]] = {
        "intake": (topics.status,),
        "router": (topics.received, topics.reroutes),
        "notifier": topics.notifier_inputs(),
    }
    write: dict[str, tuple[str, ...]] = {
        "intake": (topics.received, topics.changes),
        "router": (*(topics.routed(unit) for unit in units), topics.triage, topics.transferred),
        "notifier": (*(topics.follow_ups(who) for who in (*units, TRIAGE)), topics.reroutes, topics.status),
    }
    for service in SERVICES:
        user = topics.user(service)
        yield from _on_topics(user, "read", read[service])
        yield from _on_topics(user, "write", (*write[service], topics.dead_letters(service)))
        yield from (BusRight(user, "group", topics.group(group), "read") for group in _GROUPS[service])
    for unit in units:
        user = unit_user(topics, unit)
        yield from _on_topics(user, "read", (topics.routed(unit), topics.follow_ups(unit)))
        yield from _on_topics(user, "write", (topics.updates(unit),))
        yield BusRight(user, "group", topics.groups_of(unit), "read", is_prefix=True)
    triage = topics.user(TRIAGE)
    yield from _on_topics(triage, "read", (topics.triage, topics.follow_ups(TRIAGE)))
    yield BusRight(triage, "group", topics.groups_of(TRIAGE), "read", is_prefix=True)


def _on_topics(user: str, operation: Literal["read", "write"], names: Iterable[str]) -> Iterator[BusRight]:
    for name in names:
        yield BusRight(user, "topic", name, operation)
        yield BusRight(user, "topic", name, "describe")


def reaches_us(topics: Topics, right: BusRight) -> bool:
    """Whether a rule for somebody else lets them, or forbids them, something with one of our topics or groups, or the cluster."""
    if right.resource == "cluster":  # of which there is one, and ours lies on it
        return True
    if right.resource not in ("topic", "group"):
        return False
    if right.name == "*":
        return True
    if right.resource == "topic":
        names = [topic.name for topic in topics.all()]
        return any(name.startswith(right.name) for name in names) if right.is_prefix else right.name in names
    exact = [topics.group(group) for groups in _GROUPS.values() for group in groups]
    begins = [topics.groups_of(who) for who in (*UNIT_SLUGS, TRIAGE)]
    if right.is_prefix:
        return any(ours.startswith(right.name) for ours in exact) or any(
            ours.startswith(right.name) or right.name.startswith(ours) for ours in begins
        )
    return right.name in exact or right.name.startswith(tuple(begins))


@dataclass(frozen=True, slots=True)
class Thing:
    """What a right in the database is about. `name` is as SQL writes it: `notifier.timeline`, `jalur.jalur_now()`, a schema's own."""

    kind: Literal["schema", "table", "column", "sequence", "function"]
    schema: str
    name: str
    column: str | None = None
    runs_as_owner: bool = False


@dataclass(frozen=True, slots=True, order=True)
class DataRight:
    role: str
    kind: str
    name: str
    privilege: str
    column: str | None = None

    def __str__(self) -> str:
        column = f" of column {self.column}" if self.column else ""
        return f"{self.role} has {self.privilege}{column} on {self.kind} {self.name}"


_ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE")
# What a service writes once, or only reads; its other tables it may work with as it likes.
_NARROWER: Mapping[str, tuple[str, ...]] = {
    "intake.keys": ("SELECT", "INSERT", "UPDATE"),  # a key that was revoked stays written down
    "intake.disclosures": ("SELECT", "INSERT"),
    **{f"intake.{table}": ("SELECT", "INSERT") for table in ("answers", "speech", "changes")},  # erased by an operator
    "router.decisions": ("SELECT", "INSERT"),
    "router.rule_sets": ("SELECT",),  # activated by an operator
    "notifier.timeline": ("SELECT", "INSERT"),
    "notifier.timeline_texts": ("SELECT", "INSERT"),  # erased by an operator
    "jalur.erasures": (),
    "jalur.legal_holds": (),
    "jalur.dead_letter_replays": (),
    **{f"{schema}.migrations": ("SELECT",) for schema in SCHEMAS},
}
# The clock is read by all, and set by nobody but the owner. A function that runs as its owner is the operators' alone.
_CLOCK = ("jalur.jalur_now(", "jalur.jalur_at(")


def data_rights(things: Iterable[Thing]) -> frozenset[DataRight]:
    """What the services' roles must have on what there is in the four schemas; more than that is too much."""
    return frozenset(
        DataRight(ROLES[service], thing.kind, thing.name, privilege)
        for thing in things
        for service in SERVICES
        for privilege in _privileges(service, thing)
    )


def _privileges(service: str, thing: Thing) -> tuple[str, ...]:
    is_own = thing.schema == service
    if not is_own and thing.schema != "jalur":
        return ()
    match thing.kind:
        case "schema":
            return ("USAGE",)
        case "table":
            return _NARROWER.get(thing.name, _ROWS if is_own else ("SELECT",))
        case "sequence":
            return ("SELECT", "USAGE") if is_own else ()  # to draw a number and to see the last; not to set it
        case "function":
            may = thing.name.startswith(_CLOCK) or (is_own and not thing.runs_as_owner)
            return ("EXECUTE",) if may else ()
    return ()
