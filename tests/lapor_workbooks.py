"""Workbooks as the LAPOR! panel exports them, built in memory: one usual row, and what differs from it."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

from openpyxl import Workbook

from services.intake.lapor_export import Export, ExportRow, read_export

HEADER = [
    "Tracking ID", "Tanggal Laporan Masuk", "Waktu Laporan Masuk", "Nama Pelapor", "Klasifikasi Laporan", "ID Kategori", "Kategori",
    "Judul Laporan", "Isi Laporan Awal", "Isi Laporan Akhir", "Tipe Laporan (Anonim/Rahasia)", "Sumber Laporan", "Instansi Induk",
    "ID Instansi Terdisposisi", "Instansi Terdisposisi", "Status Laporan", "Alasan Tunda/Arsip", "Provinsi", "Kota/Kabupaten", "Kecamatan",
    "Kelurahan", "Nomor SK", "Url SK", "Url Dokumen Laporan Tahunan", "Laporan yang Masuk melalui Kanal Aduan Setwapres", "Rating",
]  # fmt: skip
USUAL: dict[str, Any] = {
    "Tracking ID": "5049672",
    "Tanggal Laporan Masuk": "3 Mei 2026",
    "Klasifikasi Laporan": "Pengaduan tidak berkadar pengawasan",
    "Judul Laporan": "Paspor belum jadi",
    "Isi Laporan Awal": "Paspor saya belum jadi",
    "Tipe Laporan (Anonim/Rahasia)": "Anonim",
    "Status Laporan": "Terverifikasi",
}


USUAL_CELLS = [USUAL.get(column) for column in HEADER]
# As Excel has them: without a zone.
at = datetime.fromisoformat


def file_of(rows: list[list[Any]]) -> io.BytesIO:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    target = io.BytesIO()
    workbook.save(target)
    target.seek(0)
    return target


def exported(
    *rows: dict[str, Any], above: tuple[list[Any], ...] = (["Rekapitulasi"], ["Digenerate pada: 4 Mei 2026 10:00:05"], [])
) -> Export:
    """An export of rows that differ from the usual one as told; a value of None empties the cell."""
    written = [[{**USUAL, **row}.get(column) for column in HEADER] for row in rows]
    return read_export(file_of([*above, HEADER, *written]))


def only(**cells: Any) -> ExportRow:
    export = exported({name.replace("_", " "): value for name, value in cells.items()})
    assert export.bad_rows == ()
    (row,) = export.rows
    return row


def with_parts(file: io.BytesIO, change: Callable[[str, bytes], bytes]) -> io.BytesIO:
    """The same archive with its parts passed through a function."""
    target = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    target.seek(0)
    return target
