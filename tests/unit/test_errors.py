"""What a consumer does with bad records: when too many of them stop it, and what is said of one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.dead_letters import dead_letter
from shared.envelope import clean_headers
from shared.errors import Dead, DeadLetterLimit, where
from shared.events import ComplaintReceived
from shared.records import Record

SECRET = "Budi 5371014101900001"


@pytest.mark.parametrize(
    ("came", "bad", "opens"),
    [
        (30, 20, True),
        (40, 20, True),
        (41, 20, False),
        (100, 19, False),
        (19, 19, False),
        (100, 50, True),
        (500, 249, False),
        (20, 20, True),
    ],
)
def test_it_opens_at_twenty_bad_records_that_are_half_of_what_came(came: int, bad: int, opens: bool) -> None:
    assert DeadLetterLimit().would_open(0.0, came, bad) is opens


def test_batches_add_up_within_a_minute_and_not_beyond() -> None:
    limit = DeadLetterLimit()
    limit.record(0.0, 15, 15)
    assert limit.would_open(59.9, 5, 5)
    assert not limit.would_open(60.0, 5, 5)


def test_asking_does_not_count_so_that_the_same_records_may_be_asked_about_again() -> None:
    limit = DeadLetterLimit()
    for second in range(10):
        assert not limit.would_open(float(second), 10, 10)


def test_what_an_operator_forgave_is_gone() -> None:
    limit = DeadLetterLimit()
    limit.record(0.0, 19, 19)
    limit.forgive(1_000)
    assert not limit.would_open(1.0, 1, 1)
    limit.record(1.0, 19, 19)
    limit.forgive(500)
    assert limit.would_open(2.0, 1, 1)
    assert limit.forgiven_until_ms == 1_000, "an older resume does not take a newer one back"


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 30), st.integers(0, 30)), max_size=20))
def test_good_records_never_open_it(batches: list[tuple[float, int, int]]) -> None:
    limit, now = DeadLetterLimit(), 0.0
    for pause, came, _ in batches:
        now += pause
        assert not limit.would_open(now, came, 0)
        limit.record(now, came, 0)


@pytest.mark.parametrize(
    "value",
    [
        f'{{"complaint_id": "{SECRET}"}}',
        f'{{"complaint_id": "0190a5b4-7c1e-7f00-8000-000000000001", "title": "{SECRET}", "reported_at": "{SECRET}", "{SECRET}": 1}}',
        f'"{SECRET}"', f'{{"title": "{SECRET}', SECRET,
        f'{{"location": {{"province": ["{SECRET}"]}}, "disposition": [{{"{SECRET}": 1}}], "masked": {{"{SECRET}": 1}}}}',
    ],
)  # fmt: skip
def test_where_names_places_and_kinds_and_never_what_stood_there(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ComplaintReceived.model_validate_json(value)
    assert where(caught.value)
    assert not any(word in where(caught.value) for word in SECRET.split())


def test_a_dead_letter_keeps_the_bytes_and_says_where_it_came_from() -> None:
    headers = (("ce_type", b"\xff\xfe"), ("note", None), ("note", b"twice"), ("x-origin-topic", b"forged"))
    record = Record("complaints.received", 3, 42, 0, b"short", b"\x00not json", clean_headers(headers), headers)
    letter = dead_letter("dlq.router", record, Dead("no_complaint_id", "the key is not 16 bytes"), datetime(2026, 7, 6, tzinfo=UTC))
    assert (letter.topic, letter.key, letter.value) == ("dlq.router", b"short", b"\x00not json")
    assert letter.headers == (
        ("ce_type", b"\xff\xfe"), ("note", None), ("note", b"twice"), ("x-dlq-reason", b"no_complaint_id"),
        ("x-dlq-error", b"the key is not 16 bytes"), ("x-origin-topic", b"complaints.received"), ("x-origin-partition", b"3"),
        ("x-origin-offset", b"42"), ("x-failed-at", b"2026-07-06T00:00:00+00:00"),
    )  # fmt: skip


def test_headers_that_are_null_or_no_text_are_left_out_and_the_first_of_a_name_counts() -> None:
    assert clean_headers([("a", None), ("b", b"\xff"), ("c", b"one"), ("c", b"two"), ("a", b"late")]) == {"c": "one", "a": "late"}
