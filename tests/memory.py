"""A case kept in memory: facts in any batches, sweeps in between, and all that it said; as the notifier does it, without a database."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifier import domain, reading
from services.notifier.calendar import load_calendar
from services.notifier.case import Case, Shown
from services.notifier.clocks import Clockwork
from services.notifier.domain import Setting
from services.notifier.facts import ADAPTER, Ordered, Requested, Said, identity
from services.notifier.facts import Fact as Known
from services.notifier.ladder import Absences
from services.notifier.policy import load_policies
from services.notifier.publication import messages_of, refusal_message, request_of
from services.notifier.timeline import lines_of
from shared.envelope import Message
from shared.events import CaseStatus, CaseUpdate, ComplaintChanged, ComplaintReceived, FollowUp, RerouteRequested
from shared.topics import Topics
from shared.units import load_directory
from tests.facts import MONDAY, Fact

CLOCKWORK = Clockwork(load_policies(), load_calendar(), load_directory())
TOPICS = Topics()

Told = tuple[Fact, datetime]  # a fact, and the instant an update counts from; of other facts it is their own


class KeptCase:
    def __init__(self, complaint_id: UUID, clockwork: Clockwork = CLOCKWORK) -> None:
        self.case = Case(complaint_id)
        self.clockwork = clockwork
        self.messages: list[Message] = []
        self.absences: Absences = {}
        self._report: ComplaintReceived | None = None

    def setting(self, now: datetime) -> Setting:
        return Setting(self.clockwork, now, self.absences)

    def tell(self, *facts: Fact | Told, now: datetime = MONDAY, targets: Mapping[UUID, str] | None = None) -> "KeptCase":
        """One batch, one transaction."""
        self._load()
        known: list[Known] = []
        for item in facts:
            fact, counts_at = item if isinstance(item, tuple) else (item, now)
            if isinstance(fact, CaseUpdate):
                known.append(reading.said(fact, counts_at))
            elif isinstance(fact, ComplaintChanged):
                known.append(reading.changed(fact))
            elif isinstance(fact, ComplaintReceived):
                self._report = fact
                known.append(reading.reported(fact))
            else:
                known += [reading.reported(fact), reading.decided(fact)]
        for ask in domain.learn(self.case, known, self.setting(now), targets or {}):
            self.case.requests.append(request_of(self.case, ask, domain.number_of(self.case, ask), self._report))
        return self._save(now)

    def _load(self) -> None:
        """As from the database: everything but what is stored is gone."""
        self.case.facts = [ADAPTER.validate_json(ADAPTER.dump_json(fact)) for fact in self.case.facts]
        domain.revive(self.case, self.setting(MONDAY))

    def sweep(self, until: datetime, now: datetime | None = None) -> "KeptCase":
        self._load()
        domain.retime(self.case, self.setting(now or until))
        domain.fire(self.case, until, self.setting(now or until))
        return self._save(now or until)

    def refuse(self, now: datetime) -> list[FollowUp]:
        """As if the hour of everything parked were over; returns what the units are told."""
        refusals = []
        for item in [item for item in self.case.parked if isinstance(item.fact, Said | Ordered)]:
            assert isinstance(item.fact, Said | Ordered)
            why = domain.refuse(self.case, item, self.setting(now))
            refusals.append(refusal_message(self.case, item.fact, why, TOPICS, now))
        self._save(now)
        self.messages += refusals
        return [FollowUp.model_validate_json(message.value or b"") for message in refusals]

    def _save(self, now: datetime) -> "KeptCase":
        if self.case.is_changed or self.case.unparked or self.case.is_asked_again:
            self.messages += messages_of(self.case, TOPICS, now)
        shown = [Shown(item.at, item.what, item.by) for item in self.case.noted]
        self.case.recent = sorted([*self.case.recent, *shown], key=lambda entry: entry.at)[-50:]
        lines_of(self.case, now, bytes)
        self.case.noted, self.case.follow_ups, self.case.unparked, self.case.requests, self.case.voided = [], [], [], [], []
        self.case.is_changed = self.case.is_asked_again = False
        return self

    def requests(self) -> list[RerouteRequested]:
        return [RerouteRequested.model_validate_json(message.value or b"") for message in self.messages if message.topic == TOPICS.reroutes]

    def said(self, *kinds: str) -> list[FollowUp]:
        """Each follow-up once, however many topics it went to, in the order of their sequence."""
        found = {
            header(message, "ce_id"): FollowUp.model_validate_json(message.value or b"")
            for message in self.messages
            if header(message, "ce_type").startswith("id.jalur.case.follow-up.")
        }
        return [item for item in found.values() if not kinds or item.kind in kinds]

    def status(self) -> CaseStatus:
        value = [item for item in self.messages if item.topic == TOPICS.status][-1].value or b""
        status = CaseStatus.model_validate_json(value)
        assert status.to_json() == value, "it is written field by field, just as the model would be"
        return status

    def sequences(self) -> list[int]:
        """Of every event, in the order they were left."""
        return list({header(message, "ce_id"): int(header(message, "ce_sequence")) for message in self.messages}.values())

    def ending(self) -> dict[str, Any]:
        """What must not depend on the order in which the facts came."""
        case = self.case
        life = case.life
        causes = {ask.cause_id for ask in life.asks}
        known = [identity(fact) for fact in case.facts if isinstance(fact, Said | Ordered)]
        return {
            "state": life.state,
            "ended": (life.ended_at, life.ended_state, life.ended_by),
            "first_outcome": life.first_outcome,
            "class": life.class_,
            "report": life.report,
            "assignments": {item.id: (item.state, item.since) for item in life.assignments.values()},
            "clocks": {
                clock.key: (clock.due_at, clock.state, clock.stopped_at) for clock in case.clocks if clock.stopped_at != clock.started_at
            },
            "answers": life.answers,
            "waiting": sorted(part.key for part in life.waiting),
            # What was asked for is asked for once, also where it proved wrong later; what a case cannot take was taken before it knew so.
            "asked": Counter(fact.cause_id for fact in case.facts if isinstance(fact, Requested) and fact.cause_id in causes),
            "untaken": Counter(
                [identity(item.fact) for item in case.parked] + [known_by for known_by in known if known_by in life.not_taken]
            ),
        }


def header(message: Message, name: str) -> str:
    return (dict(message.headers)[name] or b"").decode()


def told(complaint_id: UUID, batches: Iterable[Sequence[Fact | Told]], now: datetime = MONDAY) -> KeptCase:
    kept = KeptCase(complaint_id)
    for batch in batches:
        kept.tell(*batch, now=now)
    return kept
