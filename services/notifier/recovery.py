"""SQL for restored cases beside a newer Kafka: numbers go on above those given, and keep their questions. The caller commits."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.postgres import Connection


async def raise_sequences(connection: Connection, highest: Mapping[UUID, int]) -> int:
    """A case numbers on from there; one that is not known yet gets its row, and with it where to begin. Returns how many were raised."""
    ordered = sorted(highest)
    return len(
        await connection.fetch(
            """
            INSERT INTO notifier.cases (id, sequence) SELECT * FROM unnest($1::uuid[], $2::bigint[])
            ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence WHERE cases.sequence < excluded.sequence RETURNING id
            """,
            ordered,
            [highest[item] for item in ordered],
        )
    )


async def keep_given(connection: Connection, given: Sequence[tuple[UUID, UUID, int]]) -> int:
    """(complaint, fact that asked, decision asked for): what is asked again is the same question. Returns how many are new to the case."""
    kept = 0
    for complaint_id, cause_id, decision in given:
        await connection.execute("INSERT INTO notifier.cases (id) VALUES ($1) ON CONFLICT DO NOTHING", complaint_id)
        kept += await connection.fetchval(
            """
            WITH changed AS (
                UPDATE notifier.cases SET given = (coalesce(given, '{}')::jsonb || jsonb_build_object($2::text, $3::int))::text
                WHERE id = $1 AND coalesce(given, '{}')::jsonb -> $2::text IS DISTINCT FROM to_jsonb($3::int)
                AND NOT EXISTS (
                    SELECT FROM notifier.timeline WHERE complaint_id = $1 AND kind = 'requested' AND fact::jsonb ->> 'cause_id' = $2::text
                )
                RETURNING 1
            ) SELECT count(*) FROM changed
            """,
            complaint_id,
            str(cause_id),
            decision,
        )
    return kept


async def read_all_positions(connection: Connection) -> dict[tuple[str, int], int]:
    """How far each partition of the inputs was applied."""
    return {(row["topic"], row["partition"]): row["position"] for row in await connection.fetch("SELECT * FROM notifier.watermarks")}


async def forget_all_positions(connection: Connection) -> None:
    """The inputs begin anew; until each was read, nothing is due."""
    await connection.execute("DELETE FROM notifier.watermarks")


async def leave_room(connection: Connection, by: int) -> None:
    """Where nobody knows which numbers were given: above all that may have been."""
    await connection.execute("UPDATE notifier.cases SET sequence = sequence + $1", by)
