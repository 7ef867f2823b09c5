"""What LAPOR!'s own words for a report's status and class mean here. Pure; it keeps no raw value and decides no route."""

from typing import Literal

State = Literal["open", "paused", "closed", "archived"]

# Names seen in panel code and in exports. The full list was never published, so an unknown status counts as open:
# a report that is watched for too long does less harm than one that is forgotten.
_STATES: dict[str, State] = {
    "belum terverifikasi": "open",
    "terverifikasi": "open",
    "verifikasi": "open",
    "terdisposisi": "open",
    "belum ditindaklanjuti": "open",
    "sedang diproses": "open",
    "proses": "open",
    "ditanggapi oleh pelapor": "open",
    "ditanggapi oleh instansi": "open",
    "bukan wewenang": "open",
    "ditunda": "paused",
    "tunda": "paused",
    "ditunda oleh admin": "paused",
    "selesai": "closed",
    "ditutup": "closed",
    "ditutup oleh admin": "closed",
    "ditutup oleh sistem": "closed",
    "arsip": "archived",
    "diarsipkan": "archived",
    "diarsipkan oleh admin": "archived",
    "diarsipkan oleh sistem": "archived",
}
# The four classes of SP4N, what a reporter picks, and the older panel's two more, of which one is a class here.
_CLASSES: dict[str, str] = {
    "pengaduan": "pengaduan",
    "pengaduan tidak berkadar pengawasan": "pengaduan",
    "pengaduan berkadar pengawasan": "pengaduan_pengawasan",
    "whistle blowing system": "pengaduan_pengawasan",
    "whistleblowing system": "pengaduan_pengawasan",
    "aspirasi": "aspirasi",
    "permintaan informasi": "informasi",
    "informasi": "informasi",
}


def _key(raw: str | None) -> str:
    return " ".join((raw or "").split()).casefold()


def mapped(source_status: str | None) -> State:
    """The state a raw status stands for; what is unknown or missing is open."""
    return _STATES.get(_key(source_status), "open")


def is_known(source_status: str | None) -> bool:
    return _key(source_status) in _STATES


def is_final(source_status: str | None) -> bool:
    """Whether the source has closed or archived the report: then it is history, without clock or follow-up."""
    return mapped(source_status) in ("closed", "archived")


def normalise_class(raw: str | None) -> tuple[str | None, str | None]:
    """(class, None) for a class that is known, (None, the raw words) for one that is not, (None, None) for none."""
    key = _key(raw)
    if not key:
        return None, None
    known = _CLASSES.get(key)
    return (known, None) if known else (None, " ".join((raw or "").split()))
