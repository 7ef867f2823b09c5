"""The periods of the law: the same as clerks find who walk day by day and minute by minute, with pauses, in every zone and unit."""

import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from holidays.countries.indonesia import Indonesia
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.notifier.calendar import load_calendar, read_calendar
from services.notifier.pauses import Pause
from services.notifier.periods import PeriodUnit, counted_days, due_at, is_provisional, working_days_between, working_seconds

CALENDAR = load_calendar()
SHIPPED = resources.files("services.notifier").joinpath("data/calendar.toml").read_text(encoding="utf-8")
RAMADANS = [(month["first"], month["last"]) for month in tomllib.loads(SHIPPED)["ramadan"]]
WIB, WITA, WIT = ZoneInfo("Asia/Jakarta"), ZoneInfo("Asia/Makassar"), ZoneInfo("Asia/Jayapura")
ONE_DAY, ONE_MINUTE, ONE_SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
SHORTEST = timedelta.resolution


def at(text: str, zone: ZoneInfo = WIB) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


# The clerks: they know the law and the almanac, and none of the code's shortcuts


@cache
def almanac(year: int) -> frozenset[date]:
    return frozenset(Indonesia(years=year, categories=("public",))) | frozenset(Indonesia(years=year, categories=("government",)))


def works(day: date) -> bool:
    return day.weekday() < 5 and day not in almanac(day.year)


