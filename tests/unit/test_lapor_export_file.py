"""What reading a LAPOR! export promises of the file: the table is found wherever it stands, anything else is refused with advice."""

import contextlib
import io
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from deploy.local.sample_export import write_sample_export
from services.intake import lapor_export_file
from services.intake.domain import Submission
from services.intake.lapor_export import ForeignFile, read_export
from services.intake.lapor_status import is_final
from tests.lapor_workbooks import HEADER, USUAL_CELLS, at, exported, file_of, with_parts

# --- the sheet ------------------------------------------------------------------------------------------------------


def test_the_header_may_stand_in_any_of_the_first_rows_and_blank_rows_are_passed_over() -> None:
    for above in (0, 4, 40):
        export = read_export(file_of([*([[]] * above), HEADER, [], USUAL_CELLS, [None] * 26]))
        assert [row.number for row in export.rows] == [above + 3]


def test_headers_are_known_in_any_case_and_order_and_unknown_ones_are_named() -> None:
    header = ["ISI LAPORAN  AWAL ", "Kolom Baru", "Tipe Laporan\n(Anonim/Rahasia)", "tracking id"]
    export = read_export(file_of([header, ["Isi", "x", "Rahasia", 1], header, ["Isi dua", "y", "Anonim", 2]]))
    assert [(row.tracking_id, row.fields["text"], row.fields["is_confidential"]) for row in export.rows] == [
        ("1", "Isi", True),
        ("2", "Isi dua", False),
    ]
    assert export.notes == ("columns not known and left out: Kolom Baru",)
    assert export.bad_rows == ()


def test_hidden_rows_merged_titles_and_a_wrong_dimension_do_not_matter() -> None:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["Rekapitulasi Laporan"])
    sheet.merge_cells("A1:H1")
    sheet.append(HEADER)
    sheet.append(USUAL_CELLS)
    sheet.row_dimensions[3].hidden = True
    target = io.BytesIO()
    workbook.save(target)
    wrong = with_parts(target, lambda name, part: part.replace(b'ref="A1:Z3"', b'ref="A1"') if "sheet1" in name else part)
    assert len(read_export(wrong).rows) == 1


def test_the_table_may_be_on_a_later_sheet() -> None:
    workbook = Workbook()
    sheet = workbook.create_sheet("Laporan")
    sheet.append(HEADER)
    sheet.append(USUAL_CELLS)
    target = io.BytesIO()
    workbook.save(target)
    assert len(read_export(target).rows) == 1


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        ((["Digenerate pada: 4 Mei 2026 10:00:05"],), "2026-05-04T10:00:05+07:00"),
        ((["Periode: 1 Jan 2026 - 31 Mar 2026"], ["Diunduh", "04/05/2026 10.00 WITA"]), "2026-05-04T10:00:00+08:00"),
        ((["Tanggal", at("2026-05-04T10:00:00")],), "2026-05-04T10:00:00+07:00"),
        ((["Periode 1 Jan 2026 s.d. 31 Mar 2026"],), None),
        ((["Rekapitulasi"],), None),
        ((["Dicetak 99/99/2026"],), None),
    ],
)
def test_the_instant_of_the_export_is_read_from_above_the_table(above: tuple[list[Any], ...], expected: str | None) -> None:
    exported_at = exported({}, above=above).exported_at
    assert (exported_at.isoformat() if exported_at else None) == expected


def test_two_exports_of_one_day_are_told_apart_by_the_files_creation_time() -> None:
    def created(instant: bytes) -> datetime | None:
        file = file_of([["Digenerate pada: 4 Mei 2026"], HEADER, USUAL_CELLS])
        stamp = b'<dcterms:created xsi:type="dcterms:W3CDTF">' + instant + b"</dcterms:created>"
        core = (
            b'<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
            b'xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            + stamp
            + b"</cp:coreProperties>"
        )
        return read_export(with_parts(file, lambda name, part: core if name == "docProps/core.xml" else part)).exported_at

    assert str(created(b"2026-05-04T03:30:00Z")) == "2026-05-04 10:30:00+07:00"
    assert str(created(b"2026-05-02T03:30:00Z")) == "2026-05-04 00:00:00+07:00"


