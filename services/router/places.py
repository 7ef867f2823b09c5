"""Where a report happened and which offices it names, from its words. Pure but for reading its data; what is not named is not guessed."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from services.router.offices import Found, Offices, read_offices
from services.router.phrases import Phrases
from services.router.regions import Level, Named, PlacesFile, Proof, Region, Regions, read_words
from services.router.rules import PACKAGED, RuleError
from services.router.said import COMMA, Said
from shared.units import UnitDirectory

# How much a mention says about where it happened: "di Kupang", "Kupang", "asal Kupang"; and what a mention that agrees adds.
_HERE, _PLAIN, _LESS = 3.0, 2.0, 1.0
_PER_LEVEL = 0.2
_AGREES = 0.4
# "lapas di Papua", and "kami di Kebumen".
_OFFICE_THERE, _HOME = 0.5, 0.1
_FROM = frozenset({"lahir", "asal", "ktp", "kelahiran"})


@dataclass(frozen=True, slots=True)
class Office:
    """A technical unit (UPT). `desk` is `<kind>:<place>`; `province` is the official name where it is known, and gives the Kanwil."""

    desk: str
    unit: str
    province: str | None = None
    regency: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """`province` and `regency` by their official names; `offices` in the order in which the text names them."""

    province: str | None = None
    regency: str | None = None
    offices: tuple[Office, ...] = ()


@dataclass(slots=True)
class _Mention:
    named: Named
    at: int
    end: int
    regions: tuple[Region, ...]
    score: float
    is_proven: bool

    @property
    def province(self) -> str | None:
        first = self.regions[0].province
        return first if all(region.province == first for region in self.regions) else None


class Gazetteer:
    """Finds places and offices. Raises RuleError for data that is missing or wrong; holds no state."""

    def __init__(self, directory: UnitDirectory, folder: Path = PACKAGED) -> None:
        file = _read_places(folder)
        self._words = file.words
        regions = Regions(directory, file)
        self._names = regions.names
        self._offices = Offices(directory, read_offices(folder), regions)
        self._kinds = self._offices.kinds.first_words()
        self._elsewhere = Phrases({read_words(name): True for name in file.words.elsewhere})
        indexes = (self._elsewhere, self._offices.kinds, self._offices.nicknames, self._names)
        firsts = [index.first_words() for index in indexes]
        # For each word that something begins with, in which of the four to look: most words begin nothing, few more than a region.
        self._starts = {word: tuple(word in first for first in firsts) for word in set().union(*firsts)}

    def find(self, title: str, text: str) -> Place:
        """Total: any two strings have an answer."""
        said = Said(title, text, self._words.abbreviations)
        starts = self._starts
        offices: list[Found] = []
        by_nickname: list[Found] = []
        mentions: list[_Mention] = []
        read_until = 0
        for at in [at for at, word in enumerate(said.words) if word in starts]:
            if at < read_until:
                continue
            is_elsewhere, is_kind, is_nickname, is_name = starts[said.words[at]]
            if is_elsewhere and (elsewhere := self._elsewhere.at(said.words, at)):
                read_until = elsewhere[0][0]
            elif is_kind and (office := self._offices.at(said, at)) is not None:
                offices.append(office)
                read_until = office.end
            elif is_nickname and (nickname := self._offices.nickname_at(said, at)) is not None and not self._is_no_place(said, at):
                by_nickname.append(nickname)
                read_until = nickname.end
            elif is_name and (mention := self._mention(said, at)) is not None:
                mentions.append(mention)
                read_until = mention.end
        return _place(_all_offices(offices, by_nickname), _proven(said, mentions))

    def _is_no_place(self, said: Said, at: int) -> bool:
        return at > 0 and said.words[at - 1] in self._words.never

    def _mention(self, said: Said, at: int) -> _Mention | None:
        found = self._names.at(said.words, at)
        if not found or self._is_no_place(said, at):
            return None
        end, named = found[0]
        words, lists = said.words, self._words
        before = words[at - 1] if at else ""
        is_kota, is_kabupaten = before in lists.kota, before in lists.kabupaten
        behind = words[end] if end < len(words) else ""
        if behind in lists.kota and not is_kabupaten:
            is_kota, end = True, end + 1
        regions = named.regions
        if named.level is Level.REGENCY and (is_kota or is_kabupaten):
            regions = tuple(region for region in regions if (region.regency or "").startswith("Kota") == is_kota) or regions
        elif named.is_province:
            regions = (Region(regions[0].province),)
        is_kecamatan = named.level is Level.WITHIN and not named.is_town
        is_kind = is_kota or is_kabupaten if named.level is Level.REGENCY else before in lists.kecamatan
        context = words[at - 2] if at > 1 and (is_kota or is_kabupaten or before in lists.kecamatan) else before
        beyond = words[max(0, at - 3) : max(0, at - 1)]
        is_less = context in lists.less or (context in ("di", "masih", "dari") and not _FROM.isdisjoint(beyond))
        is_here = not is_less and (is_kind or context in lists.here)
        is_proven = (
            named.proof is Proof.NONE
            or is_kind
            or (named.proof is Proof.CONTEXT and (is_here or (is_less and not is_kecamatan) or said.is_name(at)))
        )
        score = _LESS if is_less else _HERE if is_here else _PLAIN
        if is_here and not self._kinds.isdisjoint(words[max(0, at - 2) : at]):
            score += _OFFICE_THERE
        if is_here and not lists.home.isdisjoint(words[max(0, at - 2) : at]):
            score -= _HOME
        return _Mention(named, at, end, regions, score + _PER_LEVEL * named.level, is_proven)


def _all_offices(offices: list[Found], by_nickname: list[Found]) -> list[Found]:
    """In the order named. A Kanim that is named comes before the airport on the way, a prison before the island that it stands on."""
    has_kanim = any(office.desk.startswith("kanim:") for office in offices)
    found = [*offices, *(office for office in by_nickname if not (has_kanim and office.desk.startswith("kanim:")))]
    named = {region for office in found if not office.has_several for region in office.regions}
    found = [office for office in found if not (office.has_several and named.intersection(office.regions))]
    return sorted(found, key=lambda office: office.at)


def _proven(said: Said, mentions: list[_Mention]) -> list[_Mention]:
    """The mentions that are places: with proof of their own, or with their province or regency right behind ("Bima, NTB")."""
    kept: list[_Mention] = []
    for before, mention in pairwise(mentions):  # "jurusan Padang Jakarta"
        if before.end == mention.at and before.score < _PLAIN and before.province != mention.province:
            mention.score = before.score
    for mention, following in zip(mentions, [*mentions[1:], None], strict=False):
        if following is not None and following.at - mention.end <= 1 and said.words[mention.end : following.at] in ([], [COMMA]):
            within = tuple(region for region in mention.regions if region.province == following.province)
            if within and following.is_proven and following.named.level < mention.named.level:
                mention.regions, mention.is_proven = within, True
        if mention.is_proven:
            kept.append(mention)
    return kept


def _place(offices: list[Found], mentions: list[_Mention]) -> Place:
    """Where it happened: at the first office; else where most is said for, the first named among equals."""
    province = next((found for office in offices if (found := _province(office.regions)) is not None), None)
    by_desk: dict[str, Office] = {}
    for office in offices:
        by_desk.setdefault(office.desk, _office(office, mentions))
    named = tuple(by_desk.values())
    if province is not None:
        regency = next((office.regency for office in named if office.province == province), None)
        return Place(province, regency, named)
    province = _likeliest(mentions)
    return Place(province, _regency(mentions, province) if province else None, named)


def _office(found: Found, mentions: Iterable[_Mention]) -> Office:
    regency = found.regions[0].regency if len(found.regions) == 1 else None
    if regency is None:  # "Kanim Bogor ... di Kota Bogor"
        said = {mention.regions[0].regency for mention in mentions if len(mention.regions) == 1}
        meant = [region.regency for region in found.regions if region.regency in said]
        regency = meant[0] if len(meant) == 1 else None
    return Office(found.desk, found.unit, _province(found.regions), regency)


def _province(regions: tuple[Region, ...]) -> str | None:
    provinces = {region.province for region in regions}
    return provinces.pop() if len(provinces) == 1 else None


def _likeliest(mentions: list[_Mention]) -> str | None:
    best: dict[str, dict[str, float]] = {}
    for mention in mentions:
        if (province := mention.province) is not None:
            by_name = best.setdefault(province, {})
            name = mention.named.desk
            by_name[name] = max(mention.score, by_name.get(name, 0.0))
    scores = {province: max(by_name.values()) + _AGREES * (len(by_name) - 1) for province, by_name in best.items()}
    return max(scores, key=lambda province: scores[province], default=None)


def _regency(mentions: list[_Mention], province: str) -> str | None:
    """The regency that is certain: of the strongest mention, and inside what a name shared by city and regency leaves open."""
    inside = [(mention, [region.regency for region in mention.regions if region.province == province]) for mention in mentions]
    shared = {regency for _, regencies in inside if len(regencies) > 1 for regency in regencies}
    certain = [(mention, regencies[0]) for mention, regencies in inside if len(regencies) == 1 and regencies[0] is not None]
    if not certain:
        return None
    return max(certain, key=lambda one: (one[1] in shared, one[0].score, -one[0].at))[1]


def _read_places(folder: Path) -> PlacesFile:
    try:
        return PlacesFile.model_validate(tomllib.loads((folder / "places.toml").read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RuleError(f"places.toml: {error}") from None
