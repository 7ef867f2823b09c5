"""The timeline's chain: nothing in it can be changed, taken out, put in or moved without being seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from services.notifier.case import Case
from services.notifier.facts import ADAPTER
from services.notifier.timeline import Line, broken_at, hash_of, lines_of
from tests.cases import CASE_ID, LONG_AFTER, says
from tests.facts import MONDAY, changed, decided, hours, received
from tests.memory import KeptCase

SALT = b"salt for the tests"


class Recorded(KeptCase):
    """A kept case whose lines are kept as well, as the database keeps them."""

    def __init__(self) -> None:
        super().__init__(CASE_ID)
        self.lines: list[Line] = []

    def _save(self, now: datetime) -> KeptCase:
        self.lines += lines_of(Case(self.case.id, noted=self.case.noted, entries=self.case.entries, head=self.case.head), now, lambda: SALT)
        return super()._save(now)


def recorded() -> Recorded:
    kept = Recorded()
    kept.tell(received(CASE_ID), *decided(CASE_ID, "imigrasi", "ahu"))
    kept.tell(says("imigrasi", "accepted", 2), now=hours(3)).sweep(LONG_AFTER)
    kept.tell(changed(CASE_ID, "withdrawn", hours(9)), now=LONG_AFTER).tell(says("ahu", "answered", 12), now=LONG_AFTER)
    kept.refuse(LONG_AFTER)
    return kept


KEPT = recorded()
LINES = KEPT.lines


def broken(lines: list[Line], kept: KeptCase = KEPT) -> str | None:
    return broken_at(lines, kept.case.entries, kept.case.head)


def test_what_was_written_verifies_and_so_does_a_case_without_lines() -> None:
    assert {line.kind for line in LINES} >= {"reported", "decided", "said", "changed", "fired", "rescinded", "refused"}
    assert [line.number for line in LINES] == list(range(1, len(LINES) + 1))
    assert broken(LINES) is None
    assert broken_at([], 0, b"") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("complaint_id", UUID(int=7)),
        ("at", MONDAY + timedelta(microseconds=1)),
        ("noted_at", MONDAY + timedelta(days=1)),
        ("kind", "said"),
        ("what", "received "),
        ("by", None),
        ("by", "source:loket"),
        ("fact", None),
        ("fact", "{}"),
        ("data", '{"code":"X"}'),
        ("hash", b"\0" * 32),
    ],
)
def test_a_change_of_any_field_is_seen_at_its_line(field: str, value: Any) -> None:
    changed_line = replace(LINES[0], **{field: value})
    assert changed_line != LINES[0]
    assert broken([changed_line, *LINES[1:]]) == "line 1 was changed"


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_change_of_any_line_is_seen_at_that_line(number: int) -> None:
    lines = [*LINES]
    lines[number] = replace(lines[number], what=lines[number].what + "!")
    assert broken(lines) == f"line {number + 1} was changed"


@pytest.mark.parametrize("number", range(len(LINES) - 1))
def test_a_removed_line_is_missed_also_where_the_others_are_renumbered(number: int) -> None:
    left = LINES[:number] + LINES[number + 1 :]
    assert broken(left) == f"line {number + 1} is missing"
    renumbered = [replace(line, number=place) for place, line in enumerate(left, 1)]
    assert broken(renumbered) == f"line {number + 1} was changed"


def test_lines_removed_at_the_end_or_all_of_them_are_missed() -> None:
    assert broken(LINES[:-1]) == "1 lines are missing at the end"
    assert broken([]) == f"{len(LINES)} lines are missing at the end"


def test_two_lines_that_changed_places_are_seen() -> None:
    assert broken([LINES[1], LINES[0], *LINES[2:]]) == "line 1 is missing"
    swapped = [replace(LINES[1], number=1), replace(LINES[0], number=2), *LINES[2:]]
    assert broken(swapped) == "line 1 was changed"


def test_an_added_line_is_seen_even_where_it_is_chained_correctly() -> None:
    last = LINES[-1]
    fields = (CASE_ID, last.number + 1, last.at, last.noted_at, "said", "accepted by imigrasi", None, None, None)
    forged = Line(*fields, hash_of(last.hash, *fields))
    assert broken([*LINES, forged]) == "1 lines too many"


def test_a_chain_that_was_written_anew_from_a_changed_line_on_does_not_reach_the_cases_own_head() -> None:
    before, forged = LINES[0].hash, [LINES[0]]
    for line in LINES[1:]:
        what = "answered by imigrasi" if line is LINES[1] else line.what
        before = hash_of(before, line.complaint_id, line.number, line.at, line.noted_at, line.kind, what, line.by, line.fact, line.data)
        forged.append(replace(line, what=what, hash=before))
    assert broken(forged) == "the last line is not the one that the case names"


def test_the_same_instant_hashes_the_same_in_whatever_zone_it_is_read_back() -> None:
    jayapura = timezone(timedelta(hours=9))
    elsewhere = [replace(line, at=line.at.astimezone(jayapura), noted_at=line.noted_at.astimezone(UTC)) for line in LINES]
    assert broken(elsewhere) is None


def test_no_field_can_be_moved_into_its_neighbour_unseen() -> None:
    one = hash_of(b"", CASE_ID, 1, MONDAY, MONDAY, "said", "ab", "c", None, None)
    other = hash_of(b"", CASE_ID, 1, MONDAY, MONDAY, "said", "a", "bc", None, None)
    empty = hash_of(b"", CASE_ID, 1, MONDAY, MONDAY, "said", "ab", "c", "", None)
    assert len({one, other, empty}) == 3


def test_every_fact_can_be_read_back_from_its_line() -> None:
    facts = [ADAPTER.validate_json(line.fact) for line in LINES if line.fact is not None]
    assert facts == KEPT.case.facts
