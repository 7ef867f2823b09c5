"""Joins a restored database with a Kafka that knows more: takes from the topics what was lost. Sends nothing; safe to repeat."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.commands.recover_kafka import committed, limits, read_all, set_positions

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from services.router.recovery import Event
    from shared.postgres import Connection
    from shared.records import Record
    from shared.settings import Settings


COUNTED = (
    "complaints", "joined_reports", "decisions", "parts_never_published", "reports_from_decisions", "requests", "cases_numbered_on",
    "not_sent_again", "undecided", "read_again_by_notifier", "read_again_by_intake", "answers_without_text", "lost_to_retention",
    "unreadable",
)  # fmt: skip


@dataclass
class _Decisions:
    """Those that the log does not have: their published parts and, once it was read, the record that asked."""

    events: dict[UUID, list["Event"]] = field(default_factory=lambda: defaultdict(list))
    traces: dict[UUID, str | None] = field(default_factory=dict)
    asked: dict[UUID, bytes] = field(default_factory=dict)


@dataclass
class Join:
    """The one run of it. `counts` says what came back."""

    connection: "Connection"
    settings: "Settings"
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def run(self) -> dict[str, int]:
        from shared.topics import Topics
        from shared.units import UNIT_SLUGS

        topics = Topics(self.settings.namespace)
        decisions = await self._missing_decisions([*(topics.routed(unit) for unit in UNIT_SLUGS), topics.triage, topics.transferred])
        first = {
            "received": await self._read_asked(topics.received, decisions),
            "reroutes": await self._read_asked(topics.reroutes, decisions),
        }
        await self._refill_log(decisions)
        await self._read_changes(topics.changes)
        follow_ups = [topics.follow_ups(who) for who in (*UNIT_SLUGS, "triage")]
        await self._read_numbers([topics.status, topics.reroutes, *follow_ups])
        await self._clear_outboxes([topics.received, topics.changes, topics.status, topics.reroutes, *follow_ups], topics.status)
        await self._set_groups(topics, first)
        return {name: self.counts[name] for name in COUNTED}

    async def _missing_decisions(self, topics: list[str]) -> _Decisions:
        from pydantic import ValidationError

        from shared.envelope import read_envelope
        from shared.events import EVENT_TYPES, ComplaintHeld, ComplaintRouted, ComplaintTransferred

        found = _Decisions()
        async for batch in read_all(self.settings, topics):
            causes = {cause: record for record in batch if (cause := _uuid(record.headers.get("ce_causationid"))) is not None}
            known = await self._logged(list(causes))
            for record in batch:
                cause = _uuid(record.headers.get("ce_causationid"))
                model = EVENT_TYPES.get(record.headers.get("ce_type", ""))
                if cause is None or cause in known or model not in (ComplaintRouted, ComplaintHeld, ComplaintTransferred):
                    continue
                try:
                    event = model.model_validate_json(record.value or b"")
                except ValidationError:
                    self.counts["unreadable"] += 1
                    continue
                found.events[cause].append(event)
                found.traces[cause] = read_envelope(record.headers).traceparent
        return found

    async def _logged(self, causes: list[UUID]) -> set[UUID]:
        rows = await self.connection.fetch("SELECT causing_id FROM router.decisions WHERE causing_id = ANY ($1::uuid[])", causes)
        return {row["causing_id"] for row in rows}

    async def _read_asked(self, topic: str, decisions: _Decisions) -> dict["TopicPartition", int]:
        """Hands records that asked to the decisions that they led to; returns of each partition the first that led to none."""
        from aiokafka import TopicPartition

        from shared.envelope import complaint_of, read_envelope, received_id

        is_received = topic.endswith("received")
        first: dict[TopicPartition, int] = {}
        async for batch in read_all(self.settings, [topic]):
            if is_received:
                await self._refill_intake(batch)
            causes: list[tuple[Record, UUID]] = []
            for record in batch:
                complaint_id = complaint_of(record.key)
                cause = received_id(complaint_id) if is_received and complaint_id else read_envelope(record.headers).id
                if complaint_id is not None and cause is not None:
                    causes.append((record, cause))
            known = await self._logged([cause for _, cause in causes])
            for record, cause in causes:
                if cause in decisions.events:
                    decisions.asked.setdefault(cause, record.value or b"")
                elif cause not in known:
                    partition = TopicPartition(record.topic, record.partition)
                    first[partition] = min(first.get(partition, record.offset), record.offset)
                    self.counts["undecided"] += 1
        return first

    async def _refill_intake(self, batch: list["Record"]) -> None:
        from pydantic import ValidationError

        from services.intake.recovery import refill_complaints
        from shared.events import ComplaintReceived

        found = []
        for record in batch:
            try:
                event = ComplaintReceived.model_validate_json(record.value or b"")
            except ValidationError:
                self.counts["unreadable"] += 1
                continue
            found.append((event, record.value or b"", record.headers.get("traceparent")))
        async with self.connection.transaction():
            self.counts["complaints"] += len(await refill_complaints(self.connection, found))

    async def _refill_log(self, decisions: _Decisions) -> None:
        from services.router.recovery import rebuild
        from services.router.store import record_decisions

        rebuilt = [
            rebuild(cause, decisions.traces[cause], events, decisions.asked.get(cause)) for cause, events in decisions.events.items()
        ]
        for number in range(0, len(rebuilt), 200):
            some = rebuilt[number : number + 200]
            async with self.connection.transaction():
                await self.connection.execute("SET LOCAL search_path TO router, jalur")
                await record_decisions(self.connection, [(item.row, item.decision) for item in some])
        self.counts["decisions"] = len(rebuilt)
        self.counts["parts_never_published"] = sum(item.missing_parts for item in rebuilt)
        self.counts["reports_from_decisions"] = sum(not item.is_whole for item in rebuilt)

    async def _read_changes(self, topic: str) -> None:
        from pydantic import ValidationError

        from services.intake.recovery import refill_exported, refill_joined
        from shared.events import ComplaintChanged

        async for batch in read_all(self.settings, [topic]):
            found = []
            for record in batch:
                try:
                    found.append(ComplaintChanged.model_validate_json(record.value or b""))
                except ValidationError:
                    self.counts["unreadable"] += 1
            answers = [change.answer_id for change in found if change.answer_id is not None]
            async with self.connection.transaction():
                self.counts["joined_reports"] += await refill_joined(
                    self.connection, [change for change in found if change.kind == "joined"]
                )
                await refill_exported(self.connection, found)
                known = await self.connection.fetchval("SELECT count(*) FROM intake.answers WHERE id = ANY ($1::uuid[])", answers)
            self.counts["answers_without_text"] += len(set(answers)) - known

    async def _read_numbers(self, topics: list[str]) -> None:
        from pydantic import ValidationError

        from services.notifier.recovery import keep_given, raise_sequences
        from shared.envelope import complaint_of, read_envelope
        from shared.events import TYPE_OF, RerouteRequested

        async for batch in read_all(self.settings, topics):
            highest: dict[UUID, int] = {}
            given: list[tuple[UUID, UUID, int]] = []
            for record in batch:
                complaint_id, envelope = complaint_of(record.key), read_envelope(record.headers)
                if complaint_id is None:
                    continue
                if envelope.sequence is not None:
                    highest[complaint_id] = max(highest.get(complaint_id, 0), envelope.sequence)
                cause = _uuid(record.headers.get("ce_causationid"))
                if cause is not None and envelope.type == TYPE_OF[RerouteRequested]:
                    try:
                        given.append((complaint_id, cause, RerouteRequested.model_validate_json(record.value or b"").decision))
                    except ValidationError:
                        self.counts["unreadable"] += 1
            async with self.connection.transaction():
                self.counts["cases_numbered_on"] += await raise_sequences(self.connection, highest)
                self.counts["requests"] += await keep_given(self.connection, given)

    async def _clear_outboxes(self, topics: list[str], status: str) -> None:
        """What waited to be sent when the backup was made, and was sent since: again it would come behind what is newer."""
        from pydantic_core import from_json

        from shared.envelope import read_envelope

        waiting: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
        numbered: dict[tuple[str, bytes], dict[int, int]] = defaultdict(dict)
        for service in ("intake", "notifier"):
            for row in await self.connection.fetch(f"SELECT id, topic, key, headers FROM {service}.outbox"):  # noqa: S608 - closed set
                headers = dict(from_json(row["headers"]))
                waiting[row["topic"], headers.get("ce_id", "")].append((service, row["id"]))
                if row["topic"] == status and (sequence := read_envelope(headers).sequence) is not None:
                    numbered[row["topic"], bytes(row["key"])][row["id"]] = sequence
        if not waiting:
            return
        async for batch in read_all(self.settings, [topic for topic in topics if any(topic == key[0] for key in waiting)]):
            for record in batch:
                gone = waiting.pop((record.topic, record.headers.get("ce_id", "")), [])
                # Of a case's statuses Kafka keeps the last that was sent: an older one must not come behind a newer one.
                mine, sequence = numbered.get((record.topic, record.key or b""), {}), read_envelope(record.headers).sequence or 0
                gone += [("notifier", row_id) for row_id, number in mine.items() if number <= sequence]
                for service, row_id in gone:
                    done = await self.connection.execute(f"DELETE FROM {service}.outbox WHERE id = $1", row_id)  # noqa: S608
                    self.counts["not_sent_again"] += int(done.rpartition(" ")[2])
                for _, row_id in gone:
                    mine.pop(row_id, None)

    async def _set_groups(self, topics: Any, first: dict[str, dict["TopicPartition", int]]) -> None:
        from services.notifier.recovery import read_all_positions

        stored = await read_all_positions(self.connection)
        positions = {}
        for partition, (start, end) in (await limits(self.settings, topics.notifier_inputs())).items():
            applied = stored.get((partition.topic, partition.partition), start)
            self.counts["lost_to_retention"] += max(0, start - applied)
            positions[partition] = start if applied > end else max(start, applied)
            self.counts["read_again_by_notifier"] += end - positions[partition]
        await set_positions(self.settings, topics.group("notifier"), positions)

        status = await limits(self.settings, [topics.status])
        await set_positions(self.settings, topics.group("intake"), {partition: start for partition, (start, _) in status.items()})
        self.counts["read_again_by_intake"] = sum(end - start for start, end in status.values())
        # No status was numbered in the change feed more often than it was sent: whoever asks for what is newer than he has misses nothing.
        await self.connection.execute(
            """
            SELECT setval('intake.status_change_numbers', greatest(last_value, $1 + (SELECT count(*) FROM intake.cases)))
            FROM intake.status_change_numbers
            """,
            sum(end for _, end in status.values()),
        )

        for topic, group in (("received", "router"), ("reroutes", "router-reroutes")):
            stands = await committed(self.settings, topics.group(group))
            behind = {partition: offset for partition, offset in first[topic].items() if offset < stands.get(partition, 0)}
            await set_positions(self.settings, topics.group(group), behind)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
