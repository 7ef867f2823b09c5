"""The quarterly account, case by case; every number worked out by hand.

The Monday is 6 July 2026. Three working days from it end on Thursday the 9th, five on Monday the 13th, always at 16:00 in Jakarta.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.notifier.account import Account, Group, read_quarter
from services.notifier.account_rows import COLUMNS, DIMENSIONS, Dimension, Row, shares
from tests.facts import MONDAY, Fact, changed, decided, received, updated
from tests.memory import CLOCKWORK, KeptCase

AS_OF = datetime(2026, 9, 30, 5, 0, tzinfo=UTC)  # Wednesday noon in Jakarta
JAKARTA = {"location": {"province": "DKI Jakarta"}}


def day(number: float, hour: float = 8) -> datetime:
    """That hour in Jakarta, so many days after the Monday."""
    return MONDAY + timedelta(days=number, hours=hour - 8)


class Told:
    """A case told step by step, each at its instant."""

    def __init__(self, *units: str, at: datetime = MONDAY, source: str = "loket", class_: str = "pengaduan", **report: Any) -> None:
        self.id = uuid4()
        self.kept = KeptCase(self.id)
        self.at = at
        self.common: dict[str, Any] = {"source": source, "class": class_, **JAKARTA}
        parted = {key: report.pop(key) for key in ("is_oversight", "decided_by", "copies") if key in report}
        self.common |= report
        self.tell(at, received(self.id, at, **self.common))
        if units:
            self.tell(at, *decided(self.id, *units, at=at, **self.common | parted))

    def tell(self, at: datetime, *facts: Fact | tuple[Fact, datetime]) -> "Told":
        self.kept.tell(*facts, now=at)
        return self

    def say(self, at: datetime, status: str, unit: str = "imigrasi") -> "Told":
        return self.tell(at, (updated(self.id, status, unit, reason="sebab"), at))

    def change(self, at: datetime, kind: str, **more: Any) -> "Told":
        return self.tell(at, changed(self.id, kind, at, source=str(self.common["source"]), **more))

    def verify(self, at: datetime) -> "Told":
        fields = {"status": "verified", "unit": None, "assignment_id": None}
        return self.tell(at, changed(self.id, "update", at, by="admin", fields=fields))

    def decide(self, at: datetime, unit: str, decision: int = 1) -> "Told":
        return self.tell(at, *decided(self.id, unit, at=at, decision=decision, reported_at=self.at, **self.common))


def account(*cases: Told, as_of: datetime = AS_OF, quarter: str = "2026Q3") -> Account:
    found = Account(read_quarter(quarter), as_of, CLOCKWORK)
    for case in cases:
        found.add(case.kept.case)
    return found


def rows(found: Account, dimension: Dimension, group: Group = "received") -> dict[str, dict[str, object]]:
    """What is not nothing, of rows that are not nothing; a figure with two bounds as a pair."""
    return {row.key: shown for row in found.tables(group)[dimension] if (shown := figures(row))}


def figures(row: Row) -> dict[str, object]:
    kept = {name: row.figures[name] for name in COLUMNS if not name.startswith("hours_")}
    return {name: pair[0] if pair[0] == pair[1] else pair for name, pair in kept.items() if pair is not None and pair != (0, 0)}


def in_time() -> Told:
    """Verified on Tuesday, followed up on Thursday, answered on Friday at ten: Tuesday, Wednesday and Thursday had closed."""
    return Told("imigrasi/kanim:kupang", copies=["kanwil:bali"]).verify(day(1)).say(day(3), "followed_up").say(day(4, 10), "answered")


def late() -> Told:
    """Verified and followed up after Thursday the 9th and Monday the 13th. Fourteen days from the 13th end on Friday the 31st at 16:30;
    it is answered on Monday 3 August at ten, when nineteen working days of July had closed."""
    return Told("ahu", channel="web").verify(day(7)).say(day(9), "followed_up", "ahu").say(day(28, 10), "answered", "ahu")


IN_TIME = {
    "received": 1, "verified_in_time": 1, "followed_up_in_time": 1, "finished": 1, "finished_in_time": 1, "median_days": 3, "p90_days": 3,
}  # fmt: skip
LATE = {"received": 1, "verified_late": 1, "followed_up_late": 1, "finished": 1, "finished_late": 1, "median_days": 19, "p90_days": 19}


def test_limits_kept_and_missed_are_counted_by_unit_kanwil_class_and_channel() -> None:
    found = account(in_time(), late(), late())
    assert rows(found, "unit") == {"imigrasi": IN_TIME, "ahu": {name: 2 * value if value == 1 else value for name, value in LATE.items()}}
    total = {
        "received": 3, "verified_in_time": 1, "verified_late": 2, "followed_up_in_time": 1, "followed_up_late": 2, "finished": 3,
        "finished_in_time": 1, "finished_late": 2, "median_days": 19, "p90_days": 19,
    }  # fmt: skip
    assert rows(found, "total")["ordinary"] == total
    assert rows(found, "class") == {"pengaduan": total}
    assert rows(found, "kanwil") == {"kanwil:bali": IN_TIME, "kanwil:dki-jakarta": rows(found, "unit")["ahu"]}
    assert rows(found, "channel") == {"loket": IN_TIME, "loket/web": rows(found, "unit")["ahu"]}
    assert rows(found, "total", "carried_over") == {}


def test_what_is_open_is_overdue_once_a_period_of_the_law_has_run_out() -> None:
    """The one of Tuesday 29 September has until 2 October for its verification, and until 6 October for its follow-up."""
    found = account(Told("ham"), Told("ham", at=datetime(2026, 9, 29, 2, 0, tzinfo=UTC)))
    assert rows(found, "unit") == {"ham": {"received": 2, "verified_late": 1, "followed_up_late": 1, "open": 2, "overdue": 1}}
    # At Thursday's close the third day is over, not past; a moment later it is.
    close = day(3, 16)
    assert rows(account(Told("ham"), as_of=close), "total")["ordinary"] == {"received": 1, "open": 1}
    after = rows(account(Told("ham"), as_of=close + timedelta(microseconds=1)), "total")["ordinary"]
    assert after == {"received": 1, "verified_late": 1, "open": 1, "overdue": 1}


def test_what_is_done_at_the_very_close_of_the_last_day_is_in_time() -> None:
    close = day(7, 16)
    at_close, after = (Told("ham").say(at, "followed_up", "ham") for at in (close, close + timedelta(microseconds=1)))
    row = rows(account(at_close, after, as_of=day(8)), "unit")["ham"]
    assert (row["followed_up_in_time"], row["followed_up_late"]) == (1, 1)


def test_a_return_after_half_of_the_stage_time_counts_against_the_unit() -> None:
    """From Monday 08:00 to Monday 16:00 there are 8 + 3 x 8.5 + 9 + 8.5 = 51 office hours; half of them are over on Thursday at 08:00."""
    half = day(3, 8)
    minute = timedelta(minutes=1)
    kept = Told("imigrasi").say(half, "returned").decide(half + minute, "ki").say(day(4), "answered", "ki")
    late = Told("imigrasi").say(half + minute, "returned").decide(half + 2 * minute, "ki")
    found = account(kept, late, as_of=day(5))
    assert rows(found, "unit")["imigrasi"] == {"received": 2, "verified_late": 2, "returned": 2, "returned_late": 1, "passed_on": 2}
    # The second unit's own time began on Thursday, and on Friday morning no day of it had closed; of the reporter's three had.
    ki = {"received": 2, "verified_late": 2, "followed_up_in_time": 1, "finished": 1, "open": 1}
    assert rows(found, "unit")["ki"] == ki
    assert rows(found, "total")["ordinary"] == {
        "received": 2, "verified_late": 2, "followed_up_in_time": 1, "finished": 1, "returned": 2, "returned_late": 1, "open": 1,
        "overdue": 1, "median_days": 3, "p90_days": 3,
    }  # fmt: skip


def test_history_is_received_and_never_late() -> None:
    found = account(Told(is_final=True, source_state="closed"))
    assert rows(found, "total")["ordinary"] == {"received": 1, "history": 1}
    assert rows(found, "unit") == {"history": {"received": 1, "history": 1}}


def test_what_was_withdrawn_archived_or_sent_to_another_agency_is_neither_open_nor_finished() -> None:
    withdrawn = Told("imigrasi").change(day(1), "withdrawn")
    archived = Told("imigrasi").change(day(1), "archived")
    elsewhere = Told("other_agency", decided_by="human")
    proposed = Told("other_agency", source="lapor")
    found = account(withdrawn, archived, elsewhere, proposed, as_of=day(2))
    assert rows(found, "unit") == {
        "imigrasi": {"received": 2, "not_pursued": 2},
        "other_agency": {"received": 1, "verified_in_time": 1, "passed_on": 1},
        "triage": {"received": 1, "open": 1},
    }


def test_a_reply_in_time_opens_it_again_and_a_late_one_does_not() -> None:
    again = in_time().change(day(7), "replied")
    ended = in_time().change(day(30), "replied")
    found = account(again, ended, as_of=day(30, 10))
    # The second stretch of the follow-up, from Monday the 13th, ended on the 20th.
    assert rows(found, "unit")["imigrasi"] == {
        "received": 2, "verified_in_time": 2, "followed_up_in_time": 1, "followed_up_late": 1, "finished": 1, "finished_in_time": 1,
        "reopened": 1, "open": 1, "overdue": 1, "median_days": 3, "p90_days": 3,
    }  # fmt: skip


def test_days_on_which_the_reporter_was_asked_do_not_count() -> None:
    """Asked from Tuesday 09:00 to Monday the 13th at 09:00: of the five days two are over by Tuesday the 14th, so that is in time."""
    asked = (
        Told("imigrasi").say(day(1, 9), "need_info").say(day(7, 9), "resumed").say(day(8, 10), "followed_up").say(day(9, 10), "answered")
    )
    unit = rows(account(asked), "unit")["imigrasi"]
    assert (unit["followed_up_in_time"], unit["median_days"]) == (1, 2)


def test_late_counts_by_the_corrected_deadline_and_not_by_what_fired() -> None:
    """As information, due five days after Monday; it fired, and then the source gave it a class with fourteen days."""
    case = Told("imigrasi", class_="informasi").verify(MONDAY).say(day(1), "followed_up")
    case.kept.sweep(day(10))
    assert [item.kind for item in case.kept.said("overdue") if item.code == "SP4N_INFO"] == ["overdue"]
    case.change(day(10, 9), "reclassified", fields={"class": "pengaduan"}).say(day(14), "answered")
    assert rows(account(case), "class")["pengaduan"]["finished_in_time"] == 1
    assert "informasi" not in rows(account(case), "class")


def test_a_report_that_came_in_verified_shows_both_bounds() -> None:
    """Reported on Monday, read from an export on Tuesday the 14th: verified in between. Fourteen days from the one end on Friday the 24th,
    from the other on Monday 3 August; it was answered on Wednesday the 29th."""
    case = Told("imigrasi", source="lapor", accepted_at=day(8), source_state="verified").say(day(9), "followed_up").say(day(23), "answered")
    assert rows(account(case), "total")["ordinary"] == {
        "received": 1, "verified_in_time": (0, 1), "verified_late": (0, 1), "followed_up_late": 1, "finished": 1,
        "finished_in_time": (0, 1), "finished_late": (0, 1), "median_days": 16, "p90_days": 16,
    }  # fmt: skip
    # Still open between the two ends it is perhaps overdue, and after the second it is.
    waiting = Told("imigrasi", source="lapor", accepted_at=day(8), source_state="verified", class_="aspirasi").say(day(8), "followed_up")
    overdue = [rows(account(waiting, as_of=at), "total")["ordinary"].get("overdue") for at in (day(7, 16), day(14), day(15, 17))]
    assert overdue == [None, (0, 1), 1], "five days from the 6th end on Monday the 13th, from the 14th on Tuesday the 21st"
    soon = Told("imigrasi", source="lapor", accepted_at=day(3), source_state="verified")
    assert rows(account(soon, as_of=day(4)), "total")["ordinary"]["verified_in_time"] == 1, "by Thursday morning it surely was"


def test_what_differs_between_two_exports_happened_in_between() -> None:
    """One export on Monday, the next on Wednesday the 15th says that it is closed: answered there between them, in 0 to 6 working days."""
    case = Told("imigrasi", source="lapor").change(day(9), "closed", change_id="import/1", is_final=True, source_state="closed")
    assert rows(account(case), "unit")["imigrasi"] == {
        "received": 1, "verified_late": 1, "followed_up_in_time": (0, 1), "followed_up_late": (0, 1), "finished": 1,
        "median_days": (0, 6), "p90_days": (0, 6),
    }  # fmt: skip
    # Of a third export's difference it is known that the second did not have it yet.
    case = Told("imigrasi", source="lapor").change(day(3), "flags", change_id="import/1", source_state="verified")
    case.change(day(4), "closed", change_id="import/2", is_final=True, source_state="closed")
    unit = rows(account(case), "unit")["imigrasi"]
    assert (unit["verified_in_time"], unit["followed_up_in_time"], unit["median_days"]) == (1, 1, (2, 3))
    # What came by a connector in between is known to the instant.
    assert rows(account(Told("imigrasi").change(day(4), "closed")), "unit")["imigrasi"]["median_days"] == 3


def test_the_quarter_is_jakarta_s_and_older_open_reports_are_counted_apart() -> None:
    midnight = datetime(2026, 6, 30, 17, 0, tzinfo=UTC)
    before, first = midnight - timedelta(microseconds=1), midnight
    last, after = datetime(2026, 9, 30, 16, 59, 59, tzinfo=UTC), datetime(2026, 9, 30, 17, 0, tzinfo=UTC)
    cases = [Told("imigrasi", at=at) for at in (before, first, last, after)]
    june = datetime(2026, 6, 22, 1, 0, tzinfo=UTC)
    carried = Told("ahu", at=june).say(day(2), "answered", "ahu")
    done = Told("ahu", at=june).say(june + timedelta(days=1), "answered", "ahu")
    again = Told("ki", at=june).say(june + timedelta(days=1), "answered", "ki").change(june + timedelta(days=2), "replied")
    found = account(*cases, carried, done, again, as_of=datetime(2026, 12, 1, tzinfo=UTC))
    assert rows(found, "unit")["imigrasi"]["received"] == 2
    assert {key: row["received"] for key, row in rows(found, "unit", "carried_over").items()} == {"imigrasi": 1, "ahu": 1, "ki": 1}


def test_nothing_that_happened_after_the_instant_counts() -> None:
    assert rows(account(in_time(), as_of=day(4, 9)), "unit")["imigrasi"] == {
        "received": 1, "verified_in_time": 1, "followed_up_in_time": 1, "open": 1,
    }  # fmt: skip
    assert rows(account(in_time(), as_of=day(-1)), "unit") == {}


def test_a_case_of_two_units_is_followed_up_when_both_have_and_counted_by_each() -> None:
    both = Told("imigrasi", "ahu").say(day(1), "followed_up").say(day(2, 10), "answered")
    found = account(both, as_of=day(3))
    assert "followed_up_in_time" not in rows(found, "total")["ordinary"]
    assert rows(found, "unit")["imigrasi"] == {"received": 1, "followed_up_in_time": 1, "finished": 1, "median_days": 1, "p90_days": 1}
    assert rows(found, "unit")["ahu"] == {"received": 1, "open": 1}


def test_who_used_the_time_is_counted_in_office_hours_up_to_the_answer() -> None:
    case = Told(accepted_at=day(0, 9))
    case.tell(day(0, 10), *decided(case.id, "imigrasi", at=day(0, 10), reported_at=MONDAY, **case.common | {"accepted_at": day(0, 9)}))
    case.say(day(0, 12), "need_info").say(day(0, 13), "resumed").say(day(0, 15), "answered")
    (row,) = [row for row in account(case).tables("received")["unit"] if row.key == "imigrasi"]
    assert {name: pair and pair[0] for name, pair in row.figures.items() if name.startswith("hours_")} == {
        "hours_source": 1, "hours_router": 1, "hours_unit": 4, "hours_reporter": 1, "hours_triage": 0,
    }  # fmt: skip
    assert shares(row.figures) == {"unit": 4 / 7, "triage": 0, "router": 1 / 7, "reporter": 1 / 7, "source": 1 / 7}


def test_median_and_90th_percentile_are_those_of_the_answers() -> None:
    """Answered after 1 to 10 working days: the median lies between 5 and 6, nine of ten took 9 or less."""
    ends = [1, 2, 3, 4, 7, 8, 9, 10, 11, 14]
    found = account(*(Told("imigrasi").say(day(number, 17), "answered") for number in ends))
    unit = rows(found, "unit")["imigrasi"]
    assert (unit["median_days"], unit["p90_days"]) == (5.5, 9)


def oversight(count: int, answered: int = 0) -> list[Told]:
    cases = [Told("itjen", is_oversight=True, class_="pengaduan_pengawasan") for _ in range(count)]
    return [case.say(day(1), "answered", "itjen") if number < answered else case for number, case in enumerate(cases)]


def test_fewer_than_five_oversight_matters_are_not_shown_nor_to_be_worked_out() -> None:
    found = account(in_time(), in_time(), *oversight(4, 2))
    tables = found.tables("received")
    for dimension, key in zip(DIMENSIONS, ("oversight", "itjen", "oversight", "pengaduan_pengawasan", "oversight"), strict=True):
        (row,) = [row for row in tables[dimension] if row.key == key]
        assert (row.hidden, set(row.figures.values())) == (frozenset(COLUMNS), {None})
    everything = tables["total"][2]
    assert (everything.key, everything.hidden) == ("all", frozenset(COLUMNS))
    # No other row has them in it, so that nothing is left to subtract from.
    for dimension in DIMENSIONS[1:]:
        assert [figure[0] for row in tables[dimension] if (figure := row.figures["received"]) and figure[0]] == [2]
    assert figures(tables["total"][0])["received"] == 2
    none = account(in_time()).tables("received")
    assert [row.hidden for row in none["unit"] if row.key == "itjen"] == [frozenset(COLUMNS)], "none looks like four"


def test_of_many_oversight_matters_only_what_would_give_a_small_figure_away_is_hidden() -> None:
    def itjen(count: int, answered: int) -> Row:
        return next(row for row in account(*oversight(count, answered)).tables("received")["unit"] if row.key == "itjen")

    # Twenty received, twelve answered, eight open: that nothing went elsewhere would follow from the three, so one of them is hidden.
    row = itjen(20, 12)
    assert (row.figures["received"], row.figures["finished"], row.figures["median_days"]) == ((20, 20), (12, 12), (0, 0))
    assert {"open", "passed_on", "not_pursued", "history"} <= row.hidden
    assert row.figures["finished_in_time"] is None, "all twelve were in time, from which it would follow that none was late"
    # Twelve received and eight answered: four are open, which the eight would tell.
    row = itjen(12, 8)
    assert (row.figures["received"], row.figures["finished"]) == ((12, 12), None)


def test_oversight_matters_that_other_units_had_hide_behind_a_second_row() -> None:
    """Six at itjen and two more that another unit gave back: eight in all less six would be two."""
    moved = [Told("imigrasi", class_="pengaduan_pengawasan").say(day(1), "returned") for _ in range(2)]
    tables = account(*oversight(6), *moved).tables("received")
    (itjen,) = [row for row in tables["unit"] if row.key == "itjen"]
    assert "received" in itjen.hidden
    assert not [row for row in tables["unit"] if row.key == "imigrasi" and row.is_oversight]
    assert tables["total"][1].figures["received"] == (8, 8)


@pytest.mark.parametrize("written", ["2026Q5", "2026", "Q3 2026", "26Q3", "2026Q3; drop", "", "1999Q1"])
def test_a_bad_quarter_is_refused_in_words(written: str) -> None:
    with pytest.raises(ValueError, match="write the year, a Q and 1 to 4, as 2026Q3"):
        read_quarter(written)


def test_a_quarter_ends_where_the_next_begins() -> None:
    assert str(read_quarter(" 2026q4 ")) == "2026Q4"
    assert read_quarter("2026Q4").end == read_quarter("2027Q1").start == datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
    assert read_quarter("2026Q1").end == read_quarter("2026Q2").start == datetime(2026, 3, 31, 17, 0, tzinfo=UTC)
