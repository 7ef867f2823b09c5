"""In whatever order and batches the facts of a complaint arrive, its case ends the same."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.notifier.facts import Expired, Requested
from tests.cases import FIRINGS, LEAD_ID, admin_says, by_http, ordered, part_id, says
from tests.cases import CASE_ID as CASE_ID
from tests.facts import Fact, changed, decided, hours, received, routed, unprocessable
from tests.memory import KeptCase, Told, header, told

DESTINATIONS = ("imigrasi", "ahu", "imigrasi/kanim:kupang", "triage", "other_agency")
UNIT_SAYS = ("accepted", "followed_up", "answered", "refused", "need_info", "resumed", "extended", "merged", "closed", "verified")
ADMIN_SAYS = ("verified", "need_info", "resumed", "merged", "closed", "answered")
ENDS = ("withdrawn", "closed", "archived")
OTHER_CHANGES = ("edited", "reclassified", "flags", "redisposed", "replied", "completed", "reopened", "joined")


@st.composite
def histories(draw: st.DrawFn, asks: bool = True) -> list[Fact | Told]:
    """What may happen to one complaint: every fact at an instant of its own, over some five days."""
    instants = (hours(number / 4) for number in draw(st.lists(st.integers(1, 480), min_size=16, max_size=16, unique=True)))
    first = draw(st.integers(0, 40)) / 100
    source = draw(st.sampled_from(["lapor", "loket"]))
    is_final = draw(st.integers(0, 9)) == 0
    report = {
        "source": source,
        "is_final": is_final,
        "service": draw(st.sampled_from(["sp4n", "ppid_permohonan", "yankomas"])),
        "class": draw(st.sampled_from(["pengaduan", "informasi", None])),
    }
    state = draw(st.sampled_from([None, "verified", "paused"]))
    facts: list[Fact | Told] = [received(CASE_ID, hours(0), source_state=state, **report)]
    if draw(st.integers(0, 6)) == 0:
        facts.append(unprocessable(CASE_ID, hours(first)))
    elif not is_final or draw(st.booleans()):
        destinations = draw(st.lists(st.sampled_from(DESTINATIONS), min_size=0, max_size=3, unique=True))
        facts += decided(
            CASE_ID, *destinations, at=hours(first), reported_at=hours(0), is_oversight=draw(st.booleans()),
            decided_by=draw(st.sampled_from(["router", "source", "human"])), **report,
        )  # fmt: skip
    for _ in range(draw(st.integers(0, 6))):
        facts.append(draw(sayings(next(instants), asks)))
    for _ in range(draw(st.integers(0, 3))):
        facts.append(draw(changes(next(instants), asks)))
    if draw(st.booleans()):
        facts.append(by_http("disclosure", "desk:kanim:kupang", next(instants), purpose="verifikasi", desk="kanim:kupang"))
    return facts


@st.composite
def sayings(draw: st.DrawFn, at: datetime, asks: bool) -> Fact | Told:
    who = draw(st.sampled_from(["unit", "unit", "unit", "admin", "order"]))
    more = {"into": LEAD_ID, "reason": "alasan", "outcome": draw(st.sampled_from([None, "selesai"]))}
    if who == "order" and asks:
        return ordered(at, *draw(st.lists(st.sampled_from(["0/0", "0/1", "1/0"]), max_size=2, unique=True)), unit="ham")
    if who == "admin":
        return admin_says(draw(st.sampled_from(ADMIN_SAYS)), at, **more)
    part = draw(st.integers(0, 3))
    status = draw(st.sampled_from([*UNIT_SAYS, "returned"] if asks else UNIT_SAYS))
    return says(draw(st.sampled_from(["imigrasi", "ahu"])), status, at, assignment_id=part_id(0, part) if part < 3 else None, **more)


@st.composite
def changes(draw: st.DrawFn, at: datetime, asks: bool) -> Fact:
    kinds = (*ENDS, *OTHER_CHANGES) if asks else (*ENDS, *(kind for kind in OTHER_CHANGES if kind not in ("edited", "redisposed", "reopened")))
    kind = draw(st.sampled_from(kinds))
    fields: dict[str, Any] = {"class": draw(st.sampled_from(["aspirasi", "pengaduan_pengawasan"]))} if kind == "reclassified" else {}
    if kind == "edited":
        fields = {"text": "Paspor saya hilang."} if draw(st.booleans()) else {"category": "paspor"}
    return changed(
        CASE_ID, kind, at, by=draw(st.sampled_from(["source:lapor", "source:loket"])), fields=fields,
        is_final=kind == "completed" and draw(st.booleans()), source_state=draw(st.sampled_from([None, "open", "verified", "paused"])),
    )  # fmt: skip


def batches(facts: list[Fact | Told], sizes: list[int]) -> list[list[Fact | Told]]:
    made, left = [], list(facts)
    for size in [*sizes, len(left)]:
        made.append(left[:size])
        left = left[size:]
    return made


def sequences_rise_by_one(kept: KeptCase) -> bool:
    numbers = kept.sequences()
    return numbers[:1] in ([], [1]) and all(after == before + 1 for before, after in pairwise(numbers))


@given(histories(), st.data())
@settings(max_examples=300, deadline=None)
@example([received(CASE_ID), routed(CASE_ID), says("imigrasi", "accepted", 2), says("imigrasi", "accepted", 1)], None)
@example([received(CASE_ID), routed(CASE_ID), changed(CASE_ID, "closed", hours(5)), changed(CASE_ID, "withdrawn", hours(3))], None)
@example([received(CASE_ID), routed(CASE_ID), says("imigrasi", "answered", 4), changed(CASE_ID, "withdrawn", hours(3))], None)
@example([received(CASE_ID, is_final=True), unprocessable(CASE_ID), changed(CASE_ID, "closed", hours(3))], None)
@example([received(CASE_ID), *decided(CASE_ID, "imigrasi", "imigrasi/kanim:kupang"), says("imigrasi", "accepted", 1)], None)
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
        assert kept.ending() == in_order.ending()


def test_a_second_telling_of_everything_says_nothing_new() -> None:
    facts: list[Fact | Told] = [
        received(CASE_ID), routed(CASE_ID), says("imigrasi", "answered", 3), changed(CASE_ID, "edited", hours(2)), ordered(1, unit="ahu"),
        says("imigrasi", "returned", 2), admin_says("verified", 1),
    ]  # fmt: skip
    kept = told(CASE_ID, [facts])
    known = {header(message, "ce_id"): message for message in kept.messages}
    kept.tell(*facts)
    for message in kept.messages:
        assert message.value == known[header(message, "ce_id")].value, "at most the same event again"
