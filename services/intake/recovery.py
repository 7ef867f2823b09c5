"""Intake's part in a recovery: complaints come back from Kafka masked, and whole when their source repeats them. The caller commits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError

from services.intake.domain import Submission, identities_of, original_of
from services.intake.store import Claim, NewReport, add_identities, add_reports
from shared.events import ComplaintChanged, ComplaintReceived
from shared.postgres import Connection

if TYPE_CHECKING:
    from services.intake.requests import Request

LOST = "[tidak tersimpan]"
"""Where the words of a report are not in Kafka: only its source has them still."""
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
    """A mark may be longer than what it stands for, so limits may be passed; then the words alone are kept, cut."""
    try:
        return Submission.model_validate(fields)
    except ValidationError:
        return Submission.model_validate(
            {
                "title": fields["title"][:500].strip() or LOST,
                "text": fields["text"][:20_000].strip() or LOST,
                "source_ref": fields["source_ref"],
                "reported_at": fields.get("reported_at"),
            }
        )


async def make_whole(connection: Connection, claims: Sequence[Claim], request: "Request") -> list[Claim]:
    """A source repeats a report that came back masked: where it says the same, this is the report. Returns the claims as they are then.

    The complaint is locked by the caller.
    """
    found: list[Claim] = []
    for claim in claims:
        if claim.request_sha == _UNKNOWN and await _is_same(connection, claim, request):
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
    known = Submission.model_validate_json(kept)
    if known.title == LOST and known.text == LOST:
        return True
    said = request.masked
    return (known.title, known.text) in ((said.title, said.text), (said.title[:500].strip(), said.text[:20_000].strip()))
