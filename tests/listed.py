"""Cases as the notifier tells intake of them, without a broker: statuses with few words, applied to the read model."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from services.intake.read_model import apply_statuses
from shared.events import AssignmentStatus, CaseStatus, ClockStatus
from tests.door import Door
from tests.facts import MONDAY


def given_to(addressee: str, state: str = "assigned") -> AssignmentStatus:
    """`unit` or `unit/desk`."""
    unit, _, desk = addressee.partition("/")
    return AssignmentStatus.model_validate({"id": uuid4(), "unit": unit, "desk": desk or None, "state": state, "since": MONDAY})


def clock(due_at: datetime, assignment: AssignmentStatus | None = None, state: str = "running") -> ClockStatus:
    """Of the assignment, or of the whole case."""
    own = {} if assignment is None else {"assignment_id": assignment.id, "unit": assignment.unit}
    return ClockStatus.model_validate({"code": "LAPOR_TINDAK_LANJUT", "due_at": due_at, "state": state} | own)


def case(
    complaint_id: str,
    state: str = "assigned",
    assignments: Sequence[AssignmentStatus] = (),
    clocks: Sequence[ClockStatus] = (),
    sequence: int = 1,
    **fields: Any,
) -> CaseStatus:
    return CaseStatus(
        complaint_id=UUID(complaint_id),
        source="lapor",
        source_ref=None,
        state=state,
        reported_at=MONDAY,
        assignments=tuple(assignments),
        clocks=tuple(clocks),
        sequence=sequence,
        **fields,
    )  # fmt: skip


async def tell(door: Door, *statuses: CaseStatus) -> None:
    """As one batch."""
    await apply_statuses(door.app.state.pool, statuses)


async def asked(door: Door, path: str, role: str | None = None, **query: Any) -> dict[str, Any]:
    """The answer's body, which must be a 200; parameters that are None are left out."""
    given = {name: value for name, value in query.items() if value is not None}
    response = await door.http.get(path, params=given, headers=await door.headers(role))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def ids(door: Door, path: str, role: str | None = None, **query: Any) -> list[str]:
    return [item["id"] for item in (await asked(door, path, role, **query))["items"]]
