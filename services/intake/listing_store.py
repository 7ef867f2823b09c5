"""SQL of the read model, its lists and its change feed: named functions on a connection; the caller commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake.answers import KnownAnswer
from services.intake.questions import CASE_STATES, Position
from services.intake.readers import ALL, ENDED
from shared.postgres import Connection

_NUMBERING_LOCK = 0x6A616C7573
_VIEW = "complaints.id, complaints.source, complaints.source_ref, complaints.reported_at, accepted_at, received, cases.status"


@dataclass(frozen=True, slots=True)
class NewStatus:
    """A status as it is kept. `deadlines`: for each reader whom it names, the earliest that concerns them."""

    complaint_id: UUID
    sequence: int
    state: str
    text: str
    deadlines: Mapping[str, datetime | None]


async def record_statuses(connection: Connection, statuses: Sequence[NewStatus]) -> None:
    """At most one a complaint; only a greater sequence is applied, and gets the next change number."""
    rows = await connection.fetch(
        """
        INSERT INTO cases (complaint_id, sequence, state, status)
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS new (id, sequence, state, status) ORDER BY id
        ON CONFLICT (complaint_id) DO UPDATE SET sequence = excluded.sequence, state = excluded.state, status = excluded.status
        WHERE cases.sequence < excluded.sequence
        RETURNING complaint_id
        """,
        [item.complaint_id for item in statuses],
        [item.sequence for item in statuses],
        [item.state for item in statuses],
        [item.text for item in statuses],
    )
    decided = sorted(item.complaint_id for item in statuses if item.state != "received")
    if decided:
        await connection.execute(
            "UPDATE complaints SET next_look_at = NULL WHERE id = ANY ($1::uuid[]) AND next_look_at IS NOT NULL", decided
        )
    applied = {row["complaint_id"] for row in rows}
    if applied:
        await _number(connection, await _list(connection, [item for item in statuses if item.complaint_id in applied]))


async def _list(connection: Connection, statuses: Sequence[NewStatus]) -> list[tuple[UUID, str]]:
    """Who is shown the cases, whose rows in `cases` are locked: each case with each of its readers. Writes only what differs."""
    ids = [item.complaint_id for item in statuses]
    known = {
        (row["complaint_id"], row["reader"]): (row["state"], row["due_at"])
        for row in await connection.fetch("SELECT complaint_id, reader, state, due_at FROM listed_cases WHERE complaint_id = ANY ($1)", ids)
    }
    reports: dict[UUID, list[tuple[str, datetime]]] = {}
    # The first report's instant is the complaint's.
    for row in await connection.fetch(
        "SELECT complaint_id, source, reported_at FROM reports WHERE complaint_id = ANY ($1) ORDER BY complaint_id, number", ids
    ):
        reports.setdefault(row["complaint_id"], []).append((row["source"], row["reported_at"]))
    shown: dict[tuple[UUID, str], tuple[datetime, str, datetime | None]] = {}
    for item in statuses:
        own = reports.get(item.complaint_id)
        if own is None:
            continue  # of a complaint that is not kept here: nobody could be shown it
        readers = dict.fromkeys((f"source:{source}" for source, _ in own), item.deadlines[ALL]) | dict(item.deadlines)
        shown |= {(item.complaint_id, reader): (own[0][1], item.state, due_at) for reader, due_at in readers.items()}
    gone = known.keys() - shown.keys()
    if gone:
        await connection.execute(
            """
            WITH gone AS (SELECT * FROM unnest($1::uuid[], $2::text[]) AS known (id, name)), unnumbered AS (
                DELETE FROM status_changes USING gone WHERE complaint_id = id AND reader = name
            )
            DELETE FROM listed_cases USING gone WHERE complaint_id = id AND reader = name
            """,
            [complaint_id for complaint_id, _ in gone],
            [reader for _, reader in gone],
        )
    differing = [(*key, *row) for key, row in shown.items() if known.get(key) != row[1:]]
    if differing:
        differing.sort(key=lambda row: (row[1], row[3], row[2], row[0]))  # in the index's own order: fewer of its pages are touched
        await connection.execute(
            """
            INSERT INTO listed_cases (complaint_id, reader, reported_at, state, due_at)
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[])
            ON CONFLICT (complaint_id, reader) DO UPDATE SET state = excluded.state, due_at = excluded.due_at
            """,
            *(list(column) for column in zip(*differing, strict=True)),
        )
    return list(shown)


async def _number(connection: Connection, shown: Sequence[tuple[UUID, str]]) -> None:
    """Give the cases the next numbers of the change feed, each one for all its readers.

    Under a lock that is let go only once the commit is visible, so numbers become visible in their order: whoever has read up to one
    has missed none below it. It is taken last, when nothing else is left to wait for.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _NUMBERING_LOCK)
    await connection.execute(
        """
        WITH numbered AS MATERIALIZED (
            SELECT id, nextval('status_change_numbers') AS change FROM unnest($1::uuid[], $2::text[]) AS new (id, reader)
            WHERE reader = 'all'
        )
        INSERT INTO status_changes (complaint_id, reader, change, changed_at)
        SELECT id, reader, change, (SELECT jalur.jalur_now())
        FROM unnest($1::uuid[], $2::text[]) AS new (id, reader) JOIN numbered USING (id) ORDER BY id
        ON CONFLICT (complaint_id, reader) DO UPDATE SET change = excluded.change, changed_at = excluded.changed_at
        """,
        [complaint_id for complaint_id, _ in shown],
        [reader for _, reader in shown],
    )


