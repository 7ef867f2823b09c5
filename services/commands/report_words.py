"""What the quarterly account calls its columns, rows and pictures, in Indonesian and in English. Data, and how a figure is written."""

from services.commands.report_tables import HIDDEN
from services.notifier.account import Group
from services.notifier.account_rows import Dimension, Figure, Row, shares
from shared.units import UnitDirectory

Words = tuple[str, str]
"""Indonesian, English."""

# A column of a table for people: its heading, the figure, and one that is shown after it as being part of it, or beside it.
COLUMNS: tuple[tuple[Words, str, str | None], ...] = (
    (("Diterima", "Received"), "received", None),
    (("Riwayat", "History"), "history", None),
    (("Verifikasi ≤ 3 HK · terlambat", "Verified within 3 wd · late"), "verified_in_time", "verified_late"),
    (("Tindak lanjut ≤ 5 HK · terlambat", "Followed up within 5 wd · late"), "followed_up_in_time", "followed_up_late"),
    (("Selesai dalam batas · lewat", "Finished within limit · late"), "finished_in_time", "finished_late"),
    (("Dibuka kembali", "Reopened"), "reopened", None),
    (("Dikembalikan · lewat ½ waktu", "Returned · after half the time"), "returned", "returned_late"),
    (("Dialihkan · tak dilanjutkan", "Passed on · not pursued"), "passed_on", "not_pursued"),
    (("Terbuka · lewat tenggat", "Open · overdue"), "open", "overdue"),
    (("Hari kerja: median · persentil 90", "Working days: median · 90th percentile"), "median_days", "p90_days"),
)

SHARES: Words = ("Waktu (%): unit · triase · pelapor", "Time used (%): unit · triage · reporter")

GROUPS: dict[Group, Words] = {
    "received": ("Diterima pada triwulan ini", "Received in this quarter"),
    "carried_over": ("Masih terbuka dari sebelumnya", "Still open from before"),
}
DIMENSIONS: dict[Dimension, Words] = {
    "total": ("Jumlah", "Total"),
    "unit": ("Per unit", "By unit"),
    "kanwil": ("Per Kanwil", "By Kanwil"),
    "class": ("Per klasifikasi", "By class"),
    "channel": ("Per kanal", "By channel"),
}
KEYS: dict[str, Words] = {
    "ordinary": ("Tanpa kadar pengawasan", "Without oversight matters"),
    "oversight": ("Berkadar pengawasan", "Oversight matters"),
    "all": ("Semua", "All"),
    "none": ("tidak diketahui", "not known"),
    "history": ("riwayat", "history"),
    "triage": ("meja triase", "triage desk"),
    "other_agency": ("instansi lain", "another agency"),
    "undecided": ("belum diputuskan", "not decided yet"),
    "pengaduan": ("Pengaduan", "complaint"),
    "pengaduan_pengawasan": ("Pengaduan berkadar pengawasan", "complaint with oversight content"),
    "aspirasi": ("Aspirasi", "aspiration"),
    "informasi": ("Permintaan informasi", "request for information"),
}
HOLDERS: dict[str, Words] = {
    "unit": ("unit", "unit"),
    "triage": ("triase", "triage"),
    "router": ("perutean", "router"),
    "reporter": ("pelapor", "reporter"),
    "source": ("kanal asal", "source"),
}
NOTES: tuple[Words, ...] = (
    (
        "Batas dihitung dari tenggat yang berlaku sekarang, bukan dari peringatan yang pernah dikirim. HK: hari kerja.",
        "Limits are judged by the deadlines as they stand now, not by the warnings that were sent. wd: working days.",
    ),
    (
        "“3–5”: hanya diketahui terjadi di antara dua ekspor; batas bawah dan batas atas.",
        "“3–5”: known only to have happened between two exports; lower and upper bound.",
    ),
    (
        "Pengembalian setelah separuh waktu tindak lanjut dihitung sebagai beban unit.",
        "A return after half of the time for the first follow-up counts against the unit.",
    ),
    (
        "Unit yang pernah memegang laporan dihitung masing-masing; laporan riwayat tidak pernah terlambat.",
        "Every unit that has had a report counts it; history is never late.",
    ),
    (
        f"{HIDDEN}: angka di bawah 5 tentang perkara berkadar pengawasan, atau yang dapat mengungkapnya, tidak ditampilkan.",
        f"{HIDDEN}: a figure under 5 about oversight matters, or one that would give it away, is not shown.",
    ),
)


def cell(row: Row, first: str, second: str | None = None) -> str:
    """As a person reads it: `12`, `3–5`, `12 · 3`; an empty one where there was nothing to measure."""
    written = [_written(row, name) for name in (first, second) if name is not None]
    return " · ".join(written) if any(written) else ""


def _written(row: Row, name: str) -> str:
    return HIDDEN if name in row.hidden else figure(row.figures[name])


def unit_share(row: Row) -> str:
    """The parts of those who can do something about it; router and source are in the picture."""
    found = shares(row.figures)
    if found is None:
        return HIDDEN if "hours_unit" in row.hidden else ""
    return " · ".join(f"{100 * found[holder]:.0f}" for holder in ("unit", "triage", "reporter"))


def figure(given: Figure | None) -> str:
    if given is None:
        return ""
    low, high = (f"{number:.1f}".removesuffix(".0") for number in given)
    return low if low == high else f"{low}–{high}"


def key_words(dimension: Dimension, row: Row, directory: UnitDirectory) -> Words:
    """A row's name; of a unit or Kanwil the official one."""
    if row.key in KEYS and (dimension != "channel" or row.key == "oversight"):
        said = KEYS[row.key]
    elif dimension == "kanwil":
        name = next((kanwil.name for kanwil in directory.kanwil if kanwil.desk == row.key), row.key)
        said = (name.replace("Kantor Wilayah Kementerian Hukum dan Hak Asasi Manusia", "Kanwil"), "")
    elif dimension == "unit":
        known = next((unit.name for unit in directory.units if unit.slug == row.key), row.key)
        said = (known.replace("Direktorat Jenderal", "Ditjen"), "")
    else:
        said = (row.key, "")
    if row.is_oversight and row.key not in ("oversight", "itjen", "pengaduan_pengawasan"):
        return f"{said[0]} (berkadar pengawasan)", f"{said[1]} (oversight)".strip()
    return said
