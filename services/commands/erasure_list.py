"""Which complaints were erased: what a restored backup is rid of again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from services.commands.erasing import erase
from services.commands.known_cases import load_clockwork

if TYPE_CHECKING:
    from shared.postgres import Connection


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
