"""The judge on sentences as people write them.

The floors below guard against loss; how good it is on reports of others stands in the model card and is measured by another test.
"""

import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.judgement import Judgement
from services.router.ruleset import load_judge
from shared.events import ComplaintReceived
from shared.units import UNIT_SLUGS, load_directory

DIRECTORY = load_directory()
JUDGE, AGAIN = load_judge(DIRECTORY), load_judge(DIRECTORY)
AT = datetime(2026, 3, 12, 2, 0, tzinfo=UTC)


def sentences(kind: str) -> list[tuple[str, str]]:
    """(unit slug or part of an agency's name, sentence)"""
    written = tomllib.loads((Path(__file__).parent / "data" / "judged_sentences.toml").read_text(encoding="utf-8"))[kind]
    return [(expected, text) for part in written.values() for expected, texts in part.items() for text in texts]


JUDGED = sentences("units")
OTHERS = sentences("agencies")

NO_OVERSIGHT: list[str] = [
    "Terima kasih, kunjungan di Lapas Kupang sekarang rapi, tidak ada pungli lagi, petugas ramah",
    "Bapak saya terpidana kasus suap, kapan remisinya keluar?",
    "Saya sudah bayar paspor percepatan 1 juta tapi uang saya belum dikembalikan karena batal",
    "Napi memeras keluarga saya lewat telepon dari dalam lapas",
    "Petugas imigrasi judes dan lambat",
    "Merek saya ditolak padahal sudah bayar 1,8 juta",
    "Notaris minta uang tambahan 5 juta untuk balik nama, apakah wajar?",
    "petugas tidak meminta uang sama sekali, salut",
    "Layanan imigrasi di mall cepat dan tanpa pungli, pertahankan",
    "Sipir dipukul napi saat razia",
]

VAGUE: list[str] = [
    "tolong dibantu kami rakyat kecil pak",
    "pelayanan jelek",
    "test",
    "\N{THUMBS UP SIGN}",
    "",
    "PROMO SLOT GACOR MAXWIN daftar sekarang",
]


def report(text: str, title: str = "", **known: Any) -> ComplaintReceived:
    return ComplaintReceived.model_validate(
        {"complaint_id": UUID(int=1), "source": "lapor", "title": title, "text": text, "reported_at": AT, "accepted_at": AT} | known
    )


def judge(text: str, title: str = "", **known: Any) -> Judgement:
    return JUDGE.judge(report(text, title, **known))


def is_decided(judgement: Judgement, unit: str) -> bool:
    return judgement.unit == unit and judgement.confidence >= judgement.threshold and not judgement.oversight_in_doubt


def test_a_clerk_would_agree_with_at_least_95_of_100_of_these_sentences() -> None:
    wrong = [(unit, text) for unit, text in JUDGED if judge(text).unit != unit]
    wrong += [
        (agency, text)
        for agency, text in OTHERS
        if (judged := judge(text)).unit != "other_agency" or judged.likely_agency is None or agency not in judged.likely_agency
    ]
    assert len(wrong) <= (len(JUDGED) + len(OTHERS)) // 20, wrong


def test_of_these_sentences_nearly_none_is_decided_wrongly() -> None:
    wrong = [text for unit, text in JUDGED if (judged := judge(text)).unit != unit and is_decided(judged, judged.unit)]
    assert len(wrong) <= len(JUDGED) // 50, wrong


def test_every_unit_has_at_least_three_of_these_sentences() -> None:
    assert {unit for unit in UNIT_SLUGS if sum(unit == expected for expected, _ in JUDGED) >= 3} == set(UNIT_SLUGS)


def test_none_of_these_sentences_is_transferred_away_from_its_unit() -> None:
    assert not [text for _, text in JUDGED if is_decided(judge(text), "other_agency")]


@pytest.mark.parametrize("text", [text for unit, text in JUDGED if unit == "itjen"])
def test_bribery_violence_and_idleness_of_staff_are_oversight(text: str) -> None:
    judgement = judge(text)
    assert judgement.is_oversight
    assert judgement.class_ == "pengaduan_pengawasan"
    assert judgement.unit == "itjen"


def test_oversight_leads_whatever_else_the_report_speaks_of() -> None:
    judgement = judge("Petugas imigrasi di Kanim Kupang minta uang 500 ribu supaya paspor saya cepat jadi, kalau tidak dipersulit")
    assert [ranked.unit for ranked in judgement.ranking][:2] == ["itjen", "imigrasi"]


