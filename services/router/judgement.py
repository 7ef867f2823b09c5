"""What a report is about: unit, class, flags, place, and how sure that is. Pure; any text has a judgement.

It must not decide where the report goes; `domain.py` does. The model's scores become frequencies here, and the reasons a clerk reads.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from heapq import nlargest
from operator import itemgetter

from services.router.evidence import Evidence, Found, Observer
from services.router.language import BREAKS, NUMBER
from services.router.matters import MOST as MOST_MATTERS
from services.router.matters import turning_points
from services.router.model import Model, Scores
from services.router.places import Gazetteer, Place
from services.router.rules import OTHER_AGENCY, Rules
from services.router.thresholds import Thresholds
from shared.events import ComplaintClass, ComplaintReceived, Ranked, Reason, ReasonKind
from shared.units import UNIT_SLUGS

OVERSIGHT_UNIT = "itjen"
VAGUE = "triage"
NOWHERE = Place()
_UNITS = (*UNIT_SLUGS, OTHER_AGENCY)
_share = itemgetter(0)
_AGENCY = f"{OTHER_AGENCY}/"
# Below this share of the difference to the runner-up a word is no reason.
_LEAST_SHARE = 0.15
# Fewer words without any term are too vague to route, whatever the model sees in them.
_LEAST_WORDS = 3
# What intake takes of a text; of a longer one, which came by another way, the rest is not read.
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Matter:
    """A further matter of a report that needs an answer of its own; `unit`, `agency` and `notice` as in Judgement."""

    unit: str
    confidence: float
    agency: str | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """`confidence` is a calibrated frequency: of reports judged with 0.8, four in five go where the ranking's top says.

    `ranking` has the eleven units and `other_agency`; its scores and that of "too vague" add up to one, but where oversight leads by a
    score of its own. `threshold` is the confidence that this outcome needs to be decided without a person. `agency` and `notice` (what
    its reporter reads) name the other agency where one is sure enough, also where a unit leads; `likely_agency` is the best guess.
    `matters` are those besides the first, each sure when read alone. `service` is the ministry's service that it is about.
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
    place: Place = NOWHERE
    service: str | None = None
    matters: tuple[Matter, ...] = ()
    likely_agency: str | None = None


