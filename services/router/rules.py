"""The terms and their weights, read from TOML and refused as a whole when one entry is wrong. Pure.

It must not judge: `judgement.py` does, with what stands here.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.router.language import Language
from services.router.terms import Matcher, Step, Term, TermError, read_steps, read_words
from shared.events import ComplaintClass, ServiceName
from shared.units import UNIT_SLUGS

PACKAGED = Path(__file__).parent / "data"
FILES = ("rules.toml", "language.toml", "units.toml", "agencies.toml", "flags.toml")
OTHER_AGENCY = "other_agency"
QUESTIONS = ("routing", "oversight", "urgency", "classes")  # and one for each kind of special data
SpecialData = Literal["child", "health", "criminal_record", "biometric", "genetic", "finance"]

Weight = Annotated[float, Field(ge=0, le=10)]


class RuleError(ValueError):
    """The rule set is refused; the text names the file and the entry."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Group(_File):
    """Terms that weigh the same. A weight of 0 takes words out of other terms' reach and says nothing itself."""

    weight: Weight
    terms: list[str] = Field(min_length=1)
    needs: list[str] = []
    unless: list[str] = []


class Agency(_File):
    name: str = Field(min_length=3, pattern=r"^[^\x00-\x1f]+$")
    groups: list[Group] = Field(min_length=1)


class Scoring(_File):
    """A title's terms count `title` times; `category`: the weight of one that names a unit. `further_matter`: how sure both sides of a
    turning point must be for a report to be divided there."""

    title: float = Field(ge=1, le=3)
    category: Weight
    reasons: int = Field(ge=1, le=30)
    further_matter: float = Field(gt=0, lt=1)


class _Settings(_File):
    version: str = Field(min_length=1)
    notice: str
    scoring: Scoring
    services: dict[ServiceName, dict[str, Weight]] = {}
    class_of_service: dict[ServiceName, ComplaintClass] = {}


class _Words(_File):
    masks: list[str]
    protected: list[str]
    turns: list[str]
    shorthand: dict[str, str]
    classes: dict[str, list[str]]


class _Flags(_File):
    oversight: list[Group]
    urgency: list[Group]
    classes: dict[ComplaintClass, list[Group]]
    special_data: dict[SpecialData, list[Group]]


@dataclass(frozen=True, slots=True)
class Rules:
    """Readable terms; `version` as their author named them."""

    version: str
    notice: str
    scoring: Scoring
    services: Mapping[ServiceName, Mapping[str, float]]
    class_of_service: Mapping[ServiceName, ComplaintClass]
    agencies: Mapping[str, str]
    language: Language
    special_data: tuple[SpecialData, ...]
    terms: Matcher


