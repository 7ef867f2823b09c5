"""Fits the linear model: one logistic regression for each head, on the same counts that the router makes of a report.

scikit-learn finds the weights; they are then rounded to one byte each. The same corpus and rules give the same model.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from services.router.evidence import Evidence
from services.router.model import HEADS, Model, grams_of, types_of
from services.router.training.corpus import Corpus, Row

# Seen in fewer reports than this, a feature is an accident of one writer.
LEAST_REPORTS = {"word": 2, "pair": 2, "gram": 3}
# The regularisation prices every feature alike; at this scale the cues do not talk the words down (measured out of fold).
CUE_FACTOR = 0.25
SPECIAL_DATA = ("child", "health", "criminal_record", "finance")


@dataclass(frozen=True, slots=True)
class Head:
    """`label` gives a row's outcome, or None where the row says nothing about this question."""

    name: str
    outcomes: tuple[str, ...]
    label: Callable[[Row], str | None]
    strength: float  # inverse of the regularisation


def heads_for(rows: Sequence[Row]) -> tuple[Head, ...]:
    agencies = tuple(sorted({row.agency for row in rows if row.agency and row.agency != "lain"}))
    services = ("none", *sorted(service for service, count in Counter(row.service for row in rows if row.service).items() if count >= 8))
    found = [
        Head("unit", HEADS["unit"], lambda row: row.unit, 4.0),
        Head("class", HEADS["class"], lambda row: None if row.class_ == "pengaduan_pengawasan" else row.class_, 1.0),
        Head("agency", agencies, lambda row: row.agency if row.agency in agencies else None, 2.0),
        Head("service", services, lambda row: row.service if row.service in services else "none", 2.0),
        Head("oversight", ("oversight",), lambda row: "oversight" if row.is_oversight else "", 2.0),
        Head("urgency", ("urgency",), lambda row: "urgency" if row.is_urgent else "", 1.0),
    ]
    return (*found, *(_special(category) for category in SPECIAL_DATA))


def _special(category: str) -> Head:
    return Head(category, (category,), lambda row: category if category in row.special_data else "", 1.0)


class Counts:
    """The sparse counts of reports, over the features that enough of the reports learned from share."""

    def __init__(self, observed: Iterable[Evidence]) -> None:
        seen: Counter[str] = Counter()
        total = 0
        for evidence in observed:
            total += 1
            words = types_of(evidence)
            features = set(words)
            for word in words:
                if " " not in word:
                    features.update(grams_of(word))
            seen.update(features)
        least = LEAST_REPORTS
        kept = sorted(
            name for name, count in seen.items() if count >= least["pair" if " " in name else "gram" if name[0] == "~" else "word"]
        )
        self.features = {name: number for number, name in enumerate(kept)}
        # Rare features say more (inverse document frequency); a gram says less than a word, of which there are fewer.
        idf = np.array([np.log((1 + total) / (1 + seen[name])) + 1 for name in kept], dtype=np.float32)
        kind = np.array([0.35 if name[0] == "~" else 1.0 for name in kept], dtype=np.float32)
        self.factor = idf * kind

    def matrix(self, observed: Sequence[Evidence]) -> csr_matrix:
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        for number, evidence in enumerate(observed):
            counted: dict[int, float] = {}
            for word, value in types_of(evidence).items():
                names = [word] if " " in word else [word, *dict.fromkeys(grams_of(word))]
                for name in names:
                    at = self.features.get(name)
                    if at is not None:
                        counted[at] = counted.get(at, 0.0) + value
            rows += [number] * len(counted)
            columns += counted
            values += counted.values()
        counts = csr_matrix((values, (rows, columns)), shape=(len(observed), len(self.features)), dtype=np.float32)
        cues = csr_matrix(np.stack([evidence.cues for evidence in observed]) * CUE_FACTOR)
        return csr_matrix(hstack([counts.multiply(self.factor), cues]))


def fit(rows: Sequence[Row], observed: Sequence[Evidence], cue_names: tuple[str, ...], only: Sequence[str] = ()) -> Model:
    """`only`: these heads alone, for experiments."""
    counts = Counts(observed)
    matrix = counts.matrix(observed)
    heads = [head for head in heads_for(rows) if not only or head.name in only]
    weights, intercepts = [], []
    for head in heads:
        label = [head.label(row) for row in rows]
        learned = np.array([number for number, said in enumerate(label) if said is not None])
        fitted = LogisticRegression(C=head.strength, max_iter=400, tol=1e-4)
        fitted.fit(matrix[learned], [label[number] for number in learned])
        found = np.zeros((len(head.outcomes), matrix.shape[1]), dtype=np.float32)
        intercept = np.full(len(head.outcomes), -20.0, dtype=np.float32)  # an outcome that nobody wrote about
        if len(head.outcomes) == 1:
            found[0], intercept[0] = fitted.coef_[0], fitted.intercept_[0]
            if fitted.classes_[1] != head.outcomes[0]:
                found[0], intercept[0] = -found[0], -intercept[0]
        else:
            for number, outcome in enumerate(fitted.classes_):
                found[head.outcomes.index(outcome)] = fitted.coef_[number]
                intercept[head.outcomes.index(outcome)] = fitted.intercept_[number]
        weights.append(found)
        intercepts.append(intercept)
    dense = np.concatenate(weights).T  # features and cues × columns
    split = len(counts.features)
    rounded, scale = _rounded(dense[:split] * counts.factor[:, None])
    return Model(
        {head.name: head.outcomes for head in heads},
        counts.features,
        rounded,
        scale,
        cue_names,
        (dense[split:] * CUE_FACTOR).astype(np.float32),
        np.concatenate(intercepts),
        "new",
        Corpus(tuple(rows)).digest,
    )


def _rounded(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    scale = (np.abs(weights).max(axis=0) / 127).astype(np.float32)
    scale[scale == 0] = 1.0
    return np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), scale
