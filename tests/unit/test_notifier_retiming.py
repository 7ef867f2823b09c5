"""Deadlines that move: told once with old, new and why; what fired too early is taken back and fires again; nothing fires twice."""

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.notifier.calendar import load_calendar
from services.notifier.clocks import Clockwork
from shared.events import FollowUp
from tests.cases import (
    CASE_ID,
    FIRINGS,
    JAKARTA,
    LEAD_ID,
    LONG_AFTER,
    admin_says,
    assigned,
    clock,
    clocks,
    clockwork,
    fired,
    other_policies,
    says,
)
from tests.facts import MONDAY, changed, decided, hours, received, routed
from tests.memory import KeptCase, header, told

FIRST = "LAPOR_TINDAK_LANJUT"


def due(start: datetime, working_days: int) -> datetime:
    return load_calendar().due_at(start, working_days, JAKARTA)


def shifted(instant: datetime, working_days: int) -> datetime:
    return load_calendar().shift(instant, working_days, JAKARTA)


def under(kept: KeptCase, other: Clockwork, now: datetime) -> KeptCase:
    """The notifier is started again with other policies or another calendar, and works its cases out anew."""
    kept.clockwork = other
    return kept.sweep(MONDAY, now=now)


def moved(kept: KeptCase, code: str = FIRST) -> list[FollowUp]:
    return [item for item in kept.said("deadline_changed") if item.code == code]


def with_days_off(*days: date, version: str = "2026-12-31") -> Clockwork:
    calendar = load_calendar()
    days_off = {**calendar.days_off, **dict.fromkeys(days, "day off by decree")}
    return clockwork(calendar=replace(calendar, version=version, days_off=days_off))


def longer(amount: int = 8, version: str = "2026-12-01") -> Clockwork:
    return clockwork(other_policies(version, **{FIRST: {"amount": amount}}))


# --- what moves a deadline


def test_a_new_policy_moves_open_deadlines_and_says_so_once() -> None:
    kept = assigned()
    for _ in range(2):
        under(kept, longer(), hours(5))
    (item,) = moved(kept)
    assert (item.previous_due_at, item.due_at) == (due(MONDAY, 5), due(MONDAY, 8))
    assert item.why == f"policies and calendar {kept.clockwork.version}"
    assert (item.to, item.assignment_id is not None) == (("imigrasi",), True)
    assert clock(kept, FIRST).due_at == due(MONDAY, 8)
    assert kept.case.recent[-1].what == f"deadline of {FIRST} changed: {item.why}"


def test_what_the_older_version_says_moves_nothing() -> None:
    kept = assigned()
    under(kept, longer(), hours(5))
    under(kept, clockwork(), hours(6))
    assert len(moved(kept)) == 1 and clock(kept, FIRST).due_at == due(MONDAY, 8)


def test_a_decree_moves_the_deadlines_that_count_the_day_and_no_others() -> None:
    kept = assigned()
    under(kept, with_days_off(date(2026, 7, 13)), hours(5))
    (item,) = kept.said("deadline_changed")
    assert (item.code, item.previous_due_at, item.due_at) == (FIRST, due(MONDAY, 5), shifted(due(MONDAY, 5), 1))


def test_an_answered_a_closed_and_a_stopped_clock_are_not_moved() -> None:
    answered = under(assigned().tell(says("imigrasi", "answered", 2)), longer(), hours(5))
    closed = under(assigned().tell(changed(CASE_ID, "closed", hours(2))), longer(), hours(5))
    assert moved(answered) == [] and closed.said("deadline_changed") == []


def test_another_class_ends_one_clock_and_begins_another_and_the_unit_is_told_both_deadlines() -> None:
    kept = assigned(**{"class": "pengaduan"}).tell(admin_says("verified", 2))
    before = clock(kept, "SP4N_NON_PENGAWASAN").due_at
    kept.tell(changed(CASE_ID, "reclassified", hours(30), fields={"class": "informasi"}), now=hours(30))
    gone, new = clock(kept, "SP4N_NON_PENGAWASAN"), clock(kept, "SP4N_INFO")
    assert (gone.state, gone.stopped_at, new.state, new.started_at) == ("stopped", gone.started_at, "running", hours(2))
    (item,) = kept.said("deadline_changed")
    assert (item.code, item.previous_due_at, item.due_at) == ("SP4N_INFO", before, due(hours(2), 5))
    assert (item.why, item.to) == ("the source gave it another class", ("imigrasi",))


