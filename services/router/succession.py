"""Whose matter it is since the ministry was split: what has left goes to its successor with notice, by the day of receipt. Pure.

It must not judge what the matter is, and it is asked only where the router decides: a person's order or disposition is followed as given.
"""

from datetime import date
from zoneinfo import ZoneInfo

from services.router.decision import Assign, Transfer
from shared.events import ComplaintReceived
from shared.settings import MinistrySlug
from shared.units import DEFAULT_ZONE, UnitDirectory

# Official names as the unit directory has them; the ministry before the split keeps all eleven units.
MINISTRY_NAMES: dict[MinistrySlug, str | None] = {
    "kemenkumham": None,
    "kemenkum": "Kementerian Hukum",
    "kemenham": "Kementerian Hak Asasi Manusia",
    "kemenimipas": "Kementerian Imigrasi dan Pemasyarakatan",
}
# Each ministry has a secretariat and an inspectorate of its own, whatever the directory says of the old one's.
OF_EVERY_MINISTRY = frozenset({"setjen", "itjen"})

SUCCESSOR_NOTICE = (
    "Terima kasih atas laporan Anda. Sejak pemisahan Kementerian Hukum dan Hak Asasi Manusia pada Oktober 2024, urusan {unit} menjadi "
    "kewenangan {agency}. Laporan ini kami sampaikan kepada kementerian tersebut; mohon kesediaan Anda menunggu tindak lanjutnya atau "
    "menghubunginya secara langsung."
)

# Storehouses of seized goods were handed to the Kejaksaan in two stages until then (Perpres 155/2024, article 76). Those that the two
# still share are not told apart here.
RUPBASAN = "rupbasan:"
RUPBASAN_LEFT = date(2025, 11, 1)
KEJAKSAAN = "Kejaksaan Republik Indonesia"
RUPBASAN_NOTICE = (
    "Terima kasih atas laporan Anda. Sejak 1 November 2025 pengelolaan rumah penyimpanan benda sitaan negara (Rupbasan) menjadi "
    "kewenangan {agency}. Mohon kesediaan Anda menunggu tindak lanjut dari instansi tersebut atau menghubunginya secara langsung."
)

_JAKARTA = ZoneInfo(DEFAULT_ZONE)


def received_on(report: ComplaintReceived) -> date:
    """The ministry's own day: its seat is in Jakarta wherever the report comes from."""
    try:
        return report.reported_at.astimezone(_JAKARTA).date()
    except OverflowError:  # the last hours of the calendar
        return report.reported_at.date()


def given_over(part: Assign, report: ComplaintReceived, directory: UnitDirectory, ministry: MinistrySlug) -> Assign | Transfer:
    """The part as it is, or the transfer to whoever took its matter over before the report came in."""
    on = received_on(report)
    if part.desk is not None and part.desk.startswith(RUPBASAN) and on >= RUPBASAN_LEFT:
        return Transfer(KEJAKSAAN, RUPBASAN_NOTICE.replace("{agency}", KEJAKSAAN))
    home = MINISTRY_NAMES[ministry]
    unit = directory.unit(part.unit)
    if home is None or part.unit in OF_EVERY_MINISTRY or unit.successor_ministry == home:
        return part
    # Until the accounts at LAPOR! were separated, one of them received for all, and its administrator passed reports on to every unit.
    left = unit.successor_account_from if report.source == "lapor" else unit.successor_from
    if on < left:
        return part
    agency = unit.successor_ministry
    return Transfer(agency, SUCCESSOR_NOTICE.replace("{unit}", unit.name).replace("{agency}", agency))
