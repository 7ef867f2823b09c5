"""Cases as they are stored, for whoever looks at them: not locked, in pages, each with its whole timeline. SQL; it changes nothing."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from pydantic_core import from_json

from services.notifier.case import Case, Parked, Shown
from services.notifier.clock_text import read_clocks
from services.notifier.facts import ADAPTER
from services.notifier.timeline import Line, fact_of
from shared.postgres import Connection

_SHOWN = 50
_COLUMNS = (
    "id, is_opened, source, reported_at, state, first_outcome, is_oversight, merged_into, sequence, timed_by, clocks, told, entries, head"
)


@dataclass(slots=True)
class StoredCase:
    """The row of a case, its lines in their order, and what it has parked, all unread: any of it may be damaged."""

    row: asyncpg.Record
    lines: list[Line] = field(default_factory=list)
    parked: list[asyncpg.Record] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        return self.row["id"]  # type: ignore[no-any-return]

    def read(self) -> Case:
        """The case without its life, as a transaction would load it. ValueError for a row or a line that cannot be read."""
        row = self.row
        case = Case(row["id"], row["sequence"], row["timed_by"], entries=row["entries"], head=row["head"])
        case.clocks = read_clocks(row["clocks"])
        case.told = set(from_json(row["told"]))
        for line in self.lines:
            try:
                if line.fact is not None:
                    case.facts.append(fact_of(line.fact, line.text))
                elif line.kind == "refused":
                    case.refused.add(from_json(line.data or "{}")["refused"])
            except (ValueError, KeyError):
                raise ValueError(f"line {line.number} cannot be read") from None
        shown = [Shown(line.at, line.shown, line.by) for line in self.lines]
        case.recent = sorted(shown, key=lambda entry: entry.at)[-_SHOWN:]
        case.parked = [Parked(item["id"], item["kind"], item["counts_at"], ADAPTER.validate_json(item["fact"])) for item in self.parked]
        return case


async def find_case(connection: Connection, complaint_id: UUID) -> StoredCase | None:
    """None where the notifier has no case of it (yet)."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found = await read_chosen(connection, [complaint_id])
    return found[0] if found else None


async def read_chosen(connection: Connection, complaint_ids: Sequence[UUID]) -> list[StoredCase]:
    """Those of them that are cases, in the caller's transaction, by their id."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM cases WHERE is_opened AND id = ANY ($1::uuid[]) ORDER BY id",  # noqa: S608 - our own text
        complaint_ids,
    )
    return await _with_lines(connection, rows)


async def read_cases(connection: Connection, page: int = 200, after: UUID | None = None) -> AsyncIterator[list[StoredCase]]:
    """All rows in pages by their id, each page as it is at one instant: no snapshot is held for longer than a page takes."""
    while True:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM cases WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",  # noqa: S608 - our own text
                after,
                page,
            )
            found = await _with_lines(connection, rows)
        if not found:
            return
        yield found
        after = found[-1].id


async def _with_lines(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[StoredCase]:
    cases = {row["id"]: StoredCase(row) for row in rows}
    ids = list(cases)
    for row in await connection.fetch(
        """
        SELECT line.complaint_id, line.number, at, noted_at, kind, what, by, fact, data, hash, text_sha, salt, text
        FROM timeline line LEFT JOIN timeline_texts said
            ON said.complaint_id = ANY ($1::uuid[]) AND said.complaint_id = line.complaint_id AND said.number = line.number
        WHERE line.complaint_id = ANY ($1::uuid[]) ORDER BY line.complaint_id, line.number
        """,
        ids,
    ):
        cases[row["complaint_id"]].lines.append(Line(*row))
    for row in await connection.fetch(
        "SELECT id, complaint_id, kind, counts_at, fact FROM parked WHERE complaint_id = ANY ($1::uuid[]) ORDER BY counts_at, id", ids
    ):
        cases[row["complaint_id"]].parked.append(row)
    return list(cases.values())


async def find_strays(connection: Connection, after: UUID | None, until: UUID | None) -> list[UUID]:
    """Complaints behind `after` up to `until` that have lines, and no row that would name the last of them: it was taken away."""
    rows = await connection.fetch(
        """
        SELECT complaint_id FROM timeline
        WHERE ($1::uuid IS NULL OR complaint_id > $1) AND ($2::uuid IS NULL OR complaint_id <= $2) AND number = 1
        AND NOT EXISTS (SELECT FROM cases WHERE cases.id = complaint_id) ORDER BY complaint_id
        """,
        after,
        until,
    )
    return [row["complaint_id"] for row in rows]
