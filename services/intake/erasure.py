"""Takes the words, and who reported, out of what intake keeps of a complaint. SQL; an operator's, the caller commits.

Its ids, dates, classes and references stay: by them a report that comes in again is known, and not taken for a new one.
"""

from datetime import datetime
from uuid import UUID

from shared.erased import ERASED, erased_json
from shared.postgres import Connection

# Tables with a request as JSON, by what a row of them is known.
_REQUESTS = (
    ("intake.reports", "original", ("complaint_id", "number")),
    ("intake.changes", "original", ("by", "change_id")),
    ("intake.speech", "original", ("writer", "said_id")),
    ("intake.known_rows", "fields", ("source", "source_ref")),
)
# A hash of a request is a guess at who sent it, confirmed: without it a repeat is refused as another body.
_HASHED = ("intake.identities", "intake.changes", "intake.speech")


async def lock_complaint(connection: Connection, complaint_id: UUID) -> bool:
    """Before anything is read; the read model's row first, as whoever writes a status does. False where there is no such complaint."""
    await connection.execute("SELECT FROM intake.cases WHERE complaint_id = $1 FOR UPDATE", complaint_id)
    return await connection.fetchval("SELECT true FROM intake.complaints WHERE id = $1 FOR UPDATE", complaint_id) is not None


async def erase_requests(connection: Connection, complaint_id: UUID, at: datetime) -> dict[str, int]:
    """Of a locked complaint; returns how many rows had words, by table. A second time there are none."""
    removed: dict[str, int] = {}
    for table, column, key in _REQUESTS:
        rows = await connection.fetch(f"SELECT {', '.join(key)}, {column} AS said FROM {table} WHERE complaint_id = $1", complaint_id)  # noqa: S608 - our own names
        changed = [(*(row[name] for name in key), new) for row in rows if (new := erased_json(row["said"]).decode()) != row["said"]]
        await connection.executemany(f"UPDATE {table} SET {column} = $3 WHERE {key[0]} = $1 AND {key[1]} = $2", changed)  # noqa: S608
        removed[table] = len(changed)
    for table in _HASHED:
        # Counted with the words where there were some; a name that is known by its hash alone is one of its own.
        hashed = await connection.fetchval(
            f"WITH done AS (UPDATE {table} SET request_sha = '' WHERE complaint_id = $1 AND request_sha <> '' RETURNING 1)"  # noqa: S608
            " SELECT count(*) FROM done",
            complaint_id,
        )
        removed[table] = max(removed.get(table, 0), hashed)
    removed |= await _erase_said(connection, complaint_id)
    received = await connection.fetchval("SELECT received FROM intake.complaints WHERE id = $1", complaint_id)
    if (kept := erased_json(received)) != received:
        await connection.execute("UPDATE intake.complaints SET received = $2 WHERE id = $1", complaint_id, kept)
        removed["intake.complaints"] = 1
    if any(removed.values()):
        await connection.execute("UPDATE intake.complaints SET erased_at = $2 WHERE id = $1", complaint_id, at)
    return removed


async def _erase_said(connection: Connection, complaint_id: UUID) -> dict[str, int]:
    removed = {}
    for table, statement in {
        "intake.answers": """
            UPDATE intake.answers SET text = $2, attachments = '[]', drafted_by = NULL, approved_by = NULL WHERE complaint_id = $1
            AND (text <> $2 OR attachments <> '[]' OR drafted_by IS NOT NULL OR approved_by IS NOT NULL)
        """,
        "intake.disclosures": "UPDATE intake.disclosures SET purpose = $2 WHERE complaint_id = $1 AND purpose <> $2",
        # A source's own key may be anything, and nobody repeats a request after that time.
        "intake.idempotency_keys": "DELETE FROM intake.identities WHERE complaint_id = $1 AND kind = 'key' AND value <> $2",
    }.items():
        done = await connection.execute(statement, complaint_id, ERASED)
        removed[table] = int(done.rpartition(" ")[2])
    return removed


async def is_erased(connection: Connection, complaint_id: UUID) -> bool:
    return await connection.fetchval("SELECT erased_at IS NOT NULL FROM intake.complaints WHERE id = $1", complaint_id) is True
