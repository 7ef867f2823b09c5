"""In whatever order and batches the facts of a complaint arrive, its case ends the same."""

from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.envelope import assignment_id
from tests.facts import Fact, changed, decided, hours, received, routed, unprocessable, updated
from tests.memory import KeptCase, Told, header, told

CASE_ID = UUID("0190a5b4-7c1e-7f00-8000-000000000001")
UNITS = ("imigrasi", "ahu", "imigrasi/kanim:kupang")
DESTINATIONS = (*UNITS, "triage", "other_agency")


def update(status: str, at: float, unit: str = "imigrasi", **more: Any) -> Told:
    return updated(CASE_ID, status, unit, update_id=f"{unit}-{status}-{at}", **more), hours(at)


@st.composite
def histories(draw: st.DrawFn) -> list[Fact | Told]:
    """What may happen to one complaint: every fact at an instant of its own, all within the first hours, before any level fires."""
    instants = iter(draw(st.lists(st.integers(1, 400), min_size=12, max_size=12, unique=True)))
    source = draw(st.sampled_from(["lapor", "loket"]))
    is_final = draw(st.integers(0, 9)) == 0
    facts: list[Fact | Told] = [
        received(CASE_ID, hours(0), source=source, is_final=is_final, **{"class": draw(st.sampled_from(["pengaduan", None]))})
    ]
    destinations: list[str] = []
    if draw(st.integers(0, 4)) == 0:
        facts.append(unprocessable(CASE_ID, hours(next(instants) / 100)))
    elif not is_final:
        destinations = draw(st.lists(st.sampled_from(DESTINATIONS), min_size=0, max_size=3, unique=True))
        facts += decided(
            CASE_ID, *destinations, at=hours(next(instants) / 100), reported_at=hours(0), source=source, is_oversight=draw(st.booleans()),
            decided_by=draw(st.sampled_from(["router", "source", "human"])), **{"class": "pengaduan"},
        )  # fmt: skip
    for kind in draw(st.lists(st.sampled_from(["withdrawn", "closed", "archived", "edited", "completed"]), max_size=3)):
        by = draw(st.sampled_from(["source:lapor", "source:loket"]))
        facts.append(changed(CASE_ID, kind, hours(next(instants) / 100), is_final=kind == "completed", by=by))
    for status in draw(st.lists(st.sampled_from(["accepted", "followed_up", "answered", "returned"]), max_size=5)):
        part = draw(st.integers(0, 3))
        named = assignment_id(CASE_ID, 0, part) if part < 3 else None
        unit = draw(st.sampled_from(["imigrasi", "ahu"]))
        facts.append(update(status, next(instants) / 100, unit, assignment_id=named, outcome=draw(st.sampled_from([None, "selesai"]))))
    return facts


def batches(facts: list[Fact | Told], sizes: list[int]) -> list[list[Fact | Told]]:
    made, left = [], list(facts)
    for size in [*sizes, len(left)]:
        made.append(left[:size])
        left = left[size:]
    return made


def same_ending(one: KeptCase, other: KeptCase) -> None:
    ours, theirs = one.ending(), other.ending()
    our_clocks, their_clocks = ours.pop("clocks"), theirs.pop("clocks")
    assert ours == theirs
    for key in our_clocks.keys() & their_clocks.keys():
        assert our_clocks[key] == their_clocks[key]
    for key in our_clocks.keys() ^ their_clocks.keys():
        # What came after the end, or after it was known to be history, has no clock; where it came before, its clock is stopped.
        _, state, stopped_at = (our_clocks | their_clocks)[key]
        ended_at = one.case.reported_at if one.case.is_final else one.case.ended_at
        assert state == "stopped"
        assert ended_at is not None and stopped_at <= ended_at


@given(histories(), st.data())
@settings(max_examples=300, deadline=None)
@example([received(CASE_ID), routed(CASE_ID), update("accepted", 2), update("accepted", 1)], None)
@example([received(CASE_ID), routed(CASE_ID), changed(CASE_ID, "closed", hours(5)), changed(CASE_ID, "withdrawn", hours(3))], None)
@example([received(CASE_ID), routed(CASE_ID), update("answered", 4), changed(CASE_ID, "withdrawn", hours(3))], None)
@example([received(CASE_ID, is_final=True), unprocessable(CASE_ID), changed(CASE_ID, "closed", hours(3))], None)
@example([received(CASE_ID), *decided(CASE_ID, "imigrasi", "imigrasi/kanim:kupang"), update("accepted", 1)], None)
def test_any_order_in_any_batches_ends_the_same(facts: list[Fact | Told], data: st.DataObject | None) -> None:
    in_order = told(CASE_ID, [facts])
    if data is None:
        orders = [[[fact] for fact in reversed(facts)], [[facts[number]] for number in (*range(1, len(facts)), 0)]]
    else:
        again = data.draw(st.lists(st.sampled_from(facts), max_size=4), label="told twice")
        shuffled = data.draw(st.permutations([*facts, *again]), label="order")
        orders = [batches(shuffled, data.draw(st.lists(st.integers(1, 4), max_size=8), label="batch sizes"))]
    for order in orders:
        kept = told(CASE_ID, order)
        assert sequences_rise_by_one(kept)
        same_ending(in_order, kept)


def sequences_rise_by_one(kept: KeptCase) -> bool:
    numbers = kept.sequences()
    return numbers[:1] in ([], [1]) and all(after == before + 1 for before, after in pairwise(numbers))


def test_a_second_telling_of_everything_says_nothing_new() -> None:
    facts: list[Fact | Told] = [received(CASE_ID), routed(CASE_ID), update("answered", 3), changed(CASE_ID, "edited", hours(2))]
    kept = told(CASE_ID, [facts])
    said = {header(message, "ce_id"): message for message in kept.messages}
    kept.tell(*facts)
    for message in kept.messages:
        assert message.value == said[header(message, "ce_id")].value, "at most the same event again"