def test_praise_refunds_and_the_crimes_of_others_are_no_oversight() -> None:
    assert len([text for text in NO_OVERSIGHT if judge(text).is_oversight]) <= len(NO_OVERSIGHT) // 10


@pytest.mark.parametrize("text", VAGUE)
def test_a_text_that_says_nothing_is_vague(text: str) -> None:
    judgement = judge(text)
    assert judgement.is_vague


@pytest.mark.parametrize(
    "text",
    [
        "Kakak saya yang ditahan polisi sudah dilimpahkan ke rutan, tapi pengadilan belum memberi jadwal dan saya tidak boleh besuk",
        "Warga binaan tidak bisa berobat karena BPJS tidak aktif, mohon pihak lapas mengurus KIS",
        "Putusan pengadilan sudah inkracht dan masa pidana habis, suami saya belum bebas dari lapas karena surat jaksa belum ada",
        "Saya korban penipuan online, pelakunya napi di Lapas Tanjung Gusta, sudah lapor polisi tapi tidak jalan",
    ],
)
def test_police_courts_and_insurance_inside_a_prison_report_move_nothing(text: str) -> None:
    assert judge(text).unit == "pemasyarakatan"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("Kapan PP turunan undang-undang itu diundangkan?", "pp"),
        ("Ditjen PAS tidak menanggapi surat kami", "pemasyarakatan"),
        ("ULP tutup, jadwal foto paspor saya hari ini", "imigrasi"),
        ("ULP belum mengumumkan pemenang tender jasa kebersihan", "setjen"),
        ("Pendaftaran KI di kanwil lambat, merek saya belum terbit", "ki"),
        ("Ada dugaan pelanggaran HAM terhadap warga", "ham"),
        ("Posbankum desa kami belum punya paralegal", "bphn"),
    ],
)
def test_a_short_word_counts_beside_its_context(text: str, unit: str) -> None:
    assert judge(text).unit == unit


@pytest.mark.parametrize(
    "text", ["PP saya hilang", "Ki saya bingung", "PAS foto saya buram", "ULP kami tutup", "Kementerian Hukum dan HAM"]
)
def test_a_short_word_alone_decides_nothing(text: str) -> None:
    judgement = judge(text)
    assert judgement.confidence < judgement.threshold


@pytest.mark.parametrize(
    ("text", "class_"),
    [
        ("Paspor saya sudah sebulan belum jadi, saya kecewa", "pengaduan"),
        ("Bagaimana cara mengurus apostille ijazah?", "informasi"),
        ("How do I extend my stay permit?", "informasi"),
        ("Saran saya loket imigrasi dibuka juga hari Sabtu", "aspirasi"),
        ("Petugas loket imigrasi menerima suap", "pengaduan_pengawasan"),
    ],
)
def test_the_class_follows_what_the_reporter_wants(text: str, class_: str) -> None:
    assert judge(text).class_ == class_


def test_an_information_request_by_the_ppid_service_is_one_whatever_its_words() -> None:
    judgement = judge("Salinan keputusan yang saya mohon tahun lalu", service="ppid_permohonan")
    assert judgement.class_ == "informasi"
    assert judgement.unit == "setjen"


@pytest.mark.parametrize(
    ("text", "is_urgent"),
    [
        ("Suami saya di lapas muntah darah dan tidak dibawa ke dokter", True),
        ("Adik saya dipukuli di sel setiap malam", True),
        ("My brother is in danger, other inmates want to kill him", True),
        ("Mohon segera ditindaklanjuti, penerbangan saya besok dan paspor belum jadi", False),
        ("Mohon kritik dan saran kami diterima", False),
    ],
)
def test_urgent_is_danger_to_life_or_body_not_haste(text: str, is_urgent: bool) -> None:
    assert judge(text).is_urgent is is_urgent


def test_special_data_names_what_the_law_protects() -> None:
    judgement = judge(
        "Anak saya, narapidana di LPKA, sakit TBC; gaji saya tidak cukup untuk obatnya, sidik jari sudah diambil, tes DNA belum"
    )
    assert judgement.special_data == ("child", "health", "criminal_record", "biometric", "genetic", "finance")
    assert judge("Merek dagang saya ditolak").special_data == ()
    assert judge("Anak perusahaan kami mendaftar merek").special_data == ()


