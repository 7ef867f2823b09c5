"""The notifier's SQL: load and save whole cases in a handful of statements, however many there are. The caller commits."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import from_json, to_json

from services.notifier.case import Assignment, Case, Clock, Firing, Parked, Part
from shared.events import TimelineEntry
from shared.postgres import Connection

_CASE_COLUMNS = (
    "id, is_opened, is_complete, source, source_ref, service, class, province, reported_at, accepted_at, is_final, is_oversight, state,"
    " first_outcome, parts, answers, ended_at, ended_state, ended_by, sequence"
)


async def lock_cases(connection: Connection, complaint_ids: Iterable[UUID]) -> dict[UUID, Case]:
    """Lock and load, in order of their ids; a complaint not heard of yet gets a row, so that there is something to lock."""
    ids = sorted(set(complaint_ids))
    await connection.execute("INSERT INTO cases (id) SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING", ids)
    return await _load(connection, ids)


async def claim_due_cases(connection: Connection, until: datetime, limit: int, passed_over: Iterable[UUID] = ()) -> dict[UUID, Case]:
    """Lock the cases with the oldest due clocks, at most `limit`; cases locked by another replica are skipped.

    `until` is the watermark: up to it, everything appended to the inputs has been applied.
    """
    rows = await connection.fetch(
        """
        WITH due AS MATERIALIZED (
            SELECT id FROM cases WHERE next_due_at <= $1 AND id <> ALL ($3::uuid[])
            ORDER BY next_due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        SELECT id FROM due ORDER BY id
        """,
        until,
        limit,
        list(passed_over),
    )
    return await _load(connection, [row["id"] for row in rows]) if rows else {}


async def claim_expired_parked(connection: Connection, until: datetime, limit: int) -> dict[UUID, Case]:
    """Lock the cases that have an update parked which counts from `until` or before."""
    rows = await connection.fetch(
        """
        SELECT id FROM cases WHERE id IN (SELECT complaint_id FROM parked WHERE kind = 'update' AND counts_at <= $1)
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        until,
        limit,
    )
    return await _load(connection, [row["id"] for row in rows]) if rows else {}


async def _load(connection: Connection, ids: list[UUID]) -> dict[UUID, Case]:
    cases: dict[UUID, Case] = {}
    for row in await connection.fetch(f"SELECT {_CASE_COLUMNS} FROM cases WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE", ids):  # noqa: S608
        fields = dict(row)
        fields["class_"] = fields.pop("class")
        fields["parts"] = [
            Part(item[0], item[1], item[2], datetime.fromisoformat(item[3]), tuple(item[4])) for item in from_json(fields["parts"])
        ]
        fields["answers"] = from_json(fields["answers"])
        cases[row["id"]] = Case(**fields)
    known = [case.id for case in cases.values() if case.is_opened]
    if known:
        await _load_details(connection, cases, known)
    for row in await connection.fetch(
        "SELECT id, complaint_id, kind, counts_at, value FROM parked WHERE complaint_id = ANY ($1::uuid[])", ids
    ):
        cases[row["complaint_id"]].parked.append(Parked(row["id"], row["kind"], row["counts_at"], row["value"]))
    return cases


async def _load_details(connection: Connection, cases: dict[UUID, Case], known: list[UUID]) -> None:
    for row in await connection.fetch(
        """
        SELECT complaint_id, id, decision, part, unit, desk, is_oversight, assigned_at, state, since
        FROM assignments WHERE complaint_id = ANY ($1::uuid[]) ORDER BY decision, part
        """,
        known,
    ):
        fields = dict(row)
        cases[fields.pop("complaint_id")].assignments.append(Assignment(**fields))
    for row in await connection.fetch(
        """
        SELECT complaint_id, subject, code, zone, started_at, due_at, next_level, next_at, occurrence, state, stopped_at, fired
        FROM clocks WHERE complaint_id = ANY ($1::uuid[]) ORDER BY started_at, code, subject
        """,
        known,
    ):
        fields = dict(row)
        fields["fired"] = [Firing(item[0], datetime.fromisoformat(item[1]), item[2]) for item in from_json(fields["fired"])]
        cases[fields.pop("complaint_id")].clocks.append(Clock(**fields))
    for row in await connection.fetch(
        """
        SELECT last.complaint_id, last.at, last.what, last.by FROM unnest($1::uuid[]) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT complaint_id, at, what, by, number FROM timeline WHERE complaint_id = wanted.id ORDER BY at DESC, number DESC LIMIT 50
        ) AS last ORDER BY last.complaint_id, last.at, last.number
        """,
        known,
    ):
        cases[row["complaint_id"]].timeline.append(TimelineEntry(at=row["at"], what=row["what"], by=row["by"]))


