"""Makes one report of several rows with one tracking id: one complaint that went to several agencies. Pure."""

from collections.abc import Sequence
from typing import Any

from services.intake.lapor_status import mapped
from shared.events import SourceState

_MOST_DISPOSITIONS = 20
# A report is watched while any of its agencies still has to answer.
_WATCHED_FIRST: tuple[SourceState, ...] = ("open", "verified", "paused", "closed", "archived")


def merged(rows: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """The fields of all rows as one, in the order of the sheet, and what differed.

    Title and text are the last row's, flags are raised by any, the status is that of the agency furthest from an
    answer, all else is the first row's that has it.
    """
    notes: list[str] = []
    fields = dict(rows[0])
    form: dict[str, Any] = {}
    for row in rows:
        for name, value in row.items():
            fields.setdefault(name, value)
        form = {**row.get("form", {}), **form}
    if len({(row["title"], row["text"]) for row in rows}) > 1:
        notes.append("the rows' texts differ: the last is taken")
        fields["title"], fields["text"] = rows[-1]["title"], rows[-1]["text"]
        for name in ("text_initial", "title_full"):
            form.pop(name, None)
            if name in rows[-1].get("form", {}):
                form[name] = rows[-1]["form"][name]
    notes += [
        f"{name} differs between the rows: the first is taken"
        for name in ("reported_at", "class", "category", "location", "reporter")
        if len({repr(row[name]) for row in rows if name in row}) > 1
    ]
    for name in ("is_anonymous", "is_confidential"):
        fields[name] = any(row[name] for row in rows)
    _agencies(rows, fields, form, notes)
    statuses = list(dict.fromkeys(row["source_status"] for row in rows if "source_status" in row))
    if len(statuses) > 1:
        fields["source_status"] = min(statuses, key=lambda status: _WATCHED_FIRST.index(mapped(status)))
        notes.append("Status Laporan differs between the rows: the one furthest from an answer is taken")
    if form:
        fields["form"] = form
    return fields, notes


def _agencies(rows: Sequence[dict[str, Any]], fields: dict[str, Any], form: dict[str, Any], notes: list[str]) -> None:
    """Each agency once. Their parents and ids stay together in the form."""
    dispositions = {item["name"]: item for row in rows for item in row["disposition"]}
    fields["disposition"] = list(dispositions.values())[:_MOST_DISPOSITIONS]
    if len(dispositions) > _MOST_DISPOSITIONS:
        notes.append(f"more than {_MOST_DISPOSITIONS} agencies: the first {_MOST_DISPOSITIONS} are taken")
    agencies = []
    for row in rows:
        name = row["disposition"][0]["name"] if row["disposition"] else None
        known = row.get("form", {})
        agencies.append({"name": name, "parent": known.get("agency_parent"), "id": known.get("agency_id")})
    distinct = [agency for place, agency in enumerate(agencies) if agency not in agencies[:place]]
    if len(distinct) > 1:
        form["agencies"] = distinct
