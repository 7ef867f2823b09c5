"""The router's one use case: judge a batch, log the decisions, commit, and only then publish what the log says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import to_json

from services.router import store
from services.router.domain import Assign, Decision, Hold, decide, unprocessable
from services.router.judgement import Judge
from services.router.publication import LoggedDecision, events_of
from shared.broker import Subscription
from shared.envelope import complaint_of, received_id
from shared.errors import Dead
from shared.events import TYPE_OF, ComplaintReceived
from shared.metrics import RouterMetrics
from shared.postgres import Pool, read_clock, transaction
from shared.publisher import Publisher
from shared.records import Record
from shared.topics import Topics
from shared.units import UnitDirectory

_RECEIVED = TYPE_OF[ComplaintReceived]
# Intake takes a quarter of this. A report near Kafka's usual limit of 1 MiB would not fit into its event beside the decision.
_MOST_BYTES = 900_000


@dataclass(frozen=True, slots=True)
class Judged:
    """A record and what was decided of it. `accepted_at` is None where the record could not be read."""

    causing_id: UUID
    complaint_id: UUID
    decision: Decision
    report: bytes | None
    accepted_at: datetime | None
    traceparent: str | None


class Router:
    def __init__(
        self, judge: Judge, directory: UnitDirectory, pool: Pool, publisher: Publisher, topics: Topics, metrics: RouterMetrics
    ) -> None:
        self._judge = judge
        self._directory = directory
        self._pool = pool
        self._publisher = publisher
        self._topics = topics
        self._metrics = metrics

    def subscription(self) -> Subscription[Judged]:
        return Subscription(
            purpose="received",
            topics=(self._topics.received,),
            read=self.judge_record,
            apply=self.route_complaints,
            is_bad=lambda judged: judged.report is None,
            on_bug=self.hold_unreadable,
        )

    def judge_record(self, record: Record) -> Judged:
        """A record with a valid key is never dead: what cannot be read is held for a person."""
        complaint_id = _complaint_id(record)
        if record.headers.get("ce_type", _RECEIVED) != _RECEIVED:
            return self.hold_unreadable(record)
        try:
            report = ComplaintReceived.model_validate_json(record.value or b"")
        except ValidationError:
            return self.hold_unreadable(record)
        if report.complaint_id != complaint_id:
            return self.hold_unreadable(record)
        masked_report = report.to_json()  # without the fields of a newer writer, which would reach the events among our own
        if len(masked_report) > _MOST_BYTES:
            return self.hold_unreadable(record)
        decision = decide(report, self._judge.judge(report), self._directory)
        return Judged(
            received_id(complaint_id), complaint_id, decision, masked_report, report.accepted_at, record.headers.get("traceparent")
        )

    def hold_unreadable(self, record: Record) -> Judged:
        complaint_id = _complaint_id(record)
        return Judged(received_id(complaint_id), complaint_id, unprocessable(self._judge.version), None, None, None)

    async def route_complaints(self, batch: Sequence[tuple[Record, Judged]]) -> None:
        """Dies before the commit: nothing happened. Dies after it: the repeat finds the log and publishes the same events."""
        first = {judged.causing_id: (record, judged) for record, judged in reversed(batch)}
        async with transaction(self._pool) as connection:
            now = await read_clock(connection)
            rows = []
            for record, judged in first.values():
                report = judged.report
                if report is None:
                    stamped = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
                    at = await connection.fetchval("SELECT jalur.jalur_at($1)", stamped)
                    report = to_json({"complaint_id": judged.complaint_id, "reported_at": at, "accepted_at": at})
                rows.append(
                    LoggedDecision(
                        judged.causing_id,
                        judged.complaint_id,
                        0,
                        now,
                        judged.decision.rules_version,
                        report,
                        judged.decision.to_json(),
                        judged.traceparent,
                    )
                )
            logged = await store.record_decisions(connection, rows)
        messages = []
        for row in rows:
            said = logged[row.causing_id]
            messages += events_of(said, self._topics, first[row.causing_id][1].decision if said is row else None)
        await self._publisher.send_surely(messages)
        for row in rows:
            self._count(row, logged[row.causing_id], first[row.causing_id][1])

    def _count(self, offered: LoggedDecision, logged: LoggedDecision, judged: Judged) -> None:
        if logged is not offered:
            self._metrics.repeated.inc()
            return
        parts = judged.decision.parts
        for part in parts:
            if isinstance(part, Assign):
                self._metrics.routed.labels(part.unit).inc()
            elif isinstance(part, Hold):
                self._metrics.held.labels(part.why).inc()
        outcome = "history" if not parts else {Assign: "routed", Hold: "held"}.get(type(parts[0]), "transferred")
        self._metrics.decided.labels(outcome).inc()
        if judged.accepted_at is not None:
            self._metrics.to_decision.observe(max(0.0, (logged.decided_at - judged.accepted_at).total_seconds()))


def _complaint_id(record: Record) -> UUID:
    complaint_id = complaint_of(record.key)
    if complaint_id is None:
        raise Dead("no_complaint_id", "the key is not 16 bytes")
    return complaint_id
