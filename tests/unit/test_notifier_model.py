"""Cases live through whatever can happen to them, with crashes at every step, beside an oracle that works their deadlines out by itself."""

import copy
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from services.notifier import domain
from services.notifier.calendar import read_calendar
from services.notifier.clocks import Clockwork
from services.notifier.facts import Expired, Requested, Said, Unmerged
from services.notifier.facts import Fact as Known
from services.notifier.life import LIVE, OPEN
from services.notifier.policy import read_policies
from services.notifier.publication import refusal_message
from shared.envelope import assignment_id
from shared.events import CaseUpdate, ComplaintChanged, FollowUp, RerouteRequested
from shared.units import UNIT_SLUGS, load_directory
from tests.facts import MONDAY, Fact, changed, decided, received, updated
from tests.memory import TOPICS, KeptCase, header
from tests.oracle import AFTER, FOLLOW_UP, VERIFICATION, Derived, Expected, Told, cause_of, due

FIRINGS = ("reminder", "due", "overdue", "escalated", "unacknowledged")
CASES = tuple(UUID(f"0190a5b4-7c1e-7f00-8000-00000000000{number}") for number in (1, 2, 3))
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
LAST = datetime(2026, 12, 1, tzinfo=UTC)  # the oracle knows no Ramadan
UNITS = ("imigrasi", "ahu", "imigrasi/kanim:kupang")
BY_UNITS = ("accepted", "accepted", "followed_up", "answered", "answered", "returned", "need_info", "resumed", "refused", "merged")
BY_SOURCES = ("edited", "reclassified", "redisposed", "replied", "completed", "withdrawn", "closed", "reopened", "disclosure")


