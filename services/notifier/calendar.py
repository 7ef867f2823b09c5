"""The working calendar of the civil service: which days count where, and the office's hours. Pure; it knows no policy and no case.

Days off are Saturdays, Sundays, public holidays and joint leave (cuti bersama); all of it is data, read once.
"""

import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache, cached_property
from importlib import resources
from itertools import accumulate
from zoneinfo import ZoneInfo

from services.notifier.calendar_file import SATURDAY, CalendarFile, Decree, OfficeHours

ONE_DAY = timedelta(days=1)
_WEEKEND = {SATURDAY: "Saturday", SATURDAY + 1: "Sunday"}


@dataclass(frozen=True, eq=False)
class Calendar:
    """Working days and office hours of the years covered; a day outside them is a ValueError.

    Results may lie in the year after (or before) the covered ones. A year whose joint leave no decree has fixed yet is counted with
    the holidays that can be foreseen, and is provisional. `days_off` says why each listed day is off, `local` what is decreed for a
    province (by code) or a desk alone.
    """

    version: str
    first_year: int
    last_year: int
    hours: OfficeHours = field(repr=False)
    ramadan_days: frozenset[date] = field(repr=False)
    settled_years: frozenset[int] = field(repr=False)
    days_off: Mapping[date, str] = field(repr=False)
    local: Mapping[str, tuple[Decree, ...]] = field(repr=False)
    _places: dict[tuple[str | None, str | None], "Calendar"] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def working_days(self) -> tuple[date, ...]:
        """Of all years kept, in order."""
        every_day = _days(date(self.first_year - 1, 1, 1), date(self.last_year + 1, 12, 31))
        return tuple(day for day in every_day if day.weekday() < SATURDAY and day not in self.days_off)

    @cached_property
    def closes(self) -> tuple[time, ...]:
        """Of each working day, on its wall clock."""
        return tuple(self.hours.close_on(day.weekday(), in_ramadan=day in self.ramadan_days) for day in self.working_days)

    @cached_property
    def office_seconds(self) -> tuple[int, ...]:
        """Office time, in seconds, of all working days before the n-th; one entry more than there are working days."""
        opens = (self.hours.open_on(in_ramadan=day in self.ramadan_days) for day in self.working_days)
        return (0, *accumulate(_seconds(close) - _seconds(open_) for open_, close in zip(opens, self.closes, strict=True)))

    def of_place(self, province: str | None, desk: str | None) -> "Calendar":
        """The calendar of a desk in a province (Kemendagri's code): the desk's own decrees win over the province's, those over national.

        Itself where nothing differs there; a place's own calendar is asked no further.
        """
        place = (province if province in self.local else None, desk if desk in self.local else None)
        if place == (None, None):
            return self
        if (known := self._places.get(place)) is None:
            decrees = [decree for name in place if name is not None for decree in self.local[name]]
            corrected = replace(self, days_off=_corrected(self.days_off, decrees), local={})
            known = self if corrected.working_days == self.working_days else corrected
            self._places[place] = known  # never more than the file names
        return known

    def why_off(self, day: date) -> str | None:
        """What makes the day one off; None of a working day."""
        self.require_covered(day.year, beyond=1)
        return _WEEKEND.get(day.weekday()) or self.days_off.get(day)

    def is_working_day(self, day: date) -> bool:
        self.require_covered(day.year)
        at = bisect_left(self.working_days, day)
        return at < len(self.working_days) and self.working_days[at] == day

    def close_of(self, day: date, zone: ZoneInfo, beyond: int = 0) -> datetime:
        """The close of office of that local day, as UTC; of a day off, what it would be on a working day."""
        self.require_covered(day.year, beyond)
        return self._close_of(day, zone)

    def open_of(self, day: date, zone: ZoneInfo, beyond: int = 0) -> datetime:
        """When the office opens on that local day, as UTC; of a day off, what it would be on a working day."""
        self.require_covered(day.year, beyond)
        opens = self.hours.open_on(in_ramadan=day in self.ramadan_days)
        return datetime.combine(day, opens, tzinfo=zone).astimezone(UTC)

    def add_working_days(self, day: date, n: int) -> date:
        """The n-th working day after `day`, or before it where n is negative; `day` itself is not counted, and n = 0 gives it back."""
        self.require_covered(day.year)
        return self._step(day, n)

    def due_at(self, start: datetime, amount: int, zone: ZoneInfo) -> datetime:
        """When a period of `amount` working days ends: the close of office of the last one in `zone`, as UTC.

        The day of the start on the clock of `zone` is not counted (Permenkumham 23/2022: "hari setelah tanggal pengaduan diterima").
        """
        if amount < 1:
            raise ValueError(f"a period has at least one working day, not {amount}")
        day = local_day(start, zone)
        self.require_covered(day.year)
        return self._close_of(self._step(day, amount), zone)

    def shift(self, due_at: datetime, working_days: int, zone: ZoneInfo) -> datetime:
        """The close of office that many working days after (or before) the due day, as UTC; 0 is the due moment itself."""
        if working_days == 0:
            local_day(due_at, zone)
            return due_at.astimezone(UTC)
        return self._close_of(self._step(local_day(due_at, zone), working_days), zone)

    def is_provisional(self, year: int) -> bool:
        """Whether no decree has fixed the joint leave of the year yet, so that due dates in it may still move."""
        self.require_covered(year, beyond=1)
        return year not in self.settled_years

    def require_covered(self, year: int, beyond: int = 0) -> None:
        """A ValueError for a year outside those covered; with `beyond` = 1 the one kept on either side will do."""
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


