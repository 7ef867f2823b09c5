"""Who may say what of which assignment, whatever it is."""

from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.speakers import Speaker, parse_role
from services.intake.speech import LIVE, Update, check_merge, check_update, find_assignment, own_assignments
from services.intake.speech_events import update_event
from shared.events import AssignmentState, AssignmentStatus, CaseStatus, CaseUpdate, ComplaintChanged, UpdateStatus
from shared.problems import Problem

AT = datetime(2026, 7, 13, 1, 20, tzinfo=UTC)
COMPLAINT = UUID(int=1)
STATUSES: tuple[UpdateStatus, ...] = get_args(UpdateStatus)
ADMIN_ALSO = {"need_info", "resumed", "merged", "closed"}

assignments = st.builds(
    AssignmentStatus,
    id=st.uuids(),
    unit=st.sampled_from(["imigrasi", "ham", "itjen"]),
    desk=st.sampled_from([None, "kanim:kupang", "kanim:bali"]),
    state=st.sampled_from(get_args(AssignmentState)),
    since=st.just(AT),
    part=st.none(),
    due_at=st.none(),
)
speakers = st.sampled_from(["unit:imigrasi", "unit:ham", "desk:kanim:kupang", "source:imigrasi", "admin", "triage", "auditor"]).map(
    parse_role
)


def full(status: UpdateStatus) -> dict[str, Any]:
    """All that this status can need."""
    fields: dict[str, Any] = {"update_id": "1", "status": status, "reason": "sebab"}
    if status == "merged":
        fields["into"] = str(UUID(int=2))
    if status == "answered":
        fields["answer"] = {"text": "Sudah jadi.", "is_final": True, "approved_by": "Pejabat Penghubung"}
    return fields


def outcome(role: str, **fields: Any) -> int:
    """The status that a refusal has; 202 for none."""
    try:
        check_update(Update.model_validate(fields), role, COMPLAINT)
    except Problem as problem:
        return problem.status
    return 202


def refused(mine: list[AssignmentStatus], assignment_id: UUID | None) -> int:
    with pytest.raises(Problem) as caught:
        find_assignment(mine, assignment_id)
    return caught.value.status


@pytest.mark.parametrize("status", STATUSES)
def test_verifying_is_the_admin_s_and_the_work_is_the_unit_s(status: UpdateStatus) -> None:
    of_the_office = 403 if status == "verified" else 202
    assert (outcome("unit", **full(status)), outcome("desk", **full(status))) == (of_the_office, of_the_office)
    assert outcome("admin", **full(status)) == (202 if status == "verified" or status in ADMIN_ALSO else 403)


@given(st.lists(assignments, max_size=6, unique_by=lambda item: item.id), speakers)
def test_nobody_speaks_for_an_assignment_that_is_not_his(items: list[AssignmentStatus], speaker: Speaker) -> None:
    status = CaseStatus(
        complaint_id=COMPLAINT, source="lapor", source_ref=None, state="assigned", reported_at=AT, assignments=tuple(items), sequence=1
    )
    mine = own_assignments(speaker, status)
    for item in items:
        names = {f"unit:{item.unit}", f"desk:{item.desk}"}
        assert (item in mine) == (speaker.name in names)
        if item in mine and item.state in LIVE:
            assert find_assignment(mine, item.id) == item
        else:
            assert refused(mine, item.id) == 404


@given(st.lists(assignments, max_size=6, unique_by=lambda item: item.id))
def test_an_assignment_is_left_out_only_where_one_alone_is_open(items: list[AssignmentStatus]) -> None:
    live = [item for item in items if item.state in LIVE]
    if len(live) == 1:
        assert find_assignment(items, None) == live[0]
    else:
        assert refused(items, None) == (422 if live else 404)


