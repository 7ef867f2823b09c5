"""The file of the working calendar: its days are the library's, decrees correct them, and a mistake in it is named."""

import tomllib
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from holidays.countries.indonesia import Indonesia

from services.notifier.calendar import load_calendar, read_calendar

SHIPPED = resources.files("services.notifier").joinpath("data/calendar.toml").read_text(encoding="utf-8")


def library(year: int, category: str) -> list[date]:
    return sorted(Indonesia(years=year, categories=(category,)))


def decreed(*lines: str) -> str:
    return "\n".join(["", "[[decrees]]", 'source = "a decree"', *lines, ""])


def test_the_days_off_are_those_of_the_holidays_library() -> None:
    """When this fails, the library knows some years better: paste what it prints and change the version."""
    lines = []
    for year, days in tomllib.loads(SHIPPED)["years"].items():
        better = {"public": library(int(year), "public"), "joint_leave": library(int(year), "government")}
        if days != better:
            lines += [f"[years.{year}]", *(f"{kind} = [{', '.join(map(str, these))}]" for kind, these in better.items())]
    assert not lines, "\n".join(lines)


def test_ramadan_ends_the_day_before_every_idul_fitri_of_the_library() -> None:
    known = Indonesia(years=range(2015, 2046), categories=("public",), language="id")
    feasts = [day for day, name in known.items() if "Hari Raya Idul Fitri" in name and "kedua" not in name]
    assert len(feasts) == 32  # twice in 2033
    for day in feasts:
        assert [day - timedelta(days=before) in load_calendar().ramadan_days for before in (0, 1, 29, 31)] == [False, True, True, False]


def test_a_decree_adds_days_off_takes_them_away_and_settles_its_year() -> None:
    first = decreed("settles = 2040", "days_off = [2040-08-15, 2040-08-16]", "working_days = [2040-08-17]")
    calendar = read_calendar(SHIPPED + first + decreed("working_days = [2040-08-15]"))
    assert not calendar.is_provisional(2040)
    assert [calendar.is_working_day(date(2040, 8, day)) for day in (14, 15, 16, 17)] == [True, True, False, True]
    assert calendar.due_at(datetime(2040, 8, 15, 3, tzinfo=UTC), 1, ZoneInfo("Asia/Jakarta")) == datetime(2040, 8, 17, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "to", "complaint"),
    [
        ("version = ", "versions = ", "version"),
        ("last_year = 2045", "last_year = 2046", "years must be 2014 to 2047"),
        ("    2024-01-01,", "    2025-01-01,", r"years\.2024 holds days of another year: 2025-01-01"),
        ("last = 2024-04-09", "last = 2024-04-19", "Ramadan 1445 must last 29 or 30 days, not 39"),
        ("hijri = 1446", "hijri = 1447", "Ramadan 1447 does not follow Ramadan 1445"),
        ("friday_close = 16:30:00", 'friday_close = "late"', r"office_hours\.friday_close"),
    ],
)
def test_a_mistake_in_the_file_is_named(change: str, to: str, complaint: str) -> None:
    assert change in SHIPPED
    with pytest.raises(ValueError, match=complaint):
        read_calendar(SHIPPED.replace(change, to, 1))


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["settles = 2050"], "a decree: settles 2050"),
        (["days_off = [2050-01-03]"], "a decree: 2050-01-03 lies outside"),
        (["working_days = [2024-07-13]"], "2024-07-13 is a Saturday or Sunday"),
        (["days_off = [2024-07-12]", "working_days = [2024-07-12]"], "2024-07-12 is both"),
    ],
)
def test_a_mistake_in_a_decree_is_named(lines: list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_calendar(SHIPPED + decreed(*lines))
