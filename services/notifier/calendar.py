"""The working calendar of the civil service: which days count, and when the office closes. Pure; it knows no policy and no case.

Days off are Saturdays, Sundays, public holidays and joint leave (cuti bersama); all of it is data, read once.
"""

import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

FRIDAY, SATURDAY = 4, 5
ONE_DAY = timedelta(days=1)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfficeHours(_Table):
    """When the office closes, on the clock of the place."""

    close: time
    friday_close: time
    ramadan_close: time
    ramadan_friday_close: time

    def close_on(self, weekday: int, *, in_ramadan: bool) -> time:
        if in_ramadan:
            return self.ramadan_friday_close if weekday == FRIDAY else self.ramadan_close
        return self.friday_close if weekday == FRIDAY else self.close


class _Ramadan(_Table):
    hijri: int
    first: date
    last: date
    estimated: bool = False

    @model_validator(mode="after")
    def _is_a_lunar_month(self) -> Self:
        if (self.last - self.first).days not in (28, 29):
            raise ValueError(f"Ramadan {self.hijri} must last 29 or 30 days, not {(self.last - self.first).days + 1}")
        return self


class _Year(_Table):
    public: tuple[date, ...]
    joint_leave: tuple[date, ...]


class _Decree(_Table):
    source: str = Field(min_length=1)
    settles: int | None = None
    days_off: tuple[date, ...] = ()
    working_days: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for day in self.working_days:
            if day.weekday() >= SATURDAY:
                raise ValueError(f"{self.source}: {day} is a Saturday or Sunday and cannot become a working day")
            if day in self.days_off:
                raise ValueError(f"{self.source}: {day} is both a day off and a working day")
        return self


class _CalendarFile(_Table):
    version: str = Field(min_length=1)
    first_year: int
    last_year: int
    ramadan: tuple[_Ramadan, ...]
    office_hours: OfficeHours
    years: dict[int, _Year]
    decrees: tuple[_Decree, ...] = ()

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


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Working days and closing times of the years covered; a day outside them is a ValueError.

    Results may lie in the year after (or before) the covered ones. A year whose joint leave no decree has fixed yet is counted with
    the holidays that can be foreseen, and is provisional.
    """

    version: str
    first_year: int
    last_year: int
    hours: OfficeHours = field(repr=False)
    working_days: tuple[date, ...] = field(repr=False)
    ramadan_days: frozenset[date] = field(repr=False)
    settled_years: frozenset[int] = field(repr=False)

    def is_working_day(self, day: date) -> bool:
        self._require_covered(day.year)
        at = bisect_left(self.working_days, day)
        return at < len(self.working_days) and self.working_days[at] == day

    def close_of(self, day: date, zone: ZoneInfo) -> datetime:
        """The close of office of that local day, as UTC; of a day off, what it would be on a working day."""
        self._require_covered(day.year)
        return self._close_of(day, zone)

    def add_working_days(self, day: date, n: int) -> date:
        """The n-th working day after `day`, or before it where n is negative; `day` itself is not counted, and n = 0 gives it back."""
        self._require_covered(day.year)
        return self._step(day, n)

    def due_at(self, start: datetime, amount: int, zone: ZoneInfo) -> datetime:
        """When a period of `amount` working days ends: the close of office of the last one in `zone`, as UTC.

        The day of the start on the clock of `zone` is not counted (Permenkumham 23/2022: "hari setelah tanggal pengaduan diterima").
        """
        if amount < 1:
            raise ValueError(f"a period has at least one working day, not {amount}")
        day = _local_day(start, zone)
        self._require_covered(day.year)
        return self._close_of(self._step(day, amount), zone)

    def shift(self, due_at: datetime, working_days: int, zone: ZoneInfo) -> datetime:
        """The close of office that many working days after (or before) the due day, as UTC; 0 is the due moment itself."""
        if working_days == 0:
            _local_day(due_at, zone)
            return due_at.astimezone(UTC)
        return self._close_of(self._step(_local_day(due_at, zone), working_days), zone)

    def is_provisional(self, year: int) -> bool:
        """Whether no decree has fixed the joint leave of the year yet, so that due dates in it may still move."""
        self._require_covered(year, beyond=1)
        return year not in self.settled_years

    def _require_covered(self, year: int, beyond: int = 0) -> None:
        if not self.first_year - beyond <= year <= self.last_year + beyond:
            raise ValueError(f"the working calendar covers the years {self.first_year} to {self.last_year}, not {year}")

    def _step(self, day: date, n: int) -> date:
        if n == 0:
            return day
        at = bisect_right(self.working_days, day) + n - 1 if n > 0 else bisect_left(self.working_days, day) + n
        if not self.working_days[0] <= day <= self.working_days[-1] or not 0 <= at < len(self.working_days):
            raise ValueError(f"{n:+d} working days from {day} lies outside the working calendar ({self.first_year} to {self.last_year})")
        return self.working_days[at]

    def _close_of(self, day: date, zone: ZoneInfo) -> datetime:
        close = self.hours.close_on(day.weekday(), in_ramadan=day in self.ramadan_days)
        return datetime.combine(day, close, tzinfo=zone).astimezone(UTC)


def _local_day(instant: datetime, zone: ZoneInfo) -> date:
    if instant.utcoffset() is None:
        raise ValueError(f"a moment needs its offset from UTC: {instant.isoformat()} has none")
    try:
        return instant.astimezone(zone).date()
    except OverflowError:
        raise ValueError(f"{instant.isoformat()} lies outside every calendar") from None


def _days(first: date, last: date) -> Iterator[date]:
    return (first + ONE_DAY * passed for passed in range((last - first).days + 1))


def read_calendar(text: str) -> Calendar:
    """A calendar from the text of `calendar.toml`; what is wrong with it is a ValueError that names the place."""
    data = _CalendarFile.model_validate(tomllib.loads(text))
    off = {day for year in data.years.values() for day in (*year.public, *year.joint_leave)}
    for decree in data.decrees:
        off.update(decree.days_off)
        off.difference_update(decree.working_days)
    every_day = _days(date(data.first_year - 1, 1, 1), date(data.last_year + 1, 12, 31))
    return Calendar(
        version=data.version,
        first_year=data.first_year,
        last_year=data.last_year,
        hours=data.office_hours,
        working_days=tuple(day for day in every_day if day.weekday() < SATURDAY and day not in off),
        ramadan_days=frozenset(day for month in data.ramadan for day in _days(month.first, month.last)),
        settled_years=frozenset(year for year, days in data.years.items() if days.joint_leave)
        | {decree.settles for decree in data.decrees if decree.settles is not None},
    )


@cache
def load_calendar() -> Calendar:
    return read_calendar(resources.files(__package__).joinpath("data/calendar.toml").read_text(encoding="utf-8"))
