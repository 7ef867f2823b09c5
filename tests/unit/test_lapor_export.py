"""What becomes of a row of a LAPOR! export: a request, part of one, or a reason why not."""

from datetime import date, time, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from services.intake.domain import Submission
from services.intake.lapor_status import is_final, normalise_class
from tests.lapor_workbooks import HEADER, at, exported, only

# --- what becomes of a row ------------------------------------------------------------------------------------------


def test_a_row_becomes_the_body_of_a_request() -> None:
    (row,) = exported(
        {
            "Tracking ID": 5049672.0, "Waktu Laporan Masuk": "14:05", "Nama Pelapor": " Pelapor Satu ", "ID Kategori": 12.0,
            "Kategori": "Paspor", "Isi Laporan Akhir": "Paspor belum jadi, mohon dibantu",
            "Sumber Laporan": "SMS", "Instansi Induk": "Kementerian Hukum dan HAM",
            "ID Instansi Terdisposisi": 77, "Instansi Terdisposisi": "Direktorat Jenderal Imigrasi", "Provinsi": "Bali",
            "Kota/Kabupaten": "-", "Nomor SK": "SK-1", "Url SK": "https://x.id/1", "Url Dokumen Laporan Tahunan": "https://x.id/2",
            "Laporan yang Masuk melalui Kanal Aduan Setwapres": "Ya", "Rating": 4.0, "Alasan Tunda/Arsip": "menunggu",
        }
    ).rows  # fmt: skip
    assert (row.number, row.tracking_id, row.notes) == (5, "5049672", ())
    assert row.fields == {
        "source_ref": "5049672",
        "service": "sp4n",
        "title": "Paspor belum jadi",
        "text": "Paspor belum jadi, mohon dibantu",
        "class": "pengaduan",
        "category": "Paspor",
        "channel": "SMS",
        "reported_at": "2026-05-03T14:05:00+07:00",
        "location": {"province": "Bali", "regency": None, "district": None, "village": None},
        "reporter": {"name": "Pelapor Satu"},
        "is_anonymous": True,
        "is_confidential": False,
        "disposition": [{"name": "Direktorat Jenderal Imigrasi", "at": None, "by": None}],
        "source_status": "Terverifikasi",
        "form": {
            "category_id": "12", "agency_parent": "Kementerian Hukum dan HAM", "agency_id": "77", "reason_held_or_archived": "menunggu",
            "nomor_sk": "SK-1", "url_sk": "https://x.id/1", "url_annual_report": "https://x.id/2", "setwapres": "Ya", "rating": "4",
            "text_initial": "Paspor saya belum jadi",
        },
    }  # fmt: skip
    assert Submission.model_validate(row.fields).source_ref == "5049672"


@pytest.mark.parametrize("written", ["5049672", 5049672, 5049672.0, " 5049672 ", "5049672.0", "#5049672", "5.049.672", "0005049672"])
def test_a_tracking_id_is_its_digits_however_excel_stored_it(written: Any) -> None:
    assert only(Tracking_ID=written).fields["source_ref"] == "5049672"


@pytest.mark.parametrize("written", [None, "", "abc", "5.04967E+06", 5049672.5, True, -5, 0, "#REF!", "50496 72"])
def test_a_row_without_a_readable_tracking_id_is_reported_with_its_number(written: Any) -> None:
    export = exported({}, {"Tracking ID": written})
    assert [row.number for row in export.rows] == [5]
    assert [row.number for row in export.bad_rows] == [6]
    assert "Tracking ID" in export.bad_rows[0].reason


@pytest.mark.parametrize(
    "written",
    [
        "3 Mei 2026", "3 May 2026", "03 mei 2026", "Minggu, 3 Mei 2026", "3-Mei-2026", "03/05/2026", "3.5.2026",
        "2026-05-03", "May 3, 2026", "3 Mei 26", date(2026, 5, 3), at("2026-05-03"), 46145, 46145.0,
    ],
)  # fmt: skip
def test_a_day_is_read_as_it_is_written(written: Any) -> None:
    assert only(Tanggal_Laporan_Masuk=written, Waktu_Laporan_Masuk="00:00").fields["reported_at"] == "2026-05-03T00:00:00+07:00"


