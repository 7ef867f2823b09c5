"""What of an oversight case each reader is shown: the inspectorate all of it, an office its own part, a source how it stands."""

from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.answers import KnownAnswer
from services.intake.readers import ALL, deadlines_of, own_reader
from services.intake.speakers import Speaker, parse_role
from services.intake.views import case_view, may_read
from shared.events import AssignmentState, CaseStatus

AT = "2026-07-13T01:20:00Z"
OFFICE, ITJEN = UUID(int=1), UUID(int=2)
CASE = {"id": UUID(int=7), "source": "lapor", "source_ref": "5049672"}
SECRET = "petugas loket minta uang"


def part(id_: UUID, unit: str, desk: str | None, state: str = "assigned") -> dict[str, Any]:
    return {"id": str(id_), "unit": unit, "desk": desk, "state": state, "since": AT, "part": f"{id_.int}/0", "due_at": None}


def ticking(code: str, assignment: UUID | None, unit: str | None) -> dict[str, Any]:
    owner = str(assignment) if assignment else None
    return {"code": code, "unit": unit, "due_at": AT, "state": "running", "assignment_id": owner, "occurrence": 1, "is_provisional": False}


def entry(what: str, by: str | None) -> dict[str, Any]:
    return {"at": AT, "what": what, "by": by}


def status(**fields: Any) -> dict[str, Any]:
    return {
        "complaint_id": str(CASE["id"]), "source": "lapor", "source_ref": None, "state": "accepted", "class": "pengaduan",
        "reported_at": AT, "sequence": 9, "is_oversight": True,
        "assignments": [part(OFFICE, "imigrasi", "kanim:kupang"), part(ITJEN, "itjen", None, "accepted")],
        "clocks": [
            ticking("SP4N_PENGAWASAN", None, None),
            ticking("LAPOR_TINDAK_LANJUT", OFFICE, "imigrasi"),
            ticking("TERIMA", ITJEN, "itjen"),
        ],
        "answers": [
            {"id": str(UUID(int=11)), "unit": "imigrasi", "at": AT, "outcome": "selesai"},
            {"id": str(UUID(int=12)), "unit": "itjen", "at": AT, "outcome": "terbukti"},
            {"id": None, "unit": "itjen", "at": AT, "outcome": None},
        ],
        "timeline": [
            entry("received", "source:lapor"),
            entry("assigned to kanim:kupang", "router"),
            entry("accepted by imigrasi", "desk:kanim:kupang"),
            entry(f"returned by imigrasi, suggests itjen: {SECRET}", "unit:imigrasi"),
            entry(f"ordered to itjen in place of 0/0: {SECRET}", "triage"),
            entry(f"ordered to ham in place of 0/0: {SECRET}", "triage"),
            entry("assigned to itjen", "human"),
            entry("assigned to kanwil:aceh", "router"),
            entry(f"the unmasked report was shown to kanim:kupang: {SECRET}", "desk:kanim:kupang"),
            entry(f"closed by ham: {SECRET}: refused, the assignment is replaced: {SECRET}", "unit:ham"),
            entry("answered by itjen in 00000000-0000-0000-0000-000000000009", "unit:itjen"),
            entry(f"edited by source (status: {SECRET}: x)", "source:lapor"),
            entry(f"deadline of SP4N_PENGAWASAN changed: {SECRET}", "notifier"),
            entry("overdue LAPOR_TINDAK_LANJUT", "notifier"),
        ],
    } | fields  # fmt: skip


def answer(id_: int, unit: str, desk: str | None) -> KnownAnswer:
    at = datetime(2026, 7, 13, tzinfo=UTC)
    return KnownAnswer(
        UUID(int=id_), UUID(int=1), unit, desk, f"unit:{unit}", at, False, True, f"Jawaban {unit}.", "[]", "Petugas", "Pejabat"
    )


KNOWN = (answer(11, "imigrasi", "kanim:kupang"), answer(12, "itjen", None))


def seen(role: str, **fields: Any) -> dict[str, Any]:
    return case_view(CASE, status(**fields), KNOWN, parse_role(role))


@pytest.mark.parametrize("role", ["unit:itjen", "triage", "admin", "auditor"])
def test_the_inspectorate_and_those_who_watch_the_whole_are_shown_all_of_it(role: str) -> None:
    view = seen(role)
    told = status()
    assert {name: view[name] for name in ("class", "assignments", "clocks", "timeline")} == {
        name: told[name] for name in ("class", "assignments", "clocks", "timeline")
    }
    assert [item.get("text") for item in view["answers"]] == ["Jawaban imigrasi.", "Jawaban itjen.", None]


