"""What a case takes from whom, what it refuses in which words, and who hears of it."""

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from shared.envelope import assignment_id
from tests.cases import FIRINGS, fired
from tests.facts import MONDAY, changed, decided, hours, received, routed, unprocessable, updated
from tests.memory import TOPICS, KeptCase, told

CASE_ID = UUID("0190a5b4-7c1e-7f00-8000-000000000003")
LONG_AFTER = MONDAY + timedelta(days=60)


def assigned(*units: str) -> KeptCase:
    return told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, *(units or ("imigrasi",)))]])


def topics_of(kept: KeptCase) -> set[str]:
    return {message.topic.removeprefix("complaints.follow-ups.") for message in kept.messages if "follow-ups" in message.topic}


def test_accepting_and_answering_move_the_assignment_and_the_case() -> None:
    kept = assigned()
    kept.tell((updated(CASE_ID, "accepted"), hours(2)))
    assert (kept.case.life.state, kept.status().assignments[0].state, kept.status().assignments[0].since) == (
        "accepted",
        "accepted",
        hours(2),
    )
    kept.tell((updated(CASE_ID, "answered", outcome="selesai"), hours(5)))
    status = kept.status()
    assert (status.state, status.assignments[0].state, status.assignments[0].since) == ("answered", "answered", hours(5))
    assert [(answer.unit, answer.at, answer.outcome) for answer in status.answers] == [("imigrasi", hours(5), "selesai")]


def test_of_two_that_say_the_same_the_earlier_counts() -> None:
    kept = assigned().tell((updated(CASE_ID, "accepted"), hours(5))).tell((updated(CASE_ID, "accepted"), hours(2)))
    assert next(iter(kept.case.life.assignments.values())).since == hours(2)
    kept.tell((updated(CASE_ID, "answered"), hours(9))).tell((updated(CASE_ID, "answered"), hours(7)))
    assert next(iter(kept.case.life.assignments.values())).since == hours(7)
    assert [answer.at for answer in kept.status().answers] == [hours(7), hours(9)]


def test_following_up_stops_the_first_follow_up_clock_and_moves_nothing_else() -> None:
    kept = assigned().tell((updated(CASE_ID, "followed_up"), hours(2)))
    assert (kept.case.life.state, next(iter(kept.case.life.assignments.values())).state) == ("assigned", "assigned")
    assert [(clock.code, clock.state) for clock in kept.status().clocks][1] == ("LAPOR_TINDAK_LANJUT", "stopped")


def test_the_case_is_answered_only_when_every_unit_has_answered() -> None:
    kept = assigned("imigrasi", "ahu").tell((updated(CASE_ID, "answered", "imigrasi"), hours(1)))
    assert kept.case.life.state == "accepted"
    assert kept.tell((updated(CASE_ID, "answered", "ahu"), hours(2))).case.life.state == "answered"


@pytest.mark.parametrize(("kind", "state"), [("withdrawn", "withdrawn"), ("closed", "closed"), ("archived", "closed")])
def test_what_the_source_ends_is_ended_and_its_units_are_told_once(kind: str, state: str) -> None:
    kept = assigned("imigrasi", "ahu").tell(changed(CASE_ID, kind, hours(9))).tell(changed(CASE_ID, "closed", hours(4)))
    assert kept.sweep(LONG_AFTER).status().assignments[0].state == "closed"
    assert [(item.kind, item.to) for item in kept.said()] == [("closed", ("imigrasi",)), ("closed", ("ahu",))]
    assert told(CASE_ID, [[received(CASE_ID), changed(CASE_ID, kind, hours(1))]]).case.life.state == state


def test_other_changes_are_only_noted() -> None:
    kept = assigned().tell(changed(CASE_ID, "edited", hours(3)), changed(CASE_ID, "reopened", hours(4), source_status="Diproses"))
    assert kept.case.life.state == "assigned"
    notes = [entry.what for entry in kept.status().timeline]
    assert notes[-2:] == ["edited by source", "reopened by source (status: Diproses)"]


def test_a_change_waits_for_its_case_and_then_acts() -> None:
    kept = told(CASE_ID, [[changed(CASE_ID, "withdrawn", hours(3))]])
    assert (kept.messages, kept.refuse(LONG_AFTER)) == ([], [])
    assert kept.tell(received(CASE_ID)).status().state == "withdrawn"