def test_another_class_takes_back_what_the_clock_of_the_wrong_one_fired_also_where_it_had_stopped() -> None:
    for end in ([], [says("imigrasi", "answered", due(MONDAY, 9))]):
        kept = assigned(**{"class": "informasi"}).tell(admin_says("verified", 2)).sweep(due(MONDAY, 8))
        assert [item.level for item in fired(kept, "SP4N_INFO")] == [-1, 0, 1]
        for fact in end:
            kept.tell(fact, now=LONG_AFTER)
        kept.tell(changed(CASE_ID, "reclassified", due(MONDAY, 9), fields={"class": "pengaduan"}), now=LONG_AFTER)
        assert [item.level for item in kept.said("rescinded") if item.code == "SP4N_INFO"] == [-1, 0, 1]
        kept.sweep(LONG_AFTER)
        assert len(fired(kept, "SP4N_INFO")) == 3, "it speaks no more"


def test_a_class_given_and_taken_back_fires_each_level_once_unless_it_was_rescinded() -> None:
    kept = assigned(**{"class": "informasi"}).tell(admin_says("verified", 2)).sweep(due(MONDAY, 8))
    kept.tell(changed(CASE_ID, "reclassified", hours(200), fields={"class": "pengaduan"}), now=hours(200))
    kept.tell(changed(CASE_ID, "reclassified", hours(201), fields={"class": "informasi"}), now=hours(201)).sweep(LONG_AFTER)
    assert [(item.level, item.occurrence) for item in fired(kept, "SP4N_INFO")] == [
        (-1, 1), (0, 1), (1, 1), (-1, 2), (0, 2), (1, 2),
    ]  # fmt: skip


def test_another_unit_begins_its_own_first_follow_up_and_the_case_keeps_its_deadlines() -> None:
    kept = assigned(**{"class": "pengaduan"}).tell(admin_says("verified", 1), says("imigrasi", "returned", 50))
    before = clock(kept, "SP4N_NON_PENGAWASAN").due_at
    kept.tell(routed(CASE_ID, "ahu", decision=1, at=hours(51)), now=hours(51))
    assert [(item.state, item.due_at) for item in clocks(kept, FIRST)] == [("stopped", due(MONDAY, 5)), ("running", due(hours(51), 5))]
    assert clock(kept, "SP4N_NON_PENGAWASAN").due_at == before and kept.said("deadline_changed") == []


def test_a_pause_moves_the_deadline_by_the_days_it_took_and_is_told_once_when_it_ends() -> None:
    kept = assigned().tell(says("imigrasi", "need_info", 24), now=hours(24))
    assert kept.said("deadline_changed") == []
    kept.tell(changed(CASE_ID, "completed", hours(24 * 4)), now=hours(24 * 4))  # Tuesday morning to Friday morning: three closes of office
    (item,) = moved(kept)
    assert (item.previous_due_at, item.due_at) == (due(MONDAY, 5), due(MONDAY, 8))
    assert item.why == "the time in which the reporter was asked does not count"


def test_a_pause_between_two_closes_of_office_moves_nothing() -> None:
    kept = assigned().tell(says("imigrasi", "need_info", 25), now=hours(25)).tell(says("imigrasi", "resumed", 26), now=hours(26))
    assert kept.said("deadline_changed") == [] and clock(kept, FIRST).due_at == due(MONDAY, 5)


@pytest.mark.parametrize(("service", "code", "days"), [("ppid_permohonan", "PPID_JAWAB", 7), ("ulp", "ULP_PAS", 14)])
def test_an_extension_moves_the_deadline_once(service: str, code: str, days: int) -> None:
    kept = assigned(source="ppid", service=service)
    before = clock(kept, code).due_at
    kept.tell(says("imigrasi", "extended", 30, reason="arsip di daerah"), now=hours(30))
    (item,) = moved(kept, code)
    assert (item.previous_due_at, item.due_at, item.why) == (before, shifted(before, days), "the period was extended")
    kept.tell(says("imigrasi", "extended", 31, reason="lagi"), now=hours(31))
    assert len(moved(kept, code)) == 1


def test_a_report_that_counts_from_another_instant_moves_the_deadline_of_what_only_stood_in_for_it() -> None:
    parts = decided(CASE_ID, "imigrasi", at=hours(72), reported_at=hours(72))
    kept = told(CASE_ID, [parts]).tell(received(CASE_ID, MONDAY), now=hours(73))
    (item,) = moved(kept, "LAPOR_VERIFIKASI")
    assert (item.previous_due_at, item.due_at, item.why) == (due(hours(72), 3), due(MONDAY, 3), "received")


