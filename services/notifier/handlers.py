"""The notifier's use cases: apply a batch of its inputs, sweep what is due, refuse what waited too long. One transaction each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiokafka import TopicPartition
from pydantic import ValidationError

from services.notifier import domain, store
from services.notifier.case import Case, Parked
from services.notifier.clocks import Clockwork
from services.notifier.publication import messages_of, refusal_message
from services.notifier.watermarks import record_positions
from shared.broker import Subscription
from shared.envelope import change_event_id, complaint_of, refused_update_id
from shared.errors import Dead, where
from shared.events import (
    TYPE_OF,
    CaseUpdate,
    ComplaintChanged,
    ComplaintHeld,
    ComplaintReceived,
    ComplaintRouted,
    ComplaintTransferred,
    Payload,
)
from shared.logs import get_logger
from shared.metrics import NotifierMetrics
from shared.outbox import Relay, add_to_outbox
from shared.postgres import Connection, Pool, read_clock, transaction
from shared.records import Record
from shared.topics import Topics
from shared.units import UNIT_SLUGS

Input = ComplaintReceived | ComplaintChanged | ComplaintRouted | ComplaintHeld | ComplaintTransferred | CaseUpdate
_PATIENCE = timedelta(hours=1)
_log = get_logger()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A change or an update of this batch, with the id by which it is known."""

    fact: UUID
    payload: ComplaintChanged | CaseUpdate
    counts_at: datetime