def office(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    fasts = any(first <= day <= last for first, last in RAMADANS)
    closes = {(False, False): time(16), (False, True): time(16, 30), (True, False): time(15), (True, True): time(15, 30)}
    close = closes[fasts, day.weekday() == 4]
    return datetime.combine(day, time(8) if fasts else time(7, 30), zone), datetime.combine(day, close, zone)


def is_paused(pauses: Sequence[Pause], instant: datetime) -> bool:
    instant = instant.astimezone(UTC)
    return any(since.astimezone(UTC) <= instant and (to is None or instant < to.astimezone(UTC)) for since, to in pauses)


def never_runs_again(pauses: Sequence[Pause], instant: datetime) -> bool:
    return any(to is None and since.astimezone(UTC) <= instant.astimezone(UTC) for since, to in pauses)


def walked(amount: int, unit: PeriodUnit, start: datetime, zone: ZoneInfo, pauses: Sequence[Pause]) -> datetime | None:
    if unit == "h":
        return walked_minutes(amount, start, pauses)
    day = start.astimezone(zone).date()
    while True:
        day += ONE_DAY
        asked = office(day, zone)[1] if unit == "wd" else datetime.combine(day, time(23, 59, 59), zone)
        if unit == "wd" and not works(day):
            continue
        if never_runs_again(pauses, asked):
            return None
        amount -= not is_paused(pauses, asked)
        if amount == 0:
            return asked


def walked_minutes(hours: int, start: datetime, pauses: Sequence[Pause]) -> datetime | None:
    """For instants that fall on a whole minute."""
    paused = [(minute_of(since), None if to is None else minute_of(to)) for since, to in pauses]
    now, left = minute_of(start), hours * 60
    while left:
        running = True
        for since, to in paused:
            if since <= now:
                if to is None:
                    return None
                running &= now >= to
        left -= running
        now += 1
    return datetime.fromtimestamp(now * 60, UTC)


def minute_of(instant: datetime) -> int:
    return int(instant.timestamp()) // 60


# What is asked of both

zones = st.sampled_from([WIB, WITA, WIT])
units: st.SearchStrategy[PeriodUnit] = st.sampled_from(["wd", "cd", "h"])
# Anywhere, and more often where days are odd: Lebaran and its Fridays of fasting, leap days, the turn of months and years.
lebaran = ["2024-04-03", "2025-03-26", "2026-03-12", "2026-03-17"]
turns = ["2024-02-27", "2024-12-20", "2025-02-27", "2025-12-23", "2026-02-17", "2028-02-25", "2030-12-24", "2031-01-20"]
odd_days = st.sampled_from([*lebaran, *turns]).map(date.fromisoformat)
days = st.one_of(odd_days, st.dates(date(2015, 1, 2), date(2045, 9, 1)))
# The clock's own instants too: there a pause's first and last moment matter.
clocks = st.one_of(
    st.sampled_from([time(0), time(7, 30), time(8), time(15), time(15, 30), time(16), time(16, 30), time(23, 59)]),
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
)


@st.composite
def minutes(draw: st.DrawFn, within: int = 1) -> datetime:
    """A whole minute within so many days of an odd or any day."""
    return datetime.combine(draw(days) + ONE_DAY * draw(st.integers(0, within)), draw(clocks), draw(zones))


@st.composite
def periods(draw: st.DrawFn) -> tuple[datetime, ZoneInfo, list[Pause]]:
    start, zone = draw(minutes()), draw(zones)

    def instant(lowest: int) -> datetime:
        return datetime.combine(start.date() + ONE_DAY * draw(st.integers(lowest, 25)), draw(clocks), draw(zones))

    pauses: list[Pause] = []
    for _ in range(draw(st.integers(0, 4))):
        since, to = sorted((instant(-3), instant(-3)))
        pauses.append((since, to))
    if draw(st.integers(0, 4)) == 0:
        pauses.append((instant(0), None))
    return start, zone, draw(st.permutations(pauses))


@settings(deadline=None, max_examples=300)
@given(periods(), st.integers(1, 30), st.sampled_from(["wd", "cd"]))
@example((at("2026-03-12T09:00"), WIB, [(at("2026-03-13T15:30"), at("2026-03-16T15:00"))]), 3, "wd")
@example((at("2024-02-28T23:59"), WIT, [(at("2024-02-29T23:59", WIT), at("2024-03-01T00:00", WIT))]), 1, "cd")
def test_days_are_counted_as_a_clerk_counts_them_one_by_one(
    period: tuple[datetime, ZoneInfo, list[Pause]], amount: int, unit: PeriodUnit
) -> None:
    start, zone, pauses = period
    due = due_at(CALENDAR, amount, unit, start, zone, pauses)
    assert due == walked(amount, unit, start, zone, pauses)
    assert due is None or due.tzinfo is UTC
    assert due_at(CALENDAR, amount, unit, start, zone) == walked(amount, unit, start, zone, [])


@settings(deadline=None, max_examples=100)
@given(periods(), st.integers(1, 80))
def test_hours_are_counted_as_a_watch_counts_them_minute_by_minute(period: tuple[datetime, ZoneInfo, list[Pause]], amount: int) -> None:
    start, zone, pauses = period
    due = due_at(CALENDAR, amount, "h", start, zone, pauses)
    assert due == walked_minutes(amount, start, pauses)
    assert due_at(CALENDAR, amount, "h", start, zone) == start.astimezone(UTC) + timedelta(hours=amount)


@settings(deadline=None, max_examples=200)
@given(periods(), st.integers(1, 30), units)
@example((at("2024-07-11T09:00"), WIB, [(at("2024-07-12T09:00"), at("2024-07-12T16:30"))]), 2, "wd")
@example((at("2024-07-11T09:00"), WIB, [(at("2024-07-13T09:00"), None)]), 2, "wd")
def test_what_explains_a_period_names_each_day_of_it_and_ends_with_it(
    period: tuple[datetime, ZoneInfo, list[Pause]], amount: int, unit: PeriodUnit
) -> None:
    start, zone, pauses = period
    due = due_at(CALENDAR, amount, unit, start, zone, pauses)
    shown = counted_days(CALENDAR, amount, unit, start, zone, pauses)
    assert shown[0].on == start.astimezone(zone).date()
    assert all(after.on == before.on + ONE_DAY for before, after in pairwise(shown))
    counted = [day for day in shown if day.is_counted]
    assert all(day.why.startswith("counted ") == day.is_counted for day in shown)
    if due is None:
        assert shown[-1].why.endswith("paused without end")
    else:
        assert shown[-1].at == due
        assert shown[-1].is_counted
    if unit != "h":
        assert [day.why for day in counted] == [f"counted {number} of {amount}" for number in range(1, len(counted) + 1)]
        assert (len(counted) == amount) == (due is not None)
        assert shown[0].why == "start day"
        assert all(day.why.startswith("paused") == (is_paused(pauses, day.at) and (unit == "cd" or works(day.on))) for day in shown[1:])


@settings(deadline=None, max_examples=60)
@given(periods(), st.integers(0, 12), clocks)
def test_office_time_is_what_a_watch_shows_minute_by_minute(
    period: tuple[datetime, ZoneInfo, list[Pause]], length: int, clock: time
) -> None:
    start, zone, pauses = period
    end = max(start, datetime.combine(start.date() + ONE_DAY * length, clock, zone), key=lambda instant: instant.astimezone(UTC))
    paused = [(minute_of(since), None if to is None else minute_of(to)) for since, to in pauses]
    day, spent = start.astimezone(zone).date(), 0
    while day <= end.astimezone(zone).date():
        opens, closes = office(day, zone)
        for minute in range(minute_of(opens), minute_of(closes)) if works(day) else ():
            is_asked = minute_of(start) <= minute < minute_of(end)
            spent += is_asked and not any(since <= minute and (to is None or minute < to) for since, to in paused)
        day += ONE_DAY
    assert working_seconds(CALENDAR, start, end, zone, pauses) == spent * 60


@settings(deadline=None)
@given(periods(), st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), min_size=2, max_size=2).map(sorted))
def test_office_time_is_exact_to_the_microsecond_and_adds_up(
    period: tuple[datetime, ZoneInfo, list[Pause]], lengths: list[timedelta]
) -> None:
    start, zone, pauses = period
    start = start.astimezone(UTC)
    middle, end = (start + length for length in lengths)
    whole = working_seconds(CALENDAR, start, end, zone, pauses)
    parts = working_seconds(CALENDAR, start, middle, zone, pauses) + working_seconds(CALENDAR, middle, end, zone, pauses)
    assert whole == pytest.approx(parts, abs=1e-9)
    running = working_seconds(CALENDAR, start, end, zone)
    assert 0 <= whole <= running <= (end - start).total_seconds()


