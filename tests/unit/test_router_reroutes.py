"""A second decision: orders are obeyed, refusals are respected, and what would only go in circles waits for a person."""

from typing import Any
from uuid import UUID

import pytest

from services.router.domain import Assign, Decision, Hold, Practice, Transfer, decide
from services.router.judgement import Judgement, Matter
from services.router.places import Place
from shared.events import Ranked, RerouteRequested
from shared.units import UNIT_SLUGS
from tests.unit.test_router_domain import (
    AT,
    CIPINANG,
    DIRECTORY,
    DUKCAPIL,
    IN_NTT,
    JUDGED,
    KUPANG,
    LABUAN_BAJO,
    NTT,
    disposed,
    judged,
    naming,
)

PRACTICE = Practice(threshold_of=lambda outcome: 0.9 if outcome == "other_agency" else 0.7, notice_of=lambda agency: f"Ke {agency}.")


def request(cause: str = "returned", **known: Any) -> RerouteRequested:
    return RerouteRequested.model_validate(
        {"complaint_id": UUID(int=1), "source": "lapor", "title": "", "text": "Paspor", "reported_at": AT, "accepted_at": AT}
        | {"is_anonymous": False, "is_confidential": False, "decision": 1, "replaces": ["0/0"], "cause": cause, "by": "unit:imigrasi"}
        | {"refused_units": ["imigrasi"] if cause == "returned" else [], "transfers": 1}
        | known
    )


def ordered(order: dict[str, Any] | None, **known: Any) -> dict[str, Any]:
    return {"cause": "ordered", "by": "triage", "reason": "Layanan apostille.", "order": order} | known


def ranked(**scores: float) -> Judgement:
    """With these scores; the first leads."""
    ranking = tuple(Ranked(unit=unit, score=score) for unit, score in scores.items())
    first = ranking[0]
    return judged(ranking=ranking, unit=first.unit, confidence=first.score, threshold=0.7)


def again(judgement: Judgement = JUDGED, *, was_oversight: bool = False, **known: Any) -> Decision:
    return decide(request(**known), judgement, DIRECTORY, PRACTICE, was_oversight=was_oversight)


LIKELY = ranked(imigrasi=0.8, ahu=0.15, ki=0.03)


def test_an_ordered_unit_gets_it_though_the_judge_says_otherwise_and_the_unit_refused() -> None:
    decision = again(judged(place=naming(KUPANG)), **ordered({"unit": "imigrasi"}, refused_units=["imigrasi"], transfers=9))
    assert decision.parts == (Assign("imigrasi", "kanim:kupang", (NTT,)),)
    assert decision.decided_by == "human"
    assert decision.reasons[0].kind == "human"
    assert decision.reasons[0].value == "ordered by triage: Layanan apostille."
    assert decision.suggestion is not None


def test_an_ordered_unit_gets_the_report_at_the_kanwil_of_the_place() -> None:
    assert again(**ordered({"unit": "ahu"}), **IN_NTT).parts == (Assign("ahu", NTT),)


def test_an_order_makes_one_part_even_where_several_offices_or_matters_are_named() -> None:
    judgement = judged(place=naming(LABUAN_BAJO, KUPANG), matters=(Matter("ki", 0.9),))
    assert [part.desk for part in again(judgement, **ordered({"unit": "imigrasi"})).parts if isinstance(part, Assign)] == [LABUAN_BAJO.desk]


def test_an_ordered_oversight_matter_goes_to_the_unit_without_desk_or_copies() -> None:
    for decision in (
        again(judged(is_oversight=True, place=naming(KUPANG)), **ordered({"unit": "imigrasi"}), **IN_NTT),
        again(judged(place=naming(KUPANG)), was_oversight=True, **ordered({"unit": "imigrasi"}), **IN_NTT),
    ):
        assert decision.parts == (Assign("imigrasi"),)
        assert decision.is_oversight
        assert decision.is_confidential


def test_an_order_to_another_agency_is_a_transfer_with_the_rule_set_s_notice() -> None:
    assert again(**ordered({"agency": "Kejaksaan"})).parts == (Transfer("Kejaksaan", "Ke Kejaksaan."),)
    without = decide(request(**ordered({"agency": "Kejaksaan"})), JUDGED, DIRECTORY)
    assert isinstance(without.parts[0], Transfer)
    assert "Kejaksaan" in without.parts[0].notice


