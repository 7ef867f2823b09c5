"""Intake's use cases for reports: accept them, join them, send them again. Each commits before it answers."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import asyncpg
from prometheus_client import Counter

from services.intake import known_rows, recovery, store
from services.intake.domain import Identity, check_reported_at
from services.intake.group import Alone
from services.intake.publication import change_message, joined_event, received_event, received_message
from services.intake.requests import Accepted, Request
from shared.events import ComplaintReceived
from shared.metrics import IntakeMetrics
from shared.outbox import Relay, add_to_outbox
from shared.postgres import Connection, Pool, read_clock, transaction
from shared.problems import Problem
from shared.topics import Topics

PATIENCE_SECONDS = 5.0


class Intake:
    """The door's use cases over one pool."""

    def __init__(self, pool: Pool, topics: Topics, relay: Relay, metrics: IntakeMetrics, look_after_seconds: float) -> None:
        self.pool = pool
        self.topics = topics
        self.relay = relay
        self.metrics = metrics
        self._look_after_seconds = look_after_seconds
        # Those that wait for a name leave half of the pool to all others.
        self._places = asyncio.Semaphore(4)

    async def accept_all(self, requests: Sequence[Request]) -> list[Accepted | Exception]:
        """Store a group in one commit, one answer a request; one whose names are not free is answered `Alone`."""
        async with transaction(self.pool) as connection:
            # Another replica that is just taking a name is waited for only shortly here, because the whole group waits too.
            await connection.execute("SET LOCAL lock_timeout = '100ms'")
            answers = await self._store_free(connection, requests)
            taken = [request for request in requests if isinstance(answers[request.complaint_id], Alone)]
            if taken:
                answers |= await self._answer_again(connection, taken)
        accepted = [answer for answer in answers.values() if isinstance(answer, Accepted)]
        repeated = sum(answer.is_repeat for answer in accepted)
        self.metrics.repeated.inc(repeated)
        self.metrics.accepted.inc(len(accepted) - repeated)
        if len(accepted) > repeated:
            self.relay.wake()
        return [answers[request.complaint_id] for request in requests]

    async def accept_one(self, request: Request) -> Accepted:
        """A request by itself: new, a repeat, a report that joins, or a contradiction. Waits five seconds for whoever has its names."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        except TimeoutError:
            raise _busy() from None
        try:
            while True:
                try:
                    accepted, counter = await self._settle(request, max(0.1, deadline - loop.time()))
                except _Moved:
                    if loop.time() > deadline:
                        raise _busy() from None
                else:
                    break
        finally:
            self._places.release()
        counter.inc()
        self.relay.wake()
        return accepted

    async def _store_free(self, connection: Connection, requests: Sequence[Request]) -> dict[UUID, Accepted | Exception]:
        """Take the requests' names and store those whose names were all free."""
        answers: dict[UUID, Accepted | Exception] = {}
        now = await read_clock(connection)
        fresh: list[tuple[Request, datetime]] = []
        for request in requests:
            try:
                fresh.append((request, check_reported_at(request.submission, now)))
            except Problem as problem:
                answers[request.complaint_id] = problem
        claims = [store.Claim(identity, request.complaint_id, 0, request.sha) for request, _ in fresh for identity in request.identities]
        claims.sort(key=lambda claim: claim.identity.order)
        free = await store.add_identities(connection, claims) if claims else set()
        taken = {claim.complaint_id for claim in claims if claim.identity not in free}
        if taken:
            await store.drop_identities(connection, sorted(taken))
            answers |= {complaint_id: Alone() for complaint_id in taken}
            fresh = [entry for entry in fresh if entry[0].complaint_id not in taken]
        if fresh:
            answers |= await self._store_new(connection, fresh, now)
        return answers

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
                    request.traceparent,
                )
            )
            reports.append(_report(request, request.complaint_id, 0, reported_at, now))
            messages.append(received_message(self.topics, event, value, request.traceparent))
            answers[request.complaint_id] = Accepted(
                store.StoredReport(request.complaint_id, 0, request.source, request.submission.source_ref, reported_at, now),
                is_repeat=False,
            )
        await store.add_complaints(connection, complaints, reports, messages, self._look_after_seconds)
        await _remember_rows(connection, [(request, request.complaint_id) for request, _ in fresh])
        return answers

    async def _answer_again(self, connection: Connection, requests: Sequence[Request]) -> dict[UUID, Accepted | Exception]:
        """The plain repeats among the requests: all names known, to one complaint, for the same body. What is stored never changes."""
        known = await store.find_claims(connection, [identity for request in requests for identity in request.identities])
        plain: dict[UUID, tuple[UUID, int]] = {}
        for request in requests:
            claims = [known[identity] for identity in request.identities if identity in known]
            own = [claim for claim in claims if claim.identity.source == request.source and claim.request_sha == request.sha]
            is_named = len(claims) == len(request.identities) and len(own) == sum(bool(claim.identity.source) for claim in claims)
            if own and is_named and len({claim.complaint_id for claim in claims}) == 1:
                plain[request.complaint_id] = (own[0].complaint_id, own[0].report)
        stored = await store.find_reports(connection, sorted(set(plain.values())))
        return {request_id: Accepted(stored[report], is_repeat=True) for request_id, report in plain.items()}

    async def _settle(self, request: Request, patience: float) -> tuple[Accepted, Counter]:
        """What the request is, and where that is counted. Raises `_Moved` where its names changed hands meanwhile."""
        async with patiently(self.pool, patience) as connection:
            known = await store.find_claims(connection, request.identities)
            if not known:
                answer = (await self._store_free(connection, [request]))[request.complaint_id]
                if isinstance(answer, Alone):
                    raise _Moved
                if isinstance(answer, Exception):
                    raise answer
                return answer, self.metrics.accepted
            complaint_id = _owner(known)
            if not await store.lock_complaint(connection, complaint_id):
                raise _busy()
            own = [claim for claim in known.values() if claim.identity.source == request.source]
            if any(not claim.request_sha for claim in own):
                own = await recovery.make_whole(connection, own, request)
            differing = [claim.identity for claim in own if claim.request_sha != request.sha]
            if differing:
                raise _contradiction("was sent before with another body; a repeat must be the same, a correction is a change", differing)
            # Without a name of its own a repeat is known by what it says.
            number = own[0].report if own else await store.find_same_report(connection, complaint_id, request.source, request.original)
            if number is None:
                stored = await self._join(connection, request, complaint_id, await read_clock(connection))
            else:
                stored = (await store.find_reports(connection, [(complaint_id, number)]))[complaint_id, number]
            claims = [
                store.Claim(identity, complaint_id, stored.number, request.sha) for identity in request.identities if identity not in known
            ]
            if claims and len(await store.add_identities(connection, claims)) < len(claims):
                raise _Moved
        is_repeat = number is not None
        return Accepted(stored, is_repeat), self.metrics.repeated if is_repeat else self.metrics.joined

    async def _join(self, connection: Connection, request: Request, complaint_id: UUID, now: datetime) -> store.StoredReport:
        reported_at = check_reported_at(request.submission, now)
        number = await store.count_reports(connection, complaint_id)
        await store.add_reports(connection, [_report(request, complaint_id, number, reported_at, now)])
        await _remember_rows(connection, [(request, complaint_id)])
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


