"""The working calendar: a deadline falls at the close of office of the right local day, with Indonesian days off, in every year covered."""

import tomllib
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from holidays.countries.indonesia import Indonesia
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.calendar import load_calendar

CALENDAR = load_calendar()
SHIPPED = resources.files("services.notifier").joinpath("data/calendar.toml").read_text(encoding="utf-8")
FILE = tomllib.loads(SHIPPED)
WIB, WITA, WIT = ZoneInfo("Asia/Jakarta"), ZoneInfo("Asia/Makassar"), ZoneInfo("Asia/Jayapura")
ONE_DAY = timedelta(days=1)

covered_days = st.dates(date(2015, 1, 1), date(2045, 12, 31))
starts = st.datetimes(datetime(2015, 1, 2), datetime(2045, 12, 30), timezones=st.sampled_from([UTC, WIB, WITA, WIT]))  # noqa: DTZ001
zones = st.sampled_from([WIB, ZoneInfo("Asia/Pontianak"), WITA, WIT])
amounts = st.integers(1, 60)


def local(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


# The calendar as a clerk would count it: day after day, asking the library about each.


@cache
def library(year: int, category: str) -> frozenset[date]:
    return frozenset(Indonesia(years=year, categories=(category,)))


def counts(day: date) -> bool:
    for decree in reversed(FILE.get("decrees", [])):
        if day in (*decree.get("days_off", ()), *decree.get("working_days", ())):
            return day in decree.get("working_days", ())
    return day.weekday() < 5 and day not in library(day.year, "public") | library(day.year, "government")


def walk(day: date, n: int) -> date:
    step = ONE_DAY if n > 0 else -ONE_DAY
    while n:
        day += step
        if counts(day):
            n -= 1 if n > 0 else -1
    return day


# Days


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2024-07-11", {3: "2024-07-16", 5: "2024-07-18", 10: "2024-07-25", 14: "2024-07-31", 60: "2024-10-04"}),
        ("2024-04-04", {3: "2024-04-17", 5: "2024-04-19", 10: "2024-04-26", 14: "2024-05-03", 60: "2024-07-16"}),
        ("2025-12-23", {3: "2025-12-30", 5: "2026-01-02", 10: "2026-01-09", 14: "2026-01-15", 60: "2026-04-01"}),
        ("2026-03-12", {3: "2026-03-17", 5: "2026-03-26", 10: "2026-04-02", 14: "2026-04-09", 60: "2026-06-23"}),
        ("2026-03-17", {3: "2026-03-27", 5: "2026-03-31", 10: "2026-04-08", 14: "2026-04-14", 60: "2026-06-26"}),
    ],
)
def test_periods_over_lebaran_the_turn_of_the_year_and_plain_weeks_end_on_the_known_days(received: str, due: dict[int, str]) -> None:
    day = date.fromisoformat(received)
    assert {n: CALENDAR.add_working_days(day, n).isoformat() for n in due} == due
    assert {n: CALENDAR.due_at(local(f"{received}T09:00", WIB), n, WIB).astimezone(WIB).date().isoformat() for n in due} == due


@settings(deadline=None)
@given(covered_days, st.integers(-60, 60))
def test_working_days_are_counted_as_one_counts_them_day_by_day(day: date, n: int) -> None:
    assert CALENDAR.is_working_day(day) == counts(day)
    assert CALENDAR.add_working_days(day, n) == walk(day, n)


@settings(deadline=None)
@given(starts, amounts, zones)
def test_a_period_ends_at_the_close_of_the_day_that_one_reaches_on_the_local_clock(start: datetime, amount: int, zone: ZoneInfo) -> None:
    due = CALENDAR.due_at(start, amount, zone)
    local_due = due.astimezone(zone)
    assert due.tzinfo is UTC
    assert local_due.date() == walk(start.astimezone(zone).date(), amount)
    assert local_due.time() in {time(16), time(16, 30), time(15), time(15, 30)}
    assert (local_due.minute == 30) == (local_due.weekday() == 4)