class Notifier:
    def __init__(self, clockwork: Clockwork, pool: Pool, relay: Relay, topics: Topics, metrics: NotifierMetrics) -> None:
        self._clockwork = clockwork
        self._pool = pool
        self._relay = relay
        self._topics = topics
        self._metrics = metrics
        self._passed_over: set[UUID] = set()  # until this process ends: a new release may know better
        self._models: dict[str, type[Payload]] = {
            topics.received: ComplaintReceived,
            topics.changes: ComplaintChanged,
            topics.triage: ComplaintHeld,
            topics.transferred: ComplaintTransferred,
            **{topics.routed(unit): ComplaintRouted for unit in UNIT_SLUGS},
            **{topics.updates(unit): CaseUpdate for unit in UNIT_SLUGS},
        }

    def subscription(self) -> Subscription[Input]:
        return Subscription(
            purpose="cases",
            topics=self._topics.notifier_inputs(),
            read=self.read_record,
            apply=self.apply_batch,
            uncounted_topics=frozenset(self._topics.updates(unit) for unit in UNIT_SLUGS),
        )

    def read_record(self, record: Record) -> Input:
        """Raises `Dead` for what can never be read, or does not belong to the topic it lies in."""
        complaint_id = complaint_of(record.key)
        if complaint_id is None:
            raise Dead("no_complaint_id", "the key is not 16 bytes")
        model = self._models[record.topic]
        given = record.headers.get("ce_type")
        if given is not None and given != TYPE_OF[model]:
            raise Dead("wrong_type", f"ce_type is not {TYPE_OF[model]}")
        try:
            payload = model.model_validate_json(record.value or b"")
        except ValidationError as error:
            raise Dead("not_our_schema", where(error)) from None
        assert isinstance(payload, Input)
        if payload.complaint_id != complaint_id:
            raise Dead("key_differs", "complaint_id is not the key's")
        if isinstance(payload, CaseUpdate | ComplaintRouted) and payload.unit != self._topics.unit_of(record.topic):
            raise Dead("wrong_unit", "unit is not the topic's")
        return payload

    async def apply_batch(self, batch: Sequence[tuple[Record, Input]]) -> None:
        """All or nothing; a second delivery finds every part, change and update known and changes nothing."""
        async with transaction(self._pool) as connection:
            cases = await store.lock_cases(connection, (payload.complaint_id for _, payload in batch))
            now = await read_clock(connection)
            stamps = [
                datetime.fromtimestamp(record.timestamp_ms / 1000, UTC) for record, payload in batch if isinstance(payload, CaseUpdate)
            ]
            times = iter(await store.read_jalur_times(connection, stamps) if stamps else [])
            waiting: dict[tuple[UUID, UUID], _Waiting] = {}
            for _record, payload in batch:
                case = cases[payload.complaint_id]
                if isinstance(payload, ComplaintReceived):
                    domain.open_case(case, payload, self._clockwork, now)
                elif isinstance(payload, ComplaintRouted | ComplaintHeld | ComplaintTransferred):
                    domain.apply_decided(case, payload, self._clockwork, now)
                elif isinstance(payload, CaseUpdate):
                    fact = refused_update_id(payload.unit, payload.update_id)
                    waiting.setdefault((fact, case.id), _Waiting(fact, payload, next(times)))
                else:
                    fact = change_event_id(payload.complaint_id, payload.by, payload.change_id)
                    waiting.setdefault((fact, case.id), _Waiting(fact, payload, payload.accepted_at))
            await self._apply_waiting(connection, cases, list(waiting.values()), now)
            for case in cases.values():
                if case.is_changed:
                    domain.retry_parked(case, self._clockwork, now)
            await self._save(connection, cases.values(), now)
            await record_positions(connection, _positions(batch))
        self._relay.wake()

    async def _apply_waiting(self, connection: Connection, cases: dict[UUID, Case], waiting: list[_Waiting], now: datetime) -> None:
        """After the batch's decisions, so that what needs them finds them; parks what its case cannot take yet."""
        if not waiting:
            return
        new = await store.add_facts(connection, [(item.fact, item.payload.complaint_id) for item in waiting])
        await self._refuse_reused(connection, [item for item in waiting if (item.fact, item.payload.complaint_id) not in new], now)
        for item in waiting:
            if (item.fact, item.payload.complaint_id) not in new:
                continue
            case = cases[item.payload.complaint_id]
            if isinstance(item.payload, CaseUpdate):
                outcome = domain.apply_update(case, item.payload, item.counts_at, self._clockwork, now)
            else:
                outcome = domain.apply_change(case, item.payload, self._clockwork, now)
            if outcome == "parked":
                kind = "update" if isinstance(item.payload, CaseUpdate) else "change"
                parked = Parked(item.fact, kind, item.counts_at, item.payload.to_json())
                await store.park(connection, case.id, [parked])
                case.parked.append(parked)

    async def _refuse_reused(self, connection: Connection, known: list[_Waiting], now: datetime) -> None:
        """A unit that gives two complaints' updates one id would lose the second without a word; a true repeat needs none.

        Said without a number of the case's, which is not touched: a repeat says the very same.
        """
        updates = [(item.fact, item.payload) for item in known if isinstance(item.payload, CaseUpdate)]
        if not updates:
            return
        first = await store.find_facts(connection, [fact for fact, _ in updates])
        why = "this update_id was used for another complaint; give each update an id of its own"
        reused = [update for fact, update in updates if first.get(fact, update.complaint_id) != update.complaint_id]
        await add_to_outbox(connection, [refusal_message(Case(item.complaint_id), item, why, self._topics, now) for item in reused])
        self._metrics.refused.inc(len(reused))

    async def _save(self, connection: Connection, cases: Iterable[Case], now: datetime) -> None:
        changed = [case for case in cases if case.is_changed or case.unparked or case.is_asked_again]
        if not changed:
            return
        messages = []
        for case in changed:
            domain.settle(case)
            messages += messages_of(case, self._topics, now)
        await store.save_cases(connection, changed)
        await add_to_outbox(connection, messages)
        self._metrics.rescinded.inc(sum(item.kind == "rescinded" for case in changed for item in case.follow_ups))

    async def sweep(self, until: datetime, limit: int = 200) -> int:
        """Fire what is due up to the watermark; returns how many cases. Fired means committed."""
        fired: list[tuple[str, float]] = []
        async with transaction(self._pool) as connection:
            cases = await store.claim_due_cases(connection, until, limit, self._passed_over)
            if not cases:
                return 0
            now = await read_clock(connection)
            swept = []
            for case in cases.values():
                try:
                    fired += self._clockwork.fire(case, until, now)
                except Exception as error:  # one case that cannot be fired must not stop the others' clocks
                    self._passed_over.add(case.id)
                    self._metrics.consumer.bugs.inc()
                    _log.error(
                        "A case's clock could not fire because of a bug; it is passed over", complaint_id=str(case.id), exc_info=error
                    )
                else:
                    swept.append(case)
            await self._save(connection, swept, now)
        self._relay.wake()
        for kind, late in fired:
            self._metrics.fired.labels(kind).inc()
            self._metrics.lateness.observe(late)
        return len(cases)

    async def refuse_expired(self, until: datetime, limit: int = 200) -> int:
        """Refuse updates whose instant lies an hour before the watermark and that their case never could take."""
        async with transaction(self._pool) as connection:
            cases = await store.claim_expired_parked(connection, until - _PATIENCE, limit)
            if not cases:
                return 0
            now = await read_clock(connection)
            refusals = []
            for case in cases.values():
                for item in [item for item in case.parked if item.kind == "update" and item.counts_at <= until - _PATIENCE]:
                    update, why = domain.refuse_parked(case, item, now)
                    refusals.append(refusal_message(case, update, why, self._topics, now))
            await self._save(connection, cases.values(), now)
            await add_to_outbox(connection, refusals)
        self._relay.wake()
        self._metrics.refused.inc(len(refusals))
        return len(cases)


def _positions(batch: Sequence[tuple[Record, Input]]) -> dict[TopicPartition, int]:
    ends: dict[TopicPartition, int] = {}
    for record, _ in batch:
        partition = TopicPartition(record.topic, record.partition)
        ends[partition] = max(ends.get(partition, 0), record.offset + 1)
    return ends
