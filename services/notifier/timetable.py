"""Which clocks a case's life makes run, where, and at which instant so many units after their start lie. Pure."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from services.notifier import periods
from services.notifier.calendar import Calendar
from services.notifier.case import CASE, id_of
from services.notifier.life import Assignment, Life, Limits
from services.notifier.policy import Policies, Subject
from services.notifier.runs import Run, runs_of
from shared.units import UnitDirectory


class Timetable:
    """The policies, the calendar and the directory, which together say every instant."""

    def __init__(self, policies: Policies, calendar: Calendar, directory: UnitDirectory) -> None:
        self.policies = policies
        self.calendar = calendar
        self.directory = directory
        # Both are days: a newer table makes a later text, and re-times what an older one timed.
        self.version = f"{policies.version} {calendar.version}"
        self.limits = Limits(self._reply_until, self._extend_until)
        self._places: dict[tuple[str | None, str | None, tuple[str, ...]], tuple[ZoneInfo, Calendar]] = {}
        self.first_start = datetime(calendar.first_year + 1, 1, 2, tzinfo=ZoneInfo("UTC"))

    def runs(self, life: Life) -> list[Run]:
        """In the order of the policies: the case's own clocks, then each assignment's."""
        subject = self.subject_of(life)
        if subject is None:
            return []
        found = [run for row in self.policies.of_case(subject) for run in runs_of(life, row)]
        for item in life.assignments.values():
            for row in self.policies.of_assignment(self.subject_of_assignment(subject, item)):
                found += runs_of(life, row, item.id)
        return found

    def subject_of(self, life: Life) -> Subject | None:
        report = life.report
        if report is None:
            return None
        zone, _ = self.place(None, report.province)
        return Subject(
            report.reported_at.astimezone(zone).date(),
            report.source,
            report.service,
            life.class_,
            report.channel,
            report.category,
            life.is_oversight,
        )

    @staticmethod
    def subject_of_assignment(subject: Subject, item: Assignment) -> Subject:
        return Subject(
            subject.received_on,
            subject.source,
            subject.service,
            subject.class_,
            subject.channel,
            subject.category,
            item.is_oversight,
            item.unit,
        )

    def place(self, desk: str | None, province: str | None, copies: Sequence[str] = ()) -> tuple[ZoneInfo, Calendar]:
        """Zone and calendar of a desk, else of a province as the report names it. `copies`: an office is in its Kanwil's zone."""
        key = (desk, province, tuple(copies))
        found = self._places.get(key)
        if found is None:
            known = self.directory.province(province)
            place = self.calendar.of_place(known.code if known else None, desk)
            if len(self._places) > 10_000:  # provinces are free text
                self._places.clear()
            found = self._places[key] = (self.directory.zone(desk, province, copies), place)
        return found

    def due(self, run: Run, place: tuple[ZoneInfo, Calendar], after: int = 0) -> datetime | None:
        """The instant so many units past the deadline; None where a pause that is open keeps it from coming."""
        zone, calendar = place
        start = max(run.started_at, self.first_start)  # a start before the calendar begins is long overdue whichever day it was
        return periods.due_at(calendar, run.row.amount + run.extra + after, run.row.unit, start, zone, run.pauses)

    def place_of(self, life: Life, subject: str) -> tuple[ZoneInfo, Calendar]:
        province = life.report.province if life.report else None
        if subject == CASE:
            return self.place(None, province)
        item = life.assignments[id_of(subject)]
        return self.place(item.desk, province, item.part.copies)

    def _reply_until(self, life: Life, answered_at: datetime) -> datetime:
        subject = self.subject_of(life)
        assert subject is not None
        row = next(row for row in self.policies.of_case(subject) if "answered" in row.starts)
        due = self.due(Run(CASE, row, 1, answered_at), self.place_of(life, CASE))
        assert due is not None
        return due

    def _extend_until(self, life: Life) -> datetime | None:
        open_runs = [run for run in self.runs(life) if run.row.extension and run.stopped_at is None]
        dues = [self.due(run, self.place_of(life, run.subject)) for run in open_runs]
        return min((due for due in dues if due is not None), default=None)
