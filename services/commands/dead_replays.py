"""Puts dead letters back where they came from, at a bounded rate, each written down before it is sent. Decides nothing."""

import getpass
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from services.commands import CommandError
from services.commands.dead_history import Replay
from services.commands.dead_letters import DeadLetter, Identity

if TYPE_CHECKING:
    from shared.postgres import Connection
    from shared.settings import Settings

_LOCK = 0x64656164
Item = tuple[DeadLetter, Identity, UUID, int]


async def read_replays(connection: "Connection", service: str) -> list[Replay]:
    rows = await connection.fetch(
        """
        SELECT id, letter_partition, letter_offset, origin_topic, origin_partition, origin_offset, digest, number, operator, db_role,
               begun_at, sent_at
        FROM jalur.dead_letter_replays WHERE service = $1 ORDER BY begun_at, id
        """,
        service,
    )
    return [
        Replay(
            row["id"],
            f"{row['letter_partition']}:{row['letter_offset']}",
            (row["origin_topic"], row["origin_partition"], row["origin_offset"], row["digest"]),
            row["number"],
            row["operator"],
            row["db_role"],
            row["begun_at"],
            row["sent_at"],
        )
        for row in rows
    ]


@asynccontextmanager
async def alone(connection: "Connection", service: str) -> AsyncIterator[None]:
    """One replay of a service at a time: two would each find the same letters not put back yet."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", _LOCK, service):
        raise CommandError(f"dead letters of {service} are being put back by somebody else now: see `jalur dead list {service}` afterwards")
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", _LOCK, service)


async def why_stopped(connection: "Connection", service: str) -> str | None:
    """Why the service reads nothing: what is put back now would only wait, and has perhaps opened its breaker."""
    return await connection.fetchval(  # type: ignore[no-any-return]
        f'SELECT reason FROM "{service}".breakers WHERE opened_at IS NOT NULL LIMIT 1'  # noqa: S608 - closed set of names
    )


async def put_back_all(
    connection: "Connection",
    settings: "Settings",
    service: str,
    items: Sequence[Item],
    rate: int,
    pause: Callable[[float], Awaitable[None]],
) -> tuple[int, str | None]:
    """Send at most `rate` a second, in the order given; stops where the service's breaker opens. How many were sent, and why it stopped.

    Killed at any point, nothing was sent that is not written down; a repeat sends what is in doubt under the same ids.
    """
    from shared.dead_letters import put_back
    from shared.publisher import Publisher

    publisher = Publisher(settings)
    sent = 0
    try:
        while sent < len(items):
            if (reason := await why_stopped(connection, service)) is not None:
                return sent, f"{service} has stopped reading ({reason}): mend it, then `jalur resume {service}`"
            if sent:
                await pause(1.0)
            some = items[sent : sent + rate]
            await _write_down(connection, service, some)
            now = datetime.now(UTC)
            await publisher.send_surely(
                [put_back(letter.origin, letter.key, letter.value, letter.headers, replay_id, now) for letter, _, replay_id, _ in some]
            )
            await connection.execute(
                "UPDATE jalur.dead_letter_replays SET sent_at = clock_timestamp() WHERE id = ANY ($1::uuid[]) AND sent_at IS NULL",
                [replay_id for _, _, replay_id, _ in some],
            )
            sent += len(some)
    finally:
        await publisher.stop()
    return sent, None


async def _write_down(connection: "Connection", service: str, items: Sequence[Item]) -> None:
    who = operator()
    await connection.executemany(
        """
        INSERT INTO jalur.dead_letter_replays (id, service, letter_partition, letter_offset, origin_topic, origin_partition, origin_offset,
                                               digest, number, reason, complaint_id, operator)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING
        """,
        [
            (replay_id, service, letter.partition, letter.offset, *identity, number, letter.reason, letter.complaint_id, who)
            for letter, identity, replay_id, number in items
        ],
    )


def operator() -> str:
    """Who types; the database notes its own role beside it, which nobody can choose."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return str(os.getuid())
