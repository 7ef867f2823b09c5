"""The life of a case: who may say what, when, what follows from it, and in which words the rest is refused."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.notifier import domain
from services.notifier.clocks import Clockwork
from services.notifier.life import Life
from tests.cases import CASE_ID, LEAD_ID, LONG_AFTER, admin_says, assigned, by_http, clock, clocks, ordered, part_id, refusal, says, states
from tests.facts import changed, decided, hours, received, routed, updated
from tests.memory import CLOCKWORK, KeptCase, Told, told

OPEN = ("assigned", "accepted")
# What a unit may say in which states of its own assignment.
LEGAL = {
    "accepted": OPEN,
    "followed_up": OPEN,
    "answered": (*OPEN, "answered"),
    "refused": (*OPEN, "answered"),
    "returned": OPEN,
    "need_info": OPEN,
    "resumed": OPEN,
    "extended": OPEN,
    "closed": ("answered",),
}
STATES = ("assigned", "accepted", "answered", "returned", "replaced", "closed")
FIELDS: dict[str, dict[str, Any]] = {"extended": {"reason": "menunggu arsip"}, "returned": {"reason": "bukan"}}


def in_state(state: str, *, is_paused: bool = False) -> KeptCase:
    """Two units have the case, so that it goes on whatever one of them does; the first one's assignment is in this state."""
    kept = assigned("imigrasi", "ahu", source="ppid", service="ppid_permohonan")
    if state == "replaced":
        kept.tell(ordered(1, unit="ham")).tell(*decided(CASE_ID, "ham", decision=1, at=hours(2), decided_by="human", source="ppid"))
    elif state == "closed":
        kept.tell(says("imigrasi", "answered", 1)).tell(says("imigrasi", "closed", 2))
    elif state != "assigned":
        kept.tell(says("imigrasi", state, 1))
    if is_paused:
        kept.tell(admin_says("need_info", 3, reason="lampirkan bukti"))
    assert states(kept)["0/0"] == state
    return kept


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("status", LEGAL)
def test_a_unit_says_what_the_state_of_its_assignment_allows_and_is_refused_the_rest_in_words(status: str, state: str) -> None:
    kept = in_state(state, is_paused=status == "resumed")
    kept.tell(says("imigrasi", status, 5, assignment_id=part_id(), **FIELDS.get(status, {})))
    if state in LEGAL[status]:
        assert kept.case.parked == [] and kept.case.life.not_taken == {}
    else:
        before = kept.case.life.state
        assert refusal(kept) == f"{status} is not possible: the assignment is {state}"
        assert (kept.case.life.state, states(kept)["0/0"]) == (before, state)


@pytest.mark.parametrize("status", LEGAL)
def test_only_the_unit_that_has_the_assignment_speaks_of_it_by_either_door(status: str) -> None:
    for update in (
        says("ham", status, 1, **FIELDS.get(status, {})),
        says("ham", status, 1, assignment_id=part_id(), **FIELDS.get(status, {})),
        by_http("update", "unit:ham", 1, status=status, unit="ham", assignment_id=str(part_id()), reason="bukan", into=str(LEAD_ID)),
    ):
        assert refusal(assigned("imigrasi", "ahu").tell(update)) == "ham has no such assignment of this complaint"


@pytest.mark.parametrize("status", ["accepted", "followed_up", "answered", "refused", "returned", "extended"])
def test_an_administrator_does_not_speak_for_a_unit(status: str) -> None:
    assert refusal(assigned().tell(admin_says(status, 1, reason="x"))) == f"{status} is the assigned unit's to say"


def test_verified_is_an_administrators_to_say_and_once() -> None:
    assert refusal(assigned().tell(says("imigrasi", "verified", 1))) == "verified is an administrator's to say"
    kept = assigned().tell(admin_says("verified", 2))
    assert (clock(kept, "LAPOR_VERIFIKASI").state, clock(kept, "LAPOR_VERIFIKASI").stopped_at) == ("stopped", hours(2))
    assert refusal(kept.tell(admin_says("verified", 3))) == "the report is verified already"


@pytest.mark.parametrize("by", ["source", "human"])
def test_a_disposition_by_a_person_counts_as_verified_and_the_routers_decision_does_not(by: str) -> None:
    kept = told(CASE_ID, [[received(CASE_ID), routed(CASE_ID, decided_by=by, at=hours(3), reported_at=hours(0))]])
    assert clock(kept, "LAPOR_VERIFIKASI").stopped_at == hours(3)
    assert clock(assigned(), "LAPOR_VERIFIKASI").state == "running"


def test_a_source_that_has_verified_the_report_or_disposed_of_it_stops_the_verification() -> None:
    assert clock(assigned().tell(changed(CASE_ID, "flags", hours(4), source_state="verified")), "LAPOR_VERIFIKASI").stopped_at == hours(4)
    assert clock(assigned().tell(changed(CASE_ID, "redisposed", hours(5))), "LAPOR_VERIFIKASI").stopped_at == hours(5)
    before = told(CASE_ID, [[received(CASE_ID, source_state="verified"), routed(CASE_ID)]])
    assert clock(before, "LAPOR_VERIFIKASI").state == "stopped"


