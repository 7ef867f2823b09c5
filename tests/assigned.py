"""Cases as the notifier would tell of them, put where intake reads them; and what units, desks and people say of them by HTTP."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from shared.events import AnswerStatus, AssignmentStatus, CaseStatus
from tests.door import Door
from tests.world import World

SINCE = datetime(2026, 7, 13, 1, 0, tzinfo=UTC)


def assignment(unit: str = "imigrasi", desk: str | None = None, state: str = "assigned", part: str = "0/0") -> AssignmentStatus:
    fields = {"id": uuid4(), "unit": unit, "desk": desk, "state": state, "since": SINCE, "part": part}
    return AssignmentStatus.model_validate(fields)


async def tell(
    door: Door | World, complaint_id: str, *assignments: AssignmentStatus, answers: tuple[AnswerStatus, ...] = (), **fields: Any
) -> None:
    """The notifier's last word on a case."""
    status = CaseStatus.model_validate(
        {"complaint_id": complaint_id, "source": "lapor", "source_ref": None, "state": "assigned", "reported_at": SINCE, "sequence": 1}
        | {"assignments": assignments, "answers": answers}
        | fields
    )
    world = door if isinstance(door, World) else door.world
    await world.db.execute(
        """
        INSERT INTO intake.cases (complaint_id, sequence, state, status) VALUES ($1, 1, $2, $3)
        ON CONFLICT (complaint_id) DO UPDATE SET state = excluded.state, status = excluded.status
        """,
        UUID(complaint_id),
        status.state,
        status.to_json().decode(),
    )


async def given(door: Door, *assignments: AssignmentStatus, **fields: Any) -> str:
    """A new complaint with these assignments."""
    complaint_id = str((await door.accepted())["id"])
    await tell(door, complaint_id, *assignments, **fields)
    return complaint_id


async def say(door: Door, what: str, complaint_id: str, body: Any, role: str) -> httpx.Response:
    """`what` is `updates`, `decisions` or `disclosures`."""
    return await door.http.post(f"/v1/complaints/{complaint_id}/{what}", json=body, headers=await door.headers(role))
