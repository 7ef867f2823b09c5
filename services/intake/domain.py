"""What is accepted: the request models, the rules of their fields, the names a report is known by. Pure."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from shared.events import ComplaintClass, ServiceName, SourceChangeKind
from shared.problems import Problem

LONGEST_TEXT = 20_000
_CLOCK_SKEW = timedelta(minutes=5)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# What a source's reports are about where they do not say.
SERVICE_OF: dict[str, ServiceName] = {"lapor": "sp4n", "ppid": "ppid_permohonan", "wbs": "wbs"}


def _fits_200_bytes(text: str) -> str:
    if len(text.encode()) > 200:
        raise ValueError("is longer than 200 bytes")
    return text


def written(value: Any) -> Any:
    # Digits alone would be read as seconds since 1970.
    if not isinstance(value, str) or not _DATE.match(value):
        raise ValueError("must be text, as in 2024-07-11 or 2024-07-11T09:20:00+08:00")
    return value


def _has_utc(value: datetime) -> datetime:
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999") from None
    return value


def has_words(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank")
    return text


Name = Annotated[str, StringConstraints(strict=True, min_length=1), AfterValidator(_fits_200_bytes), AfterValidator(has_words)]
Short = Annotated[str, StringConstraints(strict=True, max_length=500)]
LongText = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=LONGEST_TEXT), AfterValidator(has_words)]
Title = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=500), AfterValidator(has_words)]
Day = Annotated[date, BeforeValidator(written)]
When = Annotated[AwareDatetime, BeforeValidator(written), AfterValidator(_has_utc)]


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=False, validate_by_alias=True, serialize_by_alias=True)


class Place(Input):
    province: Short | None = None
    regency: Short | None = None
    district: Short | None = None
    village: Short | None = None


class Addressed(Input):
    name: Annotated[Short, AfterValidator(has_words)]
    at: When | None = None
    by: Short | None = None


class Reporter(Input):
    """Who reported. Never leaves intake."""

    name: Short | None = None
    email: Short | None = None
    phone: Short | None = None
    nik: Short | None = None
    address: Short | None = None


class Attachment(Input):
    """An address that is kept and never fetched."""

    url: Annotated[str, StringConstraints(strict=True, max_length=2000, pattern=r"^https?://")]
    media_type: Short | None = None
    sha256: Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-fA-F]{64}$")] | None = None


class Submission(Input):
    """The body of `POST /v1/complaints`. Only `title` and `text` are required."""

    title: Title
    text: LongText
    source_ref: Name | None = None
    service: ServiceName | None = None
    class_: ComplaintClass | None = Field(default=None, alias="class")
    category: Short | None = None
    channel: Short | None = None
    occurred_on: Day | None = None
    reported_at: When | None = None
    location: Place = Place()
    is_anonymous: StrictBool = True
    is_confidential: StrictBool = True
    sp4n_tracking_id: Name | None = None
    relates_to: Name | None = None
    form: dict[str, Any] = {}
    disposition: Annotated[list[Addressed], Field(max_length=20)] = []
    source_status: Short | None = None
    reporter: Reporter | None = None
    attachments: Annotated[list[Attachment], Field(max_length=50)] = []


class ChangedFields(Input):
    """New values that a source may send with a change; a field left out stays as it was."""

    title: Title | None = None
    text: LongText | None = None
    class_: ComplaintClass | None = Field(default=None, alias="class")
    category: Short | None = None
    channel: Short | None = None
    occurred_on: Day | None = None
    location: Place | None = None
    is_anonymous: StrictBool | None = None
    is_confidential: StrictBool | None = None
    disposition: Annotated[list[Addressed], Field(max_length=20)] | None = None
    reason: Short | None = None
    reporter: Reporter | None = None
    form: dict[str, Any] | None = None
    attachments: Annotated[list[Attachment], Field(max_length=50)] | None = None


class Change(Input):
    """The body of `POST /v1/complaints/{id}/changes`."""

    change_id: Name
    kind: SourceChangeKind
    at: When | None = None
    fields: ChangedFields = ChangedFields()
    text: LongText | None = None
    source_status: Short | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """One name a report is known by. `source` is empty for `sp4n`: a tracking id is the same from every door."""

    kind: str
    source: str
    value: str

    @property
    def order(self) -> tuple[str, str, str]:
        return (self.kind, self.source, self.value)


def identities_of(submission: Submission, source: str, idempotency_key: str | None) -> tuple[Identity, ...]:
    """Sorted, so that two requests with the same names wait for each other instead of dead-locking."""
    found = []
    if idempotency_key is not None:
        found.append(Identity("key", source, idempotency_key))
    if submission.source_ref is not None:
        found.append(Identity("ref", source, submission.source_ref))
    tracking_id = submission.sp4n_tracking_id or (submission.source_ref if source == "lapor" else None)
    if tracking_id is not None:
        found.append(Identity("sp4n", "", tracking_id))
    return tuple(sorted(found, key=lambda identity: identity.order))


def check_idempotency_key(text: str | None, longest: int = 200) -> str | None:
    if text is None:
        return None
    if not 1 <= len(text) <= longest or not text.isascii() or not text.isprintable():
        raise Problem(
            400, "bad-header", "A header is not acceptable", f"1 to {longest} printable ASCII characters", field="Idempotency-Key"
        )
    return text


def original_of(request: BaseModel) -> str:
    """The parsed request as it is kept: the same text for the same request, whether a default was written out or not."""
    text = request.model_dump_json(by_alias=True, exclude_defaults=True)
    # A model's own fields come in its order; only a form's keys stand as the caller wrote them.
    return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, separators=(",", ":")) if '"form":' in text else text


def request_sha(original: str) -> bytes:
    return hashlib.sha256(original.encode()).digest()


def check_reported_at(submission: Submission, now: datetime) -> datetime:
    """When the law's clocks start; a source's clock may run up to five minutes ahead."""
    if submission.reported_at is None:
        return now
    if submission.reported_at > now + _CLOCK_SKEW:
        raise refused_instant("reported_at", "lies more than five minutes ahead")
    if submission.reported_at < _EARLIEST:
        raise refused_instant("reported_at", "lies before 2000-01-01, when none of the sources existed")
    return submission.reported_at


def refused_instant(field: str, detail: str) -> Problem:
    return Problem(422, "invalid-field", "A field is not acceptable", f"{field}: {detail}", errors=[{"field": field, "detail": detail}])
