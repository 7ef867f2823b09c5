"""What was put back of a service's dead letters, which of it died again, and what a replay would do. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.commands.dead_letters import DeadLetter, Identity


@dataclass(frozen=True)
class Replay:
    """A row of jalur.dead_letter_replays. Without `sent_at` nobody knows whether Kafka took it."""

    id: UUID
    place: str
    identity: Identity
    number: int
    operator: str
    db_role: str
    begun_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True)
class History:
    """What is known of a service's dead letters together: which were put back, and which of those died again."""

    letters: Sequence[DeadLetter]
    replays: Sequence[Replay]
    _by_id: dict[UUID, Replay] = field(init=False, repr=False, default_factory=dict)
    _by_place: dict[str, DeadLetter] = field(init=False, repr=False, default_factory=dict)
    _by_identity: dict[Identity, list[Replay]] = field(init=False, repr=False, default_factory=dict)
    _died_again: dict[UUID, DeadLetter] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_id.update({replay.id: replay for replay in self.replays})
        self._by_place.update({letter.place: letter for letter in self.letters})
        for replay in sorted(self.replays, key=lambda item: item.number):
            self._by_identity.setdefault(replay.identity, []).append(replay)
        for letter in self.letters:
            if (before := self.came_from(letter)) is not None:
                self._died_again.setdefault(before.id, letter)  # of a letter kept twice the first counts

    def replays_of(self, letter: DeadLetter) -> list[Replay]:
        return self._by_identity.get(letter.identity, []) if letter.identity else []

    def came_from(self, letter: DeadLetter) -> Replay | None:
        """The replay that put this letter's record where it died again. An id that its writer made up or copied is nobody's."""
        replay = self._by_id.get(letter.replay_id) if letter.replay_id else None
        return replay if replay is not None and _is_same(replay, letter) else None

    def died_again(self, replay: Replay) -> DeadLetter | None:
        return self._died_again.get(replay.id)

    def last_death(self, letter: DeadLetter) -> DeadLetter | None:
        """Where the record lies dead now, if it died again after it was put back from this letter."""
        found = [later for replay in self.replays_of(letter) if (later := self.died_again(replay)) is not None]
        return found[-1] if found else None

    def deaths(self, letter: DeadLetter) -> int:
        """How often the record has died, this letter's time included."""
        count, seen = 1, set[UUID]()
        replay = self.came_from(letter)
        while replay is not None and replay.id not in seen:
            seen.add(replay.id)
            count += 1
            earlier = self._by_place.get(replay.place)
            replay = self.came_from(earlier) if earlier is not None and earlier.identity == replay.identity else None
        return count

    def told(self, letter: DeadLetter) -> dict[str, Any]:
        """For a list: how often it died, after which replay, and where it was put back."""
        before = self.came_from(letter)
        return {
            "deaths": self.deaths(letter),
            "died_after": _told(before) | {"letter": before.place} if before else None,
            "put_back": [
                _told(replay) | {"died_again_at": later.place if (later := self.died_again(replay)) else None}
                for replay in self.replays_of(letter)
            ],
        }


@dataclass
class Plan:
    """What a replay does with the letters it was asked for, each list in their order."""

    to_send: list[tuple[DeadLetter, Identity, UUID, int]] = field(default_factory=list)  # with the replay's id and number
    put_back_before: list[DeadLetter] = field(default_factory=list)
    died_again: list[tuple[DeadLetter, DeadLetter]] = field(default_factory=list)  # with where the record lies dead now
    cannot_be_sent: list[DeadLetter] = field(default_factory=list)


def plan_replay(
    chosen: Sequence[DeadLetter], history: History, topics: frozenset[str], new_id: Callable[[], UUID], *, again: bool = False
) -> Plan:
    """Each record once: not what was put back before unless `again`, nor what has a later letter, nor what was kept twice.

    `topics` are this installation's: a header decides on no other. What was begun and perhaps never sent goes under the id it had.
    """
    plan = Plan()
    seen = set[Identity]()
    for letter in chosen:
        identity = letter.identity
        replays = history.replays_of(letter)
        if identity is None or letter.origin not in topics or not letter.is_whole:
            plan.cannot_be_sent.append(letter)
        elif (later := history.last_death(letter)) is not None:
            plan.died_again.append((letter, later))
        elif identity in seen:
            plan.put_back_before.append(letter)
        elif in_doubt := next((replay for replay in replays if replay.sent_at is None), None):
            plan.to_send.append((letter, identity, in_doubt.id, in_doubt.number))
        elif replays and not again:
            plan.put_back_before.append(letter)
        else:
            plan.to_send.append((letter, identity, new_id(), len(replays) + 1))
        if identity is not None:
            seen.add(identity)
    return plan


def _is_same(replay: Replay, letter: DeadLetter) -> bool:
    """A record put back has its bytes and its topic, at another place."""
    identity = letter.identity
    return identity is not None and (identity[0], identity[3]) == (replay.identity[0], replay.identity[3]) and identity != replay.identity


def _told(replay: Replay) -> dict[str, Any]:
    return {
        "id": str(replay.id),
        "begun_at": replay.begun_at.isoformat(),
        "sent_at": replay.sent_at.isoformat() if replay.sent_at else None,
        "operator": replay.operator,
        "db_role": replay.db_role,
    }
