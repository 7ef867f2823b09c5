"""Levels fire once, in due order, never early, never after what stops them; what proves wrong is taken back, and nothing else."""

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.calendar import load_calendar
from services.notifier.case import Clock, Firing
from services.notifier.policy import Policy, load_policies
from shared.events import FollowUp
from shared.units import load_directory
from tests.cases import FIRINGS, clock, fired
from tests.facts import MONDAY, Fact, changed, decided, hours, received, routed, updated
from tests.memory import KeptCase, Told, told

CASE_ID = UUID("0190a5b4-7c1e-7f00-8000-000000000002")
LONG_AFTER = MONDAY + timedelta(days=60)
LAST = MONDAY + timedelta(days=200)  # every period there is has run out
JAKARTA = load_directory().zone(None, None)
_PERIOD = {"cd": timedelta(days=1), "h": timedelta(hours=1)}
Key = tuple[UUID | None, str | None, int | None, int | None]


def due(start: datetime, working_days: int) -> datetime:
    return load_calendar().due_at(start, working_days, JAKARTA)


def shifted(instant: datetime, working_days: int) -> datetime:
    return load_calendar().shift(instant, working_days, JAKARTA)


def key(item: FollowUp) -> Key:
    return item.assignment_id, item.code, item.level, item.occurrence


def key_of(clock: Clock, firing: Firing) -> Key:
    return UUID(clock.subject) if clock.subject != "case" else None, clock.code, firing.level, firing.occurrence


def row_of(clock: Clock) -> Policy:
    """Of a case of LAPOR!, for which the first row of a code applies."""
    return next(row for row in load_policies().clocks if row.code == clock.code)


def instant_of(clock: Clock, level: int) -> datetime:
    """By the calendar alone: so many units past the clock's deadline."""
    row = row_of(clock)
    after = next(item.after for item in row.levels if item.level == level)
    return shifted(clock.due_at, after) if row.unit == "wd" else clock.due_at + after * _PERIOD[row.unit]


@st.composite
def stories(draw: st.DrawFn) -> list[Fact | Told]:
    """A complaint with up to two units over two weeks, in whatever order its facts arrive."""
    at = st.integers(1, 14 * 24).map(hours)
    units = draw(st.sampled_from([("imigrasi",), ("imigrasi", "ahu"), ("triage",), ("triage", "ahu"), ("other_agency",)]))
    by = draw(st.sampled_from(["router", "human"]))
    class_ = draw(st.sampled_from(["pengaduan", "informasi", None]))
    facts: list[Fact | Told] = [
        received(CASE_ID, class_=class_), *decided(CASE_ID, *units, at=draw(at), reported_at=MONDAY, decided_by=by),
    ]  # fmt: skip
    for _ in range(draw(st.integers(0, 2))):
        status = draw(st.sampled_from(["accepted", "followed_up", "answered", "returned"]))
        facts.append((updated(CASE_ID, status, draw(st.sampled_from(["imigrasi", "ahu"]))), draw(at)))
    if draw(st.booleans()):
        facts.append(changed(CASE_ID, draw(st.sampled_from(["withdrawn", "closed", "edited", "replied"])), draw(at)))
    return draw(st.permutations(facts))


@given(stories(), st.lists(st.integers(0, 20 * 24), min_size=9, max_size=9))
@settings(max_examples=100, deadline=None)
def test_every_level_fires_once_and_exactly_what_proves_wrong_is_taken_back(facts: list[Fact | Told], steps: list[int]) -> None:
    kept = KeptCase(CASE_ID)
    until = MONDAY
    for fact, step in zip([*facts, *facts[:1]], steps, strict=False):
        until = max(until, hours(step))
        kept.tell(fact, now=until)
        sweep_and_check(kept, until)
    sweep_and_check(kept, LAST)

    said = Counter(key(item) for item in kept.said(*FIRINGS))
    taken_back = Counter(key(item) for item in kept.said("rescinded"))
    assert set(said.values()) | set(taken_back.values()) <= {1}
    assert (
        taken_back.keys()
        == {key_of(clock, firing) for clock in kept.case.clocks for firing in clock.fired if firing.is_rescinded} & said.keys()
    )
    for clock_ in kept.case.clocks:
        standing = {firing.level: firing for firing in clock_.fired if not firing.is_rescinded}
        assert len(standing) == sum(not firing.is_rescinded for firing in clock_.fired), "each level stands once"
        if clock_.stopped_at == clock_.started_at:
            assert not standing, "what never ran has nothing to say"
            continue
        for level in (item.level for item in row_of(clock_).levels):
            instant = instant_of(clock_, level)
            if clock_.stopped_at is None:
                assert level in standing
            if level in standing:
                assert instant <= standing[level].at and (clock_.stopped_at is None or instant < clock_.stopped_at)
        if clock_.stopped_at is None:
            assert clock_.state == "expired", "an unstopped clock has fired all its levels"


