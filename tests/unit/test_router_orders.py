"""A second decision: orders are obeyed, refusals are respected, and what would only go in circles waits for a person."""

from typing import Any
from uuid import UUID

import pytest

from services.router.decision import closed_by, unprocessable
from services.router.domain import Assign, Decision, Hold, Practice, Transfer, decide
from services.router.judgement import Judgement, Matter
from services.router.places import Place
from services.router.publication import LoggedDecision, events_of
from services.router.reading import Judged, Reader
from shared.envelope import enclose
from shared.events import Ranked, Reason, RerouteRequested
from shared.records import Record
from shared.topics import Topics
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


def test_after_a_refusal_nothing_goes_to_another_agency_without_a_person() -> None:
    likely = {"imigrasi": 0.5, "other_agency": 0.48, "ki": 0.02}
    known = {"agency": "Dukcapil", "notice": "Ke Dukcapil."}
    assert again(judged(**(vars_of(ranked(**likely)) | known))).parts == (Hold("low_confidence"),)
    assert again(ranked(**likely)).parts == (Hold("low_confidence"),)


def test_after_a_refusal_a_unit_that_has_left_is_another_agency_too() -> None:
    at_kemenkum = Practice("kemenkum", PRACTICE.threshold_of, PRACTICE.notice_of)
    back = request(refused_units=["ahu"], source="halo_kumham")
    assert decide(back, LIKELY, DIRECTORY, at_kemenkum).parts == (Hold("low_confidence"),)
    edited = request("edited", refused_units=["imigrasi"], source="halo_kumham")
    judgement = judged(**(vars_of(LIKELY) | {"matters": (Matter("pemasyarakatan", 0.99),)}))
    assert decide(edited, judgement, DIRECTORY, at_kemenkum).parts == (Assign("ahu"), Hold("low_confidence"))


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


def test_a_finished_report_is_history_unless_a_person_orders_otherwise() -> None:
    assert again(is_final=True).parts == ()
    decision = again(**ordered({"unit": "ahu"}, is_final=True))
    assert (decision.parts, decision.decided_by) == ((Assign("ahu"),), "human")
    assert again(**ordered({"hold": True}, is_final=True)).parts == (Hold("ordered"),)


def test_an_expired_decision_is_taken_anew() -> None:
    decision = again(judged(**DUKCAPIL), cause="expired", by="notifier")
    assert decision.parts == (Transfer("Dukcapil", "Dukcapil berwenang."),)


def test_the_offices_of_the_next_unit_are_named_as_in_a_first_decision() -> None:
    judgement = judged(ranking=ranked(imigrasi=0.6, pemasyarakatan=0.4).ranking, place=Place(offices=(KUPANG, CIPINANG)))
    assert again(judgement).parts == (Assign("pemasyarakatan", "lapas:cipinang", ("kanwil:dki-jakarta",)),)


@pytest.mark.parametrize("doubt", [{"judgement": judged(oversight_in_doubt=True, place=naming(KUPANG))}, {"was_in_doubt": True}])
def test_a_doubtful_accusation_goes_where_a_person_says_without_a_desk_from_its_text_and_without_copies(doubt: dict[str, Any]) -> None:
    judgement = doubt.get("judgement", judged(place=naming(KUPANG)))
    for known in (ordered({"unit": "imigrasi"}), {"cause": "redisposed", "by": "source:lapor", **disposed("Kanim Kupang", "Imigrasi")}):
        said = request(**known, **IN_NTT)
        decision = decide(said, judgement, DIRECTORY, PRACTICE, was_in_doubt="was_in_doubt" in doubt)
        assert decision.parts == (Assign("imigrasi"),)
        assert decision.is_confidential
        assert not decision.is_oversight
        assert closed_by(decision) == "doubt"


def test_what_was_in_doubt_once_waits_for_a_person_again_whatever_the_rules_say_now() -> None:
    decision = decide(request("edited"), JUDGED, DIRECTORY, PRACTICE, was_in_doubt=True)
    assert decision.parts == (Hold("low_confidence"),)
    assert decision.withhold_text
    assert decision.is_confidential
    sure = decide(request("edited"), judged(is_oversight=True), DIRECTORY, PRACTICE, was_in_doubt=True)
    assert sure.parts == (Assign("itjen"),)


def test_what_anybody_gave_to_the_inspectorate_is_oversight_for_all_who_have_a_part_of_it() -> None:
    decision = again(**ordered({"unit": "itjen"}))
    assert decision.is_oversight
    assert decision.is_confidential
    assert decision.suggestion is not None
    assert not decision.suggestion.is_oversight
    named = again(cause="redisposed", refused_units=[], **disposed("Kanim Kupang", "Itjen"), **IN_NTT)
    assert named.parts == (Assign("imigrasi"), Assign("itjen"))
    assert named.is_oversight