async def begin_reading(connection: Connection) -> datetime:
    """Jalur's now. The plans of this transaction are made for its own values: readers' shares of all cases are too unlike."""
    return await connection.fetchval(  # type: ignore[no-any-return]
        "SELECT jalur.jalur_now() FROM set_config('plan_cache_mode', 'force_custom_plan', true)"
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases a page shows: those of all `readers`, the first of whom is asked whether it is overdue."""

    readers: tuple[str, ...]
    state: str | None
    is_overdue: bool | None
    now: datetime

    @property
    def states(self) -> tuple[str, ...]:
        possible = CASE_STATES if self.state is None else (self.state,)
        return tuple(state for state in possible if not (self.is_overdue and state in ENDED))

    @property
    def may_be_unheard(self) -> bool:
        """Whether a complaint of which there is no status yet can be among them."""
        is_wide = all(reader == ALL or reader.startswith("source:") for reader in self.readers)
        return is_wide and self.state in (None, "received") and self.is_overdue is not True


async def find_page(connection: Connection, wanted: Wanted, after: Position, limit: int) -> list[dict[str, Any]]:
    """What a view needs of each case, by the instant it was reported and its id."""
    values: list[Any] = []

    def value(item: Any) -> str:
        values.append(item)
        return f"${len(values)}"

    behind = f"({value(after.reported_at)}, {value(after.complaint_id)})"
    most = value(limit)
    first, *others = wanted.readers
    # All that two rows of a case have in common, so that PostgreSQL may begin with whichever reader has fewer cases.
    joined = [
        f"JOIN listed_cases other{n} ON other{n}.complaint_id = listed.complaint_id AND other{n}.state = listed.state"
        f" AND other{n}.reported_at = listed.reported_at AND other{n}.reader = {value(reader)}"
        for n, reader in enumerate(others)
    ]
    due = "true"
    if wanted.is_overdue is not None:
        due = f"(listed.due_at <= {value(wanted.now)})" + ("" if wanted.is_overdue else " IS NOT TRUE")
    parts = [
        f"""
        SELECT part.* FROM unnest({value(wanted.states)}::text[]) AS asked (state) CROSS JOIN LATERAL (
            SELECT listed.reported_at, listed.complaint_id FROM listed_cases listed {" ".join(joined)}
            WHERE listed.reader = {value(first)} AND listed.state = asked.state
            AND (listed.reported_at, listed.complaint_id) > {behind} AND {due}
            ORDER BY listed.reported_at, listed.complaint_id LIMIT {most}
        ) AS part
        """  # noqa: S608 - our own text; what was asked is in the values
    ]
    if wanted.may_be_unheard:
        sources = [reader.removeprefix("source:") for reader in wanted.readers if reader != ALL]
        reported = "AND EXISTS (SELECT FROM reports WHERE complaint_id = complaints.id AND source = {})".format
        parts.append(
            f"""
            (SELECT reported_at, id FROM complaints
            WHERE next_look_at IS NOT NULL AND (reported_at, id) > {behind}
            AND NOT EXISTS (SELECT FROM cases WHERE complaint_id = complaints.id) {" ".join(reported(value(source)) for source in sources)}
            ORDER BY reported_at, id LIMIT {most})
            """  # noqa: S608 - as above
        )
    rows = await connection.fetch(
        f"""
        WITH page AS MATERIALIZED ({" UNION ALL ".join(parts)} ORDER BY 1, 2 LIMIT {most})
        SELECT {_VIEW} FROM page JOIN complaints ON complaints.id = page.complaint_id
        LEFT JOIN cases ON cases.complaint_id = complaints.id ORDER BY complaints.reported_at, complaints.id
        """,  # noqa: S608 - as above
        *values,
    )
    return [dict(row) for row in rows]


async def find_answers(connection: Connection, complaint_ids: Sequence[UUID], told: Sequence[UUID]) -> list[tuple[UUID, KnownAnswer]]:
    """Of the complaints, drafts too, and those `told` by their ids, each with its complaint, oldest first."""
    rows = await connection.fetch(
        """
        SELECT complaint_id, id, assignment_id, unit, desk, by, accepted_at, is_draft, is_final, text, attachments, drafted_by, approved_by
        FROM answers WHERE complaint_id = ANY ($1::uuid[]) OR id = ANY ($2::uuid[]) ORDER BY accepted_at, id
        """,
        complaint_ids,
        told,
    )
    return [(row["complaint_id"], KnownAnswer(**{name: value for name, value in row.items() if name != "complaint_id"})) for row in rows]


async def find_statuses(connection: Connection, complaint_ids: Sequence[UUID]) -> dict[UUID, str]:
    """As JSON, of those of which there is one."""
    rows = await connection.fetch("SELECT complaint_id, status FROM cases WHERE complaint_id = ANY ($1::uuid[])", complaint_ids)
    return {row["complaint_id"]: row["status"] for row in rows}


async def find_by_source_ref(connection: Connection, source: str | None, source_ref: str) -> list[dict[str, Any]]:
    """What a view needs of the few complaints that a source, or any source, knows by this reference."""
    rows = await connection.fetch(
        f"""
        WITH RECURSIVE sources AS (
            SELECT coalesce($1::text, (SELECT min(source) FROM reports WHERE source_ref IS NOT NULL)) AS source
            UNION ALL
            -- From source to source along the index: they are few, and not one of them is known to this query.
            SELECT (SELECT min(source) FROM reports WHERE source_ref IS NOT NULL AND source > sources.source)
            FROM sources WHERE $1::text IS NULL AND sources.source IS NOT NULL
        ), found AS MATERIALIZED (
            SELECT DISTINCT complaint_id FROM sources JOIN reports USING (source) WHERE reports.source_ref = $2
        )
        SELECT {_VIEW} FROM found JOIN complaints ON complaints.id = found.complaint_id
        LEFT JOIN cases ON cases.complaint_id = complaints.id ORDER BY complaints.reported_at, complaints.id
        """,  # noqa: S608 - our own column names
        source,
        source_ref,
    )
    return [dict(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Ends:
    """Of the change feed: the greatest number given out, and the greatest that is visible (all below it are, too)."""

    given: int
    visible: int


async def find_ends(connection: Connection) -> Ends:
    row = await connection.fetchrow(
        "SELECT last_value AS given, coalesce((SELECT max(change) FROM status_changes WHERE reader = 'all'), 0) AS visible"
        " FROM status_change_numbers"
    )
    assert row is not None
    return Ends(**dict(row))


async def find_changes(connection: Connection, reader: str, source: str | None, after: int, limit: int) -> list[dict[str, Any]]:
    """The cases whose status changed after this number, each at its newest; `own_ref` is the reference by which the source knows it."""
    rows = await connection.fetch(
        f"""
        WITH page AS MATERIALIZED (
            SELECT complaint_id, change, changed_at FROM status_changes WHERE reader = $1 AND change > $3 ORDER BY change LIMIT $4
        )
        SELECT {_VIEW}, page.change, page.changed_at, sequence, (
            SELECT reports.source_ref FROM reports WHERE reports.complaint_id = page.complaint_id AND reports.source = $2
            ORDER BY (reports.source_ref IS NULL), number LIMIT 1
        ) AS own_ref
        FROM page JOIN complaints ON complaints.id = page.complaint_id JOIN cases ON cases.complaint_id = page.complaint_id
        ORDER BY page.change
        """,  # noqa: S608 - our own column names
        reader,
        source,
        after,
        limit,
    )
    return [dict(row) for row in rows]
