"""The judge on writers that it has learned nothing from: what the model card says is true, and the floors under it hold."""

import re
from pathlib import Path

import pytest

import services.router
from services.router.classification import classify
from services.router.ruleset import load_judge
from services.router.training.corpus import FOLDER, Corpus, read_corpus
from services.router.training.evaluation import Evaluation, evaluate
from shared.units import load_directory

CARD = (Path(services.router.__file__).parent / "MODEL_CARD.md").read_text(encoding="utf-8")
# Sums of many small numbers: another processor may round a borderline report to the other side.
SLACK = 0.01


def measured(corpus: Corpus) -> Evaluation:
    directory = load_directory()
    judge = load_judge(directory)
    found = [classify(judge, directory, row.title, row.text) for row in corpus.rows]
    return evaluate(corpus.rows, found, judge.rules.agencies, directory)


@pytest.fixture(scope="module")
def on_test_writers() -> Evaluation:
    return measured(read_corpus().split()[1])


@pytest.fixture(scope="module")
def on_the_blind_set() -> Evaluation:
    return measured(read_corpus(FOLDER.parent / "blind"))


def figures_of(block: str) -> dict[str, tuple[float, int]]:
    """Name, value and number of reports of each row that the card has between its two marks."""
    said = CARD.partition(f"<!-- {block} -->")[2].partition(f"<!-- /{block} -->")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) \| (\d+) \|$", said, re.MULTILINE)
    return {name: (float(value), int(of)) for name, value, of in rows}


def assert_says(block: str, evaluation: Evaluation) -> None:
    card = figures_of(block)
    assert {figure.name for figure in evaluation.figures} == set(card)
    wrong = [
        (figure.name, card[figure.name], figure.value, figure.of)
        for figure in evaluation.figures
        if abs(card[figure.name][0] - figure.value) > SLACK or abs(card[figure.name][1] - figure.of) > 2
    ]
    assert not wrong, "the model card is out of date: jalur router evaluate --report DIR"


def test_the_card_says_what_is_measured_on_the_test_writers(on_test_writers: Evaluation) -> None:
    assert_says("evaluation", on_test_writers)


def test_the_card_says_what_is_measured_on_the_blind_set(on_the_blind_set: Evaluation) -> None:
    assert_says("blind", on_the_blind_set)


def test_a_unit_is_found_and_a_decision_is_right(on_test_writers: Evaluation) -> None:
    assert on_test_writers.figure("macro-F1 over the eleven units") >= 0.90
    assert on_test_writers.figure("precision when decided") >= 0.96
    assert on_test_writers.figure("oversight: recall") >= 0.92


def test_nobody_is_sent_to_another_agency_without_a_person_unless_99_of_100_belong_there(on_test_writers: Evaluation) -> None:
    assert on_test_writers.figure("other agency: precision when transferred") >= 0.99
