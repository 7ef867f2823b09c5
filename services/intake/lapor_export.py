"""Reads the Excel export of the LAPOR! admin panel into reports as `POST /v1/complaints` takes them. It sends nothing.

Reasons and notes are shown to whoever imports: they never quote what a reporter wrote.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from services.intake.lapor_export_cells import WIB, instant, read_day
from services.intake.lapor_export_file import ForeignFile, opened, sheet_rows
from services.intake.lapor_export_merge import merged
from services.intake.lapor_export_row import ExportRow, Unreadable, report

__all__ = ["BadRow", "Export", "ExportRow", "ForeignFile", "read_export"]

_HEADER_WITHIN = 60  # rows

# Headers without case and punctuation, as found in exports, and the few ways they vary.
_COLUMNS = {
    "tracking id": "tracking_id",
    "tanggal laporan masuk": "day",
    "waktu laporan masuk": "time",
    "nama pelapor": "reporter",
    "klasifikasi laporan": "class",
    "klasifikasi": "class",
    "id kategori": "category_id",
    "kategori": "category",
    "judul laporan": "title",
    "isi laporan awal": "text_initial",
    "isi laporan akhir": "text_final",
    "tipe laporan anonim rahasia": "type",
    "tipe laporan": "type",
    "sumber laporan": "channel",
    "instansi induk": "agency_parent",
    "id instansi terdisposisi": "agency_id",
    "instansi terdisposisi": "agency",
    "status laporan": "status",
    "alasan tunda arsip": "reason",
    "provinsi": "province",
    "kota kabupaten": "regency",
    "kabupaten kota": "regency",
    "kecamatan": "district",
    "kelurahan": "village",
    "kelurahan desa": "village",
    "desa kelurahan": "village",
    "nomor sk": "nomor_sk",
    "url sk": "url_sk",
    "url dokumen laporan tahunan": "url_annual_report",
    "laporan yang masuk melalui kanal aduan setwapres": "setwapres",
    "rating": "rating",
}
_NOT_ALNUM = re.compile(r"[^0-9a-z]+")
_GENERATED = re.compile(r"generate|dibuat|unduh|cetak|eks?por|export|dihasilkan", re.IGNORECASE)
_PERIOD = re.compile(r"periode|rentang|s\.?/?d\b|sampai|hingga", re.IGNORECASE)
_DATE_WITHIN = re.compile(
    r"(?<!\d)(?:\d{4}-\d\d?-\d\d?|\d{1,2}[ ./-](?:[A-Za-z]{3,9}|\d{1,2})[ ./-]\d{4})(?!\d)"
    r"(?:[ ,T]{1,3}(?:pukul |jam )?\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?: (?:WIB|WITA|WIT)\b)?)?"
)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be taken, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Export:
    """`exported_at` is None where the sheet does not say; `notes` are about the whole sheet."""

    exported_at: datetime | None
    rows: tuple[ExportRow, ...]
    bad_rows: tuple[BadRow, ...]
    notes: tuple[str, ...] = ()


def read_export(file: BinaryIO | Path) -> Export:
    """Every report of an export, rows with one tracking id as one. Raises ForeignFile for a file that is no such export."""
    with opened(file) as (workbook, created_at):
        for sheet in workbook.worksheets:
            rows = sheet_rows(sheet)
            above: list[tuple[Any, ...]] = []
            for number, row in rows:
                if number > _HEADER_WITHIN:
                    break
                header = [_heading(cell) for cell in row]
                if "tracking id" in header:
                    return _read(rows, header, row, _exported_at(above, created_at), workbook.epoch)
                above.append(row)
    raise ForeignFile(
        f"The workbook has no row with the heading 'Tracking ID' among the first {_HEADER_WITHIN} of any sheet: "
        "it is not an export of the LAPOR! admin panel."
    )


def _heading(cell: Any) -> str:
    return _NOT_ALNUM.sub(" ", str(cell).casefold()).strip() if isinstance(cell, str) else ""


def _read(
    rows: Iterator[tuple[int, tuple[Any, ...]]], header: list[str], written: tuple[Any, ...], exported_at: datetime | None, epoch: datetime
) -> Export:
    columns: dict[str, int] = {}
    unknown: list[str] = []
    for place, heading in enumerate(header):
        name = _COLUMNS.get(heading)
        if name is None:
            if heading:
                unknown.append(str(written[place]).strip()[:40])
        elif name not in columns:
            columns[name] = place
    if "text_initial" not in columns and "text_final" not in columns:
        raise ForeignFile("The sheet has neither 'Isi Laporan Awal' nor 'Isi Laporan Akhir': export it again with all columns.")
    by_id: dict[str, list[ExportRow]] = {}
    bad: list[BadRow] = []
    for number, row in rows:
        cells = {name: row[place] if place < len(row) else None for name, place in columns.items()}
        if all(value is None for value in cells.values()) or _heading(cells["tracking_id"]) == "tracking id":
            continue
        try:
            row_read = report(number, cells, epoch)
        except Unreadable as error:
            bad.append(BadRow(number, str(error)))
        else:
            by_id.setdefault(row_read.tracking_id, []).append(row_read)
    notes = (f"columns not known and left out: {', '.join(unknown[:20])}",) if unknown else ()
    return Export(exported_at, tuple(_merged(group) for group in by_id.values()), tuple(bad), notes)


def _merged(group: list[ExportRow]) -> ExportRow:
    if len(group) == 1:
        return group[0]
    fields, notes = merged([row.fields for row in group])
    seen = dict.fromkeys(note for row in group for note in row.notes)
    joined = f"rows {', '.join(str(row.number) for row in group)} have one tracking id and are one report"
    return replace(group[0], fields=fields, notes=(*seen, joined, *notes))


def _exported_at(above: list[tuple[Any, ...]], created_at: datetime | None) -> datetime | None:
    """When the panel wrote the sheet, from the rows above the header; a period's dates are no such date.

    Where only a day is stated, the file's own creation time is taken if it is of that day: two exports of one day
    must be told apart.
    """
    found: datetime | None = None
    for row in sorted(above, key=lambda row: _GENERATED.search(_line(row)) is None):
        if _PERIOD.search(_line(row)) and not _GENERATED.search(_line(row)):
            continue
        found = next(filter(None, map(_date_in, row)), None)
        if found is not None:
            break
    if found is None or created_at is None or (found.hour, found.minute, found.second) != (0, 0, 0):
        return found
    created = created_at.astimezone(WIB)
    return created if created.date() == found.date() else found


def _line(row: tuple[Any, ...]) -> str:
    return " ".join(cell for cell in row if isinstance(cell, str))


def _date_in(cell: Any) -> datetime | None:
    try:
        if isinstance(cell, (datetime, date)):
            return instant(*read_day(cell, datetime(1899, 12, 30)))  # noqa: DTZ001 - Excel's epoch has no zone
        within = _DATE_WITHIN.search(cell) if isinstance(cell, str) else None
        return instant(*read_day(within.group(), datetime(1899, 12, 30))) if within is not None else None  # noqa: DTZ001
    except (ValueError, OverflowError):
        return None
