"""Makes the life of a case from its facts, taken in the order of the instants they count from. Pure; it knows no clock's length.

Nothing here depends on the order in which facts were read. A fact that is not possible at its instant is not taken, with the reason; a
fact that becomes known later may change that.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from services.notifier.changes import ASKS_ANEW, change
from services.notifier.facts import RANK, Changed, Decided, Expired, Fact, Ordered, Reported, Requested, Said, Unmerged, identity
from services.notifier.life import LIVE, OPEN, Ask, Assignment, Life, Limits, Notice
from services.notifier.policy import Mark
from services.notifier.speaking import say
from shared.events import CaseState


def live(facts: Iterable[Fact], limits: Limits, refused: frozenset[str] = frozenset(), barred: Mapping[UUID, str] | None = None) -> Life:
    """The life that the facts make. `refused` facts count for nothing; `barred` are merges, by fact, that cannot be, and why."""
    return _Living([fact for fact in facts if identity(fact) not in refused], limits, barred or {}).run()


def _rank(fact: Fact) -> int:
    """A lead's answer comes after the merging that makes it count."""
    return RANK["unmerged" if isinstance(fact, Said) and fact.lead is not None else fact.fact]


class _Living:
    def __init__(self, facts: list[Fact], limits: Limits, barred: Mapping[UUID, str]) -> None:
        self.life = Life()
        self.limits = limits
        self.barred = barred
        self.requests = {fact.decision: fact for fact in facts if isinstance(fact, Requested)}
        decided = [fact for fact in facts if isinstance(fact, Decided)]
        self.read = {fact.key: fact for fact in decided}
        self.arrived: set[int] = set()
        # Each part says where the others of its decision go, before they are read.
        destinations = {fact.decision: fact.destinations for fact in decided}
        named = [name for names in destinations.values() for name in names]
        self.given = {name: named.count(name) for name in set(named)}
        self.is_missing_parts = any(
            f"{decision}/{part}" not in self.read for decision, names in destinations.items() for part in range(len(names))
        )
        # What takes the place of the first decision must know all of it.
        self.is_first_whole = 0 in destinations and all(f"0/{part}" in self.read for part in range(len(destinations[0])))
        reports = sorted((fact for fact in facts if isinstance(fact, Reported)), key=lambda fact: (not fact.is_complete, fact.at))
        self.life.report = reports[0] if reports else None
        self.facts = [fact for fact in facts if not isinstance(fact, Reported | Requested)]

    def run(self) -> Life:
        life, report = self.life, self.life.report
        if report is None:
            life.not_taken = {identity(fact): "no complaint of this id is known" for fact in self.facts}
            return life
        life.class_ = report.class_
        if report.is_final:
            life.is_history, life.first_outcome = True, "history"
        else:
            life.mark("received", report.reported_at)
            life.mark("complete", report.reported_at)
            if report.state == "verified":
                # It was verified between the two instants of the report; whether its own 3 days were kept is the source's affair.
                life.verify(report.reported_at)
            elif report.state == "paused":
                life.pause(report.at)
        timed = [(self._counts_at(fact), _rank(fact), identity(fact), fact) for fact in self.facts]
        for at, _, known_by, fact in sorted(timed, key=lambda item: item[:3]):
            why = self._take(fact, at)
            if why is not None:
                life.not_taken[known_by] = why
            else:
                self._look_round(at)
        self._finish()
        return life

    def _counts_at(self, fact: Fact) -> datetime:
        """Its own instant, but not before the decision it speaks of: the clocks of two hosts differ by milliseconds."""
        spoken_of: list[datetime] = []
        if isinstance(fact, Unmerged) or (isinstance(fact, Said) and fact.lead is not None):
            # What happened to the lead before this case was merged into it happens to this one at the merging.
            spoken_of = [self._counts_at(item) for item in self.facts if isinstance(item, Said) and item.into == fact.lead]
        elif isinstance(fact, Said) and fact.unit is not None:
            own = [part for part in self.read.values() if part.unit == fact.unit]
            spoken_of = [min(part.at for part in own)] if own else []
            spoken_of += [part.at for part in own if part.assignment_id == fact.assignment_id]
        elif isinstance(fact, Ordered):
            spoken_of = [self.read[key].at for key in fact.replaces if key in self.read]
        elif isinstance(fact, Changed) and fact.kind in ASKS_ANEW:
            spoken_of = [part.at for part in self.read.values() if part.decision == 0]
        return max([fact.at, *spoken_of])

    def _take(self, fact: Fact, at: datetime) -> str | None:
        if isinstance(fact, Said):
            return say(self.life, fact, at, self.given, self.barred, self.limits)
        if isinstance(fact, Decided):
            self._decided(fact)
            return None
        if isinstance(fact, Changed):
            if fact.kind in ASKS_ANEW and not self.is_first_whole:
                return "not decided yet"
            return change(self.life, fact, at, self.limits)
        if isinstance(fact, Ordered):
            return self._ordered(fact, at)
        if isinstance(fact, Expired):
            return self._expired(fact)
        if isinstance(fact, Unmerged):
            if self.life.merged_into != fact.lead:
                return "not merged into it"
            self.life.merged_into = None
        return None

    # --- decisions

    def _decided(self, part: Decided) -> None:
        life = self.life
        if part.decision == 0 and part.part == 0 and not life.is_history:
            life.first_outcome = "transferred" if part.outcome == "proposed" else part.outcome
        life.class_ = part.class_ or life.class_
        if part.decided_by != "router" and part.outcome != "held" and life.verified_at is None and not life.is_history:
            life.verify(part.at)  # a person looked at the report and disposed of it
        life.is_oversight = life.is_oversight or part.is_oversight
        if part.decision not in self.arrived:
            self.arrived.add(part.decision)
            self._make_room(part)
        life.parts[part.key] = part
        if part.outcome == "routed":
            self._assign(part)
        elif part.outcome in ("held", "proposed") and life.ended_at is None and not life.is_history:
            life.mark("held" if part.outcome == "held" else "proposed", part.at)
        if self._is_overtaken(part.key):
            self._replace([part.key], part.at)

    def _make_room(self, part: Decided) -> None:
        request = self.requests.get(part.decision)
        if request is None:
            return
        keys = self._taken_by(part.decision)
        higher = [number for number in self.arrived if number > part.decision and number in self.requests]
        if not any(self._taken_by(number) & keys for number in higher):
            self._replace(sorted(keys), part.at)
        for cause_id, ask in list(self.life.pending.items()):
            if cause_id == request.cause_id or (set(ask.replaces) & keys and ask.at <= request.at):
                del self.life.pending[cause_id]

    def _taken_by(self, decision: int) -> set[str]:
        """The parts whose place a decision takes: those it names, and those that decisions with lower numbers put in the place of them."""
        keys = set(self.requests[decision].replaces)
        for number in sorted(self.requests):
            if number < decision and keys & set(self.requests[number].replaces):
                keys |= {key for key, part in self.read.items() if part.decision == number}
        return keys

    def _is_overtaken(self, key: str) -> bool:
        own = int(key.partition("/")[0])
        return any(number > own and number in self.requests and key in self._taken_by(number) for number in self.arrived)

    def _replace(self, keys: Iterable[str], at: datetime) -> None:
        life = self.life
        for key in keys:
            part = life.parts.pop(key, None)
            life.replaced.add(key)
            assignment = life.assignments.get(part.assignment_id) if part is not None and part.assignment_id is not None else None
            if assignment is not None and assignment.state in OPEN:
                assignment.move("replaced", at, by_other=True)
                life.mark("ended", at, assignment.id)

    def _assign(self, part: Decided) -> None:
        life = self.life
        assert part.assignment_id is not None and part.unit is not None
        new = Assignment(part.assignment_id, part, part.unit, part.desk, part.is_oversight, part.at, "assigned", part.at)
        life.assignments[new.id] = new
        if life.ended_at is not None or life.is_history:
            new.move("closed", life.ended_at or part.at, by_other=True)
            return
        if life.answered_at is not None:
            life.answered_at = None
            life.mark("reopened", part.at)
        life.mark("assigned", part.at, new.id)

    # --- orders, and time

    def _ordered(self, order: Ordered, at: datetime) -> str | None:
        life = self.life
        if life.ended_at is not None:
            return f"the case had ended: {life.ended_state}"
        if life.is_history:
            return "the report was finished at its source before it came in"
        if life.merged_into is not None:
            return f"the case was merged into {life.merged_into}; decide there"
        if not order.replaces:
            return "replaces names no part"
        for key in order.replaces:
            part = life.parts.get(key)
            if part is None:
                return f"part {key} was decided anew already" if key in life.replaced else f"there is no part {key}"
            assignment = life.assignments.get(part.assignment_id) if part.assignment_id is not None else None
            if assignment is not None and assignment.state in ("answered", "closed"):
                return f"part {key} is {assignment.state}"
            if any(ask.order is not None and key in ask.replaces for ask in life.pending.values()):
                return f"another order for part {key} is being carried out"
        life.asks.append(Ask("ordered", order.id, at, order.by, order.replaces, order.reason, order))
        return None

    def _expired(self, fact: Expired) -> str | None:
        life = self.life
        if life.ended_at is not None:
            return f"the case had ended: {life.ended_state}"
        # A later answer, or a later question, has a period of its own.
        if fact.ends == "closed" and (life.answered_at is None or life.answered_at > fact.since):
            return "it had not been answered, or was reopened"
        if fact.ends == "withdrawn" and (not life.is_paused or life.pauses[-1][0] > fact.since):
            return "the reporter had completed it"
        life.end(fact.ends, fact.at, "notifier")
        return None

    def _look_round(self, at: datetime) -> None:
        """What follows for the case as a whole: nobody's turn, everybody has answered, a request that is out or answered."""
        life = self.life
        for ask in life.asks:
            if ask.at == at and ask.cause_id not in life.pending and not self._is_answered(ask):
                if not life.pending:
                    life.mark("rerouting", at)
                life.pending[ask.cause_id] = ask
        waiting = {part.outcome for part in life.waiting}
        open_now: tuple[tuple[Mark, Mark, bool], ...] = (
            ("rerouting", "rerouted", bool(life.pending)),
            ("held", "placed", "held" in waiting),
            ("proposed", "confirmed", "proposed" in waiting),
        )
        for opening, closing, is_open in open_now:
            if not is_open and life.last.get(opening, 0) > life.last.get(closing, 0):
                life.mark(closing, at)
        is_over = life.ended_at is not None or life.is_history
        if life.answered_at is None and not is_over and not life.pending and not life.waiting and not self.is_missing_parts:
            placed = life.in_state(*LIVE, "closed")
            if placed and all(item.state in ("answered", "closed") for item in placed):
                life.answered_at = at
                if life.is_paused:  # whoever answers no longer waits for the reporter
                    life.pauses[-1] = (life.pauses[-1][0], at)
                life.mark("answered", at)

    def _is_answered(self, ask: Ask) -> bool:
        return any(request.cause_id == ask.cause_id and number in self.arrived for number, request in self.requests.items())

    def _finish(self) -> None:
        life = self.life
        for item in life.assignments.values():
            if item.ended_by_other and item.state == "closed":
                why = f"the case ended: {life.ended_state or 'history'}"
                life.notices.append(Notice(f"closed {item.id} {life.reopenings}", "closed", item.id, why))
            elif item.ended_by_other and item.state == "replaced":
                life.notices.append(Notice(f"replaced {item.id}", "replaced", item.id, "another decision took its place"))
        is_settled = not (life.in_state(*LIVE, "closed") or life.waiting or life.pending or self.is_missing_parts)
        if is_settled and not life.is_history and life.ended_at is None and life.answered_at is None:
            gone = [part.at for part in life.parts.values() if part.outcome == "transferred"]
            if gone:
                life.mark("ended", max(gone))
        life.state = self._state()

    def _state(self) -> CaseState:
        life = self.life
        if life.is_history:
            return "history"
        if life.ended_state is not None:
            return life.ended_state
        if life.answered_at is not None:
            return "answered"
        if life.merged_into is not None:
            return "merged"
        if life.is_paused:
            return "paused"
        states = {item.state for item in life.in_state(*LIVE, "closed")}
        if states & {"accepted", "answered", "closed"}:
            return "accepted"
        if states:
            return "assigned"
        if life.pending or any(part.outcome == "held" for part in life.parts.values()):
            return "held"
        return (
            "transferred" if life.parts and any(part.outcome in ("transferred", "proposed") for part in life.parts.values()) else "received"
        )