def test_an_order_to_hold_holds_and_shows_no_text_of_oversight() -> None:
    decision = again(**ordered({"hold": True}))
    assert decision.parts == (Hold("ordered"),)
    assert not decision.withhold_text
    overseen = again(judged(oversight_in_doubt=True), **ordered({"hold": True}))
    assert overseen.withhold_text
    assert "apostille" not in overseen.reasons[0].value, "what a person wrote may quote what must not be seen"


@pytest.mark.parametrize(
    "order", [None, {}, {"hold": False}, {"unit": "ahu", "hold": True}, {"unit": "ahu", "agency": "BPN"}, {"agency": ""}]
)
def test_an_order_that_says_nothing_or_two_things_is_not_guessed_at(order: dict[str, Any] | None) -> None:
    decision = again(**ordered(order))
    assert decision.parts == (Hold("ordered"),)
    assert decision.decided_by == "human"
    assert any(reason.value.startswith("unclear order") for reason in decision.reasons)


def test_a_returned_report_goes_to_the_next_in_the_ranking_when_that_is_likely_enough_of_what_is_left() -> None:
    decision = again(LIKELY, **IN_NTT)
    assert decision.parts == (Assign("ahu", NTT),)
    assert decision.decided_by == "router"
    assert decision.confidence == pytest.approx(0.8333, abs=1e-4)
    assert [reason.value for reason in decision.reasons if reason.kind == "human"] == ["returned by unit:imigrasi"]
    assert decision.reasons[-1].value == "passed over: imigrasi"


def test_without_a_likely_next_a_person_decides_with_the_ranking_at_hand() -> None:
    judgement = ranked(imigrasi=0.8, ahu=0.1, ki=0.08)
    decision = again(judgement)
    assert decision.parts == (Hold("low_confidence"),)
    assert decision.ranking == judgement.ranking


def test_a_sliver_is_not_likely_however_little_else_is_left() -> None:
    assert again(ranked(imigrasi=0.99, ahu=0.009)).parts == (Hold("low_confidence"),)


def test_a_unit_that_holds_another_part_is_passed_over_too() -> None:
    assert again(ranked(imigrasi=0.4, pemasyarakatan=0.4, ahu=0.2), holding_units=["pemasyarakatan"]).parts == (Assign("ahu"),)


def test_after_a_refusal_another_agency_needs_its_own_threshold_and_a_name() -> None:
    likely, unlikely = {"imigrasi": 0.5, "other_agency": 0.48, "ki": 0.02}, {"imigrasi": 0.5, "other_agency": 0.4, "ki": 0.1}
    known = {"agency": "Dukcapil", "notice": "Ke Dukcapil."}
    assert again(judged(**(vars_of(ranked(**likely)) | known))).parts == (Transfer("Dukcapil", "Ke Dukcapil."),)
    assert again(judged(**(vars_of(ranked(**unlikely)) | known))).parts == (Hold("low_confidence"),)
    assert again(ranked(**likely)).parts == (Hold("low_confidence"),)


def vars_of(judgement: Judgement) -> dict[str, Any]:
    return {"ranking": judgement.ranking, "unit": judgement.unit, "confidence": judgement.confidence, "threshold": judgement.threshold}


def test_the_third_transfer_is_the_last_without_a_person() -> None:
    assert again(LIKELY, transfers=2).parts == (Assign("ahu"),)
    assert again(LIKELY, transfers=3).parts == (Hold("transfer_cap"),)


def test_a_report_that_would_only_go_in_circles_waits_for_the_triage_lead() -> None:
    sure = ranked(imigrasi=0.75, ahu=0.2, ki=0.02, pp=0.02)
    assert again(sure, refused_units=["imigrasi", "ahu"], transfers=2).parts == (Hold("transfer_cap"),)
    assert again(sure, holding_units=["ahu"]).parts == (Hold("transfer_cap"),)
    assert again(sure, cause="redisposed", holding_units=["ki"], **disposed("DJKI")).parts == (Hold("transfer_cap"),)


def test_when_all_have_refused_a_person_decides() -> None:
    assert again(LIKELY, refused_units=list(UNIT_SLUGS)).parts == (Hold("refused_by_all"),)


