"""Which complaints were erased: what a restored backup is rid of again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from services.commands.erasing import erase
from services.commands.known_cases import load_clockwork

if TYPE_CHECKING:
    from shared.postgres import Connection
    from shared.topics import Topics


async def list_erased(connection: "Connection") -> list[UUID]:
    """Each once, in the order in which they were first erased."""
    rows = await connection.fetch("SELECT complaint_id FROM jalur.erasures GROUP BY complaint_id ORDER BY min(number)")
    return [row["complaint_id"] for row in rows]


async def reapply(connection: "Connection", ids: Sequence[str]) -> int:
    """Erase again what a backup brought back; returns how many had something. Whom the database does not know is passed over.

    As the tables' owner, and while no service works. Nothing is told to Kafka, which was told when they were first erased.
    """
    from services.commands.dead_replays import operator
    from shared.topics import Topics

    who, clockwork, topics = operator(), load_clockwork(), Topics()
    known = await connection.fetch("SELECT id FROM intake.complaints WHERE id = ANY ($1::uuid[]) ORDER BY id", [UUID(item) for item in ids])
    count = 0
    for row in known:
        done = await erase(connection, row["id"], "restored", topics=topics, clockwork=clockwork, operator=who, is_again=True)
        count += bool(done.removed)
    return count


async def say_erased(connection: "Connection", ids: Sequence[str], topics: "Topics") -> int:
    """The status of each under a new number, into Kafka and the read model, also where nothing was left to erase; returns how many.

    Whether Kafka ever got the status without the words is not known: the last one there may be from before, and be read again.
    """
    from services.intake.listing_store import NewStatus, record_statuses
    from services.intake.readers import deadlines_of
    from services.notifier import store
    from services.notifier.domain import Setting, revive
    from shared.envelope import enclose, status_id
    from shared.outbox import add_to_outbox
    from shared.postgres import read_clock

    clockwork, count = load_clockwork(), 0
    known = await connection.fetch("SELECT id FROM notifier.cases WHERE id = ANY ($1::uuid[]) ORDER BY id", [UUID(item) for item in ids])
    for row in known:
        async with connection.transaction():
            await connection.execute("SET LOCAL search_path TO notifier, jalur, pg_temp")
            now = await read_clock(connection)
            case = (await store.lock_cases(connection, [row["id"]]))[row["id"]]
            revive(case, Setting(clockwork, now))
            if not case.is_opened:
                continue
            status = case.status(case.next_sequence())
            message = enclose(
                status,
                topic=topics.status,
                complaint_id=case.id,
                event_id=status_id(case.id, case.sequence),
                source="notifier",
                at=now,
                sequence=case.sequence,
                traceparent=case.traceparent,
            )
            await connection.execute("UPDATE cases SET sequence = $2 WHERE id = $1", case.id, case.sequence)
            await add_to_outbox(connection, [message])
            await connection.execute("SET LOCAL search_path TO intake, jalur, pg_temp")
            await record_statuses(
                connection, [NewStatus(case.id, case.sequence, status.state, status.to_json().decode(), deadlines_of(status))]
            )
            count += 1
    return count
