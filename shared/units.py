"""The unit directory: who answers, where, on which clock, and by which names a source calls them. Pure.

It decides no route, and it never guesses: a name is known as a whole or not at all.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import ClassVar, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

UNIT_SLUGS: tuple[str, ...] = ("imigrasi", "pemasyarakatan", "ahu", "ki", "ham", "pp", "bphn", "setjen", "itjen", "bsk", "bpsdm")
DEFAULT_ZONE = "Asia/Jakarta"

# The rank of an office, which its desk does not carry: "Kelas I Khusus", "Klas II A", "Kelas IIB", "TPI", "Non TPI".
_RANK = re.compile(r"\b(?:ke?las (?:i{1,3}|[123])(?: ?[ab])?|khusus|(?:non )?tpi)\b")
_NOT_A_WORD = re.compile(r"[^0-9a-z]+")
_LONGEST_PLACE = 4  # words

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of echelon I; its successor ministry took it over at `successor_from` and its LAPOR! account at `successor_account_from`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    slug: str
    name: str
    aliases: tuple[str, ...]
    successor_ministry: str
    successor_from: date
    successor_account_from: date


@dataclass(frozen=True, slots=True)
class Province:
    """`code` is Kemendagri's, `zone` an IANA name, `kanwil` the desk that serves it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    code: str
    name: str
    aliases: tuple[str, ...]
    zone: str
    kanwil: str


@dataclass(frozen=True, slots=True)
class Kanwil:
    """`provinces` are the codes of those it serves."""

    desk: str
    name: str
    provinces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a disposition names: a unit, or one of its desks."""

    unit: str
    desk: str | None


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Ministry(_Row):
    name: str
    aliases: tuple[str, ...]
    parent: bool = False
    unit: str | None = None


class _OfficeKind(_Row):
    kind: str
    unit: str
    names: tuple[str, ...]
    places: tuple[str, ...] | None = None


class _KanwilRow(_Row):
    desk: str
    name: str


class _DirectoryFile(_Row):
    version: str
    kanwil_unit: str
    directorates_with_kanwil: tuple[str, ...]
    not_places: frozenset[str]
    not_alone: frozenset[str]
    short_forms: dict[str, str]
    ministries: tuple[_Ministry, ...]
    units: tuple[Unit, ...]
    offices: tuple[_OfficeKind, ...]
    provinces: tuple[Province, ...]
    kanwil: tuple[_KanwilRow, ...]


def _words(text: str) -> str:
    """Lower case, with a single space for whatever is neither letter nor digit."""
    return _NOT_A_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold().replace("&", " dan ")).strip()


def _by_name(what: str, named: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Longest name first, so that it wins over a shorter one that it begins or ends with."""
    things: dict[str, T] = {}
    for name, thing in named:
        if not name:
            raise ValueError(f"unit directory: a {what} has an empty name: {thing}")
        if things.setdefault(name, thing) != thing:
            raise ValueError(f"unit directory: the {what} name {name!r} is given twice")
    return dict(sorted(things.items(), key=lambda item: -len(item[0])))


