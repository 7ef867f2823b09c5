"""What became known of a case, each fact as the timeline keeps it. Pure data; what follows from the facts is `life.py`'s.

A case is what its facts say, taken in the order of the instants they count from, not in the order they were read in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import Discriminator, TypeAdapter

from shared.erased import ERASED
from shared.events import ChangeKind, ComplaintClass, DecidedBy, HeldWhy, RerouteCause, SourceState, UpdateStatus

PartOutcome = Literal["routed", "held", "transferred", "proposed"]


@dataclass(frozen=True, slots=True)
class Reported:
    """The report. `is_complete` is false where only a decision spoke of it so far; a complete one takes the place of such a one."""

    at: datetime
    reported_at: datetime
    source: str | None
    source_ref: str | None
    service: str | None
    channel: str | None
    category: str | None
    class_: ComplaintClass | None
    province: str | None
    state: SourceState | None
    is_final: bool
    is_complete: bool
    fact: Literal["reported"] = "reported"


@dataclass(frozen=True, slots=True)
class Decided:
    """One part of a decision. `destinations` are those of the whole decision, by the numbers of its parts."""

    at: datetime
    decision: int
    part: int
    outcome: PartOutcome
    assignment_id: UUID | None
    unit: str | None
    desk: str | None
    copies: tuple[str, ...]
    agency: str | None
    why: HeldWhy | None
    class_: ComplaintClass | None
    is_oversight: bool
    decided_by: DecidedBy
    destinations: tuple[str, ...]
    fact: Literal["decided"] = "decided"

    @property
    def key(self) -> str:
        return f"{self.decision}/{self.part}"


@dataclass(frozen=True, slots=True)
class Said:
    """An update. `unit` is null where an administrator speaks. `lead` is the case that this one was merged into, where it answers."""

    id: UUID
    at: datetime
    by: str
    unit: str | None
    status: UpdateStatus
    named: str = ""  # the writer's own id of it
    assignment_id: UUID | None = None
    reason: str | None = None
    suggested_unit: str | None = None
    into: UUID | None = None
    outcome: str | None = None
    answer_id: UUID | None = None
    lead: UUID | None = None
    fact: Literal["said"] = "said"


@dataclass(frozen=True, slots=True)
class Changed:
    """What a source said later. `since` is when it may have happened at the earliest, where only two exports are known."""

    id: UUID
    at: datetime
    by: str
    kind: ChangeKind
    class_: ComplaintClass | None = None
    state: SourceState | None = None
    status: str | None = None
    is_final: bool = False
    is_rewritten: bool = False  # title, text or place are new: what was decided rests on other words
    is_interval: bool = False
    joined: str | None = None
    fact: Literal["changed"] = "changed"


@dataclass(frozen=True, slots=True)
class Ordered:
    """A decision of triage or admin about parts, named `<decision>/<part>`."""

    id: UUID
    at: datetime
    by: str
    replaces: tuple[str, ...]
    unit: str | None
    agency: str | None
    hold: bool
    reason: str | None
    named: str = ""
    fact: Literal["ordered"] = "ordered"


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Somebody was shown the report unmasked."""

    id: UUID
    at: datetime
    by: str
    who: str
    purpose: str | None
    fact: Literal["disclosed"] = "disclosed"


@dataclass(frozen=True, slots=True)
class Requested:
    """The notifier asked the router for decision number `decision`, because of the fact `cause_id`."""

    at: datetime
    decision: int
    cause: RerouteCause
    cause_id: UUID
    by: str
    replaces: tuple[str, ...]
    fact: Literal["requested"] = "requested"


@dataclass(frozen=True, slots=True)
class Expired:
    """A period that began at `since` ran out at `at`, and its policy says what that does: the case closes, or counts as withdrawn."""

    at: datetime
    code: str
    episode: int
    ends: Literal["closed", "withdrawn"]
    since: datetime
    fact: Literal["expired"] = "expired"


@dataclass(frozen=True, slots=True)
class Unmerged:
    """The case it was merged into ended without an answer: this one stands by itself again."""

    at: datetime
    lead: UUID
    fact: Literal["unmerged"] = "unmerged"


Fact: TypeAlias = Reported | Decided | Said | Changed | Ordered | Disclosed | Requested | Expired | Unmerged
ADAPTER: TypeAdapter[Fact] = TypeAdapter(Annotated[Fact, Discriminator("fact")])

# Of facts that count from one instant: a decision before what is said of it, and a period runs out only after all else.
RANK: dict[str, int] = {
    "reported": 0, "decided": 1, "requested": 2, "changed": 3, "ordered": 4, "said": 5, "unmerged": 6, "disclosed": 7, "expired": 8,
}  # fmt: skip


def identity(fact: Fact) -> str:
    """By which a second delivery is known."""
    if isinstance(fact, Said | Changed | Ordered | Disclosed):
        return str(fact.id)
    if isinstance(fact, Decided):
        return fact.key
    if isinstance(fact, Requested):
        return f"requested {fact.decision}"
    if isinstance(fact, Expired):
        return f"expired {fact.code} {fact.episode} {fact.at.isoformat()}"
    return f"{fact.fact} {fact.at.isoformat()}"


# Where a fact has what somebody wrote.
_WRITTEN: dict[str, str] = {"said": "reason", "ordered": "reason", "disclosed": "purpose", "changed": "status"}


def text_of(fact: Fact) -> dict[str, str]:
    """What somebody wrote in it, by its field."""
    name = _WRITTEN.get(fact.fact)
    text = getattr(fact, name) if name is not None else None
    return {name: text} if name is not None and text not in (None, ERASED) else {}


def with_text(fact: Fact, text: Mapping[str, Any]) -> Fact:
    return replace(fact, **text) if text else fact


def without_text(fact: Fact) -> Fact:
    """The fact, with a mark where something was written: that it was may decide what the case is."""
    return with_text(fact, dict.fromkeys(text_of(fact), ERASED))
