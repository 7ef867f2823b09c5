"""What a report says, as counts: its words in one spelling, the rules' terms found in them, and how loudly each outcome is spoken for.

Pure. It must not weigh one outcome against another: the model does, with what stands here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.router.language import BREAK
from services.router.rules import OTHER_AGENCY, Rules
from services.router.terms import Term
from shared.events import ComplaintClass, ServiceName
from shared.units import UNIT_SLUGS, UnitDirectory

Found = list[tuple[Term, float]]
CLASSES: tuple[ComplaintClass, ...] = ("pengaduan", "aspirasi", "informasi")


@dataclass(frozen=True, slots=True)
class Evidence:
    """`found` has, by question, each term once with its weight; `context` what is known besides the text, as (unit, why, weight).

    `cues` are the sums of weights that `Observer.cue_names` names, each as log(1 + sum), so that the tenth term of a kind says little.
    """

    words: list[str]
    title_ends: int
    found: dict[str, Found]
    context: tuple[tuple[str, str, float], ...]
    cues: NDArray[np.float32]


class Observer:
    """Reads reports with one rule set. Holds no state but caches."""

    def __init__(self, rules: Rules, directory: UnitDirectory) -> None:
        self._rules = rules
        self._addressee = lru_cache(maxsize=1024)(directory.addressee)  # a source has few categories
        self.agencies = tuple(rules.agencies)
        questions = ("oversight", "urgency", *rules.special_data)
        self.cue_names = (*UNIT_SLUGS, *(f"{OTHER_AGENCY}/{slug}" for slug in self.agencies), OTHER_AGENCY, *CLASSES, *questions)
        self._at = {name: number for number, name in enumerate(self.cue_names)}
        self._questions = questions

    def observe(self, title: str, text: str, *, service: ServiceName | None = None, category: str | None = None) -> Evidence:
        rules = self._rules
        words = rules.language.normalise(title)
        title_ends = len(words)
        words.append(BREAK)
        words += rules.language.normalise(text)
        terms = rules.terms.find(words)
        found = {
            question: _once(hits, title_ends, rules.scoring.title if question == "routing" else 1.0) for question, hits in terms.items()
        }
        context = self._context(service, category)

        sums = [0.0] * len(self.cue_names)
        at = self._at
        for term, weight in found["routing"]:
            sums[at[term.target]] += weight
        first = len(UNIT_SLUGS)
        sums[at[OTHER_AGENCY]] = max(sums[first : first + len(self.agencies)], default=0.0)
        for term, weight in found["classes"]:
            if term.target in at:
                sums[at[term.target]] += weight
        for question in self._questions:
            sums[at[question]] = sum(weight for _, weight in found[question])
        return Evidence(words, title_ends, found, context, np.log1p(np.asarray(sums, dtype=np.float32)))

    def _context(self, service: ServiceName | None, category: str | None) -> tuple[tuple[str, str, float], ...]:
        """The service a report came in by, and a category that names a unit."""
        known: list[tuple[str, str, float]] = []
        if service is not None:
            known += [(unit, f"service {service}", weight) for unit, weight in self._rules.services.get(service, {}).items()]
        if category and (addressee := self._addressee(category[:200])) is not None:
            known.append((addressee.unit, "category", self._rules.scoring.category))
        return tuple(known)


def _once(found: Iterable[tuple[Term, int]], title_ends: int, title_factor: float) -> Found:
    """Each term once, however often it is said, by its first place: a title says more. Those of weight 0 have done their work."""
    once: dict[Term, float] = {}
    for term, at in found:
        if term.weight and term not in once:
            once[term] = term.weight * title_factor if at < title_ends else term.weight
    return list(once.items())