@pytest.mark.parametrize(("decided_at", "closed_at", "codes"), [
    (hours(1), hours(5), {"LAPOR_VERIFIKASI", "TERIMA_PENUGASAN", "LAPOR_TINDAK_LANJUT"}),
    (hours(6), hours(6), {"LAPOR_VERIFIKASI"}),
])  # fmt: skip
def test_a_part_that_arrives_after_the_end_is_closed_at_once_and_no_clock_of_it_runs(
    decided_at: datetime, closed_at: datetime, codes: set[str]
) -> None:
    kept = told(CASE_ID, [[received(CASE_ID)], [changed(CASE_ID, "closed", hours(5))], [routed(CASE_ID, at=decided_at)]])
    assert [(item.state, item.since) for item in list(kept.case.life.assignments.values())] == [("closed", closed_at)]
    assert {clock.code: (clock.state, clock.stopped_at) for clock in kept.case.clocks} == dict.fromkeys(codes, ("stopped", hours(5)))
    assert [(item.kind, item.to) for item in kept.sweep(LONG_AFTER).said()] == [("closed", ("imigrasi",))]


def test_an_unprocessable_case_is_filled_by_its_report_and_its_clock_runs_from_the_report_again() -> None:
    """PermenPANRB 62/2018: from receipt; the record's own time only stands in for it."""
    kept = told(CASE_ID, [[unprocessable(CASE_ID, hours(72))]])
    assert (kept.case.life.state, kept.status().source, kept.status().timeline[0].by) == ("held", None, None)
    kept.tell(received(CASE_ID, MONDAY, location={"province": "Papua"}))
    clock = {item.code: item for item in kept.case.clocks}["LAPOR_VERIFIKASI"]
    assert (kept.case.life.state, kept.status().source_ref, kept.status().reported_at) == ("held", "5049672", MONDAY)
    assert clock.due_at == MONDAY.replace(day=9, hour=7, minute=0), "the third working day, 16:00 in Jayapura"
    assert clock.next_at == kept.case.next_due_at == MONDAY.replace(day=8, hour=7, minute=0)
    held = {item.code: item for item in kept.case.clocks}["TRIASE"]
    assert (held.started_at, held.due_at) == (hours(72), MONDAY.replace(day=10, hour=7, minute=30)), (
        "held since its record, Friday in Jayapura"
    )


def test_an_unprocessable_case_that_ended_before_its_report_was_read_stays_ended() -> None:
    kept = told(CASE_ID, [[unprocessable(CASE_ID), changed(CASE_ID, "closed", hours(4))], [received(CASE_ID)]]).sweep(LONG_AFTER)
    assert (kept.case.life.state, {clock.state for clock in kept.case.clocks}, kept.said()) == ("closed", {"stopped"}, [])


def test_an_unprocessable_case_that_proves_to_be_history_stops_its_clock_and_takes_back_what_fired() -> None:
    kept = told(CASE_ID, [[unprocessable(CASE_ID)]]).sweep(LONG_AFTER)
    kept.tell(received(CASE_ID, is_final=True), now=LONG_AFTER)
    assert (kept.status().state, {clock.state for clock in kept.status().clocks}) == ("history", {"stopped"})
    taken_back = Counter((item.code, item.level) for item in kept.said("rescinded"))
    assert taken_back == Counter((item.code, item.level) for item in kept.said(*FIRINGS))
    assert taken_back == Counter([("LAPOR_VERIFIKASI", level) for level in (-1, 0, 1, 2)] + [("TRIASE", level) for level in (0, 1, 2)])


def test_an_update_that_came_before_its_case_counts_from_its_own_instant() -> None:
    kept = told(CASE_ID, [[(updated(CASE_ID, "answered"), hours(2))]])
    assert kept.messages == []
    kept.tell(routed(CASE_ID, at=hours(1), reported_at=MONDAY), now=hours(9)).tell(received(CASE_ID), now=hours(9))
    assert (next(iter(kept.case.life.assignments.values())).state, next(iter(kept.case.life.assignments.values())).since) == (
        "answered",
        hours(2),
    )
    assert kept.case.parked == []


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (updated(CASE_ID, "answered", "ahu"), "ahu has no such assignment of this complaint"),
        (updated(CASE_ID, "answered", assignment_id=UUID(int=7)), "imigrasi has no such assignment of this complaint"),
        (updated(CASE_ID, "answered", "ahu", assignment_id=assignment_id(CASE_ID, 0, 0)), "ahu has no such assignment of this complaint"),
        (updated(CASE_ID, "extended"), "no period of this case can be extended"),
        (updated(CASE_ID, "verified"), "verified is an administrator's to say"),
    ],
)
def test_what_a_case_never_could_take_is_refused_in_words(update: object, words: str) -> None:
    kept = assigned().tell((update, hours(1)))  # type: ignore[arg-type]
    (refusal,) = kept.refuse(LONG_AFTER)
    assert (refusal.kind, refusal.to, refusal.unit) == ("update_refused", (update.unit,), update.unit)  # type: ignore[attr-defined]
    assert refusal.why == f"update {update.update_id}: {words}"  # type: ignore[attr-defined]
    assert kept.case.life.state == "assigned"