# --- what has fired


def test_a_level_that_moves_later_than_its_firing_is_rescinded_and_fires_again_as_the_next_occurrence() -> None:
    kept = assigned().sweep(shifted(due(MONDAY, 5), 1))
    assert [item.level for item in fired(kept, FIRST)] == [-1, 0, 1]
    under(kept, longer(), shifted(due(MONDAY, 5), 2))
    assert [(item.level, item.occurrence) for item in kept.said("rescinded") if item.code == FIRST] == [(-1, 1), (0, 1), (1, 1)]
    assert {item.why for item in kept.said("rescinded")} == {f"policies and calendar {kept.clockwork.version}"}
    already = len(kept.said(*FIRINGS))
    kept.sweep(LONG_AFTER)
    again = [item for item in kept.said(*FIRINGS)[already:] if item.code == FIRST]
    assert [(item.level, item.occurrence, item.due_at) for item in again] == [(level, 2, due(MONDAY, 8)) for level in (-1, 0, 1, 2, 3)]
    own = clock(kept, FIRST)
    assert [firing.instant for firing in own.fired if not firing.is_rescinded][1] == due(MONDAY, 8), "the account counts by this one"
    assert under(kept, longer(), LONG_AFTER).said("rescinded") == kept.said("rescinded")


def test_only_the_levels_that_moved_past_their_firing_are_rescinded() -> None:
    late = shifted(due(MONDAY, 5), 1)
    kept = assigned().sweep(due(MONDAY, 5) - timedelta(minutes=1), now=late).sweep(due(MONDAY, 5), now=late)
    under(kept, longer(6), late + timedelta(hours=1))
    assert [item.level for item in kept.said("rescinded") if item.code == FIRST] == [], (
        "what fired late was not too early by the new deadline"
    )
    kept.sweep(LONG_AFTER)
    assert [item.level for item in fired(kept, FIRST)] == [-1, 0, 1, 2, 3]


def test_a_deadline_that_moves_earlier_fires_no_level_twice_and_the_next_at_once() -> None:
    kept = assigned().sweep(due(MONDAY, 5))
    under(kept, longer(3), due(MONDAY, 5))
    assert [item.level for item in fired(kept, FIRST)] == [-1, 0]
    (item,) = moved(kept)
    assert (item.previous_due_at, item.due_at) == (due(MONDAY, 5), due(MONDAY, 3))
    kept.sweep(due(MONDAY, 5))
    assert [(item.level, item.occurrence) for item in fired(kept, FIRST)] == [(-1, 1), (0, 1), (1, 1)]
    assert kept.said("rescinded") == []


def test_a_pause_known_late_takes_back_what_fired_in_it() -> None:
    kept = assigned().sweep(due(MONDAY, 5))
    kept.tell(changed(CASE_ID, "flags", hours(24), source_state="paused"), now=due(MONDAY, 6))
    assert [item.level for item in kept.said("rescinded") if item.code == FIRST] == [-1, 0]
    kept.tell(changed(CASE_ID, "completed", hours(24 * 4)), now=due(MONDAY, 6)).sweep(LONG_AFTER)
    assert [(item.level, item.occurrence) for item in fired(kept, FIRST)] == [
        (-1, 1), (0, 1), (-1, 2), (0, 2), (1, 2), (2, 2), (3, 2),
    ]  # fmt: skip


def test_no_event_id_is_said_twice_through_any_moving() -> None:
    kept = assigned().sweep(due(MONDAY, 6))
    for number, amount in enumerate((8, 5, 9, 4, 12)):
        under(kept, longer(amount, f"2027-01-0{number + 1}"), due(MONDAY, 6 + number)).sweep(due(MONDAY, 6 + number))
    kept.sweep(LONG_AFTER)
    ids = Counter(header(message, "ce_id") for message in kept.messages if message.topic.endswith("follow-ups.imigrasi"))
    assert set(ids.values()) == {1}
    firings = Counter((item.level, item.occurrence) for item in fired(kept, FIRST))
    rescinded = Counter((item.level, item.occurrence) for item in kept.said("rescinded") if item.code == FIRST)
    assert set(firings.values()) == {1} and set(rescinded.values()) <= {1} and rescinded.keys() <= firings.keys()
    left = sorted(level for level, _ in firings.keys() - rescinded.keys() if level is not None)
    assert left == [-1, 0, 1, 2, 3], "each level stands once"


