"""A case kept in memory: facts in any batches, sweeps in between, and all that it said; as the notifier does it, without a database."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifier import domain
from services.notifier.calendar import load_calendar
from services.notifier.case import Case, Parked
from services.notifier.clocks import Clockwork
from services.notifier.policy import load_policies
from services.notifier.publication import messages_of, refusal_message
from shared.envelope import Message, change_event_id, refused_update_id
from shared.events import CaseStatus, CaseUpdate, ComplaintChanged, ComplaintReceived, FollowUp
from shared.topics import Topics
from shared.units import load_directory
from tests.facts import MONDAY, Fact

CLOCKWORK = Clockwork(load_policies(), load_calendar(), load_directory())
TOPICS = Topics()

Told = tuple[Fact, datetime]  # a fact, and the instant an update counts from; of other facts it is their own


class KeptCase:
    def __init__(self, complaint_id: UUID) -> None:
        self.case = Case(complaint_id)
        self.messages: list[Message] = []
        self._seen: set[UUID] = set()

    def tell(self, *facts: Fact | Told, now: datetime = MONDAY) -> "KeptCase":
        """One batch, one transaction."""
        waiting: list[tuple[UUID, ComplaintChanged | CaseUpdate, datetime]] = []
        for item in facts:
            fact, counts_at = item if isinstance(item, tuple) else (item, now)
            if isinstance(fact, ComplaintReceived):
                domain.open_case(self.case, fact, CLOCKWORK, now)
            elif isinstance(fact, CaseUpdate):
                waiting.append((refused_update_id(fact.unit, fact.update_id), fact, counts_at))
            elif isinstance(fact, ComplaintChanged):
                waiting.append((change_event_id(fact.complaint_id, fact.by, fact.change_id), fact, fact.accepted_at))
            else:
                domain.apply_decided(self.case, fact, CLOCKWORK, now)
        for known_by, fact, counts_at in waiting:
            if known_by in self._seen:
                continue
            self._seen.add(known_by)
            if isinstance(fact, CaseUpdate):
                outcome = domain.apply_update(self.case, fact, counts_at, CLOCKWORK, now)
            else:
                outcome = domain.apply_change(self.case, fact, CLOCKWORK, now)
            if outcome == "parked":
                kind = "update" if isinstance(fact, CaseUpdate) else "change"
                self.case.parked.append(Parked(known_by, kind, counts_at, fact.to_json()))
        if self.case.is_changed:
            domain.retry_parked(self.case, CLOCKWORK, now)
        return self._save(now)

    def sweep(self, until: datetime, now: datetime | None = None) -> "KeptCase":
        CLOCKWORK.fire(self.case, until, now or until)
        return self._save(now or until)

    def refuse(self, now: datetime) -> list[FollowUp]:
        """As if the hour of everything parked were over; returns what the units are told."""
        refusals = []
        for item in [item for item in self.case.parked if item.kind == "update"]:
            update, why = domain.refuse_parked(self.case, item, now)
            refusals.append(refusal_message(self.case, update, why, TOPICS, now))
        self._save(now)
        self.messages += refusals
        return [FollowUp.model_validate_json(message.value or b"") for message in refusals]

    def _save(self, now: datetime) -> "KeptCase":
        if self.case.is_changed or self.case.unparked or self.case.is_asked_again:
            domain.settle(self.case)
            self.messages += messages_of(self.case, TOPICS, now)
        self.case.timeline = sorted([*self.case.timeline, *self.case.noted], key=lambda entry: entry.at)[-50:]
        self.case.noted, self.case.follow_ups, self.case.unparked = [], [], []
        self.case.is_changed = self.case.is_asked_again = False
        return self

    def said(self, *kinds: str) -> list[FollowUp]:
        """Each follow-up once, however many topics it went to, in the order of their sequence."""
        found = {
            header(message, "ce_id"): FollowUp.model_validate_json(message.value or b"")
            for message in self.messages
            if header(message, "ce_type").startswith("id.jalur.case.follow-up.")
        }
        return [item for item in found.values() if not kinds or item.kind in kinds]

    def status(self) -> CaseStatus:
        return CaseStatus.model_validate_json([item for item in self.messages if item.topic == TOPICS.status][-1].value or b"")

    def sequences(self) -> list[int]:
        """Of every event, in the order they were left."""
        return list({header(message, "ce_id"): int(header(message, "ce_sequence")) for message in self.messages}.values())

    def ending(self) -> dict[str, Any]:
        """What must not depend on the order in which the facts came."""
        case = self.case
        return {
            "state": case.state,
            "ended": (case.ended_at, case.ended_state, case.ended_by),
            "first_outcome": case.first_outcome,
            "class": case.class_,
            "source": (case.source, case.source_ref, case.province, case.reported_at, case.is_final),
            "assignments": {item.id: (item.state, item.since) for item in case.assignments},
            "clocks": {(clock.subject, clock.code): (clock.due_at, clock.state, clock.stopped_at) for clock in case.clocks},
            "answers": case.status(case.sequence).answers,
            # What a unit said after the end is refused, or was taken and then left out, if it was read first.
            "parked": Counter(item.id for item in case.parked if case.ended_at is None or item.counts_at <= case.ended_at),
        }


def header(message: Message, name: str) -> str:
    return (dict(message.headers)[name] or b"").decode()


def told(complaint_id: UUID, batches: Iterable[Sequence[Fact | Told]], now: datetime = MONDAY) -> KeptCase:
    kept = KeptCase(complaint_id)
    for batch in batches:
        kept.tell(*batch, now=now)
    return kept