def case_of(*items: tuple[str, AssignmentState], **fields: Any) -> CaseStatus:
    given = [
        AssignmentStatus(id=UUID(int=9 + n), unit=unit, desk="kanim:kupang", state=state, since=AT) for n, (unit, state) in enumerate(items)
    ]
    named = {"complaint_id": COMPLAINT, "source": "lapor", "source_ref": None, "state": "assigned", "reported_at": AT, "sequence": 1}
    return CaseStatus.model_validate(named | {"assignments": given} | fields)


LIVE_PART: tuple[str, AssignmentState] = ("imigrasi", "assigned")
ITJEN: tuple[str, AssignmentState] = ("itjen", "accepted")


@pytest.mark.parametrize(
    ("unit", "member", "lead", "status"),
    [
        ("imigrasi", case_of(LIVE_PART), case_of(("imigrasi", "answered")), 202),
        ("imigrasi", case_of(LIVE_PART, ("ham", "returned")), case_of(LIVE_PART, ("ham", "assigned")), 202),
        ("imigrasi", case_of(LIVE_PART, ("ham", "accepted")), case_of(LIVE_PART), 403),
        ("imigrasi", case_of(LIVE_PART), None, 422),
        ("imigrasi", case_of(LIVE_PART), case_of(("ham", "assigned")), 422),
        ("imigrasi", case_of(LIVE_PART), case_of(("imigrasi", "returned")), 422),
        ("imigrasi", case_of(LIVE_PART), case_of(("imigrasi", "closed"), is_oversight=True), 422),
        ("imigrasi", case_of(LIVE_PART, is_oversight=True), case_of(LIVE_PART), 403),
        ("imigrasi", case_of(LIVE_PART), case_of(LIVE_PART, is_oversight=True), 403),
        ("imigrasi", case_of(LIVE_PART), case_of(LIVE_PART, class_="pengaduan_pengawasan"), 403),
        ("imigrasi", case_of(LIVE_PART), case_of(LIVE_PART, ("itjen", "returned")), 403),
        ("itjen", case_of(ITJEN, is_oversight=True), case_of(ITJEN, is_oversight=True), 202),
        ("itjen", case_of(ITJEN), case_of(LIVE_PART), 422),
        ("itjen", case_of(ITJEN, LIVE_PART), case_of(ITJEN), 403),
    ],
)
@pytest.mark.parametrize("is_desk", [False, True])
def test_a_unit_merges_what_it_has_alone_into_what_it_has_too_and_oversight_is_the_inspectorate_s(
    unit: str, member: CaseStatus, lead: CaseStatus | None, status: int, is_desk: bool
) -> None:
    speaker = parse_role("desk:kanim:kupang" if is_desk else f"unit:{unit}")
    mine = next(item for item in member.assignments if item.unit == unit)
    if status == 202:
        check_merge(speaker, mine, member, lead)
        return
    with pytest.raises(Problem) as caught:
        check_merge(speaker, mine, member, lead)
    assert caught.value.status == status
    assert not {"itjen", "oversight", "inspectorate"} & set(caught.value.detail.split()), "it does not tell what it is about"


def test_before_the_notifier_said_anything_nothing_is_anybody_s() -> None:
    assert own_assignments(parse_role("unit:imigrasi"), None) == []


@pytest.mark.parametrize("status", STATUSES)
def test_what_is_told_reads_as_the_unit_s_own_update_would(status: UpdateStatus) -> None:
    update = Update.model_validate(full(status))
    mine = AssignmentStatus(id=UUID(int=3), unit="imigrasi", desk="kanim:kupang", state="accepted", since=AT)
    event: ComplaintChanged = update_event(
        update,
        mine,
        note=None,
        reason="[NAMA]",
        complaint_id=COMPLAINT,
        source="lapor",
        by="desk:kanim:kupang",
        answer_id=None,
        accepted_at=AT,
    )
    same = CaseUpdate.model_validate({"update_id": event.change_id, "complaint_id": event.complaint_id, "at": event.at} | event.fields)
    assert (same.status, same.assignment_id, same.unit, same.reason, same.into) == (status, mine.id, "imigrasi", "[NAMA]", update.into)
    assert "Pejabat" not in event.to_json().decode()
