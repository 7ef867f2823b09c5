"""Applies `complaints.status` to the read model: the greatest sequence of each case wins, whatever the order."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import ValidationError

from services.intake.listing_store import NewStatus, record_statuses
from services.intake.readers import deadlines_of
from shared.broker import Subscription
from shared.errors import Dead, where
from shared.events import CaseStatus
from shared.postgres import Pool, transaction
from shared.records import Record
from shared.topics import Topics


def read_status(record: Record) -> CaseStatus:
    """Raises `Dead` for what is no status."""
    try:
        return CaseStatus.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise Dead("not_our_schema", where(error)) from None


def status_subscription(pool: Pool, topics: Topics) -> Subscription[CaseStatus]:
    async def apply(batch: Sequence[tuple[Record, CaseStatus]]) -> None:
        await apply_statuses(pool, [status for _, status in batch])

    return Subscription(purpose="status", topics=(topics.status,), read=read_status, apply=apply)


async def apply_statuses(pool: Pool, statuses: Sequence[CaseStatus]) -> None:
    """In one transaction; applying them again, or older ones later, changes nothing."""
    newest: dict[UUID, CaseStatus] = {}
    for status in statuses:
        known = newest.get(status.complaint_id)
        if known is None or known.sequence < status.sequence:
            newest[status.complaint_id] = status
    async with transaction(pool) as connection:
        # Written anew: the record itself may leave out what has a default.
        await record_statuses(
            connection,
            [
                NewStatus(status.complaint_id, status.sequence, status.state, status.to_json().decode(), deadlines_of(status))
                for status in newest.values()
            ],
        )