def test_a_unit_that_does_not_own_the_case_learns_nothing_of_it() -> None:
    kept = assigned().tell((updated(CASE_ID, "answered", "ahu", assignment_id=assignment_id(CASE_ID, 0, 0)), hours(1)))
    (refusal,) = kept.refuse(LONG_AFTER)
    assert (refusal.source, refusal.source_ref, refusal.desk, refusal.code, refusal.due_at) == (None, None, None, None, None)
    assert "imigrasi" not in refusal.to_json().decode() and "5049672" not in refusal.to_json().decode()


def test_an_update_of_an_ended_case_is_refused_and_one_of_no_case_too() -> None:
    ended = assigned().tell(changed(CASE_ID, "withdrawn", hours(3))).tell((updated(CASE_ID, "answered"), hours(4)))
    (refusal,) = ended.refuse(LONG_AFTER)
    assert (refusal.why or "").endswith("the case had ended: withdrawn") and refusal.source_ref == "5049672"
    (refusal,) = told(CASE_ID, [[(updated(CASE_ID, "answered"), hours(4))]]).refuse(LONG_AFTER)
    assert (refusal.why or "").endswith("no complaint of this id is known")
    assert (refusal.sequence, refusal.source) == (None, None)


def test_a_unit_with_several_assignments_must_name_the_one_it_means() -> None:
    kept = assigned("imigrasi", "imigrasi/kanim:kupang").tell((updated(CASE_ID, "answered"), hours(1)))
    (refusal,) = kept.refuse(LONG_AFTER)
    assert (refusal.why or "").endswith("imigrasi has several assignments of this complaint; name one in assignment_id")
    kept.tell((updated(CASE_ID, "answered", assignment_id=assignment_id(CASE_ID, 0, 1)), hours(1)))
    assert [item.state for item in list(kept.case.life.assignments.values())] == ["assigned", "answered"]


def test_an_overdue_matter_is_told_to_the_unit_and_to_the_admin_of_the_ministry() -> None:
    kept = assigned().sweep(LONG_AFTER)
    first, verification = fired(kept, "LAPOR_TINDAK_LANJUT"), fired(kept, "LAPOR_VERIFIKASI")
    assert [item.to for item in first[:3]] == [("imigrasi",), ("imigrasi",), ("imigrasi", "admin_instansi")]
    assert [item.to for item in first[3:]] == [("imigrasi",), ("imigrasi", "admin_instansi")]
    assert [item.to for item in verification] == [("triage",), ("triage",), ("triage", "admin_instansi"), ("admin_instansi",)]
    assert topics_of(kept) == {"imigrasi", "setjen", "triage"}
    held = told(CASE_ID, [decided(CASE_ID, "triage")]).sweep(LONG_AFTER)
    assert [item.to for item in fired(held, "TRIASE")] == [("triage",), ("triage", "admin_instansi"), ("admin_instansi",)]
    assert topics_of(held) == {"setjen", "triage"}


def test_of_an_oversight_matter_only_the_inspectorate_hears() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, "itjen", "imigrasi", is_oversight=True)]]).sweep(LONG_AFTER)
    kept.tell(changed(CASE_ID, "withdrawn", hours(1)), now=LONG_AFTER)
    assert {item.kind for item in kept.said()} == {*FIRINGS, "rescinded", "closed"}
    assert {item.to for item in kept.said()} == {("itjen",)}
    assert topics_of(kept) == {"itjen"}


def test_events_of_a_case_are_numbered_by_one_and_each_addressee_gets_the_same_event() -> None:
    kept = assigned("imigrasi", "ahu").sweep(LONG_AFTER)
    assert kept.sequences() == list(range(1, len(kept.sequences()) + 1))
    ids = [dict(message.headers)["ce_id"] for message in kept.messages if message.topic == TOPICS.follow_ups("setjen")]
    told_there = [item for item in kept.said() if "admin_instansi" in item.to]
    assert len(ids) == len(set(ids)) == len(told_there) == 8, (
        "of each assignment two of three and one of two ladders, and the verification's"
    )
    elsewhere = [dict(message.headers)["ce_id"] for message in kept.messages if message.topic != TOPICS.follow_ups("setjen")]
    assert len(set(ids) & set(elsewhere)) == 7, "all but the verification's last, which is admin instansi's alone"


def test_what_a_unit_writes_as_outcome_goes_on_only_as_a_code() -> None:
    """An outcome is a code; free text there could hold anything, a reporter's name too, and be of any length."""
    kept = assigned().tell((updated(CASE_ID, "answered", outcome="Selesai, NIK 5371014101900001 " * 10_000), hours(1)))
    (answer,) = kept.status().answers
    assert answer.outcome is None
    assert kept.tell((updated(CASE_ID, "answered", outcome="bukan_wewenang"), hours(2))).status().answers[1].outcome == "bukan_wewenang"
