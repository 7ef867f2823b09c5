"""Levels fire once, in due order, never early, never after what stops them; what proves wrong is taken back, and nothing else."""

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.calendar import load_calendar
from services.notifier.case import Clock
from shared.events import FollowUp
from shared.units import load_directory
from tests.facts import MONDAY, Fact, changed, decided, hours, received, routed, updated
from tests.memory import KeptCase, Told, told

CASE_ID = UUID("0190a5b4-7c1e-7f00-8000-000000000002")
LONG_AFTER = MONDAY + timedelta(days=60)
FIRINGS = ("reminder", "due", "overdue")
JAKARTA = load_directory().zone(None, None)


def due(start: datetime, working_days: int) -> datetime:
    return load_calendar().due_at(start, working_days, JAKARTA)


def shifted(instant: datetime, working_days: int) -> datetime:
    return load_calendar().shift(instant, working_days, JAKARTA)


def key(item: FollowUp) -> tuple[UUID | None, str | None, int | None]:
    return item.assignment_id, item.code, item.level


def key_of(clock: Clock, level: int) -> tuple[UUID | None, str | None, int | None]:
    return UUID(clock.subject) if clock.subject != "case" else None, clock.code, level


@st.composite
def stories(draw: st.DrawFn) -> list[Fact | Told]:
    """A complaint with up to two units over two weeks, in whatever order its facts arrive."""
    at = st.integers(1, 14 * 24).map(hours)
    units = draw(st.sampled_from([("imigrasi",), ("imigrasi", "ahu"), ("triage",), ("triage", "ahu"), ("other_agency",)]))
    by = draw(st.sampled_from(["router", "human"]))
    facts: list[Fact | Told] = [received(CASE_ID), *decided(CASE_ID, *units, at=draw(at), reported_at=MONDAY, decided_by=by)]
    for _ in range(draw(st.integers(0, 2))):
        status = draw(st.sampled_from(["accepted", "followed_up", "answered"]))
        facts.append((updated(CASE_ID, status, draw(st.sampled_from(["imigrasi", "ahu"]))), draw(at)))
    if draw(st.booleans()):
        facts.append(changed(CASE_ID, draw(st.sampled_from(["withdrawn", "closed", "edited"])), draw(at)))
    return draw(st.permutations(facts))


@given(stories(), st.lists(st.integers(0, 20 * 24), min_size=9, max_size=9))
@settings(max_examples=300, deadline=None)
def test_every_level_fires_once_and_exactly_what_proves_wrong_is_taken_back(facts: list[Fact | Told], steps: list[int]) -> None:
    kept = KeptCase(CASE_ID)
    until = MONDAY
    for fact, step in zip([*facts, *facts[:1]], steps, strict=False):
        until = max(until, hours(step))
        kept.tell(fact, now=until)
        sweep_and_check(kept, until)
    sweep_and_check(kept, LONG_AFTER)

    fired = Counter(key(item) for item in kept.said(*FIRINGS))
    assert set(fired.values()) <= {1}
    rescinded = Counter(key(item) for item in kept.said("rescinded"))
    wrong = Counter(
        key_of(clock, firing.level)
        for clock in kept.case.clocks
        for firing in clock.fired
        if clock.stopped_at is not None and firing.instant >= clock.stopped_at
    )
    assert rescinded == wrong
    for clock in kept.case.clocks:
        if clock.stopped_at is None:
            assert {level for level in (-1, 0, 1) if key_of(clock, level) in fired} == {-1, 0, 1}, "an unstopped clock fires all its levels"
            assert clock.state == "expired"


def sweep_and_check(kept: KeptCase, until: datetime) -> None:
    stopped = {(clock.subject, clock.code) for clock in kept.case.clocks if clock.stopped_at is not None}
    before = len(kept.said(*FIRINGS))
    known = {id(firing) for clock in kept.case.clocks for firing in clock.fired}
    kept.sweep(until)
    fired = [(clock, firing) for clock in kept.case.clocks for firing in clock.fired if id(firing) not in known]
    assert all(firing.instant <= until for _, firing in fired), "never early"
    assert not [clock for clock, _ in fired if (clock.subject, clock.code) in stopped], "never after what stops it"
    instants = {key_of(clock, firing.level): firing.instant for clock, firing in fired}
    said = [instants[key(item)] for item in kept.said(*FIRINGS)[before:]]
    assert len(said) == len(fired) and said == sorted(said), "in due order"


