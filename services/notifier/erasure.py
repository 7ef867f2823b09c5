"""Takes the words out of what the notifier keeps of a case, and out of what still waits to be sent. SQL; an operator's, the caller commits.

The timeline's lines stay, and their chain holds: what was written lies beside them.
"""

from datetime import datetime
from uuid import UUID

from pydantic_core import from_json, to_json

from services.notifier.facts import ADAPTER, text_of, without_text
from shared.erased import erased_json, without_words
from shared.events import TYPE_OF, CaseStatus
from shared.postgres import Connection

_STATUS = f"%{TYPE_OF[CaseStatus]}%"


async def erase_beside(connection: Connection, complaint_id: UUID, received: bytes) -> dict[str, int]:
    """Of a locked case all but its timeline; returns how many rows had words, by table.

    `received` is the report as it may stay: where none is kept yet it is put there, so that a repeat brings in no other.
    """
    removed = {"notifier.reports": await _erase_report(connection, complaint_id, received)}
    for table, key in (("notifier.parked", "id"), ("notifier.passed_on", "number")):
        rows = await connection.fetch(f"SELECT {key} AS key, fact FROM {table} WHERE complaint_id = $1", complaint_id)  # noqa: S608 - our own names
        changed = [(row["key"], new) for row in rows if (new := _erased_fact(row["fact"])) != row["fact"]]
        await connection.executemany(f"UPDATE {table} SET fact = $2 WHERE {key} = $1", changed)  # noqa: S608
        removed[table] = len(changed)
    for schema in ("intake", "notifier"):
        for table in (f"{schema}.outbox", f"{schema}.outbox_failed"):
            # Locked: what the relay is sending now is gone when it lets go.
            statement = f"SELECT id, value FROM {table} WHERE key = $1 AND headers NOT LIKE $2 ORDER BY id FOR UPDATE"  # noqa: S608
            waiting = await connection.fetch(statement, complaint_id.bytes, _STATUS)
            unsaid = [(row["id"], value) for row in waiting if (value := erased_json(row["value"])) != row["value"]]
            await connection.executemany(f"UPDATE {table} SET value = $2 WHERE id = $1", unsaid)  # noqa: S608
            removed[table] = len(unsaid)
    return removed


async def _erase_report(connection: Connection, complaint_id: UUID, received: bytes) -> int:
    row = await connection.fetchrow("SELECT value, edits FROM notifier.reports WHERE complaint_id = $1", complaint_id)
    if row is None or row["value"] is None:
        await connection.execute(
            """
            INSERT INTO notifier.reports (complaint_id, value) VALUES ($1, $2)
            ON CONFLICT (complaint_id) DO UPDATE SET value = excluded.value
            """,
            complaint_id,
            received,
        )
    before = (row["value"] or b"", row["edits"]) if row is not None else (b"", "[]")
    edits = to_json([[at, without_words(fields)] for at, fields in from_json(before[1])]).decode() if before[1] != "[]" else "[]"
    value = erased_json(before[0]) if before[0] else b""
    same = value == before[0] and from_json(edits) == from_json(before[1])
    if not same:
        statement = (
            "UPDATE notifier.reports SET value = CASE WHEN $2 = ''::bytea THEN value ELSE $2 END, edits = $3 WHERE complaint_id = $1"
        )
        await connection.execute(statement, complaint_id, value, edits)
    return int(not same)


def _erased_fact(fact: str) -> str:
    known = ADAPTER.validate_json(fact)
    erased = without_text(known)
    return fact if erased == known else ADAPTER.dump_json(erased).decode()


async def count_lines_with_words(connection: Connection, complaint_id: UUID) -> int:
    """Lines from before words lay beside them: the chain's hashes are over the words themselves, so these can never go."""
    rows = await connection.fetch(
        "SELECT fact FROM notifier.timeline WHERE complaint_id = $1 AND text_sha IS NULL AND fact IS NOT NULL", complaint_id
    )
    return sum(any(text_of(ADAPTER.validate_json(row["fact"])).values()) for row in rows)


async def count_texts(connection: Connection, complaint_id: UUID) -> int:
    return await connection.fetchval("SELECT count(*) FROM notifier.timeline_texts WHERE complaint_id = $1", complaint_id)  # type: ignore[no-any-return]


async def erase_texts(connection: Connection, complaint_id: UUID, at: datetime) -> None:
    """Those beside the timeline, once the erasure is written down; and statuses not sent yet, which the next one replaces."""
    await connection.execute("DELETE FROM notifier.timeline_texts WHERE complaint_id = $1", complaint_id)
    await mark_erased(connection, complaint_id, at)
    for table in ("notifier.outbox", "notifier.outbox_failed"):
        await connection.execute(f"DELETE FROM {table} WHERE key = $1 AND headers LIKE $2", complaint_id.bytes, _STATUS)  # noqa: S608


async def mark_erased(connection: Connection, complaint_id: UUID, at: datetime) -> None:
    """Up to then nothing is left: what Kafka brings again stays away, and the case is not due before something is said of it."""
    await connection.execute("UPDATE notifier.cases SET erased_at = $2 WHERE id = $1", complaint_id, at)
