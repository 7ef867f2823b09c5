"""The policies are data: the packaged file says what the law says, and a broken one is refused by the name of its clock."""

import re
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

import pytest

from services.notifier.policy import Policies, Subject, load_policies, read_policies
from tests.cases import CASE_ID, assigned, clock, clocks, clockwork, other_policies
from tests.facts import MONDAY, received
from tests.memory import KeptCase

TEXT = (files("services.notifier") / "data" / "policies.toml").read_text(encoding="utf-8")
ROWS = load_policies().clocks
DAY = date(2026, 7, 6)

# What each clock is by the rules: (amount, unit of time, what starts it, by how much it is extended, what its expiry does).
PERIODS: dict[str, tuple[int, str, str, int | None, str]] = {
    "LAPOR_VERIFIKASI": (3, "wd", "received", None, "none"),
    "LAPOR_TINDAK_LANJUT": (5, "wd", "assigned", None, "none"),
    "LAPOR_TANGGAPAN_PELAPOR": (10, "wd", "answered", None, "closed"),
    "SP4N_INFO": (5, "wd", "verified", None, "none"),
    "SP4N_ASPIRASI": (5, "wd", "verified", None, "none"),
    "SP4N_NON_PENGAWASAN": (14, "wd", "verified", None, "none"),
    "SP4N_PENGAWASAN": (60, "wd", "complete", None, "none"),
    "UU25_TANGGAPAN": (14, "cd", "received", None, "none"),
    "UU25_LENGKAPI": (30, "cd", "asked", None, "withdrawn"),
    "UU25_PUTUSAN": (60, "cd", "complete", None, "none"),
    "HAM_ADMIN": (5, "wd", "received", None, "none"),
    "HAM_LENGKAPI": (10, "wd", "asked", None, "withdrawn"),
    "HAM_SUBSTANSI": (5, "wd", "verified", None, "none"),
    "ULP_PAS": (14, "wd", "received", 14, "none"),
    "WBS_PERIKSA": (14, "cd", "received", None, "none"),
    "PPID_JAWAB": (10, "wd", "received", 7, "none"),
    "PPID_KEBERATAN": (30, "wd", "received", None, "none"),
    "PDP_INSIDEN": (72, "h", "received", None, "none"),
    "REROUTE_PENDING": (1, "h", "rerouting", None, "none"),
}
# Who hears last of a matter that stays overdue.
ESCALATES_TO = {
    "LAPOR_VERIFIKASI": "admin_instansi",
    "LAPOR_TINDAK_LANJUT": "admin_instansi",
    "SP4N_INFO": "admin_instansi",
    "SP4N_NON_PENGAWASAN": "admin_instansi",
    "SP4N_PENGAWASAN": "inspectorate",
    "UU25_TANGGAPAN": "admin_instansi",
    "UU25_PUTUSAN": "inspectorate",
    "HAM_ADMIN": "ham",
    "HAM_SUBSTANSI": "ham",
    "ULP_PAS": "pemasyarakatan",
    "WBS_PERIKSA": "inspectorate",
    "PPID_JAWAB": "setjen",
    "PPID_KEBERATAN": "setjen",
    "PDP_INSIDEN": "setjen",
}
# Which clocks run for a matter of this kind; the others of the table must not.
OF_A_CASE: dict[tuple[tuple[str, Any], ...], set[str]] = {
    (("service", "sp4n"), ("class_", "informasi")): {"SP4N_INFO"},
    (("service", "sp4n"), ("class_", "aspirasi")): {"SP4N_ASPIRASI"},
    (("service", "sp4n"), ("class_", "pengaduan")): {"SP4N_NON_PENGAWASAN", "UU25_TANGGAPAN", "UU25_PUTUSAN"},
    (("service", "sp4n"), ("class_", "pengaduan_pengawasan")): {"SP4N_PENGAWASAN", "UU25_TANGGAPAN", "UU25_PUTUSAN"},
    (("service", "yankomas"), ("class_", None)): {"HAM_ADMIN", "HAM_SUBSTANSI"},
    (("service", "ulp"), ("class_", None)): {"ULP_PAS"},
    (("service", "wbs"), ("class_", None)): {"WBS_PERIKSA"},
    (("service", "ppid_permohonan"), ("class_", "informasi")): {"PPID_JAWAB"},
    (("service", "ppid_keberatan"), ("class_", None)): {"PPID_KEBERATAN"},
}
ALWAYS = {"LAPOR_VERIFIKASI", "TRIASE", "USUL_ALIH", "REROUTE_PENDING", "LAPOR_TANGGAPAN_PELAPOR"}


