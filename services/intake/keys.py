"""API keys: made, rotated, listed, revoked. Stores a hash only; who speaks by one is `doorkeeper.py`'s question."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.intake.speakers import Speaker
from shared.postgres import Connection

PREFIX = "jalur"


class KeyNotReplaceable(ValueError):
    """Nobody may speak by this key any more, or another replaces it already; the message says which."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """A key that replaces another; both are good until `old_expires_at`."""

    key: str
    speaker: Speaker
    old_id: str
    old_expires_at: datetime


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def short_id(key: str) -> str:
    """The id of a key: of the whole key, or already the id itself."""
    return key.removeprefix(f"{PREFIX}_").partition("_")[0]


async def add_key(connection: Connection, speaker: Speaker, expires_at: datetime | None = None) -> str:
    """A new key, shown this one time: `jalur_<id>_<secret>`, 256 bits of secret."""
    short = secrets.token_hex(6)
    secret = secrets.token_hex(32)
    await connection.execute(
        "INSERT INTO intake.keys (id, role, subject, secret_sha256, expires_at) VALUES ($1, $2, $3, $4, $5)",
        short,
        speaker.role,
        speaker.subject,
        digest(secret),
        expires_at,
    )
    return f"{PREFIX}_{short}_{secret}"


async def rotate_key(connection: Connection, key_id: str, overlap: timedelta, expires_at: datetime | None = None) -> Rotation | None:
    """A new key for the same speaker; the old one ends after `overlap`, or earlier where it would have. None: there is no such key.

    Raises `KeyNotReplaceable` where it was revoked or is replaced already: a second successor would be one that nobody knows of.
    """
    short = short_id(key_id)
    async with connection.transaction():
        row = await connection.fetchrow("SELECT role, subject, revoked_at, replaced_by FROM intake.keys WHERE id = $1 FOR UPDATE", short)
        if row is None:
            return None
        if row["revoked_at"] is not None:
            raise KeyNotReplaceable(f"{short} was revoked: make a new key")
        if row["replaced_by"] is not None:
            raise KeyNotReplaceable(f"{short} is replaced by {row['replaced_by']} already: rotate that one")
        speaker = Speaker(row["role"], row["subject"])
        key = await add_key(connection, speaker, expires_at)
        ends_at = await connection.fetchval(
            "UPDATE intake.keys SET replaced_by = $2, expires_at = least(expires_at, now() + $3) WHERE id = $1 RETURNING expires_at",
            short,
            short_id(key),
            overlap,
        )
    return Rotation(key, speaker, short, ends_at)


async def list_keys(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.fetch(
        "SELECT id, role, subject, created_at, expires_at, revoked_at, replaced_by, expires_at <= now() AS is_expired "
        "FROM intake.keys ORDER BY created_at, id"
    )
    return [dict(row) | {"is_expired": bool(row["is_expired"])} for row in rows]


async def revoke_key(connection: Connection, key_id: str) -> datetime | None:
    """When it was revoked; None where there is no such key. Revoking twice keeps the first instant."""
    return await connection.fetchval(  # type: ignore[no-any-return]
        "UPDATE intake.keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING revoked_at", short_id(key_id)
    )


async def seconds_to_expiry(connection: Connection) -> dict[str, float]:
    """Of each role that has a key with an end and no successor: how long until the first of them ends, below 0 once it has."""
    rows = await connection.fetch(
        """
        SELECT role, extract(epoch FROM min(expires_at) - now())::float8 AS seconds FROM intake.keys
        WHERE expires_at IS NOT NULL AND revoked_at IS NULL AND replaced_by IS NULL GROUP BY role
        """
    )
    return {row["role"]: row["seconds"] for row in rows}
