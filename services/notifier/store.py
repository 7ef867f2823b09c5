"""The notifier's SQL: load and save whole cases in a handful of statements, however many there are. The caller commits."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from secrets import token_bytes
from typing import Any
from uuid import UUID

import asyncpg
from pydantic_core import from_json, to_json

from services.notifier.case import Case, Parked, Shown
from services.notifier.clock_text import read_clocks, write_clocks
from services.notifier.facts import ADAPTER, Fact
from services.notifier.timeline import SALT_BYTES, Line, fact_of, lines_of, shown_of
from shared.postgres import Connection

_SHOWN = 50


async def lock_cases(connection: Connection, complaint_ids: Iterable[UUID]) -> dict[UUID, Case]:
    """Lock and load, in order of their ids; a complaint not heard of yet gets a row, so that there is something to lock."""
    ids = sorted(set(complaint_ids))
    await connection.execute("INSERT INTO cases (id) SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING", ids)
    return await _load(connection, ids)


async def claim_due(connection: Connection, until: datetime, limit: int, passed_over: Iterable[UUID] = ()) -> list[asyncpg.Record]:
    """Lock the cases with the oldest due clocks, at most `limit`; cases locked by another replica are skipped.

    `until` is the watermark: up to it, everything appended to the inputs has been applied.
    """
    return await connection.fetch(
        """
        WITH due AS MATERIALIZED (
            SELECT id, sequence, head, timed_by, next_due_at, entries FROM cases WHERE next_due_at <= $1 AND id <> ALL ($3::uuid[])
            ORDER BY next_due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        SELECT * FROM due ORDER BY id
        """,
        until,
        limit,
        list(passed_over),
    )


async def find_soon_due(connection: Connection, after: datetime, until: datetime, limit: int) -> list[asyncpg.Record]:
    return await connection.fetch(
        "SELECT id, head FROM cases WHERE next_due_at > $1 AND next_due_at <= $2 ORDER BY next_due_at, id LIMIT $3", after, until, limit
    )


async def record_fired(connection: Connection, cases: Sequence[tuple[UUID, int, datetime | None, bool, str, int, bytes]]) -> None:
    """(complaint, sequence, next due, whether a clock will speak of it again, clocks, entries, head): all that a firing changes."""
    await connection.execute(
        """
        UPDATE cases SET sequence = new.sequence, next_due_at = new.next_due_at, is_watched = new.is_watched, clocks = new.clocks,
            entries = new.entries, head = new.head
        FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::bool[], $5::text[], $6::int[], $7::bytea[])
            AS new (id, sequence, next_due_at, is_watched, clocks, entries, head)
        WHERE cases.id = new.id
        """,
        *zip(*cases, strict=True),
    )


async def claim_expired_parked(connection: Connection, until: datetime, limit: int, passed_over: Iterable[UUID] = ()) -> dict[UUID, Case]:
    """Lock the cases that have an update or an order parked which counts from `until` or before."""
    rows = await connection.fetch(
        """
        SELECT id FROM cases WHERE id IN (SELECT complaint_id FROM parked WHERE kind IN ('said', 'ordered') AND counts_at <= $1)
            AND id <> ALL ($3::uuid[])
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        until,
        limit,
        list(passed_over),
    )
    return await _load(connection, [row["id"] for row in rows]) if rows else {}


async def claim_older_timed(connection: Connection, version: str, limit: int, passed_over: Iterable[UUID] = ()) -> dict[UUID, Case]:
    """Lock open cases whose clocks were worked out by older policies or another calendar."""
    rows = await connection.fetch(
        """
        SELECT id FROM cases WHERE is_open AND timed_by < $1 AND id <> ALL ($3::uuid[])
        ORDER BY timed_by, id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        version,
        limit,
        list(passed_over),
    )
    return await _load(connection, sorted(row["id"] for row in rows)) if rows else {}


async def mark_timed(connection: Connection, complaint_ids: Sequence[UUID], version: str) -> None:
    """Also those in which nothing moved."""
    await connection.execute("UPDATE cases SET timed_by = $2 WHERE id = ANY ($1::uuid[]) AND timed_by < $2", complaint_ids, version)


async def claim_passed_on(
    connection: Connection, limit: int, passed_over: Iterable[UUID] = ()
) -> tuple[dict[UUID, Case], dict[UUID, list[Fact]]]:
    """Lock cases for which something lies that happened to the case they were merged into, and read it."""
    rows = await connection.fetch(
        """
        SELECT id FROM cases WHERE id IN (SELECT complaint_id FROM passed_on) AND id <> ALL ($2::uuid[])
        ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
        list(passed_over),
    )
    if not rows:
        return {}, {}
    ids = [row["id"] for row in rows]
    cases = await _load(connection, ids)
    found: dict[UUID, list[Fact]] = {}
    told = "SELECT complaint_id, fact FROM passed_on WHERE complaint_id = ANY ($1::uuid[]) ORDER BY number"
    for row in await connection.fetch(told, ids):
        found.setdefault(row["complaint_id"], []).append(ADAPTER.validate_json(row["fact"]))
    return cases, found