async def _remember_rows(connection: Connection, stored: Sequence[tuple[Request, UUID]]) -> None:
    """Of reports that came in as rows of an export: what the next export is compared with."""
    rows = [
        known_rows.ExportedRow(request.source, request.submission.source_ref, complaint_id, request.exported_at, request.original)
        for request, complaint_id in stored
        if request.exported_at is not None and request.submission.source_ref is not None
    ]
    if rows:
        await known_rows.record_known_rows(connection, rows)


def _report(request: Request, complaint_id: UUID, number: int, reported_at: datetime, now: datetime) -> store.NewReport:
    return store.NewReport(complaint_id, number, request.source, request.submission.source_ref, reported_at, now, request.original)


@asynccontextmanager
async def patiently(pool: Pool, seconds: float) -> AsyncIterator[Connection]:
    """A transaction that waits so long for another request with the same name, then asks its caller to come again."""
    try:
        async with transaction(pool) as connection:
            await connection.execute(f"SET LOCAL lock_timeout = '{seconds * 1000:.0f}ms'")
            yield connection
    except asyncpg.LockNotAvailableError:
        raise _busy() from None


class _Moved(Exception):
    """A name was taken or given back between two looks: look again."""


def _owner(known: Mapping[Identity, store.Claim]) -> UUID:
    owners = {claim.complaint_id for claim in known.values()}
    if len(owners) > 1:
        raise _contradiction("they name different complaints", known)
    return owners.pop()


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
