"""Cases live through whatever can happen to them, with crashes at every step, beside an oracle that works their deadlines out by itself."""

import copy
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from services.notifier import domain
from services.notifier.calendar import read_calendar
from services.notifier.clocks import Clockwork
from services.notifier.facts import Expired, Requested, Said, Unmerged
from services.notifier.facts import Fact as Known
from services.notifier.life import OPEN
from services.notifier.policy import read_policies
from services.notifier.publication import refusal_message, request_of
from shared.events import CaseUpdate, ComplaintChanged, ComplaintRouted, FollowUp, RerouteRequested
from shared.units import UNIT_SLUGS, load_directory
from tests.facts import MONDAY, Fact, changed, decided, received, updated
from tests.memory import TOPICS, KeptCase, header
from tests.oracle import AFTER, FOLLOW_UP, VERIFICATION, Derived, Expected, Part, Told, cause_of, due

FIRINGS = ("reminder", "due", "overdue", "escalated", "unacknowledged")
CASES = tuple(UUID(f"0190a5b4-7c1e-7f00-8000-00000000000{number}") for number in (1, 2))
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
Stop = datetime | None
LAST = datetime(2026, 12, 1, tzinfo=UTC)  # the oracle knows no Ramadan
UNITS = ("imigrasi", "ahu", "imigrasi/kanwil:nusa-tenggara-timur")
BY_UNITS = ("followed_up", "accepted", "followed_up", "answered", "returned", "need_info", "resumed", "resumed", "refused", "merged")
BY_SOURCES = ("edited", "reclassified", "redisposed", "replied", "completed", "withdrawn", "closed", "reopened", "disclosure")


