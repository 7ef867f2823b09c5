"""Who hears of a level: up the hierarchy, past who is away, never nobody, and of an oversight matter the inspectorate alone."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.ladder import Absences, addressed_topics, addressees
from shared.events import FollowUp
from tests.cases import CASE_ID, FIRINGS, LONG_AFTER, assigned, fired, ordered, says
from tests.facts import changed, decided, received
from tests.memory import KeptCase, told

KUPANG, KANWIL = "kanim:kupang", "kanwil:nusa-tenggara-timur"
NAMES = ("office", "kanwil", "unit", "inspectorate", "admin_instansi", "triage", "ham")


def at_office(*, copies: tuple[str, ...] = (KANWIL,), is_oversight: bool = False) -> KeptCase:
    parts = decided(CASE_ID, f"imigrasi/{KUPANG}", copies=copies, is_oversight=is_oversight)
    return told(CASE_ID, [[received(CASE_ID), *parts]])


def hears(kept: KeptCase, *named: str, absences: Absences | None = None) -> tuple[str, ...]:
    (assignment,) = kept.case.life.assignments.values()
    return addressees(named, kept.case, assignment, absences or {})


def topics_of(kept: KeptCase) -> set[str]:
    return {message.topic.removeprefix("complaints.follow-ups.") for message in kept.messages if "follow-ups" in message.topic}


def test_each_name_of_a_policy_is_a_rung_of_the_assignments_own_hierarchy() -> None:
    kept = at_office()
    assert hears(kept, "office", "kanwil", "unit", "inspectorate", "admin_instansi") == (
        KUPANG,
        KANWIL,
        "imigrasi",
        "itjen",
        "admin_instansi",
    )
    assert hears(kept, "ham") == ("ham",), "a policy may name a unit outright"


@pytest.mark.parametrize(
    ("absences", "office", "kanwil"),
    [
        ({}, KUPANG, KANWIL),
        ({KUPANG: "kanim:atambua"}, "kanim:atambua", KANWIL),
        ({KUPANG: "kanim:atambua", "kanim:atambua": "kanim:labuan-bajo"}, "kanim:labuan-bajo", KANWIL),
        ({KUPANG: None}, KANWIL, KANWIL),
        ({KUPANG: "kanim:atambua", "kanim:atambua": None}, KANWIL, KANWIL),
        ({KUPANG: "kanim:atambua", "kanim:atambua": KUPANG}, KANWIL, KANWIL),
        ({KUPANG: KUPANG}, KANWIL, KANWIL),
        ({KUPANG: None, KANWIL: "kanwil:bali"}, "kanwil:bali", "kanwil:bali"),
        ({KUPANG: None, KANWIL: None}, "imigrasi", "imigrasi"),
        ({KUPANG: KANWIL, KANWIL: KUPANG}, "imigrasi", "imigrasi"),
        ({KANWIL: None}, KUPANG, "imigrasi"),
        ({"kanim:atambua": None}, KUPANG, KANWIL),
    ],
)
def test_who_is_away_is_stood_in_for_else_the_rung_above_hears(absences: Absences, office: str, kanwil: str) -> None:
    kept = at_office()
    assert (hears(kept, "office", absences=absences), hears(kept, "kanwil", absences=absences)) == ((office,), (kanwil,))


@pytest.mark.parametrize(
    ("destination", "copies", "office", "kanwil"),
    [
        (f"imigrasi/{KUPANG}", (), KUPANG, "imigrasi"),
        ("imigrasi", (KANWIL,), KANWIL, KANWIL),
        ("imigrasi", (), "imigrasi", "imigrasi"),
        (f"imigrasi/{KANWIL}", (), KANWIL, "imigrasi"),
    ],
)
def test_a_missing_rung_falls_to_the_one_above_it(destination: str, copies: tuple[str, ...], office: str, kanwil: str) -> None:
    kept = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, destination, copies=copies)]])
    assert (hears(kept, "office"), hears(kept, "kanwil"), hears(kept, "unit")) == ((office,), (kanwil,), ("imigrasi",))


def test_nobody_hears_the_same_level_twice() -> None:
    kept = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, "imigrasi")]])
    assert hears(kept, "office", "kanwil", "unit", "admin_instansi") == ("imigrasi", "admin_instansi")


def test_a_clock_of_the_whole_case_is_told_to_those_who_still_have_to_act() -> None:
    kept = assigned("imigrasi", "ahu", **{"class": "pengaduan"})
    assert addressees(("unit",), kept.case, None, {}) == ("imigrasi", "ahu")
    kept.tell(says("imigrasi", "answered", 2))
    assert addressees(("unit",), kept.case, None, {}) == ("ahu",)
    kept.tell(says("ahu", "answered", 3))
    assert addressees(("unit",), kept.case, None, {}) == ("imigrasi", "ahu")


@pytest.mark.parametrize("destinations", [("triage",), ("other_agency",), ()])
def test_where_no_unit_has_the_case_the_triage_desk_hears_for_it(destinations: tuple[str, ...]) -> None:
    kept = told(CASE_ID, [[received(CASE_ID), *decided(CASE_ID, *destinations)]])
    assert addressees(("unit",), kept.case, None, {}) == ("triage",)
    assert addressees(("office", "admin_instansi"), kept.case, None, {}) == ("triage", "admin_instansi")


def test_a_returned_case_is_the_triage_desks_until_it_is_decided_anew() -> None:
    kept = assigned("imigrasi", **{"class": "pengaduan"}).tell(says("imigrasi", "returned", 2))
    assert addressees(("unit",), kept.case, None, {}) == ("triage",)
    kept.sweep(LONG_AFTER)
    assert [item.to for item in fired(kept, "REROUTE_PENDING")] == [("triage",), ("triage", "admin_instansi")]


def follow_up(to: Sequence[str], unit: str | None = None) -> FollowUp:
    fields = {"source": "lapor", "source_ref": None, "kind": "due", "emitted_at": LONG_AFTER, "sequence": 1}
    return FollowUp.model_validate({"complaint_id": CASE_ID, "to": tuple(to), "unit": unit} | fields)


@pytest.mark.parametrize(
    ("to", "unit", "units", "topics"),
    [
        ((KUPANG,), "imigrasi", ("imigrasi",), ("imigrasi",)),
        ((KUPANG, KANWIL, "imigrasi"), "imigrasi", ("imigrasi", "ahu"), ("imigrasi",)),
        ((KANWIL,), None, ("imigrasi", "ahu"), ("imigrasi", "ahu")),
        (("admin_instansi",), "imigrasi", ("imigrasi",), ("setjen",)),
        (("setjen", "admin_instansi"), None, (), ("setjen",)),
        (("itjen",), "imigrasi", ("imigrasi",), ("itjen",)),
        (("triage", "imigrasi"), None, (), ("triage", "imigrasi")),
        ((KANWIL,), None, (), ("triage",)),
        ((), None, (), ("triage",)),
    ],
)
def test_an_addressee_reads_it_in_the_topic_of_its_unit_and_there_is_always_one(
    to: tuple[str, ...], unit: str | None, units: tuple[str, ...], topics: tuple[str, ...]
) -> None:
    assert addressed_topics(follow_up(to, unit), units) == topics


@given(
    st.lists(st.sampled_from(NAMES), max_size=4),
    st.dictionaries(st.sampled_from([KUPANG, KANWIL, "kanim:atambua"]), st.sampled_from([None, KUPANG, KANWIL, "kanim:atambua"])),
    st.sampled_from([(), (KANWIL,)]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_it_is_never_nobody_and_never_somebody_who_is_away(
    named: list[str], absences: dict[str, str | None], copies: tuple[str, ...], is_oversight: bool
) -> None:
    kept = at_office(copies=copies, is_oversight=is_oversight)
    for assignment in (None, *kept.case.life.assignments.values()):
        found = addressees(named, kept.case, assignment, absences)
        assert found and len(set(found)) == len(found)
        assert not set(found) & set(absences)
        assert addressed_topics(follow_up(found, assignment.unit if assignment else None), [])
        if is_oversight:
            assert found == ("itjen",)


# --- as it is published


def test_a_level_fires_to_the_office_first_then_to_its_kanwil_and_unit_then_to_the_ministry() -> None:
    kept = at_office().sweep(LONG_AFTER)
    assert [(item.kind, item.level, item.to) for item in fired(kept, "LAPOR_TINDAK_LANJUT")] == [
        ("reminder", -1, (KUPANG,)),
        ("due", 0, (KUPANG, "imigrasi")),
        ("overdue", 1, (KUPANG, "imigrasi", "admin_instansi")),
        ("escalated", 2, (KANWIL, "imigrasi")),
        ("escalated", 3, ("imigrasi", "admin_instansi")),
    ]
    assert [(item.kind, item.level, item.to) for item in fired(kept, "TERIMA_PENUGASAN")] == [
        ("unacknowledged", 0, (KUPANG,)),
        ("escalated", 1, (KANWIL, "imigrasi")),
        ("escalated", 2, ("imigrasi", "admin_instansi")),
    ]
    assert topics_of(kept) == {"imigrasi", "setjen", "triage"}


def test_who_is_away_when_a_level_fires_does_not_hear_it() -> None:
    kept = at_office()
    kept.absences = {KUPANG: None, KANWIL: "kanwil:bali"}
    kept.sweep(LONG_AFTER)
    names = {name for item in kept.said(*FIRINGS) for name in item.to}
    assert names == {"kanwil:bali", "imigrasi", "admin_instansi", "triage"}


def test_held_and_proposed_matters_go_up_too() -> None:
    held = assigned("triage").sweep(LONG_AFTER)
    assert [item.to for item in fired(held, "TRIASE")] == [("triage",), ("triage", "admin_instansi"), ("admin_instansi",)]
    proposed = assigned("other_agency").sweep(LONG_AFTER)
    assert [item.kind for item in fired(proposed, "USUL_ALIH")] == ["reminder", "due", "overdue"]
    assert {item.to for item in fired(proposed, "USUL_ALIH", "due", "overdue")} == {("triage", "admin_instansi")}


@pytest.mark.parametrize("destinations", [("itjen",), ("itjen", "imigrasi"), ("triage",)])
def test_of_an_oversight_matter_nothing_leaves_the_inspectorate_whatever_happens(destinations: tuple[str, ...]) -> None:
    parts = decided(CASE_ID, *destinations, is_oversight=True)
    kept = told(CASE_ID, [[received(CASE_ID, class_="pengaduan_pengawasan"), *parts]]).sweep(LONG_AFTER)
    kept.tell(changed(CASE_ID, "reclassified", fields={"class": "pengaduan"}), now=LONG_AFTER)
    kept.tell(ordered(LONG_AFTER, unit="ham"), ordered(LONG_AFTER, "0/9", unit="ham"), now=LONG_AFTER)
    kept.tell(*decided(CASE_ID, "ham", decision=1, at=LONG_AFTER, decided_by="human", is_oversight=True), now=LONG_AFTER)
    kept.tell(changed(CASE_ID, "withdrawn", LONG_AFTER), now=LONG_AFTER)
    kept.refuse(LONG_AFTER)
    assert {item.to for item in kept.said()} == {("itjen",)}
    assert topics_of(kept) == {"itjen"}


def test_a_case_that_proves_to_be_oversight_is_the_inspectorates_from_then_on() -> None:
    kept = assigned("imigrasi").tell(ordered(2, unit="itjen"))
    kept.tell(*decided(CASE_ID, "itjen", decision=1, at=LONG_AFTER, decided_by="human", is_oversight=True), now=LONG_AFTER)
    already = len(kept.said())
    kept.sweep(LONG_AFTER + timedelta(days=60))
    assert {item.to for item in kept.said()[already:]} == {("itjen",)}