def subject(**known: Any) -> Subject:
    defaults: dict[str, Any] = {"received_on": DAY, "source": "loket", "service": "sp4n", "class_": None, "channel": None, "category": None}
    return Subject(**{**defaults, "is_oversight": False, **known})


@pytest.mark.parametrize("code", PERIODS)
def test_each_clock_has_the_period_of_its_rule(code: str) -> None:
    rows = [row for row in ROWS if row.code == code]
    amount, unit, starts, extension, at_expiry = PERIODS[code]
    assert {(row.amount, row.unit, row.extension) for row in rows} == {(amount, unit, extension)}
    assert all(starts in row.starts for row in rows)
    assert at_expiry in {row.at_expiry for row in rows}
    for row in rows:
        if row.at_expiry != at_expiry:
            assert row.applies.sources == ("lapor",), "LAPOR! itself closes; the closing arrives as a change"


@pytest.mark.parametrize("code", ESCALATES_TO)
def test_what_stays_overdue_goes_up_to_whom_the_rule_names(code: str) -> None:
    for row in (row for row in ROWS if row.code == code):
        assert ESCALATES_TO[code] in {name for level in row.levels if level.level > 0 for name in level.to}


@pytest.mark.parametrize("kind", OF_A_CASE)
def test_a_case_has_the_clocks_of_its_service_and_class_and_no_others(kind: tuple[tuple[str, Any], ...]) -> None:
    codes = {row.code for row in load_policies().of_case(subject(**dict(kind)))}
    lengkapi = "HAM_LENGKAPI" if dict(kind)["service"] == "yankomas" else "UU25_LENGKAPI"
    assert codes == OF_A_CASE[kind] | ALWAYS | {lengkapi}


def test_a_breach_of_personal_data_runs_seventy_two_hours_whatever_else_runs() -> None:
    kept = assigned(category="insiden_pdp")
    assert clock(kept, "PDP_INSIDEN").due_at == MONDAY + timedelta(hours=72)


def test_every_row_says_what_it_rests_on_and_every_period_without_a_text_that_it_is_a_setting() -> None:
    assert all(len(row.basis) > 30 for row in ROWS)
    settled = {row.code for row in ROWS if row.is_setting}
    unverified = {"SP4N_ASPIRASI", "UU25_TANGGAPAN", "UU25_LENGKAPI", "UU25_PUTUSAN", "WBS_PERIKSA", "LAPOR_TANGGAPAN_PELAPOR", "TRIASE"}
    assert settled >= unverified
    assert not settled & {"LAPOR_VERIFIKASI", "LAPOR_TINDAK_LANJUT", "SP4N_NON_PENGAWASAN", "PPID_JAWAB", "PDP_INSIDEN"}


def test_only_a_persons_verification_stops_the_clock_of_verification() -> None:
    (row,) = (row for row in ROWS if row.code == "LAPOR_VERIFIKASI")
    assert "assigned" not in row.stops and "verified" in row.stops


def test_following_up_stops_the_first_follow_up_and_not_the_answer() -> None:
    for row in ROWS:
        assert ("followed_up" in row.stops) is False or row.family != "finish"


# --- broken files


def broken(code: str, old: str, new: str) -> str:
    """The file with one thing changed in the row of this code (in the head of the file where it is empty)."""
    start = TEXT.index(f'code = "{code}"') if code else 0
    at = TEXT.index(old, start)
    assert not code or "[[clocks]]" not in TEXT[start:at], "within the row"
    return TEXT[:at] + new + TEXT[at + len(old) :]