async def drop_passed_on(connection: Connection, complaint_ids: Sequence[UUID]) -> None:
    """What these cases, locked by the caller, have taken."""
    await connection.execute("DELETE FROM passed_on WHERE complaint_id = ANY ($1::uuid[])", complaint_ids)


async def add_passed_on(connection: Connection, facts: Sequence[tuple[UUID, Fact]]) -> None:
    await connection.executemany(
        "INSERT INTO passed_on (complaint_id, fact) VALUES ($1, $2)",
        [(complaint_id, ADAPTER.dump_json(fact).decode()) for complaint_id, fact in facts],
    )


async def find_members(connection: Connection, leads: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The cases merged into each of these. Locked leads keep theirs: whoever merges locks the lead too."""
    found: dict[UUID, list[UUID]] = {}
    for row in await connection.fetch("SELECT id, merged_into FROM cases WHERE merged_into = ANY ($1::uuid[]) ORDER BY id", leads):
        found.setdefault(row["merged_into"], []).append(row["id"])
    return found


async def load_claimed(connection: Connection, ids: list[UUID]) -> dict[UUID, Case]:
    """Cases that this transaction has locked."""
    return await _load(connection, ids) if ids else {}


async def read_unlocked(connection: Connection, ids: Sequence[UUID]) -> list[tuple[asyncpg.Record, Case]]:
    """Open cases as they are now, with their rows; whoever acts on them looks again under the lock."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM cases WHERE id = ANY ($1::uuid[]) AND is_opened", ids)  # noqa: S608 - our own text
    cases = {row["id"]: _case(row) for row in rows}
    await load_timelines(connection, cases, list(cases))
    return [(row, cases[row["id"]]) for row in rows]


_COLUMNS = "id, is_opened, sequence, timed_by, next_due_at, clocks, told, entries, head, erased_at, given"


def _case(row: asyncpg.Record) -> Case:
    case = Case(row["id"], row["sequence"], row["timed_by"], entries=row["entries"], head=row["head"], erased_at=row["erased_at"])
    if row["is_opened"]:
        case.clocks = read_clocks(row["clocks"])
        case.told = set(from_json(row["told"]))
    if row["given"] is not None:
        case.given = {UUID(cause): number for cause, number in from_json(row["given"]).items()}
    return case


async def find_waiting_leads(connection: Connection, complaint_ids: Iterable[UUID]) -> set[UUID]:
    """The complaints that updates parked for these cases would merge them into."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT (fact::json ->> 'into')::uuid AS lead FROM parked
        WHERE complaint_id = ANY ($1::uuid[]) AND kind = 'said' AND fact::json ->> 'into' IS NOT NULL
        """,
        list(complaint_ids),
    )
    return {row["lead"] for row in rows}


async def _load(connection: Connection, ids: list[UUID]) -> dict[UUID, Case]:
    cases: dict[UUID, Case] = {}
    opened: list[UUID] = []
    for row in await connection.fetch(
        f"SELECT {_COLUMNS} FROM cases WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE",  # noqa: S608 - our own text
        ids,
    ):
        cases[row["id"]] = _case(row)
        if row["is_opened"]:
            opened.append(row["id"])
    if opened:
        await load_timelines(connection, cases, opened)
    for row in await connection.fetch(
        "SELECT id, complaint_id, kind, counts_at, fact FROM parked WHERE complaint_id = ANY ($1::uuid[])", ids
    ):
        cases[row["complaint_id"]].parked.append(Parked(row["id"], row["kind"], row["counts_at"], ADAPTER.validate_json(row["fact"])))
    return cases


async def load_timelines(connection: Connection, cases: Mapping[UUID, Case], opened: Sequence[UUID]) -> None:
    for row in await connection.fetch(
        # The ids are said of both tables, so that of the texts too only these cases' are looked at.
        """
        SELECT line.complaint_id, at, kind, what, by, fact, data, text FROM timeline line LEFT JOIN timeline_texts said
            ON said.complaint_id = ANY ($1::uuid[]) AND said.complaint_id = line.complaint_id AND said.number = line.number
        WHERE line.complaint_id = ANY ($1::uuid[]) ORDER BY line.complaint_id, line.number
        """,
        opened,
    ):
        case = cases[row["complaint_id"]]
        case.recent.append(Shown(row["at"], shown_of(row["what"], row["text"]), row["by"]))
        if row["fact"] is not None:
            case.facts.append(fact_of(row["fact"], row["text"]))
        elif row["kind"] == "refused":
            case.refused.add(from_json(row["data"])["refused"])
    for complaint_id in opened:
        case = cases[complaint_id]
        if len(case.recent) > _SHOWN:
            case.recent = sorted(case.recent, key=lambda entry: entry.at)[-_SHOWN:]


