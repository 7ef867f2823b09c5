"""Who is shown a case, and by which deadline it is overdue for each of them."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from services.intake.readers import deadlines_of, narrowest_first, own_reader
from services.intake.speakers import parse_role
from tests.facts import hours
from tests.listed import case, clock, given_to

ID = str(uuid4())


def test_a_unit_and_its_desk_are_shown_the_case_and_nobody_else_by_name() -> None:
    status = case(ID, assignments=[given_to("imigrasi/kanim:kupang"), given_to("ham")])
    assert deadlines_of(status) == dict.fromkeys(("all", "unit:imigrasi", "desk:kanim:kupang", "unit:ham"))


def test_an_assignment_s_deadline_is_its_own_unit_s_alone_and_the_whole_case_s_everybody_s() -> None:
    desk, other = given_to("imigrasi/kanim:kupang"), given_to("ham", "answered")
    status = case(ID, assignments=[desk, other], clocks=[clock(hours(5), desk), clock(hours(9))])
    assert deadlines_of(status) == {
        "all": hours(5), "unit:imigrasi": hours(5), "desk:kanim:kupang": hours(5), "unit:ham": hours(9)
    }  # fmt: skip


def test_the_earliest_of_a_unit_s_assignments_counts() -> None:
    one, two = given_to("imigrasi/kanim:kupang"), given_to("imigrasi/kanim:batam")
    found = deadlines_of(case(ID, assignments=[one, two], clocks=[clock(hours(7), one), clock(hours(5), two), clock(hours(6), two)]))
    assert found == {"all": hours(5), "unit:imigrasi": hours(5), "desk:kanim:kupang": hours(7), "desk:kanim:batam": hours(5)}


@pytest.mark.parametrize("state", ["returned", "replaced", "closed"])
def test_whoever_has_given_a_part_back_still_sees_the_case_but_is_not_late_with_it(state: str) -> None:
    status = case(ID, assignments=[given_to("imigrasi", state), given_to("ham")], clocks=[clock(hours(5))])
    assert deadlines_of(status) == {"all": hours(5), "unit:imigrasi": None, "unit:ham": hours(5)}


@pytest.mark.parametrize("why", [{"is_oversight": True}, {"class": "pengaduan_pengawasan"}, {}])
@pytest.mark.parametrize("state", ["returned", "replaced", "closed"])
def test_of_an_oversight_case_only_who_has_a_part_now_is_a_reader_whatever_made_it_one(why: dict[str, Any], state: str) -> None:
    inspectorate = [] if why else [given_to("itjen")]
    status = case(ID, assignments=[given_to("imigrasi/kanim:kupang", state), given_to("ham/kanwil:aceh"), *inspectorate], **why)
    assert set(deadlines_of(status)) == {"all", "unit:ham", "desk:kanwil:aceh", *(f"unit:{item.unit}" for item in inspectorate)}


@pytest.mark.parametrize(("state", "is_reader"), [("closed", True), ("answered", True), ("returned", False), ("replaced", False)])
def test_the_inspectorate_still_reads_what_ended_in_its_hands(state: str, is_reader: bool) -> None:
    assert ("unit:itjen" in deadlines_of(case(ID, "closed", assignments=[given_to("itjen", state)]))) == is_reader


def test_in_an_oversight_case_the_whole_case_s_deadline_is_the_inspectorate_s_and_not_the_office_s() -> None:
    office, itjen = given_to("imigrasi/kanim:kupang"), given_to("itjen")
    found = deadlines_of(case(ID, assignments=[office, itjen], clocks=[clock(hours(5)), clock(hours(9), office)]))
    assert found == {"all": hours(5), "unit:itjen": hours(5), "unit:imigrasi": hours(9), "desk:kanim:kupang": hours(9)}


@pytest.mark.parametrize(("state", "due_at"), [("running", hours(5)), ("expired", hours(5)), ("paused", None), ("stopped", None)])
def test_only_a_deadline_that_still_runs_counts(state: str, due_at: datetime | None) -> None:
    mine = given_to("imigrasi")
    for whose in (None, mine):
        status = case(ID, assignments=[mine], clocks=[clock(hours(5), whose, state)])
        assert deadlines_of(status) == {"all": due_at, "unit:imigrasi": due_at}


@pytest.mark.parametrize("state", ["closed", "withdrawn", "history"])
def test_a_case_that_has_ended_is_late_for_nobody(state: str) -> None:
    mine = given_to("imigrasi")
    status = case(ID, state, assignments=[mine], clocks=[clock(hours(5)), clock(hours(5), mine)])
    assert set(deadlines_of(status).values()) == {None}


def test_the_narrowest_of_several_readers_is_asked_first() -> None:
    assert narrowest_first(["source:lapor", "unit:ham", "desk:kanwil:aceh", "all"]) == ("desk:kanwil:aceh", "unit:ham", "source:lapor")
    assert narrowest_first(["unit:ham", "unit:ham"]) == ("unit:ham",)
    assert narrowest_first(["all"]) == ("all",)


@pytest.mark.parametrize("role", ["source:lapor", "unit:imigrasi", "desk:kanim:kupang"])
def test_a_key_with_a_subject_is_shown_cases_under_its_name_and_any_other_all_of_them(role: str) -> None:
    assert own_reader(parse_role(role)) == role
    assert {own_reader(parse_role(name)) for name in ("triage", "admin", "auditor")} == {"all"}
