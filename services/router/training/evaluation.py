"""How good the judge is on reports of writers that it has learned nothing from; each figure as the model card states it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

from services.router.classification import TRIAGE, Classified
from services.router.rules import OTHER_AGENCY
from services.router.training.corpus import Row
from shared.units import UNIT_SLUGS, UnitDirectory

OUTCOMES = (*UNIT_SLUGS, OTHER_AGENCY, TRIAGE)


@dataclass(frozen=True, slots=True)
class Figure:
    """`of`: how many reports it is measured on."""

    name: str
    value: float
    of: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    figures: tuple[Figure, ...]
    by_unit: tuple[tuple[str, int, float, float], ...]  # unit, reports, recall, precision of the best guess
    confusion: np.ndarray  # rows: labels, columns: best guesses, both in the order of OUTCOMES
    wrong: tuple[tuple[Row, Classified], ...]

    def figure(self, name: str) -> float:
        return next(figure.value for figure in self.figures if figure.name == name)


def guess_of(found: Classified) -> str:
    """The best guess; a report held as too vague, or in doubt without any guess, counts as triage."""
    return TRIAGE if found.held == "vague" else found.top


def evaluate(rows: Sequence[Row], found: Sequence[Classified], agency_names: Mapping[str, str], directory: UnitDirectory) -> Evaluation:
    def official(name: str | None) -> str | None:
        province = directory.province(name)
        return province.name if province else None

    truth = [row.unit for row in rows]
    guess = [guess_of(each) for each in found]
    routable = [at for at, unit in enumerate(truth) if unit != TRIAGE]
    decided = [at for at, each in enumerate(found) if each.unit != TRIAGE]
    right = [at for at in decided if found[at].unit == truth[at]]
    transferred = [at for at in decided if found[at].unit == OTHER_AGENCY]
    plain = [at for at, row in enumerate(rows) if not row.is_oversight]
    offices = [at for at, row in enumerate(rows) if row.desk]
    named = [at for at, each in enumerate(found) if each.offices]
    provinces = [at for at, row in enumerate(rows) if row.province]
    agencies = [at for at, row in enumerate(rows) if row.unit == OTHER_AGENCY and row.agency not in (None, "lain")]
    several = [at for at, row in enumerate(rows) if row.further]
    services = [at for at, row in enumerate(rows) if row.service]
    figures = [
        Figure("macro-F1 over units, other agency and triage", float(f1_score(truth, guess, labels=OUTCOMES, average="macro")), len(rows)),
        Figure("macro-F1 over the eleven units", float(f1_score(truth, guess, labels=UNIT_SLUGS, average="macro")), len(rows)),
        Figure("accuracy of the best guess", _share(truth[at] == found[at].top for at in routable), len(routable)),
        Figure("coverage (decided without a person)", len(decided) / len(rows), len(rows)),
        Figure("coverage of routable reports", _share(found[at].unit != TRIAGE for at in routable), len(routable)),
        Figure("precision when decided", len(right) / max(len(decided), 1), len(decided)),
        Figure("class accuracy", _share(rows[at].class_ == found[at].class_ for at in plain), len(plain)),
        *_recall_and_precision("oversight", [bool(row.is_oversight) for row in rows], [each.oversight for each in found]),
        *_recall_and_precision("urgency", [bool(row.is_urgent) for row in rows], [each.urgent for each in found]),
        *_recall_and_precision(
            "special data (any kind)", [bool(row.special_data) for row in rows], [bool(each.special_data) for each in found]
        ),
        Figure("other agency: precision when transferred", _share(truth[at] == OTHER_AGENCY for at in transferred), len(transferred)),
        Figure(
            "other agency: the right agency named",
            _share(agency_names.get(rows[at].agency or "") == found[at].agency for at in agencies),
            len(agencies),
        ),
        Figure("office: accuracy where one is named", _share(rows[at].desk in found[at].offices[:1] for at in offices), len(offices)),
        Figure("office: precision", _share(rows[at].desk in found[at].offices for at in named), len(named)),
        Figure(
            "province: accuracy where one is named",
            _share(official(rows[at].province) == found[at].province for at in provinces),
            len(provinces),
        ),
        Figure(
            "province: none found where none is",
            _share(found[at].province is None for at, row in enumerate(rows) if not row.province),
            len(rows) - len(provinces),
        ),
        Figure("service: accuracy", _share(rows[at].service == found[at].service for at in services), len(services)),
        Figure("several matters: recall", _share(bool(found[at].further) for at in several), len(several)),
        Figure(
            "several matters: false",
            _share(bool(each.further) for each, row in zip(found, rows, strict=True) if not row.further),
            len(rows) - len(several),
        ),
    ]
    counted, guessed = Counter(truth), Counter(guess)
    by_unit = []
    for unit in OUTCOMES:
        hits = sum(a == b == unit for a, b in zip(truth, guess, strict=True))
        by_unit.append((unit, counted[unit], hits / max(counted[unit], 1), hits / max(guessed[unit], 1)))
    wrong = tuple((rows[at], found[at]) for at in decided if found[at].unit != truth[at])
    return Evaluation(tuple(figures), tuple(by_unit), confusion_matrix(truth, guess, labels=OUTCOMES), wrong)


def _share(hits: Iterable[bool]) -> float:
    listed = list(hits)
    return sum(listed) / len(listed) if listed else 1.0


def _recall_and_precision(name: str, truth: Sequence[bool], said: Sequence[bool]) -> list[Figure]:
    hits = sum(a and b for a, b in zip(truth, said, strict=True))
    return [
        Figure(f"{name}: recall", hits / max(sum(truth), 1), sum(truth)),
        Figure(f"{name}: precision", hits / max(sum(said), 1), sum(said)),
    ]
