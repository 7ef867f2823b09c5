"""A firing worked out ahead leaves, byte for byte, what the sweep would have left; and what is not one plain follow-up is left to it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.notifier import domain
from services.notifier.case import Case
from services.notifier.clock_text import read_clocks, write_clocks
from services.notifier.domain import Setting
from services.notifier.facts import ADAPTER
from services.notifier.prepared import Prepared, prepare, stamps_of
from services.notifier.publication import messages_of
from services.notifier.timeline import lines_of
from tests.facts import changed, decided, hours, received, routed, updated
from tests.memory import CLOCKWORK, TOPICS, KeptCase

CASE_ID = UUID("0190a5b4-7c1e-7f00-8000-000000000003")
AWAY = {"kanim:kupang": None}


def loaded(kept: KeptCase) -> Case:
    """As a transaction would load it."""
    own = kept.case
    case = Case(own.id, own.sequence, own.timed_by, told=set(own.told), recent=list(own.recent), entries=own.entries, head=own.head)
    case.clocks = read_clocks(write_clocks(own.clocks))
    case.facts = [ADAPTER.validate_json(ADAPTER.dump_json(fact)) for fact in own.facts]
    case.refused = set(own.refused)
    domain.revive(case, kept.setting(hours(0)))
    return case


def worked_out(kept: KeptCase, **absences: Any) -> Prepared | None:
    case = loaded(kept)
    assert case.next_due_at is not None
    return prepare(case, (case.sequence, case.head, case.timed_by, case.next_due_at), CLOCKWORK, {**kept.absences, **absences}, TOPICS)


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def written_ahead(item: Prepared, entries: int, now: datetime, traceparent: str | None = None) -> tuple[Any, ...]:
    stamp, late = stamps_of(now, item.key[3])
    line = item.line(CASE_ID, entries, now)
    return (
        list(item.events(CASE_ID, stamp, late, traceparent)),
        [line],
        (item.sequence, item.next_due_at, item.is_watched, item.clocks_at(stamp), line.number, line.hash),
    )


def written_by_the_sweep(kept: KeptCase, until: datetime, now: datetime, traceparent: str | None = None) -> tuple[Any, ...]:
    case = loaded(kept)
    case.traceparent = traceparent
    domain.fire(case, until, Setting(CLOCKWORK, now, kept.absences))
    messages = messages_of(case, TOPICS, now)
    lines = lines_of(case, now, bytes)
    return (
        [(item.topic, item.key, item.headers_json(), item.value) for item in messages],
        lines,
        (case.sequence, case.next_due_at, case.is_watched, write_clocks(case.clocks), case.entries, case.head),
    )


facts = st.sampled_from(
    [
        updated(CASE_ID, "accepted"),
        updated(CASE_ID, "followed_up"),
        updated(CASE_ID, "need_info", reason="lengkapi berkas"),
        updated(CASE_ID, "answered"),
        updated(CASE_ID, "extended", reason="perlu waktu"),
        updated(CASE_ID, "returned", reason="bukan wewenang"),
        changed(CASE_ID, "flags", hours(3), source_state="verified"),
        changed(CASE_ID, "withdrawn", hours(9)),
    ]
)
sizes = st.integers(0, 3_000_000)


places = st.sampled_from(["imigrasi/kanim:kupang", "triage"])


@given(st.lists(facts, max_size=3, unique_by=id), st.integers(0, 8), st.booleans(), sizes, places)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_firing_worked_out_ahead_is_what_the_sweep_leaves(told: list[Any], fired: int, is_away: bool, late: int, where: str) -> None:
    kept = KeptCase(CASE_ID).tell(received(CASE_ID, service="sp4n"), *decided(CASE_ID, where))
    kept.absences = AWAY if is_away else {}
    for number, fact in enumerate(told):
        kept.tell((fact, hours(number + 1)), now=hours(number + 1))
    for _ in range(fired):
        if kept.case.next_due_at is None:
            return
        kept.sweep(kept.case.next_due_at)
    if kept.case.next_due_at is None:
        return
    instant, entries = kept.case.next_due_at, kept.case.entries
    item = worked_out(kept)
    if item is None:
        return
    now = instant + timedelta(microseconds=late)
    assert item.kind in ("reminder", "due", "overdue", "escalated", "unacknowledged")
    for traceparent in (None, TRACEPARENT):
        assert written_ahead(item, entries, now, traceparent) == written_by_the_sweep(kept, instant, now, traceparent)


def test_the_plain_case_is_worked_out() -> None:
    kept = KeptCase(CASE_ID).tell(received(CASE_ID), routed(CASE_ID))
    item = worked_out(kept)
    assert item is not None and (item.kind, item.topics) == ("unacknowledged", ("complaints.follow-ups.imigrasi", "complaints.status"))


@pytest.mark.parametrize("text", ["9998-12-31T23:59:59.999999", "9998-12-31T23:59:59.999999Z"])
def test_a_reference_that_reads_like_the_mark_is_left_to_the_sweep(text: str) -> None:
    assert worked_out(KeptCase(CASE_ID).tell(received(CASE_ID, source_ref=text), routed(CASE_ID, source_ref=text))) is None


def test_an_expiry_that_ends_the_case_and_two_clocks_at_one_instant_are_left_to_the_sweep() -> None:
    kept = KeptCase(CASE_ID).tell(
        received(CASE_ID, source="ppid"), routed(CASE_ID, source="ppid"), (updated(CASE_ID, "answered"), hours(2))
    )
    while (due := kept.case.next_due_at) is not None:
        if worked_out(kept) is None:
            break
        kept.sweep(due)
    assert due is not None and kept.sweep(due).status().state == "closed"
    both = KeptCase(CASE_ID).tell(received(CASE_ID), *decided(CASE_ID, "imigrasi", "ham"))
    assert both.case.next_due_at is not None and worked_out(both) is None, "each unit's day to accept it ends at one instant"
