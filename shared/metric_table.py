"""What a row of the metrics' table is, and the closed sets its labels come from. The rows themselves stand in `metrics.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Generic, Literal, TypeVar, cast, get_args, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.errors import DEAD_REASONS
from shared.events import ChangeKind, DecidedBy, FollowUpKind, HeldWhy, ReasonKind, UpdateStatus
from shared.masking import MASK_KINDS
from shared.topics import Topics
from shared.units import UNIT_SLUGS

Kind = Literal["counter", "gauge", "histogram"]
Made = TypeVar("Made", bound=Counter | Gauge | Histogram)


def _of(literal: Any) -> tuple[str, ...]:
    """The words of a `Literal`, also of one that is put together from others."""
    return tuple(str(word) for item in get_args(literal) for word in (_of(item) if get_args(item) else (item,)))


# Every label and what it may say. An installation's namespace stands before the topic where there is one.
UNITS = UNIT_SLUGS
UNITS_AND_TRIAGE = (*UNIT_SLUGS, "triage")
TOPICS = tuple(topic.name for topic in Topics().all())
# Those of which Kafka deletes what is old, read or not.
AGING_TOPICS = tuple(topic.name for topic in Topics().all() if topic.config["cleanup.policy"] == "delete")
PURPOSES = ("status", "received", "reroutes", "cases")
DEAD = DEAD_REASONS
CHANGES = tuple(kind for kind in _of(ChangeKind) if kind not in ("update", "decision", "disclosure", "joined"))
STATUSES = _of(UpdateStatus)
MASKED = MASK_KINDS
WHYS = _of(HeldWhy)
FOLLOW_UPS = _of(FollowUpKind)
DECIDERS = _of(DecidedBy)
REASONS = (*_of(ReasonKind), "none")
BANDS = ("0.98-1", "0.95-0.98", "0.90-0.95", "0.80-0.90", "0.60-0.80", "0-0.60")
AGREED = ("yes", "no", "undecided")
OUTCOMES = ("history", "routed", "held", "transferred")
ORPHANED = ("no_clock", "no_owner")
# Whom the router would have chosen.
VIEWS = (*UNIT_SLUGS, "triage", "other_agency")
# What a request to intake may be refused for.
PROBLEMS = (
    "away", "bad-header", "bad-key", "bad-query", "bug", "cursor-ahead", "identity-conflict", "in-progress", "invalid-field",
    "malformed-json", "no-key", "not-allowed", "not-found", "too-large", "too-many-at-once",
    "too-many-connections", "too-many-requests", "too-slow", "wrong-method",
)  # fmt: skip
ROLES = ("source", "unit", "desk", "triage", "admin", "auditor")
# Why a key was refused: `too_many` without asking, after too many others from that address.
KEY_REFUSALS = ("none", "malformed", "unknown", "wrong_secret", "revoked", "expired", "too_many")
# Which limit a request met: so many a second of a key, of an address, of refused keys; at once of a key, of its batches.
LIMITS = ("key", "address", "refusals", "at_once", "batches")
# Why a connection was closed from this side.
CLOSED = ("head_slow", "head_large", "body_slow", "body_unwanted", "answer_not_taken", "idle_for_another", "too_many")
# Where reports come from. A key may be made for any name; those that are not here are counted together.
SOURCES = ("lapor", "halo_kumham", "ppid", "loket", "wbs", "other")
# What came of a row of an export.
IMPORTED = ("new", "history", "changed", "same", "older", "refused")
# Files of certificates that settings may name.
CERTIFICATES = ("kafka_authorities", "postgres_authorities", "postgres_client")
# How far the clocks that a unit has in a case have come: nothing is due yet, or the highest level that has passed.
LEVELS = ("open", "due", "overdue", "escalated")

# Up to so many values a counter shows all of them from the start: what has never happened is 0, and its first time is an increase.
_SHOWN_FROM_START = 36


def source_label(source: str | None) -> str:
    """The label of a source, whose name is the installation's to choose."""
    return source if source in SOURCES else "other"


@dataclass(frozen=True, slots=True)
class Metric:
    """A row as its service shows it: what dashboards, alerts and documents are held against."""

    name: str
    kind: Kind
    labels: Mapping[str, tuple[str, ...]]
    help: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which its values are asked for."""
        return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count")) if self.kind == "histogram" else (self.name,)


class Row(Generic[Made]):
    """One metric; on the class that has it, the row itself, on an object of that class what counts."""

    def __init__(
        self, kind: type[Made], name: str, help_: str, labels: Mapping[str, tuple[str, ...]] | None = None, buckets: Sequence[float] = ()
    ) -> None:
        self._kind = kind
        self._name = name
        self._help = help_
        self._labels = dict(labels or {})
        self._buckets = buckets
        self.attribute = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Row[Made]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> Made: ...
    def __get__(self, instance: object | None, owner: type) -> "Row[Made] | Made":
        return self if instance is None else cast(Made, instance.__dict__[self.attribute])

    def metric(self, service: str) -> Metric:
        kind = cast(Kind, self._kind.__name__.lower())
        return Metric(f"jalur_{service}_{self._name}", kind, self._labels, self._help)

    def make(self, registry: CollectorRegistry, service: str) -> Made:
        more: dict[str, Any] = {"buckets": self._buckets} if self._buckets else {}
        made = self._kind(f"jalur_{service}_{self._name}", self._help, tuple(self._labels), registry=registry, **more)
        values = list(product(*self._labels.values())) if self._labels else []
        if isinstance(made, Counter) and "topic" not in self._labels and len(values) <= _SHOWN_FROM_START:
            for value in values:
                made.labels(*value)
        return made


def counter(name: str, help_: str, **labels: tuple[str, ...]) -> Row[Counter]:
    return Row(Counter, name, help_, labels)


def gauge(name: str, help_: str, **labels: tuple[str, ...]) -> Row[Gauge]:
    return Row(Gauge, name, help_, labels)


def histogram(name: str, help_: str, buckets: Sequence[float]) -> Row[Histogram]:
    return Row(Histogram, name, help_, buckets=buckets)


class Table:
    """The rows that its class names, made for one service."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        for row in rows_of(type(self)):
            self.__dict__[row.attribute] = row.make(registry, service)


def rows_of(table: type[Table]) -> list[Row[Any]]:
    return [row for row in vars(table).values() if isinstance(row, Row)]