def test_what_keeps_a_complaint_closed_at_its_later_decisions() -> None:
    held = again(judged(oversight_in_doubt=True))
    given = again().model_copy(update={"is_oversight": False, "parts": (Assign("itjen"),)})
    doubted = Reason(kind="rule", value="oversight: misconduct of an official", weight=0.2)
    assert closed_by(again(judged(is_oversight=True))) == "oversight"
    assert closed_by(given) == "oversight", "as it may stand in the log of an older version"
    assert closed_by(held) == "doubt"
    assert closed_by(again(judged(reasons=(doubted,)), **ordered({"unit": "ahu"}))) == "doubt"
    assert closed_by(unprocessable("1")) is None
    assert closed_by(again(LIKELY)) is None

    by_was = {"never": again(LIKELY), "oversight": again(was_oversight=True), "doubt": held}
    judged_ = Judged(UUID(int=2), UUID(int=1), by_was["never"], if_oversight=by_was["oversight"], if_in_doubt=by_was["doubt"])
    assert judged_.after([again(LIKELY), unprocessable("1")]) == by_was["never"]
    assert judged_.after([again(LIKELY), held]) == by_was["doubt"]
    assert judged_.after([held, given, again(LIKELY)]) == by_was["oversight"]
    assert Judged(UUID(int=2), UUID(int=1), by_was["never"]).after([given]) == by_was["never"]


def test_an_ordered_agency_is_a_name() -> None:
    assert again(**ordered({"agency": "  Kejaksaan \n"})).parts == (Transfer("Kejaksaan", "Ke Kejaksaan."),)
    assert again(**ordered({"agency": "x" * 300})).parts[0] != Hold("ordered")
    for agency in (" \t", "x" * 301):
        decision = again(**ordered({"agency": agency}))
        assert decision.parts == (Hold("ordered"),)
        assert any(reason.value.startswith("unclear order") for reason in decision.reasons)
        assert agency not in "".join(reason.value for reason in decision.reasons) or not agency.strip()


class _Same:
    """A judge of one mind."""

    version = "1"

    def __init__(self, judgement: Judgement) -> None:
        self._judgement = judgement

    def judge(self, _report: object) -> Judgement:
        return self._judgement


@pytest.mark.parametrize(
    "known",
    [
        ordered({"agency": "x" * 890_000}),
        ordered({"agency": "Kejaksaan"}, text="x" * 890_000),
        {"cause": "redisposed", "disposition": [{"name": f"{number} " + "x" * 250} for number in range(3_300)]},
        {"cause": "redisposed", "by": "x" * 890_000, **disposed("AHU")},
        {"text": "\x00" * 140_000, "reason": "x" * 600},
    ],
    ids=["agency", "text", "addressees", "writer", "escaped"],
)
def test_whatever_is_asked_its_events_fit_into_kafka(known: dict[str, Any]) -> None:
    many = tuple(Reason(kind="term", value="x" * 100) for _ in range(900))
    for judgement in (LIKELY, judged(reasons=many)):
        said = request(**known)
        sent = enclose(said, topic="x", complaint_id=said.complaint_id, event_id=UUID(int=9), source="notifier", at=AT)
        headers = {name: value.decode() for name, value in sent.headers if value is not None}
        record = Record("x", 0, 0, 0, sent.key, sent.value, headers, sent.headers)
        read = Reader(_Same(judgement), DIRECTORY, PRACTICE).read_request(record)
        for decision in (read.decision, read.if_oversight, read.if_in_doubt):
            if decision is not None:
                report = read.report or sent_times()
                row = LoggedDecision(read.causing_id, read.complaint_id, 1, AT, "1", report, decision.to_json(), None)
                messages = events_of(row, Topics(""))
                assert messages
                assert all(len(message.value or b"") < 1_040_000 for message in messages)


def sent_times() -> bytes:
    """What the log keeps of a record that could not be read."""
    return f'{{"complaint_id": "{UUID(int=1)}", "reported_at": "{AT.isoformat()}", "accepted_at": "{AT.isoformat()}"}}'.encode()


def test_a_withheld_report_shows_nothing_that_anybody_wrote_of_it() -> None:
    wrote: dict[str, Any] = {"title": "rahasia", "category": "rahasia", "source_status": "rahasia", "reason": "rahasia"}
    for judgement in (judged(oversight_in_doubt=True), judged(is_oversight=True)):
        said = request("redisposed", **wrote, text="rahasia", **disposed("rahasia", "AHU"))
        decision = decide(said, judgement, DIRECTORY, PRACTICE)
        row = LoggedDecision(UUID(int=2), UUID(int=1), 1, AT, "1", said.to_json(), decision.to_json(), None)
        held, given = events_of(row, Topics(""))
        assert b"rahasia" not in (held.value or b"")
        assert b'{"kind":"disposition","value":"unknown addressee","weight":1.0}' in (held.value or b"")
        assert b"rahasia" in (given.value or b""), "the unit that the source named reads the report"
