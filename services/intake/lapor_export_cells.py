"""Reads single cells of a LAPOR! export: text, tracking ids, dates and times as they are really written. Pure."""

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from openpyxl.utils.datetime import from_excel

WIB = timezone(timedelta(hours=7))
_ZONES: dict[str, tzinfo] = {"wib": WIB, "wita": timezone(timedelta(hours=8)), "wit": timezone(timedelta(hours=9))}
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan januari january",
            "feb februari pebruari peb february",
            "mar maret march",
            "apr april",
            "mei may",
            "jun juni june",
            "jul juli july",
            "agu ags agt agust agustus aug august",
            "sep sept september",
            "okt oktober oct october",
            "nov nop november nopember",
            "des desember dec december",
        ),
        start=1,
    )
    for name in names.split()
}
_EXCEL_ERRORS = frozenset({"#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#GETTING_DATA"})
_NOTHING = frozenset({"", "-", "--", "\u2013", "\u2014", "n/a", "null", "none", "nan"})
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
# What the door refuses: control characters but newline and tab, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_EARLIEST, _LATEST = 2005, 2100  # LAPOR! began in 2011

_TRACKING = re.compile(r"#?\s*0*([1-9]\d{0,19})(?:[.,]0{1,2})?", re.ASCII)
_GROUPED_TRACKING = re.compile(r"[1-9]\d{0,2}(?:[., ]\d{3})+", re.ASCII)
_WEEKDAY = re.compile(r"^[^\W\d]+,\s*")
_DAY_FIRST = re.compile(r"(\d{1,2})[ ./-]+([^\W\d]+|\d{1,2})[ .,/-]+(\d{4}|\d{2})(?!\d)[ ,]*(.*)", re.ASCII | re.DOTALL)
_MONTH_FIRST = re.compile(r"([A-Za-z]+)\.? (\d{1,2}),? (\d{4})(?!\d)[ ,]*(.*)", re.DOTALL)
_YEAR_FIRST = re.compile(r"(\d{4})[./-](\d{1,2})[./-](\d{1,2})(?!\d)[T ,]*(.*)", re.ASCII | re.DOTALL)
_TIME = re.compile(
    r"(?:pukul|pkl\.?|jam)?\s*(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:\.\d+)?)?\s*([ap]\.?m\.?)?\s*(wib|wita|wit|z|utc|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Text:
    """A cell's text, None where it says nothing; whether control characters were removed; whether Excel shows an error there."""

    text: str | None
    was_cleaned: bool = False
    is_error: bool = False


def read_text(value: Any) -> Text:
    """Numbers without a needless ".0", Excel's `_x0007_` escapes decoded, what intake refuses removed, ends trimmed."""
    if value is None:
        return Text(None)
    if isinstance(value, float):
        if not math.isfinite(value):
            return Text(None, is_error=True)
        value = int(value) if value.is_integer() else value
    if isinstance(value, (datetime, date, time)):
        value = value.isoformat()
    written = str(value)
    if written.strip() in _EXCEL_ERRORS:
        return Text(None, is_error=True)
    decoded = _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), written).replace("\r\n", "\n").replace("\r", "\n")
    kept = _CONTROL.sub("", decoded)
    text = kept.strip()
    return Text(None if text.casefold() in _NOTHING else text, was_cleaned=kept != decoded)


def read_tracking_id(value: Any) -> str | None:
    """The digits of a tracking id, however Excel stored it; None where there is no such id."""
    if isinstance(value, bool):
        return None
    text = read_text(value).text
    if text is None:
        return None
    found = _TRACKING.fullmatch(text)
    if found is not None:
        return found.group(1)
    return re.sub(r"\D", "", text) if _GROUPED_TRACKING.fullmatch(text) else None


def read_day(value: Any, epoch: datetime) -> tuple[date, tuple[time, tzinfo | None] | None]:
    """A day, and the time if the same cell holds one. Raises ValueError for what is no day of the years 2005 to 2100."""
    if isinstance(value, datetime):
        clock = None if value.time() == time() else (value.time().replace(microsecond=0), value.tzinfo)
        return _plausible(value.date()), clock
    if isinstance(value, date):
        return _plausible(value), None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 30_000 <= value <= 80_000:
            raise ValueError("not a day")
        return read_day(from_excel(value, epoch), epoch)
    text = read_text(value).text or ""
    day, rest = _written_day(_WEEKDAY.sub("", text))
    return _plausible(day), read_time(rest) if rest else None


def read_time(value: Any) -> tuple[time, tzinfo | None]:
    """A time of day and its zone where one is stated. Raises ValueError for anything else."""
    if isinstance(value, datetime):
        return value.time().replace(microsecond=0), value.tzinfo
    if isinstance(value, time):
        return value.replace(microsecond=0), None
    if isinstance(value, timedelta):
        value = value / timedelta(days=1)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # A fraction of a day; of a serial with its day, the fraction.
        seconds = min(round((value % 1) * 86_400), 86_399) if math.isfinite(value) else 0
        return time(seconds // 3600, seconds // 60 % 60, seconds % 60), None
    found = _TIME.fullmatch(read_text(value).text or "")
    if found is None:
        raise ValueError("not a time")
    hour, minute, second = int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)
    if found.group(4):
        if not 1 <= hour <= 12:
            raise ValueError("not a time")
        hour = hour % 12 + (12 if found.group(4).lower().startswith("p") else 0)
    return time(hour, minute, second), _zone(found.group(5))


def instant(day: date, clock: tuple[time, tzinfo | None] | None) -> datetime:
    """LAPOR! states no zone: its clock is Jakarta's."""
    at, zone = clock or (time(), None)
    return datetime.combine(day, at, zone or WIB)


def _zone(written: str | None) -> tzinfo | None:
    if not written:
        return None
    known = _ZONES.get(written.lower())
    if known is not None:
        return known
    if written.lower() in ("z", "utc"):
        return timezone(timedelta())
    sign = -1 if written[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(written[1:3]), minutes=int(written[-2:])))


def _written_day(text: str) -> tuple[date, str]:
    found = _YEAR_FIRST.fullmatch(text)
    if found is not None:
        return date(int(found.group(1)), int(found.group(2)), int(found.group(3))), found.group(4)
    found = _DAY_FIRST.fullmatch(text)
    if found is not None:
        day, month, year = int(found.group(1)), _month(found.group(2)), int(found.group(3))
        return date(year if year >= 100 else 2000 + year, month, day), found.group(4)
    found = _MONTH_FIRST.fullmatch(text)
    if found is not None:
        return date(int(found.group(3)), _month(found.group(1)), int(found.group(2))), found.group(4)
    raise ValueError("not a day")


def _month(written: str) -> int:
    number = int(written) if written.isdigit() else _MONTHS.get(written.casefold())
    if number is None:
        raise ValueError("not a month")
    return number


def _plausible(day: date) -> date:
    if not _EARLIEST <= day.year <= _LATEST:
        raise ValueError("not a day of LAPOR!'s years")
    return day