@pytest.mark.parametrize(
    ("code", "old", "new", "words"),
    [
        ("LAPOR_VERIFIKASI", "level = 2,", "level = 1,", "levels must rise"),
        ("LAPOR_VERIFIKASI", "after = 3,", "after = 1,", "so must their periods"),
        ("UU25_LENGKAPI", "after = 0", "after = 1", "must have the same sign"),
        ("SP4N_ASPIRASI", "level = 0", "level = 1", "must have the same sign"),
        ("LAPOR_VERIFIKASI", 'kind = "reminder"', 'kind = "due"', "reminders, and nothing else, come before the deadline"),
        ("LAPOR_VERIFIKASI", 'kind = "overdue"', 'kind = "reminder"', "reminders, and nothing else, come before the deadline"),
        ("LAPOR_VERIFIKASI", "after = -1,", "after = -3,", "does not fit into a period of 3"),
        ("LAPOR_VERIFIKASI", 'stops = ["verified"', 'stops = ["received", "verified"', "what starts a clock cannot stop it"),
        ("SP4N_ASPIRASI", 'levels = [{ level = 0, kind = "due", after = 0, to = ["unit"] }]', "levels = []", "the clock would be silent"),
        ("LAPOR_VERIFIKASI", "amount = 3", "amount = 3\nvalid_from = 2026-02-01\nvalid_until = 2026-01-31", "valid_until lies before"),
        ("LAPOR_VERIFIKASI", "amount = 3", "amount = 0", "amount"),
        ("LAPOR_VERIFIKASI", "amount = 3", "", "amount"),
        ("LAPOR_VERIFIKASI", 'unit = "wd"', 'unit = "weeks"', "unit"),
        ("LAPOR_VERIFIKASI", 'starts = ["received"]', 'starts = ["recieved"]', "starts"),
        ("LAPOR_VERIFIKASI", 'starts = ["received"]', "starts = []", "starts"),
        ("LAPOR_VERIFIKASI", 'stops = ["verified", "answered", "ended"]', "stops = []", "stops"),
        ("LAPOR_VERIFIKASI", 'to = ["triage"]', 'to = ["nobody"]', "to"),
        ("LAPOR_VERIFIKASI", 'to = ["triage"]', "to = []", "to"),
        ("LAPOR_VERIFIKASI", 'kind = "overdue"', 'kind = "late"', "kind"),
        ("LAPOR_VERIFIKASI", "amount = 3", "amount = 3\nremind = 1", "remind"),
        ("LAPOR_VERIFIKASI", "amount = 3", 'amount = 3\nat_expiry = "deleted"', "at_expiry"),
        ("PPID_JAWAB", "extension = 7", "extension = 0", "extension"),
        ("HAM_LENGKAPI", 'starts = ["asked"]', 'starts = ["received"]', "only the question one that withdraws it"),
        ("LAPOR_VERIFIKASI", "amount = 3", 'amount = 3\nat_expiry = "closed"', "only the answer starts a clock that closes a case"),
        ("SP4N_INFO", 'classes = ["informasi"]', 'classes = ["keluhan"]', "classes"),
        ("PPID_JAWAB", 'services = ["ppid_permohonan"]', 'services = ["ppid"]', "services"),
        ("LAPOR_VERIFIKASI", 'runs_on = "case"', 'runs_on = "unit"', "runs_on"),
    ],
)
def test_a_broken_row_is_refused_by_the_name_of_its_clock(code: str, old: str, new: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        read_policies(broken(code, old, new))
    assert code in str(refused.value)


@pytest.mark.parametrize("version", ["1", "2026-11", "v2026-11-22", "2026-11-22.x"])
def test_a_version_that_cannot_be_compared_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="version is a day"):
        read_policies(re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', TEXT))


def test_a_file_that_is_no_toml_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1"):
        read_policies("[[clocks]\n")


MISSING = [
    ("LAPOR_VERIFIKASI", "verification of a report"),
    ("TRIASE", "a case at the triage desk"),
    ("USUL_ALIH", "a transfer that waits for a yes"),
    ("REROUTE_PENDING", "a request for another decision"),
    ("UU25_LENGKAPI", "a reporter who was asked for more"),
    ("LAPOR_TANGGAPAN_PELAPOR", "the reporter's time to reply"),
    ("TERIMA_PENUGASAN", "the delivery of an assignment"),
    ("SP4N_INFO", "the answer itself"),
    ("SP4N_ASPIRASI", "the answer itself"),
    ("SP4N_PENGAWASAN", "the answer itself"),
    ("PPID_JAWAB", "the answer itself"),
    ("PPID_KEBERATAN", "the answer itself"),
    ("LAPOR_TINDAK_LANJUT", "a first follow-up"),
]


@pytest.mark.parametrize(("code", "what"), MISSING)
def test_a_matter_that_no_clock_would_watch_is_a_loud_error_and_never_no_deadline(code: str, what: str) -> None:
    rows = [row.model_dump() for row in ROWS if row.code != code]
    with pytest.raises(ValueError, match="no policy for") as refused:
        Policies.model_validate({"version": "2026-11-22", "clocks": rows})
    assert what in str(refused.value)


def test_a_gap_between_two_regulations_is_a_loud_error_too() -> None:
    with pytest.raises(ValueError, match="no policy for verification of a report"):
        dated(valid_until=date(2026, 6, 30), then_from=date(2026, 7, 2))


# --- days of receipt


def dated(*, valid_until: date, then_from: date) -> Policies:
    """A new regulation gives verification 5 working days instead of 3, for what is received from a day on."""
    rows = [row.model_dump() for row in ROWS]
    (old,) = (row for row in rows if row["code"] == "LAPOR_VERIFIKASI")
    rows.append(old | {"amount": 5, "valid_from": then_from})
    old["valid_until"] = valid_until
    return Policies.model_validate({"version": "2026-12-01", "clocks": rows})


@pytest.mark.parametrize(
    ("reported_at", "province", "amount"),
    [
        ("2026-07-06T16:59:59Z", None, 3),
        ("2026-07-06T17:00:00Z", None, 5),  # the 7th in Jakarta
        ("2026-07-06T14:59:59Z", "Papua", 3),
        ("2026-07-06T15:00:00Z", "Papua", 5),  # the 7th in Jayapura, still the 6th in Jakarta
    ],
)
def test_a_regulation_counts_for_what_is_received_while_it_is_valid_on_the_clock_of_the_place(
    reported_at: str, province: str | None, amount: int
) -> None:
    policies = dated(valid_until=DAY, then_from=DAY + timedelta(days=1))
    kept = KeptCase(CASE_ID, clockwork(policies))
    report = received(CASE_ID, reported_at=reported_at, location={"province": province})
    kept.tell(report)
    (found,) = clocks(kept, "LAPOR_VERIFIKASI")
    place = kept.clockwork.place(None, province)[0]
    assert found.due_at == kept.clockwork.calendar.due_at(report.reported_at, amount, place)


def test_a_matter_keeps_the_regulation_of_its_receipt_whatever_happens_later() -> None:
    policies = dated(valid_until=DAY, then_from=DAY + timedelta(days=1))
    assert [row.amount for row in policies.of_case(subject(received_on=DAY)) if row.code == "LAPOR_VERIFIKASI"] == [3]
    assert [row.amount for row in policies.of_case(subject(received_on=DAY + timedelta(days=1))) if row.code == "LAPOR_VERIFIKASI"] == [5]


def test_of_two_rows_of_one_code_the_first_that_applies_counts() -> None:
    found = {
        source: [row.at_expiry for row in load_policies().of_case(subject(source=source)) if row.code == "LAPOR_TANGGAPAN_PELAPOR"]
        for source in ("lapor", "loket")
    }
    assert found == {"lapor": ["none"], "loket": ["closed"]}


def test_rows_that_name_channels_units_or_oversight_apply_to_these_alone() -> None:
    rows = [row.model_dump() for row in ROWS]
    (first,) = (row for row in rows if row["code"] == "TERIMA_PENUGASAN")
    extra = [
        first | {"code": "ONLY_WEB", "applies": {"channels": ["web"]}},
        first | {"code": "ONLY_AHU", "applies": {"units": ["ahu"]}},
        first | {"code": "ONLY_OVERSIGHT", "applies": {"is_oversight": True}},
        first | {"code": "ONLY_PAPER", "applies": {"categories": ["surat"]}},
    ]
    policies = Policies.model_validate({"version": "2026-11-22", "clocks": [*rows, *extra]})

    def only(**known: Any) -> set[str]:
        return {row.code for row in policies.of_assignment(subject(**({"unit": "imigrasi"} | known))) if row.code.startswith("ONLY")}

    assert only() == set()
    assert only(channel="web") == {"ONLY_WEB"}
    assert only(unit="ahu") == {"ONLY_AHU"}
    assert only(is_oversight=True, category="surat") == {"ONLY_OVERSIGHT", "ONLY_PAPER"}


def test_the_packaged_file_is_read_whole_and_its_version_is_a_day() -> None:
    assert TEXT.count("[[clocks]]") == len(ROWS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d(\.\d+)?", load_policies().version)
    assert other_policies("2026-12-01", LAPOR_VERIFIKASI={"amount": 4}).version > load_policies().version
