"""What the commands show of events and topics; and that a complaint's text is not among it."""

from typing import Any

import pytest

from services.commands.lines import describe, instant, local, parts_of, payload_of, why, without_text, zone_of
from services.commands.topics import state_of
from shared.topics import Topics
from shared.units import load_directory

DIRECTORY = load_directory()


def routed(**changed: Any) -> dict[str, Any]:
    payload = {
        "complaint_id": "8d7c2c3e-6a1e-4a39-9f0a-0c6a3a1f7a11",
        "title": "A title",
        "text": "A text",
        "unit": "imigrasi",
        "desk": "kanwil:papua",
        "class": "pengaduan",
        "decided_by": "router",
        "confidence": 0.9712,
        "location": {"province": "Papua"},
        "reasons": [
            {"kind": "term", "value": "imigrasi: paspor", "weight": 6.0},
            {"kind": "rule", "value": "imigrasi: service sp4n", "weight": 4.0},
            {"kind": "rule", "value": "runner-up: none", "weight": 0.0},
        ],
    }
    return payload | changed


def test_a_routed_report_is_told_with_desk_class_and_reasons() -> None:
    assert describe("complaints.routed", routed(), DIRECTORY) == "to kanwil:papua · pengaduan · by router · 0.97 · paspor, service sp4n"


def test_what_a_person_decided_has_no_confidence() -> None:
    assert describe("complaints.routed", routed(decided_by="source", reasons=[]), DIRECTORY) == "to kanwil:papua · pengaduan · by source"


@pytest.mark.parametrize("what", ["complaints.routed", "complaints.triage", "complaints.transferred", "complaints.follow-ups"])
def test_no_line_holds_title_or_text(what: str) -> None:
    line = describe(what, routed(why="vague", agency="BPN"), DIRECTORY)
    assert "A title" not in line
    assert "A text" not in line
    assert not {"title", "text"} & without_text(routed()).keys()


def test_a_deadline_is_told_by_the_clock_of_whoever_must_act() -> None:
    due = {"code": "LAPOR_TINDAK_LANJUT", "due_at": "2026-11-27T07:30:00Z", "desk": "kanwil:papua", "late_by_seconds": 0.42}
    assert describe("complaints.follow-ups", due, DIRECTORY) == "LAPOR_TINDAK_LANJUT · due Fri 27 Nov 16:30 WIT · 0.4 s late"
    assert local(instant("2026-11-27T09:30:00Z"), zone_of({"location": {"province": "Bali"}}, DIRECTORY)) == "Fri 27 Nov 17:30 WITA"
    assert local(instant("2026-11-27T09:30:00Z"), zone_of({}, DIRECTORY)) == "Fri 27 Nov 16:30 WIB"


def test_the_strongest_reasons_come_first_and_the_runner_up_is_none() -> None:
    assert why(routed(), 1) == "paspor"
    assert why({"reasons": [{"value": "unknown addressee: Kelurahan", "weight": 1.0}]}) == "Kelurahan"
    assert why({}) == ""


def test_a_topic_is_read_with_and_without_a_namespace() -> None:
    assert parts_of("complaints.routed.imigrasi", "") == ("complaints.routed", "imigrasi")
    assert parts_of("t1.complaints.triage", "t1") == ("complaints.triage", "triage")


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[1]", b"{"])
def test_what_is_no_json_object_is_shown_as_not_readable(value: bytes | None) -> None:
    assert payload_of(value) is None


def test_a_topic_that_differs_says_where() -> None:
    topic = Topics().all()[0]
    assert state_of(topic, topic.partitions, dict(topic.config)).differs == []
    found = state_of(topic, 3, {**topic.config, "retention.ms": "1000", "segment.bytes": "1"})
    assert found.differs == ["has 3 partitions, not 12", f"retention.ms is 1000, not {topic.config['retention.ms']}"]
    assert (found.exists, found.retention) == (True, "30 d")
    assert state_of(topic, None, {}).exists is False
    assert state_of(topic, None, {}).differs == []