class UnitDirectory:
    """The eleven units, the provinces, the Kanwil, and the names of them all."""

    def __init__(self, data: _DirectoryFile) -> None:
        self.version, self.units, self.provinces = data.version, data.units, data.provinces
        served = {row.desk: tuple(province.code for province in data.provinces if province.kanwil == row.desk) for row in data.kanwil}
        self.kanwil = tuple(Kanwil(row.desk, row.name, served[row.desk]) for row in data.kanwil)
        _validate(data, self.kanwil)
        self._data = data
        self._short_forms = {_words(long): _words(short) for long, short in data.short_forms.items()}
        self._long_form = re.compile(r"\b(?:" + "|".join(sorted(self._short_forms, key=len, reverse=True)) + r")\b")
        self._unit_by_slug = {unit.slug: unit for unit in data.units}
        self._unit_by_name = _by_name("unit", ((self._read(name), unit) for unit in data.units for name in (unit.name, *unit.aliases)))
        ministries = [(self._read(name), ministry) for ministry in data.ministries for name in (ministry.name, *ministry.aliases)]
        self._ministry_by_name = _by_name("ministry", ((name + ri, ministry) for name, ministry in ministries for ri in ("", " ri")))
        self._kind_by_name = _by_name("office", ((self._read(name), kind) for kind in data.offices for name in kind.names))
        provinces = [(name, province) for province in data.provinces for name in (province.code, province.name, *province.aliases)]
        self._province_by_name = _by_name("province", ((_words(name).replace(" ", ""), province) for name, province in provinces))
        in_official_names = {word for province in data.provinces for word in _words(province.name).split()}
        self._province_abbreviations = {_words(name) for name, _ in provinces} - in_official_names
        self._zone_by_province = {province.code: ZoneInfo(province.zone) for province in data.provinces}
        self._zone_by_desk = {kanwil.desk: self._zone_by_province[kanwil.provinces[0]] for kanwil in self.kanwil}
        self._default_zone = ZoneInfo(DEFAULT_ZONE)

    def unit(self, slug: str) -> Unit:
        try:
            return self._unit_by_slug[slug]
        except KeyError:
            raise KeyError(f"no unit {slug!r}; the units are {', '.join(UNIT_SLUGS)}") from None

    def province(self, name: str | None) -> Province | None:
        """By name, short form or Kemendagri code, whatever its case, spacing and punctuation, with or without "Provinsi" before it."""
        if name is None:
            return None
        squeezed = _words(name).replace(" ", "")
        for said in (squeezed, *(squeezed.removeprefix(word) for word in ("provinsi", "propinsi", "prov"))):
            if (province := self._province_by_name.get(said)) is not None:
                return province
        return None

    def zone(self, desk: str | None, province: str | None, copies: Iterable[str] = ()) -> ZoneInfo:
        """The desk's zone: a Kanwil's own, an office's that of the Kanwil in copy; else the province's, else that of Jakarta."""
        for known in (desk, *copies):
            if known is not None and (zone := self._zone_by_desk.get(known)) is not None:
                return zone
        place = self.province(province)
        return self._zone_by_province[place.code] if place else self._default_zone

    def ministry(self, name: str) -> str | None:
        """The official name of the ministry itself, old or new, where the name says no more than that."""
        ministry = self._ministry_by_name.get(self._read(name))
        return ministry.name if ministry else None

    def addressee(self, name: str) -> Addressee | None:
        """The unit or desk that a disposition names, or None: then a person has to say who was meant.

        Known are whole names and aliases, with or without one of the ministries that the unit belongs or belonged to.
        """
        ministry, words = self._without_ministry(self._read(name))
        if (unit := self._unit_by_name.get(words)) is not None:
            return Addressee(unit.slug, None) if self._is_of(unit, ministry) else None
        return self._kanwil_named(words, ministry) or self._office_named(words, ministry)

    def _read(self, name: str) -> str:
        words = self._long_form.sub(lambda found: self._short_forms[found[0]], _words(name))
        return words.removesuffix(" ri")

    def _without_ministry(self, words: str) -> tuple[_Ministry | None, str]:
        for name, ministry in self._ministry_by_name.items():
            if words.endswith(" " + name):
                return ministry, words.removesuffix(" " + name)
            if words.startswith(name + " "):
                return ministry, words.removeprefix(name + " ")
        return None, words

    def _is_of(self, unit: Unit, ministry: _Ministry | None) -> bool:
        return ministry is None or ministry.parent or ministry.name == unit.successor_ministry

    def _kanwil_named(self, words: str, ministry: _Ministry | None) -> Addressee | None:
        if not words.startswith("kanwil "):
            return None
        inner, place = self._without_ministry(words.removeprefix("kanwil "))
        ministry = inner or ministry
        for name, unit in self._unit_by_name.items():
            if unit.slug in self._data.directorates_with_kanwil and place.startswith(name + " "):
                known = self.province(place.removeprefix(name)) is not None and self._is_of(unit, ministry)
                return Addressee(unit.slug, None) if known else None
        if (province := self.province(place)) is None:
            return None
        if ministry is None or ministry.parent:
            return Addressee(self._data.kanwil_unit, province.kanwil)
        return Addressee(ministry.unit, None) if ministry.unit else None

    def _office_named(self, words: str, ministry: _Ministry | None) -> Addressee | None:
        words, above, region = words.partition(" kanwil ")
        if words in self._kind_by_name or (above and self._kanwil_named("kanwil " + region, ministry) is None):
            return None
        for name, kind in self._kind_by_name.items():
            if words.startswith(name + " "):
                place = self._place(words.removeprefix(name + " "), kind)
                known = place is not None and self._is_of(self._unit_by_slug[kind.unit], ministry)
                return Addressee(kind.unit, f"{kind.kind}:{place}") if known else None
        return None

    def _place(self, words: str, kind: _OfficeKind) -> str | None:
        """The place of an office as its desk writes it; None for what cannot be one."""
        words = " ".join(_RANK.sub(" ", words).split())
        for name in map(self._read, kind.names):  # "Lembaga Pemasyarakatan (Lapas) Kelas IIA Kupang"
            words = words.removeprefix(name + " ")
        words, said, region = words.partition(" provinsi ")
        if said and self.province(region) is None:
            return None
        for province in self.provinces:
            if " " in province.name:
                words = words.removesuffix(" " + _words(province.name))
        place = words.split()
        is_place = (
            0 < len(place) <= _LONGEST_PLACE
            and all(word.isalpha() for word in place)
            and self._data.not_places.isdisjoint(place)
            and not self._data.not_alone.issuperset(place)
            and self._province_abbreviations.isdisjoint(place)
        )
        if not is_place or (kind.places is not None and words not in map(_words, kind.places)):
            return None
        return "-".join(place)


