"""What the panel's words for a report's status mean: which reports are history."""

import pytest

from services.intake.lapor_status import is_final, mapped, state_said


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("Selesai", "closed"), (" ditutup  oleh ADMIN", "closed"), ("Ditutup oleh Sistem", "closed"), ("Diarsipkan oleh Admin", "archived"),
        ("Diarsipkan oleh Sistem", "archived"), ("Arsip", "archived"), ("Ditunda", "paused"), ("Tunda", "paused"),
        ("Terverifikasi", "verified"), ("Terdisposisi", "verified"), ("Sedang diproses", "verified"), ("Proses", "verified"),
        ("Ditanggapi oleh Pelapor", "verified"), ("Ditanggapi oleh Instansi", "verified"), ("Belum  ditindaklanjuti", "verified"),
        ("Belum Terverifikasi", "open"), ("Verifikasi", "open"), ("Bukan wewenang", "open"), ("sesuatu yang baru", "open"), ("", "open"),
        (None, "open"),
    ],
)  # fmt: skip
def test_only_closed_and_archived_reports_are_history(raw: str | None, state: str) -> None:
    assert mapped(raw) == state
    assert is_final(raw) == (state in ("closed", "archived"))


@pytest.mark.parametrize(
    ("raw", "without", "disposed"),
    [
        (None, None, "verified"), ("Belum terverifikasi", "open", "verified"), ("sesuatu yang baru", "open", "verified"),
        ("Terverifikasi", "verified", "verified"), ("Ditunda", "paused", "paused"), ("Selesai", "closed", "closed"),
        ("Arsip", "archived", "archived"),
    ],
)  # fmt: skip
def test_a_disposition_says_that_a_report_was_verified(raw: str | None, without: str | None, disposed: str) -> None:
    assert state_said(raw) == without
    assert state_said(raw, is_disposed=True) == disposed