def test_oversight_found_at_a_second_look_goes_to_the_inspectorate_whatever_was_refused() -> None:
    assert again(judged(is_oversight=True, place=naming(KUPANG)), transfers=5).parts == (Assign("itjen"),)


@pytest.mark.parametrize(
    ("known", "why"), [({"refused_units": ["itjen"]}, "refused_by_all"), ({"holding_units": ["itjen"]}, "transfer_cap")]
)
def test_oversight_that_the_inspectorate_gave_back_or_has_already_is_held_without_its_text(known: dict[str, Any], why: Any) -> None:
    for decision in (again(judged(is_oversight=True), **known), again(was_oversight=True, **known)):
        assert decision.parts == (Hold(why),)
        assert decision.withhold_text
        assert decision.is_confidential


def test_what_was_oversight_once_stays_it_whatever_the_rules_say_now() -> None:
    decision = again(was_oversight=True, cause="edited", **IN_NTT)
    assert decision.parts == (Assign("itjen"),)
    assert decision.class_ == "pengaduan_pengawasan"
    assert "oversight: an earlier decision said so" in [reason.value for reason in decision.reasons]


def test_what_is_left_for_the_inspectorate_alone_is_oversight() -> None:
    decision = again(ranked(imigrasi=0.75, itjen=0.25))
    assert decision.parts == (Assign("itjen"),)
    assert decision.is_oversight
    assert decision.is_confidential


@pytest.mark.parametrize(("otherwise", "why"), [({"oversight_in_doubt": True}, "low_confidence"), ({"is_vague": True}, "vague")])
def test_doubt_is_doubt_at_the_second_look_too(otherwise: dict[str, Any], why: Any) -> None:
    decision = again(judged(**otherwise))
    assert decision.parts == (Hold(why),)
    assert decision.withhold_text is ("oversight_in_doubt" in otherwise)


def test_an_edited_report_is_judged_anew_with_all_its_matters_but_for_those_who_refused_or_have_theirs() -> None:
    judgement = judged(matters=(Matter("ki", 0.9), Matter("ahu", 0.9), Matter("pp", 0.9)))
    decision = again(judgement, cause="edited", by="source:lapor", refused_units=["ki"], holding_units=["ahu"])
    assert decision.parts == (Assign("imigrasi"), Assign("pp"))
    assert decision.reasons[0].kind == "rule"


def test_a_returned_part_is_replaced_by_one_matter_the_others_keep_theirs() -> None:
    judgement = judged(ranking=LIKELY.ranking, matters=(Matter("pp", 0.9),))
    assert again(judgement).parts == (Assign("ahu"),)


def test_a_new_disposition_is_followed_even_to_a_unit_that_refused_but_not_to_one_that_has_its_part() -> None:
    decision = again(
        cause="redisposed",
        by="source:lapor",
        refused_units=["imigrasi"],
        holding_units=["ahu"],
        transfers=4,
        **disposed("Imigrasi", "AHU", "DJKI"),
    )
    assert decision.parts == (Assign("imigrasi"), Assign("ki"))
    assert decision.decided_by == "source"


def test_an_old_disposition_stands_when_the_text_changes_but_not_when_its_unit_gave_the_report_back() -> None:
    assert again(cause="edited", **disposed("DJKI")).parts == (Assign("ki"),)
    returned = again(LIKELY, **disposed("Imigrasi"))
    assert (returned.parts, returned.decided_by) == ((Assign("ahu"),), "router")
    refused = again(LIKELY, cause="edited", refused_units=["imigrasi"], **disposed("Imigrasi"))
    assert (refused.parts, refused.decided_by) == ((Assign("ahu"),), "router")


def test_a_finished_report_is_history_even_under_an_order() -> None:
    assert again(**ordered({"unit": "ahu"}, is_final=True)).parts == ()


def test_an_expired_decision_is_taken_anew() -> None:
    decision = again(judged(**DUKCAPIL), cause="expired", by="notifier")
    assert decision.parts == (Transfer("Dukcapil", "Dukcapil berwenang."),)


def test_the_offices_of_the_next_unit_are_named_as_in_a_first_decision() -> None:
    judgement = judged(ranking=ranked(imigrasi=0.6, pemasyarakatan=0.4).ranking, place=Place(offices=(KUPANG, CIPINANG)))
    assert again(judgement).parts == (Assign("pemasyarakatan", "lapas:cipinang", ("kanwil:dki-jakarta",)),)
