"""The books of the demo: what intake accepted, what became of it by the notifier's cases, and by the records that a consumer read."""

from collections import Counter
from dataclasses import dataclass

from services.commands.demo_scene import Scene, check

_OUTCOME_OF = {"complaints.routed": "routed", "complaints.triage": "held", "complaints.transferred": "transferred"}
_DECIDED = ("history", "routed", "held", "transferred")


@dataclass(frozen=True)
class Balance:
    """`cases` by what decision 0, part 0 made of them; `in_kafka` the same as a consumer saw it, where Kafka shows it."""

    accepted: int
    final: int
    strangers: int
    cases: Counter[str]
    in_kafka: dict[str, int]
    dead: int


async def balance(scene: Scene) -> Balance | None:
    """None while something is not decided yet, or its decision has not been read."""
    counts = await scene.count(
        """
        SELECT 'accepted', count(*) FROM intake.complaints
        UNION ALL SELECT 'final', count(*) FROM intake.complaints WHERE is_final
        UNION ALL SELECT 'strangers', count(*) FROM notifier.cases WHERE id NOT IN (SELECT id FROM intake.complaints)
        """
    )
    cases = await scene.count(
        """
        SELECT coalesce(cases.first_outcome, 'undecided'), count(*)
        FROM intake.complaints LEFT JOIN notifier.cases ON cases.id = complaints.id AND cases.is_opened GROUP BY 1
        """
    )
    # A record that was sent twice has one event id.
    first = {
        item.event_id: _OUTCOME_OF[item.what]
        for item in scene.arrivals
        if item.what in _OUTCOME_OF and (item.payload["decision"], item.payload["part"]) == (0, 0)
    }
    in_kafka = {"routed": 0, "held": 0, "transferred": 0} | Counter(first.values())
    if cases.get("undecided") or sum(in_kafka.values()) < counts["accepted"] - cases.get("history", 0):
        return None
    dead = sum(item.what.startswith("dlq.") for item in scene.arrivals)
    return Balance(counts["accepted"], counts["final"], counts["strangers"], Counter(cases), in_kafka, dead)


def check_balance(found: Balance) -> None:
    check(
        found.accepted == sum(found.cases[outcome] for outcome in _DECIDED), f"each of {found.accepted} has an outcome: {dict(found.cases)}"
    )
    check(found.cases["history"] == found.final, f"what was finished before, and only that, is history: {found.final}")
    check(found.strangers == 0, f"no case without a complaint: {found.strangers}")
    for outcome, count in found.in_kafka.items():
        check(found.cases[outcome] == count, f"as many are {outcome} as Kafka shows: {found.cases[outcome]}, {count}")
    check(found.dead == 0, f"no dead letters: {found.dead}")
