"""What LAPOR!'s own words for a report's status and class mean here. Pure; it keeps no raw value and decides no route."""

from shared.events import SourceState

# Names seen in panel code and in exports. The full list was never published, so an unknown status counts as open:
# a report that is watched for too long does less harm than one that is forgotten.
_STATES: dict[str, SourceState] = {
    "belum terverifikasi": "open",
    # The step, and the panel's button for it: it says that the report is being verified, not that it was.
    "verifikasi": "open",
    # Given back by whom it was sent to: it waits for somebody to verify whose it is, as on its first day.
    "bukan wewenang": "open",
    "terverifikasi": "verified",
    # Only a verified report is disposed of, and only one disposed of can be waiting for its follow-up, be worked on, or have been answered.
    "terdisposisi": "verified",
    "belum ditindaklanjuti": "verified",
    "sedang diproses": "verified",
    "proses": "verified",
    "ditanggapi oleh instansi": "verified",
    # The reporter answers an answer.
    "ditanggapi oleh pelapor": "verified",
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


def mapped(source_status: str | None) -> SourceState:
    """The state a raw status stands for; what is unknown or missing is open."""
    return _STATES.get(_key(source_status), "open")


def state_said(source_status: str | None, *, is_disposed: bool = False) -> SourceState | None:
    """What a source said by a raw status, None where it said nothing.

    A report that comes with a disposition was verified, whatever the status still says: the administrator who verifies is who disposes.
    """
    if source_status is None and not is_disposed:
        return None
    state = mapped(source_status)
    return "verified" if is_disposed and state == "open" else state


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
