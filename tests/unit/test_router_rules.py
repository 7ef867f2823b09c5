"""A rule set is whole or refused, and the refusal names the entry."""

import shutil
from pathlib import Path

import pytest

from services.router.judgement import Judge
from services.router.language import Language
from services.router.rules import PACKAGED, RuleError
from services.router.ruleset import FILES, load_judge
from services.router.terms import Matcher, Term, read_steps
from shared.units import UNIT_SLUGS, load_directory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(PACKAGED / name, tmp_path)
    return tmp_path


def load(folder: Path) -> Judge:
    return load_judge(load_directory(), folder)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def add(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_the_packaged_rules_load_and_know_every_unit() -> None:
    rules = load(PACKAGED).rules
    assert {term.target for term in rules.terms.terms["routing"]} >= set(UNIT_SLUGS)
    assert len(rules.agencies) >= 28


def test_the_version_changes_with_any_byte_of_the_rules(folder: Path) -> None:
    before = load(folder).version
    add(folder / "flags.toml", "# a comment\n")
    after = load(folder).version
    assert before != after
    assert before.split("+")[0] == after.split("+")[0]


def test_a_missing_version_is_refused(folder: Path) -> None:
    change(folder / "rules.toml", 'version = "', 'edition = "')
    with pytest.raises(RuleError, match=r"rules\.toml: version: Field required"):
        load(folder)


def test_an_unknown_unit_is_refused(folder: Path) -> None:
    add(folder / "units.toml", '\n[[bakamla]]\nweight = 1\nterms = ["kapal patroli"]\n')
    with pytest.raises(RuleError, match=r"units\.toml: unknown unit 'bakamla'"):
        load(folder)


def test_a_threshold_for_an_unknown_unit_is_refused(folder: Path) -> None:
    change(folder / "thresholds.toml", "[units]\n", "[units]\nimigrasy = 0.6\n")
    with pytest.raises(RuleError, match=r"thresholds\.toml: units: unknown unit 'imigrasy'"):
        load(folder)


@pytest.mark.parametrize(
    ("old", "new", "entry"),
    [
        ("default = ", "defalt = ", "default: Field required"),
        ("other_agency = 0", "other_agency = 7", "other_agency: "),
        ("\nvague", "\n[", ""),
    ],
)
def test_thresholds_that_cannot_be_read_are_refused_by_entry(folder: Path, old: str, new: str, entry: str) -> None:
    change(folder / "thresholds.toml", old, new)
    with pytest.raises(RuleError, match=rf"thresholds\.toml: {entry}"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no model"])
def test_a_model_that_cannot_be_read_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.npz").write_bytes(content)
    with pytest.raises(RuleError, match=r"model\.npz: is no model file"):
        load(folder)


def test_a_model_cut_short_is_refused(folder: Path) -> None:
    whole = (folder / "model.npz").read_bytes()
    (folder / "model.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RuleError, match=r"model\.npz: "):
        load(folder)


def test_a_model_that_was_trained_on_an_agency_which_the_rules_lack_is_refused(folder: Path) -> None:
    text = (folder / "agencies.toml").read_text(encoding="utf-8")
    (folder / "agencies.toml").write_text(
        text.replace("[dukcapil]", "[catatan_sipil]").replace("[[dukcapil.", "[[catatan_sipil."), encoding="utf-8"
    )
    with pytest.raises(RuleError, match=r"model\.npz: was trained on terms for other_agency/dukcapil"):
        load(folder)


def test_a_unit_without_terms_is_refused(folder: Path) -> None:
    text = (folder / "units.toml").read_text(encoding="utf-8")
    (folder / "units.toml").write_text(text.replace("[[bsk]]", "[[bpsdm]]"), encoding="utf-8")
    with pytest.raises(RuleError, match=r"units\.toml: no terms for bsk"):
        load(folder)


@pytest.mark.parametrize("weight", ["11", "-1", '"heavy"', "nan"])
def test_a_weight_out_of_range_is_refused(folder: Path, weight: str) -> None:
    add(folder / "units.toml", f'\n[[bsk]]\nweight = {weight}\nterms = ["rumah kaca"]\n')
    with pytest.raises(RuleError, match=r"units\.toml: bsk, group \d+: weight: "):
        load(folder)


def test_a_term_said_twice_for_one_unit_is_refused_in_any_spelling(folder: Path) -> None:
    add(folder / "units.toml", '\n[[imigrasi]]\nweight = 2\nterms = ["M-PASPOR"]\n')
    with pytest.raises(RuleError, match=r"units\.toml: imigrasi: term 'M-PASPOR': duplicate, it is there already as 'mpaspor'"):
        load(folder)


def test_a_term_of_two_units_is_refused_without_a_context_that_tells_them_apart(folder: Path) -> None:
    add(folder / "units.toml", '\n[[bsk]]\nweight = 2\nterms = ["paspor"]\n')
    with pytest.raises(RuleError, match=r"units\.toml: bsk: term 'paspor': duplicate, imigrasi has it in the same context"):
        load(folder)


def test_a_term_of_two_units_with_a_context_of_its_own_is_taken(folder: Path) -> None:
    add(folder / "units.toml", '\n[[bsk]]\nweight = 2\nterms = ["paspor"]\nneeds = ["survei"]\n')
    bsk = [term for term in load(folder).rules.terms.terms["routing"] if term.target == "bsk"]
    assert "paspor" in [term.text for term in bsk]


@pytest.mark.parametrize(
    ("term", "complaint"),
    [("..", "a gap must stand between two words"), ("petugas ..", "a gap must stand"), ("<kucing> galak", "no class of words <kucing>"),
     ("---", "holds no word"), ("", "a term needs a word")],
)  # fmt: skip
def test_a_term_that_cannot_be_read_is_refused(folder: Path, term: str, complaint: str) -> None:
    add(folder / "units.toml", f'\n[[bsk]]\nweight = 2\nterms = ["{term}"]\n')
    with pytest.raises(RuleError, match=rf"units\.toml: bsk: term '{term}': .*{complaint}"):
        load(folder)


def test_a_context_of_more_than_one_word_is_refused(folder: Path) -> None:
    add(folder / "units.toml", '\n[[bsk]]\nweight = 2\nterms = ["kertas kerja"]\nneeds = ["dua kata"]\n')
    with pytest.raises(RuleError, match=r"'dua kata' of its context is more than one word"):
        load(folder)


def test_shorthand_that_hides_a_word_of_a_term_is_refused(folder: Path) -> None:
    change(folder / "language.toml", "[shorthand]\n", '[shorthand]\nrutan = "rumah"\n')
    with pytest.raises(RuleError, match=r"language\.toml: shorthand\.rutan: "):
        load(folder)


@pytest.mark.parametrize("notice", ["Terima kasih.", "{agency} {name}", "{agency", "{}"])
def test_a_notice_must_name_the_agency_and_nothing_else(folder: Path, notice: str) -> None:
    change(folder / "rules.toml", 'notice = "', f'notice = "{notice}"\n#')
    with pytest.raises(RuleError, match=r"rules\.toml: notice: "):
        load(folder)


def test_a_misspelt_key_is_refused(folder: Path) -> None:
    change(folder / "flags.toml", "unless = [", "unles = [")
    with pytest.raises(RuleError, match=r"flags\.toml: oversight\.\d+\.unles: "):
        load(folder)


def test_a_file_that_is_no_toml_and_one_that_is_away_are_refused_by_name(folder: Path) -> None:
    (folder / "agencies.toml").write_text("[[", encoding="utf-8")
    with pytest.raises(RuleError, match=r"agencies\.toml: "):
        load(folder)
    (folder / "units.toml").unlink()
    with pytest.raises(RuleError, match=r"units\.toml: "):
        load(folder)


def terms_found(terms: list[tuple[str, dict[str, list[str]]]], text: str) -> list[str]:
    bare = Language(shorthand={})
    classes = {"staff": frozenset({"petugas", "sipir"})}
    made = [
        Term(
            written,
            written,
            "unit",
            1.0,
            read_steps(written, bare, classes),
            *(frozenset(context.get(key, [])) for key in ("needs", "unless")),
        )
        for written, context in terms
    ]
    return [term.text for term, _ in Matcher({"routing": made}).find(bare.normalise(text))["routing"]]


def test_of_terms_at_one_word_the_longest_is_taken_and_hides_the_others() -> None:
    terms: list[tuple[str, dict[str, list[str]]]] = [("ham", {}), ("hukum dan ham", {}), ("hukum", {})]
    assert terms_found(terms, "hukum dan ham, lalu ham") == ["hukum dan ham", "ham"]


def test_a_gap_spans_five_words_but_no_sentence() -> None:
    terms: list[tuple[str, dict[str, list[str]]]] = [("<staff> .. uang", {})]
    assert terms_found(terms, "petugas a b c d e uang") == ["<staff> .. uang"]
    assert terms_found(terms, "petugas a b c d e f uang") == []
    assert terms_found(terms, "sipir baik. uang saya hilang") == []
    assert terms_found(terms, "uang petugas") == []


def test_context_words_open_and_close_a_term() -> None:
    terms: list[tuple[str, dict[str, list[str]]]] = [("pp", {"needs": ["uu"], "unless": ["foto"]})]
    assert terms_found(terms, "pp itu") == []
    assert terms_found(terms, "uu dan pp") == ["pp"]
    assert terms_found(terms, "uu dan pp, foto") == []
