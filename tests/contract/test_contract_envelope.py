"""Ids and headers that others recognise repeats by: pinned by their values, because a change would double every event."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import (
    assignment_id,
    change_event_id,
    clean_headers,
    complaint_of,
    enclose,
    firing_id,
    follow_up_id,
    part_id,
    read_envelope,
    received_id,
    refused_update_id,
    status_id,
)
from shared.events import CaseStatus

COMPLAINT = UUID("11111111-2222-4333-8444-555555555555")
AT = datetime(2026, 7, 13, 9, 20, 3, 412907, tzinfo=timezone(timedelta(hours=8)))
PINNED = {
    "received": "c8af0553-1a7c-52ad-87b5-62b6e32daead",
    "part": "1ea74096-42fd-5b57-adc1-a9458619c5b7",
    "second part": "de10df1c-0672-5702-ada0-0ff86b9b1524",
    "assignment": "42df1675-c3e8-5303-a3b2-d59487f44046",
    "change": "96c0341a-d5dd-585f-94dd-e53ae32ef97e",
    "firing": "60cbac87-e4a2-52e7-bd72-1c3ee10b973c",
    "firing of a case": "5e0b3168-0d7b-5acd-934e-b16b7727591b",
    "follow-up": "afe7b9a8-8eed-5a0f-9b3c-b944fed99d18",
    "refused update": "cfb34ae8-a6e6-5884-ae7b-dbb39c71cff8",
    "status": "d3acbfa1-f6f8-5c22-bc70-502d2e6fce91",
}


def test_ids_are_those_that_were_always_derived() -> None:
    received = received_id(COMPLAINT)
    assignment = assignment_id(COMPLAINT, 0, 0)
    assert {
        "received": str(received),
        "part": str(part_id(received, 0)),
        "second part": str(part_id(received, 1)),
        "assignment": str(assignment),
        "change": str(change_event_id(COMPLAINT, "source:lapor", "7")),
        "firing": str(firing_id(COMPLAINT, str(assignment), "LAPOR_TINDAK_LANJUT", -1, 1)),
        "firing of a case": str(firing_id(COMPLAINT, "case", "LAPOR_VERIFIKASI", 0, 1)),
        "follow-up": str(follow_up_id(COMPLAINT, "rescinded", 12)),
        "refused update": str(refused_update_id("imigrasi", "a/1")),
        "status": str(status_id(COMPLAINT, 3)),
    } == PINNED


def test_headers_follow_the_cloudevents_kafka_binding_in_binary_mode() -> None:
    status = CaseStatus(complaint_id=COMPLAINT, source="lapor", source_ref="1", state="received", reported_at=AT, sequence=3)
    message = enclose(
        status,
        topic="complaints.status",
        complaint_id=COMPLAINT,
        event_id=status_id(COMPLAINT, 3),
        source="notifier",
        at=AT,
        causation_id=received_id(COMPLAINT),
        sequence=3,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    assert message.key == COMPLAINT.bytes
    assert dict(message.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(status_id(COMPLAINT, 3)).encode(),
        "ce_type": b"id.jalur.case.status.v1",
        "ce_source": b"/jalur/notifier",
        "ce_subject": str(COMPLAINT).encode(),
        "ce_time": b"2026-07-13T01:20:03.412907Z",
        "ce_causationid": str(received_id(COMPLAINT)).encode(),
        "ce_sequence": b"3",
        "content-type": b"application/json",
        "traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    assert message.value == status.to_json()
    envelope = read_envelope(clean_headers(message.headers))
    assert (envelope.id, envelope.type, envelope.sequence) == (status_id(COMPLAINT, 3), "id.jalur.case.status.v1", 3)
    assert envelope.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@given(st.lists(st.tuples(st.sampled_from(["ce_id", "ce_sequence", "ce_type", "traceparent", "x"]), st.none() | st.binary(max_size=40))))
def test_whatever_the_headers_hold_they_are_read(headers: list[tuple[str, bytes | None]]) -> None:
    envelope = read_envelope(clean_headers(headers))
    assert envelope.sequence is None or envelope.sequence >= 0


@pytest.mark.parametrize("said", ["NIK 5371014107900001", "", "00-AA", "00-" + "g" * 32 + "-00f067aa0ba902b7-01", "x" * 100_000])
def test_what_a_writer_put_where_a_trace_belongs_is_not_handed_on(said: str) -> None:
    assert clean_headers([("traceparent", said.encode()), ("ce_id", b"1")]) == {"ce_id": "1"}


@given(st.none() | st.binary(max_size=40))
def test_a_key_names_a_complaint_where_it_is_sixteen_bytes(key: bytes | None) -> None:
    found = complaint_of(key)
    assert (found is not None) == (key is not None and len(key) == 16)
    assert found is None or found.bytes == key


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-12))])))
def test_the_time_of_an_event_is_written_in_utc(at: datetime) -> None:
    try:
        expected = at.astimezone(UTC)
    except OverflowError:
        return
    status = CaseStatus(complaint_id=COMPLAINT, source=None, source_ref=None, state="received", reported_at=AT, sequence=0)
    message = enclose(status, topic="t", complaint_id=COMPLAINT, event_id=COMPLAINT, source="notifier", at=at)
    text = dict(message.headers)["ce_time"] or b""
    assert text.endswith(b"Z")
    assert datetime.fromisoformat(text.decode()) == expected
