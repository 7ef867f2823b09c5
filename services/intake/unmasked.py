"""What a disclosure shows: all that the sources sent of a complaint, and who reported only where that may be known. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from services.intake.domain import Change, Submission
from services.intake.readers import OVERSIGHT, is_oversight
from shared.events import CaseStatus

_FLAGS = ("is_anonymous", "is_confidential")
Row = Mapping[str, Any]


class Originals:
    """A complaint's reports and what its sources changed later, as stored: rows with the request as JSON in `original`."""

    def __init__(self, reports: Sequence[Row], changes: Sequence[Row]) -> None:
        self._reports = [(row, Submission.model_validate_json(row["original"])) for row in reports]
        self._changes = [(row, Change.model_validate_json(row["original"])) for row in changes]
        # A flag that was raised once, at whichever door, stays: what a source takes back later was promised to the reporter before.
        self._flags = {
            name: any(getattr(report, name) for _, report in self._reports)
            or any(getattr(change.fields, name) for _, change in self._changes)
            for name in _FLAGS
        }

    def may_show_reporter(self, status: CaseStatus) -> bool:
        """Not where the reporter is anonymous, and not in an oversight matter, whose reporter nobody outside of it may learn.

        Oversight is what the case is or once was, and what the reporter or a whistle-blowing channel called so: the doubt is the
        reporter's.
        """
        is_called_so = any(report.class_ == OVERSIGHT or report.service == "wbs" or row["source"] == "wbs" for row, report in self._reports)
        return not is_oversight(status) and not is_called_so and not self._flags["is_anonymous"]

    def view(self, *, with_reporter: bool) -> dict[str, Any]:
        """`reports`, the first one first, with the flags now in force, and `changes`, oldest first."""
        return {
            "reports": [self._report(row, report, with_reporter) for row, report in self._reports],
            "changes": [self._change(row, with_reporter) for row, _ in self._changes],
        }

    def _report(self, row: Row, report: Submission, with_reporter: bool) -> dict[str, Any]:
        shown = report.model_dump(mode="json", by_alias=True) | self._flags
        if not with_reporter:
            shown["reporter"] = None
        if row.get("is_masked"):  # the database was restored, and the source has not repeated the report since
            shown["is_masked"] = True
        return shown | {name: row[name] for name in ("source", "reported_at", "accepted_at")}

    def _change(self, row: Row, with_reporter: bool) -> dict[str, Any]:
        shown: dict[str, Any] = from_json(row["original"])
        if not with_reporter and "reporter" in shown.get("fields", {}):
            shown["fields"]["reporter"] = None
        return shown | {"by": row["by"], "accepted_at": row["accepted_at"]}
