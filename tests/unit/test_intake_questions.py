"""What may be asked of the lists and of the change feed, and what a cursor is good for."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.questions import (
    FIRST,
    FeedQuestion,
    ListQuestion,
    Position,
    read_change,
    read_feed_question,
    read_list_question,
    read_position,
    write_change,
    write_position,
)
from shared.problems import Problem

INSTANTS = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone comes with `timezones`
SOMEWHERE = Position(datetime(2026, 7, 6, 1, 2, 3, 456789, tzinfo=UTC), UUID(int=5))


def refusal(parameters: list[tuple[str, str]], read: object = read_list_question) -> Problem:
    assert callable(read)
    with pytest.raises(Problem) as refused:
        read(parameters)
    assert refused.value.status == 400
    return refused.value


@given(reported_at=INSTANTS, complaint_id=st.uuids())
def test_a_list_cursor_leads_back_to_its_case_to_the_microsecond(reported_at: datetime, complaint_id: UUID) -> None:
    position = Position(reported_at, complaint_id)
    assert read_position(write_position(position)) == position


@given(number=st.integers(min_value=0, max_value=2**63 - 1))
def test_a_feed_cursor_leads_back_to_its_change(number: int) -> None:
    assert read_change(write_change(number)) == number


@given(text=st.text() | st.binary().map(lambda content: content.hex()) | st.just(write_position(SOMEWHERE)[:-1] + "="))
def test_what_was_never_given_out_is_refused_and_breaks_nothing(text: str) -> None:
    for read, name in ((read_list_question, "cursor"), (read_feed_question, "after")):
        assert refusal([(name, text)], read).errors[0]["field"] == name


@pytest.mark.parametrize("end", ["", "=", " ", "\n", "é"])
def test_a_cursor_with_anything_changed_is_refused(end: str) -> None:
    for name, read, cursor in (("cursor", read_list_question, write_position(SOMEWHERE)), ("after", read_feed_question, write_change(7))):
        assert refusal([(name, cursor[:-1] + end)], read).errors[0]["field"] == name
        assert refusal([(name, cursor.swapcase())], read).errors[0]["field"] == name


def test_a_cursor_of_the_feed_is_none_of_a_list() -> None:
    assert refusal([("cursor", write_change(7))]).errors[0]["field"] == "cursor"
    assert refusal([("after", write_position(SOMEWHERE))], read_feed_question).errors[0]["field"] == "after"


def test_an_instant_beyond_the_calendar_is_refused() -> None:
    assert refusal([("cursor", "bP" + "_" * 31 + "w")]).errors[0]["field"] == "cursor"


def test_every_filter_may_be_left_out() -> None:
    assert read_list_question([]) == ListQuestion(limit=50, after=FIRST)
    assert read_feed_question([]) == FeedQuestion(after=0, limit=50)


def test_all_filters_together_are_read() -> None:
    cursor = write_position(SOMEWHERE)
    parameters = {
        "unit": "imigrasi", "desk": "kanim:kupang", "state": "assigned", "overdue": "false", "source_ref": "é" * 100, "limit": "200",
        "cursor": cursor,
    }  # fmt: skip
    assert read_list_question(parameters.items()) == ListQuestion("imigrasi", "kanim:kupang", "assigned", False, "é" * 100, 200, SOMEWHERE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unit", ""), ("unit", "imigras"), ("unit", "Imigrasi"), ("unit", "unit:imigrasi"),
        ("desk", ""), ("desk", "kanim"), ("desk", "kanim:"), ("desk", "Kanim:Kupang"), ("desk", "kanim:kupang\n"),
        ("desk", "a:" + "b" * 199),
        ("state", ""), ("state", "open"), ("state", "overdue"),
        ("overdue", ""), ("overdue", "True"), ("overdue", "1"),
        ("source_ref", ""), ("source_ref", "\x00"), ("source_ref", "é" * 101),
        ("limit", ""), ("limit", "0"), ("limit", "201"), ("limit", "-1"), ("limit", "1.0"), ("limit", "٣"),
        ("limit", "1_0"), ("limit", " 1"),
        ("x", "1"), ("after", "1"),
    ],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_refused_naming_it(name: str, value: str) -> None:
    assert refusal([(name, value)]).errors[0]["field"] == name


@pytest.mark.parametrize("name", ["unit", "limit", "source_ref"])
def test_a_parameter_given_twice_is_refused(name: str) -> None:
    value = {"unit": "ham", "limit": "5", "source_ref": "5"}[name]
    assert refusal([(name, value), (name, value)]).errors[0]["field"] == name


def test_a_refused_state_names_the_possible_ones() -> None:
    detail = refusal([("state", "open")]).detail
    assert all(
        state in detail for state in ("received", "held", "assigned", "accepted", "answered", "closed", "paused", "merged", "history")
    )
