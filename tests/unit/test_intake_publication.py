"""What goes on of a report: everything the router and the units need, masked, and nothing of who reported."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import Change, ChangedFields, Identity, Submission, identities_of, original_of, request_sha
from services.intake.publication import changed_event, mask_report, received_event
from shared.events import ComplaintChanged, ComplaintReceived

AT = datetime(2026, 7, 13, 1, 20, tzinfo=UTC)
COMPLAINT = UUID(int=1)
NIK = "5371012505900003"


def received(source: str = "lapor", **fields: Any) -> ComplaintReceived:
    submission = Submission.model_validate({"title": "Paspor", "text": "Belum jadi"} | fields)
    return received_event(submission, mask_report(submission), complaint_id=COMPLAINT, source=source, reported_at=AT, accepted_at=AT)


def changed(**fields: Any) -> ComplaintChanged:
    change = Change.model_validate({"change_id": "1", "kind": "edited"} | fields)
    return changed_event(change, complaint_id=COMPLAINT, source="lapor", by="source:lapor", accepted_at=AT)


def identities(source: str, key: str | None = None, **fields: Any) -> set[tuple[str, str, str]]:
    submission = Submission.model_validate({"title": "Paspor", "text": "Belum jadi"} | fields)
    return {found.order for found in identities_of(submission, source, key)}


def test_the_kinds_of_what_was_masked_anywhere_are_told() -> None:
    event = received(title=f"NIK {NIK}", text="Surel a.b@example.org", location={"village": "telepon 081234567890"})
    assert event.masked == ("email", "nik", "phone")
    assert (event.title, event.text, event.location.village) == ("NIK [NIK]", "Surel [EMAIL]", "telepon [TELEPON]")


def test_attachments_are_counted_and_nothing_else_is_said_of_them() -> None:
    event = received(attachments=[{"url": "https://example.org/a.jpg", "media_type": "image/jpeg"}] * 3)
    assert event.attachment_count == 3
    assert b"example.org" not in event.to_json()


@pytest.mark.parametrize(
    ("source", "service"),
    [("lapor", "sp4n"), ("ppid", "ppid_permohonan"), ("wbs", "wbs"), ("halo_kumham", "layanan"), ("loket", "layanan")],
)
def test_a_report_that_names_no_service_is_of_its_source_s(source: str, service: str) -> None:
    assert received(source).service == service
    assert received(source, service="yankomas").service == "yankomas"


def test_flags_left_out_are_true() -> None:
    event = received()
    assert (event.is_anonymous, event.is_confidential) == (True, True)


def test_what_the_source_s_status_means_is_told_of_reports_and_of_changes() -> None:
    assert received().source_state is None
    assert received(source_status="Terverifikasi").source_state == "verified"
    assert received(source_status="Belum terverifikasi", disposition=[{"name": "Setjen"}]).source_state == "verified"
    assert received(disposition=[{"name": "Setjen"}], source_status="Selesai").source_state == "closed"
    assert changed().source_state is None
    assert changed(fields={"disposition": [{"name": "Setjen"}]}).source_state is None
    assert changed(source_status="Ditunda").source_state == "paused"
    assert changed(source_status="sesuatu yang baru").source_state == "open"


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_dates_classes_and_instants_are_never_taken_for_identifiers(day: date, instant: datetime) -> None:
    fields = {"occurred_on": str(day), "class": "aspirasi", "disposition": [{"name": "Setjen", "at": instant.isoformat()}]}
    event = changed(fields=fields)
    assert event.fields["occurred_on"] == str(day)
    assert event.fields["class"] == "aspirasi"
    assert datetime.fromisoformat(event.fields["disposition"][0]["at"]) == instant


def test_a_change_says_what_was_taken_away_and_nothing_of_what_stays_as_it_was() -> None:
    assert changed(fields={"category": None, "location": {"province": "Bali"}}).fields == {
        "category": None,
        "location": {"province": "Bali"},
    }
    assert changed().fields == {}
    assert changed(fields={"reporter": {"nik": NIK}, "form": {"a": 1}, "attachments": []}).fields == {}


CLEARABLE = {"category", "channel", "occurred_on"}


@given(st.sets(st.sampled_from(sorted(field.alias or name for name, field in ChangedFields.model_fields.items()))))
def test_a_null_travels_only_where_it_takes_something_away(names: set[str]) -> None:
    assert changed(kind="flags", fields=dict.fromkeys(names)).fields == dict.fromkeys(names & CLEARABLE)


def test_a_null_inside_a_value_is_left_out_and_a_place_without_names_is_none() -> None:
    nulls = dict.fromkeys(("province", "regency", "district", "village"))
    fields = {"location": nulls | {"regency": "Kupang"}, "disposition": [{"name": "Setjen", "at": None, "by": None}]}
    assert changed(fields=fields).fields == {"location": {"regency": "Kupang"}, "disposition": [{"name": "Setjen"}]}
    assert changed(fields={"location": nulls}).fields == {"location": {}}


def test_the_names_of_a_report_are_its_key_its_reference_and_its_tracking_id() -> None:
    assert identities("ppid") == set()
    assert identities("ppid", "k", source_ref="1") == {("key", "ppid", "k"), ("ref", "ppid", "1")}
    assert identities("lapor", source_ref="1") == {("ref", "lapor", "1"), ("sp4n", "", "1")}
    assert identities("halo_kumham", sp4n_tracking_id="1") == {("sp4n", "", "1")}
    assert identities("lapor", "1", source_ref="1") == {("key", "lapor", "1"), ("ref", "lapor", "1"), ("sp4n", "", "1")}


def test_names_come_sorted_so_that_nobody_dead_locks() -> None:
    submission = Submission.model_validate({"title": "a", "text": "b", "source_ref": "2", "sp4n_tracking_id": "1"})
    found = identities_of(submission, "lapor", "9")
    assert list(found) == sorted(found, key=lambda identity: identity.order)
    assert found[0] == Identity("key", "lapor", "9")


@given(st.permutations(["title", "text", "form", "is_anonymous", "location"]))
def test_the_order_of_a_request_s_keys_changes_nothing(names: list[str]) -> None:
    values: dict[str, Any] = {
        "title": "a",
        "text": "b",
        "form": {name: {"x": 1, "y": 2} for name in names},
        "is_anonymous": True,
        "location": {"province": "Bali"},
    }
    one, other = (Submission.model_validate({name: values[name] for name in order}) for order in (names, sorted(names)))
    assert request_sha(original_of(one)) == request_sha(original_of(other))
    assert request_sha(original_of(one)) != request_sha(original_of(one.model_copy(update={"title": "c"})))
