"""Who speaks by a key: trusts an answer of the database for less than a second, and counts every refusal by its reason."""

import secrets
import time
from datetime import datetime
from typing import Any

from services.intake.keys import PREFIX, digest
from services.intake.limits import DoorLimits
from services.intake.speakers import Speaker
from shared.metrics import IntakeMetrics
from shared.postgres import Pool
from shared.problems import Problem

_TRUST_SECONDS = 0.7
_QUERY = """
    SELECT role, subject, secret_sha256, revoked_at IS NOT NULL AS is_revoked,
           extract(epoch FROM expires_at - now())::float8 AS seconds_left, expires_at
    FROM keys WHERE id = $1
"""


class _Known:
    """What the database said of a key, and until when that is believed."""

    __slots__ = ("is_good_until", "sha", "speaker")

    def __init__(self, is_good_until: float, sha: bytes, speaker: Speaker) -> None:
        self.is_good_until = is_good_until
        self.sha = sha
        self.speaker = speaker


class Doorkeeper:
    """Verifies keys. Who tries many that are not good is asked to wait; who once showed a good one is not, from wherever he comes."""

    def __init__(self, pool: Pool, limits: DoorLimits, metrics: IntakeMetrics) -> None:
        self._pool = pool
        self._limits = limits
        self._metrics = metrics
        self._known: dict[str, _Known] = {}

    async def who(self, authorization: str | None, address: str) -> Speaker:
        """Raises `Problem` 401, or 429 after too many of those; a database error passes through."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            self._metrics.keys_refused.labels("none").inc()
            raise Problem(401, "no-key", "No key", "send the header Authorization: Bearer <key>", field="Authorization")
        parts = token.strip().split("_")
        if len(parts) != 3 or parts[0] != PREFIX or not (token.isascii() and token.isprintable()):
            raise self._refused("malformed", address)
        _, short, secret = parts
        sha = digest(secret)
        known = self._known.get(short)
        if known is not None and secrets.compare_digest(known.sha, sha):
            if known.is_good_until > time.monotonic():
                return known.speaker
        else:
            self._limits.check_refusals(address)
        return await self._ask(short, sha, address)

    async def _ask(self, short: str, sha: bytes, address: str) -> Speaker:
        row = await self._pool.fetchrow(_QUERY, short)
        if row is None:
            self._known.pop(short, None)
            raise self._refused("unknown", address)
        if not secrets.compare_digest(row["secret_sha256"], sha):
            raise self._refused("wrong_secret", address)
        is_expired = row["seconds_left"] is not None and row["seconds_left"] <= 0
        if row["is_revoked"] or is_expired:
            self._known.pop(short, None)
            if row["is_revoked"]:
                raise self._refused("revoked", address)
            # Its holder alone learns this: the secret was right.
            raise self._refused("expired", address, _expired(row["expires_at"]))
        trusted = _TRUST_SECONDS if row["seconds_left"] is None else min(_TRUST_SECONDS, row["seconds_left"])
        speaker = Speaker(row["role"], row["subject"], short)
        self._known[short] = _Known(time.monotonic() + trusted, sha, speaker)
        return speaker

    def _refused(self, reason: str, address: str, detail: str = "the key is unknown or was revoked") -> Problem:
        self._metrics.keys_refused.labels(reason).inc()
        self._limits.count_refusal(address)
        return Problem(401, "bad-key", "Key refused", detail, field="Authorization")


def _expired(at: Any) -> str:
    assert isinstance(at, datetime)
    return f"the key ended at {at:%Y-%m-%dT%H:%M:%SZ}: ask for a new one"
