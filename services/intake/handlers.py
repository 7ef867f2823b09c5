"""Intake's use cases: accept reports, join them, accept changes. Each commits before it answers."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from services.intake import store
from services.intake.domain import (
    Change,
    Identity,
    MaskedReport,
    Submission,
    changed_event,
    check_reported_at,
    joined_event,
    received_event,
    request_sha,
)
from services.intake.speakers import Speaker
from shared.envelope import Message, change_event_id, enclose, received_id
from shared.events import ComplaintChanged, ComplaintReceived
from shared.metrics import IntakeMetrics
from shared.outbox import Relay, add_to_outbox
from shared.postgres import Connection, Pool, read_clock, transaction
from shared.problems import Problem
from shared.topics import Topics


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission, first or repeated."""

    report: store.StoredReport
    is_repeat: bool

    def body(self) -> dict[str, object]:
        report = self.report
        return {
            "id": report.complaint_id,
            "source": report.source,
            "source_ref": report.source_ref,
            "status": "received",
            "reported_at": report.reported_at,
            "accepted_at": report.accepted_at,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """A submission that was checked and masked, ready to be stored. Its complaint id is new, unless a name is taken."""

    complaint_id: UUID
    submission: Submission
    masked: MaskedReport
    speaker: Speaker
    identities: tuple[Identity, ...]
    sha: bytes
    traceparent: str | None = None

    @property
    def source(self) -> str:
        assert self.speaker.subject is not None
        return self.speaker.subject


def new_request(
    submission: Submission, masked: MaskedReport, speaker: Speaker, identities: tuple[Identity, ...], traceparent: str | None
) -> Request:
    return Request(uuid4(), submission, masked, speaker, identities, request_sha(submission), traceparent)


class Intake:
    """The door's use cases over one pool."""

    def __init__(self, pool: Pool, topics: Topics, relay: Relay, metrics: IntakeMetrics, look_after_seconds: float) -> None:
        self.pool = pool
        self.topics = topics
        self.relay = relay
        self.metrics = metrics
        self._look_after_seconds = look_after_seconds

    async def accept_all(self, requests: Sequence[Request]) -> list[Accepted | Exception]:
        """Store a group in one commit; a request whose names are taken is then settled by itself. One answer a request."""
        answers: dict[UUID, Accepted | Exception] = {}
        alone: list[Request] = []
        async with transaction(self.pool) as connection:
            # A name that another replica is just taking: wait shortly, then let each request wait for itself.
            await connection.execute(f"SET LOCAL lock_timeout = '{'500ms' if len(requests) > 1 else '5s'}'")
            now = await read_clock(connection)
            fresh: list[tuple[Request, datetime]] = []
            for request in requests:
                try:
                    fresh.append((request, check_reported_at(request.submission, now)))
                except Problem as problem:
                    answers[request.complaint_id] = problem
            claims = [
                store.Claim(identity, request.complaint_id, 0, request.sha) for request, _ in fresh for identity in request.identities
            ]
            claims.sort(key=lambda claim: claim.identity.order)
            free = await store.add_identities(connection, claims) if claims else set()
            taken = {claim.complaint_id for claim in claims if claim.identity not in free}
            if taken:
                await store.drop_identities(connection, sorted(taken))
                alone = [request for request, _ in fresh if request.complaint_id in taken]
                fresh = [entry for entry in fresh if entry[0].complaint_id not in taken]
            if fresh:
                answers |= await self._store_new(connection, fresh, now)
        if fresh:
            self.relay.wake()
            self.metrics.accepted.inc(len(fresh))
        for request in alone:
            try:
                answers[request.complaint_id] = await self._settle_taken(request)
            except Problem as problem:
                answers[request.complaint_id] = problem
        return [answers[request.complaint_id] for request in requests]

    async def _store_new(
        self, connection: Connection, fresh: Sequence[tuple[Request, datetime]], now: datetime
    ) -> dict[UUID, Accepted | Exception]:
        complaints, reports, messages = [], [], []
        answers: dict[UUID, Accepted | Exception] = {}
        for request, reported_at in fresh:
            event = received_event(
                request.submission,
                request.masked,
                complaint_id=request.complaint_id,
                source=request.source,
                reported_at=reported_at,
                accepted_at=now,
            )
            value = event.to_json()
            complaints.append(
                store.NewComplaint(
                    request.complaint_id,
                    request.source,
                    request.submission.source_ref,
                    reported_at,
                    now,
                    event.is_final,
                    value,
                    request.traceparent,
                )
            )
            reports.append(_report(request, request.complaint_id, 0, reported_at, now))
            messages.append(received_message(self.topics, event, value, request.traceparent))
            answers[request.complaint_id] = Accepted(
                store.StoredReport(request.complaint_id, 0, request.source, request.submission.source_ref, reported_at, now),
                is_repeat=False,
            )
        await store.add_complaints(connection, complaints, self._look_after_seconds)
        await store.add_reports(connection, reports)
        await add_to_outbox(connection, messages)
        return answers

    async def _settle_taken(self, request: Request) -> Accepted:
        """At least one of the request's names is taken: a repeat, a report that joins, or a contradiction."""
        async with _patiently(self.pool) as connection:
            now = await read_clock(connection)
            known = await store.find_claims(connection, request.identities)
            if not known:  # whoever held the name rolled back: this one is new after all
                raise _busy()
            owners = {claim.complaint_id for claim in known.values()}
            if len(owners) > 1:
                raise _contradiction("they name different complaints", known)
            own = [claim for claim in known.values() if claim.identity.source == request.source]
            differing = [claim.identity for claim in own if claim.request_sha != request.sha]
            if differing:
                raise _contradiction("was sent before with another body; a repeat must be the same, a correction is a change", differing)
            (complaint_id,) = owners
            if not await store.lock_complaint(connection, complaint_id):
                raise _busy()
            # Without a name of its own a repeat is known by what it says.
            number = own[0].report if own else await store.find_same_report(connection, complaint_id, request.source, _original(request))
            is_repeat = number is not None
            if number is not None:
                stored = await store.get_report(connection, complaint_id, number)
            else:
                stored = await self._join(connection, request, complaint_id, now)
            missing = [identity for identity in request.identities if identity not in known]
            if missing:
                claims = [store.Claim(identity, complaint_id, stored.number, request.sha) for identity in missing]
                if len(await store.add_identities(connection, claims)) < len(claims):
                    raise _busy()
        if is_repeat:
            self.metrics.repeated.inc()
        else:
            self.metrics.joined.inc()
            self.relay.wake()
        return Accepted(stored, is_repeat=is_repeat)

    async def _join(self, connection: Connection, request: Request, complaint_id: UUID, now: datetime) -> store.StoredReport:
        reported_at = check_reported_at(request.submission, now)
        number = await store.count_reports(connection, complaint_id)
        await store.add_reports(connection, [_report(request, complaint_id, number, reported_at, now)])
        event = joined_event(
            complaint_id=complaint_id,
            source=request.source,
            source_ref=request.submission.source_ref,
            report=number,
            by=request.speaker.name,
            accepted_at=now,
        )
        await add_to_outbox(connection, [change_message(self.topics, event, request.traceparent)])
        return store.StoredReport(complaint_id, number, request.source, request.submission.source_ref, reported_at, now)

    async def accept_change(self, complaint_id: UUID, change: Change, speaker: Speaker, traceparent: str | None) -> dict[str, object]:
        """Store a source's change and its event; a repeat gets the first answer. Raises `Problem` 404 for what is not the source's."""
        sha = request_sha(change)
        async with _patiently(self.pool) as connection:
            sources = await store.find_report_sources(connection, complaint_id)
            if speaker.subject not in {source for source, _ in sources} or not await store.lock_complaint(connection, complaint_id):
                raise not_found()
            now = await read_clock(connection)
            is_new = await self.store_change(connection, complaint_id, change, speaker, now, sha, traceparent)
            if not is_new:
                stored = await store.get_change(connection, speaker.name, change.change_id)
                if stored["request_sha"] != sha or stored["complaint_id"] != complaint_id:
                    raise Problem(
                        422,
                        "identity-conflict",
                        "Sent before with another body",
                        "change_id was used for another change; give each change an id of its own",
                        field="change_id",
                    )
                now = stored["accepted_at"]
        if is_new:
            self.relay.wake()
        return {"change_id": change.change_id, "complaint_id": complaint_id, "accepted_at": now}

    async def store_change(
        self,
        connection: Connection,
        complaint_id: UUID,
        change: Change,
        speaker: Speaker,
        now: datetime,
        sha: bytes,
        traceparent: str | None,
    ) -> bool:
        """In the caller's transaction, the complaint locked; False where this change is known."""
        original = change.model_dump_json(by_alias=True, exclude_defaults=True)
        is_new = await store.add_change(
            connection,
            by=speaker.name,
            change_id=change.change_id,
            complaint_id=complaint_id,
            kind=change.kind,
            accepted_at=now,
            request_sha=sha,
            original=original,
        )
        if is_new:
            assert speaker.subject is not None
            event = changed_event(change, complaint_id=complaint_id, source=speaker.subject, by=speaker.name, accepted_at=now)
            await add_to_outbox(connection, [change_message(self.topics, event, traceparent)])
            self.metrics.changes.labels(change.kind).inc()
        return is_new

    async def resend_unheard(self, limit: int = 500) -> int:
        """Send again, same id and payload, what nothing was heard of in time."""
        async with transaction(self.pool) as connection:
            rows = await store.claim_unheard(connection, limit)
            messages = []
            for row in rows:
                event = ComplaintReceived.model_validate_json(row["received"])
                messages.append(received_message(self.topics, event, row["received"], row["traceparent"]))
            await add_to_outbox(connection, messages)
        if rows:
            self.metrics.resent.inc(len(rows))
            self.relay.wake()
        return len(rows)


def received_message(topics: Topics, event: ComplaintReceived, value: bytes, traceparent: str | None) -> Message:
    return enclose(
        event,
        topic=topics.received,
        complaint_id=event.complaint_id,
        event_id=received_id(event.complaint_id),
        source="intake",
        at=event.accepted_at,
        traceparent=traceparent,
        value=value,
    )


def change_message(topics: Topics, event: ComplaintChanged, traceparent: str | None) -> Message:
    return enclose(
        event,
        topic=topics.changes,
        complaint_id=event.complaint_id,
        event_id=change_event_id(event.complaint_id, event.by, event.change_id),
        source="intake",
        at=event.accepted_at,
        traceparent=traceparent,
    )


def _report(request: Request, complaint_id: UUID, number: int, reported_at: datetime, now: datetime) -> store.NewReport:
    return store.NewReport(complaint_id, number, request.source, request.submission.source_ref, reported_at, now, _original(request))


def _original(request: Request) -> str:
    return request.submission.model_dump_json(by_alias=True, exclude_defaults=True)


@asynccontextmanager
async def _patiently(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction that waits five seconds for another request with the same name, then asks its caller to come again."""
    try:
        async with transaction(pool) as connection:
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            yield connection
    except asyncpg.LockNotAvailableError:
        raise _busy() from None


def _busy() -> Problem:
    return Problem(409, "in-progress", "The same request is being stored", "send it again in a moment with the same key", retry_after=1)


def not_found() -> Problem:
    return Problem(404, "not-found", "Not found", "no such complaint for this key")


def _named(identity: Identity) -> str:
    return {"key": "Idempotency-Key", "ref": "source_ref", "sp4n": "sp4n_tracking_id"}[identity.kind]


def _contradiction(detail: str, identities: Iterable[Identity]) -> Problem:
    names = sorted({_named(identity) for identity in identities})
    return Problem(
        422,
        "identity-conflict",
        "Already known differently",
        f"{' and '.join(names)}: {detail}",
        errors=[{"field": name, "detail": detail} for name in names],
    )
