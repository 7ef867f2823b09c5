"""The notifier's use cases: apply a batch of its inputs, sweep what is due, refuse what waited too long. One transaction each."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiokafka import TopicPartition

from services.notifier import domain, reading, report_store, store
from services.notifier.ahead import Ahead
from services.notifier.case import Case
from services.notifier.clocks import Clockwork, Fired
from services.notifier.domain import Setting
from services.notifier.facts import Fact, Ordered, Said, identity, without_text
from services.notifier.inputs import Input, Inputs
from services.notifier.leads import merges_into, refused_leads
from services.notifier.life import Ask, Life
from services.notifier.publication import messages_of, refusal_message, request_of
from services.notifier.traces import find_traces, keep_traces
from services.notifier.watermarks import record_positions
from shared.broker import Subscription
from shared.envelope import Message
from shared.events import CaseUpdate, ComplaintChanged, ComplaintReceived
from shared.logs import get_logger
from shared.metrics import NotifierMetrics
from shared.outbox import Relay, add_to_outbox
from shared.postgres import Connection, Pool, read_clock, transaction
from shared.records import Record
from shared.topics import Topics
from shared.tracing import apart
from shared.units import UNIT_SLUGS

_PATIENCE = timedelta(hours=1)
MOST_PREPARED = 1000  # of firings that were worked out ahead, in one transaction
_log = get_logger()


class Notifier:
    def __init__(self, clockwork: Clockwork, pool: Pool, relay: Relay, topics: Topics, metrics: NotifierMetrics) -> None:
        self.clockwork = clockwork
        self._pool = pool
        self._relay = relay
        self._topics = topics
        self._metrics = metrics
        self._inputs = Inputs(topics)
        self.ahead = Ahead(clockwork, pool, topics)
        self._passed_over: set[UUID] = set()  # until this process ends: a new release may know better

    def subscription(self) -> Subscription[Input]:
        return Subscription(
            purpose="cases",
            topics=self._topics.notifier_inputs(),
            read=self._inputs.read,
            apply=self.apply_batch,
            uncounted_topics=frozenset(self._topics.updates(unit) for unit in UNIT_SLUGS),
        )

    async def apply_batch(self, batch: Sequence[tuple[Record, Input]]) -> None:
        """All or nothing; a second delivery finds every part, change and update known and changes nothing."""
        named = {payload.complaint_id for _, payload in batch}
        async with transaction(self._pool) as connection:
            # Whoever merges a case locks the one it goes into as well, so that neither changes under the other.
            leads = {into for _, payload in batch if (into := merges_into(payload)) is not None}
            cases = await store.lock_cases(connection, named | leads | await store.find_waiting_leads(connection, named))
            heard = {payload.complaint_id: record.headers.get("traceparent") for record, payload in batch}
            for complaint_id, traceparent in heard.items():
                cases[complaint_id].traceparent = traceparent
            await keep_traces(connection, heard)
            setting = await self._setting(connection)
            known, facts = await self._facts_of(connection, batch, cases)
            await self._refuse_reused(connection, known, setting.now)
            loaded = _revived(cases.values(), setting)
            await self._keep_reports(connection, batch, facts, cases)
            asked: list[tuple[Case, Ask]] = []
            for complaint_id, told in facts.items():
                case = cases[complaint_id]
                asked += [(case, ask) for ask in domain.learn(case, told, setting, refused_leads(told, case, cases))]
            await self._save(connection, [cases[item] for item in named], setting, asked, loaded)
            await record_positions(connection, _positions(batch))
        self._relay.wake()

    async def _setting(self, connection: Connection) -> Setting:
        now = await read_clock(connection)
        return Setting(self.clockwork, now, await store.read_absences(connection, now))

    async def _facts_of(
        self, connection: Connection, batch: Sequence[tuple[Record, Input]], cases: Mapping[UUID, Case]
    ) -> tuple[list[tuple[Said, UUID]], dict[UUID, list[Fact]]]:
        """The batch as facts of its cases; and what was seen before under the same id, of what a unit wrote."""
        stamps = [datetime.fromtimestamp(record.timestamp_ms / 1000, UTC) for record, payload in batch if isinstance(payload, CaseUpdate)]
        times = iter(await store.read_jalur_times(connection, stamps) if stamps else [])
        facts: dict[UUID, list[Fact]] = defaultdict(list)
        said: dict[tuple[UUID, UUID], tuple[Fact, Input]] = {}
        for _, payload in batch:
            if isinstance(payload, CaseUpdate):
                update = reading.said(payload, next(times))
                said.setdefault((update.id, payload.complaint_id), (update, payload))
            elif isinstance(payload, ComplaintChanged):
                change = reading.changed(payload)
                said.setdefault((change.id, payload.complaint_id), (change, payload))  # type: ignore[union-attr]
            else:
                facts[payload.complaint_id].append(reading.reported(payload))
                if not isinstance(payload, ComplaintReceived):
                    facts[payload.complaint_id].append(reading.decided(payload))
        new = await store.add_facts(connection, list(said)) if said else set()
        for (known_by, complaint_id), (fact, _) in said.items():
            if (known_by, complaint_id) in new:
                facts[complaint_id].append(without_text(fact) if is_erased(cases[complaint_id], fact.at) else fact)
        repeated = [(fact, key[1]) for key, (fact, _) in said.items() if key not in new and isinstance(fact, Said)]
        return repeated, facts

    async def _refuse_reused(self, connection: Connection, known: list[tuple[Said, UUID]], now: datetime) -> None:
        """A unit that gives two complaints' updates one id would lose the second without a word; a true repeat needs none.

        By whichever door they came. Said without a number of the case's, which is not touched: a repeat says the very same.
        """
        if not known:
            return
        first = await store.find_facts(connection, [said.id for said, _ in known])
        why = "this update_id was used for another complaint; give each update an id of its own"
        reused = [(said, complaint_id) for said, complaint_id in known if first.get(said.id, complaint_id) != complaint_id]
        await add_to_outbox(connection, [refusal_message(Case(key), said, why, self._topics, now) for said, key in reused])
        self._metrics.refused.inc(len(reused))

    async def _keep_reports(
        self, connection: Connection, batch: Sequence[tuple[Record, Input]], facts: dict[UUID, list[Fact]], cases: Mapping[UUID, Case]
    ) -> None:
        reports = {payload.complaint_id: record.value or b"" for record, payload in batch if isinstance(payload, ComplaintReceived)}
        if reports:
            await report_store.keep_reports(connection, list(reports.items()))
        new = {identity(fact) for told in facts.values() for fact in told}
        edits = {}
        for _, payload in batch:
            if isinstance(payload, ComplaintChanged) and (fields := reading.edits_of(payload)):
                known_by = identity(reading.changed(payload))
                if known_by in new and not is_erased(cases[payload.complaint_id], payload.accepted_at):
                    edits[known_by] = (payload.complaint_id, payload.accepted_at, fields)
        await report_store.keep_edits(connection, list(edits.values()))

    async def _save(
        self, connection: Connection, cases: Iterable[Case], setting: Setting, asked: Sequence[tuple[Case, Ask]], loaded: dict[UUID, Life]
    ) -> None:
        cases = list(cases)
        await store.park(connection, [(case.id, item) for case in cases for item in case.parked])
        changed = [case for case in cases if case.is_changed or case.unparked or case.is_asked_again]
        if not changed:
            return
        await self._request(connection, asked)
        await self._pass_on(connection, changed, loaded)
        messages: list[Message] = []
        for case in changed:
            messages += messages_of(case, self._topics, setting.now)
        await store.save_cases(connection, changed, setting.now)
        await add_to_outbox(connection, messages)
        self._metrics.rescinded.inc(sum(item.kind == "rescinded" for case in changed for item in case.follow_ups))

    async def _request(self, connection: Connection, asked: Sequence[tuple[Case, Ask]]) -> None:
        """The router's questions, in the transaction that made them."""
        if not asked:
            return
        reports = await report_store.read_reports(connection, [case.id for case, _ in asked])
        for case, ask in asked:
            case.requests.append(request_of(case, ask, domain.number_of(case, ask), reports.get(case.id)))

    async def _pass_on(self, connection: Connection, changed: Sequence[Case], loaded: dict[UUID, Life]) -> None:
        """What the cases merged into these have to know; each takes it in a transaction of its own."""
        ended = [case for case in changed if domain.passed_on(loaded[case.id], case.life, case.id, case.id) is not None]
        if not ended:
            return
        members = await store.find_members(connection, [case.id for case in ended])
        told = [
            (member, fact)
            for case in ended
            for member in members.get(case.id, ())
            if (fact := domain.passed_on(loaded[case.id], case.life, case.id, member)) is not None
        ]
        await store.add_passed_on(connection, told)

    async def take_passed_on(self, limit: int = 200) -> int:
        """Let merged cases take what happened to the case they were merged into; returns how many."""
        async with transaction(self._pool) as connection:
            cases, facts = await store.claim_passed_on(connection, limit, self._passed_over)
            if not cases:
                return 0
            setting = await self._setting(connection)
            asked: list[tuple[Case, Ask]] = []

            def take(case: Case) -> None:
                told = facts.get(case.id, [])
                asked.extend((case, ask) for ask in domain.learn(case, told, setting, refused_leads(told, case, {})))

            moved, loaded = self._each(cases.values(), setting, take)
            await store.drop_passed_on(connection, [case.id for case in moved])
            await self._save(connection, moved, setting, asked, loaded)
        self._relay.wake()
        return len(moved)

    async def retime(self, limit: int = 200) -> int:
        """Work out anew what older policies or another calendar timed; returns how many cases."""
        async with transaction(self._pool) as connection:
            cases = await store.claim_older_timed(connection, self.clockwork.version, limit, self._passed_over)
            if not cases:
                return 0
            setting = await self._setting(connection)
            moved, loaded = self._each(cases.values(), setting, lambda case: domain.retime(case, setting))
            await self._save(connection, moved, setting, (), loaded)
            await store.mark_timed(connection, [case.id for case in moved], self.clockwork.version)
        self._relay.wake()
        return len(moved)

    def _each(self, cases: Iterable[Case], setting: Setting, move: Callable[[Case], None]) -> tuple[list[Case], dict[UUID, Life]]:
        """Move each case; one that cannot be moved must not stop the others' clocks. Returns those that were, and their lives before."""
        moved, loaded = [], {}
        for case in cases:
            try:
                domain.revive(case, setting)
                loaded[case.id] = case.life
                move(case)
            except Exception as error:
                self._passed_over.add(case.id)
                self._metrics.consumer.bugs.inc()
                _log.error("A case could not be moved on because of a bug; it is passed over", complaint_id=str(case.id), exc_info=error)
            else:
                moved.append(case)
        return moved, loaded

    async def sweep(self, until: datetime, limit: int = 200) -> int:
        """Fire what is due up to the watermark; returns how many cases. Fired means committed."""
        fired: list[Fired] = []
        async with AsyncExitStack() as spans, transaction(self._pool) as connection:
            claimed = await store.claim_due(connection, until, MOST_PREPARED if self.ahead.is_filled else limit, self._passed_over)
            if not claimed:
                return 0
            setting = await self._setting(connection)
            ready, others = self.ahead.take(claimed, until, setting)
            fires = [row["id"] for row, _ in ready] + others[:limit]
            traced = spans.enter_context(apart("fire", await find_traces(connection, fires)))
            if ready:
                fired += await self.ahead.write(connection, ready, setting.now, traced)
            cases = await store.load_claimed(connection, others[:limit])
            asked: list[tuple[Case, Ask]] = []

            def fire(case: Case) -> None:
                case.traceparent = traced.get(case.id)
                domain.retime(case, setting)
                told, asks = domain.fire(case, until, setting)
                fired.extend(told)
                asked.extend((case, ask) for ask in asks)

            swept, loaded = self._each(cases.values(), setting, fire)
            await self._save(connection, swept, setting, asked, loaded)
        self._relay.wake()
        for kind, late in fired:
            self._metrics.fired.labels(kind).inc()
            self._metrics.lateness.observe(late)
        return len(ready) + len(swept)

    async def refuse_expired(self, until: datetime, limit: int = 200) -> int:
        """Refuse updates and orders whose instant lies an hour before the watermark and that their case never could take."""
        async with transaction(self._pool) as connection:
            cases = await store.claim_expired_parked(connection, until - _PATIENCE, limit, self._passed_over)
            if not cases:
                return 0
            setting = await self._setting(connection)
            refusals: list[Message] = []

            def refuse(case: Case) -> None:
                for item in [item for item in case.parked if item.counts_at <= until - _PATIENCE]:
                    if isinstance(item.fact, Said | Ordered):
                        why = domain.refuse(case, item, setting)
                        refusals.append(refusal_message(case, item.fact, why, self._topics, setting.now))

            moved, loaded = self._each(cases.values(), setting, refuse)
            await self._save(connection, moved, setting, (), loaded)
            await add_to_outbox(connection, refusals)
        self._relay.wake()
        self._metrics.refused.inc(len(refusals))
        return len(moved)


def _revived(cases: Iterable[Case], setting: Setting) -> dict[UUID, Life]:
    """The lives of cases as they were loaded."""
    found = {}
    for case in cases:
        domain.revive(case, setting)
        found[case.id] = case.life
    return found


def is_erased(case: Case, at: datetime) -> bool:
    """Whether what was written then is erased: Kafka may still have it, and bring it again."""
    return case.erased_at is not None and at <= case.erased_at


def _positions(batch: Sequence[tuple[Record, Input]]) -> dict[TopicPartition, int]:
    ends: dict[TopicPartition, int] = {}
    for record, _ in batch:
        partition = TopicPartition(record.topic, record.partition)
        ends[partition] = max(ends.get(partition, 0), record.offset + 1)
    return ends