def _clockwork(version: str, verify: int, follow: int, off: str) -> Clockwork:
    data = files("services.notifier") / "data"
    text = re.sub(r'^version = ".*"', f'version = "{version}"', (data / "policies.toml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for code, amount in ((VERIFICATION, verify), (FOLLOW_UP, follow)):
        text = re.sub(rf'(code = "{code}".*?\namount = )\d+', rf"\g<1>{amount}", text, count=1, flags=re.DOTALL)
    calendar = re.sub(
        r'^version = ".*"', f'version = "{version}"', (data / "calendar.toml").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    calendar += f'\n[[decrees]]\nsource = "a decree of this test"\ndays_off = [{off}]\n' if off else ""
    return Clockwork(read_policies(text), read_calendar(calendar), load_directory())


def _off(clockwork: Clockwork) -> frozenset[date]:
    return frozenset(clockwork.calendar.days_off)


HEARD = {TOPICS.status, TOPICS.reroutes, *(TOPICS.follow_ups(who) for who in (*UNIT_SLUGS, "triage"))}
SETTINGS = (("2030-01-01", 3, 5, ""), ("2030-01-02", 4, 7, "2026-07-09"), ("2030-01-03", 2, 4, "2026-07-09, 2026-07-14"))
CLOCKWORKS = tuple(_clockwork(*row) for row in SETTINGS)
AMOUNTS = {item.version: {VERIFICATION: row[1], FOLLOW_UP: row[2]} for item, row in zip(CLOCKWORKS, SETTINGS, strict=True)}
OFF = {item.version: _off(item) for item in CLOCKWORKS}


class Watched(KeptCase):
    """A case in memory, with all that it was ever told."""

    def __init__(self, complaint_id: UUID) -> None:
        super().__init__(complaint_id, CLOCKWORKS[0])
        self.given: list[tuple[Fact, datetime]] = []
        self.open_until = datetime.max.replace(tzinfo=UTC)  # after which only the inspectorate may hear of it

    def take(self, facts: Sequence[Known], now: datetime) -> None:
        self._load()
        for ask in domain.learn(self.case, facts, self.setting(now)):
            self.case.requests.append(request_of(self.case, ask, domain.number_of(self.case, ask), self._report))
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
        """Or waits, where what is said is about another case, of which the oracle knows nothing."""
        if not isinstance(fact, CaseUpdate | ComplaintChanged):
            return False
        is_merge = isinstance(fact, CaseUpdate) and fact.into is not None
        return str(cause_of(fact)) in self.case.refused or (is_merge and cause_of(fact) in {item.id for item in self.case.parked})

    def standing(self) -> list[FollowUp]:
        """What fired of the oracle's clocks, and was not taken back."""
        back = {(item.assignment_id, item.code, item.level, item.occurrence) for item in self.said("rescinded")}
        fired = [item for item in self.said(*FIRINGS) if item.code in AFTER]
        return [item for item in fired if (item.assignment_id, item.code, item.level, item.occurrence) not in back]


class Office(RuleBasedStateMachine):
    compared: ClassVar[int] = 0  # cases that ended as one batch of the same facts does, over all runs

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
            names = data.draw(st.lists(st.sampled_from((*UNITS, "triage", "other_agency")), min_size=1, max_size=2, unique=True))
            oversight = data.draw(st.integers(0, 9)) == 0
            by = data.draw(st.sampled_from(["router", "router", "router", "human"]))
            reported_at = self.happened[case][0].reported_at  # type: ignore[union-attr]
            fields: dict[str, Any] = {"source": source, "is_oversight": oversight, "decided_by": by, "class": "pengaduan"}
            self.happen(*decided(case, *names, at=self._tick(), reported_at=reported_at, **fields))

    @precondition(lambda self: self.now < LAST)
    @rule(hours=st.sampled_from([1, 7, 24]))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @precondition(lambda self: self.now < LAST)
    @rule(days=st.sampled_from([1, 2, 3, 5]), crash=st.sampled_from(["", "", "before", "after"]))
    def days_go_by(self, days: int, crash: str) -> None:
        """On each of them the notifier keeps up."""
        for _ in range(days):
            self.now += DAY
            self.all_arrives("")
            self.sweep(1, crash, set())

    @rule(case=st.sampled_from(CASES), said=st.lists(st.sampled_from(BY_UNITS), min_size=1, max_size=3), hours=st.integers(0, 30))
    def a_unit_says(self, case: UUID, said: list[str], hours: int) -> None:
        """Of the part that it was given last."""
        parts = [fact for fact in self.happened[case] if isinstance(fact, ComplaintRouted)]
        for status in said if parts else ():
            named, unit = parts[-1].assignment_id, parts[-1].unit
            into = next(item for item in CASES if item != case) if status == "merged" else None
            self.now += hours * HOUR
            self.happen(updated(case, status, unit, update_id=str(self._tick()), assignment_id=named, into=into, reason="x"))

    @rule(case=st.sampled_from(CASES), kind=st.sampled_from(BY_SOURCES))
    def a_source_says(self, case: UUID, kind: str) -> None:
        fields = {"edited": {"title": "lain"}, "reclassified": {"class": "informasi"}, "disclosure": {"unit": "imigrasi"}}.get(kind, {})
        self.happen(changed(case, kind, self._tick(), fields=fields, source=self.sources[case]))

    @rule(case=st.sampled_from(CASES), status=st.sampled_from(["verified", "need_info", "resumed"]))
    def an_administrator_says(self, case: UUID, status: str) -> None:
        self.happen(changed(case, "update", self._tick(), by="admin", fields={"status": status, "unit": None, "reason": "x"}))

    @rule(case=st.sampled_from(CASES), data=st.data(), unit=st.sampled_from(["ki", None]))
    def triage_orders(self, case: UUID, data: st.DataObject, unit: str | None) -> None:
        keys = [f"{fact.decision}/{fact.part}" for fact in self.happened[case] if isinstance(fact, Part)]
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
        fields: dict[str, Any] = {"source": request.source, "reported_at": request.reported_at, "class": "pengaduan"}
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
        if life.is_oversight:
            kept.open_until = min(kept.open_until, self.now)
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

    @rule(most=st.integers(1, 9), is_killed=st.booleans())
    def the_relay_publishes(self, most: int, is_killed: bool) -> None:
        """It may die after Kafka's acknowledgement: then the same events leave again."""
        for case, kept in self.kept.items():
            start = self.relayed[case]
            for message in kept.messages[start : start + most]:
                assert self.heard.setdefault(header(message, "ce_id"), message.value) == message.value, "one id says one thing"
            self.relayed[case] = start if is_killed else min(start + most, len(kept.messages))

    # --- what must hold

    def stretches(
        self, kept: Watched, expected: Expected, code: str, subject: str, level: int
    ) -> list[tuple[datetime | None, datetime | None, Stop]]:
        """Of each time that the clock ran: when the level is due, when the clock is, and when it stopped."""
        found = []
        for whose, zone, (start, stop), pauses in expected.spans(code):
            if whose == subject:
                paused = [item for item in pauses if stop is None or item[0] < stop]
                amount, off = AMOUNTS[kept.version][code], OFF[kept.version]
                found.append((due(start, amount + AFTER[code][level], zone, off, paused), due(start, amount, zone, off, paused), stop))
        return found

    def check(self, kept: Watched) -> None:
        """What stands of what was fired was due when it was said, and nothing that stops its clock counts from before.

        A deadline that was over when the policies changed stays as it was told.
        """
        standing: dict[tuple[str, str, int], list[FollowUp]] = {}
        for item in kept.standing():
            assert item.code is not None and item.level is not None
            standing.setdefault((item.code, str(item.assignment_id or "case"), item.level), []).append(item)
        expected = kept.expected()
        for (code, subject, level), said in standing.items():
            stretches = self.stretches(kept, expected, code, subject, level)
            fitting = [[at for at, _, stop in stretches if at is not None and at < (stop or item.emitted_at + SECOND)] for item in said]
            assert all(fitting), f"{code} {level} of {subject}: {said} where the clock ran {stretches}"
            assert len(said) <= max(map(len, fitting)), f"{code} {level} of {subject} stands more than once: {said}"
        news = kept.said(*FIRINGS)
        assert len({(item.assignment_id, item.code, item.level, item.occurrence) for item in news}) == len(news)
        for item in news:
            assert item.to, "never to nobody"
            assert item.to == ("itjen",) or item.emitted_at <= kept.open_until, "of oversight only the inspectorate hears"
        for message in kept.messages:
            assert message.topic in HEARD

    def is_complete(self, kept: Watched) -> None:
        """All that was due by the watermark on clocks that run has been said, and what was said just now with the deadline as it is."""
        expected = kept.expected()
        if expected.merged_into is not None or expected.ended is not None:
            return
        said = {(item.code, str(item.assignment_id or "case"), item.level): item for item in kept.standing()}
        for code, levels in AFTER.items():
            if code == FOLLOW_UP and expected.is_paused:
                continue
            for subject, _, (_, stop), _ in expected.spans(code):
                for level in levels if stop is None else ():
                    at, deadline, _ = self.stretches(kept, expected, code, subject, level)[-1]
                    if at is not None and at <= self.until:
                        assert (code, subject, level) in said, f"{code} {level} of {subject} was due at {at}"
                        if said[code, subject, level].emitted_at == self.now and kept.version == kept.clockwork.version:
                            assert said[code, subject, level].due_at == deadline

    @invariant()
    def every_open_case_is_watched_or_listed(self) -> None:
        for kept in self.kept.values():
            case, life = kept.case, kept.case.life
            if not kept.messages or not case.is_opened:
                continue
            status = kept.status()
            is_away = status.state == "transferred" and not status.waiting_parts
            assert case.is_open == (status.state not in ("closed", "withdrawn", "history") and not is_away)
            is_someones = status.state in ("answered", "merged") or any(item.state in OPEN for item in status.assignments)
            is_asked = {item.decision for item in kept.requests()} - {fact.decision for fact, _ in kept.given if isinstance(fact, Part)}
            assert case.has_owner or not (is_someones or status.waiting_parts)
            if case.is_open and case.has_owner:
                assert is_someones or status.waiting_parts or is_asked or life.answered_at is not None, f"{case.id} is nobody's"
            will_speak = any(clock.next_at is not None for clock in case.clocks)
            assert not case.is_open or case.is_watched == (will_speak or status.state == "merged")

    @invariant()
    def sequences_rise_by_one(self) -> None:
        for kept in self.kept.values():
            first = {header(message, "ce_id"): message for message in reversed(kept.messages)}
            numbered = [(message.topic, sequence) for message in first.values() if (sequence := dict(message.headers).get("ce_sequence"))]
            found = sorted({int(sequence) for _, sequence in numbered})
            assert found == list(range(1, kept.case.sequence + 1)), "without a gap"
            for topic in {topic for topic, _ in numbered}:
                own = [int(sequence) for name, sequence in reversed(numbered) if name == topic]
                assert all(before < after for before, after in pairwise(own)), f"{topic} has them in their order"

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
            # Whether a merge waits depends on the other case.
            merges = [item for item in kept.case.parked if isinstance(item.fact, Said) and item.fact.into is not None]
            barred = {item.id for item in merges}
            other.tell(
                *(item for item in kept.given if not (isinstance(item[0], CaseUpdate) and cause_of(item[0]) in barred)), now=self.now
            )
            other.case.parked += merges
            other.sweep(self.until, self.now)
            if kept.case.is_opened:
                ours, theirs = ended(kept), ended(other)
                differing = {name: (value, theirs[name]) for name, value in ours.items() if theirs[name] != value}
                assert not differing, f"{case}: {differing}"
                Office.compared += 1


def ended(kept: Watched) -> dict[str, Any]:
    """Whether all levels of a clock were said depends on when its case was merged or paused, and not on the facts alone."""
    ending = kept.ending()
    clocks = {key: (due_at, "running" if state == "expired" else state, at) for key, (due_at, state, at) in ending["clocks"].items()}
    return ending | {"clocks": clocks}


def test_a_case_keeps_its_promises_through_everything_that_can_happen_to_it() -> None:
    before = Office.compared
    run_state_machine_as_test(
        Office, settings=settings(max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    )
    assert Office.compared >= before + 50, "every run came to its end with cases to compare"
