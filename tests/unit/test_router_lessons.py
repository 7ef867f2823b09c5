"""What may be learned from corrections: what a person or a source said, of reports that may be shown, and nothing that leads to anybody."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.decision import Decision, Hold, unprocessable
from services.router.domain import Assign, Practice, Transfer, decide
from services.router.judgement import Judgement
from services.router.lessons import lesson_of
from services.router.publication import LoggedDecision
from services.router.training.corpus import read_rows
from shared.events import ComplaintReceived, Reason, RerouteRequested
from tests.unit.test_router_domain import AT, DIRECTORY, JUDGED, disposed, judged, report

CASE = UUID("8d7c2c3e-6a1e-4a39-9f0a-0c6a3a1f7a11")
OF_OVERSIGHT: dict[str, Any] = {"class": "pengaduan_pengawasan"}
PRACTICE = Practice(notice_of=lambda agency: f"Ke {agency}." if agency else None)


def first(judgement: Judgement = JUDGED, /, **known: Any) -> LoggedDecision:
    return logged(report(**({"title": "Paspor"} | known)), judgement)


def later(number: int, cause: str, judgement: Judgement = JUDGED, **known: Any) -> LoggedDecision:
    """What is asked for after the first decision: a return, or with `order` what a person says."""
    fields = {"title": "Paspor", "decision": number, "replaces": [f"{number - 1}/0"], "cause": cause, "by": "triage"} | known
    return logged(RerouteRequested.model_validate(report().model_dump(by_alias=True) | fields), judgement)


def ordered(number: int = 1, unit: str = "ahu", /, **known: Any) -> LoggedDecision:
    return later(number, "ordered", **({"order": {"unit": unit}} | known))


def logged(said: ComplaintReceived, judgement: Judgement) -> LoggedDecision:
    return row(said, decide(said, judgement, DIRECTORY, PRACTICE))


def row(said: ComplaintReceived, taken: Decision) -> LoggedDecision:
    number = said.decision if isinstance(said, RerouteRequested) else 0
    return LoggedDecision(uuid4(), CASE, number, AT, "1", said.to_json(), taken.to_json(), None)


def learned(*decisions: LoggedDecision, of: UUID = CASE) -> dict[str, Any]:
    lesson = lesson_of(of, decisions)
    assert lesson is not None
    return lesson


def test_an_order_is_the_label_of_what_the_router_had_sent_elsewhere() -> None:
    lesson = learned(first(), later(1, "returned"), ordered(2, text="Akta PT saya"))
    assert {name: lesson[name] for name in "txucv"} == {
        "t": "Paspor", "x": "Akta PT saya", "u": "ahu", "c": "pengaduan", "v": "feedback, human",
    }  # fmt: skip


def test_the_last_word_counts_and_belongs_to_the_words_that_it_was_said_of() -> None:
    told = [first(**disposed("AHU"), text="pertama"), ordered(1, "ki", text="kedua"), later(2, "edited", text="ketiga")]
    assert (learned(*told)["u"], learned(*told)["x"], learned(*told)["v"]) == ("ki", "kedua", "feedback, human")
    assert (learned(told[0])["u"], learned(told[0])["x"], learned(told[0])["v"]) == ("ahu", "pertama", "feedback, source")


def test_a_transfer_is_learned_as_another_agency_whatever_its_name() -> None:
    lesson = learned(first(), ordered(order={"agency": "Dukcapil Kota Kupang"}))
    assert lesson["u"] == "other_agency"
    assert "Kupang" not in json.dumps(lesson)


@pytest.mark.parametrize("agency", ["Kementerian Imigrasi dan Pemasyarakatan", "KEMENTERIAN HUKUM"])
def test_what_left_with_its_unit_teaches_no_other_agency(agency: str) -> None:
    assert lesson_of(CASE, [first(), ordered(order={"agency": agency})]) is None


def test_the_class_of_the_source_is_learned() -> None:
    given_: dict[str, Any] = {"class": "informasi"} | disposed("AHU")
    assert learned(first(**given_))["c"] == "informasi"


def test_what_nobody_but_units_disagreed_about_has_no_label() -> None:
    assert lesson_of(CASE, [first()]) is None
    assert lesson_of(CASE, [first(), later(1, "returned", refused_units=["imigrasi"])]) is None
    assert lesson_of(CASE, [first(), ordered(order={"hold": True})]) is None
    assert lesson_of(CASE, [first(), ordered(1, "ahu"), ordered(2, order={"hold": True})]) is None, "the person took it back"
    assert lesson_of(CASE, [first(is_final=True, **disposed("AHU"))]) is None, "history was never decided here"


def test_a_unit_s_no_to_what_a_person_said_leaves_it_open_until_a_person_insists() -> None:
    back = later(2, "returned", by="unit:ahu", replaces=["1/0"], refused_units=["ahu"])
    assert lesson_of(CASE, [first(), ordered(1, "ahu"), back]) is None
    assert learned(first(), ordered(1, "ahu"), back, ordered(3, "ahu", refused_units=["ahu"]))["u"] == "ahu"
    another_part = later(2, "returned", by="unit:ki", replaces=["1/1"], refused_units=["ki"])
    assert learned(first(), ordered(1, "ahu"), another_part)["u"] == "ahu"


@pytest.mark.parametrize(
    "closed",
    [
        first(judged(is_oversight=True)),
        first(judged(is_oversight=True), **disposed("AHU")),
        first(judged(oversight_in_doubt=True)),
        first(service="wbs"),
        first(**OF_OVERSIGHT),
        first(judged(special_data=("health",))),
        first(judged(special_data=("child", "criminal_record"))),
        row(report(), unprocessable("1")),
    ],
    ids=["oversight", "disposed", "in doubt", "whistle-blower", "class", "health", "child", "unreadable"],
)
def test_what_was_special_or_an_accusation_once_is_left_out_whole_whatever_came_later(closed: LoggedDecision) -> None:
    assert lesson_of(CASE, [closed, ordered()]) is None
    reopened = later(1, "edited")
    assert lesson_of(CASE, [closed, reopened, ordered(2)]) is None


def test_what_became_special_or_an_accusation_later_is_left_out_too() -> None:
    assert lesson_of(CASE, [first(), ordered(), later(2, "edited", judged(special_data=("health",)))]) is None
    assert lesson_of(CASE, [first(), ordered(), later(2, "edited", judged(is_oversight=True))]) is None


def test_what_a_person_gave_to_the_inspectorate_is_an_accusation_though_the_rules_saw_none() -> None:
    assert lesson_of(CASE, [first(), ordered(1, "itjen")]) is None
    assert lesson_of(CASE, [first(), ordered(1, "itjen"), ordered(2, "ahu")]) is None
    assert lesson_of(CASE, [first(**disposed("AHU", "Inspektorat Jenderal"))]) is None


def test_where_the_rules_doubted_a_disposition_does_not_open_it() -> None:
    doubt = Reason(kind="rule", value="oversight: misconduct of an official", weight=0.2)
    assert lesson_of(CASE, [first(judged(oversight_in_doubt=True, reasons=(doubt,)), **disposed("AHU"))]) is None


def test_a_row_has_one_id_at_each_export_which_is_not_the_complaint_s() -> None:
    decisions = [first(), ordered()]
    assert learned(*decisions)["id"] == learned(*decisions, later(2, "edited"))["id"]
    assert learned(*decisions)["id"] != learned(*decisions, of=uuid4())["id"]
    assert str(CASE)[:8] not in json.dumps(learned(*decisions))
    assert CASE.hex[:8] not in json.dumps(learned(*decisions))


def test_where_when_and_by_whom_it_was_reported_stays_here() -> None:
    said: dict[str, Any] = {
        "source": "halo_kumham", "source_ref": "rahasia-ref", "channel": "rahasia-kanal", "category": "rahasia-kategori",
        "location": {"province": "Papua", "regency": "Kota Jayapura"}, "occurred_on": "2026-01-02",
    }  # fmt: skip
    lesson = learned(first(**said), ordered(1, **said, reason="rahasia-alasan", by="rahasia-petugas"))
    assert set(lesson) == {"id", "t", "x", "u", "c", "v"}
    assert not re.search("rahasia|Papua|2026|halo", json.dumps(lesson))


@pytest.mark.parametrize(
    "written",
    [
        "5371014101900001", "5049672", "12345", "0812 3456 7890",
        "0812-3456-7890", "0812.3456.7890", "(0812) 3456/7890", "+62 812,3456,7890",
        "0812\t3456\n7890",
        "0812\u00a03456\u20137890", "0812_3456_7890", "1 2 3 4 5", "0 8 1 2 - 3 4 5 6", "٠٨١٢٣٤٥٦", "08\u200b12\u200b34",
        "8d7c2c3e-6a1e-4a39-9f0a-0c6a3a1f7a11", "8D7C2C3E-6A1E-4A39-9F0A-0C6A3A1F7A11", "ffffffff-ffff-4fff-bfff-ffffffffffff",
    ],
)  # fmt: skip
def test_no_long_number_leaves_however_it_is_written(written: str) -> None:
    lesson = learned(first(), ordered(title=f"Aduan {written}", text=f"nomor saya {written}, tolong"))
    assert re.fullmatch(r"Aduan \W*0", lesson["t"])
    assert re.fullmatch(r"nomor saya \W*0, tolong", lesson["x"])


def test_short_numbers_which_say_what_it_is_about_stay() -> None:
    text = "Pasal 27 UU 6 tahun 2011, sudah 3 bulan, bayar 350 ribu"
    assert learned(first(), ordered(text=text))["x"] == text


@given(st.text(alphabet=st.sampled_from("0123456789 .-/(),x\n"), max_size=60))
def test_of_any_text_no_five_figures_in_a_row_leave(text: str) -> None:
    lesson = learned(first(), ordered(text=text))
    assert not re.search(r"\d[ .\-/(),\n]?\d[ .\-/(),\n]?\d[ .\-/(),\n]?\d[ .\-/(),\n]?\d", lesson["x"])


def test_the_corpus_reads_a_row_as_one_of_its_own() -> None:
    (read,) = read_rows([json.dumps(learned(first(), ordered()))], "feedback.jsonl")
    assert (read.unit, read.writer) == ("ahu", "f")


def test_parts_that_are_told_apart_are_assign_and_transfer_alone() -> None:
    taken = Decision.from_json(ordered().taken)
    for part, unit in ((Assign("ki"), "ki"), (Transfer("BPN", "…"), "other_agency"), (Hold("ordered"), None)):
        lesson = lesson_of(CASE, [first(), row(report(), taken.model_copy(update={"parts": (part, Assign("pp"))}))])
        assert (lesson["u"] if lesson else None) == unit
