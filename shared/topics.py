"""Every topic, derived from the unit directory. Pure; `topics_admin.py` creates them.

A namespace (empty in production) is put before every topic and group, so that tests, or two installations, can share a cluster.
"""

from dataclasses import dataclass, field

from shared.units import UNIT_SLUGS

DAY_MS = 24 * 60 * 60 * 1000
SERVICES = ("intake", "router", "notifier")


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def _kept(days: int, **more: str) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS), **more}


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of one installation's topics and groups."""

    namespace: str = ""

    def _name(self, rest: str) -> str:
        return f"{self.namespace}.{rest}" if self.namespace else rest

    @property
    def received(self) -> str:
        return self._name("complaints.received")

    @property
    def changes(self) -> str:
        return self._name("complaints.changes")

    @property
    def triage(self) -> str:
        return self._name("complaints.triage")

    @property
    def transferred(self) -> str:
        return self._name("complaints.transferred")

    @property
    def reroutes(self) -> str:
        return self._name("complaints.reroutes")

    @property
    def status(self) -> str:
        return self._name("complaints.status")

    def routed(self, unit: str) -> str:
        return self._name(f"complaints.routed.{unit}")

    def updates(self, unit: str) -> str:
        return self._name(f"complaints.updates.{unit}")

    def follow_ups(self, who: str) -> str:
        return self._name(f"complaints.follow-ups.{who}")

    def dead_letters(self, service: str) -> str:
        return self._name(f"dlq.{service}")

    def group(self, service: str) -> str:
        return self._name(f"jalur.{service}")

    def user(self, who: str) -> str:
        """By what name Kafka knows a service, `unit-<slug>` or `triage`."""
        return self._name(who)

    def groups_of(self, who: str) -> str:
        """What the name of each consumer group of a unit, or of the triage desk, begins with."""
        return self._name(f"{who}.")

    def notifier_inputs(self) -> tuple[str, ...]:
        """What the notifier applies; a deadline fires only when all of these are applied up to its instant."""
        return (
            self.received,
            self.changes,
            *(self.routed(unit) for unit in UNIT_SLUGS),
            self.triage,
            self.transferred,
            *(self.updates(unit) for unit in UNIT_SLUGS),
        )

    def all(self) -> tuple[Topic, ...]:
        """Partitions and retention per topic. Units write `updates`, so the broker's clock stamps them, not theirs."""
        return (
            Topic(self.received, 12, _kept(30)),
            Topic(self.changes, 6, _kept(90)),
            *(Topic(self.routed(unit), 6, _kept(30)) for unit in UNIT_SLUGS),
            Topic(self.triage, 3, _kept(30)),
            Topic(self.transferred, 3, _kept(30)),
            *(Topic(self.updates(unit), 3, _kept(90, **{"message.timestamp.type": "LogAppendTime"})) for unit in UNIT_SLUGS),
            Topic(self.reroutes, 3, _kept(30)),
            *(Topic(self.follow_ups(who), 3, _kept(30)) for who in (*UNIT_SLUGS, "triage")),
            # What a later status has taken the place of is gone after a week, also where little is written: it may have been erased.
            Topic(self.status, 6, {"cleanup.policy": "compact", "max.compaction.lag.ms": str(7 * DAY_MS)}),
            *(Topic(self.dead_letters(service), 3, _kept(90)) for service in SERVICES),
        )

    def unit_of(self, topic: str) -> str | None:
        """The unit a `routed`, `updates` or `follow-ups` topic belongs to."""
        unit = topic.rpartition(".")[2]
        return unit if unit in UNIT_SLUGS else None
