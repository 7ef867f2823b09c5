"""Opens an Excel workbook from a stranger, or says what the file is instead. It knows nothing of reports.

openpyxl parses with the standard library's expat: external entities are never fetched, and expat 2.4.1 and newer stop a
"billion laughs" only after 8 MiB. A workbook has no document type at all, so a part that declares one is refused here.
"""

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat

from openpyxl import load_workbook
from openpyxl.workbook.workbook import Workbook

MOST_BYTES = 50 * 2**20
MOST_UNPACKED = 500 * 2**20
MOST_ROWS = 200_000
MOST_COLUMNS = 200
_LAST_EXCEL_ROW = 1_048_576
_MOST_PARTS = 5_000
_PROLOGUE = 64 * 1024  # bytes within which a part's first element must begin
_SAVE_AS = "open it in Excel or LibreOffice and save it as an Excel workbook (.xlsx)"
_CREATED = re.compile(rb"<dcterms:created[^>]*>\s*(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)Z?\s*<")
_HTML = re.compile(rb"<(?:!doctype html|html|head|body|table|meta)\b", re.IGNORECASE)


class ForeignFile(ValueError):
    """The file is not an export that can be read. The message says what was found and what to do."""


@contextmanager
def opened(file: BinaryIO | Path) -> Iterator[tuple[Workbook, datetime | None]]:
    """The workbook, and the instant (UTC) at which it says it was created."""
    if isinstance(file, Path):
        with file.open("rb") as handle, opened(handle) as found:
            yield found
        return
    source = _sized(file)
    _refuse_other_formats(source)
    created = _inspect(source)
    source.seek(0)
    # "Workbook contains no default style" and the like: of no interest to whoever imports.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\.")
        try:
            workbook = load_workbook(source, read_only=True, data_only=True, keep_links=False)
        except Exception as error:  # openpyxl raises whatever its parser met
            raise ForeignFile(f"The workbook is damaged ({type(error).__name__}): export it again.") from None
        try:
            yield workbook, created
        finally:
            workbook.close()


def sheet_rows(sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Excel row number and cell values of the rows that hold anything. Hidden rows are rows.

    The dimension that a sheet states is not believed: exporters write "A1" there.
    """
    rows = iter(sheet.iter_rows(min_row=1, max_row=_LAST_EXCEL_ROW, max_col=MOST_COLUMNS, values_only=True))
    filled = number = 0
    blank: tuple[Any, ...] | None = None
    while True:
        try:
            row = next(rows, None)
        except Exception as error:  # as above, met while reading on
            raise ForeignFile(f"The workbook is damaged after row {number} ({type(error).__name__}): export it again.") from None
        if row is None:
            return
        number += 1
        # openpyxl fills a gap with one and the same row: a sheet may claim a million of them.
        if row is blank or all(value is None or value == "" for value in row):
            blank = row
            continue
        filled += 1
        if filled > MOST_ROWS:
            raise ForeignFile(f"The sheet has more than {MOST_ROWS:,} rows: export a shorter period.")
        yield number, row


def _sized(file: BinaryIO) -> BinaryIO:
    """A source that can be read twice, of a size that may be."""
    if file.seekable():
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
    else:
        content = file.read(MOST_BYTES + 1)
        size, file = len(content), io.BytesIO(content)
    if size > MOST_BYTES:
        raise ForeignFile(f"The file is larger than {MOST_BYTES // 2**20} MiB: export a shorter period.")
    if size == 0:
        raise ForeignFile("The file is empty: export it again.")
    return file


def _refuse_other_formats(file: BinaryIO) -> None:
    head = file.read(4096)
    if head.startswith(b"PK\x03\x04"):
        return
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        if "EncryptedPackage".encode("utf-16-le") in head + file.read():
            raise ForeignFile("The workbook is protected with a password: remove the password in Excel and save it again.")
        raise ForeignFile(f"This is an old Excel file (.xls): {_SAVE_AS}.")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"urn:schemas-microsoft-com:office:spreadsheet" in text:
        raise ForeignFile(f"This is an Excel 2003 XML table: {_SAVE_AS}.")
    if _HTML.search(text):
        raise ForeignFile(f"This is a web page (HTML), whatever its name says: {_SAVE_AS}, or export again after logging in.")
    if text.startswith(b"%PDF"):
        raise ForeignFile("This is a PDF: export the reports as Excel.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (b"\0" not in head and any(sign in text for sign in b",;\t")):
        raise ForeignFile(f"This is a text file, perhaps CSV: {_SAVE_AS}, or export the reports as Excel.")
    raise ForeignFile("This is not an Excel workbook (.xlsx): export the reports as Excel.")


def _inspect(file: BinaryIO) -> datetime | None:
    """Refuse an archive that is cut off, locked, too large when unpacked, or holds a document type; return its creation."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            _refuse_other_archives(archive, names)
            for part in archive.infolist():
                _refuse_document_type(archive, part)
            return _created(archive) if "docProps/core.xml" in names else None
    except ForeignFile:
        raise
    except zipfile.BadZipFile:
        raise ForeignFile("The workbook is cut off or damaged: download or export it again.") from None
    except (zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        raise ForeignFile(f"The workbook is damaged ({type(error).__name__}): download or export it again.") from None


def _refuse_other_archives(archive: zipfile.ZipFile, names: set[str]) -> None:
    parts = archive.infolist()
    if len(parts) > _MOST_PARTS:
        raise ForeignFile("The archive has too many parts for an export: export it again.")
    if any(part.flag_bits & 1 for part in parts):
        raise ForeignFile("The archive is protected with a password: remove it and save the workbook again.")
    # zipfile never reads more of a part than its header states.
    if sum(part.file_size for part in parts) > MOST_UNPACKED:
        raise ForeignFile(f"The workbook unpacks to more than {MOST_UNPACKED // 2**20} MiB: export a shorter period.")
    if "xl/workbook.bin" in names:
        raise ForeignFile(f"This is a binary Excel workbook (.xlsb): {_SAVE_AS}.")
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
        raise ForeignFile(f"This is a ZIP archive or another office document, not an Excel workbook: {_SAVE_AS}.")


def _refuse_document_type(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Read a part up to its first element, in whatever encoding and under whatever name: what comes later cannot declare one."""
    elements: list[str] = []

    def refuse(*_: object) -> None:
        raise ForeignFile(f"The workbook declares a document type in {part.filename[:60]!a}, which no export does: it is not read.")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, _: elements.append(name)
    with archive.open(part) as content:
        for _ in range(_PROLOGUE // 1024):
            chunk = content.read(1024)
            try:
                parser.Parse(chunk, not chunk)
            except expat.ExpatError:
                return  # a picture, or broken: openpyxl meets the same error at the same place
            if elements or not chunk:
                return
    raise ForeignFile("The workbook is damaged (a part without content): export it again.")


def _created(archive: zipfile.ZipFile) -> datetime | None:
    with archive.open("docProps/core.xml") as content:
        found = _CREATED.search(content.read(_PROLOGUE))
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found.group(1).decode()).replace(tzinfo=UTC)
    except ValueError:
        return None
