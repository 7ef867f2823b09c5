"""Whatever is sent: it is refused with a 4xx that names no value, or it becomes an event that every reader and PostgreSQL can take."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.domain import Change, Submission, check_idempotency_key, check_reported_at, identities_of, original_of, request_sha
from services.intake.imports import ImportedRow
from services.intake.parsing import parse_json, validate
from services.intake.publication import changed_event, mask_report, received_event
from shared.events import ComplaintChanged, ComplaintReceived
from shared.problems import Problem

AT = datetime(2026, 7, 13, 1, 20, tzinfo=UTC)
COMPLAINT = UUID(int=1)
SIGNS = st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])  # surrogates and control characters too
ODD = st.text(SIGNS, max_size=40)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD, inner, max_size=4),
    max_leaves=12,
)
WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\r\t 0123456789@.-/"), min_size=1, max_size=60).map(
    lambda text: f"x{text}"
)
NAMES = WORDS.map(lambda text: text[:40])
INSTANTS = st.datetimes(datetime(2000, 1, 2), datetime(2026, 1, 1), timezones=st.timezones(), allow_imaginary=False).map(  # noqa: DTZ001
    lambda value: value.replace(fold=0).isoformat()
)
KEPT = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def some_of(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional={name.rstrip("_"): value for name, value in optional.items()})


@st.composite
def perhaps_spoiled(draw: st.DrawFn, whole: st.SearchStrategy[dict[str, Any]]) -> Any:
    """As it should be, or with one value of it, or of a part of it, that is anything."""
    value = place = draw(whole)
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(place)) | ODD)
        if isinstance(place.get(name), dict) and place[name] and draw(st.booleans()):
            place, name = place[name], draw(st.sampled_from(sorted(place[name])) | ODD)
        place[name] = draw(JUNK)
    return value


PLACE = some_of({}, province=WORDS, regency=WORDS, district=st.none() | WORDS, village=WORDS)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "class_": st.sampled_from(["pengaduan", "pengaduan_pengawasan", "aspirasi", "informasi"]),
    "category": st.none() | WORDS,
    "channel": WORDS,
    "occurred_on": st.dates().map(str),
    "location": PLACE,
    "is_anonymous": st.booleans(),
    "is_confidential": st.booleans(),
    "disposition": st.lists(some_of({"name": WORDS}, at=INSTANTS, by=WORDS), max_size=3),
    "reporter": some_of({}, name=WORDS, email=WORDS, phone=WORDS, nik=WORDS),
    "form": st.dictionaries(NAMES, KEPT, max_size=3),
    "attachments": st.lists(st.just({"url": "https://example.org/a.jpg", "media_type": "image/jpeg"}), max_size=2),
}
REPORTS = some_of(
    {"title": WORDS, "text": WORDS},
    **FIELDS,
    source_ref=NAMES,
    service=st.sampled_from(["sp4n", "wbs"]),
    reported_at=INSTANTS,
    sp4n_tracking_id=NAMES,
    source_status=WORDS | st.just("Selesai"),
)
CHANGES = some_of(
    {"change_id": NAMES, "kind": st.sampled_from(["edited", "reclassified", "redisposed", "withdrawn", "closed"])},
    at=INSTANTS,
    text=WORDS,
    source_status=WORDS,
    fields=some_of({}, **FIELDS, title=WORDS, text=WORDS, reason=WORDS),
)
ROWS = st.fixed_dictionaries({"row": st.integers(0, 100), "exported_at": INSTANTS, "report": REPORTS})


def read(model: Any, value: Any) -> Any:
    """What was sent as `model`; None where it is refused as it should be."""
    try:
        return validate(model, parse_json(json.dumps(value).encode()))
    except Problem as problem:
        refused = problem
    assert 400 <= refused.status < 500
    assert refused.detail
    json.dumps(refused.body()).encode()
    return None


def is_fit_for_postgres(text: str) -> bool:
    return "\x00" not in text and text.encode("utf-8", "replace") == text.encode("utf-8")


@settings(deadline=None, max_examples=300)
@given(perhaps_spoiled(REPORTS) | JUNK)
def test_any_report_is_refused_or_becomes_an_event(value: Any) -> None:
    submission = read(Submission, value)
    if submission is None:
        return
    try:
        reported_at = check_reported_at(submission, AT)
    except Problem:
        return
    event = received_event(
        submission, mask_report(submission), complaint_id=COMPLAINT, source="lapor", reported_at=reported_at, accepted_at=AT
    )
    assert ComplaintReceived.model_validate_json(event.to_json()) == event
    assert is_fit_for_postgres(event.to_json().decode())
    assert all(len(identity.value.encode()) <= 200 for identity in identities_of(submission, "lapor", "key"))
    original = original_of(submission)
    assert is_fit_for_postgres(original)
    again = read(Submission, dict(reversed(json.loads(original).items())))
    assert again == submission, "what is kept is what was sent"
    assert request_sha(original_of(again)) == request_sha(original)


@settings(deadline=None, max_examples=200)
@given(perhaps_spoiled(CHANGES) | JUNK)
def test_any_change_is_refused_or_becomes_an_event(value: Any) -> None:
    change = read(Change, value)
    if change is None:
        return
    event = changed_event(change, complaint_id=COMPLAINT, source="lapor", by="source:lapor", accepted_at=AT)
    assert ComplaintChanged.model_validate_json(event.to_json()) == event
    assert is_fit_for_postgres(event.to_json().decode())
    assert not {"reporter", "form", "attachments"} & set(event.fields)


@settings(deadline=None, max_examples=100)
@given(perhaps_spoiled(ROWS) | JUNK)
def test_any_imported_row_is_read_or_refused(value: Any) -> None:
    read(ImportedRow, value)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    with suppress(Problem):
        parse_json(body)


@given(st.text(SIGNS, max_size=210))
def test_any_idempotency_key_is_taken_as_it_is_or_refused(text: str) -> None:
    with suppress(Problem):
        assert check_idempotency_key(text) == text
