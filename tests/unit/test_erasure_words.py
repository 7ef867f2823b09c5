"""What stays when words are erased, and for how long they are kept before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.commands.retention_periods import Period, load_periods, over_at, read_periods
from services.intake.domain import Change, Submission, original_of
from services.intake.speech import Update
from services.notifier.case import Case
from services.notifier.facts import Changed, Disclosed, Fact, Ordered, Said, text_of, with_text, without_text
from services.notifier.timeline import ERASED as SAYS_SO
from services.notifier.timeline import Line, broken_at, count_erased, fact_of, lines_of, texts_fault
from services.notifier.wording import words
from services.router.decision import Assign, Decision, destination
from services.router.erasure import erased_decision
from services.router.publication import LoggedDecision, events_of
from shared.erased import ERASED, erased_json, without_words
from shared.events import ComplaintReceived, Reason
from tests.cases import CASE_ID
from tests.facts import MONDAY, hours, received
from tests.memory import TOPICS

SECRET = "rahasia"
FACTS: list[Fact] = [
    Said(UUID(int=1), MONDAY, "unit:ahu", "ahu", "returned", reason=f"{SECRET}.", suggested_unit="ki"),
    Changed(UUID(int=2), MONDAY, "source:lapor", "edited", status=SECRET),
    Ordered(UUID(int=3), MONDAY, "triage", ("0/0",), "ahu", None, False, SECRET),
    Disclosed(UUID(int=4), MONDAY, "unit:ahu", "ahu", SECRET),
]


@given(st.text(max_size=12), st.sampled_from([SECRET, [SECRET], {"title": SECRET, SECRET: 1}, None, 7]))
def test_a_field_that_nobody_thought_of_is_left_out(name: str, value: Any) -> None:
    assume(name not in ("fields", "location") and name not in without_words({name: ERASED}))
    erased = without_words({"title": SECRET, "location": {name: value}, name: value, "fields": {name: value, "reason": SECRET}})
    assert erased == {"title": ERASED, "location": {"province": None}, "fields": {"reason": ERASED}}
    assert without_words(erased) == erased, "erasing twice gives the same"


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        (
            Submission,
            {
                "title": SECRET, "text": SECRET, "source_ref": "17", "service": "wbs", "location": {"province": "Bali", "regency": SECRET},
                "form": {"a": SECRET}, "reporter": {"name": SECRET}, "attachments": [{"url": f"https://a.id/{SECRET}"}],
                "disposition": [{"name": SECRET}], "source_status": SECRET, "relates_to": SECRET, "is_anonymous": False,
            },
        ),
        (Change, {"change_id": "1", "kind": "edited", "text": SECRET, "fields": {"title": SECRET, "reason": SECRET, "class": "aspirasi"}}),
        (Update, {"update_id": "1", "status": "returned", "note": SECRET, "reason": SECRET, "suggested_unit": "ki"}),
    ],
)  # fmt: skip
def test_a_request_without_its_words_can_still_be_read(model: Any, request_: dict[str, Any]) -> None:
    original = original_of(model.model_validate(request_))
    kept = erased_json(original)
    assert SECRET in original
    assert SECRET.encode() not in kept
    again = model.model_validate_json(kept)
    assert erased_json(kept) == kept
    assert {"17", "1"} & {str(value) for value in again.model_dump().values()}


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_keeps_that_something_was_written_and_not_what(fact: Fact) -> None:
    erased = without_text(fact)
    assert SECRET not in repr(erased)
    assert ERASED in words(erased)[0]
    assert with_text(erased, text_of(fact)) == fact
    assert text_of(erased) == {}


def chain(*facts: Fact) -> list[Line]:
    case = Case(CASE_ID)
    for fact in facts:
        case.note(MONDAY, f"{words(fact)[0]}: noted only, not yet", words(fact)[1], fact.fact, fact)
    lines = lines_of(case, MONDAY, iter([bytes([number]) * 16 for number in range(len(facts))]).__next__)
    case.noted.clear()
    case.note(hours(1), "erased", "operator", SAYS_SO)
    return [*lines, *lines_of(case, hours(1), bytes)]


def test_the_chain_holds_with_the_texts_and_without_them_and_a_line_says_so() -> None:
    lines = chain(*FACTS)
    last = lines[-1]
    assert SECRET not in "".join(f"{line.what}{line.fact}" for line in lines)
    assert [fact_of(line.fact, line.text) for line in lines if line.fact] == FACTS
    assert all(SECRET in line.shown and line.shown.endswith(": noted only, not yet") for line in lines[:-1])
    gone = [replace(line, salt=None, text=None) for line in lines]
    for some in (lines, gone, [lines[0], *gone[1:]]):
        assert broken_at(some, last.number, last.hash) is None
        assert texts_fault(some) is None
    assert (count_erased(lines), count_erased(gone)) == (0, 4)
    assert texts_fault(gone[:-1]) == "the text of line 1 is gone, and no line says that it was erased"
    other = replace(lines[1], text=(lines[1].text or "").replace(SECRET, "lain"))
    assert texts_fault([lines[0], other, *lines[2:]]) == "the text of line 2 was changed"
    forged = replace(lines[1], text_sha=lines[0].text_sha, salt=lines[0].salt, text=lines[0].text)
    assert broken_at([lines[0], forged, *lines[2:]], last.number, last.hash) == "line 2 was changed"


def test_the_decision_log_says_the_same_events_without_the_words() -> None:
    report = received(CASE_ID, title=SECRET, text=SECRET, location={"province": "Bali", "regency": SECRET}, source_status=SECRET)
    kinds = ("term", "model", "place", "disposition", "human", "rule", "office")
    reasons = tuple(Reason(kind=kind, value=SECRET if kind not in ("rule", "office") else kind, weight=1.0) for kind in kinds)
    decision = Decision(
        parts=(Assign("imigrasi", "kanim:kupang"), Assign("ahu")), class_="pengaduan", class_by="router", confidence=0.9,
        is_oversight=False, is_urgent=False, is_confidential=True, is_anonymous=True, reasons=reasons, rules_version="test",
    )  # fmt: skip
    row = LoggedDecision(UUID(int=5), CASE_ID, 0, MONDAY, "test", report.to_json(), decision.to_json(), None)
    erased = LoggedDecision(UUID(int=5), CASE_ID, 0, MONDAY, "test", erased_json(row.report), erased_decision(row.taken), None)
    before, after = events_of(row, TOPICS), events_of(erased, TOPICS)
    assert [(item.topic, item.key, item.headers) for item in after] == [(item.topic, item.key, item.headers) for item in before]
    assert SECRET.encode() not in b"".join(item.value or b"" for item in after) + erased.report + erased.taken
    known = Decision.from_json(erased.taken)
    assert [destination(part) for part in known.parts] == ["imigrasi", "ahu"]
    assert [(item.kind, item.weight) for item in known.reasons] == [(item.kind, item.weight) for item in reasons]
    assert ComplaintReceived.model_validate_json(erased.report).reported_at == report.reported_at
    assert erased_decision(erased.taken) == erased.taken


def test_the_years_run_from_the_end_of_the_case_by_its_service() -> None:
    periods = {"default": Period(active_years=2, inactive_years=3), "wbs": Period(active_years=0, inactive_years=1)}
    assert over_at(MONDAY, "sp4n", periods) == MONDAY.replace(year=2031)
    assert over_at(MONDAY, None, periods) == MONDAY.replace(year=2031)
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert over_at(leap, "wbs", periods) == leap.replace(year=2029, month=3, day=1)
    assert over_at(leap, "wbs", periods) - leap >= timedelta(days=365)
    assert load_periods()["default"].years == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[wbs]\nactive_years = 1\ninactive_years = 1", "default"),
        ("[default]\nactive_years = 1\ninactive_years = 1\n[sp4m]\nactive_years = 1\ninactive_years = 1", "sp4m"),
        ("[default]\nactive_years = 1", "inactive_years"),
        ("[default]\nactive_years = -1\ninactive_years = 1", "active_years"),
        ("[default]\nactive_years = 1\ninactive_years = 1\nyears = 2", "years"),
        ("default = 5", "default"),
    ],
)
def test_years_that_are_not_plainly_said_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_periods(text)
