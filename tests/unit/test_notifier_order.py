"""In whatever order and batches the facts of a complaint arrive, its case ends the same."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.notifier.facts import Requested
from tests.cases import CASE_ID, FIRINGS, LEAD_ID, admin_says, by_http, ordered, part_id, says
from tests.facts import Fact, changed, decided, hours, received, routed, unprocessable
from tests.memory import KeptCase, Told, header, told

DESTINATIONS = ("imigrasi", "ahu", "imigrasi/kanim:kupang", "triage", "other_agency")
LAST = hours(24 * 300)  # every period there is has run out
UNIT_SAYS = ("accepted", "followed_up", "answered", "refused", "need_info", "resumed", "extended", "merged", "closed", "verified")
ADMIN_SAYS = ("verified", "need_info", "resumed", "merged", "closed", "answered")
ENDS = ("withdrawn", "closed", "archived")
OTHER_CHANGES = ("edited", "reclassified", "flags", "redisposed", "replied", "completed", "reopened", "joined")


@st.composite
def histories(draw: st.DrawFn, asks: bool = True, merges: bool = True) -> list[Fact | Told]:
    """What may happen to one complaint: every fact at an instant of its own, over some five days."""
    instants = (hours(number / 4) for number in draw(st.lists(st.integers(1, 480), min_size=16, max_size=16, unique=True)))
    first = draw(st.integers(0, 40)) / 100
    source = draw(st.sampled_from(["lapor", "loket"]))
    is_final = draw(st.integers(0, 15)) == 7
    report = {
        "source": source,
        "is_final": is_final,
        "service": draw(st.sampled_from(["sp4n", "ppid_permohonan", "yankomas"])),
        "class": draw(st.sampled_from(["pengaduan", "informasi", None])),
    }
    state = draw(st.sampled_from([None, "verified", "paused"]))
    facts: list[Fact | Told] = [received(CASE_ID, hours(0), source_state=state, **report)]
    destinations: list[str] = []
    if draw(st.integers(0, 9)) == 7:
        facts.append(unprocessable(CASE_ID, hours(first)))
    elif draw(st.integers(0, 15)) != 7:
        destinations = draw(st.lists(st.sampled_from(DESTINATIONS), min_size=1, max_size=3, unique=True))
        facts += decided(
            CASE_ID, *destinations, at=hours(first), reported_at=hours(0), is_oversight=draw(st.booleans()),
            decided_by=draw(st.sampled_from(["router", "source", "human"])), **report,
        )  # fmt: skip
    for _ in range(draw(st.integers(0, 6))):
        saying = draw(sayings(next(instants), destinations, asks))
        if merges or "merged" not in str(saying):
            facts.append(saying)
    for _ in range(draw(st.integers(0, 3))):
        facts.append(draw(changes(next(instants), asks)))
    if draw(st.booleans()):
        facts.append(by_http("disclosure", "desk:kanim:kupang", next(instants), purpose="verifikasi", desk="kanim:kupang"))
    return facts


@st.composite
def sayings(draw: st.DrawFn, at: datetime, destinations: list[str], asks: bool) -> Fact | Told:
    who = draw(st.sampled_from(["owner", "owner", "owner", "owner", "unit", "admin", "order"]))
    more = {"into": LEAD_ID, "reason": "alasan", "outcome": draw(st.sampled_from([None, "selesai"]))}
    if who == "order" and asks:
        return ordered(at, *draw(st.lists(st.sampled_from(["0/0", "0/1", "1/0"]), max_size=2, unique=True)), unit="ham")
    if who == "admin":
        return admin_says(draw(st.sampled_from(ADMIN_SAYS)), at, **more)
    status = draw(st.sampled_from([*UNIT_SAYS, "answered", "returned"] if asks else [*UNIT_SAYS, "answered"]))
    owners = [(part, unit.partition("/")[0]) for part, unit in enumerate(destinations) if unit not in ("triage", "other_agency")]
    if who == "owner" and owners:
        part, unit = draw(st.sampled_from(owners))
    else:
        part, unit = draw(st.integers(0, 2)), draw(st.sampled_from(["imigrasi", "ahu"]))
    return says(unit, status, at, assignment_id=draw(st.sampled_from([part_id(0, part), None])), **more)


@st.composite
def changes(draw: st.DrawFn, at: datetime, asks: bool) -> Fact:
    kinds = (
        (*ENDS, *OTHER_CHANGES) if asks else (*ENDS, *(kind for kind in OTHER_CHANGES if kind not in ("edited", "redisposed", "reopened")))
    )
    kind = draw(st.sampled_from(kinds if draw(st.booleans()) else [kind for kind in kinds if kind not in ENDS]))
    # A report that becomes an oversight matter is decided anew.
    classes = ["aspirasi", "pengaduan_pengawasan"] if asks else ["aspirasi", "informasi"]
    fields: dict[str, Any] = {"class": draw(st.sampled_from(classes))} if kind == "reclassified" else {}
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
@settings(max_examples=100, deadline=None)
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


@given(histories(merges=False), st.data())
@settings(max_examples=50, deadline=None)
def test_sweeps_in_between_change_nothing_and_no_level_speaks_twice_unless_it_was_taken_back(
    facts: list[Fact | Told], data: st.DataObject
) -> None:
    """Facts may lie behind the sweep, as those of a host whose Kafka was away do: then what fired is taken back."""
    in_order = told(CASE_ID, [facts]).sweep(LAST)
    kept, until = KeptCase(CASE_ID), hours(0)
    for fact in data.draw(st.permutations(facts), label="order"):
        until += timedelta(hours=data.draw(st.integers(0, 20), label="hours until the next sweep"))
        kept.tell(fact, now=until).sweep(until)
    kept.sweep(LAST)
    assert kept.ending() == in_order.ending()
    assert sequences_rise_by_one(kept)

    ids = [(item.assignment_id, item.code, item.level, item.occurrence) for item in kept.said(*FIRINGS)]
    assert len(ids) == len(set(ids))
    taken_back = Counter((item.assignment_id, item.code, item.level, item.occurrence) for item in kept.said("rescinded"))
    assert set(taken_back.values()) <= {1} and taken_back.keys() <= set(ids)
    for clock in kept.case.clocks:
        standing = Counter(firing.level for firing in clock.fired if not firing.is_rescinded)
        assert set(standing.values()) <= {1}
        for before, after in pairwise(sorted(clock.fired, key=lambda firing: firing.occurrence)):
            assert before.occurrence == after.occurrence or any(
                firing.is_rescinded for firing in clock.fired if firing.occurrence == before.occurrence
            ), "another occurrence only after something was taken back"


@st.composite
def asking(draw: st.DrawFn) -> list[Fact | Told]:
    """A history with one fact that asks the router, and with what the unit that it then chooses says."""
    facts = draw(histories(asks=False))
    at = hours(draw(st.integers(1, 240)) / 2 + 0.1)
    asks: list[Fact | Told] = [
        says("imigrasi", "returned", at), says("ahu", "returned", at), ordered(at, unit="ahu"), ordered(at, "0/1", unit="ahu"),
        changed(CASE_ID, "redisposed", at), changed(CASE_ID, "edited", at, fields={"text": "Paspor saya hilang."}),
        changed(CASE_ID, "reopened", at),
    ]  # fmt: skip
    later = [hours(draw(st.integers(1, 240)) / 2 + 0.2) for _ in range(draw(st.integers(0, 3)))]
    words = {item: says("ham", draw(st.sampled_from(["accepted", "answered", "followed_up"])), item) for item in later}
    return [*facts, draw(st.sampled_from(asks)), *words.values()]


def with_router(batches_: list[list[Fact | Told]], destination: str, delays: list[int]) -> KeptCase:
    """The router answers each request half an hour after what caused it; its answer is read some batches later."""
    kept, answers, known = KeptCase(CASE_ID), dict[int, list[Fact | Told]](), 0
    waits, number = iter(delays), 0
    while number < len(batches_) or answers:
        batch = [*(batches_[number] if number < len(batches_) else []), *answers.pop(number, [])]
        number += 1
        if not batch:
            continue
        kept.tell(*batch)
        for fact in [fact for fact in kept.case.facts if isinstance(fact, Requested)][known:]:
            known += 1
            by = "human" if fact.cause == "ordered" else "router"
            parts = decided(
                CASE_ID, destination, decision=fact.decision, at=fact.at + timedelta(minutes=30), reported_at=hours(0), decided_by=by
            )
            answers.setdefault(number + next(waits, 0), []).extend(parts)
    return kept


@given(asking(), st.sampled_from(["ham", "triage", "other_agency"]), st.data())
@settings(max_examples=50, deadline=None)
def test_what_the_router_decides_anew_ends_the_same_too(facts: list[Fact | Told], destination: str, data: st.DataObject) -> None:
    in_order = with_router([facts], destination, [])
    order = batches(data.draw(st.permutations(facts), label="order"), data.draw(st.lists(st.integers(1, 4), max_size=8), label="sizes"))
    kept = with_router(order, destination, data.draw(st.lists(st.integers(0, 9), max_size=2), label="delays"))
    if requested(kept) == requested(in_order):  # else it asked for something of which a later fact took the ground away
        assert kept.ending() == in_order.ending()
    assert set(requested(kept).values()) <= {1}
    assert sequences_rise_by_one(kept)


def requested(kept: KeptCase) -> Counter[UUID]:
    return Counter(fact.cause_id for fact in kept.case.facts if isinstance(fact, Requested))


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