def test_what_units_and_administrators_say_comes_to_the_same_by_either_door() -> None:
    by_kafka = assigned().tell(says("imigrasi", "answered", 4, outcome="selesai", update_id="u-1"))
    body = {"status": "answered", "unit": "imigrasi", "assignment_id": None, "outcome": "selesai"}
    change = changed(CASE_ID, "update", hours(4), by="unit:imigrasi", change_id="u-1", fields=body)
    by_door = assigned().tell(change)
    assert by_kafka.ending() == by_door.ending()
    assert by_kafka.tell(change).ending() == by_door.ending(), "the same update by the other door is a repeat"


# --- pause and resume, extension


@pytest.mark.parametrize("ask", [says("imigrasi", "need_info", 2, note="KTP?"), admin_says("need_info", 2, note="KTP?")])
@pytest.mark.parametrize("go_on", [says("imigrasi", "resumed", 9), admin_says("resumed", 9), changed(CASE_ID, "completed", hours(9))])
def test_a_case_is_paused_while_the_reporter_is_asked_for_more(ask: Any, go_on: Any) -> None:
    kept = assigned("imigrasi", **{"class": "pengaduan"}).tell(ask)
    assert (kept.status().state, clock(kept, "LAPOR_TINDAK_LANJUT").state, clock(kept, "UU25_LENGKAPI").state) == (
        "paused",
        "paused",
        "running",
    )
    assert clock(kept, "UU25_TANGGAPAN").state == "stopped", "asking for more is a response"
    kept.tell(go_on)
    assert (kept.status().state, clock(kept, "LAPOR_TINDAK_LANJUT").state, clock(kept, "UU25_LENGKAPI").state) == (
        "assigned",
        "running",
        "stopped",
    )
    assert kept.case.life.pauses == [(hours(2), hours(9))]


def test_a_source_pauses_and_resumes_by_its_status() -> None:
    kept = assigned().tell(changed(CASE_ID, "flags", hours(2), source_state="paused"))
    assert kept.status().state == "paused"
    assert kept.tell(changed(CASE_ID, "flags", hours(9), source_state="open")).status().state == "assigned"
    assert told(CASE_ID, [[received(CASE_ID, source_state="paused"), routed(CASE_ID)]]).status().state == "paused"


def test_a_case_that_everybody_has_answered_is_not_paused() -> None:
    """Nothing would end the pause: a reply takes the case up again, and its clocks must run then."""
    answered = assigned().tell(says("imigrasi", "answered", 2))
    assert refusal(answered.tell(admin_says("need_info", 3))) == "everybody has answered"
    answered.tell(changed(CASE_ID, "flags", hours(4), source_state="paused")).tell(changed(CASE_ID, "replied", hours(5)))
    assert [item.state for item in clocks(answered, "LAPOR_TINDAK_LANJUT")] == ["stopped", "running"]


def test_asking_twice_and_resuming_what_is_not_paused_are_refused() -> None:
    kept = assigned().tell(says("imigrasi", "need_info", 2)).tell(admin_says("need_info", 3))
    assert refusal(kept) == "the reporter has been asked already"
    assert refusal(assigned().tell(says("imigrasi", "resumed", 2))) == "the case is not paused"


def test_an_answer_ends_the_pause_and_the_time_to_complete_the_file() -> None:
    kept = assigned("imigrasi", source="loket").tell(says("imigrasi", "need_info", 2)).tell(says("imigrasi", "answered", 9))
    assert (kept.status().state, clock(kept, "UU25_LENGKAPI").state, kept.case.life.pauses) == (
        "answered",
        "stopped",
        [(hours(2), hours(9))],
    )


def requested() -> KeptCase:
    return assigned("imigrasi", source="ppid", service="ppid_permohonan")


def test_a_period_is_extended_once_with_a_reason_before_it_is_over() -> None:
    kept = requested()
    deadline = clock(kept, "PPID_JAWAB").due_at
    kept.tell(says("imigrasi", "extended", deadline, reason="arsip di daerah"))
    assert clock(kept, "PPID_JAWAB").due_at == CLOCKWORK.calendar.shift(deadline, 7, CLOCKWORK.place(None, None)[0])
    later = says("imigrasi", "extended", deadline + timedelta(hours=1), reason="lagi")
    assert refusal(kept.tell(later)) == "the period was extended already; it can be once"


def test_an_extension_without_a_reason_too_late_or_of_nothing_is_refused() -> None:
    assert refusal(requested().tell(says("imigrasi", "extended", 5, reason=None))) == "extended needs its reason"
    late = clock(requested(), "PPID_JAWAB").due_at + timedelta(seconds=1)
    over = "the period was over; it can be extended only before its deadline"
    assert refusal(requested().tell(says("imigrasi", "extended", late, reason="arsip"))) == over
    assert refusal(assigned().tell(says("imigrasi", "extended", 5, reason="arsip"))) == "no period of this case can be extended"


# --- returns and orders