def read_rules(files: Mapping[str, bytes]) -> Rules:
    """The terms in `files`, by name. Raises RuleError for a file or an entry that is missing or wrong; there is no half-loaded set."""
    raw: dict[str, dict[str, Any]] = {}
    for name in FILES:
        try:
            raw[name] = tomllib.loads(files[name].decode())
        except KeyError:
            raise RuleError(f"{name}: is missing") from None
        except ValueError as error:
            raise RuleError(f"{name}: {error}") from None
    settings = _read(_Settings, raw["rules.toml"], "rules.toml")
    words = _read(_Words, raw["language.toml"], "language.toml")
    flags = _read(_Flags, raw["flags.toml"], "flags.toml")
    units = {slug: _groups(groups, f"units.toml: {slug}") for slug, groups in raw["units.toml"].items()}
    agencies = {slug: _read(Agency, entry, f"agencies.toml: {slug}") for slug, entry in raw["agencies.toml"].items()}
    _check_units("units.toml", units)
    for service, weights in settings.services.items():
        _check_units(f"rules.toml: services.{service}", weights)
    if missing := [slug for slug in UNIT_SLUGS if slug not in units]:
        raise RuleError(f"units.toml: no terms for {', '.join(missing)}")
    if settings.notice.replace("{agency}", "").count("{") or "{agency}" not in settings.notice:
        raise RuleError("rules.toml: notice: must name {agency} and no other field")

    bare = Language(shorthand={}, masks=words.masks)
    classes = {name: frozenset(word for text in texts for word in bare.normalise(text)) for name, texts in words.classes.items()}
    reader = _Reader(bare, classes, {name: texts[0] for name, texts in words.classes.items()})
    for slug, groups in units.items():
        reader.add("routing", slug, groups, f"units.toml: {slug}")
    for slug, agency in agencies.items():
        reader.add("routing", f"{OTHER_AGENCY}/{slug}", agency.groups, f"agencies.toml: {slug}")
    reader.add("oversight", "oversight", flags.oversight, "flags.toml: oversight")
    reader.add("urgency", "urgency", flags.urgency, "flags.toml: urgency")
    for class_, groups in flags.classes.items():
        reader.add("classes", class_, groups, f"flags.toml: classes.{class_}")
    for category, groups in flags.special_data.items():
        reader.add(category, category, groups, f"flags.toml: special_data.{category}")

    roots = frozenset().union(*(term.words for terms in reader.terms.values() for term in terms))
    for short in words.shorthand:
        if short in roots:
            raise RuleError(f"language.toml: shorthand.{short}: a term has this word, which no text will ever show it")
    turns = [tuple(bare.normalise(text)) for text in words.turns]
    language = Language(shorthand=words.shorthand, masks=words.masks, protected=words.protected, roots=roots, turns=turns)
    forms = language.forms()
    return Rules(
        version=settings.version,
        notice=settings.notice,
        scoring=settings.scoring,
        services=settings.services,
        class_of_service=settings.class_of_service,
        agencies={slug: agency.name for slug, agency in agencies.items()},
        language=language,
        special_data=tuple(flags.special_data),
        terms=Matcher({question: [term.in_all_forms(forms) for term in terms] for question, terms in reader.terms.items()}),
    )


class _Reader:
    """Turns groups into terms and refuses one that is said twice to the same question."""

    def __init__(self, language: Language, classes: Mapping[str, frozenset[str]], examples: Mapping[str, str]) -> None:
        self._language = language
        self._classes = classes
        self._examples = examples
        self.terms: dict[str, list[Term]] = {question: [] for question in QUESTIONS}
        self._seen: dict[tuple[str, tuple[Step, ...]], list[Term]] = {}

    def _readable(self, text: str) -> str:
        """For a clerk: a class of words by its first one, a gap by an ellipsis."""
        for name, example in self._examples.items():
            text = text.replace(f"<{name}>", example)
        return text.replace(" .. ", " … ")

    def add(self, question: str, target: str, groups: Iterable[Group], place: str) -> None:
        for group in groups:
            for text in group.terms:
                try:
                    term = Term(
                        text=text,
                        says=self._readable(text),
                        target=target,
                        weight=group.weight,
                        steps=read_steps(text, self._language, self._classes),
                        needs=read_words(group.needs, self._language, self._classes),
                        unless=read_words(group.unless, self._language, self._classes),
                    )
                except TermError as error:
                    raise RuleError(f"{place}: term {text!r}: {error}") from None
                same = self._seen.setdefault((question, term.steps), [])
                for other in same:
                    if other.target == target:
                        raise RuleError(f"{place}: term {text!r}: duplicate, it is there already as {other.text!r}")
                    if (other.needs, other.unless) == (term.needs, term.unless):
                        raise RuleError(f"{place}: term {text!r}: duplicate, {other.target} has it in the same context")
                same.append(term)
                self.terms.setdefault(question, []).append(term)


Model = TypeVar("Model", bound=BaseModel)


def _read(model: type[Model], raw: Any, place: str) -> Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        entry = ".".join(str(step) for step in first["loc"])
        raise RuleError(f"{place}: {entry}: {first['msg']}") from None


def _groups(raw: Any, place: str) -> list[Group]:
    if not isinstance(raw, list):
        raise RuleError(f"{place}: must be a list of groups of terms")
    return [_read(Group, entry, f"{place}, group {number}") for number, entry in enumerate(raw, start=1)]


def _check_units(place: str, slugs: Iterable[str]) -> None:
    for slug in slugs:
        if slug not in UNIT_SLUGS:
            raise RuleError(f"{place}: unknown unit {slug!r}")