def test_the_sample_export_is_read_whole_and_every_row_is_a_request() -> None:
    first = at("2026-07-09T14:05:06")
    exports = []
    for newer in (False, True):
        file = io.BytesIO()
        write_sample_export(file, first + timedelta(days=2 * newer), day=first.date(), newer=newer)
        exports.append(read_export(file))
        for row in exports[-1].rows:
            Submission.model_validate(row.fields)
    older, newer_export = ({row.tracking_id: row.fields for row in export.rows} for export in exports)
    assert str(exports[0].exported_at) == "2026-07-09 14:05:06+07:00"
    assert len(exports[0].bad_rows) == 1
    assert sum(is_final(fields["source_status"]) for fields in older.values()) == 2
    assert max(len(fields["disposition"]) for fields in older.values()) == 2
    assert sum("class" not in fields for fields in older.values()) == 1
    assert len(newer_export.keys() - older.keys()) == 1
    assert sum(older[key] != newer_export[key] for key in older) == 2


# --- files that are no export ---------------------------------------------------------------------------------------


def _zip(**parts: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf  <html><body><table><tr><td>Tracking ID</td></tr></table>", "HTML"),
        (b"<!DOCTYPE HTML>\n<p>login", "HTML"),
        (b"Tracking ID,Judul Laporan\n1,a\n", "CSV"),
        ("Tracking ID\tJudul".encode("utf-16"), "CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ".xls"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"), "password"),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">', "2003"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not an Excel workbook"),
        (_zip(word=b"a"), "not an Excel workbook"),
        (_zip(**{"xl/workbook.bin": b"a", "[Content_Types].xml": b"<a/>"}), ".xlsb"),
        (_zip(**{"xl/workbook.xml": b"<a/>", "[Content_Types].xml": b"<a/>"}), "damaged"),
        (_zip(**{"xl/workbook.xml": b"<a/>", "[Content_Types].xml": b" " * 70_000}), "damaged"),
    ],
)
def test_another_kind_of_file_is_named_and_advice_given(content: bytes, said: str) -> None:
    with pytest.raises(ForeignFile, match=r"[:.] ?") as refused:
        read_export(io.BytesIO(content))
    assert said in str(refused.value)


def test_a_workbook_without_the_table_or_its_texts_is_refused() -> None:
    with pytest.raises(ForeignFile, match="Tracking ID"):
        read_export(file_of([["No", "Nama"], [1, "a"]]))
    with pytest.raises(ForeignFile, match="Isi Laporan"):
        read_export(file_of([["Tracking ID", "Judul Laporan"], [1, "a"]]))


def test_a_file_that_was_cut_off_is_refused_wherever_it_was_cut() -> None:
    whole = file_of([HEADER, *([USUAL_CELLS] * 50)]).getvalue()
    for length in range(4, len(whole), 97):
        with pytest.raises(ForeignFile, match=r"again|save it"):
            read_export(io.BytesIO(whole[:length]))


# Built once: a workbook holds its creation time, and the places to damage must not move between examples.
_WHOLE = file_of([HEADER, USUAL_CELLS]).getvalue()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused_or_read_and_never_breaks_the_reader(data: st.DataObject) -> None:
    content = bytearray(_WHOLE)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ForeignFile):
        read_export(io.BytesIO(bytes(content)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_workbook_with_a_document_type_is_refused_before_it_is_parsed(encoding: str) -> None:
    bomb = '<?xml version="1.0" encoding="%s"?><!-- %s --><!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d SYSTEM "file:///etc/hostname">]><sst>&d;</sst>'
    part = (bomb % (encoding, "x" * 3000)).encode(encoding)
    file = with_parts(file_of([HEADER]), lambda name, old: part if "sheet1" in name else old)
    with pytest.raises(ForeignFile, match="document type"):
        read_export(file)


def test_a_workbook_too_large_packed_unpacked_or_in_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value, said in (
        ("MOST_BYTES", 2**10, "larger than"),
        ("MOST_UNPACKED", 2**12, "unpacks to"),
        ("MOST_ROWS", 3, "more than 3 rows"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(lapor_export_file, limit, value)
            with pytest.raises(ForeignFile, match=said):
                read_export(file_of([HEADER, USUAL_CELLS, USUAL_CELLS, USUAL_CELLS]))


def test_a_sheet_that_claims_a_row_far_away_is_read_in_bounded_time() -> None:
    file = file_of([HEADER, USUAL_CELLS, ["1"]])
    far = with_parts(file, lambda name, part: part.replace(b'r="3"', b'r="99999999999"') if "sheet1" in name else part)
    assert len(read_export(far).rows) == 1


def test_a_path_or_a_stream_that_cannot_be_wound_back_is_read_too(tmp_path: Path) -> None:
    content = file_of([HEADER, USUAL_CELLS]).getvalue()
    path = tmp_path / "export.xlsx"
    path.write_bytes(content)
    assert len(read_export(path).rows) == 1

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert len(read_export(Pipe(content)).rows) == 1
