"""Reads cases for the account and the ledger, their facts alone. SQL; it locks nothing and changes nothing."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import from_json

from services.notifier.case import Case
from services.notifier.facts import ADAPTER
from shared.postgres import Connection

_PAGE = 500


async def read_cases(connection: Connection, ids: Sequence[UUID]) -> list[Case]:
    """Those that are known, with their facts; what else a case has is left out."""
    cases: dict[UUID, Case] = {}
    for row in await connection.fetch(
        "SELECT complaint_id, kind, fact, data FROM timeline"
        " WHERE complaint_id = ANY ($1::uuid[]) AND (fact IS NOT NULL OR kind = 'refused') ORDER BY complaint_id, number",
        ids,
    ):
        case = cases.setdefault(row["complaint_id"], Case(row["complaint_id"]))
        if row["fact"] is not None:
            case.facts.append(ADAPTER.validate_json(row["fact"]))
        else:
            case.refused.add(from_json(row["data"])["refused"])
    return list(cases.values())


async def stream_cases(connection: Connection, start: datetime, end: datetime, page: int = _PAGE) -> AsyncIterator[Case]:
    """Cases reported in [start, end), and older ones that may have been open at the start; some hundred in memory at a time.

    Inside one transaction that sees one state of the database the whole is one moment's.
    """
    last = UUID(int=0)
    while True:
        rows = await connection.fetch(
            """
            SELECT id FROM cases
            WHERE id > $1 AND is_opened AND reported_at < $3 AND (
                reported_at >= $2 OR is_open
                OR EXISTS (SELECT 1 FROM timeline WHERE timeline.complaint_id = cases.id AND timeline.at >= $2)
            )
            ORDER BY id LIMIT $4
            """,
            last,
            start,
            end,
            page,
        )
        if not rows:
            return
        last = rows[-1]["id"]
        for case in await read_cases(connection, [row["id"] for row in rows]):
            yield case