def test_a_return_stops_the_units_clocks_and_asks_the_router_in_the_same_transaction() -> None:
    kept = assigned("imigrasi", "ahu").tell(says("imigrasi", "returned", 2, reason="bukan wewenang", suggested_unit="ham"))
    assert states(kept) == {"0/0": "returned", "0/1": "assigned"}
    own = [item for item in kept.case.clocks if item.subject == str(part_id())]
    assert [(item.state, item.stopped_at) for item in own] == [("stopped", hours(2))] * len(own)
    assert clock(kept, "REROUTE_PENDING").due_at == hours(3)
    (request,) = kept.requests()
    assert (request.decision, request.replaces, request.cause, request.by) == (1, ("0/0",), "returned", "unit:imigrasi")
    assert (request.reason, request.refused_units, request.holding_units, request.transfers) == (
        "bukan wewenang (suggested: ham)", ("imigrasi",), ("ahu",), 1,
    )  # fmt: skip
    assert (request.title, request.order) == ("Paspor belum jadi", None)


def test_the_next_decision_ends_the_wait_and_each_return_travels_with_all_that_refused() -> None:
    kept = assigned("imigrasi")
    for number, unit in enumerate(("imigrasi", "ahu", "ham")):
        kept.tell(says(unit, "returned", 10 * number + 2, reason="bukan")).tell(says(unit, "returned", 10 * number + 3, update_id="again"))
        assert kept.status().state == "held" and not kept.case.life.in_state("assigned")
        following = ("ahu", "ham", "triage")[number]
        kept.tell(*decided(CASE_ID, following, decision=number + 1, at=hours(10 * number + 4), transfers=number + 1))
    assert [(item.decision, item.transfers, item.refused_units) for item in kept.requests()] == [
        (1, 1, ("imigrasi",)), (2, 2, ("imigrasi", "ahu")), (3, 3, ("imigrasi", "ahu", "ham")),
    ]  # fmt: skip
    assert [(item.state, item.stopped_at) for item in clocks(kept, "REROUTE_PENDING")] == [("stopped", hours(10 * n + 4)) for n in range(3)]
    assert [item.occurrence for item in clocks(kept, "REROUTE_PENDING")] == [1, 2, 3]
    assert (kept.status().waiting_parts, clock(kept, "TRIASE").state) == (("3/0",), "running")


def test_a_handed_over_assignment_starts_its_own_clocks_and_the_whole_cases_carry_on() -> None:
    kept = assigned("imigrasi", **{"class": "pengaduan"})
    overall = clock(kept, "UU25_TANGGAPAN").due_at
    kept.tell(says("imigrasi", "returned", 50)).tell(routed(CASE_ID, "ahu", decision=1, at=hours(51)))
    assert clock(kept, "UU25_TANGGAPAN").due_at == overall
    first, second = clocks(kept, "LAPOR_TINDAK_LANJUT")
    assert (first.state, second.state, second.started_at) == ("stopped", "running", hours(51))


def test_an_order_asks_the_router_and_the_unit_that_had_it_is_told_once_it_is_replaced() -> None:
    kept = assigned("imigrasi", "ahu").tell(ordered(2, unit="ham"))
    assert states(kept) == {"0/0": "assigned", "0/1": "assigned"}, "until the router has carried it out"
    (request,) = kept.requests()
    assert (request.cause, request.by, request.replaces, request.order and request.order.unit) == ("ordered", "triage", ("0/0",), "ham")
    assert request.holding_units == ("ahu",)
    kept.tell(*decided(CASE_ID, "ham", decision=1, at=hours(3), decided_by="human"))
    assert states(kept) == {"0/0": "replaced", "0/1": "assigned", "1/0": "assigned"}
    assert [(item.kind, item.to) for item in kept.said("replaced")] == [("replaced", ("imigrasi",))]
    assert clock(kept, "REROUTE_PENDING").stopped_at == hours(3)


def test_a_second_order_for_a_part_is_refused_while_the_first_is_carried_out_and_after() -> None:
    kept = assigned().tell(ordered(2, unit="ham")).tell(ordered(3, unit="ahu"))
    assert refusal(kept) == "another order for part 0/0 is being carried out"
    kept.tell(routed(CASE_ID, "ham", decision=1, at=hours(4))).tell(ordered(5, unit="ahu"))
    assert refusal(kept) == "part 0/0 was decided anew already"
    assert len(kept.requests()) == 1
    assert len(kept.tell(ordered(6, "1/0", unit="ahu")).requests()) == 2, "the part that took its place can be ordered on"