@settings(deadline=None, max_examples=200)
@given(periods(), st.integers(1, 30))
def test_at_its_deadline_all_working_days_of_a_period_were_counted_and_a_moment_before_one_less(
    period: tuple[datetime, ZoneInfo, list[Pause]], amount: int
) -> None:
    start, zone, pauses = period
    due = due_at(CALENDAR, amount, "wd", start, zone, pauses)
    if due is not None:
        assert working_days_between(CALENDAR, start, due, zone, pauses) == amount
        assert working_days_between(CALENDAR, start, due - SHORTEST, zone, pauses) == amount - 1


@settings(deadline=None)
@given(periods(), st.integers(0, 60), clocks)
def test_working_days_between_are_those_whose_close_came(period: tuple[datetime, ZoneInfo, list[Pause]], length: int, clock: time) -> None:
    start, zone, pauses = period
    first = start.astimezone(zone).date()
    end = max(start, datetime.combine(first + ONE_DAY * length, clock, zone), key=lambda instant: instant.astimezone(UTC))
    closes = [office(day, zone)[1] for day in (first + ONE_DAY * passed for passed in range(1, length + 2)) if works(day)]
    expected = sum(close.astimezone(UTC) <= end.astimezone(UTC) and not is_paused(pauses, close) for close in closes)
    assert working_days_between(CALENDAR, start, end, zone, pauses) == expected


