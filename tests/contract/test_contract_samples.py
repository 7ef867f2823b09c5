"""Messages as they were once published. Appended, never edited: whoever reads today's events must be able to read these."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from shared.envelope import (
    assignment_id,
    change_event_id,
    clean_headers,
    complaint_of,
    firing_id,
    follow_up_id,
    part_id,
    read_envelope,
    received_id,
    refused_update_id,
    status_id,
)
from shared.events import EVENT_TYPES
from shared.schemas import committed
from shared.topics import Topics

SAMPLES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(__file__).with_name("samples").glob("*.json"))}
SCHEMAS = committed()
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


def test_every_event_has_a_sample() -> None:
    assert {sample["headers"]["ce_type"] for sample in SAMPLES.values()} == set(EVENT_TYPES)


@every_sample
def test_a_sample_is_valid_by_its_schema(sample: dict[str, Any]) -> None:
    Draft202012Validator(SCHEMAS[sample["headers"]["ce_type"]], format_checker=FormatChecker()).validate(sample["value"])


@every_sample
def test_a_sample_is_read_and_written_again_without_loss(sample: dict[str, Any]) -> None:
    model = EVENT_TYPES[sample["headers"]["ce_type"]]
    read = model.model_validate_json(json.dumps(sample["value"]))
    assert_holds(json.loads(read.to_json()), sample["value"])
    assert model.model_validate_json(read.to_json()) == read


@every_sample
def test_a_reader_ignores_fields_that_it_does_not_know(sample: dict[str, Any]) -> None:
    model = EVENT_TYPES[sample["headers"]["ce_type"]]
    newer = sample["value"] | {"of_a_newer_writer": {"deep": [1]}}
    assert model.model_validate_json(json.dumps(newer)) == model.model_validate_json(json.dumps(sample["value"]))
    Draft202012Validator(SCHEMAS[sample["headers"]["ce_type"]]).validate(newer)


@every_sample
def test_a_sample_lies_in_a_topic_of_ours_under_its_complaint(sample: dict[str, Any]) -> None:
    assert sample["topic"] in {topic.name for topic in Topics("").all()}
    assert str(complaint_of(bytes.fromhex(sample["key"]))) == sample["value"]["complaint_id"] == sample["headers"]["ce_subject"]


@every_sample
def test_a_sample_s_headers_are_cloudevents_in_binary_mode(sample: dict[str, Any]) -> None:
    headers = sample["headers"]
    assert headers["ce_specversion"] == "1.0"
    assert headers["content-type"] == "application/json"
    assert headers["ce_source"].startswith("/jalur/")
    assert datetime.fromisoformat(headers["ce_time"]).utcoffset() is not None
    envelope = read_envelope(clean_headers((name, value.encode()) for name, value in headers.items()))
    assert str(envelope.id) == headers["ce_id"]
    assert envelope.type == headers["ce_type"]
    assert envelope.sequence == (int(headers["ce_sequence"]) if "ce_sequence" in headers else None)


@every_sample
def test_a_sample_s_id_follows_from_what_it_says(sample: dict[str, Any]) -> None:
    value = sample["value"]
    complaint = UUID(value["complaint_id"])
    by_type: dict[str, UUID | None] = {
        "id.jalur.complaint.received.v1": received_id(complaint),
        "id.jalur.complaint.changed.v1": change_event_id(complaint, value.get("by", ""), value.get("change_id", "")),
        "id.jalur.complaint.reroute-requested.v1": follow_up_id(complaint, "decision", value.get("decision", 0)),
        "id.jalur.case.status.v1": status_id(complaint, value.get("sequence") or 0),
        "id.jalur.case.follow-up.v1": follow_up_of(value, complaint),
        "id.jalur.case.update.v1": None,  # the unit's own
    }
    expected = by_type.get(sample["headers"]["ce_type"], part_id(received_id(complaint), value.get("part", 0)))
    assert expected is None or str(expected) == sample["headers"]["ce_id"]
    if sample["headers"]["ce_type"] == "id.jalur.complaint.routed.v1":
        assert value["assignment_id"] == str(assignment_id(complaint, value["decision"], value["part"]))


def follow_up_of(value: dict[str, Any], complaint: UUID) -> UUID | None:
    if value.get("kind") == "update_refused":
        return refused_update_id("imigrasi", "IMI-2026-000999/1")
    if value.get("kind") in ("reminder", "due", "overdue", "escalated", "unacknowledged"):
        return firing_id(complaint, value["assignment_id"] or "case", value["code"], value["level"], value["occurrence"])
    return follow_up_id(complaint, value.get("kind", ""), value.get("sequence") or 0)


def assert_holds(whole: Any, part: Any) -> None:
    """What the sample says is said again; a newer model may say more. Instants are compared as instants."""
    if isinstance(part, dict):
        for name, item in part.items():
            assert_holds(whole[name], item)
    elif isinstance(part, list):
        assert len(whole) == len(part)
        for one, other in zip(whole, part, strict=True):
            assert_holds(one, other)
    elif isinstance(part, str) and part != whole:
        assert datetime.fromisoformat(whole) == datetime.fromisoformat(part)
    else:
        assert whole == part