def sweep_and_check(kept: KeptCase, until: datetime) -> None:
    stopped = {clock.key for clock in kept.case.clocks if clock.stopped_at is not None}
    before = len(kept.said(*FIRINGS))
    known = {id(firing) for clock in kept.case.clocks for firing in clock.fired}
    kept.sweep(until)
    new = [(clock, firing) for clock in kept.case.clocks for firing in clock.fired if id(firing) not in known]
    assert all(firing.instant <= until for _, firing in new), "never early"
    assert not [clock for clock, _ in new if clock.key in stopped], "never after what stops it"
    left_out = [
        (clock, firing)
        for clock, firing in new
        if firing.level < 0 and any(other is clock and firing.level < later.level < 0 for other, later in new)
    ]
    instants = {key_of(clock, firing): firing.instant for clock, firing in new if (clock, firing) not in left_out}
    said = [instants[key(item)] for item in kept.said(*FIRINGS)[before:]]
    assert len(said) == len(instants) == len(new) - len(left_out) and said == sorted(said), "in due order, all but superseded reminders"


def test_an_assignment_that_nobody_follows_up_has_five_levels_around_five_working_days() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).sweep(LONG_AFTER)
    levels = fired(kept, "LAPOR_TINDAK_LANJUT")
    assert [item.kind for item in levels] == ["reminder", "due", "overdue", "escalated", "escalated"]
    deadline = due(MONDAY, 5)
    assert {item.due_at for item in levels} == {deadline}
    own = clock(kept, "LAPOR_TINDAK_LANJUT")
    assert [firing.instant for firing in own.fired] == [deadline if days == 0 else shifted(deadline, days) for days in (-1, 0, 1, 3, 5)]
    assert levels[1].late_by_seconds == (LONG_AFTER - deadline).total_seconds()
    assert (own.state, kept.status().clocks[-1].state) == ("expired", "expired")


def test_an_assignment_that_nobody_accepts_is_spoken_of_from_the_first_working_day_on_until_somebody_does() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).sweep(LONG_AFTER)
    delivery = fired(kept, "TERIMA_PENUGASAN")
    assert [(item.kind, item.due_at) for item in delivery] == [
        ("unacknowledged", due(MONDAY, 1)), ("escalated", due(MONDAY, 1)), ("escalated", due(MONDAY, 1)),
    ]  # fmt: skip
    accepted = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).tell((updated(CASE_ID, "accepted"), hours(2))).sweep(LONG_AFTER)
    assert fired(accepted, "TERIMA_PENUGASAN") == [] and len(fired(accepted, "LAPOR_TINDAK_LANJUT")) == 5


def test_the_verification_clock_runs_three_working_days_from_receipt_until_a_person_verifies() -> None:
    held = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, "triage")]]).sweep(LONG_AFTER)
    levels = fired(held, "LAPOR_VERIFIKASI")
    assert [(item.kind, item.due_at) for item in levels] == [(kind, due(MONDAY, 3)) for kind in ("reminder", "due", "overdue", "escalated")]
    by_router = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID, at=hours(2))]])
    assert clock(by_router, "LAPOR_VERIFIKASI").state == "running"
    for by in ("human", "source"):
        by_person = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID, at=hours(2), decided_by=by)]])
        assert (clock(by_person, "LAPOR_VERIFIKASI").state, clock(by_person, "LAPOR_VERIFIKASI").stopped_at) == ("stopped", hours(2))


