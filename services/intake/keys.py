"""API keys: who speaks, in which role. Stores a hash only; a revoked key stops within a second."""

import hashlib
import secrets
import time
from datetime import datetime
from typing import Any

from services.intake.speakers import Speaker
from shared.postgres import Connection, Pool
from shared.problems import Problem

_PREFIX = "jalur"
_TRUST_SECONDS = 0.7


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def add_key(connection: Connection, speaker: Speaker) -> str:
    """A new key, shown this one time: `jalur_<id>_<secret>`, 256 bits of secret."""
    short = secrets.token_hex(6)
    secret = secrets.token_hex(32)
    await connection.execute(
        "INSERT INTO intake.keys (id, role, subject, secret_sha256) VALUES ($1, $2, $3, $4)",
        short,
        speaker.role,
        speaker.subject,
        _digest(secret),
    )
    return f"{_PREFIX}_{short}_{secret}"


async def list_keys(connection: Connection) -> list[dict[str, Any]]:
    rows = await connection.fetch("SELECT id, role, subject, created_at, revoked_at FROM intake.keys ORDER BY created_at, id")
    return [dict(row) for row in rows]


async def revoke_key(connection: Connection, key_id: str) -> datetime | None:
    """When it was revoked; None where there is no such key. Revoking twice keeps the first instant."""
    short = key_id.removeprefix(f"{_PREFIX}_").partition("_")[0]
    return await connection.fetchval(  # type: ignore[no-any-return]
        "UPDATE intake.keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING revoked_at", short
    )


class Doorkeeper:
    """Verifies keys, trusting an answer of the database for less than a second."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[float, bytes, Speaker]] = {}

    async def who(self, authorization: str | None) -> Speaker:
        """Raises `Problem` 401; a database error passes through."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem(401, "no-key", "No key", "send the header Authorization: Bearer <key>", field="Authorization")
        parts = token.strip().split("_")
        if len(parts) != 3 or parts[0] != _PREFIX or not (token.isascii() and token.isprintable()):
            raise _refused()
        _, short, secret = parts
        now = time.monotonic()
        known = self._known.get(short)
        if known is None or known[0] < now:
            row = await self._pool.fetchrow("SELECT role, subject, secret_sha256 FROM keys WHERE id = $1 AND revoked_at IS NULL", short)
            if row is None:
                self._known.pop(short, None)
                raise _refused()
            known = (now + _TRUST_SECONDS, row["secret_sha256"], Speaker(row["role"], row["subject"]))
            self._known[short] = known
        if not secrets.compare_digest(known[1], _digest(secret)):
            raise _refused()
        return known[2]


def _refused() -> Problem:
    return Problem(401, "bad-key", "Key refused", "the key is unknown or was revoked", field="Authorization")
