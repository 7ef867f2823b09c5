"""When a period of the law ends, with its pauses, and why. Pure; it knows no policy and no case.

The day of the start is not counted (Permenkumham 23/2022: "hari setelah tanggal pengaduan diterima"). A working day (`wd`) counts if the
clock runs at that day's close of office, and a period ends at the close of its last one; a calendar day (`cd`) counts if the clock runs at
23:59:59 local, and a period ends there; hours (`h`) count the time that the clock ran ("3 x 24 jam", UU 27/2022 art. 46).
"""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from services.notifier.calendar import ONE_DAY, Calendar, local_day, local_time
from services.notifier.pauses import NEVER, Pause, Pausing, merged, pause_at, running, why_paused

PeriodUnit = Literal["wd", "cd", "h"]

_LAST_SECOND = time(23, 59, 59)
_BEYOND = sys.maxsize
_HOUR = timedelta(hours=1)
_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class Day:
    """A local day of a period. `at` is the instant that decides whether it counts: of hours, the last one of that day."""

    on: date
    at: datetime
    is_counted: bool
    why: str


def due_at(
    calendar: Calendar, amount: int, unit: PeriodUnit, start: datetime, zone: ZoneInfo, pauses: Sequence[Pause] = ()
) -> datetime | None:
    """When the period ends, as UTC; None where a pause without end comes before that.

    Hours end at the instant at which the last of them has run out, also where a pause begins there. ValueError for a start outside the
    years of the calendar, an end beyond what it keeps, an instant without offset, or a pause that ends before it begins.
    """
    if amount < 1:
        raise ValueError(f"a period lasts at least 1 {unit}, not {amount}")
    if unit == "wd" and not pauses:
        return calendar.due_at(start, amount, zone)
    on, paused = _start_day(calendar, start, zone), merged(pauses)
    try:
        if unit == "h":
            return _hours_due(amount * _HOUR, start.astimezone(UTC), paused)
        days = _days(calendar, unit, zone)
        number = _number_due(days, amount, on, paused)
        return None if number is None else days.instant(number)
    except OverflowError:
        raise ValueError(f"a period of {amount} {unit} from {on} ends beyond every calendar") from None


def counted_days(
    calendar: Calendar, amount: int, unit: PeriodUnit, start: datetime, zone: ZoneInfo, pauses: Sequence[Pause] = ()
) -> list[Day]:
    """Each local day from the start to the due instant: whether it counts, and why.

    Where a pause without end comes first, the last day is the one that would have counted without it.
    """
    due = due_at(calendar, amount, unit, start, zone, pauses)
    paused = merged(pauses)
    if unit == "h":
        return list(_hours(amount * _HOUR, start.astimezone(UTC), due, zone, paused))
    days = _days(calendar, unit, zone)
    on = local_day(start, zone)
    found = [Day(on, days.at(on), False, "start day")]
    counted = 0
    while found[-1].at != due:
        on += ONE_DAY
        at = days.at(on)
        off = calendar.why_off(on) if unit == "wd" else None
        pause = pause_at(paused, at)
        counted += off is None and pause is None
        found.append(Day(on, at, off is None and pause is None, off or why_paused(pause) or f"counted {counted} of {amount}"))
        if off is None and pause is not None and pause[1] == NEVER:
            break
    return found


def working_seconds(calendar: Calendar, start: datetime, end: datetime, zone: ZoneInfo, pauses: Sequence[Pause] = ()) -> float:
    """Office time between two instants while the clock ran: from opening to close of each working day (07:30, in Ramadan 08:00).

    The midday break is not subtracted: units set its hour themselves.
    """
    _start_day(calendar, start, zone)
    spent = (
        _office_time_until(calendar, until, zone) - _office_time_until(calendar, since, zone)
        for since, until in running(*_ordered(start, end), merged(pauses))
    )
    return sum(spent, _NO_TIME).total_seconds()


def working_days_between(calendar: Calendar, start: datetime, end: datetime, zone: ZoneInfo, pauses: Sequence[Pause] = ()) -> int:
    """How many working days of a period from `start` were counted when `end` came: those whose close of office had come while it ran.

    So it is 0 on the start's day, n at the deadline of n working days, and less before it.
    """
    first = bisect_right(calendar.working_days, _start_day(calendar, start, zone))
    start, end = _ordered(start, end)
    calendar.require_covered(local_day(end, zone).year, beyond=1)
    days = _WorkingDays(calendar, zone)
    counted = 0
    for since, until in running(start, end + timedelta.resolution, merged(pauses)):
        counted += max(0, min(days.number(until), len(calendar.working_days)) - max(first, days.number(since)))
    return counted


def is_provisional(calendar: Calendar, start: datetime, due: datetime) -> bool:
    """Whether a due date in working days may still move, because no decree has fixed the joint leave of a year that it was counted in."""
    return any(calendar.is_provisional(year) for year in range(start.year, due.year + 1))


