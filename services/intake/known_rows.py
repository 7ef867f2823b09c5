"""SQL of the rows that exports showed: what the next export is compared with. The caller commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.postgres import Connection


@dataclass(frozen=True, slots=True)
class KnownRow:
    """What an export last showed of a report, as the body of a submission in JSON. `exported_at` is None before any export."""

    complaint_id: UUID
    exported_at: datetime | None
    fields: str


async def find_known_row(connection: Connection, source: str, source_ref: str, *, is_whole: bool = False) -> KnownRow | None:
    """The last row imported, else the report as it came in by HTTP; None where the reference is unknown.

    `is_whole`: nor where the report came back masked from Kafka, whatever is known of its rows: it is to be made whole first.
    """
    row = await connection.fetchrow(
        """
        SELECT identities.complaint_id, exported_at, coalesce(fields, original) AS fields
        FROM identities
        JOIN reports ON reports.complaint_id = identities.complaint_id AND reports.number = identities.report
        LEFT JOIN known_rows ON known_rows.source = identities.source AND known_rows.source_ref = identities.value
        WHERE identities.kind = 'ref' AND identities.source = $1 AND identities.value = $2 AND NOT ($3 AND is_masked)
        """,
        source,
        source_ref,
        is_whole,
    )
    return KnownRow(**dict(row)) if row is not None else None


async def newest_exports(connection: Connection) -> dict[str, datetime]:
    """Of each source that ever imported, when the newest export was made that a row came from."""
    rows = await connection.fetch("SELECT source, max(exported_at) AS newest FROM known_rows GROUP BY source")
    return {row["source"]: row["newest"] for row in rows}


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """A row as an export showed it."""

    source: str
    source_ref: str
    complaint_id: UUID
    exported_at: datetime
    fields: str


async def record_known_rows(connection: Connection, rows: Sequence[ExportedRow]) -> None:
    """Keeps the newest export's row of each report."""
    await connection.execute(
        """
        INSERT INTO known_rows (source, source_ref, complaint_id, exported_at, fields)
        SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[])
        ON CONFLICT (source, source_ref) DO UPDATE SET exported_at = excluded.exported_at, fields = excluded.fields
        WHERE known_rows.exported_at < excluded.exported_at
        """,
        [row.source for row in rows],
        [row.source_ref for row in rows],
        [row.complaint_id for row in rows],
        [row.exported_at for row in rows],
        [row.fields for row in rows],
    )
