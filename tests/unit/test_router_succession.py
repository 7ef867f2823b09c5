"""Whose matter it is since the ministry was split, by the day of receipt in Jakarta."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from services.router.domain import Assign, Practice, Transfer, decide
from services.router.judgement import Matter
from services.router.places import Office
from services.router.succession import MINISTRY_NAMES
from shared.settings import MINISTRIES, MinistrySlug, Settings, SettingsError
from shared.units import UNIT_SLUGS
from tests.unit.test_router_domain import DIRECTORY, IN_NTT, KUPANG, LABUAN_BAJO, NTT, disposed, judged, naming, report
from tests.unit.test_router_orders import ordered, request

KEMENIMIPAS = "Kementerian Imigrasi dan Pemasyarakatan"
# The first instants of 21 October 2024 and 1 April 2025 in Jakarta.
SPLIT, ACCOUNTS = datetime(2024, 10, 20, 17, tzinfo=UTC), datetime(2025, 3, 31, 17, tzinfo=UTC)
JUST_BEFORE_SPLIT, JUST_BEFORE_ACCOUNTS = datetime(2024, 10, 20, 16, 59, 59, tzinfo=UTC), datetime(2025, 3, 31, 16, 59, 59, tzinfo=UTC)
HANDED_OVER, JUST_BEFORE_HANDED_OVER = datetime(2025, 10, 31, 17, tzinfo=UTC), datetime(2025, 10, 31, 16, 59, 59, tzinfo=UTC)
RUPBASAN = Office("rupbasan:kupang", "pemasyarakatan", "Nusa Tenggara Timur")


def parts(unit: str, ministry: MinistrySlug, at: datetime, source: str = "halo_kumham", **known: Any) -> tuple[Any, ...]:
    received = report(reported_at=at, source=source, **known)
    return decide(received, judged(unit=unit), DIRECTORY, Practice(ministry)).parts


@pytest.mark.parametrize(
    ("ministry", "home"),
    [
        ("kemenkumham", set(UNIT_SLUGS)),
        ("kemenkum", {"pp", "ahu", "ki", "bphn", "bsk", "bpsdm", "setjen", "itjen"}),
        ("kemenham", {"ham", "setjen", "itjen"}),
        ("kemenimipas", {"imigrasi", "pemasyarakatan", "setjen", "itjen"}),
    ],
)
def test_each_ministry_keeps_its_own_units_and_a_secretariat_and_an_inspectorate(ministry: MinistrySlug, home: set[str]) -> None:
    kept = {unit for unit in UNIT_SLUGS if isinstance(parts(unit, ministry, ACCOUNTS)[0], Assign)}
    assert kept == home


def test_a_matter_that_has_left_is_transferred_with_a_notice_that_names_unit_and_ministry() -> None:
    (part,) = parts("imigrasi", "kemenkum", SPLIT)
    assert isinstance(part, Transfer)
    assert part.agency == KEMENIMIPAS
    assert KEMENIMIPAS in part.notice
    assert "Direktorat Jenderal Imigrasi" in part.notice
    assert "{" not in part.notice


@pytest.mark.parametrize(
    ("source", "at", "is_ours"),
    [
        ("halo_kumham", JUST_BEFORE_SPLIT, True),
        ("halo_kumham", SPLIT, False),
        ("lapor", SPLIT, True),
        ("lapor", JUST_BEFORE_ACCOUNTS, True),
        ("lapor", ACCOUNTS, False),
    ],
)
def test_the_day_of_receipt_in_jakarta_decides_and_lapor_s_accounts_were_separated_later(source: str, at: datetime, is_ours: bool) -> None:
    expected = Assign("imigrasi", NTT) if is_ours else Transfer
    (part,) = parts("imigrasi", "kemenkum", at, source, **IN_NTT)
    assert part == expected or type(part) is expected


def test_two_offices_of_a_unit_that_has_left_are_one_transfer_and_a_matter_of_ours_stays() -> None:
    judgement = judged(place=naming(KUPANG, LABUAN_BAJO), matters=(Matter("ki", 0.96),))
    found = decide(report(reported_at=ACCOUNTS), judgement, DIRECTORY, Practice("kemenkum")).parts
    assert [type(part) for part in found] == [Transfer, Assign]


def test_oversight_goes_to_the_home_inspectorate() -> None:
    judgement = judged(unit="imigrasi", is_oversight=True)
    assert decide(report(reported_at=ACCOUNTS), judgement, DIRECTORY, Practice("kemenham")).parts == (Assign("itjen"),)


def test_a_person_s_order_or_disposition_towards_a_unit_that_has_left_is_followed() -> None:
    practice = Practice("kemenham")
    assert decide(request(**ordered({"unit": "imigrasi"}), reported_at=ACCOUNTS), judged(), DIRECTORY, practice).parts == (
        Assign("imigrasi"),
    )
    disposition = decide(report(reported_at=ACCOUNTS, **disposed("Imigrasi")), judged(), DIRECTORY, practice)
    assert disposition.parts == (Assign("imigrasi"),)
    assert disposition.suggestion is not None
    assert disposition.suggestion.unit == "other_agency"


@pytest.mark.parametrize("ministry", MINISTRIES)
def test_a_storehouse_of_seized_goods_is_the_kejaksaan_s_since_november_2025_whoever_asks(ministry: MinistrySlug) -> None:
    judgement = judged(unit="pemasyarakatan", place=naming(RUPBASAN))
    (part,) = decide(report(reported_at=HANDED_OVER), judgement, DIRECTORY, Practice(ministry)).parts
    assert isinstance(part, Transfer)
    assert part.agency == "Kejaksaan Republik Indonesia"
    assert part.agency in part.notice
    if ministry in ("kemenkumham", "kemenimipas"):
        before = decide(report(reported_at=JUST_BEFORE_HANDED_OVER), judgement, DIRECTORY, Practice(ministry)).parts
        assert before == (Assign("pemasyarakatan", RUPBASAN.desk, (NTT,)),)


def test_the_ministries_that_may_be_set_are_those_that_have_a_name_and_the_directory_knows_it() -> None:
    assert set(MINISTRY_NAMES) == set(MINISTRIES) == set(get_args(MinistrySlug))
    assert {name for name in MINISTRY_NAMES.values() if name} == {unit.successor_ministry for unit in DIRECTORY.units}


@pytest.mark.parametrize("at", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_days_too(at: datetime) -> None:
    assert parts("imigrasi", "kemenkum", at)


def test_the_setting_is_read_and_refused_by_name() -> None:
    needed = {"JALUR_KAFKA": "k:9092", "JALUR_POSTGRES": "postgresql://jalur@db/jalur"}
    assert Settings.load("router", needed).ministry == "kemenkumham"
    assert Settings.load("router", needed | {"JALUR_MINISTRY": " Kemenimipas "}).ministry == "kemenimipas"
    with pytest.raises(SettingsError, match=r"JALUR_MINISTRY='kemenkes': write one of kemenkumham, kemenkum, kemenham, kemenimipas"):
        Settings.load("router", needed | {"JALUR_MINISTRY": "kemenkes"})