# Days by number: a pause takes a run of numbers away, so that no day has to be walked


class _Days(Protocol):
    """The days that may count, numbered in order, and the instant at which each is asked."""

    def after(self, on: date) -> int: ...
    def number(self, instant: datetime) -> int: ...
    def instant(self, number: int) -> datetime: ...
    def at(self, on: date) -> datetime: ...


class _WorkingDays:
    def __init__(self, calendar: Calendar, zone: ZoneInfo) -> None:
        self.calendar, self.zone, self.days = calendar, zone, calendar.working_days

    def after(self, on: date) -> int:
        return bisect_right(self.days, on)

    def number(self, instant: datetime) -> int:
        """Of the first day that is asked at that instant or later."""
        here = instant.astimezone(self.zone)
        on = here.date()
        number = bisect_left(self.days, on)
        if number < len(self.days) and self.days[number] == on and self.calendar.closes[number] < here.time():
            number += 1
        return number if number < len(self.days) else _BEYOND

    def instant(self, number: int) -> datetime:
        if number >= len(self.days):
            raise ValueError(f"the period ends outside the working calendar ({self.calendar.first_year} to {self.calendar.last_year})")
        return datetime.combine(self.days[number], self.calendar.closes[number], tzinfo=self.zone).astimezone(UTC)

    def at(self, on: date) -> datetime:
        return self.calendar.close_of(on, self.zone, beyond=1)


class _CalendarDays:
    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone

    def after(self, on: date) -> int:
        return on.toordinal() + 1

    def number(self, instant: datetime) -> int:
        on = instant.astimezone(self.zone).date()
        return on.toordinal() + (self.at(on) < instant)

    def instant(self, number: int) -> datetime:
        if number > date.max.toordinal():
            raise OverflowError
        return self.at(date.fromordinal(number))

    def at(self, on: date) -> datetime:
        return datetime.combine(on, _LAST_SECOND, tzinfo=self.zone).astimezone(UTC)


def _days(calendar: Calendar, unit: PeriodUnit, zone: ZoneInfo) -> _Days:
    return _WorkingDays(calendar, zone) if unit == "wd" else _CalendarDays(zone)


def _number_due(days: _Days, amount: int, start_day: date, paused: list[Pausing]) -> int | None:
    first = days.after(start_day)
    for since, until in paused:
        stops = days.number(since)
        if first + amount - 1 < stops:
            break
        if until == NEVER:
            return None
        goes_on = days.number(until)
        amount -= max(0, stops - first)
        first = max(first, goes_on)
    return first + amount - 1


# Hours


def _hours_due(amount: timedelta, start: datetime, paused: list[Pausing]) -> datetime | None:
    for since, until in running(start, NEVER, paused):
        if amount <= until - since:
            return since + amount
        amount -= until - since
    if not paused or paused[-1][1] < NEVER:
        raise OverflowError
    return None


def _hours(amount: timedelta, start: datetime, due: datetime | None, zone: ZoneInfo, paused: list[Pausing]) -> Iterator[Day]:
    on, total = local_day(start, zone), _NO_TIME
    end = due or max(start, paused[-1][0])
    while True:
        midnight, next_midnight = (datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC) for day in (on, on + ONE_DAY))
        at = min(next_midnight, due or next_midnight)
        ran = sum((until - since for since, until in running(max(start, midnight), at, paused)), _NO_TIME)
        total += ran
        why = f"counted {_written(ran)}, {_written(total)} of {_written(amount)} h" if ran else "paused"
        is_last = at == due or next_midnight > end
        yield Day(on, at, bool(ran), f"{why}; then paused without end" if is_last and due is None else why)
        if is_last:
            return
        on += ONE_DAY


def _written(passed: timedelta) -> str:
    minutes = passed // timedelta(minutes=1)
    return f"{minutes // 60}:{minutes % 60:02}"


# Instants


def _start_day(calendar: Calendar, start: datetime, zone: ZoneInfo) -> date:
    on = local_day(start, zone)
    calendar.require_covered(on.year)
    return on


def _ordered(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    since, until = local_time(start, UTC), local_time(end, UTC)
    if until < since:
        raise ValueError(f"{end.isoformat()} is before {start.isoformat()}")
    return since, until


def _office_time_until(calendar: Calendar, instant: datetime, zone: ZoneInfo) -> timedelta:
    """Since the first year kept: of two instants the difference is the office time between them."""
    on = local_day(instant, zone)
    passed = timedelta(seconds=calendar.office_seconds[bisect_left(calendar.working_days, on)])
    if calendar.why_off(on) is None:
        here = min(instant, calendar.close_of(on, zone, beyond=1))
        passed += max(_NO_TIME, here - calendar.open_of(on, zone, beyond=1))
    return passed