@pytest.mark.parametrize(
    ("written", "month"),
    [
        ("3 Agu 2026", 8),
        ("3 Agustus 2026", 8),
        ("3 Ags 2026", 8),
        ("3 Aug 2026", 8),
        ("3 Okt 2026", 10),
        ("3 Des 2026", 12),
        ("3 Pebruari 2026", 2),
    ],
)
def test_indonesian_and_english_months_are_known(written: str, month: int) -> None:
    assert only(Tanggal_Laporan_Masuk=written).fields["reported_at"] == f"2026-{month:02}-03T00:00:00+07:00"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("14:05", "14:05:00+07:00"), ("14.05", "14:05:00+07:00"), ("14:05:33", "14:05:33+07:00"), ("14:05 WITA", "14:05:00+08:00"),
        ("pukul 14.05 WIT", "14:05:00+09:00"), ("02:05 PM", "14:05:00+07:00"), ("12:05 am", "00:05:00+07:00"),
        (time(14, 5, 33), "14:05:33+07:00"), (0.75, "18:00:00+07:00"), (timedelta(hours=9, minutes=30), "09:30:00+07:00"),
        (at("2026-05-03T07:08:09"), "07:08:09+07:00"),
        (None, "00:00:00+07:00"), ("-", "00:00:00+07:00"),
    ],
)  # fmt: skip
def test_a_time_is_read_as_it_is_written_and_is_jakartas_where_no_zone_is_stated(written: Any, read: str) -> None:
    row = only(Waktu_Laporan_Masuk=written)
    assert row.fields["reported_at"] == f"2026-05-03T{read}"
    assert row.notes == ()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("3 Mei 2026 14:05", "2026-05-03T14:05:00+07:00"),
        ("2026-05-03T14:05:06+08:00", "2026-05-03T14:05:06+08:00"),
        (at("2026-05-03T14:05:06"), "2026-05-03T14:05:06+07:00"),
    ],
)
def test_a_time_beside_its_day_counts_where_there_is_no_other(written: Any, read: str) -> None:
    assert only(Tanggal_Laporan_Masuk=written).fields["reported_at"] == read
    assert "T08:00:00" in only(Tanggal_Laporan_Masuk=written, Waktu_Laporan_Masuk="08:00").fields["reported_at"]


@pytest.mark.parametrize("written", ["kemarin", "31 Februari 2026", "3 Mai 2026", "13/13/2026", "3 Mei 1926", 2026, 9e15, "99"])
def test_a_day_that_cannot_be_read_is_not_guessed(written: Any) -> None:
    export = exported({"Tanggal Laporan Masuk": written})
    assert export.rows == ()
    assert [row.reason for row in export.bad_rows] == ["Tanggal Laporan Masuk is not a date that can be read"]


def test_a_time_that_cannot_be_read_is_left_out_and_said() -> None:
    row = only(Waktu_Laporan_Masuk="25:99")
    assert row.fields["reported_at"] == "2026-05-03T00:00:00+07:00"
    assert any("Waktu" in note for note in row.notes)


def test_a_report_without_a_day_is_kept_and_said() -> None:
    row = only(Tanggal_Laporan_Masuk=None)
    assert "reported_at" not in row.fields
    assert any("Tanggal" in note for note in row.notes)


@pytest.mark.parametrize(
    ("written", "flags"),
    [("Anonim", (True, False)), ("rahasia", (False, True)), ("Anonim/Rahasia", (True, True)), ("ANONIM, RAHASIA", (True, True))],
)
def test_the_two_flags_are_found_in_their_one_column(written: str, flags: tuple[bool, bool]) -> None:
    row = exported({"Tipe Laporan (Anonim/Rahasia)": written}).rows[0]
    assert (row.fields["is_anonymous"], row.fields["is_confidential"]) == flags
    assert row.notes == ()


