"""A submission on its way into the database, and its answer. Stores nothing."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from services.intake import store
from services.intake.domain import Identity, Submission, request_sha
from services.intake.publication import MaskedReport
from services.intake.speakers import Speaker


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
    original: str
    sha: bytes
    traceparent: str | None = None
    exported_at: datetime | None = None

    @property
    def source(self) -> str:
        assert self.speaker.subject is not None
        return self.speaker.subject


def new_request(
    submission: Submission,
    masked: MaskedReport,
    speaker: Speaker,
    identities: tuple[Identity, ...],
    original: str,
    traceparent: str | None = None,
    exported_at: datetime | None = None,
) -> Request:
    """`exported_at` is of the export whose row it is, if it is one."""
    return Request(uuid4(), submission, masked, speaker, identities, original, request_sha(original), traceparent, exported_at)
