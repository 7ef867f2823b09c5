"""What should come of a case, worked out apart from the notifier: by walking days, and by the law of who may say what and when.

It knows two clocks: the verification of a report and the first follow-up of each assignment.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.envelope import change_event_id, refused_update_id
from shared.events import (
    CaseUpdate,
    ComplaintChanged,
    ComplaintHeld,
    ComplaintReceived,
    ComplaintRouted,
    ComplaintTransferred,
    RerouteRequested,
)

VERIFICATION, FOLLOW_UP = "LAPOR_VERIFIKASI", "LAPOR_TINDAK_LANJUT"
AFTER = {VERIFICATION: {-1: -1, 0: 0, 1: 1, 2: 3}, FOLLOW_UP: {-1: -1, 0: 0, 1: 1, 2: 3, 3: 5}}
ZONES = {None: ZoneInfo("Asia/Jakarta"), "kanwil:nusa-tenggara-timur": ZoneInfo("Asia/Makassar")}
Span = tuple[datetime, datetime | None]
Part = ComplaintRouted | ComplaintHeld | ComplaintTransferred
_OPEN, _LIVE = ("assigned", "accepted"), ("assigned", "accepted", "answered")
_ENDS = {"withdrawn": "withdrawn", "closed": "closed", "archived": "closed"}


@dataclass(frozen=True)
class Derived:
    """What the notifier itself found: a period ran out, or the case that this one was merged into was answered or gave up."""

    what: str  # closed, withdrawn, answered, unmerged
    at: datetime
    lead: UUID | None = None


Told = tuple[ComplaintReceived | Part | CaseUpdate | ComplaintChanged | Derived, datetime]


def due(start: datetime, amount: int, zone: ZoneInfo, off: Collection[date], pauses: Iterable[Span] = ()) -> datetime | None:
    """Close of office of the last of so many working days, one day after the other; None where a pause keeps it from coming."""
    day = start.astimezone(zone).date()
    while amount:
        day += timedelta(days=1)
        close = datetime.combine(day, time(16, 30) if day.weekday() == 4 else time(16), zone).astimezone(UTC)
        held = [until for since, until in pauses if since <= close and (until is None or close < until)]
        if None in held:
            return None
        amount -= day.weekday() < 5 and day not in off and not held
    return close


@dataclass
class Given:
    """An assignment, and the stretches of its first follow-up."""

    part: ComplaintRouted
    state: str = "assigned"
    spans: list[Span] = field(default_factory=list)
    may_start: bool = True

    def start(self, at: datetime) -> None:
        if self.may_start and not (self.spans and self.spans[-1][1] is None):
            self.spans.append((at, None))

    def stop(self, at: datetime, *, for_good: bool = False) -> None:
        if self.spans and self.spans[-1][1] is None:
            self.spans[-1] = (self.spans[-1][0], at)
        self.may_start = self.may_start and not for_good


class Expected:
    """The case after all that was told, minus what was refused. `requests` are the decisions asked for, by number."""

    def __init__(
        self, told: Iterable[Told], requests: Mapping[int, RerouteRequested], asked_by: Mapping[int, UUID], off: Collection[date]
    ) -> None:
        told = list(told)
        self.requests, self.asked_by, self.off = requests, asked_by, off
        self.given: dict[UUID, Given] = {}
        self.parts: dict[str, Part] = {}
        self.parts_so_far: list[Part] = []
        self.arrived: set[int] = set()
        self.pending: dict[UUID, tuple[str, ...]] = {}
        self.ordered: set[UUID] = set()
        self.pauses: list[Span] = []
        self.verification: list[Span] = []
        self.is_verified = False
        self.answered_at: datetime | None = None
        self.ended: str | None = None
        self.merged_into: UUID | None = None
        self.report = next((fact for fact, _ in told if isinstance(fact, ComplaintReceived)), None)
        self.read = {f"{fact.decision}/{fact.part}": fact for fact, _ in told if isinstance(fact, Part)}
        self.is_missing = any(f"{part.decision}/{n}" not in self.read for part in self.read.values() for n in range(len(part.parts)))
        known = next((fact for fact, _ in told if isinstance(fact, ComplaintReceived | Part)), None)
        self.merges = [(fact, at) for fact, at in told if isinstance(fact, CaseUpdate) and fact.into is not None]
        self.source = known.source if known else None
        self.is_first_whole = any(part.decision == 0 for part in self.read.values()) and all(
            f"0/{number}" in self.read for part in self.read.values() if part.decision == 0 for number in range(len(part.parts))
        )
        if known is None:
            return
        self.verification.append((known.reported_at, None))
        if self.report is not None and self.report.source_state == "verified":
            self._verify(self.report.reported_at)
        if self.report is not None and self.report.source_state == "paused":
            self.pauses.append((self.report.accepted_at, None))
        # At one instant a decision comes before what is said of it, and a period runs out only after all else.
        facts = [
            (self._counts_at(fact, at), 0 if isinstance(fact, Part) else 9 if isinstance(fact, Derived) else 1, fact)
            for fact, at in told
            if not isinstance(fact, ComplaintReceived)
        ]
        for at, _, fact in sorted(facts, key=lambda item: (item[0], item[1], getattr(item[2], "part", 0))):
            if self._take(fact, at):
                self._look_round(at)
        away = [part.decided_at for part in self.parts.values() if part.assignment_id is None and self._is_away(part)]
        is_held = any(item.state in (*_LIVE, "closed") for item in self.given.values()) or self.waiting or self.pending or self.is_missing
        if away and not is_held and self.ended is None and self.answered_at is None:
            self._needless(max(away))

    def _counts_at(self, fact: object, at: datetime) -> datetime:
        spoken_of = [at]
        if isinstance(fact, Derived) and fact.lead is not None:
            spoken_of += [self._counts_at(other, when) for other, when in self.merges if other.into == fact.lead]
        if isinstance(fact, CaseUpdate):
            spoken_of += [part.decided_at for part in self.read.values() if part.assignment_id == fact.assignment_id]
        elif isinstance(fact, ComplaintChanged) and fact.kind == "decision":
            spoken_of += [self.read[key].decided_at for key in fact.fields["replaces"] if key in self.read]
        elif isinstance(fact, ComplaintChanged) and fact.kind in ("edited", "redisposed"):
            spoken_of += [part.decided_at for part in self.read.values() if part.decision == 0]
        return max(spoken_of)

    @property
    def is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1][1] is None

    def _pause(self, at: datetime) -> bool:
        if not self.is_paused:
            self.pauses.append((at, None))
            return True
        return False

    def _resume(self, at: datetime) -> bool:
        if self.is_paused:
            self.pauses[-1] = (self.pauses[-1][0], at)
            return True
        return False

    def _verify(self, at: datetime) -> None:
        self.is_verified = True
        self._needless(at)

    def _needless(self, at: datetime) -> None:
        """Verified, answered or ended."""
        if self.verification[-1][1] is None:
            self.verification[-1] = (self.verification[-1][0], at)

    def _end(self, state: str, at: datetime) -> bool:
        if self.ended is not None:
            return False
        self.ended = state
        self._needless(at)
        for item in self.given.values():
            item.stop(at, for_good=True)
            if item.state in _LIVE:
                item.state = "closed"
        return True

    def _take(self, fact: object, at: datetime) -> bool:
        if isinstance(fact, Part):
            self._decided(fact)
            return True
        if isinstance(fact, Derived):
            return self._derived(fact, at)
        if isinstance(fact, CaseUpdate):
            return self._said(fact.status, at, fact)
        assert isinstance(fact, ComplaintChanged)
        if fact.kind == "update":
            return self._said(fact.fields["status"], at, None)
        return self._ordered(fact) if fact.kind == "decision" else self._changed(fact, at)

    def _decided(self, part: Part) -> None:
        key = f"{part.decision}/{part.part}"
        if part.decided_by != "router" and not isinstance(part, ComplaintHeld) and not self.is_verified:
            self._verify(part.decided_at)
        if part.decision not in self.arrived:
            self.arrived.add(part.decision)
            if part.decision in self.requests:
                gone = self._taken_by(part.decision)
                if not any(self._taken_by(number) & gone for number in self.arrived if number > part.decision):
                    self._replace(gone, part.decided_at)
                asked = self.asked_by[part.decision]
                self.pending = {cause: keys for cause, keys in self.pending.items() if cause != asked and not set(keys) & gone}
        self.parts[key] = part
        self.parts_so_far.append(part)
        if isinstance(part, ComplaintRouted):
            item = self.given[part.assignment_id] = Given(part)
            if self.ended is not None:
                item.state, item.may_start = "closed", False
            else:
                self.answered_at = None
                item.start(part.decided_at)
        if any(number > part.decision and key in self._taken_by(number) for number in self.arrived):
            self._replace({key}, part.decided_at)

    def _taken_by(self, decision: int) -> set[str]:
        """The parts it was asked for, and those of decisions before it that were asked for one of them too."""
        keys = set(self.requests[decision].replaces)
        for number in sorted(self.requests):
            if number < decision and keys & set(self.requests[number].replaces):
                keys |= {key for key, part in self.read.items() if part.decision == number}
        return keys

    def _replace(self, keys: Iterable[str], at: datetime) -> None:
        for key in keys:
            part = self.parts.pop(key, None)
            item = self.given.get(part.assignment_id) if part is not None and part.assignment_id else None
            if item is not None and item.state in _OPEN:
                item.state = "replaced"
                item.stop(at, for_good=True)

    def _said(self, status: str, at: datetime, update: CaseUpdate | None) -> bool:
        """By a unit, else by an administrator."""
        if self.ended is not None or self.merged_into is not None:
            return False
        item = self.given.get(update.assignment_id) if update is not None and update.assignment_id is not None else None
        if update is not None and (item is None or item.part.unit != update.unit):
            return False
        if item is not None and item.state not in (_LIVE if status in ("answered", "refused") else _OPEN):
            return False
        if status == "verified":
            if self.is_verified:
                return False
            self._verify(at)
        elif status in ("need_info", "resumed"):
            return (self.answered_at is None and self._pause(at)) if status == "need_info" else self._resume(at)
        elif status == "merged":
            others = [other for other in self.given.values() if other.state in _OPEN and item and other.part.unit != item.part.unit]
            if others or self.waiting or self.pending or any(part.is_oversight for part in self.parts_so_far):
                return False
            self.merged_into = update.into if update is not None else None
        elif item is not None and update is not None:
            self._of_the_assignment(status, at, item, update)
        return True

    def _of_the_assignment(self, status: str, at: datetime, item: Given, update: CaseUpdate) -> None:
        if status == "accepted":
            item.state = "accepted"
        elif status == "followed_up":
            item.stop(at)
        elif status == "returned":
            item.state = "returned"
            item.stop(at)
            self._ask(cause_of(update), (f"{item.part.decision}/{item.part.part}",))
        else:
            item.state = "answered"
            item.stop(at, for_good=True)

    def _ask(self, cause: UUID, keys: tuple[str, ...]) -> None:
        if not any(asked == cause and number in self.arrived for number, asked in self.asked_by.items()):
            self.pending[cause] = keys

    def _changed(self, change: ComplaintChanged, at: datetime) -> bool:
        if change.kind == "disclosure":
            return True
        if change.kind in ("edited", "redisposed") and not self.is_first_whole:
            return False
        if change.kind in _ENDS:
            return self._end(_ENDS[change.kind], at)
        if change.kind == "reopened":
            self._reopen(change, at)
        if self.ended is not None:
            return True
        if change.kind == "redisposed" and not self.is_verified:
            self._verify(at)
        if change.kind == "completed":
            self._resume(at)
        elif change.kind == "replied" and self.answered_at is not None:
            if at <= (due(self.answered_at, 10, ZONES[None], self.off) or at):
                self._take_up_again(at)
        elif change.kind == "redisposed":
            self._ask(cause_of(change), self._placed(_OPEN))
        elif change.kind == "edited":
            keys = tuple(key for key in self._placed(("assigned",)) if self.parts[key].decided_by == "router")
            if keys:
                self._ask(cause_of(change), keys)
        return True

    def _reopen(self, change: ComplaintChanged, at: datetime) -> None:
        gone = tuple(key for key, part in self.parts.items() if part.assignment_id is None and self._is_away(part))
        is_held = any(item.state in _LIVE for item in self.given.values()) or bool(self.waiting)
        is_gone = bool(gone) and not is_held and not self.pending
        if self.ended is None and self.answered_at is None and not is_gone:
            return
        self.ended = None
        self._resume(at)
        self._needless(at)
        if not self.is_verified:
            self.verification.append((at, None))
        self._take_up_again(at)
        if not any(item.state in _LIVE for item in self.given.values()) and not self.waiting:
            self._ask(cause_of(change), gone if is_gone else ())

    @property
    def waiting(self) -> list[str]:
        return [key for key, part in self.parts.items() if part.assignment_id is None and not self._is_away(part)]

    def _is_away(self, part: Part) -> bool:
        return isinstance(part, ComplaintTransferred) and (self.source != "lapor" or part.decided_by != "router")

    def _placed(self, states: tuple[str, ...]) -> tuple[str, ...]:
        own = {f"{item.part.decision}/{item.part.part}" for item in self.given.values() if item.state in states}
        return tuple(key for key in self.parts if key in own or key in self.waiting)

    def _take_up_again(self, at: datetime) -> None:
        self.answered_at = self.merged_into = None
        for item in self.given.values():
            if item.state in ("answered", "closed"):
                item.state, item.may_start = "accepted", True
                item.start(at)

    def _ordered(self, order: ComplaintChanged) -> bool:
        if self.ended is not None or self.merged_into is not None:
            return False
        keys = tuple(order.fields["replaces"])
        for key in keys:
            part = self.parts.get(key)
            item = self.given.get(part.assignment_id) if part is not None and part.assignment_id else None
            if part is None or (item is not None and item.state in ("answered", "closed")):
                return False
            if any(cause in self.ordered and key in named for cause, named in self.pending.items()):
                return False
        self.ordered.add(cause_of(order))
        self._ask(cause_of(order), keys)
        return True

    def _derived(self, found: Derived, at: datetime) -> bool:
        if found.what in ("closed", "withdrawn"):
            return self._end(found.what, at)
        if self.merged_into != found.lead:
            return False
        if found.what == "unmerged":
            self.merged_into = None
        elif self.ended is None:
            for item in self.given.values():
                if item.state in _OPEN:
                    item.state = "answered"
                    item.stop(at, for_good=True)
            self.parts = {key: part for key, part in self.parts.items() if key not in self.waiting}
            self.pending = {}
            self._resume(at)
            self._needless(at)
            self.answered_at = at
        return self.ended is None

    def _look_round(self, at: datetime) -> None:
        placed = [item for item in self.given.values() if item.state in (*_LIVE, "closed")]
        is_done = bool(placed) and all(item.state in ("answered", "closed") for item in placed)
        if self.answered_at is None and self.ended is None and not self.pending and not self.waiting and not self.is_missing and is_done:
            self.answered_at = at
            self._resume(at)
            self._needless(at)

    def spans(self, code: str) -> list[tuple[str, ZoneInfo, Span, list[Span]]]:
        """Subject, zone, stretch and pauses of each time the clock ran."""
        if code == VERIFICATION:
            return [("case", ZONES[None], span, []) for span in self.verification]
        return [(str(key), ZONES[item.part.desk], span, self.pauses) for key, item in self.given.items() for span in item.spans]


def cause_of(fact: CaseUpdate | ComplaintChanged) -> UUID:
    if isinstance(fact, CaseUpdate):
        return refused_update_id(fact.unit, fact.update_id)
    return change_event_id(fact.complaint_id, fact.by, fact.change_id)
