"""Who may be said to be away, who stands in, and what is listed as minded by nobody."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.commands.cases import merged
from services.notifier.absences import check_deputy, check_desk, deputies, hears
from services.notifier.reconcile import Orphan, OrphanReason
from shared.units import load_directory
from tests.facts import MONDAY

DIRECTORY = load_directory()
KUPANG, ATAMBUA, BALI = "kanim:kupang", "kanim:atambua", "kanwil:bali"


@pytest.mark.parametrize("desk", ["imigrasi", "kanim:", "kanwil:atlantis", "Kanim:Kupang", "kanim:kupang ", "kanim:-kupang", "a:b:c", ""])
def test_what_is_no_desk_is_refused(desk: str) -> None:
    with pytest.raises(ValueError, match=r"no desk|there is no"):
        check_desk(desk, DIRECTORY)


@pytest.mark.parametrize("deputy", ["imigrasi", "itjen", "admin_instansi", KUPANG, BALI])
def test_a_desk_a_unit_and_admin_instansi_may_stand_in(deputy: str) -> None:
    assert check_deputy(deputy, DIRECTORY) == deputy


@pytest.mark.parametrize("deputy", ["kemenag", "triage", "", "kanwil:atlantis"])
def test_nobody_else_may_stand_in(deputy: str) -> None:
    with pytest.raises(ValueError, match=r"to stand in|no desk|there is no"):
        check_deputy(deputy, DIRECTORY)


def test_the_last_deputy_who_is_present_hears() -> None:
    away = {KUPANG: ATAMBUA, ATAMBUA: "imigrasi"}
    assert (hears(KUPANG, away), hears(ATAMBUA, away)) == ("imigrasi", "imigrasi")
    assert hears(KUPANG, {KUPANG: ATAMBUA, ATAMBUA: None}) is None
    assert hears(KUPANG, {KUPANG: None}) is None


def test_desks_cannot_stand_in_for_each_other() -> None:
    assert deputies(KUPANG, ATAMBUA, {ATAMBUA: BALI}) == [ATAMBUA, BALI]
    for away in ({ATAMBUA: KUPANG}, {ATAMBUA: BALI, BALI: KUPANG}, {ATAMBUA: BALI, BALI: ATAMBUA}):
        with pytest.raises(ValueError, match="stand in for each other"):
            deputies(KUPANG, ATAMBUA, away)
    with pytest.raises(ValueError, match="stand in for each other"):
        deputies(KUPANG, KUPANG, {})


def orphan(number: int, *reasons: OrphanReason, is_undecided: bool = False, hours: float = 0) -> Orphan:
    return Orphan(UUID(int=number), "received", reasons, is_undecided, MONDAY + timedelta(hours=hours))


def test_a_complaint_is_listed_once_with_all_its_reasons_oldest_first() -> None:
    later = MONDAY + timedelta(hours=5)
    found, on_their_way = merged(
        [orphan(1, "no_clock", hours=3), orphan(2, "no_clock", "no_owner", is_undecided=True, hours=2), orphan(3, "no_owner", hours=9)],
        [(UUID(int=2), MONDAY), (UUID(int=4), MONDAY + timedelta(hours=1)), (UUID(int=5), later), (UUID(int=6), later)],
        decided={UUID(int=4)},
        until=MONDAY + timedelta(hours=4),
    )
    assert [(item.complaint_id.int, item.reasons) for item in found] == [
        (2, ["no_clock", "undecided"]),
        (4, ["not_told"]),
        (1, ["no_clock"]),
        (3, ["no_owner"]),
    ]
    assert on_their_way == 2
