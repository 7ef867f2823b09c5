"""A decision that is rebuilt from the events it said says the very same events: nobody is given a part twice, or another one."""

from itertools import permutations
from uuid import UUID, uuid4

import pytest

from services.router.decision import Assign, Decision, Hold, Part, Transfer, unprocessable
from services.router.publication import LoggedDecision, events_of
from services.router.recovery import Event, rebuild
from shared.events import EVENT_TYPES, Disposition, Ranked, Reason, RerouteRequested
from shared.topics import Topics
from tests.facts import MONDAY, received

TOPICS = Topics("")
CASE = UUID(int=7)
REPORT = received(CASE, disposition=(Disposition(name="Kanim Kupang"),), occurred_on="2026-07-01", masked=("phone",), attachment_count=2)
REQUEST = RerouteRequested.model_validate(
    dict(REPORT) | {"decision": 3, "replaces": ("0/0",), "cause": "returned", "by": "unit:ahu", "refused_units": ("ahu",), "transfers": 2}
)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def taken(*parts: Part, withhold_text: bool = False) -> Decision:
    return Decision(
        parts=parts,
        decided_by="source",
        class_="pengaduan_pengawasan",
        class_by="router",
        confidence=0.75,
        is_oversight=withhold_text,
        is_urgent=True,
        is_confidential=True,
        is_anonymous=True,
        withhold_text=withhold_text,
        special_data=("health",),
        reasons=(Reason(kind="disposition", value="unknown addressee: Kanim Kupang", weight=1.0), Reason(kind="term", value="paspor")),
        ranking=(Ranked(unit="imigrasi", score=0.75),),
        rules_version="7",
    )


DECISIONS = {
    "one part": taken(Assign("imigrasi", "kanim:kupang", ("kanwil:ntt",))),
    "several": taken(Assign("itjen"), Hold("vague"), Transfer("Kementerian Agama", "Terima kasih.")),
    "withheld beside a unit": taken(Assign("itjen"), Hold("low_confidence"), withhold_text=True),
}


def said_by(row: LoggedDecision) -> list[Event]:
    found = []
    for message in events_of(row, TOPICS):
        event = EVENT_TYPES[dict(message.headers)["ce_type"].decode()].model_validate_json(message.value or b"")  # type: ignore[union-attr]
        assert isinstance(event, Event)
        found.append(event)
    return found


@pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS)
@pytest.mark.parametrize("asked", [REPORT, REQUEST], ids=["a report", "a request"])
def test_what_is_rebuilt_is_what_was_logged_in_whatever_order_it_is_read(decision: Decision, asked: RerouteRequested) -> None:
    row = LoggedDecision(uuid4(), CASE, getattr(asked, "decision", 0), MONDAY, "7", asked.to_json(), decision.to_json(), TRACE)
    for events in permutations(said_by(row)):
        rebuilt = rebuild(row.causing_id, TRACE, events, asked.to_json())
        assert rebuilt.row == row
        assert rebuilt.decision == decision
        assert (rebuilt.missing_parts, rebuilt.is_whole) == (0, True)


@pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS)
def test_without_the_record_that_asked_the_same_events_are_said(decision: Decision) -> None:
    row = LoggedDecision(uuid4(), CASE, 0, MONDAY, "7", REPORT.to_json(), decision.to_json(), TRACE)
    rebuilt = rebuild(row.causing_id, TRACE, said_by(row), None)
    assert not rebuilt.is_whole
    assert [(message.headers, event) for message, event in zip(events_of(rebuilt.row, TOPICS), said_by(rebuilt.row), strict=True)] == [
        (message.headers, event) for message, event in zip(events_of(row, TOPICS), said_by(row), strict=True)
    ]


def test_a_part_that_was_never_published_is_counted_and_goes_where_it_was_to_go() -> None:
    row = LoggedDecision(uuid4(), CASE, 0, MONDAY, "7", REPORT.to_json(), DECISIONS["several"].to_json(), None)
    for left, event in enumerate(said_by(row)):
        rebuilt = rebuild(row.causing_id, None, [event], REPORT.to_json())
        assert rebuilt.missing_parts == 2
        destinations = [(item.part, [part.destination for part in item.parts][item.part]) for item in said_by(rebuilt.row)]
        assert len(destinations) == 3
        assert destinations[left] == (left, event.parts[left].destination)
        assert destinations[0][1] == "itjen"


def test_a_record_that_nobody_could_read_stays_held() -> None:
    bare = LoggedDecision(
        uuid4(), CASE, 0, MONDAY, "7",
        b'{"complaint_id":"%s","reported_at":"2026-07-06T01:00:00Z","accepted_at":"2026-07-06T01:00:00Z"}' % str(CASE).encode(),
        unprocessable("7").to_json(), None,
    )  # fmt: skip
    assert rebuild(bare.causing_id, None, said_by(bare), b"not json").row == bare
