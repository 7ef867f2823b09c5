"""Fills a new, empty Kafka from the database: what was on its way is said again under the same ids, so that nobody takes it twice."""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from services.commands.connect import Stack

if TYPE_CHECKING:
    from services.router.publication import LoggedDecision
    from shared.envelope import Message
    from shared.postgres import Connection
    from shared.settings import Settings
    from shared.topics import Topics

_PAGE = 200
# Where neither database nor Kafka know the newest numbers.
_ROOM = 1000


@dataclass
class Refill:
    """The one run of it. `counts` says what is sent again."""

    connection: "Connection"
    stack: Stack
    settings: "Settings"
    replication: int
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def run(self, *, is_restored: bool) -> dict[str, int]:
        from services.commands.cases_republish import say_all_again
        from services.commands.recover_kafka import limits, set_positions
        from services.notifier.recovery import forget_all_positions, leave_room
        from shared.publisher import connection_options
        from shared.topics import Topics
        from shared.topics_admin import apply_topics

        topics = Topics(self.settings.namespace)
        created = await apply_topics(
            self.settings.kafka, self.settings.namespace, self.replication, connection=connection_options(self.settings)
        )
        self.counts["topics_created"] = len(created)
        groups = {
            "intake": (topics.status,),
            "router": (topics.received,),
            "router-reroutes": (topics.reroutes,),
            "notifier": topics.notifier_inputs(),
        }
        for group, read in groups.items():
            starts = {partition: start for partition, (start, _) in (await limits(self.settings, read)).items()}
            await set_positions(self.settings, topics.group(group), starts)
        async with self.connection.transaction():
            await forget_all_positions(self.connection)
            if is_restored:
                await leave_room(self.connection, _ROOM)
        self.counts["received"] = await self._send_received()
        self.counts["changes"] = await self._send_changes(topics)
        self.counts["parts"] = await self._send_parts(topics)
        self.counts["requests"] = await self._send_requests(topics)
        self.counts["statuses"] = await say_all_again(self.stack)
        return dict(self.counts)

    async def _send_received(self) -> int:
        """What has no decision yet, or whose report the notifier has not read: intake sends it the moment it starts."""
        return len(
            await self.connection.fetch(
                """
                UPDATE intake.complaints SET next_look_at = now() WHERE next_look_at IS NOT NULL
                OR NOT EXISTS (SELECT FROM notifier.reports WHERE complaint_id = id AND value IS NOT NULL) RETURNING id
                """
            )
        )

    async def _send_changes(self, topics: "Topics") -> int:
        """What intake accepted and the notifier has not seen."""
        from pydantic_core import from_json

        from services.intake.resending import changes_since
        from services.notifier.facts import identity
        from services.notifier.reading import changed
        from shared.outbox import add_to_outbox

        # Read once: what is put there below has ids of its own.
        rows = await self.connection.fetch("SELECT headers FROM intake.outbox WHERE topic = $1", topics.changes)
        waiting = {dict(from_json(row["headers"])).get("ce_id") for row in rows}
        sent = 0
        async for page in changes_since(self.connection, topics):
            async with self.connection.transaction():
                await self.connection.execute("SET LOCAL search_path TO intake, jalur")
                ids = [UUID(identity(changed(event))) for event, _ in page]
                rows = await self.connection.fetch("SELECT id FROM notifier.facts WHERE id = ANY ($1::uuid[])", ids)
                known = {row["id"] for row in rows}
                new = [message for known_by, (_, message) in zip(ids, page, strict=True) if known_by not in known]
                new = [message for message in new if dict(message.headers)["ce_id"].decode() not in waiting]  # type: ignore[union-attr]
                await add_to_outbox(self.connection, new)
                sent += len(new)
        return sent

    async def _send_parts(self, topics: "Topics") -> int:
        """Of every case that is open, or that the notifier does not know: units had perhaps not read them."""
        from services.router.publication import events_of
        from shared.publisher import Publisher

        publisher, sent = Publisher(self.settings), 0
        try:
            async for page in self._open_decisions():
                messages: list[Message] = [message for row in page for message in events_of(row, topics)]
                await publisher.send_surely(messages, within=120.0)
                sent += len(messages)
        finally:
            await publisher.stop()
        return sent

    async def _open_decisions(self) -> AsyncIterator[list["LoggedDecision"]]:
        from services.router.publication import LoggedDecision

        after: tuple[UUID, int] = (UUID(int=0), -1)
        while True:
            rows = await self.connection.fetch(
                """
                SELECT causing_id, complaint_id, decision, decided_at, rules_version, report, taken, traceparent FROM router.decisions
                WHERE (complaint_id, decision) > ($1, $2)
                AND NOT EXISTS (SELECT FROM notifier.cases WHERE cases.id = complaint_id AND is_opened AND NOT is_open)
                ORDER BY complaint_id, decision LIMIT $3
                """,
                *after,
                _PAGE,
            )
            if not rows:
                return
            yield [LoggedDecision(**dict(row)) for row in rows]
            after = (rows[-1]["complaint_id"], rows[-1]["decision"])

    async def _send_requests(self, topics: "Topics") -> int:
        """Decisions that the notifier asked for and the router has not taken."""
        from services.commands.known_cases import load_clockwork
        from services.notifier import report_store, store
        from services.notifier.domain import Setting, revive
        from services.notifier.facts import Requested
        from services.notifier.publication import request_message, request_of
        from shared.outbox import add_to_outbox
        from shared.postgres import read_clock

        rows = await self.connection.fetch(
            """
            SELECT DISTINCT complaint_id FROM notifier.timeline WHERE kind = 'requested' AND NOT EXISTS (
                SELECT FROM router.decisions
                WHERE decisions.complaint_id = timeline.complaint_id AND decision = (fact::jsonb ->> 'decision')::int
            ) ORDER BY 1
            """
        )
        clockwork, sent = load_clockwork(), 0
        for row in rows:
            async with self.connection.transaction():
                await self.connection.execute("SET LOCAL search_path TO notifier, jalur")
                now = await read_clock(self.connection)
                case = (await store.lock_cases(self.connection, [row["complaint_id"]]))[row["complaint_id"]]
                revive(case, Setting(clockwork, now))
                decided = {
                    item["decision"]
                    for item in await self.connection.fetch("SELECT decision FROM router.decisions WHERE complaint_id = $1", case.id)
                }
                asks = {ask.cause_id: ask for ask in case.life.asks}
                report = (await report_store.read_reports(self.connection, [case.id])).get(case.id)
                messages = [
                    request_message(case, request_of(case, asks[fact.cause_id], fact.decision, report), topics, now)
                    for fact in case.facts
                    if isinstance(fact, Requested) and fact.decision not in decided and fact.cause_id in asks
                ]
                await self.connection.execute("UPDATE cases SET sequence = $2 WHERE id = $1", case.id, case.sequence)
                await add_to_outbox(self.connection, messages)
                sent += len(messages)
        return sent
