"""Reads the records that ask where a report goes, and judges them. Has no effect, and reads a repeat the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid5

from pydantic import ValidationError
from pydantic_core import from_json

from services.router.decision import Decision, closed_by, unprocessable
from services.router.domain import decide
from services.router.judgement import Judgement
from services.router.routes import Practice
from shared.envelope import complaint_of, read_envelope, received_id
from shared.errors import Dead, where
from shared.events import TYPE_OF, ComplaintReceived, RerouteRequested
from shared.records import Record
from shared.units import UnitDirectory

_RECEIVED = TYPE_OF[ComplaintReceived]
_REQUESTED = TYPE_OF[RerouteRequested]
# Intake takes a quarter of this. A report near Kafka's usual limit of 1 MiB would not fit into its event beside the decision.
_MOST_BYTES = 900_000
# The event of a part is at most the report and the decision together, and Kafka wants room for key and headers.
_MOST_BYTES_TOGETHER = 1_000_000
# Beside a shorter report no decision is long enough, and most need not be measured.
_FITS_SURELY = 100_000
# As the log's column.
_LARGEST_NUMBER = 2**31 - 1


class Judges(Protocol):
    """What reading needs of a judge; another one may stand behind it without anyone noticing."""

    @property
    def version(self) -> str: ...
    def judge(self, report: ComplaintReceived) -> Judgement: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A record and what was decided of it. `report` is None where the record could not be read, `accepted_at` too.

    `if_oversight` and `if_in_doubt`: the decision where an earlier one on this complaint was that, which only the log knows.
    """

    causing_id: UUID
    complaint_id: UUID
    decision: Decision
    report: bytes | None = None
    accepted_at: datetime | None = None
    traceparent: str | None = None
    number: int = 0
    request: RerouteRequested | None = None
    if_oversight: Decision | None = None
    if_in_doubt: Decision | None = None

    def after(self, earlier: Iterable[Decision]) -> Decision:
        """The decision, now that these were taken on the same complaint before: what was closed to the offices stays so."""
        was = {closed_by(decision) for decision in earlier}
        otherwise = self.if_oversight if "oversight" in was else self.if_in_doubt if "doubt" in was else None
        return otherwise or self.decision

    @property
    def fits(self) -> bool:
        """Whether each event can be published. What is logged and cannot be said would stop all that comes after it."""
        if len(self.report or b"") <= _FITS_SURELY:
            return True
        taken = max(len(each.to_json()) for each in (self.decision, self.if_oversight, self.if_in_doubt) if each is not None)
        return len(self.report or b"") + taken + len(self.traceparent or "") <= _MOST_BYTES_TOGETHER


class Reader:
    def __init__(self, judge: Judges, directory: UnitDirectory, practice: Practice) -> None:
        self._judge = judge
        self._directory = directory
        self._practice = practice

    def use(self, judge: Judges, practice: Practice) -> None:
        """From the next record on; what was decided stays decided."""
        self._judge, self._practice = judge, practice

    def read_received(self, record: Record) -> Judged:
        """A record with a valid key is never dead: what cannot be read is held for a person."""
        complaint_id = _complaint_id(record)
        if record.headers.get("ce_type", _RECEIVED) != _RECEIVED:
            return self.hold_received(record)
        try:
            report = ComplaintReceived.model_validate_json(record.value or b"")
        except ValidationError:
            return self.hold_received(record)
        masked_report = report.to_json()  # without the fields of a newer writer, which would reach the events among our own
        if report.complaint_id != complaint_id or len(masked_report) > _MOST_BYTES:
            return self.hold_received(record)
        judged = Judged(
            causing_id=received_id(complaint_id),
            complaint_id=complaint_id,
            decision=decide(report, self._judge.judge(report), self._directory, self._practice),
            report=masked_report,
            accepted_at=report.accepted_at,
            traceparent=record.headers.get("traceparent"),
        )
        return judged if judged.fits else self.hold_received(record)

    def hold_received(self, record: Record) -> Judged:
        complaint_id = _complaint_id(record)
        return Judged(received_id(complaint_id), complaint_id, unprocessable(self._judge.version))

    def read_request(self, record: Record) -> Judged:
        """A request of which only the number can be read is held; without one there is no decision to take, and it is dead."""
        complaint_id = _complaint_id(record)
        if record.headers.get("ce_type", _REQUESTED) != _REQUESTED:
            raise Dead("wrong_type", f"ce_type is not {_REQUESTED}")
        try:
            request = RerouteRequested.model_validate_json(record.value or b"")
        except ValidationError as error:
            return self._held(record, Dead("not_our_schema", where(error)))
        if request.complaint_id != complaint_id:
            raise Dead("key_differs", "complaint_id is not the key's")
        masked_report = request.to_json()
        if request.decision > _LARGEST_NUMBER:
            raise Dead("not_our_schema", "decision: too large")
        if len(masked_report) > _MOST_BYTES:
            return self._held(record, Dead("not_our_schema", "value: too large"))
        judgement = self._judge.judge(request)
        judged = Judged(
            causing_id=_request_id(record, complaint_id, request.decision),
            complaint_id=complaint_id,
            decision=decide(request, judgement, self._directory, self._practice),
            report=masked_report,
            traceparent=record.headers.get("traceparent"),
            number=request.decision,
            request=request,
            if_oversight=decide(request, judgement, self._directory, self._practice, was_oversight=True),
            if_in_doubt=decide(request, judgement, self._directory, self._practice, was_in_doubt=True),
        )
        return judged if judged.fits else self._held(record, Dead("not_our_schema", "value: too large"))

    def hold_request(self, record: Record) -> Judged | None:
        """None where nobody can say which decision it asked for."""
        complaint_id = _complaint_id(record)
        number = _number_of(record.value, complaint_id)
        if number is None:
            return None
        return Judged(_request_id(record, complaint_id, number), complaint_id, unprocessable(self._judge.version), number=number)

    def _held(self, record: Record, otherwise: Dead) -> Judged:
        held = self.hold_request(record)
        if held is None:
            raise otherwise
        return held


def _complaint_id(record: Record) -> UUID:
    complaint_id = complaint_of(record.key)
    if complaint_id is None:
        raise Dead("no_complaint_id", "the key is not 16 bytes")
    return complaint_id


def _request_id(record: Record, complaint_id: UUID, number: int) -> UUID:
    """As its writer named it; without a readable name as the notifier derives it."""
    return read_envelope(record.headers).id or uuid5(complaint_id, f"decision/{number}")


def _number_of(value: bytes | None, complaint_id: UUID) -> int | None:
    """The decision's number in a value that is no request otherwise; None also where the value speaks of another complaint."""
    try:
        found = from_json(value or b"")
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("complaint_id", str(complaint_id)) != str(complaint_id):
        return None
    number = found.get("decision")
    is_number = isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= _LARGEST_NUMBER
    return number if is_number else None
