"""Where a judged report goes, and what the decision log keeps of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.router.domain import Assign, Decision, Hold, Transfer, decide
from services.router.judgement import Judgement, Matter
from services.router.places import Office, Place
from shared.events import ComplaintReceived, Ranked, Reason
from shared.units import load_directory
from tests.judges import NOTHING

DIRECTORY = load_directory()
AT = datetime(2026, 3, 12, 2, 0, tzinfo=UTC)
NTT = "kanwil:nusa-tenggara-timur"


def report(text: str = "Paspor saya belum jadi", **known: Any) -> ComplaintReceived:
    return ComplaintReceived.model_validate(
        {"complaint_id": UUID(int=1), "source": "lapor", "title": "", "text": text, "reported_at": AT, "accepted_at": AT}
        | {"is_anonymous": False, "is_confidential": False}
        | known
    )


JUDGED = replace(
    NOTHING,
    ranking=(Ranked(unit="imigrasi", score=0.8), Ranked(unit="ki", score=0.1)),
    confidence=0.8,
    threshold=0.5,
    unit="imigrasi",
    reasons=(Reason(kind="term", value="imigrasi: paspor", weight=6.0),),
    rules_version="1",
)
IN_NTT: dict[str, Any] = {"location": {"province": "Nusa Tenggara Timur", "regency": "Kota Kupang"}}
DUKCAPIL: dict[str, Any] = {"unit": "other_agency", "agency": "Dukcapil", "notice": "Dukcapil berwenang."}


def judged(**otherwise: Any) -> Judgement:
    return replace(JUDGED, **otherwise)


def decided(judgement: Judgement = JUDGED, **known: Any) -> Decision:
    return decide(report(**known), judgement, DIRECTORY)


def disposed(*names: str) -> dict[str, Any]:
    return {"disposition": [{"name": name} for name in names]}


def naming(*offices: Office, province: str | None = None) -> Place:
    return Place(province=province, offices=offices)


KUPANG = Office("kanim:kupang", "imigrasi", "Nusa Tenggara Timur", "Kota Kupang")
LABUAN_BAJO = Office("kanim:labuan-bajo", "imigrasi", "Nusa Tenggara Timur")
CIPINANG = Office("lapas:cipinang", "pemasyarakatan", "Daerah Khusus Ibukota Jakarta")
NOWHERE = Office("kanim:antah-berantah", "imigrasi")


@pytest.mark.parametrize("unit", ["imigrasi", "pemasyarakatan", "ahu", "ki", "ham", "bphn", "pp"])
def test_a_matter_of_the_field_goes_to_the_kanwil_of_the_place_without_copies(unit: str) -> None:
    assert decided(judged(unit=unit), **IN_NTT).parts == (Assign(unit, desk=NTT, copies=()),)


@pytest.mark.parametrize("unit", ["setjen", "itjen", "bsk", "bpsdm"])
def test_a_unit_without_staff_in_the_field_has_no_desk(unit: str) -> None:
    assert decided(judged(unit=unit), **IN_NTT).parts == (Assign(unit),)


@pytest.mark.parametrize("province", [None, "Atlantis", ""])
def test_without_a_known_province_there_is_no_desk(province: str | None) -> None:
    assert decided(location={"province": province}).parts == (Assign("imigrasi"),)


@pytest.mark.parametrize(
    ("province", "kanwil"),
    [
        ("Kalimantan Utara", "kanwil:kalimantan-timur"),
        ("Papua Selatan", "kanwil:papua"),
        ("Papua Tengah", "kanwil:papua"),
        ("Papua Pegunungan", "kanwil:papua"),
        ("Papua Barat Daya", "kanwil:papua-barat"),
    ],
)
def test_the_kanwil_of_a_province_without_one_is_its_mother_province_s(province: str, kanwil: str) -> None:
    assert decided(location={"province": province}).parts == (Assign("imigrasi", desk=kanwil),)


def test_where_the_source_says_it_happened_comes_before_what_the_text_says_and_that_before_nothing() -> None:
    in_bali = judged(place=Place(province="Bali"))
    assert decided(in_bali, **IN_NTT).parts == (Assign("imigrasi", desk=NTT),)
    assert decided(in_bali).parts == (Assign("imigrasi", desk="kanwil:bali"),)
    assert decided(in_bali, location={"province": "Atlantis"}).parts == (Assign("imigrasi", desk="kanwil:bali"),)


def test_an_office_that_is_named_gets_the_report_and_its_kanwil_a_copy() -> None:
    judgement = judged(place=naming(CIPINANG, KUPANG, province="Bali"))
    assert decided(judgement, location={"province": "Jawa Barat"}).parts == (Assign("imigrasi", "kanim:kupang", (NTT,)),)
    unplaced = judged(place=naming(NOWHERE))
    assert decided(unplaced, **IN_NTT).parts == (Assign("imigrasi", NOWHERE.desk, (NTT,)),)
    assert decided(unplaced).parts == (Assign("imigrasi", NOWHERE.desk, ()),)


def test_two_offices_of_the_unit_get_a_part_each_in_the_order_named() -> None:
    judgement = judged(place=naming(LABUAN_BAJO, CIPINANG, KUPANG, LABUAN_BAJO))
    assert [part.desk for part in decided(judgement).parts if isinstance(part, Assign)] == ["kanim:labuan-bajo", "kanim:kupang"]


def test_a_further_matter_gets_a_part_of_its_own_after_the_leading_one() -> None:
    matters = (Matter("pemasyarakatan", 0.96), Matter("ki", 0.96), Matter("other_agency", 0.99, "BPJS Kesehatan", "Ke BPJS."))
    decision = decided(judged(matters=matters, place=naming(CIPINANG)), source="halo_kumham", **IN_NTT)
    assert decision.parts == (
        Assign("imigrasi", desk=NTT),
        Assign("pemasyarakatan", "lapas:cipinang", ("kanwil:dki-jakarta",)),
        Assign("ki", desk=NTT),
        Transfer("BPJS Kesehatan", "Ke BPJS."),
    )


def test_another_agency_may_lead_and_a_matter_of_ours_follow() -> None:
    decision = decided(judged(**DUKCAPIL, matters=(Matter("imigrasi", 0.96),)))
    assert decision.parts == (Transfer("Dukcapil", "Dukcapil berwenang."), Assign("imigrasi"))


def test_a_report_has_at_most_five_parts_and_none_twice() -> None:
    offices = tuple(Office(f"kanim:kota-{letter}", "imigrasi") for letter in "abcdefg")
    decision = decided(judged(place=naming(*offices), matters=(Matter("ki", 0.96),)))
    assert len(decision.parts) == 5
    again = decided(judged(matters=(Matter("imigrasi", 0.96), Matter("ki", 0.97), Matter("ki", 0.96))))
    assert again.parts == (Assign("imigrasi"), Assign("ki"))


def test_an_unsure_leading_matter_waits_for_a_person_with_all_the_others() -> None:
    assert decided(judged(confidence=0.4, matters=(Matter("ki", 0.9),))).parts == (Hold("low_confidence"),)


def test_a_bribe_goes_to_the_inspectorate_and_the_office_learns_nothing() -> None:
    judgement = judged(unit="pemasyarakatan", is_oversight=True, place=naming(CIPINANG), matters=(Matter("pemasyarakatan", 0.9),))
    decision = decided(judgement, **IN_NTT)
    assert decision.parts == (Assign("itjen", desk=None, copies=()),)
    assert decision.is_oversight
    assert decision.is_confidential
    assert (decision.class_, decision.class_by) == ("pengaduan_pengawasan", "router")


def test_one_matter_of_oversight_among_several_makes_it_all_the_inspectorate_s() -> None:
    for judgement in (judged(matters=(Matter("ki", 0.9), Matter("itjen", 0.9))), judged(unit="itjen", matters=(Matter("imigrasi", 0.9),))):
        decision = decided(judgement, **IN_NTT)
        assert decision.parts == (Assign("itjen"),)
        assert decision.is_oversight
        assert decision.is_confidential
        assert decision.reasons[0].value.startswith("oversight: ")


@pytest.mark.parametrize("otherwise", [{"confidence": 0.0}, {"is_vague": True}, DUKCAPIL | {"confidence": 0.99}])
def test_oversight_comes_before_doubt_and_agency(otherwise: dict[str, Any]) -> None:
    assert decided(judged(is_oversight=True, **otherwise)).parts == (Assign("itjen"),)


@pytest.mark.parametrize("known", [{"class": "pengaduan_pengawasan"}, {"service": "wbs"}])
def test_what_the_source_calls_oversight_is_oversight_whatever_the_judge_thinks(known: dict[str, Any]) -> None:
    decision = decided(judged(oversight_in_doubt=True), **known, **IN_NTT)
    assert decision.parts == (Assign("itjen"),)
    assert decision.is_oversight
    assert decision.is_confidential
    assert decision.class_ == "pengaduan_pengawasan"
    assert decision.reasons[0].kind == "rule"


def test_oversight_in_doubt_waits_for_a_person_who_does_not_see_the_text() -> None:
    decision = decided(judged(oversight_in_doubt=True))
    assert decision.parts == (Hold("low_confidence"),)
    assert decision.withhold_text
    assert decision.is_confidential
    assert not decision.is_oversight


def test_a_vague_report_waits_for_a_person_who_sees_it() -> None:
    decision = decided(judged(is_vague=True, confidence=0.9))
    assert decision.parts == (Hold("vague"),)
    assert not decision.withhold_text


def test_below_the_threshold_a_person_decides_and_at_it_the_router() -> None:
    assert decided(judged(confidence=0.49, threshold=0.5)).parts == (Hold("low_confidence"),)
    assert decided(judged(confidence=0.5, threshold=0.5)).parts == (Assign("imigrasi"),)


def test_another_agency_s_matter_is_transferred_with_its_notice() -> None:
    assert decided(judged(**DUKCAPIL)).parts == (Transfer("Dukcapil", "Dukcapil berwenang."),)


@pytest.mark.parametrize("otherwise", [{"confidence": 0.6, "threshold": 0.7}, {"agency": None}, {"notice": None}])
def test_another_agency_s_matter_below_its_own_threshold_or_without_a_name_is_held(otherwise: dict[str, Any]) -> None:
    assert decided(judged(**(DUKCAPIL | otherwise))).parts == (Hold("low_confidence"),)


def test_a_disposition_is_followed_and_the_router_s_view_rides_along() -> None:
    decision = decided(**disposed("Direktorat Jenderal Kekayaan Intelektual"), **IN_NTT)
    assert decision.parts == (Assign("ki"),)
    assert decision.decided_by == "source"
    assert decision.suggestion is not None
    assert (decision.suggestion.unit, decision.suggestion.confidence) == ("imigrasi", 0.8)


@pytest.mark.parametrize(
    ("otherwise", "unit"), [({"confidence": 0.1}, None), (DUKCAPIL, "other_agency"), ({"is_oversight": True}, "itjen"), ({}, "imigrasi")]
)
def test_the_suggestion_names_what_the_router_would_have_done(otherwise: dict[str, Any], unit: str | None) -> None:
    suggestion = decided(judged(**otherwise), **disposed("DJKI")).suggestion
    assert suggestion is not None
    assert suggestion.unit == unit


def test_without_a_disposition_there_is_no_suggestion() -> None:
    assert decided().suggestion is None
    assert decided().decided_by == "router"


def test_each_disposition_is_a_part_in_its_order_and_a_repeat_is_none() -> None:
    decision = decided(**disposed("Ditjenpas", "Kanwil Nusa Tenggara Timur", "Direktorat Jenderal Pemasyarakatan", "Lapas Kupang"))
    assert decision.parts == (Assign("pemasyarakatan"), Assign("setjen", desk=NTT), Assign("pemasyarakatan", desk="lapas:kupang"))


def test_an_office_that_the_source_names_has_its_kanwil_in_copy_too() -> None:
    decision = decided(**disposed("Lapas Kupang", "Kanwil Bali"), **IN_NTT)
    assert decision.parts == (Assign("pemasyarakatan", "lapas:kupang", (NTT,)), Assign("setjen", "kanwil:bali"))


def test_an_unknown_addressee_is_held_and_named_while_the_others_are_followed() -> None:
    decision = decided(**disposed("Dinas Perikanan", "Ditjenpas"))
    assert decision.parts == (Hold("low_confidence"), Assign("pemasyarakatan"))
    assert [reason.value for reason in decision.reasons if reason.kind == "disposition"] == ["unknown addressee: Dinas Perikanan"]


def test_a_disposed_oversight_matter_stays_oversight_without_desk_and_keeps_its_class() -> None:
    decision = decided(judged(is_oversight=True), **disposed("Lapas Kupang", "Ditjenpas"), **{"class": "pengaduan"})
    assert decision.parts == (Assign("pemasyarakatan", desk=None, copies=()),)
    assert decision.is_oversight
    assert decision.is_confidential
    assert (decision.class_, decision.class_by) == ("pengaduan", "source")
    assert decision.suggestion is not None
    assert (decision.suggestion.unit, decision.suggestion.is_oversight) == ("itjen", True)


def test_a_held_part_of_a_disposed_oversight_matter_shows_no_text() -> None:
    assert decided(judged(is_oversight=True), **disposed("Dinas Perikanan")).withhold_text
    assert decided(judged(oversight_in_doubt=True), **disposed("Dinas Perikanan")).withhold_text
    assert not decided(judged(oversight_in_doubt=True), **disposed("Ditjenpas")).withhold_text


def test_a_finished_report_is_history_whatever_else_it_says() -> None:
    for judgement in (JUDGED, judged(is_oversight=True), judged(is_vague=True)):
        assert decided(judgement, is_final=True, **disposed("Ditjenpas")).parts == ()


@pytest.mark.parametrize(
    ("given_class", "is_oversight", "class_", "class_by"),
    [
        (None, False, "informasi", "router"),
        ("aspirasi", False, "aspirasi", "source"),
        ("pengaduan", True, "pengaduan_pengawasan", "router"),
        ("pengaduan_pengawasan", True, "pengaduan_pengawasan", "source"),
        (None, True, "pengaduan_pengawasan", "router"),
    ],
)
def test_the_source_s_class_stands_but_that_oversight_raises_it(
    given_class: str | None, is_oversight: bool, class_: str, class_by: str
) -> None:
    decision = decided(judged(class_="informasi", is_oversight=is_oversight), **{"class": given_class})
    assert (decision.class_, decision.class_by) == (class_, class_by)


@pytest.mark.parametrize(
    "part", [Assign("imigrasi", desk=NTT, copies=("kanim:kupang",)), Hold("vague"), Transfer("Kepolisian", "Terima kasih, “Bapak/Ibu”")]
)
def test_each_kind_of_part_comes_back_from_the_log_as_itself(part: Assign | Hold | Transfer) -> None:
    decision = decided().model_copy(update={"parts": (part,)})
    back = Decision.from_json(decision.to_json())
    assert back == decision
    assert type(back.parts[0]) is type(part)