@settings(deadline=None, max_examples=150)
@given(periods(), st.integers(1, 30), units, st.timedeltas(timedelta(0), timedelta(days=9)))
def test_a_longer_pause_a_longer_period_or_a_later_start_never_ends_earlier(
    period: tuple[datetime, ZoneInfo, list[Pause]], amount: int, unit: PeriodUnit, later: timedelta
) -> None:
    start, zone, pauses = period
    never = datetime.max.replace(tzinfo=UTC)

    def ends(amount: int, start: datetime, pauses: Sequence[Pause]) -> datetime:
        return due_at(CALENDAR, amount, unit, start, zone, pauses) or never

    due = ends(amount, start, pauses)
    start = start.astimezone(UTC)
    assert due <= ends(amount, start + later, pauses)
    assert due <= ends(amount + 1, start, pauses)
    assert due <= ends(amount, start, [*pauses, (start, start + later)])
    assert due <= ends(amount, start, [(since, None if to is None else to.astimezone(UTC) + later) for since, to in pauses])


# Vectors


@pytest.mark.parametrize(
    ("received", "working_days", "calendar_days"),
    [
        # Derived from the joint decrees (SKB 3 Menteri) on holidays and joint leave of 2024, 2025 and 2026.
        ("2024-07-11", {3: "2024-07-16", 5: "2024-07-18", 10: "2024-07-25", 14: "2024-07-31", 60: "2024-10-04"}, {60: "2024-09-09"}),
        ("2024-04-04", {3: "2024-04-17", 5: "2024-04-19", 10: "2024-04-26", 14: "2024-05-03", 60: "2024-07-16"}, {60: "2024-06-03"}),
        ("2025-12-23", {3: "2025-12-30", 5: "2026-01-02", 10: "2026-01-09", 14: "2026-01-15", 60: "2026-04-01"}, {60: "2026-02-21"}),
        ("2026-03-12", {3: "2026-03-17", 5: "2026-03-26", 10: "2026-04-02", 14: "2026-04-09", 60: "2026-06-23"}, {60: "2026-05-11"}),
        ("2026-03-17", {3: "2026-03-27", 5: "2026-03-31", 10: "2026-04-08", 14: "2026-04-14", 60: "2026-06-26"}, {60: "2026-05-16"}),
    ],
)
@pytest.mark.parametrize("zone", [WIB, WITA, WIT])
def test_periods_end_on_the_known_days(received: str, working_days: dict[int, str], calendar_days: dict[int, str], zone: ZoneInfo) -> None:
    start = at(f"{received}T09:00", zone)
    for amount, day in working_days.items():
        assert due_at(CALENDAR, amount, "wd", start, zone) == office(date.fromisoformat(day), zone)[1]
        assert working_days_between(CALENDAR, start, at(f"{day}T23:00", zone), zone) == amount
    for amount, day in calendar_days.items():
        assert due_at(CALENDAR, amount, "cd", start, zone) == at(f"{day}T23:59:59", zone)


@pytest.mark.parametrize(
    ("unit", "since", "to", "due"),
    [
        ("wd", "2024-07-12T16:30", "2024-07-12T16:30:01", "2024-07-16T16:00"),  # paused at the close: that day is lost
        ("wd", "2024-07-12T09:00", "2024-07-12T16:30", "2024-07-15T16:00"),  # running again at the close: it counts
        ("wd", "2024-07-12T16:30:01", "2024-07-15T15:59:59", "2024-07-15T16:00"),  # between two closes
        ("wd", "2024-07-10T09:00", "2024-07-11T23:00", "2024-07-15T16:00"),  # before the first day
        ("wd", "2024-07-12T16:30", "2024-07-12T16:30", "2024-07-15T16:00"),  # an empty pause
        ("cd", "2024-07-12T23:59:59", "2024-07-13T00:00", "2024-07-14T23:59:59"),
        ("cd", "2024-07-12T00:00", "2024-07-12T23:59:59", "2024-07-13T23:59:59"),
        ("h", "2024-07-11T10:00", "2024-07-11T10:00:01", "2024-07-11T11:00:01"),
        ("h", "2024-07-11T11:00", "2024-07-11T12:00", "2024-07-11T11:00"),  # the hours had just run out
        ("h", "2024-07-11T09:00", "2024-07-11T12:00", "2024-07-11T14:00"),
    ],
)
def test_a_pause_begins_with_its_first_moment_and_ends_before_its_last(unit: PeriodUnit, since: str, to: str, due: str) -> None:
    assert due_at(CALENDAR, 2, unit, at("2024-07-11T09:00"), WIB, [(at(since), at(to))]) == at(due)


