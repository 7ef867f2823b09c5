"""The linear model: reproducible, readable word by word, and not thrown by a misspelling."""

from itertools import islice

import numpy as np
import pytest

from services.router.classification import bare_report
from services.router.evidence import Observer
from services.router.model import Model, ModelError, grams_of, read_model, types_of
from services.router.ruleset import load_judge
from services.router.thresholds import read_thresholds
from services.router.training.calibration import COSTS, calibrate, out_of_fold, to_toml
from services.router.training.corpus import Corpus, read_corpus
from services.router.training.fit import fit
from shared.units import UNIT_SLUGS, load_directory

JUDGE = load_judge(load_directory())
OBSERVER: Observer = JUDGE.observer


@pytest.fixture(scope="module")
def some() -> Corpus:
    """Every tenth report: small, and still of every unit and writer."""
    return Corpus(tuple(islice(read_corpus().split()[0].rows, 0, None, 10)))


@pytest.fixture(scope="module")
def trained(some: Corpus) -> Model:
    return fit(some.rows, [OBSERVER.observe(row.title, row.text) for row in some.rows], OBSERVER.cue_names)


def test_the_packaged_model_learned_from_the_corpus_as_it_is() -> None:
    assert JUDGE.model.corpus == read_corpus().split()[0].digest, "run: jalur router train --out services/router/data"


def test_the_same_corpus_gives_the_same_model(some: Corpus, trained: Model) -> None:
    again = fit(some.rows, [OBSERVER.observe(row.title, row.text) for row in some.rows], OBSERVER.cue_names)
    assert again.to_bytes() == trained.to_bytes()


def test_a_model_that_was_written_scores_as_before(some: Corpus, trained: Model) -> None:
    read = read_model(trained.to_bytes(), OBSERVER.cue_names)
    for row in some.rows[:50]:
        evidence = OBSERVER.observe(row.title, row.text)
        for head, logits in read.score(evidence).logits.items():
            assert logits == pytest.approx(trained.score(evidence).logits[head], abs=1e-4)


def test_a_cue_that_the_model_does_not_know_weighs_nothing(trained: Model) -> None:
    evidence = OBSERVER.observe("", "paspor saya belum jadi")
    read = read_model(trained.to_bytes(), (*OBSERVER.cue_names, "other_agency/bakamla"))
    widened = type(evidence)(evidence.words, evidence.title_ends, evidence.found, evidence.context, np.append(evidence.cues, np.float32(5)))
    assert read.score(widened).logits["unit"] == pytest.approx(trained.score(evidence).logits["unit"], abs=1e-4)


def test_weights_that_are_no_numbers_are_refused(trained: Model) -> None:
    trained._intercept[0] = np.nan
    try:
        with pytest.raises(ModelError, match="no numbers"):
            read_model(trained.to_bytes(), OBSERVER.cue_names)
    finally:
        trained._intercept[0] = 0


@pytest.mark.parametrize(
    ("right", "wrong", "unit"),
    [("imigrasi", "imigarsi", "imigrasi"), ("narapidana", "narapidna", "pemasyarakatan"), ("notaris", "notarris", "ahu")],
)
def test_a_misspelt_word_still_points_to_its_unit(right: str, wrong: str, unit: str) -> None:
    at = JUDGE.model.heads["unit"].index(unit)
    silent = JUDGE.model.score(OBSERVER.observe("", "zzz")).logits["unit"][at]
    for word in (right, wrong):
        assert JUDGE.model.score(OBSERVER.observe("", word)).logits["unit"][at] > silent


def test_the_shares_of_the_words_are_what_they_add() -> None:
    with_word = OBSERVER.observe("", "antrean paspor")
    scores = JUDGE.model.score(with_word)
    assert scores.shares.shape == (len(scores.words), len(JUDGE.model.heads["unit"]))
    assert set(scores.words) <= set(types_of(with_word))


def test_a_word_of_any_length_has_few_grams() -> None:
    assert list(grams_of("ab")) == ["~<ab", "~ab>", "~<ab>"]
    assert not list(grams_of("a" * 500))


def test_more_distinct_words_than_the_cache_holds_are_judged() -> None:
    text = " ".join(f"kata{chr(97 + a)}{chr(97 + b)}{chr(97 + c)}" for a in range(26) for b in range(26) for c in range(4))
    for start in range(12):
        JUDGE.judge(bare_report("", text.replace("kata", f"{'bcdfghjklmnp'[start]}ata")))
    assert JUDGE.judge(bare_report("", "Paspor saya belum jadi di kantor imigrasi")).unit == "imigrasi"


def test_calibration_makes_a_wrong_route_dearer_by_deciding_less(some: Corpus) -> None:
    rows = some.rows
    measured = out_of_fold(rows, [OBSERVER.observe(row.title, row.text) for row in rows], OBSERVER.cue_names, folds=2)
    cheap = calibrate(rows, measured, COSTS.model_copy(update={"wrong_route": 2.0, "withheld_look": 1.0}))
    dear = calibrate(rows, measured, COSTS.model_copy(update={"wrong_route": 30.0}))
    assert dear.default > cheap.default
    assert dear.oversight > cheap.oversight
    assert read_thresholds(to_toml(dear).encode(), UNIT_SLUGS) == dear
