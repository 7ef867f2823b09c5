"""The linear model: words, word pairs and the letters inside words, each with a weight for every outcome, and the rules' cues beside them.

Pure but for reading its file. Linear, so that every score is a sum that can be shown to a clerk word by word. Training is elsewhere.
"""

import hashlib
import io
import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.router.evidence import CLASSES, Evidence
from services.router.language import BREAK, BREAKS
from services.router.rules import OTHER_AGENCY
from shared.units import UNIT_SLUGS

FILE = "model.npz"
SHORTEST_GRAM, LONGEST_GRAM = 3, 5
# The words of a longer report stand before this.
MOST_WORDS = 3_000
# A word longer than this is a link or a key pressed down; its letters are not looked at.
LONGEST_WORD = 24
# A longer one is not counted: no input fills the memory.
LONGEST_KNOWN = 40
TITLE_COUNTS = 1.5
# Spellings whose weights are kept added up; a spelling takes 4 bytes for every outcome.
_CACHE_SIZE = 32_768

# The questions whose outcomes are fixed; agencies and services are those of the corpus.
HEADS: dict[str, tuple[str, ...]] = {
    "unit": (*UNIT_SLUGS, OTHER_AGENCY, "triage"),
    "class": CLASSES,
    "oversight": ("oversight",),
    "urgency": ("urgency",),
}

Floats = NDArray[np.float32]


class ModelError(ValueError):
    """The model file is refused; the text says why."""


def grams_of(word: str) -> Iterator[str]:
    """The runs of three to five letters in a word, its ends marked, that tell `imigarsi` from `imigran`."""
    if len(word) <= LONGEST_WORD:
        marked = f"<{word}>"
        for size in range(SHORTEST_GRAM, LONGEST_GRAM + 1):
            for start in range(len(marked) - size + 1):
                yield f"~{marked[start : start + size]}"


def types_of(evidence: Evidence, known: Container[str] | None = None) -> dict[str, float]:
    """Each distinct word and pair of neighbours (as `a b`) with how much it counts; a long report's words count less each.

    Only pairs in `known`, where that is given; the others count for the length all the same.
    """
    words, ends = evidence.words[:MOST_WORDS], evidence.title_ends
    if max(map(len, words), default=0) > LONGEST_KNOWN:
        words = [word if len(word) <= LONGEST_KNOWN else BREAK for word in words]
    pairs = {f"{a} {b}" for a, b in pairwise(words) if a not in BREAKS and b not in BREAKS}
    counted = dict.fromkeys(words, 1.0)
    counted.pop(BREAK, None)
    scale = max(len(counted) + len(pairs), 6) ** -0.5
    if known is not None:
        pairs = {pair for pair in pairs if pair in known}
    counted |= dict.fromkeys(pairs, 1.0)
    for word in words[:ends]:
        counted[word] = TITLE_COUNTS
    for a, b in pairwise(words[:ends]):
        if (pair := f"{a} {b}") in pairs:
            counted[pair] = TITLE_COUNTS
    counted.pop(BREAK, None)
    return {word: counts * scale for word, counts in counted.items()}


@dataclass(frozen=True, slots=True)
class Scores:
    """`logits` by head; `shares` has one row for every word in `words`: what it added to each outcome of the head `unit`."""

    logits: dict[str, list[float]]
    words: list[str]
    shares: Floats


