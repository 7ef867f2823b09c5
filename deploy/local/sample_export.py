"""Builds an Excel export as the LAPOR! admin panel writes it, for the demo and the tests: always the same reports, dated before a day.

They are written for this purpose: no person, number or address in them belongs to anyone.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

from openpyxl import Workbook
from openpyxl.styles import Font

_WIB = timezone(timedelta(hours=7))
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des")
_MINISTRY = "Kementerian Hukum dan Hak Asasi Manusia"
_HEADERS = (
    "Tracking ID",
    "Tanggal Laporan Masuk",
    "Waktu Laporan Masuk",
    "Nama Pelapor",
    "Klasifikasi Laporan",
    "ID Kategori",
    "Kategori",
    "Judul Laporan",
    "Isi Laporan Awal",
    "Isi Laporan Akhir",
    "Tipe Laporan (Anonim/Rahasia)",
    "Sumber Laporan",
    "Instansi Induk",
    "ID Instansi Terdisposisi",
    "Instansi Terdisposisi",
    "Status Laporan",
    "Alasan Tunda/Arsip",
    "Provinsi",
    "Kota/Kabupaten",
    "Kecamatan",
    "Kelurahan",
    "Nomor SK",
    "Url SK",
    "Url Dokumen Laporan Tahunan",
    "Laporan yang Masuk melalui Kanal Aduan Setwapres",
    "Rating",
)
_ORDINARY = "Pengaduan tidak berkadar pengawasan"
_OVERSIGHT = "Pengaduan berkadar pengawasan"


@dataclass(frozen=True, slots=True)
class _Row:
    tracking_id: int
    days_ago: int
    time: str
    kind: str
    title: str
    text: str
    agency: str | None
    status: str
    edited: str | None = None
    flags: str = "Anonim"
    channel: str = "Website"
    category: str = "Pelayanan Publik"
    place: tuple[str | None, str | None, str | None, str | None] = ("Nusa Tenggara Timur", "Kota Kupang", None, None)
    reason: str | None = None
    rating: int | None = None


_ROWS = (
    _Row(
        7000101,
        4,
        "09:20",
        _ORDINARY,
        "Paspor belum jadi sejak dua bulan",
        "Saya mengajukan penggantian paspor di Kantor Imigrasi Kupang dan sudah membayar Rp 650.000 lewat kode billing 820200000000017, "
        "tetapi sampai hari ini paspor belum selesai. NIK saya 5371000000000001, mohon dihubungi di HP 0812-0000-0001.",
        "Direktorat Jenderal Imigrasi",
        "Belum ditindaklanjuti",
        place=("Nusa Tenggara Timur", "Kota Kupang", "Oebobo", "Oebufu"),
    ),
    _Row(
        7000102,
        3,
        "14.05",
        _OVERSIGHT,
        "Pungutan liar saat kunjungan",
        "Setiap kunjungan ke lapas keluarga warga binaan diminta uang Rp 50.000 oleh petugas pintu. Kalau tidak dibayar, kunjungan "
        "dipersulit dan barang titipan tidak disampaikan.",
        None,
        "Terverifikasi",
        flags="Anonim, Rahasia",
        channel="SMS 1708",
        category="Pungutan Liar",
    ),
    _Row(
        7000103,
        3,
        "08:11:40",
        _ORDINARY,
        "Kunjungan dibatasi dan air tidak mengalir di rutan",
        "Sudah seminggu air di blok B rutan tidak mengalir dan waktu kunjungan dipotong menjadi 10 menit. Tolong diperiksa.",
        "Direktorat Jenderal Pemasyarakatan",
        "Belum ditindaklanjuti",
        edited="Sudah seminggu air di rutan tidak mengalir dan waktu kunjungan dipotong menjadi 10 menit. Mohon diperiksa.",
        place=("Nusa Tenggara Timur", "Kota Kupang", "Oebobo", None),
    ),
    # One report that was sent to two agencies: two rows with one id.
    _Row(
        7000104,
        2,
        "10:02",
        _ORDINARY,
        "Anak di LPKA tidak mendapat pendampingan hukum",
        "Anak dampingan kami di LPKA belum pernah didampingi pengacara dan mengaku dipukul saat diperiksa. Mohon hak anak diperhatikan.",
        "Direktorat Jenderal Pemasyarakatan",
        "Belum ditindaklanjuti",
        flags="Rahasia",
    ),
    _Row(
        7000104,
        2,
        "10:02",
        _ORDINARY,
        "Anak di LPKA tidak mendapat pendampingan hukum",
        "Anak dampingan kami di LPKA belum pernah didampingi pengacara dan mengaku dipukul saat diperiksa. Mohon hak anak diperhatikan.",
        "Direktorat Jenderal Hak Asasi Manusia",
        "Belum ditindaklanjuti",
        flags="Rahasia",
    ),
    _Row(
        7000105,
        2,
        "16:45",
        _ORDINARY,
        "Perubahan data perseroan di AHU Online selalu gagal",
        "Notaris kami sudah tiga kali mengajukan perubahan pengurus PT di AHU Online, selalu muncul galat NPWP tidak ditemukan padahal "
        "NPWP 00.000.000.0-407.000 aktif. Rekening pembayaran PNBP sudah terpotong dua kali.",
        None,
        "Terverifikasi",
        channel="Aplikasi Mobile",
        place=("Jawa Timur", "Kota Surabaya", None, None),
    ),
    _Row(
        7000106,
        1,
        "07:30",
        "Permintaan Informasi",
        "Syarat dan biaya pendaftaran merek untuk usaha kecil",
        "Saya pelaku usaha kecil tenun ikat. Apa saja syarat dan berapa biaya mendaftarkan merek, dan apakah bisa diajukan lewat Kanwil?",
        None,
        "Terverifikasi",
        channel="Website",
        category="Kekayaan Intelektual",
        place=("Nusa Tenggara Timur", "Kabupaten Sumba Timur", "Kota Waingapu", None),
    ),
    _Row(
        7000107,
        1,
        "19:20",
        "Aspirasi",
        "Pos bantuan hukum di desa kepulauan",
        "Mohon pos bantuan hukum dan penyuluhan hukum juga dibuka di desa-desa kepulauan, karena warga harus menyeberang laut untuk "
        "bertanya tentang perkara tanah.",
        None,
        "Terverifikasi",
        place=("Maluku", "Kabupaten Maluku Tengah", None, None),
    ),
    # A class that nobody knows.
    _Row(
        7000108,
        1,
        "11:00",
        "Pengadaan RAPS",
        "Antrean paspor online selalu penuh",
        "Kuota antrean paspor di aplikasi selalu habis dalam satu menit setiap hari Minggu, sedangkan di depan kantor ada calo yang "
        "menawarkan kuota.",
        None,
        "Terverifikasi",
        flags="Publik",
        place=("Bali", "Kota Denpasar", None, None),
    ),
    # Finished before Jalur saw them.
    _Row(
        7000090,
        40,
        "13:00",
        _ORDINARY,
        "Salah cetak nama di paspor",
        "Nama di paspor anak kami kurang satu huruf, mohon petunjuk perbaikan tanpa biaya.",
        "Direktorat Jenderal Imigrasi",
        "Selesai",
        rating=5,
    ),
    _Row(
        7000091,
        35,
        "21:15",
        _ORDINARY,
        "Tolong diperhatikan",
        "Semua pelayanan tolong diperbaiki.",
        None,
        "Diarsipkan oleh Admin",
        channel="SMS 1708",
        reason="Laporan terlalu umum",
    ),
    # The text was lost on the way.
    _Row(7000109, 1, "12:12", _ORDINARY, "Laporan tanpa isi", "", None, "Terverifikasi"),
)


# Only in a newer export.
_RECEIVED_LATER = _Row(
    7000110,
    1,
    "22:10",
    _ORDINARY,
    "Remisi tidak tercantum",
    "Suami saya di lapas sudah memenuhi syarat remisi tetapi namanya tidak tercantum dalam daftar usulan.",
    None,
    "Terverifikasi",
)


def write_sample_export(target: Path | BinaryIO, exported_at: datetime, *, day: date | None = None, newer: bool = False) -> None:
    """An export made at an instant (without a zone: WIB), its reports dated before `day`, by default the day of the export.

    With `newer`, and the same `day`, as the panel would write it later: one report closed, one edited, one more received.
    """
    if exported_at.tzinfo is not None:
        exported_at = exported_at.astimezone(_WIB)
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = "Laporan"
    sheet.append(["Rekapitulasi Laporan SP4N-LAPOR!"])
    sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=6)
    sheet.append([f"Instansi: {_MINISTRY}"])
    sheet.append([f"Digenerate pada: {_written(exported_at.date())} {exported_at:%H:%M:%S} WIB"])
    sheet.append([])
    sheet.append(list(_HEADERS))
    for cell in sheet[5]:
        cell.font = Font(bold=True)
    for row in (*_ROWS, _RECEIVED_LATER) if newer else _ROWS:
        sheet.append(_cells(row, day or exported_at.date(), newer=newer))
    workbook.save(target)


def _cells(row: _Row, day: date, *, newer: bool) -> list[str | int | None]:
    number = row.tracking_id % 1000
    text, status = row.edited or row.text, row.status
    if newer and row.tracking_id == 7000101:
        status = "Ditutup oleh Admin"
    if newer and row.tracking_id == 7000105:
        text += " Tambahan: bukti potong sudah saya lampirkan."
    return [
        row.tracking_id,
        _written(day - timedelta(days=row.days_ago)),
        row.time,
        f"Pelapor Contoh {number}",
        row.kind,
        100 + number,
        row.category,
        row.title,
        row.text,
        text,
        row.flags,
        row.channel,
        _MINISTRY,
        None if row.agency is None else 200 + len(row.agency),
        row.agency,
        status,
        row.reason,
        *row.place,
        None,
        None,
        None,
        "Tidak",
        row.rating,
    ]


def _written(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