async def save_cases(connection: Connection, cases: Sequence[Case], now: datetime) -> None:
    """Write back what the moves changed. Every row of these cases is locked by this transaction."""
    lines = [line for case in cases for line in lines_of(case, now, partial(token_bytes, SALT_BYTES))]
    await connection.execute(
        """
        UPDATE cases SET is_opened = new.is_opened, source = new.source, reported_at = new.reported_at, state = new.state,
            first_outcome = new.first_outcome, is_oversight = new.is_oversight, is_open = new.is_open, is_watched = new.is_watched,
            has_owner = new.has_owner, merged_into = new.merged_into, sequence = new.sequence, timed_by = new.timed_by,
            next_due_at = new.next_due_at, due_at = new.due_at, clocks = new.clocks, told = new.told, entries = new.entries, head = new.head
        FROM unnest(
            $1::uuid[], $2::bool[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::bool[], $8::bool[], $9::bool[],
            $10::bool[], $11::uuid[], $12::bigint[], $13::text[], $14::timestamptz[], $15::timestamptz[], $16::text[], $17::text[],
            $18::int[], $19::bytea[]
        ) AS new (id, is_opened, source, reported_at, state, first_outcome, is_oversight, is_open, is_watched, has_owner, merged_into,
            sequence, timed_by, next_due_at, due_at, clocks, told, entries, head)
        WHERE cases.id = new.id
        """,
        *zip(*(row_of(case) for case in cases), strict=True),
    )
    if lines:
        await add_lines(connection, lines)
    unparked = [item for case in cases for item in case.unparked]
    if unparked:
        await connection.execute("DELETE FROM parked WHERE id = ANY ($1::uuid[])", unparked)


async def add_lines(connection: Connection, lines: Iterable[Line]) -> None:
    lines = list(lines)
    await connection.copy_records_to_table("timeline", records=map(_of_line, lines), columns=_LINE)
    texts = [_of_text(line) for line in lines if line.text is not None]
    if texts:
        await connection.copy_records_to_table("timeline_texts", records=texts, columns=_TEXT)


_LINE = ("complaint_id", "number", "at", "noted_at", "kind", "what", "by", "fact", "data", "hash", "text_sha")
_TEXT = ("complaint_id", "number", "salt", "text")
_of_line, _of_text = attrgetter(*_LINE), attrgetter(*_TEXT)


def row_of(case: Case) -> tuple[Any, ...]:
    """The columns of its row, in the order of `save_cases`."""
    life = case.life
    report = life.report
    return (
        case.id,
        case.is_opened,
        report.source if report else None,
        report.reported_at if report else None,
        life.state,
        life.first_outcome,
        life.is_oversight,
        case.is_open,
        case.is_watched,
        case.has_owner,
        life.merged_into,
        case.sequence,
        case.timed_by,
        case.next_due_at,
        case.due_at,
        write_clocks(case.clocks),
        to_json(sorted(case.told)).decode(),
        case.entries,
        case.head,
    )


async def find_facts(connection: Connection, facts: Sequence[UUID]) -> dict[UUID, UUID]:
    """The complaint under which each fact was first seen."""
    rows = await connection.fetch("SELECT id, complaint_id FROM facts WHERE id = ANY ($1::uuid[])", facts)
    return {row["id"]: row["complaint_id"] for row in rows}


async def add_facts(connection: Connection, facts: Sequence[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """(fact, complaint) of changes and updates; returns those not seen before."""
    rows = await connection.fetch(
        """
        INSERT INTO facts (id, complaint_id) SELECT * FROM unnest($1::uuid[], $2::uuid[]) ORDER BY 1, 2
        ON CONFLICT DO NOTHING RETURNING id, complaint_id
        """,
        *zip(*facts, strict=True),
    )
    return {(row["id"], row["complaint_id"]) for row in rows}


async def park(connection: Connection, items: Sequence[tuple[UUID, Parked]]) -> None:
    """(complaint, what waits); what was parked before stays as it is."""
    await connection.executemany(
        "INSERT INTO parked (id, complaint_id, kind, counts_at, fact) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        [(item.id, complaint_id, item.kind, item.counts_at, ADAPTER.dump_json(item.fact).decode()) for complaint_id, item in items],
    )


async def read_absences(connection: Connection, now: datetime) -> dict[str, str | None]:
    rows = await connection.fetch("SELECT desk, deputy FROM absences WHERE until > $1", now)
    return {row["desk"]: row["deputy"] for row in rows}


async def read_jalur_times(connection: Connection, stamps: Sequence[datetime]) -> list[datetime]:
    """Broker timestamps, which are real time, as Jalur's time."""
    rows = await connection.fetch(
        "SELECT jalur.jalur_at(stamp) AS at FROM unnest($1::timestamptz[]) WITH ORDINALITY AS given (stamp, number) ORDER BY number", stamps
    )
    return [row["at"] for row in rows]