# --- catching up


def test_reminders_that_are_due_together_are_said_once_by_the_latest_and_nothing_else_is_left_out() -> None:
    kept = assigned(**{"class": "pengaduan"}).tell(admin_says("verified", 2)).sweep(LONG_AFTER)
    assert [(item.kind, item.level) for item in fired(kept, "SP4N_NON_PENGAWASAN")] == [
        ("reminder", -1), ("due", 0), ("overdue", 1), ("escalated", 2),
    ]  # fmt: skip
    slowly = assigned(**{"class": "pengaduan"}).tell(admin_says("verified", 2))
    for day in range(1, 60):
        slowly.sweep(hours(24 * day))
    assert [item.level for item in fired(slowly, "SP4N_NON_PENGAWASAN")] == [-2, -1, 0, 1, 2]


def test_a_reminder_that_was_left_out_is_not_taken_back() -> None:
    kept = assigned(**{"class": "pengaduan"}).tell(admin_says("verified", 2)).sweep(LONG_AFTER)
    kept.tell(says("imigrasi", "answered", 3), now=LONG_AFTER)
    assert [item.level for item in kept.said("rescinded") if item.code == "SP4N_NON_PENGAWASAN"] == [-1, 0, 1, 2]


def test_a_reminder_is_not_collapsed_into_the_deadline() -> None:
    kept = assigned().sweep(due(MONDAY, 5))
    assert [item.kind for item in fired(kept, FIRST)] == ["reminder", "due"]


def test_what_is_said_late_says_by_how_much_and_what_is_said_in_time_by_nothing() -> None:
    kept = assigned().sweep(due(MONDAY, 5), now=LONG_AFTER)
    own = clock(kept, FIRST)
    assert [item.late_by_seconds for item in fired(kept, FIRST)] == [(LONG_AFTER - firing.instant).total_seconds() for firing in own.fired]
    in_time = assigned().sweep(due(MONDAY, 5))
    assert fired(in_time, FIRST, "due")[0].late_by_seconds == 0


def test_a_case_catches_up_in_the_order_of_its_instants_whichever_clock_they_are_of() -> None:
    kept = assigned("imigrasi", "ahu", **{"class": "pengaduan"}).tell(admin_says("verified", 100)).sweep(LONG_AFTER)
    late = [item.late_by_seconds or 0 for item in kept.said(*FIRINGS)]
    assert late == sorted(late, reverse=True) and len({item.code for item in kept.said(*FIRINGS)}) > 3


# --- what stays silent


@pytest.mark.parametrize(
    "fact", [says("imigrasi", "merged", 2, into=LEAD_ID), changed(CASE_ID, "closed", hours(2)), changed(CASE_ID, "withdrawn", hours(2))]
)
def test_a_merged_closed_or_withdrawn_case_fires_nothing(fact: Any) -> None:
    assert assigned(**{"class": "pengaduan"}).tell(fact).sweep(LONG_AFTER).said(*FIRINGS) == []


def test_an_answered_case_is_silent_but_for_the_reporters_time_to_reply() -> None:
    kept = assigned(**{"class": "pengaduan"}).tell(admin_says("verified", 1)).tell(says("imigrasi", "answered", 2)).sweep(LONG_AFTER)
    assert {item.code for item in kept.said(*FIRINGS)} == {"LAPOR_TANGGAPAN_PELAPOR"}


def test_a_paused_case_fires_only_what_a_pause_does_not_stop() -> None:
    kept = assigned(**{"class": "pengaduan"}).tell(admin_says("verified", 1), admin_says("need_info", 2)).sweep(LONG_AFTER)
    assert {item.code for item in kept.said(*FIRINGS)} == {"TERIMA_PENUGASAN", "UU25_LENGKAPI"}
    assert {item.state for item in clocks(kept, FIRST)} == {"paused"}
    assert not kept.case.is_watched, "LAPOR! itself must close it, and nothing will speak of it again: it is listed"


def test_a_pause_is_judged_again_at_the_very_level_that_falls_into_it() -> None:
    kept = assigned().sweep(due(MONDAY, 4)).tell(admin_says("need_info", due(MONDAY, 4) + timedelta(hours=1)))
    kept.sweep(LONG_AFTER)
    assert [item.kind for item in fired(kept, FIRST)] == ["reminder"]