class Judge:
    """Judges by terms and a linear model. Holds no state but caches; one judge serves one thread."""

    def __init__(self, rules: Rules, model: Model, thresholds: Thresholds, observer: Observer, gazetteer: Gazetteer, version: str) -> None:
        self.version = version
        self.rules, self.model, self.thresholds, self.observer, self.gazetteer = rules, model, thresholds, observer, gazetteer
        self._outcomes = model.heads["unit"]
        self._vague_at, self._oversight_at = self._outcomes.index(VAGUE), self._outcomes.index(OVERSIGHT_UNIT)
        self._units_at = [self._outcomes.index(unit) for unit in _UNITS]

    def judge(self, report: ComplaintReceived) -> Judgement:
        whole = self._judge(report)
        if whole.is_oversight or whole.is_vague:
            return whole
        stretches = self._divided(report)
        return self._with_matters(whole, stretches) if len(stretches) > 1 else whole

    def _judge(self, report: ComplaintReceived) -> Judgement:
        limits = self.thresholds
        title, text = report.title[:_LONGEST], report.text[:_LONGEST]
        evidence = self.observer.observe(title, text, service=report.service, category=report.category)
        scores = self.model.score(evidence)
        for unit, _, weight in evidence.context:  # known for certain, and no words to learn it from
            scores.logits["unit"][self._outcomes.index(unit)] += weight
        shares = _softmax(scores.logits["unit"], limits.temperature)
        oversight = self.oversight_of(scores, shares)
        is_oversight = oversight >= limits.oversight
        ranking = self._ranking(shares, oversight if is_oversight else None)
        top = ranking[0]
        likely_agency, is_sure = self._agency(scores)
        name = likely_agency if is_sure else None
        place = self.gazetteer.find(title, text)
        class_, class_confidence = self._class(report, scores, is_oversight)
        is_vague = _says_nothing(evidence) or shares[self._vague_at] >= limits.vague
        return Judgement(
            ranking=ranking,
            confidence=top.score,
            threshold=limits.oversight if is_oversight else limits.of(top.unit),
            unit=top.unit,
            agency=name,
            notice=self.notice(name),
            class_=class_,
            class_confidence=class_confidence,
            is_oversight=is_oversight,
            oversight_in_doubt=not is_oversight and oversight >= limits.oversight_in_doubt,
            # "Tolong pak" alone is a cry of nobody knows what: a person reads it as vague.
            is_urgent=_yes(scores.logits["urgency"]) >= limits.urgent and (not is_vague or bool(evidence.found["urgency"])),
            special_data=tuple(
                kind
                for kind in self.rules.special_data
                if evidence.found[kind] or (kind in scores.logits and _yes(scores.logits[kind]) >= limits.special_data)
            ),
            reasons=self._reasons(evidence, scores, ranking, place, oversight),
            is_vague=is_vague,
            rules_version=self.version,
            place=place,
            service=self._service(scores),
            likely_agency=likely_agency,
        )

    def notice(self, agency: str | None) -> str | None:
        return self.rules.notice.replace("{agency}", agency) if agency else None

    def oversight_of(self, scores: Scores, shares: list[float]) -> float:
        """How likely misconduct of an official is the core. Two views of it, the flag's and the unit's; either may see it."""
        return max(_yes(scores.logits["oversight"]), shares[self._oversight_at])

    def _divided(self, report: ComplaintReceived) -> list[Judgement]:
        """The report's matters in order, where both sides of a turning point are sure alone and of different units."""
        found: list[Judgement] = []
        title, text = report.title, report.text[:_LONGEST]
        while len(found) < MOST_MATTERS - 1:
            sides = [
                (self._judge(_stretch(report, title, before)), self._judge(_stretch(report, "", after)), after)
                for before, after in turning_points(text, self.rules.language)
            ]
            sure = [
                side
                for side in sides
                if side[0].unit != side[1].unit and self._least(side[0], side[1]) >= self.rules.scoring.further_matter
            ]
            if not sure:
                break
            first, second, text = max(sure, key=lambda side: self._least(side[0], side[1]))
            found = [*found[:-1], first, second]
            title = ""
        return found

    def _least(self, *judgements: Judgement) -> float:
        return min(0.0 if each.is_vague else each.confidence for each in judgements)

    def _with_matters(self, whole: Judgement, stretches: list[Judgement]) -> Judgement:
        if accusation := next((each for each in stretches if each.is_oversight), None):
            # It comes before the other matters, which go with it and not to the desks that it may speak of.
            said = _reason("rule", "several matters: an accusation is one of them", 1.0)
            return replace(accusation, is_urgent=whole.is_urgent, special_data=whole.special_data, reasons=(said, *accusation.reasons))
        if any(each.oversight_in_doubt for each in stretches):
            return replace(whole, oversight_in_doubt=True)
        lead = stretches[0]
        further: list[Matter] = []
        for each in stretches[1:]:
            if each.unit not in {lead.unit, *(matter.unit for matter in further)} and (each.unit != OTHER_AGENCY or each.agency):
                further.append(Matter(each.unit, each.confidence, each.agency, each.notice))
        if not further:
            return whole
        said = _reason("rule", f"several matters: {', '.join((lead.unit, *(matter.unit for matter in further)))}", 1.0)
        return replace(
            whole,
            unit=lead.unit,
            confidence=lead.confidence,
            threshold=lead.threshold,
            ranking=lead.ranking,
            agency=lead.agency,
            notice=lead.notice,
            likely_agency=lead.likely_agency,
            matters=tuple(further),
            reasons=(said, *lead.reasons),
            service=lead.service,
        )

    def _ranking(self, shares: list[float], oversight: float | None) -> tuple[Ranked, ...]:
        ranked = [(shares[at], unit) for unit, at in zip(_UNITS, self._units_at, strict=True)]
        ranked.sort(key=_share, reverse=True)  # stable: the directory's order among equals
        if oversight is not None:  # first, whatever else the report speaks of
            others = [each for each in ranked if each[1] != OVERSIGHT_UNIT]
            ranked = [(oversight, OVERSIGHT_UNIT), *((min(share, oversight), unit) for share, unit in others)]
        return tuple([_ranked(unit, round(share, 4)) for share, unit in ranked])

    def _agency(self, scores: Scores) -> tuple[str | None, bool]:
        """The likeliest agency's name, and whether it is sure enough to be named to the reporter."""
        slug, share = _surest(scores.logits["agency"], self.model.heads["agency"])
        return self.rules.agencies.get(slug), share >= self.thresholds.agency

    def _service(self, scores: Scores) -> str | None:
        service, share = _surest(scores.logits["service"], self.model.heads["service"])
        return service if service != "none" and share >= self.thresholds.service else None

    def _class(self, report: ComplaintReceived, scores: Scores, is_oversight: bool) -> tuple[ComplaintClass, float]:
        if is_oversight:
            return "pengaduan_pengawasan", 1.0
        if (given := self.rules.class_of_service.get(report.service)) is not None:
            return given, 1.0
        class_, share = _surest(scores.logits["class"], self.model.heads["class"])
        return class_, round(share, 4)  # type: ignore[return-value]  # trained on these alone

    def _reasons(
        self, evidence: Evidence, scores: Scores, ranking: tuple[Ranked, ...], place: Place, oversight: float
    ) -> tuple[Reason, ...]:
        """The terms found, then the words that the model read, by what each added to the top over the runner-up."""
        top, second = ranking[0].unit, ranking[1].unit
        found = [_reason("rule", f"{unit}: {why}", weight) for unit, why, weight in evidence.context]
        found += [*_terms(evidence.found["oversight"]), *_terms(evidence.found["routing"])]
        found.sort(key=lambda reason: -reason.weight)
        del found[self.rules.scoring.reasons :]
        first, other = self._outcomes.index(top), self._outcomes.index(second)
        gains = (scores.shares[:, first] - scores.shares[:, other]).tolist()
        for gain, word in nlargest(3, zip(gains, scores.words, strict=True)):
            # Only words that the model learned whole: a rare one may be somebody's name.
            if gain > _LEAST_SHARE and word not in BREAKS and word != NUMBER and self.model.knows(word):
                found.append(_reason("model", f"{top}: {word}", round(gain, 2)))
        found += [_reason("office", office.desk, 1.0) for office in place.offices[:3]]
        if place.province:
            found.append(_reason("place", ", ".join(filter(None, (place.regency, place.province))), 1.0))
        if oversight >= self.thresholds.oversight_in_doubt:
            found.append(_reason("rule", "oversight: misconduct of an official", round(oversight, 2)))
        found.append(_reason("rule", f"runner-up: {second}", ranking[1].score))
        return tuple(found)


