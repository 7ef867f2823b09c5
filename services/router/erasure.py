"""Takes the words out of what the decision log keeps of a complaint. SQL; an operator's, the caller commits.

Where it went, when, by which rules and how sure stays: the log says the same events again, without the words.
"""

from datetime import datetime
from uuid import UUID

from services.router.decision import Decision
from shared.erased import ERASED, erased_json
from shared.events import Reason
from shared.postgres import Connection

# What speaks of rules and offices; the other reasons quote the report or a person.
_KEPT = ("rule", "office")


async def erase_decisions(connection: Connection, complaint_id: UUID, at: datetime) -> dict[str, int]:
    """Returns how many rows had words, by table. A second time there are none."""
    rows = await connection.fetch(
        "SELECT causing_id, report, taken FROM router.decisions WHERE complaint_id = $1 ORDER BY decision FOR UPDATE", complaint_id
    )
    found = [(row["causing_id"], erased_json(row["report"]), erased_decision(row["taken"])) for row in rows]
    changed = [new for row, new in zip(rows, found, strict=True) if (row["report"], row["taken"]) != new[1:]]
    await connection.executemany(
        "UPDATE router.decisions SET report = $2, taken = $3, erased_at = $4 WHERE causing_id = $1", [(*new, at) for new in changed]
    )
    return {"router.decisions": len(changed)}


def erased_decision(taken: bytes) -> bytes:
    decision = Decision.from_json(taken)
    reasons = tuple(map(_erased_reason, decision.reasons))
    return taken if reasons == decision.reasons else decision.model_copy(update={"reasons": reasons}).to_json()


def _erased_reason(reason: Reason) -> Reason:
    return reason if reason.kind in _KEPT else reason.model_copy(update={"value": ERASED})
