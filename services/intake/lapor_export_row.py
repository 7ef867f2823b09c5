"""Makes one report of one row of a LAPOR! export, as `POST /v1/complaints` takes it. Pure.

Reasons and notes are shown to whoever imports: they name columns and never quote what a reporter wrote.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.intake.lapor_export_cells import Text, instant, read_day, read_text, read_time, read_tracking_id
from services.intake.lapor_status import is_known, normalise_class

LONGEST_TEXT = 20_000
_LONGEST_TITLE = 500
_LONGEST_SHORT = 500
_DERIVED_TITLE = 80

# Columns that go into `form` under another name than their own.
_FORM = {
    "category_id": "category_id",
    "agency_parent": "agency_parent",
    "agency_id": "agency_id",
    "reason": "reason_held_or_archived",
    "nomor_sk": "nomor_sk",
    "url_sk": "url_sk",
    "url_annual_report": "url_annual_report",
    "setwapres": "setwapres",
    "rating": "rating",
}


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One report. `number` is its row in Excel (of the first, where several rows have its tracking id), `fields` the body to send;
    `notes` say what was unusual but kept."""

    number: int
    tracking_id: str
    fields: dict[str, Any]
    notes: tuple[str, ...] = ()


class Unreadable(ValueError):
    """Why a row cannot be taken."""


def report(number: int, cells: Mapping[str, Any], epoch: datetime) -> ExportRow:
    """`cells` are the raw values under the columns' names, `tracking_id` always among them. Raises Unreadable."""
    notes: list[str] = []
    texts = {name: _text(name, value, notes) for name, value in cells.items()}
    tracking_id = read_tracking_id(cells["tracking_id"])
    if tracking_id is None:
        raise Unreadable("the Tracking ID is missing" if texts["tracking_id"] is None else "the Tracking ID is not a number")
    first, final = texts.get("text_initial"), texts.get("text_final")
    text = final or first
    if text is None:
        raise Unreadable("both Isi Laporan Awal and Isi Laporan Akhir are empty")
    if len(text) > LONGEST_TEXT:
        raise Unreadable(f"the text is longer than {LONGEST_TEXT:,} characters")
    form: dict[str, Any] = {key: texts[name] for name, key in _FORM.items() if texts.get(name) is not None}
    if final is not None and first is not None and first != final:
        form["text_initial"] = first
    fields: dict[str, Any] = {
        "source_ref": tracking_id,
        "service": "sp4n",
        "title": _title(texts.get("title"), text, form, notes),
        "text": text,
    }
    _classify(texts, fields, form, notes)
    for name in ("category", "channel"):
        if texts.get(name) is not None:
            fields[name] = _short(name, texts[name], notes)
    reported_at = _reported_at(cells, texts, epoch, notes)
    if reported_at is not None:
        fields["reported_at"] = reported_at.isoformat(timespec="seconds")
    location = {name: _short(name, texts.get(name), notes) for name in ("province", "regency", "district", "village")}
    if any(location.values()):
        fields["location"] = location
    _flag(texts, fields, form, notes)
    agency = _short("agency", texts.get("agency"), notes)
    fields["disposition"] = [{"name": agency, "at": None, "by": None}] if agency is not None else []
    status = _short("status", texts.get("status"), notes)
    if status is not None:
        fields["source_status"] = status
        if not is_known(status):
            notes.append(f"unknown Status Laporan{_quoted(status)}: counts as open")
    if form:
        fields["form"] = form
    return ExportRow(number, tracking_id, fields, tuple(notes))


def _text(name: str, value: Any, notes: list[str]) -> str | None:
    read: Text = read_text(value)
    if read.is_error:
        notes.append(f"{name}: Excel shows an error instead of a value; taken as empty")
    if read.was_cleaned:
        notes.append(f"{name}: control characters removed")
    return read.text


def _short(name: str, text: str | None, notes: list[str]) -> str | None:
    if text is not None and len(text) > _LONGEST_SHORT:
        notes.append(f"{name}: cut after {_LONGEST_SHORT} characters")
        return text[:_LONGEST_SHORT]
    return text


def _title(title: str | None, text: str, form: dict[str, Any], notes: list[str]) -> str:
    if title is None:
        notes.append("no title: the first words of the text are taken")
        words = " ".join(text[: 4 * _DERIVED_TITLE].split())
        return words if len(words) <= _DERIVED_TITLE else words[: _DERIVED_TITLE + 1].rpartition(" ")[0] or words[:_DERIVED_TITLE]
    if len(title) > _LONGEST_TITLE:
        notes.append(f"title: cut after {_LONGEST_TITLE} characters, kept whole in the form")
        form["title_full"] = title
        return title[:_LONGEST_TITLE]
    return title


def _classify(texts: Mapping[str, str | None], fields: dict[str, Any], form: dict[str, Any], notes: list[str]) -> None:
    known, raw = normalise_class(texts.get("class"))
    if known is not None:
        fields["class"] = known
    elif raw is not None:
        form["class_raw"] = raw
        notes.append(f"unknown Klasifikasi Laporan{_quoted(raw)}: kept in the form, no class set")


def _flag(texts: Mapping[str, str | None], fields: dict[str, Any], form: dict[str, Any], notes: list[str]) -> None:
    """Both flags unless the cell clearly names only one: reporters have come to harm where a flag was forgotten."""
    raw = texts.get("type")
    kind = (raw or "").casefold()
    anonymous, confidential = "anonim" in kind, "rahasia" in kind
    if not (anonymous or confidential) or re.search(r"\b(?:tidak|bukan|non|tanpa)\b", kind):
        anonymous = confidential = True
        if raw is None:
            notes.append("no Tipe Laporan: both flags set")
        else:
            form["type_raw"] = raw
            notes.append(f"unknown Tipe Laporan{_quoted(raw)}: both flags set")
    name = texts.get("reporter")
    if name is not None and name.casefold() in ("anonim", "anonymous", "anonymus"):
        anonymous = True
    elif name is not None:
        fields["reporter"] = {"name": _short("reporter", name, notes)}
    fields["is_anonymous"], fields["is_confidential"] = anonymous, confidential


def _reported_at(cells: Mapping[str, Any], texts: Mapping[str, str | None], epoch: datetime, notes: list[str]) -> datetime | None:
    if texts.get("day") is None:
        notes.append("no Tanggal Laporan Masuk: the law's clocks start when the report is taken")
        return None
    try:
        day, clock = read_day(cells["day"], epoch)
    except (ValueError, OverflowError):
        raise Unreadable("Tanggal Laporan Masuk is not a date that can be read") from None
    if texts.get("time") is not None:
        try:
            clock = read_time(cells["time"])
        except (ValueError, OverflowError):
            notes.append("Waktu Laporan Masuk is not a time that can be read: left out")
    return instant(day, clock)


def _quoted(raw: str) -> str:
    """Only what is as short as a word of the panel: a shifted column could put a person's words here."""
    return f" {raw!r}" if len(raw) <= 40 else ""