def test_an_assignment_that_nobody_follows_up_has_three_levels_around_five_working_days() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).sweep(LONG_AFTER)
    reminder, due_, overdue = kept.said(*FIRINGS)
    assert [item.kind for item in (reminder, due_, overdue)] == list(FIRINGS)
    deadline = due(MONDAY, 5)
    assert {item.due_at for item in (reminder, due_, overdue)} == {deadline}
    (clock,) = [item for item in kept.case.clocks if item.code == "LAPOR_TINDAK_LANJUT"]
    assert [firing.instant for firing in clock.fired] == [shifted(deadline, -1), deadline, shifted(deadline, 1)]
    assert due_.late_by_seconds == (LONG_AFTER - deadline).total_seconds()
    assert kept.status().clocks[-1].state == "expired"


def test_the_verification_clock_runs_three_working_days_from_receipt_until_someone_decides() -> None:
    held = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, "triage")]]).sweep(LONG_AFTER)
    assert [(item.kind, item.code, item.due_at) for item in held.said()] == [(kind, "LAPOR_VERIFIKASI", due(MONDAY, 3)) for kind in FIRINGS]
    assigned = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID, at=hours(2))]])
    assert assigned.status().clocks[0].state == "stopped"
    assert assigned.case.clocks[0].stopped_at == hours(2)


def test_an_answer_from_before_the_deadline_that_is_read_after_it_takes_back_due_and_overdue_but_not_the_reminder() -> None:
    deadline = due(MONDAY, 5)
    kept = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).sweep(LONG_AFTER)
    kept.tell((updated(CASE_ID, "answered"), deadline - timedelta(minutes=1)), now=LONG_AFTER)
    assert [item.level for item in kept.said("rescinded")] == [0, 1]
    assert all(item.why and item.due_at == deadline for item in kept.said("rescinded"))
    kept.tell((updated(CASE_ID, "followed_up"), deadline - timedelta(days=3)), now=LONG_AFTER)
    assert [item.level for item in kept.said("rescinded")] == [0, 1, -1], "an earlier stop takes back what is left, once"


def test_an_answer_at_the_very_deadline_is_in_time_whichever_is_read_first() -> None:
    deadline = due(MONDAY, 5)
    read_first = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).tell((updated(CASE_ID, "answered"), deadline)).sweep(LONG_AFTER)
    assert read_first.said("due", "overdue") == []
    read_later = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).sweep(deadline).tell((updated(CASE_ID, "answered"), deadline))
    assert [item.level for item in read_later.said("rescinded")] == [0]


def test_a_proposed_transfer_keeps_its_clock_and_one_that_a_person_or_another_source_made_stops_it() -> None:
    proposed = told(CASE_ID, [decided(CASE_ID, "other_agency")])
    assert (proposed.case.state, proposed.case.clocks[0].state, proposed.case.first_outcome) == ("transferred", "running", "transferred")
    assert [item.kind for item in proposed.sweep(LONG_AFTER).said()] == list(FIRINGS)
    for settled in ({"decided_by": "human"}, {"decided_by": "source"}, {"source": "loket"}):
        kept = told(CASE_ID, [decided(CASE_ID, "other_agency", at=hours(3), reported_at=MONDAY, **settled)])
        assert (kept.case.clocks[0].state, kept.case.clocks[0].stopped_at) == ("stopped", hours(3))
        assert kept.sweep(LONG_AFTER).said() == []


@pytest.mark.parametrize("destinations", [("other_agency", "imigrasi"), ("imigrasi", "other_agency")])
def test_a_proposal_among_several_parts_keeps_its_clock_in_whatever_order_they_arrive(destinations: tuple[str, str]) -> None:
    parts = decided(CASE_ID, *destinations)
    for arriving in (parts, parts[::-1]):
        kept = told(CASE_ID, [[received(CASE_ID), *arriving]])
        assert {clock.code: clock.state for clock in kept.case.clocks}["LAPOR_VERIFIKASI"] == "running"


def test_history_has_no_clock_and_no_follow_up() -> None:
    finished = received(CASE_ID, is_final=True, source_status="Selesai")
    kept = told(CASE_ID, [[finished, changed(CASE_ID, "archived", hours(3))]]).sweep(LONG_AFTER)
    assert (kept.status().state, kept.status().clocks, kept.said()) == ("history", (), [])


def test_a_report_from_before_the_calendar_begins_is_long_overdue_and_nothing_breaks() -> None:
    long_ago = datetime.fromisoformat("1999-05-21T08:00:00+07:00")
    kept = told(CASE_ID, [[received(CASE_ID, long_ago), routed(CASE_ID, at=long_ago)]]).sweep(MONDAY)
    assert {item.kind for item in kept.said()} == set(FIRINGS)
