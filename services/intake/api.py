"""Intake's HTTP contract. Parses, checks who speaks, hands over, and answers; decides nothing."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.intake import store
from services.intake.changes import accept_change
from services.intake.disclosures import disclose
from services.intake.domain import Change, Submission, check_idempotency_key, identities_of, original_of
from services.intake.doorkeeper import Doorkeeper
from services.intake.feed import list_changes
from services.intake.group import GroupCommit
from services.intake.handlers import Intake, not_found
from services.intake.imports import ImportedRow, accept_row
from services.intake.limits import DoorLimits
from services.intake.lines import MOST_LINES, line_by_line, read_body
from services.intake.listing import list_cases, views_of
from services.intake.orders import accept_decision
from services.intake.parsing import parse_json, validate
from services.intake.publication import mask_report
from services.intake.questions import read_feed_question, read_list_question
from services.intake.requests import Accepted, new_request
from services.intake.requests import Request as SubmitRequest
from services.intake.speakers import Speaker
from services.intake.speech import Decision, DisclosureRequest, Update
from services.intake.updates import accept_update
from services.intake.views import may_read
from shared.envelope import is_traceparent
from shared.logs import get_logger
from shared.masking import LONG_TEXT
from shared.metric_table import source_label
from shared.postgres import AWAY, transaction
from shared.problems import Problem, away
from shared.runtime import Prepared
from shared.web import json_response, respond

_log = get_logger()


class Door:
    """The routes, over one intake."""

    def __init__(
        self, intake: Intake, doorkeeper: Doorkeeper, limits: DoorLimits, group: GroupCommit[SubmitRequest, Accepted], prepared: Prepared
    ) -> None:
        self.intake = intake
        self.prepared = prepared
        self.doorkeeper = doorkeeper
        self.limits = limits
        self.group = group

    async def submit(self, request: Request) -> Response:
        """`POST /v1/complaints`"""
        with self.intake.metrics.submit_seconds.time():
            try:
                speaker = await self._source(request)
                key = check_idempotency_key(request.headers.get("idempotency-key"))
                submission = validate(Submission, parse_json(await read_body(request)))
                accepted = await self._accept(submission, speaker, key, _traceparent(request))
            except Exception as error:
                return self.refuse(error)
        return json_response(accepted.body(), 202, {"Location": f"/v1/complaints/{accepted.report.complaint_id}"})

    async def _accept(
        self,
        submission: Submission,
        speaker: Speaker,
        key: str | None = None,
        traceparent: str | None = None,
        exported_at: datetime | None = None,
    ) -> Accepted:
        assert speaker.subject is not None
        async with self.limits.submission(speaker):
            original = original_of(submission)
            # The masker takes tens of milliseconds over a long text: not on the loop that others wait for.
            masked = await asyncio.to_thread(mask_report, submission) if len(original) > LONG_TEXT else mask_report(submission)
            for kind in masked.kinds:
                self.intake.metrics.masked.labels(kind).inc()
            identities = identities_of(submission, speaker.subject, key)
            return await self.group.submit(new_request(submission, masked, speaker, identities, original, traceparent, exported_at))

    async def batch(self, request: Request) -> Response:
        """`POST /v1/complaints/batch`: NDJSON in, NDJSON out, a line for a line, in order."""
        try:
            speaker = await self._source(request, is_batch=True)
            key = check_idempotency_key(request.headers.get("idempotency-key"), longest=200 - len(f"#{MOST_LINES}"))
        except Exception as error:
            return self.refuse(error)

        async def one(line: int, text: bytes) -> dict[str, Any]:
            submission = validate(Submission, parse_json(text))
            accepted = await self._accept(submission, speaker, f"{key}#{line}" if key else None)
            return {"line": line, "id": accepted.report.complaint_id}

        return line_by_line(request, one, self.problem_of, self.limits.pacer(speaker), self.limits.most_batch_bytes)

    async def imports(self, request: Request) -> Response:
        """`POST /v1/imports`: the rows of a source's export as NDJSON, an outcome a row."""
        try:
            speaker = await self._source(request, is_batch=True)
        except Exception as error:
            return self.refuse(error)

        source = source_label(speaker.subject)
        # Rows of one report are taken in their order; those of different reports side by side.
        locks: dict[str | None, asyncio.Lock] = {}

        async def one(_line: int, text: bytes) -> dict[str, Any]:
            row = validate(ImportedRow, parse_json(text))

            async def submit(submission: Submission, exported_at: datetime) -> Accepted:
                return await self._accept(submission, speaker, exported_at=exported_at)

            async with locks.setdefault(row.report.source_ref, asyncio.Lock()):
                answer = await accept_row(self.intake, row, speaker, submit, lambda: self.limits.place(speaker))
            self.intake.metrics.imported.labels(source, answer["outcome"]).inc()
            return answer

        def refuse(error: Exception) -> Problem:
            self.intake.metrics.imported.labels(source, "refused").inc()
            return self.problem_of(error)

        return line_by_line(request, one, refuse, self.limits.pacer(speaker), self.limits.most_batch_bytes)

    async def change(self, request: Request) -> Response:
        """`POST /v1/complaints/{id}/changes`"""
        try:
            speaker = await self._source(request)
            complaint_id = _complaint_id(request)
            change = validate(Change, parse_json(await read_body(request)))
            async with self.limits.place(speaker):
                answer = await accept_change(self.intake, complaint_id, change, speaker, _traceparent(request))
        except Exception as error:
            return self.refuse(error)
        return json_response(answer, 202)

    async def update(self, request: Request) -> Response:
        """`POST /v1/complaints/{id}/updates`"""
        try:
            speaker = await self._one_of(request, "unit", "desk", "admin")
            complaint_id = _complaint_id(request)
            said = validate(Update, parse_json(await read_body(request)))
            async with self.limits.place(speaker):
                answer = await accept_update(self.intake, complaint_id, said, speaker, _traceparent(request))
        except Exception as error:
            return self.refuse(error)
        return json_response(answer, 202)

    async def decide(self, request: Request) -> Response:
        """`POST /v1/complaints/{id}/decisions`"""
        try:
            speaker = await self._one_of(request, "triage", "admin")
            complaint_id = _complaint_id(request)
            decision = validate(Decision, parse_json(await read_body(request)))
            async with self.limits.place(speaker):
                answer = await accept_decision(self.intake, complaint_id, decision, speaker, _traceparent(request))
        except Exception as error:
            return self.refuse(error)
        return json_response(answer, 202)

    async def disclose(self, request: Request) -> Response:
        """`POST /v1/complaints/{id}/disclosures`"""
        try:
            speaker = await self._one_of(request, "unit", "desk")
            complaint_id = _complaint_id(request)
            asked = validate(DisclosureRequest, parse_json(await read_body(request)))
            async with self.limits.place(speaker):
                answer = await disclose(self.intake, complaint_id, asked, speaker, _traceparent(request))
        except Exception as error:
            return self.refuse(error)
        return json_response(answer, 200, {"Cache-Control": "no-store"})

    async def get(self, request: Request) -> Response:
        """`GET /v1/complaints/{id}`"""
        try:
            speaker = await self._speaker(request)
            async with self.limits.place(speaker):
                return json_response(await self._view(_complaint_id(request), speaker))
        except Exception as error:
            return self.refuse(error)

    async def find(self, request: Request) -> Response:
        """`GET /v1/complaints?unit=&desk=&state=&overdue=&source_ref=&limit=&cursor=`"""
        try:
            speaker = await self._speaker(request)
            question = read_list_question(request.query_params.multi_items())
            async with self.limits.place(speaker):
                return json_response(await list_cases(self.intake.pool, question, speaker))
        except Exception as error:
            return self.refuse(error)

    async def feed(self, request: Request) -> Response:
        """`GET /v1/changes?after=&limit=`"""
        try:
            speaker = await self._speaker(request)
            question = read_feed_question(request.query_params.multi_items())
            async with self.limits.place(speaker):
                return json_response(await list_changes(self.intake.pool, question, speaker))
        except Exception as error:
            return self.refuse(error)

    async def _view(self, complaint_id: UUID, speaker: Speaker) -> dict[str, Any]:
        async with transaction(self.intake.pool) as connection:
            case = await store.find_case(connection, complaint_id)
            sources = await store.find_report_sources(connection, complaint_id)
            status = from_json(case["status"]) if case is not None and case["status"] is not None else None
            if case is None or not may_read(speaker, [source for source, _ in sources], status):
                raise not_found()
            (view,) = await views_of(connection, [case], speaker)
        return view

    async def _speaker(self, request: Request, *, is_batch: bool = False) -> Speaker:
        address = self.limits.admit_address(request.scope)
        if not self.prepared.is_done:
            raise away()
        speaker = await self.doorkeeper.who(request.headers.get("authorization"), address)
        self.limits.admit_key(request.scope, speaker, is_batch=is_batch)
        return speaker

    async def _source(self, request: Request, *, is_batch: bool = False) -> Speaker:
        return await self._one_of(request, "source", is_batch=is_batch)

    async def _one_of(self, request: Request, *roles: str, is_batch: bool = False) -> Speaker:
        speaker = await self._speaker(request, is_batch=is_batch)
        if speaker.role not in roles:
            raise Problem(403, "not-allowed", "Not allowed", f"a key of role {' or '.join(roles)} may do this; this one is {speaker.role}")
        return speaker

    def problem_of(self, error: Exception) -> Problem:
        """What the caller is told; an unknown exception is logged with its frames and told as 500."""
        if isinstance(error, Problem):
            problem = error
        elif isinstance(error, asyncpg.LockNotAvailableError):
            problem = Problem(409, "in-progress", "The same request is being stored", "send it again in a moment", retry_after=1)
        elif isinstance(error, AWAY):
            problem = away()
        else:
            _log.error("A request failed because of a bug", exc_info=error)
            problem = Problem(500, "bug", "Internal error", "the outcome is unknown: send it again with the same key; it was logged")
        self.intake.metrics.refused.labels(problem.kind).inc()
        return problem

    def refuse(self, error: Exception) -> Response:
        if isinstance(error, ClientDisconnect):
            return Response(status_code=400)  # nobody is there to read it
        return respond(self.problem_of(error))


def _complaint_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["id"])
    except ValueError:
        raise not_found() from None


def _traceparent(request: Request) -> str | None:
    text = request.headers.get("traceparent", "")
    return text if is_traceparent(text) else None