# --- what an expiry does


def test_silence_after_the_answer_closes_the_case_but_not_one_of_lapor() -> None:
    kept = assigned(source="loket").tell(says("imigrasi", "answered", 2))
    limit = due(hours(2), 10)
    assert kept.sweep(limit - timedelta(seconds=1)).status().state == "answered"
    kept.sweep(limit)
    assert (kept.status().state, kept.case.life.ended_at, kept.case.life.ended_by) == ("closed", limit, "notifier")
    assert [(item.kind, item.to) for item in kept.said()] == [("closed", ("imigrasi",))]
    assert kept.status().timeline[-1].what == "LAPOR_TANGGAPAN_PELAPOR ran out: closed"
    of_lapor = assigned().tell(says("imigrasi", "answered", 2)).sweep(LONG_AFTER)
    assert (of_lapor.status().state, [(item.code, item.to) for item in of_lapor.said()]) == (
        "answered", [("LAPOR_TANGGAPAN_PELAPOR", ("admin_instansi",))],
    )  # fmt: skip


@pytest.mark.parametrize(("service", "code", "limit"), [
    ("sp4n", "UU25_LENGKAPI", datetime.fromisoformat("2026-08-05T16:59:59+00:00")),
    ("yankomas", "HAM_LENGKAPI", due(hours(2), 10)),
])  # fmt: skip
def test_a_file_that_is_not_completed_in_time_counts_as_withdrawn_but_not_of_lapor(service: str, code: str, limit: datetime) -> None:
    kept = assigned(source="loket", service=service).tell(says("imigrasi", "need_info", 2))
    assert clock(kept, code).due_at == limit
    assert kept.sweep(limit - timedelta(seconds=1)).status().state == "paused"
    kept.sweep(limit)
    assert (kept.status().state, kept.case.life.ended_at, {item.state for item in kept.case.clocks}) == ("withdrawn", limit, {"stopped"})
    assert [item.why for item in kept.said("closed")] == ["the case ended: withdrawn"]
    of_lapor = assigned(service=service).tell(says("imigrasi", "need_info", 2)).sweep(LONG_AFTER)
    assert of_lapor.status().state == "paused"
    assert [item.to for item in fired(of_lapor, "UU25_LENGKAPI")] == [("imigrasi", "admin_instansi")]


def test_a_file_completed_at_the_last_moment_is_in_time_whichever_is_read_first() -> None:
    for is_read_first in (True, False):
        kept = assigned(source="loket").tell(says("imigrasi", "need_info", 2))
        limit = clock(kept, "UU25_LENGKAPI").due_at
        if not is_read_first:
            kept.sweep(limit)
        kept.tell(changed(CASE_ID, "completed", limit), now=limit).sweep(limit)
        assert kept.status().state == "assigned"


def test_a_case_that_an_expiry_ended_too_soon_goes_on_and_ends_at_its_next_expiry() -> None:
    """A return that counts from before the answer becomes known after silence had closed the case."""
    kept = assigned(source="loket").tell(says("imigrasi", "answered", 5)).sweep(LONG_AFTER)
    assert kept.status().state == "closed"
    kept.tell(says("imigrasi", "returned", 4), now=LONG_AFTER)
    assert kept.status().state == "held"
    kept.tell(routed(CASE_ID, "ahu", decision=1, at=hours(6), source="loket"), now=LONG_AFTER)
    kept.tell(says("ahu", "answered", LONG_AFTER), now=LONG_AFTER)
    assert kept.status().state == "answered"
    kept.sweep(LONG_AFTER + timedelta(days=60))
    assert (kept.status().state, kept.case.life.ended_at) == ("closed", due(LONG_AFTER, 10))


def test_a_reply_that_becomes_known_after_silence_closed_the_case_takes_it_up_again() -> None:
    kept = assigned(source="loket").tell(says("imigrasi", "answered", 2)).sweep(due(hours(2), 10))
    kept.tell(changed(CASE_ID, "replied", hours(20)), now=LONG_AFTER)
    assert (kept.status().state, [item.state for item in kept.case.life.assignments.values()]) == ("accepted", ["accepted"])
    assert kept.case.next_due_at is not None
    kept.tell(says("imigrasi", "answered", hours(30)), now=LONG_AFTER).sweep(LONG_AFTER)
    assert (kept.status().state, kept.case.life.ended_at) == ("closed", due(hours(30), 10))