def test_an_answer_from_before_the_deadline_that_is_read_after_it_takes_back_due_and_overdue_but_not_the_reminder() -> None:
    deadline = due(MONDAY, 5)
    kept = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).sweep(LONG_AFTER)
    kept.tell((updated(CASE_ID, "answered"), deadline - timedelta(minutes=1)), now=LONG_AFTER)

    def taken_back() -> list[FollowUp]:
        return [item for item in kept.said("rescinded") if item.code == "LAPOR_TINDAK_LANJUT"]

    assert [item.level for item in taken_back()] == [0, 1, 2, 3]
    assert all(item.why and item.due_at == deadline for item in taken_back())
    assert "TERIMA_PENUGASAN" not in {item.code for item in kept.said("rescinded")}, "it was not accepted in time all the same"
    kept.tell((updated(CASE_ID, "followed_up"), deadline - timedelta(days=3)), now=LONG_AFTER)
    assert [item.level for item in taken_back()] == [0, 1, 2, 3, -1], "an earlier stop takes back what is left, once"


def test_an_answer_at_the_very_deadline_is_in_time_whichever_is_read_first() -> None:
    deadline = due(MONDAY, 5)
    read_first = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).tell((updated(CASE_ID, "answered"), deadline)).sweep(LONG_AFTER)
    assert fired(read_first, "LAPOR_TINDAK_LANJUT") == []
    read_later = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]]).sweep(deadline).tell((updated(CASE_ID, "answered"), deadline))
    assert [(item.code, item.level) for item in read_later.said("rescinded")] == [("LAPOR_TINDAK_LANJUT", 0)]


def test_a_proposed_transfer_keeps_its_clock_and_one_that_a_person_or_another_source_made_stops_it() -> None:
    proposed = told(CASE_ID, [decided(CASE_ID, "other_agency")])
    assert (proposed.case.life.state, clock(proposed, "USUL_ALIH").state, proposed.case.life.first_outcome) == (
        "transferred", "running", "transferred",
    )  # fmt: skip
    assert clock(proposed, "LAPOR_VERIFIKASI").state == "running"
    assert [item.kind for item in fired(proposed.sweep(LONG_AFTER), "USUL_ALIH")] == ["reminder", "due", "overdue"]
    for settled in ({"decided_by": "human"}, {"decided_by": "source"}, {"source": "loket"}):
        kept = told(CASE_ID, [decided(CASE_ID, "other_agency", at=hours(3), reported_at=MONDAY, **settled)])
        assert [(item.code, item.state, item.stopped_at) for item in kept.case.clocks] == [("LAPOR_VERIFIKASI", "stopped", hours(3))]
        assert kept.sweep(LONG_AFTER).said() == []


@pytest.mark.parametrize("destinations", [("other_agency", "imigrasi"), ("imigrasi", "other_agency")])
def test_a_proposal_among_several_parts_keeps_its_clock_in_whatever_order_they_arrive(destinations: tuple[str, str]) -> None:
    parts = decided(CASE_ID, *destinations)
    for arriving in (parts, parts[::-1]):
        kept = told(CASE_ID, [[received(CASE_ID), *arriving]])
        states = {item.code: item.state for item in kept.case.clocks}
        assert (states["LAPOR_VERIFIKASI"], states["USUL_ALIH"]) == ("running", "running")


def test_history_has_no_clock_and_no_follow_up() -> None:
    finished = received(CASE_ID, is_final=True, source_status="Selesai")
    kept = told(CASE_ID, [[finished, changed(CASE_ID, "archived", hours(3))]]).sweep(LONG_AFTER)
    assert (kept.status().state, kept.status().clocks, kept.said()) == ("history", (), [])


def test_a_report_from_before_the_calendar_begins_is_long_overdue_and_nothing_breaks() -> None:
    long_ago = datetime.fromisoformat("1999-05-21T08:00:00+07:00")
    kept = told(CASE_ID, [[received(CASE_ID, long_ago), routed(CASE_ID, at=long_ago)]]).sweep(MONDAY)
    assert {item.kind for item in kept.said()} == set(FIRINGS)