@settings(deadline=None)
@given(st.lists(starts, min_size=2, max_size=2).map(sorted), amounts, zones)
def test_a_later_start_or_a_longer_period_never_ends_earlier(both: list[datetime], amount: int, zone: ZoneInfo) -> None:
    earlier, later = both
    assert CALENDAR.due_at(earlier, amount, zone) <= CALENDAR.due_at(later, amount, zone)
    assert CALENDAR.due_at(earlier, amount, zone) < CALENDAR.due_at(earlier, amount + 1, zone)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2024-02-29", True),  # leap day, a Thursday
        ("2024-02-14", False),  # general election
        ("2024-04-12", False),  # joint leave of Idul Fitri
        ("2024-04-16", True),
        ("2024-11-27", False),  # local elections
        ("2024-12-31", True),
        ("2025-01-01", False),
        ("2025-08-18", False),  # joint leave added during the year
        ("2026-03-20", False),
        ("2026-03-25", True),
        ("2027-03-15", False),
        ("2040-08-17", False),  # known without any decree
        ("2044-02-29", True),
    ],
)
def test_days_off_are_public_holidays_joint_leave_and_weekends(day: str, works: bool) -> None:
    assert CALENDAR.is_working_day(date.fromisoformat(day)) is works


# Hours and zones


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        ("2024-07-18", "16:00"),
        ("2024-07-19", "16:30"),
        ("2024-03-11", "16:00"),  # the day before Ramadan 1445
        ("2024-03-13", "15:00"),
        ("2024-03-15", "15:30"),
        ("2024-04-16", "16:00"),
        ("2025-02-28", "16:30"),  # Ramadan 1446 began on 1 March
        ("2025-03-03", "15:00"),
        ("2026-02-18", "16:00"),
        ("2026-02-19", "15:00"),
        ("2031-01-03", "15:30"),  # the Ramadan that spans the turn of the year
    ],
)
def test_the_office_closes_at_four_on_fridays_half_an_hour_later_and_in_ramadan_an_hour_earlier(day: str, closes: str) -> None:
    for zone in (WIB, WITA, WIT):
        assert CALENDAR.close_of(date.fromisoformat(day), zone) == local(f"{day}T{closes}", zone)


def test_the_same_report_is_due_an_hour_earlier_in_each_zone_to_the_east() -> None:
    start = datetime(2024, 7, 11, 2, 20, tzinfo=UTC)
    assert CALENDAR.due_at(start, 3, WIB) == datetime(2024, 7, 16, 9, tzinfo=UTC)
    assert CALENDAR.due_at(start, 3, WITA) == datetime(2024, 7, 16, 8, tzinfo=UTC)
    assert CALENDAR.due_at(start, 3, WIT) == datetime(2024, 7, 16, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "zone", "due"),
    [
        ("2024-07-10T14:59:59+00:00", WIT, "2024-07-11T16:00"),
        ("2024-07-10T15:00:00+00:00", WIT, "2024-07-12T16:30"),  # midnight in Jayapura
        ("2024-07-10T23:30:00+00:00", WIT, "2024-07-12T16:30"),
        ("2024-07-10T16:30:00+00:00", WITA, "2024-07-12T16:30"),
        ("2024-07-10T16:30:00+00:00", WIB, "2024-07-11T16:00"),
        ("2024-07-11T08:00:00+14:00", WIB, "2024-07-12T16:30"),
    ],
)
def test_the_day_of_the_start_is_the_day_on_the_clock_of_the_desk(start: str, zone: ZoneInfo, due: str) -> None:
    assert CALENDAR.due_at(datetime.fromisoformat(start), 1, zone) == local(due, zone)


@pytest.mark.parametrize("received", ["2024-07-12T23:59", "2024-07-13T12:00", "2024-07-14T00:00"])
def test_what_comes_on_a_friday_night_or_a_weekend_has_monday_as_its_first_day(received: str) -> None:
    assert CALENDAR.due_at(local(received, WITA), 1, WITA) == local("2024-07-15T16:00", WITA)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2023-12-29", "2024-01-02T16:00"),  # year's end, New Year's Day a Monday
        ("2024-01-31", "2024-02-01T16:00"),  # month's end
        ("2024-02-28", "2024-02-29T16:00"),  # to the leap day
        ("2024-02-29", "2024-03-01T16:30"),  # and from it
        ("2025-02-28", "2025-03-03T15:00"),  # into Ramadan, a month that ends on a Friday
        ("2024-12-31", "2025-01-02T16:00"),
    ],
)
def test_months_years_and_leap_days_turn_over(received: str, due: str) -> None:
    assert CALENDAR.due_at(local(f"{received}T10:00", WIB), 1, WIB) == local(due, WIB)


