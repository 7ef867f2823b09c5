"""What the panel's words for a report's status mean: which reports are history."""

import pytest

from services.intake.lapor_status import is_final, mapped


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("Selesai", "closed"), (" ditutup  oleh ADMIN", "closed"), ("Ditutup oleh Sistem", "closed"), ("Diarsipkan oleh Admin", "archived"),
        ("Diarsipkan oleh Sistem", "archived"), ("Arsip", "archived"), ("Ditunda", "paused"), ("Tunda", "paused"),
        ("Terverifikasi", "open"),
        ("Ditanggapi oleh Pelapor", "open"), ("Belum ditindaklanjuti", "open"), ("sesuatu yang baru", "open"), ("", "open"), (None, "open"),
    ],
)  # fmt: skip
def test_only_closed_and_archived_reports_are_history(raw: str | None, state: str) -> None:
    assert mapped(raw) == state
    assert is_final(raw) == (state in ("closed", "archived"))
