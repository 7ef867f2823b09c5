"""Intake's part in a recovery: complaints come back from Kafka masked, and whole when their source repeats them. The caller commits."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from services.intake.differences import LONGEST_OF, unmasked
from services.intake.domain import Submission, identities_of, original_of
from services.intake.store import Claim, NewReport, add_identities, add_reports
from shared.events import ComplaintChanged, ComplaintReceived
from shared.postgres import Connection

if TYPE_CHECKING:
    from services.intake.requests import Request

LOST = "[tidak tersimpan]"
"""Where the words of a report are not in Kafka: only its source has them still."""
_IMPORTED = re.compile(r"import/(?P<stamp>[^/]+)/(?P<reference>.*)/[a-z]+", re.DOTALL)
# Kinds that always say the status anew, also where it is none.
_ENDS = ("closed", "archived", "reopened", "replied")
_IN_KAFKA = (
    "title", "text", "class_", "category", "channel", "occurred_on", "location", "is_anonymous", "is_confidential", "disposition",
    "source_status",
)  # fmt: skip
_UNKNOWN = b""  # the hash of a request that nobody has: whoever sends it gives it back


async def refill_complaints(connection: Connection, found: Sequence[tuple[ComplaintReceived, bytes, str | None]]) -> list[UUID]:
    """(event, its value, its trace) of `received`: what is not known is stored, with the names its source knows it by. Returns those."""
    known = await connection.fetch(
        "SELECT id FROM intake.complaints WHERE id = ANY ($1::uuid[])", [event.complaint_id for event, *_ in found]
    )
    new = {event.complaint_id: (event, value, trace) for event, value, trace in found}
    for row in known:
        new.pop(row["id"], None)
    if not new:
        return []
    await connection.executemany(
        """
        INSERT INTO intake.complaints (id, source, source_ref, reported_at, accepted_at, is_final, received, traceparent, next_look_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + interval '15 minutes')
        """,
        [
            (event.complaint_id, event.source, event.source_ref, event.reported_at, event.accepted_at, event.is_final, value, trace)
            for event, value, trace in new.values()
        ],
    )
    reports, claims = [], []
    for event, _, _ in new.values():
        original = _original(event)
        reports.append(
            NewReport(event.complaint_id, 0, event.source, event.source_ref, event.reported_at, event.accepted_at, original_of(original))
        )
        claims += [Claim(name, event.complaint_id, 0, _UNKNOWN) for name in identities_of(original, event.source, None)]
    await _keep(connection, reports, claims)
    return list(new)


async def refill_joined(connection: Connection, found: Sequence[ComplaintChanged]) -> int:
    """Second reports by another door: their names lead to the complaint again, their words are with their source."""
    added = 0
    for change in found:
        number, source = change.change_id.removeprefix("joined/"), change.source
        if change.kind != "joined" or not number.isdigit() or source is None:
            continue
        reported_at = await connection.fetchval("SELECT reported_at FROM intake.complaints WHERE id = $1", change.complaint_id)
        is_known = await connection.fetchval(
            "SELECT true FROM intake.reports WHERE complaint_id = $1 AND number = $2", change.complaint_id, int(number)
        )
        if reported_at is None or is_known:
            continue
        reference = change.fields.get("source_ref")
        original = _submission({"title": LOST, "text": LOST, "source_ref": reference})
        report = NewReport(change.complaint_id, int(number), source, reference, reported_at, change.accepted_at, original_of(original))
        names = identities_of(original, source, None)
        await _keep(connection, [report], [Claim(name, change.complaint_id, int(number), _UNKNOWN) for name in names])
        added += 1
    return added


async def refill_exported(connection: Connection, found: Sequence[ComplaintChanged]) -> int:
    """Changes that an import found and the database does not have: what the next export is compared with has them, so that it does not
    find them again under another id. Masked, as Kafka has them; of a second report by another door nothing is known to compare.
    """
    brought = 0
    for change in found:
        stamp, reference = _export_of(change.change_id)
        if stamp is None or change.source is None:
            continue
        row = await connection.fetchrow(
            """
            SELECT identities.value AS source_ref, exported_at, coalesce(fields, original) AS fields FROM intake.identities
            JOIN intake.reports ON reports.complaint_id = identities.complaint_id AND reports.number = identities.report
            LEFT JOIN intake.known_rows ON known_rows.source = identities.source AND known_rows.source_ref = identities.value
            WHERE identities.complaint_id = $1 AND identities.kind = 'ref' AND identities.source = $2
            AND $3 IN (identities.value, encode(sha256(convert_to(identities.value, 'UTF8')), 'hex'))
            AND (exported_at IS NULL OR exported_at <= $4)
            AND NOT EXISTS (SELECT FROM intake.changes WHERE by = $5 AND change_id = $6)
            """,
            change.complaint_id,
            change.source,
            reference,
            stamp,
            change.by,
            change.change_id,
        )
        if row is None:
            continue
        known = json.loads(row["fields"])
        if known["title"] == LOST and known["text"] == LOST:
            continue
        status = {"source_status": change.source_status} if change.kind in _ENDS or change.source_status is not None else {}
        fields = original_of(_submission(known | dict(change.fields) | status))
        await connection.execute("SET LOCAL search_path TO intake, jalur")
        await _put_row(connection, change.source, row["source_ref"], change.complaint_id, stamp, fields)
        brought += 1
    return brought


def _export_of(change_id: str) -> tuple[datetime | None, str]:
    """When the export was made that showed the change, and of which reference, or its hash; None where no import found it."""
    match = _IMPORTED.fullmatch(change_id)
    if match is None:
        return None, ""
    try:
        return datetime.strptime(match["stamp"], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC), match["reference"]
    except ValueError:
        return None, ""


async def _keep(connection: Connection, reports: Sequence[NewReport], claims: Sequence[Claim]) -> None:
    await connection.execute("SET LOCAL search_path TO intake, jalur")
    await add_reports(connection, reports)
    await connection.execute(
        """
        UPDATE reports SET is_masked = true FROM unnest($1::uuid[], $2::int[]) AS back (id, number)
        WHERE complaint_id = id AND reports.number = back.number
        """,
        [report.complaint_id for report in reports],
        [report.number for report in reports],
    )
    await add_identities(connection, sorted(claims, key=lambda claim: claim.identity.order))


def _original(event: ComplaintReceived) -> Submission:
    """The report as far as its event tells it: masked, without reporter, form and attachments."""
    said = event.model_dump(mode="json", by_alias=True)
    names = (
        "title text source_ref service class category channel occurred_on reported_at location is_anonymous is_confidential disposition"
        " source_status"
    )
    return _submission({name: said[name] for name in names.split()})


def _submission(fields: dict[str, Any]) -> Submission:
    """A mark may be longer than what it stands for, so limits may be passed; then the words are cut, or else kept alone."""
    cut = {"title": fields["title"][: LONGEST_OF["title"]].strip() or LOST, "text": fields["text"][: LONGEST_OF["text"]].strip() or LOST}
    for some in (fields, fields | cut):
        with suppress(ValidationError):
            return Submission.model_validate(some)
    return Submission.model_validate(cut | {"source_ref": fields["source_ref"], "reported_at": fields.get("reported_at")})


async def make_whole(connection: Connection, claims: Sequence[Claim], request: "Request") -> list[Claim]:
    """A source repeats a report that came back masked: where it says the same, this is the report. Returns the claims as they are then.

    The complaint is locked by the caller.
    """
    found: list[Claim] = []
    for claim in claims:
        if claim.request_sha == _UNKNOWN and await _is_same(connection, claim, request):
            await _remember_row(connection, claim, request)
            await connection.execute(
                "UPDATE reports SET original = $3, is_masked = false WHERE complaint_id = $1 AND number = $2",
                claim.complaint_id,
                claim.report,
                request.original,
            )
            await connection.execute(
                "UPDATE identities SET request_sha = $3 WHERE complaint_id = $1 AND report = $2 AND request_sha = ''",
                claim.complaint_id,
                claim.report,
                request.sha,
            )
            found.append(replace(claim, request_sha=request.sha))
        else:
            found.append(claim)
    return found


async def _is_same(connection: Connection, claim: Claim, request: "Request") -> bool:
    """By the words that went out then; of a report whose words never did, by its name."""
    kept = await connection.fetchval(
        "SELECT original FROM reports WHERE complaint_id = $1 AND number = $2 AND is_masked", claim.complaint_id, claim.report
    )
    if kept is None:  # an earlier name of this same request made it whole
        return (
            await connection.fetchval(
                "SELECT true FROM reports WHERE complaint_id = $1 AND number = $2 AND original = $3",
                claim.complaint_id,
                claim.report,
                request.original,
            )
            is not None
        )
    row = await _last_row(connection, claim, request)
    said = request.submission
    for known in map(Submission.model_validate_json, (kept, *([row["fields"]] if row is not None else []))):
        alike = unmasked(known, said, request.masked)
        if _is_lost(known) or (alike.title, alike.text) == (said.title, said.text):
            return True
    return False


async def _remember_row(connection: Connection, claim: Claim, request: "Request") -> None:
    """What the next export is compared with: not what the source says now, but what was known of it, so that its changes are found.

    In the words of now where they are the same but for the masks. Kafka never has who reported, a form or attachments: they are as now.
    """
    kept = await connection.fetchrow(
        "SELECT original, accepted_at FROM reports WHERE complaint_id = $1 AND number = $2 AND is_masked", claim.complaint_id, claim.report
    )
    row, said = await _last_row(connection, claim, request), request.submission
    if kept is None or said.source_ref is None or (row is None and request.exported_at is None):
        return  # another name of this request was first; or its source makes no exports
    known = Submission.model_validate_json(row["fields"] if row is not None else kept["original"])
    if _is_lost(known):
        fields, exported_at = request.original, request.exported_at
    else:
        alike = unmasked(known, said, request.masked)
        fields = original_of(said.model_copy(update={name: getattr(alike, name) for name in _IN_KAFKA}))
        # No export that it came in by was made later.
        exported_at = kept["accepted_at"]
    if row is not None:
        exported_at = row["exported_at"]
    await _put_row(connection, request.source, said.source_ref, claim.complaint_id, exported_at, fields)


async def _last_row(connection: Connection, claim: Claim, request: "Request") -> asyncpg.Record | None:
    return await connection.fetchrow(
        "SELECT exported_at, fields FROM known_rows WHERE source = $1 AND source_ref = $2 AND complaint_id = $3",
        request.source,
        request.submission.source_ref,
        claim.complaint_id,
    )


async def _put_row(
    connection: Connection, source: str, source_ref: str, complaint_id: UUID, exported_at: datetime | None, fields: str
) -> None:
    """Unlike an import's, also over one of the same export: what is known of it changed, not what it showed."""
    await connection.execute(
        """
        INSERT INTO known_rows (source, source_ref, complaint_id, exported_at, fields) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (source, source_ref) DO UPDATE SET exported_at = excluded.exported_at, fields = excluded.fields
        """,
        source,
        source_ref,
        complaint_id,
        exported_at,
        fields,
    )


def _is_lost(known: Submission) -> bool:
    return known.title == LOST and known.text == LOST
