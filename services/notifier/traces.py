"""Keeps the trace in which a complaint became known, and finds it again when a clock speaks of it. Nothing where no traces are wanted."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared import tracing
from shared.postgres import Connection

_IS_SENT = "-01"  # a trace that was left out of the sample is nowhere to be looked up


async def keep_traces(connection: Connection, heard: Mapping[UUID, str | None]) -> None:
    """The first of a complaint stays."""
    known = {complaint_id: said for complaint_id, said in heard.items() if said is not None and said.endswith(_IS_SENT)}
    if tracing.is_on() and known:
        await connection.execute(
            "INSERT INTO traces (complaint_id, traceparent) SELECT * FROM unnest($1::uuid[], $2::text[]) ON CONFLICT DO NOTHING",
            list(known),
            list(known.values()),
        )


async def find_traces(connection: Connection, complaint_ids: Sequence[UUID]) -> dict[UUID, str | None]:
    """Of each of these the trace that began it, None where there is none; nothing at all where no traces are wanted."""
    if not tracing.is_on():
        return {}
    rows = await connection.fetch("SELECT complaint_id, traceparent FROM traces WHERE complaint_id = ANY ($1::uuid[])", complaint_ids)
    return dict.fromkeys(complaint_ids) | {row["complaint_id"]: row["traceparent"] for row in rows}
