"""Whose turn a case was, and the office time that each used; every number worked out by hand."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from services.notifier.ledger import holder, spans_of, sums, time_used
from services.notifier.periods import working_days_between
from shared.units import load_directory
from tests.facts import MONDAY, changed, decided, hours, received, routed, updated
from tests.memory import CLOCKWORK, KeptCase, told

CASE_ID = UUID("0190a5b4-7c1e-7f00-8000-000000000031")
# A Monday, 08:00 in Jakarta: office until 16:00, on Fridays 16:30, from 07:30 on. So a whole day has 8.5 hours, a Friday 9.
TUESDAY, WEDNESDAY, THURSDAY, NEXT_MONDAY, NEXT_TUESDAY = (MONDAY + timedelta(days=days) for days in (1, 2, 3, 7, 8))


def says(status: str, at: datetime, unit: str = "imigrasi") -> tuple[object, datetime]:
    return updated(CASE_ID, status, unit, reason="x"), at


def used(kept: KeptCase, until: datetime) -> list[tuple[str, str, float, int]]:
    return [(item.span.who, item.span.kind, item.seconds / 3600, item.days) for item in time_used(kept.case, CLOCKWORK, until)]


@pytest.fixture
def long_way() -> KeptCase:
    """Held on Monday 10:00, decided by a person on Tuesday 10:00, accepted on Wednesday 10:00, the reporter asked from Thursday 09:00 to
    Monday 09:00, answered on Tuesday 12:00."""
    kept = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, "triage", at=hours(2), reported_at=MONDAY)]])
    placed = TUESDAY + timedelta(hours=2)
    fields = {"replaces": ["0/0"], "order": {"unit": "imigrasi"}, "reason": "x"}
    kept.tell(changed(CASE_ID, "decision", placed, by="triage", fields=fields), now=placed)
    kept.tell(routed(CASE_ID, decision=1, at=placed, reported_at=MONDAY, decided_by="human", desk="kanim:jakarta-pusat"), now=placed)
    for status, at in (
        ("accepted", WEDNESDAY + timedelta(hours=2)),
        ("need_info", THURSDAY + timedelta(hours=1)),
        ("resumed", NEXT_MONDAY + timedelta(hours=1)),
        ("answered", NEXT_TUESDAY + timedelta(hours=4)),
    ):
        kept.tell(says(status, at), now=at)  # type: ignore[arg-type]
    return kept


def test_each_turn_of_a_long_way_has_its_office_hours_and_its_days(long_way: KeptCase) -> None:
    assert used(long_way, NEXT_TUESDAY + timedelta(hours=6)) == [
        ("router", "deciding", 2.0, 0),  # Monday 08:00 to 10:00
        ("triage", "held", 6 + 2.5, 0),  # to Tuesday 10:00: not its own starting day, and Tuesday has not closed
        ("imigrasi", "assigned", 6 + 2.5, 0),  # to Wednesday 10:00
        ("imigrasi", "accepted", 6 + 1.5, 1),  # to Thursday 09:00: Wednesday
        ("reporter", "asked", 7 + 9 + 1.5, 1),  # to Monday 09:00: Friday
        ("imigrasi", "accepted", 7 + 4.5, 1),  # to Tuesday 12:00: Monday
        ("reporter", "replying", 2.0, 0),  # and still
    ]


def test_the_sums_by_holder_and_level_are_those_of_the_turns(long_way: KeptCase) -> None:
    items = time_used(long_way.case, CLOCKWORK, NEXT_TUESDAY + timedelta(hours=4))
    assert {key: (total.seconds / 3600, total.days) for key, total in sums(items, holder).items()} == {
        "router": (2.0, 0),
        "triage": (8.5, 0),
        "kanim:jakarta-pusat": (27.5, 2),
        "reporter": (17.5, 1),
    }
    assert list(sums(items, lambda span: span.level)) == ["router", "triage", "office", "reporter"]
    # What the unit's clock counts, which starts on Tuesday and stands still while the reporter is asked.
    zone = load_directory().zone(None, None)
    pauses = long_way.case.life.pauses
    start, end = TUESDAY + timedelta(hours=2), NEXT_TUESDAY + timedelta(hours=4)
    assert working_days_between(CLOCKWORK.calendar, start, end, zone, pauses) == 2


def test_the_turns_of_a_case_with_one_holder_at_a_time_leave_no_gap(long_way: KeptCase) -> None:
    spans = spans_of(long_way.case)
    assert spans[0].since == MONDAY
    assert [span.until for span in spans[:-1]] == [span.since for span in spans[1:]]
    assert spans[-1].until is None


def test_units_that_have_parts_at_the_same_time_each_use_their_own() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, "imigrasi", "ahu/kanwil:bali")]])
    kept.tell(says("answered", hours(3)), now=hours(3))  # type: ignore[arg-type]
    items = time_used(kept.case, CLOCKWORK, hours(5))
    assert [(item.span.who, item.span.level, item.seconds / 3600, item.span.until) for item in items] == [
        ("ahu", "kanwil", 5.0, None),
        ("imigrasi", "unit", 3.0, hours(3)),
    ]


def test_the_way_from_the_source_is_the_source_s_and_a_close_on_a_border_counts_once() -> None:
    close = hours(8)  # Monday 16:00
    kept = told(CASE_ID, [[received(CASE_ID, accepted_at=hours(1)), routed(CASE_ID, at=hours(2), reported_at=MONDAY)]])
    kept.tell(says("accepted", close + timedelta(days=1)), now=close + timedelta(days=1))  # type: ignore[arg-type]
    assert used(kept, close + timedelta(days=2)) == [
        ("source", "sending", 1.0, 0),
        ("router", "deciding", 1.0, 0),
        ("imigrasi", "assigned", 6 + 8.5, 0),  # until Tuesday's close, which is the first instant of what follows
        ("imigrasi", "accepted", 8.5, 2),  # Tuesday's and Wednesday's
    ]


def test_a_part_given_back_goes_to_the_router_and_to_the_next_unit() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]])
    kept.tell(says("returned", hours(2)), now=hours(2))  # type: ignore[arg-type]
    kept.tell(routed(CASE_ID, "ki", decision=1, at=hours(3), reported_at=MONDAY), now=hours(3))
    assert used(kept, hours(4)) == [("imigrasi", "assigned", 2.0, 0), ("router", "rerouting", 1.0, 0), ("ki", "assigned", 1.0, 0)]


def test_what_the_reporter_opens_again_is_the_unit_s_turn_again() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID)]])
    kept.tell(says("answered", hours(2)), now=hours(2))  # type: ignore[arg-type]
    kept.tell(changed(CASE_ID, "replied", hours(5)), now=hours(5))
    kept.tell(changed(CASE_ID, "withdrawn", hours(6)), now=hours(6))
    assert used(kept, hours(30)) == [("imigrasi", "assigned", 2.0, 0), ("reporter", "replying", 3.0, 0), ("imigrasi", "reopened", 1.0, 0)]


def test_the_end_of_a_case_ends_every_turn_and_history_has_none() -> None:
    kept = told(CASE_ID, [[received(CASE_ID, source_state="paused"), *decided(CASE_ID, "triage", at=hours(1), reported_at=MONDAY)]])
    kept.tell(changed(CASE_ID, "withdrawn", hours(4)), now=hours(4))
    assert [(span.who, span.until) for span in spans_of(kept.case)] == [("reporter", hours(4))]
    assert spans_of(told(CASE_ID, [[received(CASE_ID, is_final=True)]]).case) == []