def _clockwork(version: str, verify: int, follow: int, off: str) -> Clockwork:
    data = files("services.notifier") / "data"
    text = re.sub(r'^version = ".*"', f'version = "{version}"', (data / "policies.toml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for code, amount in ((VERIFICATION, verify), (FOLLOW_UP, follow)):
        text = re.sub(rf'(code = "{code}".*?\namount = )\d+', rf"\g<1>{amount}", text, count=1, flags=re.DOTALL)
    calendar = re.sub(r'^version = ".*"', f'version = "{version}"', (data / "calendar.toml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    calendar += f'\n[[decrees]]\nsource = "a decree of this test"\ndays_off = [{off}]\n' if off else ""
    return Clockwork(read_policies(text), read_calendar(calendar), load_directory())


def _off(clockwork: Clockwork) -> frozenset[date]:
    return frozenset(clockwork.calendar.days_off)


SETTINGS = (("2030-01-01", 3, 5, ""), ("2030-01-02", 4, 7, "2026-07-09"), ("2030-01-03", 2, 4, "2026-07-09, 2026-07-14"))
CLOCKWORKS = tuple(_clockwork(*row) for row in SETTINGS)
AMOUNTS = {item.version: {VERIFICATION: row[1], FOLLOW_UP: row[2]} for item, row in zip(CLOCKWORKS, SETTINGS, strict=True)}
OFF = {item.version: _off(item) for item in CLOCKWORKS}


class Watched(KeptCase):
    """A case in memory, with all that it was ever told."""

    def __init__(self, complaint_id: UUID) -> None:
        super().__init__(complaint_id, CLOCKWORKS[0])
        self.given: list[tuple[Fact, datetime]] = []
        self.checked = 0

    def take(self, facts: Sequence[Known], now: datetime) -> None:
        self._load()
        for ask in domain.learn(self.case, facts, self.setting(now)):
            self.case.requests.append(domain_request(self, ask))
        self._save(now)

    def refuse_expired(self, until: datetime, now: datetime) -> None:
        self._load()
        refusals = []
        for item in [item for item in self.case.parked if item.kind in ("said", "ordered") and item.counts_at <= until - HOUR]:
            why = domain.refuse(self.case, item, self.setting(now))
            refusals.append(refusal_message(self.case, item.fact, why, TOPICS, now))  # type: ignore[arg-type]
        self._save(now)
        self.messages += refusals

    def expected(self) -> Expected:
        told: list[Told] = [(fact, at) for fact, at in self.given if not self._is_refused(fact)]
        for known in self.case.facts:
            if isinstance(known, Expired):
                told.append((Derived(known.ends, known.at), known.at))
            elif isinstance(known, Unmerged) or (isinstance(known, Said) and known.lead is not None):
                told.append((Derived("unmerged" if isinstance(known, Unmerged) else "answered", known.at, known.lead), known.at))
        asked = {fact.decision: fact.cause_id for fact in self.case.facts if isinstance(fact, Requested)}
        return Expected(told, {item.decision: item for item in self.requests()}, asked, OFF[self.version])

    @property
    def version(self) -> str:
        return self.case.timed_by or CLOCKWORKS[0].version

    def _is_refused(self, fact: Fact) -> bool:
        return isinstance(fact, CaseUpdate | ComplaintChanged) and str(cause_of(fact)) in self.case.refused

    def standing(self) -> list[FollowUp]:
        """What fired of the oracle's clocks, and was not taken back."""
        back = {(item.assignment_id, item.code, item.level, item.occurrence) for item in self.said("rescinded")}
        fired = [item for item in self.said(*FIRINGS) if item.code in AFTER]
        return [item for item in fired if (item.assignment_id, item.code, item.level, item.occurrence) not in back]


def domain_request(kept: KeptCase, ask: object) -> RerouteRequested:
    from services.notifier.publication import request_of

    return request_of(kept.case, ask, domain.number_of(kept.case, ask), kept._report)  # type: ignore[arg-type]


class Office(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = self.until = MONDAY
        self.kept = {case: Watched(case) for case in CASES}
        self.happened: dict[UUID, list[Fact]] = {case: [] for case in CASES}
        self.waiting: list[tuple[Fact, datetime]] = []  # appended to Kafka, and not read yet
        self.passed_on: list[tuple[UUID, Known]] = []
        self.answered: set[tuple[UUID, int]] = set()
        self.heard: dict[str, bytes | None] = {}
        self.relayed = dict.fromkeys(CASES, 0)

    # --- what happens outside

    def happen(self, *facts: Fact) -> None:
        self.waiting += [(fact, self.now) for fact in facts]
        for fact in facts:
            self.happened[fact.complaint_id].append(fact)

    def _tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    @initialize(data=st.data())
    def reports(self, data: st.DataObject) -> None:
        for case in CASES:
            state = data.draw(st.sampled_from([None, None, None, "verified", "paused"]))
            source = data.draw(st.sampled_from(["lapor", "loket"]))
            class_ = data.draw(st.sampled_from(["pengaduan", "informasi", None]))
            self.sources = getattr(self, "sources", {}) | {case: source}
            late = data.draw(st.sampled_from([0, 0, 5, 200]))
            self.happen(
                received(case, self._tick(), reported_at=self.now - late * HOUR, source=source, source_state=state, **{"class": class_})
            )
            names = data.draw(st.lists(st.sampled_from((*UNITS, "triage", "other_agency")), min_size=0, max_size=2, unique=True))
            oversight = data.draw(st.integers(0, 9)) == 0
            by = data.draw(st.sampled_from(["router", "router", "router", "human"]))
            reported_at = self.happened[case][0].reported_at  # type: ignore[union-attr]
            fields = {"source": source, "is_oversight": oversight, "decided_by": by, "class": "pengaduan"}
            self.happen(*decided(case, *names, at=self._tick(), reported_at=reported_at, **fields))

    @precondition(lambda self: self.now < LAST)
    @rule(hours=st.sampled_from([1, 7, 24, 24, 72, 168]))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule(case=st.sampled_from(CASES), status=st.sampled_from(BY_UNITS), data=st.data())
    def a_unit_says(self, case: UUID, status: str, data: st.DataObject) -> None:
        keys = [(fact.decision, fact.part, fact.unit) for fact in self.happened[case] if getattr(fact, "assignment_id", None) is not None]  # type: ignore[union-attr]
        keys = [key for key in keys if key[2] is not None]
        decision, part, unit = data.draw(st.sampled_from(keys)) if keys else (0, 0, "ahu")
        into = data.draw(st.sampled_from([item for item in CASES if item != case])) if status == "merged" else None
        fact = updated(case, status, unit, update_id=f"{self._tick()}", assignment_id=assignment_id(case, decision, part), into=into)
        self.happen(fact.model_copy(update={"assignment_id": assignment_id(case, decision, part)}))

    @rule(case=st.sampled_from(CASES), kind=st.sampled_from(BY_SOURCES))
    def a_source_says(self, case: UUID, kind: str) -> None:
        fields = {"edited": {"title": "lain"}, "reclassified": {"class": "informasi"}, "disclosure": {"unit": "imigrasi"}}.get(kind, {})
        self.happen(changed(case, kind, self._tick(), fields=fields, source=self.sources[case]))

    @rule(case=st.sampled_from(CASES), status=st.sampled_from(["verified", "need_info", "resumed"]))
    def an_administrator_says(self, case: UUID, status: str) -> None:
        self.happen(changed(case, "update", self._tick(), by="admin", fields={"status": status, "unit": None}))

    @rule(case=st.sampled_from(CASES), data=st.data(), unit=st.sampled_from(["ki", None]))
    def triage_orders(self, case: UUID, data: st.DataObject, unit: str | None) -> None:
        keys = [f"{fact.decision}/{fact.part}" for fact in self.happened[case] if hasattr(fact, "part")]
        order = {"unit": unit} if unit else {"hold": True}
        replaces = [data.draw(st.sampled_from(keys))] if keys else ["0/0"]
        self.happen(changed(case, "decision", self._tick(), by="triage", fields={"replaces": replaces, "order": order, "reason": "x"}))

    def _unanswered(self) -> list[RerouteRequested]:
        return [item for kept in self.kept.values() for item in kept.requests() if (item.complaint_id, item.decision) not in self.answered]

    @precondition(lambda self: self._unanswered())
    @rule(data=st.data(), name=st.sampled_from(("ahu", "ki", "triage")))
    def the_router_answers(self, data: st.DataObject, name: str) -> None:
        request = data.draw(st.sampled_from(self._unanswered()))
        self.answered.add((request.complaint_id, request.decision))
        fields = {"source": request.source, "reported_at": request.reported_at, "class": "pengaduan"}
        self.happen(*decided(request.complaint_id, name, at=self._tick(), decision=request.decision, **fields))

    # --- what the notifier does, each a transaction that may be lost or be done twice

    def transact(self, case: UUID, work: Callable[[Watched], object], crash: str) -> None:
        kept = self.kept[case]
        before = kept.case.life
        if crash == "before":  # the process dies, the database knows nothing of it
            saved, said = copy.deepcopy(kept.case), len(kept.messages)
            work(kept)
            kept.case = saved
            del kept.messages[said:]
        work(kept)
        life = kept.case.life
        for member in CASES:
            if self.kept[member].case.life.merged_into == case and (fact := domain.passed_on(before, life, case, member)) is not None:
                self.passed_on.append((member, fact))
        if crash == "after":  # its positions were not committed: all of it comes again
            events, sequence = len(kept.said()), kept.case.sequence
            work(kept)
            assert (len(kept.said()), kept.case.sequence) == (events, sequence), "a second delivery changes nothing"
        self.check(kept)

    @rule(data=st.data(), crash=st.sampled_from(["", "", "before", "after"]))
    def some_arrive(self, data: st.DataObject, crash: str) -> None:
        if not self.waiting:
            return
        many = st.lists(st.integers(0, len(self.waiting) - 1), min_size=1, max_size=6, unique=True)
        chosen = [self.waiting[number] for number in data.draw(many)]
        self.waiting = [item for item in self.waiting if item not in chosen]
        known = [item for kept in self.kept.values() for item in kept.given]
        again = data.draw(st.lists(st.sampled_from(known), max_size=2)) if known else []
        self.deliver([*chosen, *again], crash)

    @rule(crash=st.sampled_from(["", "before", "after"]))
    def all_arrives(self, crash: str) -> None:
        given, self.waiting = self.waiting, []
        self.deliver(given, crash)

    def deliver(self, given: Sequence[tuple[Fact, datetime]], crash: str) -> None:
        for case in CASES:
            facts = [(fact, at) for fact, at in given if fact.complaint_id == case]
            if not facts:
                continue
            kept = self.kept[case]
            kept.given += [item for item in facts if item not in kept.given]
            targets = self._targets(case)
            self.transact(case, lambda kept, facts=facts, targets=targets: kept.tell(*facts, now=self.now, targets=targets), crash)  # type: ignore[misc]

    def _targets(self, case: UUID) -> dict[UUID, str]:
        found = {case: "itself"}
        for other, kept in self.kept.items():
            life = kept.case.life
            if not kept.case.is_opened or life.merged_into or life.ended_at or life.answered_at:
                found[other] = "not open"
        return found

    @rule(crash=st.sampled_from(["", "before", "after"]))
    def merged_cases_learn_of_their_leads(self, crash: str) -> None:
        told, self.passed_on = self.passed_on, []
        for member, fact in told:
            self.transact(member, lambda kept, fact=fact: kept.take([fact], self.now), crash)  # type: ignore[misc]

    @rule(part=st.sampled_from([0.5, 1, 1]), crash=st.sampled_from(["", "", "before", "after"]), some=st.sets(st.sampled_from(CASES)))
    def sweep(self, part: float, crash: str, some: set[UUID]) -> None:
        """Never past what was appended and not applied."""
        self.merged_cases_learn_of_their_leads("")
        bound = min([self.now, *(at - SECOND for _, at in self.waiting)])
        self.until = max(self.until, self.until + (bound - self.until) * part)
        for case in CASES:
            if case in some or part == 1:
                self.transact(case, lambda kept: kept.sweep(self.until, self.now), crash)
                self.is_complete(self.kept[case])
                self.transact(case, lambda kept: kept.refuse_expired(self.until, self.now), crash)

    @rule(number=st.sampled_from([1, 2]))
    def a_new_release_brings_other_policies(self, number: int) -> None:
        for kept in self.kept.values():
            kept.clockwork = max(kept.clockwork, CLOCKWORKS[number], key=lambda item: item.version)

    @rule(data=st.data())
    def the_relay_publishes(self, data: st.DataObject) -> None:
        """It may die after Kafka's acknowledgement: then the same events leave again."""
        for case, kept in self.kept.items():
            start = self.relayed[case]
            end = data.draw(st.integers(start, len(kept.messages)))
            for message in kept.messages[start:end]:
                assert self.heard.setdefault(header(message, "ce_id"), message.value) == message.value, "one id says one thing"
            self.relayed[case] = data.draw(st.integers(start, end))

    # --- what must hold

    def instants(self, kept: Watched, code: str, subject: str, level: int) -> list[tuple[datetime | None, datetime | None, datetime | None]]:
        """Of each stretch: when the level is due, when the clock is, and when it stopped."""
        found = []
        for whose, zone, (start, stop), pauses in kept.expected().spans(code):
            if whose == subject:
                paused = [item for item in pauses if stop is None or item[0] < stop]
                amount, off = AMOUNTS[kept.version][code], OFF[kept.version]
                found.append((due(start, amount + AFTER[code][level], zone, off, paused), due(start, amount, zone, off, paused), stop))
        return found

    def check(self, kept: Watched) -> None:
        """What stands of what was fired was due, and nothing that stops it counts from before."""
        standing: dict[tuple[str, str, int], list[FollowUp]] = {}
        for item in kept.standing():
            assert item.code is not None and item.level is not None
            standing.setdefault((item.code, str(item.assignment_id or "case"), item.level), []).append(item)
        for (code, subject, level), said in standing.items():
            stretches = self.instants(kept, code, subject, level)
            for item in said:
                fitting = [at for at, _, stop in stretches if at is not None and at <= item.emitted_at and (stop is None or at < stop)]
                assert fitting, f"{code} {level} of {subject}: {item} where the clock ran {stretches}"
                assert len(said) <= len(fitting), f"{code} {level} of {subject} stands more than once: {said}"
        news = kept.said(*FIRINGS)
        assert len({(item.assignment_id, item.code, item.level, item.occurrence) for item in news}) == len(news)
        for item in kept.said()[kept.checked :]:
            assert item.to
            if kept.case.life.is_oversight:
                assert item.kind == "update_refused" or item.to == ("itjen",) or not kept.case.life.is_oversight
        for message in kept.messages:
            assert message.topic in {TOPICS.status, TOPICS.reroutes, *(TOPICS.follow_ups(who) for who in (*UNIT_SLUGS, "triage"))}
        kept.checked = len(kept.said())

    def is_complete(self, kept: Watched) -> None:
        """All that was due by the watermark on clocks that run has been said, with the deadline as it is."""
        expected = kept.expected()
        if expected.merged_into is not None or expected.ended is not None:
            return
        said = {(item.code, str(item.assignment_id or "case"), item.level): item for item in kept.standing()}
        for code, levels in AFTER.items():
            if code == FOLLOW_UP and expected.is_paused:
                continue
            for subject, _, (_, stop), _ in expected.spans(code):
                for level in levels if stop is None else ():
                    at, deadline, _ = self.instants(kept, code, subject, level)[-1]
                    if at is not None and at <= self.until:
                        assert (code, subject, level) in said, f"{code} {level} of {subject} was due at {at}"
                        item = said[code, subject, level]
                        assert item.emitted_at != self.now or item.due_at == deadline or item.emitted_at == self.now

    @invariant()
    def every_open_case_is_watched_or_listed(self) -> None:
        for kept in self.kept.values():
            case, life = kept.case, kept.case.life
            if not kept.messages or not case.is_opened:
                continue
            status = kept.status()
            is_open = status.state not in ("closed", "withdrawn", "history", "transferred")
            assert is_open == case.is_open
            is_asked = bool({fact.decision for fact in case.facts if isinstance(fact, Requested)} - life_decisions(kept))
            owned = any(item.state in OPEN for item in status.assignments) or bool(status.waiting_parts) or status.state == "merged"
            assert not is_open or case.has_owner or not (owned or is_asked and life.pending)
            assert case.has_owner == bool(owned or life.pending or (life.answered_at and True) or life.merged_into)
            next_at = [clock.next_at for clock in case.clocks if clock.next_at is not None]
            paused = [clock for clock in status.clocks if clock.state == "paused"]
            assert case.is_watched == bool(next_at or paused or status.merged_into)
            if is_open and not case.is_watched:
                assert not any(item.state in LIVE and not item.due_at for item in status.assignments if item.state == "assigned")

    @invariant()
    def sequences_rise_by_one(self) -> None:
        for kept in self.kept.values():
            numbers = kept.sequences()
            assert numbers[:1] in ([], [1]) and all(after == before + 1 for before, after in pairwise(numbers))

    def teardown(self) -> None:
        """In the end everything arrives and the hour of what waits is over; one batch of the same facts ends the same."""
        self.all_arrives("")
        for _ in range(3):
            self.now += 30 * DAY
            self.sweep(1, "", set())
        for case, kept in self.kept.items():
            self.check(kept)
            other = Watched(case)
            other.clockwork, other.case.refused = kept.clockwork, set(kept.case.refused)
            derived = [fact for fact in kept.case.facts if isinstance(fact, Requested | Expired | Unmerged) or getattr(fact, "lead", None)]
            other.case.facts = derived
            parked = {item.id for item in kept.case.parked}
            targets = {fact.into: "not open" for fact, _ in kept.given if isinstance(fact, CaseUpdate) and fact.into and cause_of(fact) in parked}
            other.tell(*kept.given, now=self.now, targets=targets)
            other.sweep(self.until, self.now)
            if kept.case.is_opened:
                assert other.ending() == kept.ending()


def life_decisions(kept: KeptCase) -> set[int]:
    return {part.decision for part in kept.case.life.parts.values()}


def test_a_case_keeps_its_promises_through_everything_that_can_happen_to_it() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Office, settings=settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    )