def _says_nothing(evidence: Evidence) -> bool:
    return not evidence.found["routing"] and not evidence.context and sum(word not in BREAKS for word in evidence.words) < _LEAST_WORDS


def _stretch(report: ComplaintReceived, title: str, text: str) -> ComplaintReceived:
    return report.model_copy(update={"title": title, "text": text, "category": None, "service": "sp4n"})


def _softmax(logits: list[float], temperature: float = 1.0) -> list[float]:
    highest = max(logits)
    shares = [math.exp((logit - highest) / temperature) for logit in logits]
    whole = sum(shares)
    return [share / whole for share in shares]


def _surest(logits: list[float], outcomes: tuple[str, ...]) -> tuple[str, float]:
    highest = max(logits)
    return outcomes[logits.index(highest)], 1 / sum([math.exp(logit - highest) for logit in logits])


def _yes(logit: list[float]) -> float:
    return 1 / (1 + math.exp(-min(max(logit[0], -50.0), 50.0)))


def _terms(found: Found) -> list[Reason]:
    return [_reason("term", f"{term.target.removeprefix(_AGENCY)}: {term.says}", weight) for term, weight in found]


# Few distinct ones come up, and making one costs ten times as much as finding it.
@lru_cache(maxsize=8192)
def _reason(kind: ReasonKind, value: str, weight: float) -> Reason:
    return Reason(kind=kind, value=value, weight=weight)


@lru_cache(maxsize=8192)
def _ranked(unit: str, score: float) -> Ranked:
    return Ranked(unit=unit, score=score)