def test_reasons_name_the_terms_their_weight_and_the_runner_up() -> None:
    judgement = judge("Paspor saya tertahan, kata petugas lapas harus lapor dulu")
    values = [reason.value for reason in judgement.reasons]
    assert "imigrasi: paspor" in values
    assert judgement.reasons[-1].value == f"runner-up: {judgement.ranking[1].unit}"
    assert judgement.reasons[-1].weight == judgement.ranking[1].score


def test_reasons_never_quote_the_report() -> None:
    said = judge("Paspor saya dibuang di gang zxqlorong, petugas zxqbernama minta uang", title="zxqjudul", category="zxqkategori").reasons
    assert said
    assert not [reason for reason in said if "zxq" in reason.value]


def test_a_title_speaks_louder_than_the_text() -> None:
    text = "Paspor dan merek"
    assert judge(text, title="Merek").unit == "ki"
    assert judge(text, title="Paspor").unit == "imigrasi"


def test_a_category_that_names_a_unit_counts() -> None:
    assert is_decided(judge("Belum ada balasan sama sekali sejak bulan lalu", category="Imigrasi"), "imigrasi")


def test_a_masked_identifier_points_to_no_agency() -> None:
    assert judge("Paspor saya [NIK] [PASPOR] belum jadi") == judge("Paspor saya belum jadi")


def test_a_repeated_word_counts_once() -> None:
    assert judge("paspor " * 50).confidence == judge("paspor").confidence


@given(st.text(max_size=400), st.text(max_size=100), st.none() | st.text(max_size=60))
def test_any_text_has_a_judgement_and_always_the_same(text: str, title: str, category: str | None) -> None:
    judgement = judge(text, title, category=category)
    assert judgement == AGAIN.judge(report(text, title, category=category))
    assert {ranked.unit for ranked in judgement.ranking} == {*UNIT_SLUGS, "other_agency"}
    scores = [ranked.score for ranked in judgement.ranking]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in (*scores, judgement.confidence, judgement.class_confidence))
    assert judgement.unit == judgement.ranking[0].unit


@given(st.lists(st.sampled_from([word for _, text in (*JUDGED, *OTHERS) for word in text.split()]), max_size=60).map(" ".join))
def test_any_mixture_of_the_field_s_words_has_a_judgement(text: str) -> None:
    judgement = judge(text)
    assert 0 <= judgement.confidence <= 1
    assert not (judgement.is_oversight and judgement.oversight_in_doubt)


@pytest.mark.parametrize("text", ["petugas " * 2500, "a" * 20_000, "ber-" * 5000, "[" * 20_000, "petugas minta " * 1400, "?!. " * 5000])
def test_the_longest_text_that_intake_accepts_is_judged(text: str) -> None:
    assert judge(text[:20_000]).rules_version == JUDGE.version


NASTY = ["." * 19_999 + "x", ".!;" * 6_600 + "x", "Paspor. y" + " " * 19_000 + "z", "\n" * 19_000 + "x", ".\n" * 9_000 + "x"]
NASTY += [
    "Kedua a b c d. " * 1_300,
    "wirogunan " * 2_000,
    "kanim bogor di bogor " * 900,
    "\u0301" * 19_999,
    "a" * 250_000,
    "satu lagi. " * 1_800,
]


def test_an_accusation_behind_another_matter_is_an_accusation() -> None:
    judgement = judge(
        "Saya ingin tahu syarat perpanjangan merek dagang kopi di DJKI dan berapa biayanya, sebab sertifikat merek saya habis tahun depan. "
        "Satu lagi, petugas lapas minta uang 500 ribu kepada saya supaya boleh menjenguk suami."
    )
    assert judgement.is_oversight
    assert judgement.unit == "itjen"


@pytest.mark.parametrize("text", NASTY)
def test_the_time_a_text_takes_grows_with_its_length_alone(text: str) -> None:
    """Twice the text takes at most about twice the time: a few letters of headroom for noise, none for a square."""
    half, whole = text[: len(text) // 2], text

    def seconds(said: str) -> float:
        begun = time.process_time()
        judge(said)
        return time.process_time() - begun

    judge(whole)
    assert min(seconds(whole) for _ in range(3)) < 5 * min(seconds(half) for _ in range(3)) + 0.1


def test_a_long_word_is_not_kept_in_memory() -> None:
    word = "ab" * 9_000
    judge(f"paspor {word}")
    assert not any(len(known) > 100 for known in JUDGE.model._cached)