async def save_cases(connection: Connection, cases: Sequence[Case]) -> None:
    """Write back what the moves changed. Every row of these cases is locked by this transaction."""
    await connection.execute(
        """
        UPDATE cases SET is_opened = new.is_opened, is_complete = new.is_complete, source = new.source, source_ref = new.source_ref,
            service = new.service, class = new.class, province = new.province, reported_at = new.reported_at,
            accepted_at = new.accepted_at, is_final = new.is_final, is_oversight = new.is_oversight, state = new.state,
            first_outcome = new.first_outcome, parts = new.parts, answers = new.answers, ended_at = new.ended_at,
            ended_state = new.ended_state, ended_by = new.ended_by, sequence = new.sequence, next_due_at = new.next_due_at
        FROM unnest(
            $1::uuid[], $2::bool[], $3::bool[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
            $10::timestamptz[], $11::bool[], $12::bool[], $13::text[], $14::text[], $15::text[], $16::text[], $17::timestamptz[],
            $18::text[], $19::text[], $20::bigint[], $21::timestamptz[]
        ) AS new (id, is_opened, is_complete, source, source_ref, service, class, province, reported_at, accepted_at, is_final,
            is_oversight, state, first_outcome, parts, answers, ended_at, ended_state, ended_by, sequence, next_due_at)
        WHERE cases.id = new.id
        """,
        *zip(*(_case_row(case) for case in cases), strict=True),
    )
    assignments = [(case.id, item) for case in cases for item in case.assignments]
    if assignments:
        await _save_assignments(connection, assignments)
    clocks = [(case.id, item) for case in cases for item in case.clocks]
    if clocks:
        await _save_clocks(connection, clocks)
    noted = [(case.id, entry.at, entry.what, entry.by) for case in cases for entry in case.noted]
    if noted:
        await connection.execute(
            """
            INSERT INTO timeline (complaint_id, at, what, by)
            SELECT complaint_id, at, what, by
            FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) WITH ORDINALITY AS new (complaint_id, at, what, by, number)
            ORDER BY number
            """,
            *zip(*noted, strict=True),
        )
    unparked = [item for case in cases for item in case.unparked]
    if unparked:
        await connection.execute("DELETE FROM parked WHERE id = ANY ($1::uuid[])", unparked)


def _case_row(case: Case) -> tuple[object, ...]:
    parts = to_json([[item.decision, item.part, item.outcome, item.at, item.destinations] for item in case.parts]).decode()
    return (
        case.id,
        case.is_opened,
        case.is_complete,
        case.source,
        case.source_ref,
        case.service,
        case.class_,
        case.province,
        case.reported_at,
        case.accepted_at,
        case.is_final,
        case.is_oversight,
        case.state,
        case.first_outcome,
        parts,
        to_json(case.answers).decode(),
        case.ended_at,
        case.ended_state,
        case.ended_by,
        case.sequence,
        case.next_due_at,
    )


async def _save_assignments(connection: Connection, assignments: Sequence[tuple[UUID, Assignment]]) -> None:
    await connection.execute(
        """
        INSERT INTO assignments (id, complaint_id, decision, part, unit, desk, is_oversight, assigned_at, state, since)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::text[], $6::text[], $7::bool[], $8::timestamptz[],
            $9::text[], $10::timestamptz[])
        ON CONFLICT (id) DO UPDATE SET state = excluded.state, since = excluded.since
        WHERE (assignments.state, assignments.since) IS DISTINCT FROM (excluded.state, excluded.since)
        """,
        *zip(
            *(
                (
                    item.id,
                    case_id,
                    item.decision,
                    item.part,
                    item.unit,
                    item.desk,
                    item.is_oversight,
                    item.assigned_at,
                    item.state,
                    item.since,
                )
                for case_id, item in assignments
            ),
            strict=True,
        ),
    )


async def _save_clocks(connection: Connection, clocks: Sequence[tuple[UUID, Clock]]) -> None:
    await connection.execute(
        """
        INSERT INTO clocks
            (complaint_id, subject, code, occurrence, zone, started_at, due_at, next_level, next_at, state, stopped_at, fired)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::int[],
            $9::timestamptz[], $10::text[], $11::timestamptz[], $12::text[])
        ON CONFLICT (complaint_id, subject, code, occurrence) DO UPDATE SET zone = excluded.zone, started_at = excluded.started_at,
            due_at = excluded.due_at, next_level = excluded.next_level, next_at = excluded.next_at, state = excluded.state,
            stopped_at = excluded.stopped_at, fired = excluded.fired
        WHERE (clocks.due_at, clocks.next_at, clocks.state, clocks.stopped_at, clocks.fired)
            IS DISTINCT FROM (excluded.due_at, excluded.next_at, excluded.state, excluded.stopped_at, excluded.fired)
        """,
        *zip(
            *(
                (
                    case_id,
                    item.subject,
                    item.code,
                    item.occurrence,
                    item.zone,
                    item.started_at,
                    item.due_at,
                    item.next_level,
                    item.next_at,
                    item.state,
                    item.stopped_at,
                    to_json([[one.level, one.instant, one.is_rescinded] for one in item.fired]).decode(),
                )
                for case_id, item in clocks
            ),
            strict=True,
        ),
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


async def park(connection: Connection, complaint_id: UUID, items: Sequence[Parked]) -> None:
    await connection.executemany(
        "INSERT INTO parked (id, complaint_id, kind, counts_at, value) VALUES ($1, $2, $3, $4, $5)",
        [(item.id, complaint_id, item.kind, item.counts_at, item.value) for item in items],
    )


async def read_jalur_times(connection: Connection, stamps: Sequence[datetime]) -> list[datetime]:
    """Broker timestamps, which are real time, as Jalur's time."""
    rows = await connection.fetch(
        "SELECT jalur.jalur_at(stamp) AS at FROM unnest($1::timestamptz[]) WITH ORDINALITY AS given (stamp, number) ORDER BY number", stamps
    )
    return [row["at"] for row in rows]
