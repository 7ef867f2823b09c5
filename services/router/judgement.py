"""What a report is about: unit, class, flags and how sure that is, from the terms found in it. Pure; any text has a judgement.

It must not decide where the report goes; `domain.py` does. Another judge may stand behind `Judge.judge` without anyone noticing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from services.router.language import BREAK, BREAKS
from services.router.rules import OTHER_AGENCY, Rules
from services.router.terms import Term
from shared.events import ComplaintClass, ComplaintReceived, Ranked, Reason, ReasonKind
from shared.units import UNIT_SLUGS, UnitDirectory

OVERSIGHT_UNIT = "itjen"
_CLASSES: tuple[ComplaintClass, ...] = ("pengaduan", "pengaduan_pengawasan", "aspirasi", "informasi")

_AGENCY = f"{OTHER_AGENCY}/"
Found = list[tuple[Term, float]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`confidence` and the scores are shares of term weights, not yet frequencies; they compare only within one `rules_version`.

    `unit` is the top of the ranking (a unit slug or `other_agency`) and `threshold` the confidence that this outcome needs to be decided
    without a person. `agency` and `notice` (what its reporter reads) belong to the strongest other agency, also where a unit leads.
    """

    ranking: tuple[Ranked, ...]
    confidence: float
    threshold: float
    unit: str
    agency: str | None
    notice: str | None
    class_: ComplaintClass
    class_confidence: float
    is_oversight: bool
    oversight_in_doubt: bool
    is_urgent: bool
    special_data: tuple[str, ...]
    reasons: tuple[Reason, ...]
    is_vague: bool
    rules_version: str


class Judge:
    """Judges by ordered, weighted terms."""

    def __init__(self, rules: Rules, directory: UnitDirectory) -> None:
        self.version = rules.version
        self._rules = rules
        self._addressee = lru_cache(maxsize=1024)(directory.addressee)  # a source has few categories

    def judge(self, report: ComplaintReceived) -> Judgement:
        rules = self._rules
        words = rules.language.normalise(report.title)
        title_ends = len(words)
        words.append(BREAK)
        words += rules.language.normalise(report.text)
        found = rules.terms.find(words)

        routing = _once(found["routing"], title_ends, rules.scoring.title)
        oversight = _once(found["oversight"])
        oversight_weight = sum(weight for _, weight in oversight)
        is_oversight = oversight_weight >= rules.bars.oversight
        weights = dict.fromkeys(UNIT_SLUGS, 0.0)
        by_agency: dict[str, float] = {}
        for term, weight in routing:
            if term.target in weights:
                weights[term.target] += weight
            else:
                by_agency[term.target] = by_agency.get(term.target, 0.0) + weight
        reasons = [*self._context(report, weights), *_reasons(oversight), *_reasons(routing)]
        if oversight_weight:
            # The inspectorate leads where its matter is certain and comes close where it is not.
            weights[OVERSIGHT_UNIT] += oversight_weight + (max(weights.values()) if is_oversight else 0.0)

        silent = not any(weights.values()) and not by_agency
        ranking, agency = self._ranking(weights, by_agency)
        top, second = ranking[0], ranking[1]
        reasons.sort(key=lambda reason: -reason.weight)
        del reasons[rules.scoring.reasons :]
        reasons.append(_reason("rule", f"runner-up: {second.unit if second.score else 'none'}", second.score))
        class_, class_confidence = self._class(report, found["classes"], is_oversight)
        urgency = sum(weight for _, weight in _once(found["urgency"]))
        name = rules.agencies[agency] if agency else None
        return Judgement(
            ranking=ranking,
            confidence=top.score,
            threshold=rules.threshold(top.unit),
            unit=top.unit,
            agency=name,
            notice=rules.notice.replace("{agency}", name) if name else None,
            class_=class_,
            class_confidence=class_confidence,
            is_oversight=is_oversight,
            oversight_in_doubt=not is_oversight and oversight_weight >= rules.bars.oversight_in_doubt,
            is_urgent=urgency >= rules.bars.urgent,
            special_data=tuple(category for category in rules.special_data if any(term.weight for term, _ in found[category])),
            reasons=tuple(reasons),
            is_vague=silent and sum(word not in BREAKS for word in words) < rules.scoring.vague_words,
            rules_version=rules.version,
        )

    def _context(self, report: ComplaintReceived, weights: dict[str, float]) -> list[Reason]:
        """What is known besides the text: the service it came in by, and a category that names a unit. Adds to `weights`."""
        known: list[Reason] = []
        for unit, weight in self._rules.services.get(report.service, {}).items():
            weights[unit] += weight
            known.append(_reason("rule", f"{unit}: service {report.service}", weight))
        if report.category and (addressee := self._addressee(report.category[:200])) is not None:
            weight = self._rules.scoring.category
            weights[addressee.unit] += weight
            known.append(_reason("rule", f"{addressee.unit}: category", weight))
        return known

    def _ranking(self, weights: dict[str, float], by_agency: dict[str, float]) -> tuple[tuple[Ranked, ...], str | None]:
        """Each outcome's squared weight as a share of all of them and of silence; and the strongest agency.

        A second agency speaks against the first as a unit does, so that a transfer names the right one or none.
        """
        scoring = self._rules.scoring
        yields = scoring.agency_yields * max(weights.values())
        strengths = sorted(((max(weight - yields, 0.0), slug) for slug, weight in by_agency.items()), key=lambda item: -item[0])
        squares = {unit: weight * weight for unit, weight in weights.items()}
        squares[OTHER_AGENCY] = strengths[0][0] ** 2 if strengths else 0.0
        whole = scoring.silence**2 + sum(squares.values()) + sum(strength**2 for strength, _ in strengths[1:])
        ranking = sorted(squares.items(), key=lambda item: -item[1])  # stable: the directory's order among equals
        agency = strengths[0][1].partition("/")[2] if strengths else None
        return tuple(_ranked(unit, round(square / whole, 4)) for unit, square in ranking), agency

    def _class(self, report: ComplaintReceived, found: list[tuple[Term, int]], is_oversight: bool) -> tuple[ComplaintClass, float]:
        if is_oversight:
            return "pengaduan_pengawasan", 1.0
        if (given := self._rules.class_of_service.get(report.service)) is not None:
            return given, 1.0
        strongest = dict.fromkeys(_CLASSES, 0.0)
        strongest["pengaduan"] = self._rules.scoring.silence
        for term, weight in _once(found):
            strongest[term.target] += weight  # type: ignore[index]
        squares = {class_: weight * weight for class_, weight in strongest.items()}
        class_ = max(_CLASSES, key=lambda class_: squares[class_])
        return class_, round(squares[class_] / sum(squares.values()), 4)


def _once(found: Iterable[tuple[Term, int]], title_ends: int = 0, title_factor: float = 1.0) -> Found:
    """Each term once, however often it is said, by its first place: a title says more. Those of weight 0 have done their work."""
    once: dict[Term, float] = {}
    for term, at in found:
        if term.weight and term not in once:
            once[term] = term.weight * title_factor if at < title_ends else term.weight
    return list(once.items())


def _reasons(found: Found) -> list[Reason]:
    return [_reason("term", f"{term.target.removeprefix(_AGENCY)}: {term.says}", weight) for term, weight in found]


# Few distinct ones come up, and making one costs ten times as much as finding it.
@lru_cache(maxsize=8192)
def _reason(kind: ReasonKind, value: str, weight: float) -> Reason:
    return Reason(kind=kind, value=value, weight=weight)


@lru_cache(maxsize=8192)
def _ranked(unit: str, score: float) -> Ranked:
    return Ranked(unit=unit, score=score)