def local_time(instant: datetime, zone: ZoneInfo | timezone) -> datetime:
    """The instant on the clock of `zone`."""
    if instant.utcoffset() is None:
        raise ValueError(f"a moment needs its offset from UTC: {instant.isoformat()} has none")
    try:
        return instant.astimezone(zone)
    except OverflowError:
        raise ValueError(f"{instant.isoformat()} lies outside every calendar") from None


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    return local_time(instant, zone).date()


def _seconds(clock: time) -> int:
    return (clock.hour * 60 + clock.minute) * 60 + clock.second


def _days(first: date, last: date) -> Iterator[date]:
    return (first + ONE_DAY * passed for passed in range((last - first).days + 1))


def _corrected(days_off: Mapping[date, str], decrees: Iterable[Decree]) -> dict[date, str]:
    """Of two decrees that differ on a day, the later one wins."""
    found = dict(days_off)
    for decree in decrees:
        for day in decree.days_off:
            found.setdefault(day, f"day off by {decree.source}")
        for day in decree.working_days:
            found.pop(day, None)
    return found


def read_calendar(text: str) -> Calendar:
    """A calendar from the text of `calendar.toml`; what is wrong with it is a ValueError that names the place."""
    data = CalendarFile.model_validate(tomllib.loads(text))
    listed = {day: "joint leave" for year in data.years.values() for day in year.joint_leave}
    listed |= {day: "public holiday" for year in data.years.values() for day in year.public}
    places = dict.fromkeys(place for decree in data.decrees for place in decree.places)
    return Calendar(
        version=data.version,
        first_year=data.first_year,
        last_year=data.last_year,
        hours=data.office_hours,
        ramadan_days=frozenset(day for month in data.ramadan for day in _days(month.first, month.last)),
        settled_years=frozenset(year for year, days in data.years.items() if days.joint_leave)
        | {decree.settles for decree in data.decrees if decree.settles is not None},
        days_off=_corrected(listed, (decree for decree in data.decrees if not decree.places)),
        local={place: tuple(decree for decree in data.decrees if place in decree.places) for place in places},
    )


@cache
def load_calendar() -> Calendar:
    return read_calendar(resources.files(__package__).joinpath("data/calendar.toml").read_text(encoding="utf-8"))