def test_hours_are_those_that_pass_also_where_wall_clocks_are_changed() -> None:
    new_york = ZoneInfo("America/New_York")
    assert due_at(CALENDAR, 48, "h", at("2026-03-07T12:00", new_york), new_york) == at("2026-03-09T13:00", new_york)
    assert due_at(CALENDAR, 48, "h", at("2026-10-31T12:00", new_york), new_york) == at("2026-11-02T11:00", new_york)


def test_a_pause_without_end_leaves_a_period_open_unless_it_came_too_late() -> None:
    start = at("2024-07-11T09:00")
    asked: list[tuple[PeriodUnit, str]] = [("wd", "2024-07-15T16:00"), ("cd", "2024-07-13T23:59:59")]
    for unit, last in asked:
        assert due_at(CALENDAR, 2, unit, start, WIB, [(at(last), None)]) is None
        assert due_at(CALENDAR, 2, unit, start, WIB, [(at(last) + ONE_SECOND, None)]) == at(last)
    assert due_at(CALENDAR, 2, "h", start, WIB, [(at("2024-07-11T10:59:59"), None)]) is None
    assert due_at(CALENDAR, 2, "h", start, WIB, [(at("2024-07-11T11:00"), None)]) == at("2024-07-11T11:00")


def test_the_days_of_lebaran_are_explained_by_their_names() -> None:
    shown = counted_days(CALENDAR, 3, "wd", at("2026-03-17T09:00"), WIB, [(at("2026-03-25T09:00"), at("2026-03-25T16:00:01"))])
    assert [(f"{day.on:%m-%d}", f"{day.at.astimezone(WIB):%H:%M}", day.why) for day in shown] == [
        ("03-17", "15:00", "start day"),
        ("03-18", "15:00", "joint leave"),
        ("03-19", "15:00", "public holiday"),
        ("03-20", "15:30", "joint leave"),
        ("03-21", "16:00", "Saturday"),
        ("03-22", "16:00", "Sunday"),
        ("03-23", "16:00", "joint leave"),
        ("03-24", "16:00", "joint leave"),
        ("03-25", "16:00", "paused"),
        ("03-26", "16:00", "counted 1 of 3"),
        ("03-27", "16:30", "counted 2 of 3"),
        ("03-28", "16:00", "Saturday"),
        ("03-29", "16:00", "Sunday"),
        ("03-30", "16:00", "counted 3 of 3"),
    ]


def test_the_three_days_of_a_breach_notice_are_explained_in_hours() -> None:
    shown = counted_days(CALENDAR, 72, "h", at("2024-07-12T22:30"), WIB, [(at("2024-07-13T00:00"), at("2024-07-14T12:00"))])
    assert [(day.is_counted, day.why) for day in shown] == [
        (True, "counted 1:30, 1:30 of 72:00 h"),
        (False, "paused"),
        (True, "counted 12:00, 13:30 of 72:00 h"),
        (True, "counted 24:00, 37:30 of 72:00 h"),
        (True, "counted 24:00, 61:30 of 72:00 h"),
        (True, "counted 10:30, 72:00 of 72:00 h"),
    ]


def test_office_time_of_a_plain_day_and_of_a_fasting_friday() -> None:
    assert working_seconds(CALENDAR, at("2024-07-11T00:00"), at("2024-07-12T00:00"), WIB) == 8.5 * 3600
    assert working_seconds(CALENDAR, at("2024-03-15T00:00"), at("2024-03-16T00:00"), WIB) == 7.5 * 3600
    assert working_seconds(CALENDAR, at("2024-07-11T15:30"), at("2024-07-11T18:00"), WIB) == 1800
    assert working_seconds(CALENDAR, at("2024-07-11T15:30"), at("2024-07-11T18:00"), WIT) == 0  # in Jayapura it was 17:30


# What cannot be answered