class Model:
    """`heads`: for each question its outcomes in order; a head of one outcome answers yes or no.

    `corpus` is a hash of what it learned from.
    """

    def __init__(
        self,
        heads: Mapping[str, tuple[str, ...]],
        features: Mapping[str, int],
        weights: NDArray[np.int8],
        scale: Floats,
        cue_names: tuple[str, ...],
        cue_weights: Floats,
        intercept: Floats,
        version: str,
        corpus: str = "",
    ) -> None:
        self.heads = dict(heads)
        self.cue_names = cue_names
        self.version = version
        self.corpus = corpus
        self._features = dict(features)
        self._weights = weights
        self._scale = scale
        self._cue_weights = cue_weights
        self._intercept = intercept
        self._columns = _columns(self.heads)
        self._width = sum(len(outcomes) for outcomes in self.heads.values())
        self._cached: dict[str, int] = {}
        self._rows = np.zeros((_CACHE_SIZE, self._width), dtype=np.float32)

    def knows(self, word: str) -> bool:
        return word in self._features

    def score(self, evidence: Evidence) -> Scores:
        counted = types_of(evidence, self._features)
        words = list(counted)
        counts = np.fromiter(counted.values(), dtype=np.float32, count=len(words))
        rows = self._rows[self._rows_of(words)]
        logits = (self._intercept + evidence.cues @ self._cue_weights + counts @ rows).tolist()
        start, end = self._columns["unit"]
        shares = rows[:, start:end] * counts[:, None]
        return Scores({head: logits[start:end] for head, (start, end) in self._columns.items()}, words, shares)

    def _rows_of(self, words: list[str]) -> list[int]:
        cached = self._cached
        try:
            return [cached[word] for word in words]
        except KeyError:
            if len(cached) + len(words) > _CACHE_SIZE:
                cached.clear()
            for word in words:
                if word not in cached:
                    self._rows[len(cached)] = self._weights_of(word)
                    cached[word] = len(cached)
            return [cached[word] for word in words]

    def _weights_of(self, word: str) -> Floats:
        known = self._features
        found = [known[word]] if word in known else []
        if " " not in word:
            found += [known[gram] for gram in dict.fromkeys(grams_of(word)) if gram in known]
        total: Floats = self._weights[found].sum(axis=0, dtype=np.float32) * self._scale
        return total

    def to_bytes(self) -> bytes:
        """The file's content: the same model gives the same bytes."""
        names = sorted(self._features, key=lambda name: self._features[name])
        said = {"heads": self.heads, "cues": self.cue_names, "corpus": self.corpus}
        out = io.BytesIO()
        np.savez_compressed(
            out,
            said=np.frombuffer(json.dumps(said).encode(), dtype=np.uint8),
            names=np.frombuffer("\n".join(names).encode(), dtype=np.uint8),
            weights=self._weights,
            scale=self._scale,
            cue_weights=self._cue_weights,
            intercept=self._intercept,
        )
        return out.getvalue()


def read_model(content: bytes, cue_names: tuple[str, ...]) -> Model:
    """Raises ModelError for what is no model, or one that was trained on other cues than the rules beside it give."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            said = json.loads(file["said"].tobytes())
            names = file["names"].tobytes().decode().split("\n")
            weights, scale, cue_weights, intercept = file["weights"], file["scale"], file["cue_weights"], file["intercept"]
        heads = {head: tuple(outcomes) for head, outcomes in said["heads"].items()}
        trained_on = tuple(said["cues"])
    except Exception as error:  # zipfile, numpy and json each have their own
        raise ModelError(f"{FILE}: is no model file: {type(error).__name__}") from None
    width = sum(len(outcomes) for outcomes in heads.values())
    shapes = (weights.shape, scale.shape, cue_weights.shape, intercept.shape)
    if shapes != ((len(names), width), (width,), (len(trained_on), width), (width,)) or weights.dtype != np.int8:
        raise ModelError(f"{FILE}: its parts do not fit each other: {shapes}")
    if not all(np.isfinite(part).all() for part in (scale, cue_weights, intercept)):
        raise ModelError(f"{FILE}: has weights that are no numbers")
    if wrong := [head for head, outcomes in HEADS.items() if set(heads.get(head, ())) != set(outcomes)]:
        raise ModelError(f"{FILE}: answers the question {wrong[0]!r} with other outcomes than the router knows")
    if missing := [head for head in ("agency", "service") if not heads.get(head)]:
        raise ModelError(f"{FILE}: has no answers to the question {missing[0]!r}")
    if unknown := set(trained_on) - set(cue_names):
        raise ModelError(f"{FILE}: was trained on terms for {', '.join(sorted(unknown))}, which the rules do not have: train it again")
    at = {name: number for number, name in enumerate(trained_on)}
    # A cue that came after the training weighs nothing yet.
    aligned = np.zeros((len(cue_names), width), dtype=np.float32)
    for number, name in enumerate(cue_names):
        if name in at:
            aligned[number] = cue_weights[at[name]]
    version = hashlib.sha256(content).hexdigest()[:8]
    features = {name: number for number, name in enumerate(names)}
    return Model(heads, features, weights, scale, cue_names, aligned, intercept, version, str(said.get("corpus", "")))


def _columns(heads: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[int, int]]:
    columns: dict[str, tuple[int, int]] = {}
    start = 0
    for head, outcomes in heads.items():
        columns[head] = (start, start + len(outcomes))
        start += len(outcomes)
    return columns
