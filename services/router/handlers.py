"""The router's use case: judge a batch, log the decisions, commit, and only then publish what the log says."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic_core import to_json

from services.router import store
from services.router.decision import Assign, Decision, Hold
from services.router.feedback import BASELINE, DRIFT_ALARM, RECENT, compared_of, mix_drift, returned_of
from services.router.publication import LoggedDecision, events_of
from services.router.reading import Judged, Reader
from shared.broker import Subscription
from shared.events import RerouteRequested
from shared.logs import get_logger
from shared.metrics import RouterMetrics
from shared.postgres import Connection, Pool, read_clock, transaction
from shared.publisher import Publisher
from shared.records import Record
from shared.topics import Topics

_log = get_logger()


class Router:
    """Two subscriptions, so that a flood of new reports holds up no order, and one way from a record to its events."""

    def __init__(self, reader: Reader, pool: Pool, publisher: Publisher, topics: Topics, metrics: RouterMetrics) -> None:
        self._reader = reader
        self._pool = pool
        self._publisher = publisher
        self._topics = topics
        self._metrics = metrics
        self._drifts = False

    def received(self) -> Subscription[Judged]:
        return Subscription(
            purpose="received",
            topics=(self._topics.received,),
            read=self._reader.read_received,
            apply=self.route_complaints,
            is_bad=_is_bad,
            on_bug=self._reader.hold_received,
        )

    def reroutes(self) -> Subscription[Judged]:
        return Subscription(
            purpose="reroutes",
            topics=(self._topics.reroutes,),
            read=self._reader.read_request,
            apply=self.route_complaints,
            is_bad=_is_bad,
            on_bug=self._reader.hold_request,
        )

    async def route_complaints(self, batch: Sequence[tuple[Record, Judged]]) -> None:
        """Dies before the commit: nothing happened. Dies after it: the repeat finds the log and publishes the same events."""
        first: dict[store.Asked, tuple[Record, Judged]] = {}
        for record, judged in batch:
            first.setdefault((judged.causing_id, judged.complaint_id, judged.number), (record, judged))
        async with transaction(self._pool) as connection:
            now = await read_clock(connection)
            requested = {judged.complaint_id for _, judged in first.values() if judged.request is not None}
            earlier = await store.find_decisions(connection, requested) if requested else {}
            offered: list[tuple[LoggedDecision, Decision]] = []
            for record, judged in first.values():
                decision = judged.after(earlier.get(judged.complaint_id, {}).values())
                offered.append((await _row(connection, record, judged, decision, now), decision))
                if judged.request is not None:  # the next request of this batch for the same complaint comes after this one
                    earlier[judged.complaint_id].setdefault(judged.number, decision)
            logged = await store.record_decisions(connection, offered)
        messages = []
        for (row, decision), (_, judged) in zip(offered, first.values(), strict=True):
            said = logged.get(store.asked_of(row))
            if said is None:
                self._metrics.conflicting.inc()
                _log.error(
                    "A record asks for a decision whose number or id another one has taken; nothing is published for it",
                    complaint_id=str(row.complaint_id), decision=row.decision, causing_id=str(row.causing_id),
                )  # fmt: skip
                continue
            messages += events_of(said, self._topics, decision if said is row else None)
            if said is row:
                self._count(row, decision, judged)
                self._learn(decision, judged.request, earlier.get(row.complaint_id, {}))
            else:
                self._metrics.repeated.inc()
        await self._publisher.send_surely(messages)

    def _count(self, row: LoggedDecision, decision: Decision, judged: Judged) -> None:
        parts = decision.parts
        for part in parts:
            if isinstance(part, Assign):
                self._metrics.routed.labels(part.unit).inc()
            elif isinstance(part, Hold):
                self._metrics.held.labels(part.why).inc()
        outcome = "history" if not parts else {Assign: "routed", Hold: "held"}.get(type(parts[0]), "transferred")
        self._metrics.decided.labels(outcome).inc()
        if judged.accepted_at is not None:
            self._metrics.to_decision.observe(max(0.0, (row.decided_at - judged.accepted_at).total_seconds()))

    def _learn(self, decision: Decision, request: RerouteRequested | None, earlier: dict[int, Decision]) -> None:
        """What the decision says of those before it; once, with the row."""
        metrics = self._metrics
        for item in returned_of(request, earlier) if request is not None else ():
            metrics.returned.labels(item.unit, item.decided_by, item.band).inc()
            metrics.returned_reasons.labels(item.reason, item.band).inc()
        if (compared := compared_of(decision)) is not None:
            is_order = decision.decided_by == "human"
            views, reasons = (metrics.ordered, metrics.ordered_reasons) if is_order else (metrics.disposed, metrics.disposed_reasons)
            views.labels(compared.unit, compared.band, compared.agreed).inc()
            reasons.labels(compared.reason, compared.agreed).inc()

    async def measure_drift(self) -> None:
        """Compare the last day's mix of destinations with the four weeks before; says once when it passes the alarm, and when it ends."""
        async with transaction(self._pool) as connection:
            recent, baseline = await store.count_mix(connection, await read_clock(connection), RECENT, BASELINE)
        drift = mix_drift(recent, baseline)
        self._metrics.mix_drift.set(drift)
        if math.isnan(drift) or (drift > DRIFT_ALARM) is self._drifts:
            return
        self._drifts = not self._drifts
        if self._drifts:
            _log.warning("The mix of units has moved away from that of the four weeks before", drift=round(drift, 3), alarm=DRIFT_ALARM)
        else:
            _log.info("The mix of units is again as in the four weeks before", drift=round(drift, 3), alarm=DRIFT_ALARM)


def _is_bad(judged: Judged) -> bool:
    return judged.report is None


async def _row(connection: Connection, record: Record, judged: Judged, decision: Decision, now: datetime) -> LoggedDecision:
    report = judged.report
    if report is None:
        stamped = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
        at = await connection.fetchval("SELECT jalur.jalur_at($1)", stamped)
        report = to_json({"complaint_id": judged.complaint_id, "reported_at": at, "accepted_at": at})
    return LoggedDecision(
        causing_id=judged.causing_id,
        complaint_id=judged.complaint_id,
        decision=judged.number,
        decided_at=now,
        rules_version=decision.rules_version,
        report=report,
        taken=decision.to_json(),
        traceparent=judged.traceparent,
    )