def test_wrong_periods_are_refused_and_told() -> None:
    start = at("2024-07-11T09:00")
    naive = datetime(2024, 7, 12, 9)  # noqa: DTZ001
    for unit in ("wd", "cd", "h"):
        for wrong in (0, -1):
            with pytest.raises(ValueError, match="at least"):
                due_at(CALENDAR, wrong, unit, start, WIB)
        for pauses, told in (([(start, start - SHORTEST)], "ends before it begins"), ([(naive, None)], "offset from UTC")):
            with pytest.raises(ValueError, match=told):
                due_at(CALENDAR, 1, unit, start, WIB, pauses)
        for outside in (at("2014-12-31T23:59"), at("2046-01-01T00:00")):
            for pauses in ([], [(outside, outside + ONE_DAY)]):
                with pytest.raises(ValueError, match="2015 to 2045"):
                    due_at(CALENDAR, 1, unit, outside, WIB, pauses)
        for huge in (10**8, 10**40):
            for pauses in ([], [(start, start + ONE_DAY)]):
                with pytest.raises(ValueError, match=r"outside the working calendar|beyond every calendar"):
                    due_at(CALENDAR, huge, unit, start, WIB, pauses)
        with pytest.raises(ValueError, match="offset from UTC"):
            due_at(CALENDAR, 1, unit, naive, WIB)
    for between in (working_seconds, working_days_between):
        with pytest.raises(ValueError, match="is before"):
            between(CALENDAR, start, start - SHORTEST, WIB)
        with pytest.raises(ValueError, match="2015 to 2045"):
            between(CALENDAR, start, at("2047-01-01T00:00"), WIB)
        with pytest.raises(ValueError, match="2015 to 2045"):
            between(CALENDAR, at("2014-06-01T00:00"), start, WIB)


def test_a_pause_to_the_end_of_the_calendar_ends_beyond_it() -> None:
    with pytest.raises(ValueError, match="outside the working calendar"):
        due_at(CALENDAR, 1, "wd", at("2024-07-11T09:00"), WIB, [(at("2024-07-11T09:00"), at("2047-01-01T00:00"))])
    with pytest.raises(ValueError, match="outside the working calendar"):
        due_at(CALENDAR, 10_000, "wd", at("2024-07-11T09:00"), WIB, [(at("2060-01-01T00:00"), None)])


def test_a_due_date_is_provisional_while_the_joint_leave_of_a_year_it_was_counted_in_is_not_decreed() -> None:
    for start, amount, expected in (("2026-07-01", 60, False), ("2027-12-20", 5, False), ("2027-12-20", 20, True), ("2030-03-01", 5, True)):
        begins = at(f"{start}T09:00")
        due = due_at(CALENDAR, amount, "wd", begins, WIB)
        assert due is not None
        assert is_provisional(CALENDAR, begins, due) is expected
    settled = read_calendar(SHIPPED + '\n[[decrees]]\nsource = "a decree"\nsettles = 2028\n')
    assert not is_provisional(settled, at("2027-12-20T09:00"), at("2028-01-17T16:00"))


def test_a_place_counts_by_its_own_days_and_names_the_decree() -> None:
    lines = ["[[decrees]]", 'source = "a decree of the governor"', 'provinces = ["51"]', "days_off = [2024-09-25]"]
    bali = read_calendar("\n".join([SHIPPED, *lines, ""])).of_place("51", None)
    start = at("2024-09-23T09:00", WITA)
    assert due_at(bali, 2, "wd", start, WITA) == at("2024-09-26T16:00", WITA)
    assert due_at(CALENDAR, 2, "wd", start, WITA) == at("2024-09-25T16:00", WITA)
    assert [day.why for day in counted_days(bali, 2, "wd", start, WITA)][2] == "day off by a decree of the governor"
    week = (at("2024-09-23T00:00", WITA), at("2024-09-28T00:00", WITA))
    assert working_seconds(CALENDAR, *week, WITA) - working_seconds(bali, *week, WITA) == 8.5 * 3600