# Levels


@pytest.mark.parametrize(
    ("due", "days", "shifted"),
    [
        ("2024-07-15T16:00", -1, "2024-07-12T16:30"),  # Monday's reminder on Friday
        ("2024-07-12T16:30", 1, "2024-07-15T16:00"),
        ("2024-07-18T16:00", -1, "2024-07-17T16:00"),
        ("2024-04-16T16:00", -1, "2024-04-05T15:30"),  # over Lebaran
        ("2024-04-05T15:30", 1, "2024-04-16T16:00"),
        ("2024-07-14T12:00", 1, "2024-07-15T16:00"),  # a calendar-day clock due on a Sunday
        ("2024-07-14T12:00", -1, "2024-07-12T16:30"),
        ("2024-07-14T12:00", 0, "2024-07-14T12:00"),
        ("2024-12-31T16:00", 2, "2025-01-03T16:30"),
    ],
)
def test_a_level_stands_at_the_close_of_the_working_day_before_or_after(due: str, days: int, shifted: str) -> None:
    for zone in (WIB, WITA, WIT):
        assert CALENDAR.shift(local(due, zone), days, zone) == local(shifted, zone)


@settings(deadline=None)
@given(starts, amounts, zones, st.integers(1, 5))
def test_the_levels_of_a_clock_stand_in_order_and_shifting_back_returns(start: datetime, amount: int, zone: ZoneInfo, n: int) -> None:
    due = CALENDAR.due_at(start, amount, zone)
    levels = [CALENDAR.shift(due, level, zone) for level in range(-n, n + 1)]
    assert all(before < after for before, after in pairwise(levels))
    assert levels[n] == due
    assert CALENDAR.shift(levels[0], n, zone) == due
    assert CALENDAR.due_at(start, amount + n, zone) == levels[-1]


# What the calendar does not know


def test_a_year_is_provisional_until_its_joint_leave_is_fixed() -> None:
    assert not any(CALENDAR.is_provisional(year) for year in range(2015, 2028))
    assert CALENDAR.is_provisional(2045)
    assert CALENDAR.is_provisional(2046)  # a period that starts at the end of 2045 may end there


@pytest.mark.parametrize("year", [1, 1970, 2014, 2046, 9999])
def test_a_day_outside_the_years_covered_is_refused_with_their_names(year: int) -> None:
    day = date(year, 6, 15)
    noon = datetime(year, 6, 15, 12, tzinfo=UTC)
    for ask in (
        lambda: CALENDAR.is_working_day(day),
        lambda: CALENDAR.close_of(day, WIT),
        lambda: CALENDAR.add_working_days(day, 3),
        lambda: CALENDAR.due_at(noon, 3, WIT),
    ):
        with pytest.raises(ValueError, match="2015 to 2045"):
            ask()


def test_moments_beyond_any_calendar_are_refused_and_not_overflowed() -> None:
    for moment in (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))):
        with pytest.raises(ValueError, match=r"outside every calendar|covers the years"):
            CALENDAR.due_at(moment, 3, WIT)
        with pytest.raises(ValueError, match="outside"):
            CALENDAR.shift(moment, 1, WIT)
    with pytest.raises(ValueError, match="outside the working calendar"):
        CALENDAR.add_working_days(date(2045, 6, 1), 10_000)
    with pytest.raises(ValueError, match="1899"):
        CALENDAR.is_provisional(1899)


def test_a_moment_without_an_offset_is_refused() -> None:
    naive = datetime(2024, 7, 11, 9)  # noqa: DTZ001
    with pytest.raises(ValueError, match="offset from UTC"):
        CALENDAR.due_at(naive, 3, WIB)
    for working_days in (0, 1):
        with pytest.raises(ValueError, match="offset from UTC"):
            CALENDAR.shift(naive, working_days, WIB)


@pytest.mark.parametrize("amount", [0, -1])
def test_a_period_without_a_working_day_is_refused(amount: int) -> None:
    with pytest.raises(ValueError, match="at least one working day"):
        CALENDAR.due_at(datetime(2024, 7, 11, tzinfo=UTC), amount, WIB)


def test_the_calendar_is_read_once_and_has_a_version() -> None:
    assert load_calendar() is CALENDAR
    assert CALENDAR.version
