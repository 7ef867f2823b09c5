"""Where a judged report goes, and what the decision log keeps of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain import Assign, Decision, Hold, Transfer, decide, unprocessable
from services.router.judgement import Judge, Judgement
from services.router.rules import load_rules
from shared.events import ComplaintReceived, Ranked, Reason
from shared.units import UNIT_SLUGS, load_directory

DIRECTORY = load_directory()
JUDGE = Judge(load_rules(), DIRECTORY)
AT = datetime(2026, 3, 12, 2, 0, tzinfo=UTC)
NTT = "kanwil:nusa-tenggara-timur"


def report(text: str = "Paspor saya belum jadi", **known: Any) -> ComplaintReceived:
    return ComplaintReceived.model_validate(
        {"complaint_id": UUID(int=1), "source": "lapor", "title": "", "text": text, "reported_at": AT, "accepted_at": AT}
        | {"is_anonymous": False, "is_confidential": False}
        | known
    )


JUDGED = Judgement(
    ranking=(Ranked(unit="imigrasi", score=0.8), Ranked(unit="ki", score=0.1)),
    confidence=0.8,
    threshold=0.5,
    unit="imigrasi",
    agency=None,
    notice=None,
    class_="pengaduan",
    class_confidence=0.9,
    is_oversight=False,
    oversight_in_doubt=False,
    is_urgent=False,
    special_data=(),
    reasons=(Reason(kind="term", value="imigrasi: paspor", weight=6.0),),
    is_vague=False,
    rules_version="1",
)
IN_NTT: dict[str, Any] = {"location": {"province": "Nusa Tenggara Timur", "regency": "Kota Kupang"}}


def judged(**otherwise: Any) -> Judgement:
    return replace(JUDGED, **otherwise)


def decided(judgement: Judgement = JUDGED, **known: Any) -> Decision:
    return decide(report(**known), judgement, DIRECTORY)


def disposed(*names: str) -> dict[str, Any]:
    return {"disposition": [{"name": name} for name in names]}


@pytest.mark.parametrize("unit", ["imigrasi", "pemasyarakatan", "ahu", "ki", "ham", "bphn", "pp"])
def test_a_matter_of_the_field_goes_to_the_kanwil_of_the_place_without_copies(unit: str) -> None:
    assert decided(judged(unit=unit), **IN_NTT).parts == (Assign(unit, desk=NTT, copies=()),)


@pytest.mark.parametrize("unit", ["setjen", "itjen", "bsk", "bpsdm"])
def test_a_unit_without_staff_in_the_field_has_no_desk(unit: str) -> None:
    assert decided(judged(unit=unit), **IN_NTT).parts == (Assign(unit),)


@pytest.mark.parametrize("province", [None, "Atlantis", ""])
def test_without_a_known_province_there_is_no_desk(province: str | None) -> None:
    assert decided(location={"province": province}).parts == (Assign("imigrasi"),)


def test_the_kanwil_of_a_province_without_one_is_its_mother_province_s() -> None:
    assert decided(location={"province": "Kalimantan Utara"}).parts == (Assign("imigrasi", desk="kanwil:kalimantan-timur"),)


def test_a_bribe_goes_to_the_inspectorate_and_the_office_learns_nothing() -> None:
    text = "Petugas rutan minta uang 500 ribu agar saya boleh besuk"
    decision = decide(report(text, **IN_NTT), JUDGE.judge(report(text, **IN_NTT)), DIRECTORY)
    assert decision.parts == (Assign("itjen", desk=None, copies=()),)
    assert decision.is_oversight
    assert decision.is_confidential
    assert (decision.class_, decision.class_by) == ("pengaduan_pengawasan", "router")


@pytest.mark.parametrize(
    "otherwise",
    [{"confidence": 0.0}, {"is_vague": True}, {"unit": "other_agency", "agency": "Kepolisian", "notice": "x", "confidence": 0.99}],
)
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


def test_another_agency_s_matter_is_transferred_with_a_notice_that_names_it() -> None:
    text = "E-KTP saya rusak, Dukcapil bilang blangko habis"
    (part,) = decide(report(text), JUDGE.judge(report(text)), DIRECTORY).parts
    assert isinstance(part, Transfer)
    assert "Dukcapil" in part.agency
    assert part.agency in part.notice
    assert "{" not in part.notice


def test_another_agency_s_matter_below_its_own_threshold_is_held() -> None:
    agency = judged(unit="other_agency", agency="Kepolisian", notice="x", confidence=0.6, threshold=0.7)
    assert decided(agency).parts == (Hold("low_confidence"),)


def test_a_disposition_is_followed_and_the_router_s_view_rides_along() -> None:
    decision = decided(**disposed("Direktorat Jenderal Kekayaan Intelektual"), **IN_NTT)
    assert decision.parts == (Assign("ki"),)
    assert decision.decided_by == "source"
    assert decision.suggestion is not None
    assert (decision.suggestion.unit, decision.suggestion.confidence) == ("imigrasi", 0.8)


def test_without_a_disposition_there_is_no_suggestion() -> None:
    assert decided().suggestion is None
    assert decided().decided_by == "router"


def test_each_disposition_is_a_part_in_its_order_and_a_repeat_is_none() -> None:
    decision = decided(**disposed("Ditjenpas", "Kanwil Nusa Tenggara Timur", "Direktorat Jenderal Pemasyarakatan", "Lapas Kupang"))
    assert decision.parts == (Assign("pemasyarakatan"), Assign("setjen", desk=NTT), Assign("pemasyarakatan", desk="lapas:kupang"))


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


@given(
    text=st.text(max_size=200) | st.sampled_from(["Pungli di lapas", "Paspor belum jadi", "orang dalam minta uang", "Jalan rusak", ""]),
    confidential=st.booleans(),
    anonymous=st.booleans(),
    is_final=st.booleans(),
    service=st.sampled_from(["sp4n", "wbs", "ppid_permohonan", "ulp"]),
    class_=st.sampled_from([None, "pengaduan", "pengaduan_pengawasan", "informasi"]),
    province=st.sampled_from([None, "NTT", "Kalimantan Utara"]) | st.text(max_size=20),
    names=st.lists(st.sampled_from(["Ditjenpas", "Kanwil Bali", "Imigrasi", "Kanim Kupang"]) | st.text(max_size=30), max_size=4),
)
def test_every_report_has_a_decision_that_survives_the_log_and_only_raises_flags(
    text: str, confidential: bool, anonymous: bool, is_final: bool, service: str, class_: str | None, province: str | None, names: list[str]
) -> None:
    received = report(
        text, is_confidential=confidential, is_anonymous=anonymous, is_final=is_final, service=service, location={"province": province},
        **{"class": class_}, **disposed(*names),
    )  # fmt: skip
    judgement = JUDGE.judge(received)
    decision = decide(received, judgement, DIRECTORY)
    assert decision == decide(received, judgement, DIRECTORY)
    assert Decision.from_json(decision.to_json()) == decision
    assert bool(decision.parts) is not is_final
    assert len(decision.parts) <= max(1, len(names))
    assert len(set(decision.parts)) == len(decision.parts)
    assert decision.is_confidential >= confidential
    assert decision.is_anonymous >= anonymous
    assert decision.is_oversight <= decision.is_confidential
    assert decision.is_oversight >= judgement.is_oversight
    for part in decision.parts:
        if isinstance(part, Assign):
            assert part.unit in UNIT_SLUGS
            assert not (decision.is_oversight and (part.desk or part.copies))


@pytest.mark.parametrize(
    "part", [Assign("imigrasi", desk=NTT, copies=("kanim:kupang",)), Hold("vague"), Transfer("Kepolisian", "Terima kasih, “Bapak/Ibu”")]
)
def test_each_kind_of_part_comes_back_from_the_log_as_itself(part: Assign | Hold | Transfer) -> None:
    decision = decided().model_copy(update={"parts": (part,)})
    back = Decision.from_json(decision.to_json())
    assert back == decision
    assert type(back.parts[0]) is type(part)


def test_an_unreadable_record_is_held_with_the_strictest_flags() -> None:
    decision = unprocessable("1")
    assert decision.parts == (Hold("unprocessable"),)
    assert decision.withhold_text
    assert decision.is_confidential
    assert decision.is_anonymous
    assert Decision.from_json(decision.to_json()) == decision
