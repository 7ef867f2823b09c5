"""What `calendar.toml` may say, and what is wrong with it. Pure; it decides which days count for nobody.

Every mistake is a ValueError that names its place: a calendar read half would move deadlines in silence.
"""

import re
from datetime import date, time
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.units import load_directory

FRIDAY, SATURDAY = 4, 5

# One digit: of two versions the newer must also be the greater as text, and "2026-11-22.10" sorts before "2026-11-22.2".
_VERSION = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(\.[1-9])?")

ProvinceCode = Annotated[str, Field(pattern=r"^[0-9]{2}$")]
DeskCode = Annotated[str, Field(pattern=r"^[a-z]+:[a-z0-9]+(-[a-z0-9]+)*$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfficeHours(_Table):
    """When the office opens and closes, on the clock of the place."""

    open: time
    ramadan_open: time
    close: time
    friday_close: time
    ramadan_close: time
    ramadan_friday_close: time

    def open_on(self, *, in_ramadan: bool) -> time:
        return self.ramadan_open if in_ramadan else self.open

    def close_on(self, weekday: int, *, in_ramadan: bool) -> time:
        if in_ramadan:
            return self.ramadan_friday_close if weekday == FRIDAY else self.ramadan_close
        return self.friday_close if weekday == FRIDAY else self.close

    @model_validator(mode="after")
    def _open_before_they_close(self) -> Self:
        if self.open >= min(self.close, self.friday_close) or self.ramadan_open >= min(self.ramadan_close, self.ramadan_friday_close):
            raise ValueError("the office must open before it closes")
        return self


class Ramadan(_Table):
    hijri: int
    first: date
    last: date
    estimated: bool = False

    @model_validator(mode="after")
    def _is_a_lunar_month(self) -> Self:
        if (self.last - self.first).days not in (28, 29):
            raise ValueError(f"Ramadan {self.hijri} must last 29 or 30 days, not {(self.last - self.first).days + 1}")
        return self


class Year(_Table):
    public: tuple[date, ...]
    joint_leave: tuple[date, ...]


class Decree(_Table):
    """Corrects the lists: everywhere, or only in the provinces and at the desks that it names."""

    source: str = Field(min_length=1)
    provinces: tuple[ProvinceCode, ...] | None = Field(default=None, min_length=1)
    desks: tuple[DeskCode, ...] | None = Field(default=None, min_length=1)
    settles: int | None = None
    days_off: tuple[date, ...] = ()
    working_days: tuple[date, ...] = ()

    @property
    def places(self) -> tuple[str, ...]:
        """Province codes and desks; none where the decree is national."""
        return (*(self.provinces or ()), *(self.desks or ()))

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for day in self.working_days:
            if day.weekday() >= SATURDAY:
                raise ValueError(f"{self.source}: {day} is a Saturday or Sunday and cannot become a working day")
            if day in self.days_off:
                raise ValueError(f"{self.source}: {day} is both a day off and a working day")
        if self.settles is not None and self.places:
            raise ValueError(f"{self.source}: joint leave is national, so a decree for {self.places[0]} cannot settle {self.settles}")
        return self

    @model_validator(mode="after")
    def _names_known_places(self) -> Self:
        # Of offices there is no list to compare with; a code or Kanwil that nobody has would correct nothing, unnoticed.
        if self.places:
            directory = load_directory()
            known = {province.code for province in directory.provinces} | {kanwil.desk for kanwil in directory.kanwil}
            for place in self.places:
                if place not in known and (place.isdecimal() or place.startswith("kanwil:")):
                    raise ValueError(f"{self.source}: no province or Kanwil {place} in the unit directory")
        return self


class CalendarFile(_Table):
    version: str
    first_year: int
    last_year: int
    ramadan: tuple[Ramadan, ...]
    office_hours: OfficeHours
    years: dict[int, Year]
    decrees: tuple[Decree, ...] = ()

    @model_validator(mode="after")
    def _has_a_version_that_can_be_compared(self) -> Self:
        form = _VERSION.fullmatch(self.version)
        try:
            date.fromisoformat(form[1] if form else "")
        except ValueError:
            raise ValueError(f"version must be YYYY-MM-DD or YYYY-MM-DD.n with n from 1 to 9, not {self.version!r}") from None
        return self

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        kept = range(self.first_year - 1, self.last_year + 2)
        if sorted(self.years) != list(kept):
            raise ValueError(f"years must be {kept.start} to {kept.stop - 1}, each once: the covered ones and one more on either side")
        for year, days in self.years.items():
            if strays := [day for day in (*days.public, *days.joint_leave) if day.year != year]:
                raise ValueError(f"years.{year} holds days of another year: {strays[0]}")
        for decree in self.decrees:
            if strays := [day for day in (*decree.days_off, *decree.working_days) if day.year not in kept]:
                raise ValueError(f"{decree.source}: {strays[0]} lies outside the years kept")
            if decree.settles is not None and decree.settles not in kept:
                raise ValueError(f"{decree.source}: settles {decree.settles}, which is not among the years kept")
        for before, after in zip(self.ramadan, self.ramadan[1:], strict=False):
            if after.hijri != before.hijri + 1 or after.first <= before.last:
                raise ValueError(f"Ramadan {after.hijri} does not follow Ramadan {before.hijri}")
        return self
