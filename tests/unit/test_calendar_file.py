"""The file of the working calendar: its days are the library's, decrees correct them, and a mistake in it is named."""

import tomllib
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from holidays.countries.indonesia import Indonesia

from services.notifier.calendar import Calendar, load_calendar, read_calendar

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


def local_calendar() -> Calendar:
    """Day 13 is off in Bali but not in its Kanwil; at the Kanwil the national day off of the 16th is worked, wherever it is asked from."""
    return read_calendar(
        SHIPPED
        + decreed('desks = ["kanwil:bali", "kanim:kupang"]', "days_off = [2040-08-14]", "working_days = [2040-08-13, 2040-08-16]")
        + decreed('provinces = ["51"]', "days_off = [2040-08-13, 2040-08-15]")
        + decreed("days_off = [2040-08-16]", "working_days = [2040-08-17]")
    )


@pytest.mark.parametrize(
    ("province", "desk", "worked"),
    [
        (None, None, "13 14 15 17"),
        ("52", "kanim:mataram", "13 14 15 17"),
        ("51", None, "14 17"),
        ("51", "kanim:denpasar", "14 17"),
        (None, "kanim:kupang", "13 15 16 17"),
        ("51", "kanwil:bali", "13 16 17"),
    ],
)
def test_a_desk_s_decrees_win_over_its_province_s_and_those_over_national_ones(province: str | None, desk: str | None, worked: str) -> None:
    calendar = local_calendar().of_place(province, desk)
    assert " ".join(str(day) for day in range(13, 18) if calendar.is_working_day(date(2040, 8, day))) == worked
    offs = [calendar.why_off(date(2040, 8, day)) for day in range(13, 18)]
    assert [why is None for why in offs] == [str(day) in worked for day in range(13, 18)]
    assert set(offs) <= {None, "day off by a decree"}
    assert calendar.is_provisional(2040)


def test_the_calendar_of_a_place_is_made_once_and_is_the_national_one_where_nothing_differs() -> None:
    calendar = local_calendar()
    assert calendar.of_place(None, None) is calendar.of_place("52", "lapas:mataram") is calendar
    assert calendar.of_place("51", None) is calendar.of_place("51", "kanim:denpasar") is not calendar
    assert calendar.of_place("51", "kanwil:bali") is not calendar.of_place("51", None)
    known = date(2040, 8, 17)
    same = read_calendar(SHIPPED + decreed('provinces = ["51"]', f"days_off = [{known}]"))
    assert same.of_place("51", None) is same
    assert same.why_off(known) == "public holiday"


def test_a_place_s_due_dates_and_levels_are_counted_by_its_own_days() -> None:
    zone = ZoneInfo("Asia/Makassar")
    start = datetime(2040, 8, 10, 1, tzinfo=UTC)
    bali, kanwil = (local_calendar().of_place("51", desk) for desk in (None, "kanwil:bali"))
    assert [calendar.due_at(start, 2, zone).day for calendar in (bali, kanwil)] == [17, 16]
    assert [calendar.shift(datetime(2040, 8, 17, 8, tzinfo=UTC), -1, zone).day for calendar in (bali, kanwil)] == [14, 16]


@pytest.mark.parametrize("version", ["2026-11-22", "2026-11-22.1", "2026-11-22.9", "2028-02-29"])
def test_versions_in_the_order_of_their_days_are_in_the_order_of_their_texts(version: str) -> None:
    assert read_calendar(versioned(version)).version == version


@pytest.mark.parametrize(
    "version", ["", "2026", "2026-11-22.10", "2026-11-22.0", "2026-11-22a", "2026-02-30", "22-11-2026", "2026-11-22\\n"]
)
def test_a_version_that_cannot_be_compared_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="version must be YYYY-MM-DD"):
        read_calendar(versioned(version))


def versioned(version: str) -> str:
    shipped = tomllib.loads(SHIPPED)["version"]
    return SHIPPED.replace(f'version = "{shipped}"', f'version = "{version}"', 1)


@pytest.mark.parametrize(
    ("change", "to", "complaint"),
    [
        ("version = ", "versions = ", "version"),
        ("last_year = 2045", "last_year = 2046", "years must be 2014 to 2047"),
        ("    2024-01-01,", "    2025-01-01,", r"years\.2024 holds days of another year: 2025-01-01"),
        ("last = 2024-04-09", "last = 2024-04-19", "Ramadan 1445 must last 29 or 30 days, not 39"),
        ("hijri = 1446", "hijri = 1447", "Ramadan 1447 does not follow Ramadan 1445"),
        ("friday_close = 16:30:00", 'friday_close = "late"', r"office_hours\.friday_close"),
        ("ramadan_open = 08:00:00", "ramadan_open = 18:00:00", "must open before it closes"),
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
        (["provinces = []", "days_off = [2024-07-12]"], "provinces"),
        (['provinces = ["Bali"]'], "provinces"),
        (['provinces = ["10"]'], "no province or Kanwil 10"),
        (['desks = ["kupang"]'], "desks"),
        (['desks = ["kanwil:kupang"]'], "no province or Kanwil kanwil:kupang"),
        (['provinces = ["51"]', "settles = 2040"], "a decree for 51 cannot settle 2040"),
    ],
)
def test_a_mistake_in_a_decree_is_named(lines: list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_calendar(SHIPPED + decreed(*lines))