@pytest.mark.parametrize("written", ["Publik", "xyz", None, "Tidak Rahasia", "bukan anonim"])
def test_an_unknown_type_of_report_sets_both_flags_and_is_said(written: str | None) -> None:
    row = exported({"Tipe Laporan (Anonim/Rahasia)": written}).rows[0]
    assert row.fields["is_anonymous"] is row.fields["is_confidential"] is True
    assert any("both flags set" in note for note in row.notes)


def test_a_reporter_named_anonim_is_nobody_and_anonymous() -> None:
    row = exported({"Nama Pelapor": "Anonim", "Tipe Laporan (Anonim/Rahasia)": "Rahasia"}).rows[0]
    assert "reporter" not in row.fields
    assert row.fields["is_anonymous"] is True


def test_the_edited_text_counts_and_the_first_is_kept_where_it_differs() -> None:
    assert only(Isi_Laporan_Akhir=None).fields["text"] == "Paspor saya belum jadi"
    assert "form" not in only(Isi_Laporan_Akhir="Paspor saya belum jadi ").fields
    row = only(Isi_Laporan_Akhir="Disunting")
    assert (row.fields["text"], row.fields["form"]["text_initial"]) == ("Disunting", "Paspor saya belum jadi")


def test_a_report_without_text_or_with_too_much_is_reported() -> None:
    export = exported({"Isi Laporan Awal": " "}, {"Isi Laporan Awal": "a" * 20_001}, {"Isi Laporan Awal": "a" * 20_000})
    assert [row.number for row in export.rows] == [7]
    assert [(row.number, row.reason) for row in export.bad_rows] == [
        (5, "both Isi Laporan Awal and Isi Laporan Akhir are empty"),
        (6, "the text is longer than 20,000 characters"),
    ]


def test_an_empty_title_is_made_of_the_first_words() -> None:
    row = only(Judul_Laporan=None, Isi_Laporan_Awal="Paspor saya\nbelum jadi " * 10)
    assert row.fields["title"] == "Paspor saya belum jadi Paspor saya belum jadi Paspor saya belum jadi Paspor saya"
    assert len(only(Judul_Laporan="", Isi_Laporan_Awal="a" * 200).fields["title"]) == 80


def test_a_title_that_intake_would_refuse_is_cut_and_kept_whole_beside() -> None:
    row = only(Judul_Laporan="a" * 600)
    assert (len(row.fields["title"]), len(row.fields["form"]["title_full"])) == (500, 600)


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        ("Pengaduan tidak berkadar pengawasan", "pengaduan"), ("pengaduan  berkadar PENGAWASAN", "pengaduan_pengawasan"),
        ("Pengaduan", "pengaduan"),
        ("whistle blowing system", "pengaduan_pengawasan"), ("Aspirasi", "aspirasi"), ("Permintaan Informasi", "informasi"),
    ],
)  # fmt: skip
def test_the_classes_of_sp4n_are_known(raw: str, known: str) -> None:
    assert normalise_class(raw) == (known, None)
    assert only(Klasifikasi_Laporan=raw).fields["class"] == known


def test_an_unknown_class_is_kept_raw_and_said() -> None:
    row = only(Klasifikasi_Laporan="Pengadaan RAPS")
    assert "class" not in row.fields
    assert row.fields["form"]["class_raw"] == "Pengadaan RAPS"
    assert any("Pengadaan RAPS" in note for note in row.notes)
    assert normalise_class(None) == normalise_class(" ") == (None, None)


def test_an_unknown_status_is_kept_raw_and_said() -> None:
    row = only(Status_Laporan="Menunggu Hilal")
    assert row.fields["source_status"] == "Menunggu Hilal"
    assert any("counts as open" in note for note in row.notes)


def test_control_characters_are_removed_and_said() -> None:
    row = only(Isi_Laporan_Awal="Paspor_x0000_ saya_x000D_\n belum_x0007_ jadi_xD800_ _x005F_x000D_", Judul_Laporan="a\tb")
    assert row.fields["text"] == "Paspor saya\n belum jadi _x000D_"
    assert row.fields["title"] == "a\tb"
    assert any("control characters" in note for note in row.notes)
    assert TypeAdapter(str).validate_json(TypeAdapter(str).dump_json(row.fields["text"])) == row.fields["text"]


