"""Recorded complaints: what their lines say, what is written of stored ones, and how a simulated clock lives them again."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from services.commands import CommandError
from services.commands.simulate_picture import picture
from services.notifier import domain
from services.notifier.clocks import Clockwork
from services.notifier.policy import Policies, load_policies
from services.notifier.recording import Recorded, events_of, in_order, read_event
from services.notifier.simulation import DayCount, Outcome, simulate
from tests.facts import changed, decided, hours, received, updated
from tests.memory import CLOCKWORK, KeptCase

CASE, LEAD = UUID(int=1), UUID(int=2)
JAKARTA = ZoneInfo("Asia/Jakarta")
FIRST = date(2026, 7, 6)  # the Monday on which they are reported
REPORT = {"at": "2026-07-06T08:00:00+07:00", "event": "received", "complaint_id": str(CASE), "source": "lapor", "class": "pengaduan"}
ROUTED = {"at": "2026-07-06T08:00:05+07:00", "event": "routed", "complaint_id": str(CASE), "source": "lapor", "unit": "imigrasi"}
VERIFIED = {"at": "2026-07-06T09:00:00+07:00", "event": "changed", "complaint_id": str(CASE), "kind": "edited", "source_state": "verified"}


def said(status: str, day: int, hour: int = 10, **more: Any) -> dict[str, Any]:
    at = datetime(2026, 7, 6, hour, tzinfo=JAKARTA) + timedelta(days=day)
    return {"at": at.isoformat(), "event": "update", "complaint_id": str(CASE), "unit": "imigrasi", "status": status} | more


def read(*lines: dict[str, Any]) -> list[Recorded]:
    return in_order(read_event(json.loads(json.dumps(line)), number) for number, line in enumerate(lines, 1))


def lived(*lines: dict[str, Any], days: int = 30, clockwork: Clockwork = CLOCKWORK) -> Outcome:
    return simulate("test", read(*lines), clockwork, FIRST, days, JAKARTA)


def overdue(outcome: Outcome) -> dict[str, list[int]]:
    """For whoever was, on which days of July."""
    return {unit: [day.on.day for day in outcome.days if day.by_unit.get(unit) and day.on.month == 7] for unit in outcome.units}


# --- lines


def test_a_line_needs_no_more_than_what_clocks_follow_from() -> None:
    (event,) = read(ROUTED)
    report, part = event.facts
    assert (report.at, part.at) == (event.at, event.at)
    assert part.fact == "decided"
    assert (part.key, part.outcome, part.destinations) == ("0/0", "routed", ("imigrasi",))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (REPORT | {"event": "told"}, "'event' is none of received, routed, changed, update"),
        (REPORT | {"at": "2026-07-06T08:00:00"}, "'at' is no instant with an offset"),
        (REPORT | {"at": None}, "'at' is no instant with an offset"),
        (REPORT | {"complaint_id": "1"}, "'complaint_id' is no UUID"),
        (REPORT | {"class": "rahasia"}, "'class' cannot be read in a 'received' event"),
        (ROUTED | {"why": "vague"}, "one of 'unit', 'why' (held) and 'agency' (transferred)"),
        (ROUTED | {"unit": None}, "one of 'unit', 'why' (held) and 'agency' (transferred)"),
        (ROUTED | {"decision": "x"}, "'decision' and 'part' are no whole numbers"),
        (said("rahasia", 1), "'status' cannot be read in a 'update' event"),
        (VERIFIED | {"kind": "update", "fields": {"status": "rahasia"}}, "fields of an update"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_without_quoting_it(line: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read(line)
    assert words in str(caught.value)
    assert "rahasia" not in str(caught.value)


def rich_case() -> KeptCase:
    """All kinds of facts, and what the notifier made of them."""
    batches: list[Sequence[Any]] = [
        [received(CASE, category="Paspor", channel="web", location={"province": "Papua"})],
        decided(CASE, "imigrasi/kanim:jayapura", "triage", copies=("kanwil:papua",)),
        [changed(CASE, "reclassified", hours(1), fields={"class": "informasi"}, text="rahasia")],
        [(updated(CASE, "accepted", note="rahasia"), hours(2)), (updated(CASE, "need_info", note="rahasia"), hours(3))],
        [changed(CASE, "completed", hours(26), source_state="verified", source_status="rahasia", change_id="import/1/x")],
        [(updated(CASE, "returned", reason="rahasia", suggested_unit="ahu"), hours(30))],
        decided(CASE, "ahu", decision=1, at=hours(31)),
        [changed(CASE, "decision", hours(50), by="triage", fields={"replaces": ["0/1"], "order": {"unit": "ham"}, "reason": "rahasia"})],
        decided(CASE, "ham", decision=2, at=hours(51), decided_by="human"),
        [changed(CASE, "update", hours(60), by="admin", fields={"status": "need_info", "note": "rahasia"})],
        [changed(CASE, "update", hours(61), by="admin", fields={"status": "resumed"})],
        [changed(CASE, "joined", hours(62), by="source:ppid", fields={"source": "ppid"})],
        [changed(CASE, "disclosure", hours(63), by="desk:kanim:jayapura", fields={"purpose": "rahasia"})],
        [(updated(CASE, "answered", "ahu", outcome="selesai"), hours(70)), (updated(CASE, "answered", "ham"), hours(71))],
        [changed(CASE, "replied", hours(100), text="rahasia")],
        [(updated(CASE, "answered", "ham"), hours(120)), (updated(CASE, "answered", "ahu"), hours(121))],
    ]
    kept = KeptCase(CASE)
    for batch in batches:
        kept.tell(*batch, now=hours(130))
    return kept


def same(kept: KeptCase) -> dict[str, Any]:
    """What a recording keeps: everything but the ids of what was said."""
    ending = kept.ending()
    ending["report"] = replace(ending["report"], source_ref=None)
    ending["answers"] = [replace(item, id=None) for item in ending["answers"]]
    ending["asked"] = sorted(ending["asked"].values())
    ending["untaken"] = sorted(ending["untaken"].values())
    return ending


def test_a_recording_of_a_case_makes_the_same_case_again_and_holds_no_text() -> None:
    kept = rich_case()
    lines = list(events_of(CASE, kept.case.facts))
    written = json.dumps(lines)
    assert "rahasia" not in written
    assert "Paspor belum jadi" not in written
    assert "5049672" not in written

    again = KeptCase(CASE)
    for event in in_order(read_event(line, number) for number, line in enumerate(lines)):
        again.case.is_changed = False
        tell_facts(again, event)
    assert same(again) == same(kept)
    assert kept.status().state == "answered"


def tell_facts(kept: KeptCase, event: Recorded) -> None:
    domain.learn(kept.case, event.facts, kept.setting(hours(130)))
    kept.case.noted, kept.case.follow_ups, kept.case.requests, kept.case.unparked = [], [], [], []


# --- lives


def test_a_case_is_overdue_from_its_deadline_until_it_is_answered() -> None:
    outcome = lived(REPORT, ROUTED, VERIFIED, said("accepted", 0), said("answered", 18))
    # 5 working days end on 13 July at the close of office; the answer of 24 July stops the clocks.
    assert overdue(outcome) == {"imigrasi": list(range(13, 24))}
    assert outcome.states == {"answered": 1}
    assert [day.overdue for day in outcome.days[:7]] == [0] * 7


def test_what_nobody_verified_or_placed_is_the_triage_desks_delay() -> None:
    held = lived(REPORT, {name: value for name, value in ROUTED.items() if name != "unit"} | {"why": "vague"}, days=5)
    assert set(overdue(held)) == {"triage"}
    unverified = lived(REPORT, ROUTED, said("accepted", 0), said("followed_up", 1), days=20)
    assert overdue(unverified) == {"triage": list(range(9, 26))}


def test_an_update_at_the_very_deadline_is_in_time() -> None:
    at_close = said("followed_up", 7) | {"at": "2026-07-13T16:00:00+07:00"}
    outcome = lived(REPORT, ROUTED, VERIFIED, said("accepted", 0), at_close, days=8)
    assert "due" not in outcome.fired
    a_second_later = at_close | {"at": "2026-07-13T16:00:01+07:00"}
    assert lived(REPORT, ROUTED, VERIFIED, said("accepted", 0), a_second_later, days=8).fired["due"] == 1


def test_the_reporters_own_time_is_nobodys_delay_and_its_end_ends_the_case() -> None:
    other = [line | {"source": "ppid"} for line in (REPORT, ROUTED, VERIFIED)]
    outcome = lived(*other, said("accepted", 0), said("answered", 1), days=60)
    assert overdue(outcome) == {}
    assert outcome.states == {"closed": 1}, "ten working days of silence close it"
    asked = lived(*other, said("accepted", 0), said("need_info", 1, note="foto"), days=60)
    assert (overdue(asked), asked.states) == ({}, {"withdrawn": 1})


def test_a_merged_case_is_silent_and_stands_by_itself_again_where_its_lead_ends_without_an_answer() -> None:
    lead = [line | {"complaint_id": str(LEAD)} for line in (REPORT, ROUTED, VERIFIED)]
    merged = said("merged", 1, into=str(LEAD))
    withdrawn = {"at": "2026-07-20T08:00:00+07:00", "event": "changed", "complaint_id": str(LEAD), "kind": "withdrawn"}
    outcome = lived(REPORT, ROUTED, VERIFIED, said("accepted", 0), *lead, merged, withdrawn, days=20)
    assert outcome.states == {"withdrawn": 1, "accepted": 1}
    late = {day.on.day: day.overdue for day in outcome.days}
    assert (late[17], late[19], late[20]) == (1, 1, 1), "the lead, then the one that was merged into it"
    answered = said("answered", 3) | {"complaint_id": str(LEAD)}
    both = lived(REPORT, ROUTED, VERIFIED, said("accepted", 0), *lead, merged, answered, withdrawn, days=20)
    assert both.states == {"withdrawn": 1, "answered": 1}, "it was answered with its lead"


def test_the_order_of_the_lines_does_not_matter() -> None:
    lines = [REPORT, ROUTED, VERIFIED, said("accepted", 0), said("followed_up", 3), said("answered", 25)]
    assert lived(*reversed(lines)) == lived(*lines)


def with_limit(days: int) -> Clockwork:
    """The packaged policies, another time to finish a complaint."""
    rows = tuple(
        row.model_copy(update={"amount": days, "levels": tuple(level for level in row.levels if level.after >= 0)})
        if row.code == "SP4N_NON_PENGAWASAN"
        else row
        for row in load_policies().clocks
    )
    return Clockwork(Policies(version="2030-01-01", clocks=rows), CLOCKWORK.calendar, CLOCKWORK.directory)


def test_another_policy_makes_another_delay() -> None:
    lines = [REPORT, ROUTED, VERIFIED, said("accepted", 0), said("followed_up", 1)]
    assert overdue(lived(*lines))["imigrasi"][0] == 24  # 14 working days
    assert overdue(lived(*lines, clockwork=with_limit(3)))["imigrasi"][0] == 9


# --- the command and its picture


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *words])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "recording.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in (REPORT, ROUTED, VERIFIED, said("accepted", 0))))
    return file


def test_two_policies_are_shown_side_by_side_and_drawn(recording: Path, tmp_path: Path) -> None:
    packaged = Path(__file__).parents[2] / "services/notifier/data/policies.toml"
    other = tmp_path / "strict & new.toml"
    other.write_text(packaged.read_text(encoding="utf-8").replace("amount = 14", "amount = 7"), encoding="utf-8")
    drawn = tmp_path / "overdue.svg"
    words = [str(recording), "--days", "40", "--policies", str(packaged), "--policies", str(other)]
    done = run(*words, "--picture", str(drawn))
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows if row and row[0] in ("imigrasi", "all")] == [["all", "cases"], ["imigrasi", "policies"]]
    assert "strict & new" in done.stdout
    texts = [item.text for item in ElementTree.parse(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"all cases", "imigrasi", "6 Jul", "14 Aug"} <= set(texts)
    assert any("strict & new" in (text or "") for text in texts)

    found = json.loads(run(*words, "--json").stdout)
    assert [item["name"] for item in found["policies"]] == ["policies", "strict & new"]
    assert [len(item["days"]) for item in found["policies"]] == [40, 40]


def test_a_line_that_cannot_be_read_refuses_the_whole_recording_by_its_number(recording: Path) -> None:
    with recording.open("a") as file:
        file.write('\n{"event": "received"}\n')
    done = run(str(recording))
    assert isinstance(done.exception, CommandError)
    assert "line 6: 'at' is no instant" in str(done.exception)
    assert done.exception.exit_code == 2


@pytest.mark.parametrize("words", [[], ["no-such.jsonl"], ["x", "--from", "2026-07-06"], ["--export", "--json"]])
def test_what_does_not_go_together_is_wrong_usage(words: list[str]) -> None:
    done = run(*words)
    assert isinstance(done.exception, CommandError)
    assert done.exception.exit_code == 2


def test_a_panel_ends_above_its_greatest_number() -> None:
    outcome = Outcome("now", "2026-11-22 2026-11-22")
    outcome.days = [DayCount(FIRST + timedelta(days=number), 50, number, {"imigrasi": number}) for number in range(43)]
    texts = [item.text for item in ElementTree.fromstring(picture([outcome], ["imigrasi"])).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("60") == 2
    assert texts.count("42") == 2
