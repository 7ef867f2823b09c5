"""What the masker promises: what it finds, what it leaves, and that neither order nor repetition changes it."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.masking_quality import measure, read_cases
from shared.masking import MASK_KINDS, Masked, mask, needs_masker

_TOKEN = re.compile(r"\[[A-Z]+\]")
# Pieces of which identifiers, and what only looks like one, are made: arbitrary text alone would hardly ever hold any.
_WRITTEN = (
    "0812 3456 7890 5371 0115 08950001 5371011508950001 +62 62 0 8 1 000 12345678 1234567890 19850512 201001 1003 09.254.294.3-407.000 "
    "12-05-2024 12/05/24 1.500.000 20240512 ( ) [ ] - . / , : # _ @ x@y.id gmail.com (at) [dot] an a.n. Rina Wulandari BUDI I Made "
    "DH B 1234 AB C1234567 paspor motor telp rek BCA nik KK nip laporan tanggal Rp Rp. jam wib juta kode total visa saya Saya sdr "
    "nama bernama [NIK] [NAMA] O o l X \u200b \u0301 \u0660\u0668\u0661 \uff10\uff18\uff11 \U0001f600 \ud800 \u00e9"
)
_PIECES = _WRITTEN.split(" ")
_SCRAPS = st.lists(st.sampled_from([*_PIECES, " ", "  ", "\n", "\t", "nama saya ", "atas nama ", "hormat saya,\n"]), max_size=16).map(
    "".join
)
_TEXTS = st.one_of(st.text(max_size=200), _SCRAPS, st.lists(st.sampled_from(_PIECES), max_size=20).map(" ".join))


def test_the_stated_recall_is_reached_on_the_written_cases() -> None:
    cases = read_cases()
    assert sum(bool(case.values) for case in cases) >= 60
    quality = measure(lambda text: mask(text).text, cases)
    assert quality.recall() >= 0.95, quality.missed
    for kind in MASK_KINDS:
        assert quality.present[kind] > 0
        assert quality.recall(kind) >= (0.85 if kind == "name" else 0.95), quality.missed


def test_at_most_two_in_a_hundred_texts_lose_anything_else() -> None:
    cases = read_cases()
    assert sum(not case.values for case in cases) >= 60
    quality = measure(lambda text: mask(text).text, cases)
    assert quality.false_masks() <= 0.02, quality.altered


def test_every_case_that_is_masked_passes_the_look_before_and_stays_masked() -> None:
    for case in read_cases():
        masked = mask(case.text)
        assert not masked.kinds or needs_masker(case.text)
        assert mask(masked.text).text == masked.text


@pytest.mark.parametrize(
    "text",
    [
        "laporan 5049672 dan #1916449",
        "hubungi 1500105, 1500 105, 110, 112, 1708, 14045",
        "tanggal 12-05-2026, 12/05/26, 2026-05-12 pukul 14.05-16.00",
        "Rp 1.500.000, Rp1500000,-, IDR 15 000 000, 1.500.000 rupiah, 500 juta",
        "UU 25/2009, Permenkumham 23/2022, PP 31/2013",
        "tahun 2019-2024, 2021 2022 2023",
        "rekening koran 12-05-2026 10-06-2026, rekening listrik 150.000.000/bulan, dana 5000000000000 rupiah",
        "wa 08.15-16.00 08.30-17.00, berkas 20260512140533, di -10.177199712345, 123.607032912345",
    ],
)
def test_public_numbers_amounts_dates_and_laws_are_never_masked(text: str) -> None:
    assert mask(text) == Masked(text, ())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("hp 0 8 1 2 - 3456 - 7890.", "hp [TELEPON]."),
        ("NPWP 09.254.294.3-407.000,", "NPWP [NPWP],"),
        ("wa 08 12 34 56 78 90!", "wa [TELEPON]!"),
        ("NIK 53 71 01 45 07 90 00 03;", "NIK [NIK];"),
        ("hp \uff10\uff18\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10 ya", "hp [TELEPON] ya"),
        ("hp \u0660\u0668\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660 ya", "hp [TELEPON] ya"),
        ("hp 0812\u200b3456\u200d7890 ya", "hp [TELEPON] ya"),
        ("\U0001f600 hp 0812\u20113456\u20117890 \U0001f600 \u201cya\u201d", "\U0001f600 hp [TELEPON] \U0001f600 \u201cya\u201d"),
        ("rina@gmail.com\u200b, 081234567890\u200b ya", "[EMAIL]\u200b, [TELEPON]\u200b ya"),
        ("e\u0301 sudah\u200b, rina\uff20gmail.com e\u0301", "e\u0301 sudah\u200b, [EMAIL] e\u0301"),
    ],
)
def test_an_identifier_in_disguise_is_masked_where_it_stands(text: str, masked: str) -> None:
    assert mask(text).text == masked


def test_a_number_of_thirteen_digits_that_nothing_explains_is_masked_and_one_of_twelve_is_not() -> None:
    assert mask("permohonan 1073000001234 lama").text == "permohonan [NOMOR] lama"
    assert mask("peserta 107300000123 lama").text == "peserta 107300000123 lama"


def test_a_date_beside_a_number_is_not_joined_to_it() -> None:
    assert mask("12-05-2026 081234567890 14.05 WITA").text == "12-05-2026 [TELEPON] 14.05 WITA"


def test_an_amount_near_an_account_keeps_its_digits() -> None:
    assert mask("transfer 15000000 ke rek BRI 1234567890").text == "transfer 15000000 ke rek BRI [REKENING]"


def test_the_kinds_found_are_named_once_and_in_a_fixed_order() -> None:
    masked = mask("email a@b.id, hp 081234567890, wa 081234567891, NIK 5371014507900003")
    assert masked.kinds == ("nik", "phone", "email")


def test_a_complaint_about_a_name_keeps_its_sense() -> None:
    for text in (
        "Nama saya dicoret dari daftar",
        "NAMA SAYA SALAH DI PASPOR",
        "SAYA MALING kata mereka",
        "atas nama Kepala Kantor",
        "bernama M-Paspor",
    ):
        assert mask(text).text == text


def test_a_text_without_any_trace_does_not_reach_the_masker() -> None:
    assert not needs_masker("Sudah tiga bulan paspor saya belum selesai, mohon kejelasan dari Kantor Imigrasi Kupang.")


@settings(max_examples=1500, deadline=None)
@given(_TEXTS)
@example("B 1234 201001an5371011508950001")
@example("1234567890an5371011508950001")
@example("x@y.id00012345678907890")
@example("a.n. Rp 5000000000000")
@example("081234567890B 1234 XY")
@example("DH 1234 AB5371011508950001")
@example("a.n. Kuota 0380 821234")
def test_masking_again_changes_nothing_and_the_look_before_lets_through_whatever_is_found(text: str) -> None:
    masked = mask(text)
    assert mask(masked.text).text == masked.text
    assert (masked.text == text) == (not masked.kinds)
    assert set(masked.kinds) <= set(MASK_KINDS)
    if masked.kinds:
        assert needs_masker(text)


@settings(max_examples=500, deadline=None)
@given(_TEXTS)
def test_what_is_not_masked_stays_as_it_was_and_in_its_order(text: str) -> None:
    place = 0
    for piece in _TOKEN.split(mask(text).text):
        found = text.find(piece, place)
        assert found >= 0
        place = found + len(piece)