@pytest.mark.parametrize("role", ["unit:imigrasi", "desk:kanim:kupang"])
def test_an_office_with_a_part_is_shown_that_part_and_nothing_of_what_it_is_about(role: str) -> None:
    view = seen(role)
    assert view["class"] is None
    assert [item["id"] for item in view["assignments"]] == [str(OFFICE)]
    assert [item["code"] for item in view["clocks"]] == ["LAPOR_TINDAK_LANJUT"]
    assert [item["text"] for item in view["answers"]] == ["Jawaban imigrasi."]
    own = ["received", "assigned to kanim:kupang", "accepted by imigrasi"]
    own += [f"returned by imigrasi, suggests itjen: {SECRET}"] if role.startswith("unit:") else []  # its own words
    own += [f"the unmasked report was shown to kanim:kupang: {SECRET}"]
    assert [item["what"] for item in view["timeline"]] == own
    others = str({name: value for name, value in view.items() if name != "timeline"})
    assert "itjen" not in others
    assert "PENGAWASAN" not in others


def test_an_answer_that_a_unit_gave_by_kafka_is_its_own_and_no_desk_s() -> None:
    told = [{"id": None, "unit": "imigrasi", "at": AT, "outcome": "selesai"}]
    assert seen("unit:imigrasi", answers=told)["answers"] == told
    assert seen("desk:kanim:kupang", answers=told)["answers"] == []


def test_what_an_office_was_refused_it_is_told_without_the_reason_that_lies_in_the_case() -> None:
    lines = [entry(f"closed by imigrasi: {mark}, {SECRET}", "unit:imigrasi") for mark in ("refused", "noted only", "counts no longer")]
    found = [item["what"] for item in seen("unit:imigrasi", timeline=lines)["timeline"]]
    assert found == ["closed by imigrasi: refused", "closed by imigrasi: noted only", "closed by imigrasi: counts no longer"]


def test_a_source_is_shown_how_its_report_stands_without_reasons_and_without_the_offices() -> None:
    view = seen("source:lapor", **{"class": "pengaduan_pengawasan"})
    assert (view["state"], view["class"]) == ("accepted", "pengaduan_pengawasan")
    assert [item["unit"] for item in view["assignments"]] == ["itjen"]
    assert [(item["code"], item["unit"]) for item in view["clocks"]] == [
        ("SP4N_PENGAWASAN", None), ("LAPOR_TINDAK_LANJUT", None), ("TERIMA", "itjen")
    ]  # fmt: skip
    assert [(item["unit"], item.get("text")) for item in view["answers"]] == [
        (None, "Jawaban imigrasi."), ("itjen", "Jawaban itjen."), ("itjen", None)
    ]  # fmt: skip
    assert [(item["what"], item["by"]) for item in view["timeline"]] == [
        ("received", "source:lapor"),
        ("assigned", "router"),
        ("accepted", None),
        ("returned, suggests itjen", None),
        ("ordered to itjen in place of 0/0", "triage"),
        ("ordered in place of 0/0", "triage"),
        ("assigned to itjen", "human"),
        ("assigned", "router"),
        ("the unmasked report was shown", None),
        ("closed: refused", None),
        ("answered by itjen in 00000000-0000-0000-0000-000000000009", "unit:itjen"),
        ("edited by source", "source:lapor"),
        ("deadline of SP4N_PENGAWASAN changed", "notifier"),
        ("overdue LAPOR_TINDAK_LANJUT", "notifier"),
    ]
    for hidden in (SECRET, "kupang", "aceh", "ham"):
        assert hidden not in str(view["timeline"])


@pytest.mark.parametrize("role", ["unit:imigrasi", "desk:kanim:kupang", "source:lapor", "triage"])
def test_an_ordinary_case_is_shown_whole_to_each_of_its_readers(role: str) -> None:
    ordinary = {"is_oversight": False, "assignments": [part(OFFICE, "imigrasi", "kanim:kupang"), part(ITJEN, "ham", None)]}
    view = seen(role, **ordinary)
    told = status(**ordinary)
    assert {name: view[name] for name in ("class", "assignments", "clocks", "timeline")} == {
        name: told[name] for name in ("class", "assignments", "clocks", "timeline")
    }


parts = st.lists(
    st.tuples(
        st.sampled_from(["imigrasi", "ham", "itjen"]), st.sampled_from([None, "kanim:kupang"]), st.sampled_from(get_args(AssignmentState))
    ),
    max_size=4,
)
roles = st.sampled_from(["unit:imigrasi", "unit:ham", "unit:itjen", "desk:kanim:kupang", "triage", "admin", "auditor"]).map(parse_role)


@given(parts, st.booleans(), st.sampled_from(["pengaduan", "pengaduan_pengawasan", None]), roles)
def test_whoever_may_read_a_case_is_listed_with_it_and_nobody_else(
    items: list[tuple[str, str | None, str]], is_oversight: bool, class_: str | None, speaker: Speaker
) -> None:
    told = status(is_oversight=is_oversight, assignments=[part(UUID(int=n), *item) for n, item in enumerate(items)], **{"class": class_})
    listed = deadlines_of(CaseStatus.model_validate(told))
    assert may_read(speaker, [], told) == (own_reader(speaker) in listed)
    assert ALL in listed
    if may_read(speaker, [], told) and speaker.subject is not None:
        shown = case_view(CASE, told, (), speaker)
        assert any(item[speaker.role] == speaker.subject for item in shown["assignments"]), "it is shown at least what it has"