def _validate(data: _DirectoryFile, kanwil: tuple[Kanwil, ...]) -> None:
    """What the tables must agree on among themselves."""
    slugs = tuple(unit.slug for unit in data.units)
    if slugs != UNIT_SLUGS:
        raise ValueError(f"unit directory: the units must be {', '.join(UNIT_SLUGS)}, in this order, not {', '.join(slugs)}")
    named = [("kanwil_unit", data.kanwil_unit), *(("directorates_with_kanwil", slug) for slug in data.directorates_with_kanwil)]
    named += [(f"office {office.kind}", office.unit) for office in data.offices]
    named += [(ministry.name, ministry.unit) for ministry in data.ministries if ministry.unit]
    for where, slug in named:
        if slug not in slugs:
            raise ValueError(f"unit directory: {where} names the unit {slug!r}, which does not exist")
    ministries = {ministry.name for ministry in data.ministries}
    for unit in data.units:
        if unit.successor_ministry not in ministries:
            raise ValueError(f"unit directory: {unit.slug} goes to {unit.successor_ministry!r}, which is not among the ministries")
    desks = [row.desk for row in kanwil]
    if len(set(desks)) != len(desks):
        raise ValueError("unit directory: a Kanwil is given twice")
    zones = {province.code: province.zone for province in data.provinces}
    for province in data.provinces:
        if province.kanwil not in desks:
            raise ValueError(f"unit directory: {province.name} is served by {province.kanwil!r}, which does not exist")
        try:
            ZoneInfo(province.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"unit directory: {province.name} has the time zone {province.zone!r}, which does not exist") from None
    for row in kanwil:
        if len({zones[code] for code in row.provinces}) != 1:
            raise ValueError(f"unit directory: {row.desk} must serve at least one province, and provinces of one time zone only")


def read_directory(text: str) -> UnitDirectory:
    """A directory from the text of `units.toml`; what is wrong with it is a ValueError that names the place."""
    return UnitDirectory(_DirectoryFile.model_validate(tomllib.loads(text)))


@cache
def load_directory() -> UnitDirectory:
    return read_directory(resources.files(__package__).joinpath("data/units.toml").read_text(encoding="utf-8"))
