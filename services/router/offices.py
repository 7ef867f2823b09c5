"""The technical units (UPT) that a text names: their kinds, how they are said, and those whose place is no region. Pure but for its data.

It never makes an office of a kind alone: without a place there is none.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from services.router.phrases import Phrases, one_letter_wrong
from services.router.regions import Level, Named, Proof, Region, Regions, Words, read_words
from services.router.rules import RuleError
from services.router.said import COMMA, Said
from shared.units import UnitDirectory

_OUTLET, _ANY_PRISON = "ulp", "penjara"
_PRISONS = ("lapas", "rutan")
_LONGEST_RANK = 9  # words between a kind and its place
_LONGEST_NAME = 4


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reading(_File):
    ranks: frozenset[str]
    fillers: frozenset[str]
    loose: frozenset[str]
    after_place: frozenset[str]
    within_lapas: dict[str, str]
    within_rutan: dict[str, str]
    forgiven: list[str]


class _Near(_File):
    reach: int = Field(ge=1, le=40)
    moved: frozenset[str]
    on_the_way: frozenset[str]
    passport: frozenset[str]
    prison_anywhere: frozenset[str]
    immigration_anywhere: frozenset[str]
    prison: frozenset[str]
    immigration: frozenset[str]


class _Office(_File):
    name: str
    regency: str | None = None
    province: str | None = None
    called: list[str] = []
    nickname: list[str] = []
    beside: frozenset[str] = frozenset()
    has_several: bool = False


class _Offices(_File):
    kanim: list[_Office]
    kanim_places: list[str]
    prisons: list[_Office]
    others: list[_Office]


class OfficesFile(_File):
    kinds: dict[str, list[str]]
    reading: _Reading
    near: _Near
    offices: _Offices


@dataclass(frozen=True, slots=True)
class Known:
    """An office of the list. `kind` with the kind within it: "lapas", "lapas narkotika", "lpp"."""

    kind: str
    desk: str
    unit: str
    region: Region
    beside: frozenset[str]
    has_several: bool


@dataclass(frozen=True, slots=True)
class Found:
    """`regions`: where it may be, more than one where a city and a regency share the name. `at`: the word that it begins with.

    `has_several`: a place with several offices of the kind, of which none is named.
    """

    desk: str
    unit: str
    regions: tuple[Region, ...]
    is_province: bool
    at: int
    end: int
    has_several: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    kind: str
    is_loose: bool
    is_after_place: bool


class Offices:
    """How offices are named, and the list of those that are no region's."""

    def __init__(self, directory: UnitDirectory, file: OfficesFile, regions: Regions) -> None:
        self._file, self._names = file, regions.names
        reading = file.reading
        self._units = {kind: _addressee(directory, f"{kind} Jakarta")[1] for kind in file.kinds if kind not in (_OUTLET, _ANY_PRISON)}
        said = ((name, kind) for kind, names in file.kinds.items() for name in names)
        kinds = {read_words(name): _Kind(kind, name in reading.loose, name in reading.after_place) for name, kind in said}
        self.kinds = Phrases(kinds, one_letter_wrong(reading.forgiven))
        self._within: dict[str, Mapping[str, str]] = {"lapas": reading.within_lapas, "rutan": reading.within_rutan}
        places: dict[Words, list[Known]] = {}
        nicknames: dict[Words, Known] = {}
        for office in (*file.offices.kanim, *file.offices.prisons, *file.offices.others):
            known, own = self._known(directory, office, regions)
            for words in dict.fromkeys([own, *map(read_words, (*office.called, *office.nickname))]):
                places.setdefault(words, []).append(known)
            for words in map(read_words, office.nickname):
                nicknames.setdefault(words, known)
        self._places = Phrases(places)
        self._place_words = self._places.first_words() | self._names.first_words()
        self.nicknames = Phrases(nicknames)
        self._kanim_places = {read_words(place) for place in file.offices.kanim_places}

    def _known(self, directory: UnitDirectory, office: _Office, regions: Regions) -> tuple[Known, Words]:
        where = f"offices.toml: {office.name}"
        if (office.regency is None) == (office.province is None):
            raise RuleError(f"{where}: needs its regency, or else its province")
        region = regions.regency(office.regency, where) if office.regency else regions.province(office.province or "", where)
        desk, unit = _addressee(directory, office.name)
        kind, _, place = desk.partition(":")
        own = tuple(place.split("-"))
        if own[0] in self._within.get(kind, {}).values() and len(own) > 1:
            kind, own = f"{kind} {own[0]}", own[1:]
        return Known(kind, desk, unit, region, office.beside, office.has_several), own

    def at(self, said: Said, start: int) -> Found | None:
        """The office whose kind begins at `start`."""
        for end, kind in self.kinds.at(said.words, start):
            if (found := self._read(said, start, end, kind)) is not None:
                return found
            if kind.is_after_place and (found := self._before(said, start, end, kind.kind)) is not None:
                return found
        return None

    def nickname_at(self, said: Said, start: int) -> Found | None:
        """An office called by its place alone, where other words show that an office is meant."""
        near, words = self._file.near, said.words
        for end, known in self.nicknames.at(words, start):
            is_kanim = known.kind == "kanim"
            close, anywhere = (near.immigration, near.immigration_anywhere) if is_kanim else (near.prison, near.prison_anywhere)
            before, behind = words[max(0, start - near.reach) : start], words[end : end + near.reach]
            if close.isdisjoint(before) and close.isdisjoint(behind) and anywhere.isdisjoint(words):
                continue
            last = before[-1] if before else ""
            if (is_kanim and last in near.on_the_way) or (last in ("ke", "nang") and not near.moved.isdisjoint(before)):
                continue
            return _found(known, start, end)
        return None

    def _read(self, said: Said, start: int, first: int, said_kind: _Kind) -> Found | None:
        """After the kind its rank and what else may stand between, then the place."""
        reading, words = self._file.reading, said.words
        kind, takes_any, has_rank = said_kind.kind, not said_kind.is_loose, False
        for at in range(first, min(first + _LONGEST_RANK, len(words))):
            word = words[at]
            if (found := self._place(said, start, at, kind, takes_any, said_kind.is_loose)) is not None:
                return found
            if (within := self._within.get(kind, {}).get(word)) is not None:
                kind = within if within in self._units else f"{kind} {within}"
            elif word in reading.fillers:
                takes_any = takes_any and word in ("kota", "kab", "kabupaten")
            elif word in reading.ranks:
                has_rank = True
            elif not (word == COMMA and has_rank):
                return None
        return None

    def _place(self, said: Said, start: int, at: int, kind: str, takes_any: bool, is_loose: bool) -> Found | None:
        if said.words[at] not in self._place_words:
            return None
        known = next(self._known_at(said, at, kind), None)
        region = next(self._region_at(said, at, kind, takes_any, is_loose), None)
        if region is not None and (known is None or region[0] > known[0]):
            end, named = region
            return self._office(kind, named.desk, named.regions, named.is_province, start, end)
        if known is None:
            return None
        return _found(known[1], start, known[0])

    def _office(self, kind: str, place: str, regions: tuple[Region, ...], is_province: bool, start: int, end: int) -> Found:
        kind, _, within = ("kanim" if kind == _OUTLET else kind).partition(" ")
        desk = f"{kind}:{within}-{place}" if within else f"{kind}:{place}"
        return Found(desk, self._units[kind], regions, is_province, start, end)

    def _known_at(self, said: Said, at: int, kind: str) -> Iterator[tuple[int, Known]]:
        for end, offices in self._places.at(said.words, at):
            if (known := self._of_kind(said.words[at:end], offices, kind)) is None:
                continue
            if said.words[at - 1] in self._file.reading.ranks or _is_meant(said, at, known):
                yield end, known

    def _of_kind(self, place: Sequence[str], offices: Sequence[Known], kind: str) -> Known | None:
        """The office of that kind; a prison's nickname also where people took a Lapas for a Rutan, or said no more than "penjara"."""
        for wanted in (kind, kind.partition(" ")[0]):
            if (known := next((office for office in offices if office.kind == wanted), None)) is not None:
                return known
        named = self._names.get(place)
        if kind == _ANY_PRISON or (kind in _PRISONS and (named is None or named.level is Level.WITHIN)):
            return next((office for office in offices if office.kind.partition(" ")[0] in _PRISONS), None)
        return None

    def _region_at(self, said: Said, at: int, kind: str, takes_any: bool, is_loose: bool) -> Iterator[tuple[int, Named]]:
        if kind == _ANY_PRISON:
            return
        for end, named in self._names.at(said.words, at):
            if named.level is Level.PROVINCE or (kind == _OUTLET and not self._is_kanim_outlet(said, at, end)):
                continue
            if named.level is Level.WITHIN and not named.is_town:
                if named.is_ordinary and not (takes_any and said.is_name(at)):
                    continue
                # "rutan di Painan" is at a seat; "imigrasi di Cengkareng" is where the office stands, not what it is called.
                is_quarter = (named.regions[0].regency or "").startswith("Kota")
                is_apart = is_loose and said.words[at - 1] in self._file.reading.fillers
                if not takes_any and (is_quarter or is_apart or named.proof is Proof.KIND):
                    continue
            yield end, named

    def _is_kanim_outlet(self, said: Said, at: int, end: int) -> bool:
        return tuple(said.words[at:end]) in self._kanim_places and not self._file.near.passport.isdisjoint(said.words)

    def _before(self, said: Said, start: int, end: int, kind: str) -> Found | None:
        """The place that ends where the kind begins: "Kerobokan prison"."""
        for first in range(max(0, start - _LONGEST_NAME), start):
            place = said.words[first:start]
            if (known := self._of_kind(place, self._places.get(place) or (), kind)) is not None and _is_meant(said, first, known):
                return _found(known, first, end)
            named = self._names.get(place)
            if named is None or kind == _ANY_PRISON or named.level is Level.PROVINCE or (named.level is Level.WITHIN and not named.is_town):
                continue
            return self._office(kind, named.desk, named.regions, named.is_province, first, end)
        return None


def _found(known: Known, start: int, end: int) -> Found:
    return Found(known.desk, known.unit, (known.region,), False, start, end, known.has_several)


def _is_meant(said: Said, at: int, known: Known) -> bool:
    return not known.beside or said.is_name(at) or not known.beside.isdisjoint(said.words)


def _addressee(directory: UnitDirectory, name: str) -> tuple[str, str]:
    addressee = directory.addressee(name)
    if addressee is None or addressee.desk is None:
        raise RuleError(f"offices.toml: the unit directory knows no office {name!r}")
    return addressee.desk, addressee.unit


def read_offices(folder: Path) -> OfficesFile:
    try:
        return OfficesFile.model_validate(tomllib.loads((folder / "offices.toml").read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RuleError(f"offices.toml: {error}") from None