def test_an_excel_error_is_an_empty_cell_and_said() -> None:
    row = only(Kategori="#REF!", Sumber_Laporan="#N/A")
    assert "category" not in row.fields
    assert len(row.notes) == 2


def test_a_formula_that_was_never_calculated_is_an_empty_cell() -> None:
    assert "category" not in only(Kategori='="Paspor"').fields


def test_what_a_reporter_wrote_is_in_no_reason_or_note() -> None:
    secret = "Rahasia Sekali Jangan Disebut, NIK 5371000000000001, HP 081200000001"
    export = exported(
        {name: secret for name in HEADER if name not in ("Tracking ID", "Tanggal Laporan Masuk")},
        {"Tracking ID": secret, "Isi Laporan Awal": secret},
        {"Tanggal Laporan Masuk": secret, "Nama Pelapor": secret},
    )
    assert len(export.rows) == 1
    assert len(export.bad_rows) == 2
    said = [*export.notes, *export.rows[0].notes, *(row.reason for row in export.bad_rows)]
    assert not any("5371" in words or "Sekali" in words for words in said)


# --- several rows with one id ---------------------------------------------------------------------------------------


def test_rows_with_one_id_are_one_report_with_a_disposition_each() -> None:
    export = exported(
        {"Instansi Terdisposisi": "Direktorat Jenderal Imigrasi", "ID Instansi Terdisposisi": 1, "Instansi Induk": "A"},
        {"Tracking ID": "6000000"},
        {"Instansi Terdisposisi": "Kantor Imigrasi Kupang", "ID Instansi Terdisposisi": 2, "Instansi Induk": "B"},
        {"Instansi Terdisposisi": "Direktorat Jenderal Imigrasi", "ID Instansi Terdisposisi": 1, "Instansi Induk": "A"},
    )
    assert [(row.number, row.tracking_id) for row in export.rows] == [(5, "5049672"), (6, "6000000")]
    fields = export.rows[0].fields
    assert [item["name"] for item in fields["disposition"]] == ["Direktorat Jenderal Imigrasi", "Kantor Imigrasi Kupang"]
    assert fields["form"]["agencies"] == [
        {"name": "Direktorat Jenderal Imigrasi", "parent": "A", "id": "1"},
        {"name": "Kantor Imigrasi Kupang", "parent": "B", "id": "2"},
    ]
    assert any("5, 7, 8" in note for note in export.rows[0].notes)


def test_of_differing_texts_the_last_is_taken_and_said() -> None:
    export = exported({}, {"Isi Laporan Awal": "Lain", "Isi Laporan Akhir": "Lain lagi", "Judul Laporan": "Judul lain"})
    (row,) = export.rows
    assert (row.number, row.fields["text"], row.fields["title"], row.fields["form"]) == (
        5,
        "Lain lagi",
        "Judul lain",
        {"text_initial": "Lain"},
    )
    assert any("texts differ" in note for note in row.notes)


def test_a_report_that_one_agency_still_has_to_answer_is_no_history() -> None:
    (row,) = exported({"Status Laporan": "Selesai"}, {"Status Laporan": "Belum ditindaklanjuti"}).rows
    assert not is_final(row.fields["source_status"])
    (row,) = exported({"Status Laporan": "Selesai"}, {"Status Laporan": "Diarsipkan oleh Admin"}).rows
    assert is_final(row.fields["source_status"])


def test_a_flag_on_any_of_the_rows_holds_for_the_report() -> None:
    (row,) = exported({"Tipe Laporan (Anonim/Rahasia)": "Anonim"}, {"Tipe Laporan (Anonim/Rahasia)": "Rahasia"}).rows
    assert row.fields["is_anonymous"] is row.fields["is_confidential"] is True


def test_an_unreadable_row_does_not_spoil_another_with_its_id() -> None:
    export = exported({}, {"Tanggal Laporan Masuk": "kemarin"})
    assert [row.number for row in export.rows] == [5]
    assert [row.number for row in export.bad_rows] == [6]