@pytest.mark.parametrize(
    ("before", "order", "words"),
    [
        ([], ordered(5, "0/7", unit="ham"), "there is no part 0/7"),
        ([], by_http("decision", "triage", 5, replaces=[], order={"unit": "ham"}), "replaces names no part"),
        ([says("imigrasi", "answered", 2)], ordered(5, unit="ham"), "part 0/0 is answered"),
        ([changed(CASE_ID, "withdrawn", hours(2))], ordered(5, unit="ham"), "the case had ended: withdrawn"),
        ([admin_says("merged", 2, into=str(LEAD_ID))], ordered(5, unit="ham"), f"the case was merged into {LEAD_ID}; decide there"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused_at_the_triage_desk(before: list[Any], order: Any, words: str) -> None:
    kept = assigned("imigrasi", "ahu")
    for fact in before:
        kept.tell(fact)
    kept.tell(order)
    (refused,) = kept.refuse(LONG_AFTER)
    assert (refused.kind, refused.to, refused.why) == ("update_refused", ("triage",), f"order {order.change_id}: {words}")
    assert kept.requests() == []


@pytest.mark.parametrize("decided_at", [4, 6])  # before or after the order is carried out
def test_an_order_overtakes_the_return_that_still_waits(decided_at: int) -> None:
    kept = assigned().tell(says("imigrasi", "returned", 2)).tell(ordered(3, unit="ham"))
    assert [(item.decision, item.cause) for item in kept.requests()] == [(1, "returned"), (2, "ordered")]
    by_order = decided(CASE_ID, "ham", decision=2, at=hours(5), decided_by="human")
    by_return = decided(CASE_ID, "ahu", decision=1, at=hours(decided_at))
    endings = []
    for answers in ((by_return, by_order), (by_order, by_return)):
        kept = assigned().tell(says("imigrasi", "returned", 2)).tell(ordered(3, unit="ham")).tell(*answers[0]).tell(*answers[1])
        assert states(kept) == {"0/0": "returned", "1/0": "replaced", "2/0": "assigned"}
        assert kept.case.life.pending == {} and [item.to for item in kept.said("replaced")] == [("ahu",)]
        endings.append(kept.ending())
    assert endings[0] == endings[1]


@pytest.mark.parametrize(("fields", "asks"), [({"text": "Paspor saya hilang."}, 1), ({"category": "paspor"}, 0)])
def test_new_words_ask_for_another_decision_and_other_edits_do_not(fields: dict[str, Any], asks: int) -> None:
    kept = assigned().tell(changed(CASE_ID, "edited", hours(2), fields=fields))
    assert [item.cause for item in kept.requests()] == ["edited"] * asks


def test_an_edit_does_not_take_the_case_from_a_unit_that_accepted_it_or_was_given_it_by_a_person() -> None:
    edit = changed(CASE_ID, "edited", hours(5), fields={"text": "Paspor saya hilang."})
    assert assigned().tell(says("imigrasi", "accepted", 2)).tell(edit).requests() == []
    assert told(CASE_ID, [[received(CASE_ID), routed(CASE_ID, decided_by="human")], [edit]]).requests() == []
    both = assigned("imigrasi", "ahu").tell(says("imigrasi", "accepted", 2)).tell(edit)
    assert [item.replaces for item in both.requests()] == [("0/1",)]


def test_another_disposition_of_the_source_takes_every_part_that_nobody_has_answered() -> None:
    kept = assigned("imigrasi", "ahu", "triage").tell(says("imigrasi", "answered", 2), says("ahu", "accepted", 2))
    kept.tell(changed(CASE_ID, "redisposed", hours(5)))
    assert [(item.cause, item.replaces) for item in kept.requests()] == [("redisposed", ("0/1", "0/2"))]


def test_an_edit_from_before_the_first_decision_was_read_waits_for_it() -> None:
    edit = changed(CASE_ID, "edited", hours(1), fields={"text": "Paspor saya hilang."})
    kept = told(CASE_ID, [[received(CASE_ID)], [edit]])
    assert kept.requests() == [] and len(kept.case.parked) == 1
    kept.tell(routed(CASE_ID, at=hours(2), reported_at=hours(0)))
    assert [(item.cause, item.decision) for item in kept.requests()] == [("edited", 1)] and kept.case.parked == []


def test_another_disposition_waits_for_every_part_of_the_first_decision() -> None:
    parts = decided(CASE_ID, "imigrasi", "ahu")
    kept = told(CASE_ID, [[received(CASE_ID), parts[1]], [changed(CASE_ID, "redisposed", hours(5))]])
    assert kept.requests() == [] and len(kept.case.parked) == 1
    assert [item.replaces for item in kept.tell(parts[0]).requests()] == [("0/0", "0/1")]


# --- held, proposed


def test_a_held_part_runs_its_clock_until_a_person_places_it() -> None:
    kept = assigned("triage")
    assert (kept.status().state, kept.status().waiting_parts, clock(kept, "TRIASE").state) == ("held", ("0/0",), "running")
    kept.tell(ordered(2, unit="ham")).tell(*decided(CASE_ID, "ham", decision=1, at=hours(3), decided_by="human"))
    assert (kept.status().state, kept.status().waiting_parts) == ("assigned", ())
    assert clock(kept, "TRIASE").stopped_at == hours(3) and clock(kept, "LAPOR_VERIFIKASI").stopped_at == hours(3)


def test_a_proposed_transfer_waits_for_a_yes_and_one_that_is_settled_ends_the_waiting() -> None:
    kept = assigned("other_agency")
    assert (kept.status().state, kept.case.is_open, clock(kept, "USUL_ALIH").state) == ("transferred", True, "running")
    kept.tell(ordered(2, agency="Kementerian Agama")).tell(*decided(CASE_ID, "other_agency", decision=1, at=hours(3), decided_by="human"))
    assert (kept.status().state, kept.case.is_open, clock(kept, "USUL_ALIH").stopped_at) == ("transferred", False, hours(3))
    assert [item.state for item in kept.case.clocks] == ["stopped"] * len(kept.case.clocks)


def test_a_proposal_that_is_placed_with_a_unit_instead_is_an_ordinary_case() -> None:
    kept = assigned("other_agency").tell(ordered(2, unit="ham")).tell(*decided(CASE_ID, "ham", decision=1, at=hours(3), decided_by="human"))
    assert (kept.status().state, clock(kept, "USUL_ALIH").state, kept.case.life.first_outcome) == ("assigned", "stopped", "transferred")


# --- after the answer


def reply_limit(kept: KeptCase) -> datetime:
    return clock(kept, "LAPOR_TANGGAPAN_PELAPOR").due_at


def test_a_reply_in_time_takes_the_case_up_again_as_a_new_occurrence() -> None:
    kept = assigned().tell(says("imigrasi", "answered", 2))
    limit = reply_limit(kept)
    kept.tell(changed(CASE_ID, "replied", limit), now=limit)
    assert (kept.status().state, states(kept)) == ("accepted", {"0/0": "accepted"})
    first, second = clocks(kept, "LAPOR_TINDAK_LANJUT")
    assert (first.occurrence, first.state, second.occurrence, second.state, second.started_at) == (1, "stopped", 2, "running", limit)
    assert [(item.kind, item.to, item.why) for item in kept.said("reopened")] == [("reopened", ("imigrasi",), "the reporter replied")]
    kept.tell(says("imigrasi", "answered", limit + timedelta(hours=1)), now=limit)
    assert [item.occurrence for item in clocks(kept, "LAPOR_TANGGAPAN_PELAPOR")] == [1, 2]


def test_a_late_reply_is_noted_and_told_and_changes_nothing() -> None:
    kept = assigned().tell(says("imigrasi", "answered", 2))
    late = reply_limit(kept) + timedelta(seconds=1)
    kept.tell(changed(CASE_ID, "replied", late), now=late)
    assert (kept.status().state, kept.said("reopened"), len(clocks(kept, "LAPOR_TINDAK_LANJUT"))) == ("answered", [], 1)
    ((kind, to, why),) = [(item.kind, item.to, item.why) for item in kept.said()]
    assert (kind, to) == ("closed", ("imigrasi",)) and "replied after the time" in (why or "")
    assert kept.status().timeline[-1].what == "replied by source"


def test_a_reply_before_the_answer_is_only_noted() -> None:
    kept = assigned().tell(changed(CASE_ID, "replied", hours(1))).tell(says("imigrasi", "answered", 2))
    assert (kept.status().state, kept.said()) == ("answered", [])


def test_a_reply_after_a_case_closed_is_told_and_leaves_it_closed() -> None:
    kept = assigned().tell(says("imigrasi", "answered", 2)).tell(changed(CASE_ID, "closed", hours(3)))
    kept.tell(changed(CASE_ID, "replied", hours(4)))
    assert (kept.status().state, [item.kind for item in kept.said()]) == ("closed", ["closed", "closed"])


def test_the_source_takes_up_a_closed_case_again_with_the_units_that_had_it() -> None:
    kept = assigned("imigrasi", "ahu").tell(says("imigrasi", "answered", 2)).tell(changed(CASE_ID, "closed", hours(3)))
    assert states(kept) == {"0/0": "closed", "0/1": "closed"}
    kept.tell(changed(CASE_ID, "reopened", hours(8)))
    assert (kept.status().state, states(kept)) == ("accepted", {"0/0": "accepted", "0/1": "accepted"})
    assert {item.to for item in kept.said("reopened")} == {("imigrasi",), ("ahu",)}
    running = [item for item in clocks(kept, "LAPOR_TINDAK_LANJUT") if item.state == "running"]
    assert [(item.occurrence, item.started_at) for item in running] == [(2, hours(8)), (2, hours(8))]


def test_a_reopened_case_that_nobody_has_is_asked_of_the_router() -> None:
    kept = told(CASE_ID, [[received(CASE_ID, is_final=True, source_status="Selesai")]])
    assert (kept.status().state, kept.case.clocks) == ("history", [])
    kept.tell(changed(CASE_ID, "reopened", hours(8)))
    assert [(item.cause, item.replaces, item.is_final) for item in kept.requests()] == [("edited", (), False)]
    assert (kept.status().state, clock(kept, "REROUTE_PENDING").state) == ("held", "running")
    kept.tell(routed(CASE_ID, "ahu", decision=1, at=hours(9)))
    assert (kept.status().state, clock(kept, "REROUTE_PENDING").state, kept.case.has_owner) == ("assigned", "stopped", True)


def test_a_report_that_was_another_agencys_and_is_reopened_has_its_whole_period_again() -> None:
    gone = decided(CASE_ID, "other_agency", at=hours(1), source="loket", is_oversight=True)
    kept = told(CASE_ID, [[received(CASE_ID, source="loket"), *gone]])
    assert (kept.status().state, clock(kept, "LAPOR_VERIFIKASI").state) == ("transferred", "stopped")
    kept.tell(changed(CASE_ID, "reopened", hours(30)))
    first, second = clocks(kept, "LAPOR_VERIFIKASI")
    assert (first.state, second.state, second.started_at) == ("stopped", "running", hours(30))
    assert second.due_at > first.due_at


def test_history_takes_nothing_from_a_unit_and_runs_no_clock() -> None:
    kept = told(CASE_ID, [[received(CASE_ID, is_final=True), routed(CASE_ID)], [says("imigrasi", "answered", 2)]])
    assert refusal(kept) == "the report was finished at its source before it came in"
    assert (kept.status().state, kept.case.clocks, states(kept)) == ("history", [], {"0/0": "closed"})


# --- the end


@pytest.mark.parametrize("who", ["unit", "admin"])
def test_a_case_that_was_answered_is_closed_by_its_unit_or_an_administrator_but_not_one_of_lapor(who: str) -> None:
    closing = says("imigrasi", "closed", 5, outcome="selesai") if who == "unit" else admin_says("closed", 5)
    kept = assigned(source="loket").tell(says("imigrasi", "answered", 2)).tell(closing)
    assert (kept.status().state, kept.case.life.ended_by) == ("closed", "unit:imigrasi" if who == "unit" else "admin")
    of_lapor = assigned().tell(says("imigrasi", "answered", 2)).tell(closing)
    assert refusal(of_lapor) == "LAPOR! itself closes its reports; the closing comes as a change"


def test_an_administrator_closes_only_what_everybody_has_answered() -> None:
    kept = assigned("imigrasi", "ahu", source="loket").tell(says("imigrasi", "answered", 2)).tell(admin_says("closed", 5))
    assert refusal(kept) == "not everybody has answered"


def test_one_units_closing_leaves_the_case_to_the_others() -> None:
    kept = assigned("imigrasi", "ahu", source="loket").tell(says("imigrasi", "answered", 2)).tell(says("imigrasi", "closed", 3))
    assert (kept.status().state, states(kept)) == ("accepted", {"0/0": "closed", "0/1": "assigned"})
    assert kept.said() == [], "a unit that closes its own part is not told of it"
    kept.tell(says("ahu", "answered", 4)).tell(says("ahu", "closed", 5))
    assert kept.status().state == "closed"


def test_a_units_closing_does_not_close_a_case_that_waits_for_another_decision() -> None:
    kept = assigned("imigrasi", "ahu", source="loket").tell(says("ahu", "returned", 1)).tell(says("imigrasi", "answered", 2))
    kept.tell(says("imigrasi", "closed", 3)).tell(routed(CASE_ID, "ham", decision=1, at=hours(4), source="loket"))
    assert (kept.status().state, states(kept)) == ("accepted", {"0/0": "closed", "0/1": "returned", "1/0": "assigned"})


def test_declining_is_an_answer_in_law() -> None:
    kept = requested().tell(says("imigrasi", "refused", 2, reason="informasi dikecualikan"))
    assert (kept.status().state, kept.status().answers[0].outcome, clock(kept, "PPID_JAWAB").state) == ("answered", "refused", "stopped")


def test_nobody_speaks_of_a_case_that_the_reporter_withdrew() -> None:
    for update in (says("imigrasi", "accepted", 5), admin_says("verified", 5), says("imigrasi", "need_info", 5)):
        kept = assigned().tell(changed(CASE_ID, "withdrawn", hours(3))).tell(update)
        assert refusal(kept) == "the case had ended: withdrawn"
        assert [(item.kind, item.to) for item in kept.said("closed")] == [("closed", ("imigrasi",))]


def test_no_unit_withdraws_or_replies_for_the_reporter() -> None:
    for status in ("withdrawn", "replied"):
        with pytest.raises(ValueError, match="fields of an update"):
            assigned().tell(by_http("update", "unit:imigrasi", 2, status=status, unit="imigrasi"))


# --- merging


def merged_case(**report: Any) -> KeptCase:
    return assigned("imigrasi", "ahu", **report).tell(admin_says("merged", 2, into=str(LEAD_ID)))


def test_a_unit_merges_what_it_alone_has_and_an_administrator_anything() -> None:
    merging = says("imigrasi", "merged", 2, into=LEAD_ID)
    assert assigned("imigrasi").tell(merging).case.life.merged_into == LEAD_ID
    theirs = "others have a part of this complaint; only an administrator can merge it"
    for others in (("imigrasi", "ahu"), ("imigrasi", "triage")):
        assert refusal(assigned(*others).tell(merging)) == theirs
        assert assigned(*others).tell(admin_says("merged", 2, into=str(LEAD_ID))).case.life.merged_into == LEAD_ID
    itself = says("imigrasi", "merged", 2, into=CASE_ID)
    assert refusal(assigned("imigrasi").tell(itself)) == "a complaint cannot be merged into itself"


def test_a_reply_to_the_answer_of_the_case_it_was_merged_into_makes_it_a_case_of_its_own() -> None:
    kept = assigned("imigrasi", source="halo_kumham").tell(admin_says("merged", 2, into=str(LEAD_ID)))
    pass_on(kept, *lead(of_lead(says("imigrasi", "answered", 48))))
    assert kept.case.life.state == "answered" and kept.case.is_watched
    kept.tell(changed(CASE_ID, "replied", hours(60)))
    assert (kept.case.life.state, kept.case.life.merged_into) == ("accepted", None)
    assert "LAPOR_TINDAK_LANJUT" in {item.code for item in kept.case.clocks if item.next_at is not None}


def test_a_merged_case_closes_by_silence_after_its_lead_was_answered_also_where_it_was_held() -> None:
    for destination in ("imigrasi", "triage"):
        kept = assigned(destination, source="halo_kumham").tell(admin_says("merged", 2, into=str(LEAD_ID)))
        pass_on(kept, *lead(of_lead(says("imigrasi", "answered", 48))))
        assert kept.sweep(LONG_AFTER).case.life.state == "closed", destination


def test_a_lead_that_goes_to_another_agency_or_ends_after_an_interim_answer_lets_its_cases_go() -> None:
    interim = by_http("update", "unit:imigrasi", 5, status="followed_up", unit="imigrasi")
    of_the_lead = interim.model_copy(update={"complaint_id": LEAD_ID, "answer_id": UUID(int=7)})
    report = received(LEAD_ID, source="ppid")
    gone = decided(LEAD_ID, "other_agency", at=hours(9), source="ppid")
    ends = [
        lead(of_the_lead, changed(LEAD_ID, "withdrawn", hours(48))),
        (told(LEAD_ID, [[report]]).case.life, told(LEAD_ID, [[report, *gone]]).case.life),
    ]
    for before, after in ends:
        kept = assigned("imigrasi").tell(admin_says("merged", 2, into=str(LEAD_ID)))
        pass_on(kept, before, after)
        assert kept.case.life.merged_into is None


def test_a_merged_case_keeps_its_clocks_stays_silent_and_takes_no_more_words() -> None:
    kept = merged_case()
    assert (kept.status().state, kept.status().merged_into) == ("merged", LEAD_ID)
    assert "running" in {item.state for item in kept.case.clocks} and kept.case.next_due_at is None
    assert kept.sweep(LONG_AFTER).said() == []
    assert (kept.case.is_watched, kept.case.has_owner) == (True, True)
    assert refusal(kept.tell(says("imigrasi", "answered", 5))) == f"the case was merged into {LEAD_ID}; speak there"


def test_merging_into_what_cannot_lead_is_refused_in_its_own_words() -> None:
    assert refusal(assigned().tell(says("imigrasi", "merged", 2))) == "into names no complaint"
    kept = assigned().tell(says("imigrasi", "merged", 2, into=LEAD_ID), targets={LEAD_ID: "no such complaint is open"})
    assert refusal(kept) == "no such complaint is open"


def lead(*facts: Any) -> tuple[Life, Life]:
    """The life of the case merged into, before and after what it is told last."""
    kept = told(LEAD_ID, [[received(LEAD_ID), routed(LEAD_ID)]])
    for fact in facts[:-1]:
        kept.tell(fact)
    before = kept.case.life
    return before, kept.tell(facts[-1]).case.life


def of_lead(told_: Told) -> Told:
    return told_[0].model_copy(update={"complaint_id": LEAD_ID}), told_[1]


def pass_on(kept: KeptCase, before: Life, after: Life, clockwork: Clockwork = CLOCKWORK) -> None:
    fact = domain.passed_on(before, after, LEAD_ID, kept.case.id)
    assert fact is not None
    for _ in range(2):  # a second delivery changes nothing
        domain.learn(kept.case, [fact], kept.setting(hours(50)))
    kept.tell(now=hours(50))


def test_the_leads_answer_answers_every_part_of_a_merged_case_once() -> None:
    kept = merged_case()
    pass_on(kept, *lead(of_lead(says("imigrasi", "answered", 48, outcome="selesai"))))
    assert states(kept) == {"0/0": "answered", "0/1": "answered"}
    assert [(item.unit, item.outcome, item.at) for item in kept.case.life.answers] == [
        ("imigrasi", "selesai", hours(48)), ("ahu", "selesai", hours(48)),
    ]  # fmt: skip
    assert kept.case.life.answered_at == hours(48)


def test_a_merged_case_stands_by_itself_again_where_its_lead_ends_without_an_answer() -> None:
    kept = merged_case()
    ended = changed(LEAD_ID, "withdrawn", hours(48))
    pass_on(kept, *lead(ended))
    assert (kept.case.life.state, kept.case.life.merged_into) == ("assigned", None)
    kept.sweep(LONG_AFTER)
    assert {item.code for item in kept.said("due")} >= {"LAPOR_TINDAK_LANJUT"}, "its clocks speak again"
    assert kept.tell(says("imigrasi", "answered", 60), now=LONG_AFTER).case.parked == []


def test_what_happened_to_the_lead_before_the_merging_but_was_read_after_it_reaches_the_merged_case() -> None:
    for happened in (of_lead(says("imigrasi", "answered", 1)), changed(LEAD_ID, "withdrawn", hours(1))):
        kept = merged_case()
        pass_on(kept, *lead(happened))
        assert (kept.case.life.state, kept.case.life.merged_into) in (("answered", LEAD_ID), ("assigned", None))
        assert (kept.case.life.answered_at == hours(2)) is (kept.case.life.merged_into is not None), "at the merging"


def test_a_lead_passes_on_only_its_first_answer_or_an_end_without_one() -> None:
    assert domain.passed_on(*lead(of_lead(says("imigrasi", "accepted", 1))), LEAD_ID, CASE_ID) is None
    answered = of_lead(says("imigrasi", "answered", 1))
    assert domain.passed_on(*lead(answered, changed(LEAD_ID, "closed", hours(3))), LEAD_ID, CASE_ID) is None


def test_the_source_ends_a_merged_case_too() -> None:
    kept = merged_case().tell(changed(CASE_ID, "withdrawn", hours(9)))
    assert (kept.status().state, {item.state for item in kept.case.clocks}) == ("withdrawn", {"stopped"})


# --- several assignments


def test_a_case_waits_for_parts_that_were_decided_and_not_yet_read() -> None:
    parts = decided(CASE_ID, "imigrasi", "ahu")
    kept = told(CASE_ID, [[received(CASE_ID), parts[0]]]).tell(says("imigrasi", "answered", 2))
    assert (kept.status().state, clocks(kept, "LAPOR_TANGGAPAN_PELAPOR")) == ("accepted", [])
    kept.tell(parts[1]).tell(says("ahu", "answered", 5))
    assert (kept.status().state, kept.case.life.answered_at) == ("answered", hours(5))


def test_a_held_part_keeps_the_case_from_being_answered() -> None:
    kept = assigned("imigrasi", "triage").tell(says("imigrasi", "answered", 2))
    assert (kept.case.life.answered_at, kept.status().waiting_parts, clock(kept, "TRIASE").state) == (None, ("0/1",), "running")
    kept.tell(ordered(3, "0/1", unit="ham")).tell(*decided(CASE_ID, "ham", decision=1, at=hours(4), decided_by="human"))
    assert kept.tell(says("ham", "answered", 6)).case.life.answered_at == hours(6)


def test_each_assignment_has_clocks_of_its_own_from_its_first_part_on() -> None:
    parts = decided(CASE_ID, "imigrasi", "ahu")
    kept = told(CASE_ID, [[received(CASE_ID), parts[1]]])
    assert [item.subject for item in clocks(kept, "LAPOR_TINDAK_LANJUT")] == [str(part_id(0, 1))]
    kept.tell(parts[0]).tell(says("ahu", "followed_up", 3))
    by_subject = {item.subject: item.state for item in clocks(kept, "LAPOR_TINDAK_LANJUT")}
    assert by_subject == {str(part_id(0, 1)): "stopped", str(part_id(0, 0)): "running"}


def test_a_disclosure_is_kept_in_the_timeline_and_moves_nothing() -> None:
    kept = assigned("imigrasi/kanim:kupang")
    before = dict(kept.ending().items())
    kept.tell(by_http("disclosure", "desk:kanim:kupang", 3, purpose="verifikasi berkas", desk="kanim:kupang", unit="imigrasi"))
    assert kept.status().timeline[-1].what == "the unmasked report was shown to kanim:kupang: verifikasi berkas"
    assert kept.ending() == before


def test_a_part_given_after_the_answer_takes_the_case_up_again() -> None:
    kept = assigned("imigrasi").tell(says("imigrasi", "answered", 2)).tell(changed(CASE_ID, "redisposed", hours(3)))
    assert [item.replaces for item in kept.requests()] == [()], "an answered part is not taken from its unit"
    kept.tell(*decided(CASE_ID, "ahu", decision=1, at=hours(4), decided_by="source"))
    assert (kept.status().state, states(kept)) == ("accepted", {"0/0": "answered", "1/0": "assigned"})
    assert clock(kept, "LAPOR_TANGGAPAN_PELAPOR").stopped_at == hours(4)


def test_an_update_that_was_taken_and_proves_too_late_is_told_to_its_unit_once() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, "imigrasi")]])
    kept.tell((updated(CASE_ID, "answered", update_id="a-1"), hours(4)))
    kept.tell(changed(CASE_ID, "withdrawn", hours(3))).tell(changed(CASE_ID, "flags", hours(5)))
    refused = kept.said("update_refused")
    assert [(item.to, item.why) for item in refused] == [(("imigrasi",), "update a-1: the case had ended: withdrawn")]
    assert kept.case.life.state == "withdrawn"
