"""How a report's words come to the spelling that the rules know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.language import Language

LANGUAGE = Language(
    shorthand={"gk": "tidak", "yg": "yang", "bgt": "sangat", "makasih": "terima kasih", "sdh": "sudah", "merk": "merek"},
    masks=["nik", "no kk"],
    protected=["beruang", "mereka"],
    roots=[
        "paspor", "kunjung", "tahanan", "tahan", "suap", "pukul", "urus", "sogok", "minta", "bulan", "uang", "maaf", "lama", "petugas",
        "ektp", "tunggu", "kirim", "merek", "prisoner", "desa", "lapas", "ktp", "tidak", "sulit", "pas",
    ],
)  # fmt: skip


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Paspor YG gk jadi", ["paspor", "yang", "tidak", "jadi"]),
        ("makasih bgt", ["terima", "kasih", "sangat"]),
        ("lamaaaa bgtttt", ["lama", "sangat"]),
        ("maaaaf", ["maaf"]),
        ("lamaa", ["lama"]),
        ("merk2", ["merek"]),
    ],
)
def test_shorthand_and_stretched_letters_are_spelled_out(written: str, words: list[str]) -> None:
    assert LANGUAGE.normalise(written) == words


@pytest.mark.parametrize("written", ["ber-bulan2", "ber-bulan-bulan", "berbulan-bulan", "bulan2", "bulan-bulan"])
def test_a_word_said_twice_is_the_word(written: str) -> None:
    assert LANGUAGE.normalise(written) == ["bulan"]


@pytest.mark.parametrize(
    ("written", "root"),
    [
        ("paspornya", "paspor"),
        ("kunjungan", "kunjung"),
        ("dikunjungi", "kunjung"),
        ("menyuap", "suap"),
        ("penyuapan", "suap"),
        ("memukul", "pukul"),
        ("dipukuli", "pukul"),
        ("mengurus", "urus"),
        ("pengurusannya", "urus"),
        ("ngurus", "urus"),
        ("nyogok", "sogok"),
        ("menunggu", "tunggu"),
        ("dikirimkan", "kirim"),
        ("mintain", "minta"),
        ("meminta", "minta"),
        ("dipersulit", "sulit"),
        ("prisoners", "prisoner"),
        ("ktpnya", "ktp"),
        ("petugasnyalah", "petugas"),
    ],
)
def test_affixes_are_taken_off_a_root_that_the_rules_know(written: str, root: str) -> None:
    assert LANGUAGE.normalise(written) == [root]


@pytest.mark.parametrize(
    ("written", "kept"), [("tahanan", "tahanan"), ("tahanannya", "tahanan"), ("bertahan", "tahan"), ("menahan", "tahan")]
)
def test_as_few_affixes_as_possible_are_taken_off(written: str, kept: str) -> None:
    assert LANGUAGE.normalise(written) == [kept]


@pytest.mark.parametrize("written", ["beruang", "mereka", "desain", "kebun", "pasti", "bebas", "mempas", "kelapa"])
def test_words_that_only_look_like_a_form_stay(written: str) -> None:
    assert LANGUAGE.normalise(written) == [written]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("E-KTP", ["ektp"]),
        ("k.t.p.", ["ktp", "."]),
        ("selesai.Tolong", ["selesai", "tolong"]),
        ("Rp500.000,- tgl 3-4-2026 50rb", ["rp", "0", "0", "tgl", "0", "0", "rb"]),
        ("Kenapa? Entah. Ya!", ["kenapa", "?", "entah", ".", "ya", "."]),
        ("lapas/petugas,paspor", ["lapas", "petugas", "paspor"]),
        ("lapas\npetugas", ["lapas", ".", "petugas"]),
    ],
)
def test_punctuation_parts_or_joins_words_as_people_mean_it(written: str, words: list[str]) -> None:
    assert LANGUAGE.normalise(written) == words


def test_masked_identifiers_are_no_words_but_brackets_of_the_reporter_are() -> None:
    assert LANGUAGE.normalise("[NIK] paspor [No KK] [SUAP] [di lapas]") == ["paspor", "suap", "di", "lapas"]


@pytest.mark.parametrize("written", ["ＰＡＳＰＯＲ", "pas\u00adpor", "pas\u200bpor", "PasPor"])
def test_width_case_and_invisible_signs_hide_no_word(written: str) -> None:
    assert LANGUAGE.normalise(written) == ["paspor"]


def test_forms_of_a_root_are_known_where_both_are_roots() -> None:
    assert LANGUAGE.forms()["tahan"] == {"tahanan"}
    assert "uang" not in LANGUAGE.forms()


@given(st.text(max_size=300))
def test_any_text_has_words_and_they_stand_as_they_are(text: str) -> None:
    words = LANGUAGE.normalise(text)
    assert words == LANGUAGE.normalise(text)
    assert all(words)
    assert len(words) <= 3 * len(text)
