"""What a newer export says differently: at most one change of each kind, with ids that the same export says again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.differences import differences
from services.intake.domain import Submission

AT = datetime(2026, 7, 14, 9, tzinfo=UTC)
STATUSES = ["Belum ditindaklanjuti", "Sedang diproses", "Ditanggapi oleh Pelapor", "Selesai", "Ditutup oleh Sistem", "Arsip", None]
TEXTS = st.sampled_from(["satu", "dua", "tiga"])
ROWS = st.fixed_dictionaries(
    {"title": TEXTS, "text": TEXTS},
    optional={
        "category": TEXTS,
        "channel": TEXTS,
        "class": st.sampled_from(["pengaduan", "aspirasi"]),
        "occurred_on": st.sampled_from(["2026-07-01", "2026-07-02"]),
        "is_anonymous": st.booleans(),
        "is_confidential": st.booleans(),
        "location": st.fixed_dictionaries({}, optional={"province": TEXTS, "village": TEXTS}),
        "disposition": st.lists(st.fixed_dictionaries({"name": TEXTS}), max_size=2),
        "reporter": st.fixed_dictionaries({}, optional={"name": TEXTS}),
        "form": st.dictionaries(TEXTS, st.integers(0, 3), max_size=2),
        "attachments": st.lists(st.just({"url": "https://example.org/a"}), max_size=2),
        "source_status": st.sampled_from(STATUSES),
    },
)


def row(fields: dict[str, Any]) -> Submission:
    return Submission.model_validate({"source_ref": "5049672"} | fields)


@given(ROWS)
def test_the_same_row_differs_in_nothing(fields: dict[str, Any]) -> None:
    assert differences(row(fields), row(fields), AT) == []


@given(ROWS, ROWS)
def test_what_differs_is_told_whole_and_only_that(before: dict[str, Any], after: dict[str, Any]) -> None:
    one, other = row(before), row(after)
    found = differences(one, other, AT)
    assert bool(found) == (one != other)
    assert differences(one, other, AT) == found, "the same export says the same changes again"
    assert len({change.change_id for change in found}) == len(found)
    assert [change.source_status for change in found if change.source_status] == (
        [other.source_status] if other.source_status and other.source_status != one.source_status else []
    )
    told: dict[str, Any] = {}
    for change in found:
        for name in change.fields.model_fields_set:
            told[name] = getattr(change.fields, name)
    for name in Submission.model_fields:
        if name in ("source_status", "source_ref"):
            continue
        assert (name in told) == (getattr(one, name) != getattr(other, name)), name
        if name in told:
            assert told[name] == getattr(other, name)


@given(ROWS, ROWS, st.integers(1, 10**9))
def test_another_export_says_its_changes_under_other_ids(before: dict[str, Any], after: dict[str, Any], later: int) -> None:
    first = {change.change_id for change in differences(row(before), row(after), AT)}
    second = {change.change_id for change in differences(row(before), row(after), AT + timedelta(microseconds=later))}
    assert not first & second


def test_an_edited_report_whose_open_status_differs_too_loses_neither() -> None:
    before = row({"title": "a", "text": "b", "source_status": "Belum ditindaklanjuti"})
    (change,) = differences(before, row({"title": "c", "text": "b", "source_status": "Sedang diproses"}), AT)
    assert (change.kind, change.fields.title, change.source_status) == ("edited", "c", "Sedang diproses")


@pytest.mark.parametrize("reference", ["5" * 200, "\u00e9" * 100])
def test_the_longest_references_have_changes_of_their_own_too(reference: str) -> None:
    ids: set[str] = set()
    for name in (reference, reference[:-1]):
        before = row({"source_ref": name, "title": "a", "text": "b"})
        after = row({"source_ref": name, "title": "c", "text": "b", "class": "aspirasi", "source_status": "Selesai"})
        ids |= {change.change_id for change in differences(before, after, AT)}
    assert len(ids) == 6
    assert all(len(change_id.encode()) <= 200 for change_id in ids)


def test_a_status_that_went_away_is_no_longer_final() -> None:
    (change,) = differences(row({"title": "a", "text": "b", "source_status": "Selesai"}), row({"title": "a", "text": "b"}), AT)
    assert (change.kind, change.source_status) == ("reopened", None)
