"""The state of a consumer's breaker, in its service's schema, so that a restart does not close it."""

from datetime import datetime

from shared.logs import get_logger
from shared.metrics import ConsumerMetrics
from shared.postgres import Connection, Pool

_log = get_logger()


class Breaker:
    """Open: too many bad records, nothing is read until an operator resumes. What was stamped before that moment is forgiven."""

    def __init__(self, pool: Pool, purpose: str, metrics: ConsumerMetrics) -> None:
        self._pool = pool
        self._purpose = purpose
        self._metrics = metrics
        self.is_open = False
        self.reason = ""
        self.resumed_at_ms = 0

    async def look(self) -> None:
        """Read what is stored; an operator or another replica may have changed it."""
        row = await self._pool.fetchrow(
            "SELECT opened_at IS NOT NULL AS is_open, reason, resumed_at FROM breakers WHERE purpose = $1", self._purpose
        )
        was_open = self.is_open
        self.is_open = row is not None and row["is_open"]
        self.reason = (row["reason"] or "") if row is not None else ""
        self.resumed_at_ms = _milliseconds(row["resumed_at"]) if row is not None else 0
        self._metrics.breaker_open.labels(self._purpose).set(self.is_open)
        if was_open and not self.is_open:
            _log.warning("An operator closed the breaker; reading goes on", purpose=self._purpose)

    async def open(self, reason: str) -> None:
        """In force here at once, and stored; where the database is away the open state is found again by the same records."""
        self.is_open = True
        self.reason = reason
        self._metrics.breaker_open.labels(self._purpose).set(1)
        _log.error("The breaker opened; nothing is read until `jalur resume`", purpose=self._purpose, reason=reason)
        await self._pool.execute(
            """
            INSERT INTO breakers (purpose, opened_at, reason) VALUES ($1, now(), $2)
            ON CONFLICT (purpose) DO UPDATE SET opened_at = now(), reason = excluded.reason
            """,
            self._purpose,
            reason,
        )


async def resume(connection: Connection, service: str) -> list[str]:
    """Close every open breaker of a service; returns the purposes that were open."""
    rows = await connection.fetch(
        f'UPDATE "{service}".breakers SET opened_at = NULL, reason = NULL, resumed_at = clock_timestamp()'  # noqa: S608 - closed set of names
        " WHERE opened_at IS NOT NULL RETURNING purpose"
    )
    return [row["purpose"] for row in rows]


def _milliseconds(instant: datetime | None) -> int:
    return int(instant.timestamp() * 1000) if instant is not None else 0
