"""The unit directory: every name a source uses for a unit or desk is understood as a whole, and nothing is guessed."""

from collections.abc import Callable
from datetime import date
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.units import DEFAULT_ZONE, UNIT_SLUGS, Addressee, Unit, load_directory, read_directory

DIRECTORY = load_directory()
WIB, KALBAR, WITA, WIT = "Asia/Jakarta", "Asia/Pontianak", "Asia/Makassar", "Asia/Jayapura"
SHIPPED = resources.files("shared").joinpath("data/units.toml").read_text(encoding="utf-8")


# Units


def test_the_eleven_units_stand_in_the_order_that_topics_and_keys_use() -> None:
    assert UNIT_SLUGS == ("imigrasi", "pemasyarakatan", "ahu", "ki", "ham", "pp", "bphn", "setjen", "itjen", "bsk", "bpsdm")
    assert tuple(unit.slug for unit in DIRECTORY.units) == UNIT_SLUGS


def test_a_unit_is_found_by_its_slug_alone() -> None:
    assert DIRECTORY.unit("ki").name == "Direktorat Jenderal Kekayaan Intelektual"
    with pytest.raises(KeyError, match=r"no unit 'hki'; the units are imigrasi, .*bpsdm"):
        DIRECTORY.unit("hki")


@pytest.mark.parametrize(
    ("ministry", "slugs"),
    [
        ("Kementerian Imigrasi dan Pemasyarakatan", {"imigrasi", "pemasyarakatan"}),
        ("Kementerian Hak Asasi Manusia", {"ham"}),
        ("Kementerian Hukum", {"ahu", "ki", "pp", "bphn", "setjen", "itjen", "bsk", "bpsdm"}),
    ],
)
def test_every_unit_knows_its_successor_ministry_and_from_when(ministry: str, slugs: set[str]) -> None:
    successors = [unit for unit in DIRECTORY.units if unit.successor_ministry == ministry]
    assert {unit.slug for unit in successors} == slugs
    assert {unit.successor_from for unit in successors} == {date(2024, 10, 21)}
    assert {unit.successor_account_from for unit in successors} == {date(2025, 4, 1)}


# Provinces, Kanwil, zones


def test_thirty_eight_provinces_are_served_by_thirty_three_kanwil() -> None:
    assert len({province.code for province in DIRECTORY.provinces}) == 38
    assert len({kanwil.desk for kanwil in DIRECTORY.kanwil}) == 33
    served = [code for kanwil in DIRECTORY.kanwil for code in kanwil.provinces]
    assert sorted(served) == sorted(province.code for province in DIRECTORY.provinces)
    several = {kanwil.desk: kanwil.provinces for kanwil in DIRECTORY.kanwil if len(kanwil.provinces) > 1}
    assert several == {
        "kanwil:kalimantan-timur": ("64", "65"),
        "kanwil:papua": ("91", "93", "94", "95"),
        "kanwil:papua-barat": ("92", "96"),
    }


def test_the_zones_of_the_provinces_are_those_of_keppres_41_1987() -> None:
    by_zone = {zone: {province.code for province in DIRECTORY.provinces if province.zone == zone} for zone in (WIB, KALBAR, WITA, WIT)}
    assert by_zone[KALBAR] == {"61", "62"}
    assert by_zone[WITA] == {"51", "52", "53", "63", "64", "65", "71", "72", "73", "74", "75", "76"}
    assert by_zone[WIT] == {"81", "82", "91", "92", "93", "94", "95", "96"}
    assert len(by_zone[WIB]) == 16


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Nusa Tenggara Timur", "53"),
        ("nusa  tenggara\ttimur", "53"),
        ("N.T.T.", "53"),
        ("Provinsi NTT", "53"),
        ("Prov. Nusa Tenggara Timur", "53"),
        ("53", "53"),
        ("Jabar", "32"),
        ("DIY", "34"),
        ("D.I. Yogyakarta", "34"),
        ("Daerah Istimewa Yogyakarta", "34"),
        ("Babel", "19"),
        ("Kep. Riau", "21"),
        ("Riau", "14"),
        ("DKI Jakarta", "31"),
        ("Jakarta", "31"),
        ("Daerah Khusus Jakarta", "31"),
        ("PAPUA BARAT", "92"),
        ("Papua Barat Daya", "96"),
        ("papua", "91"),
    ],
)
def test_a_province_is_understood_as_sources_write_it(said: str, code: str) -> None:
    province = DIRECTORY.province(said)
    assert province is not None
    assert province.code == code


@pytest.mark.parametrize("said", [None, "", " ", "Provinsi", "5371", "Nusa Tenggara", "Kupang", "Papua Timur", "Timor Timur"])
def test_what_is_no_province_is_none(said: str | None) -> None:
    assert DIRECTORY.province(said) is None


@pytest.mark.parametrize(
    ("desk", "province", "zone"),
    [
        ("kanwil:nusa-tenggara-timur", None, WITA),
        ("kanwil:nusa-tenggara-timur", "Jawa Barat", WITA),
        ("kanwil:kalimantan-barat", None, KALBAR),
        ("kanwil:papua", None, WIT),
        ("kanim:kupang", "NTT", WITA),
        ("kanim:merauke", "Papua Selatan", WIT),
        ("lapas:kupang", None, DEFAULT_ZONE),
        ("kanwil:timor-timur", "Maluku", WIT),
        (None, "Bali", WITA),
        (None, "Atlantis", DEFAULT_ZONE),
        (None, None, DEFAULT_ZONE),
    ],
)
def test_the_clock_is_the_desks_else_the_provinces_else_jakartas(desk: str | None, province: str | None, zone: str) -> None:
    assert DIRECTORY.zone(desk, province) == ZoneInfo(zone)


# Names in dispositions

PARENTS = (
    "Kementerian Hukum dan Hak Asasi Manusia",
    "Kementerian Hukum dan HAM",
    "Kementerian Hukum & HAM RI",
    "Kemenkumham",
    "Kementerian Hukum",
    "KEMENTERIAN HUKUM REPUBLIK INDONESIA",
)
NAMES = [(name, unit) for unit in DIRECTORY.units for name in (unit.name, *unit.aliases)]


@settings(deadline=None)
@given(
    named=st.sampled_from(NAMES),
    ministry=st.sampled_from([None, "successor", *PARENTS]),
    before=st.booleans(),
    separator=st.sampled_from([" ", " - ", ", ", " / ", "\n", " — "]),
    case=st.sampled_from([str.upper, str.lower, str.title, str]),
)
def test_every_name_of_a_unit_is_understood_with_and_without_its_old_and_new_ministry(
    named: tuple[str, Unit], ministry: str | None, before: bool, separator: str, case: Callable[[str], str]
) -> None:
    name, unit = named
    if ministry == "successor":
        ministry = unit.successor_ministry
    parts = [name] if ministry is None else [ministry, name] if before else [name, ministry]
    assert DIRECTORY.addressee(case(separator.join(parts))) == Addressee(unit.slug, None)


@pytest.mark.parametrize(
    ("said", "slug"),
    [
        ("Direktorat Jenderal Imigrasi", "imigrasi"),
        ("Ditjen Imigrasi", "imigrasi"),
        ("Dirjen Imigrasi", "imigrasi"),
        ("Ditjenim", "imigrasi"),
        ("Direktorat Jenderal Imigrasi - Kementerian Imigrasi dan Pemasyarakatan", "imigrasi"),
        ("Ditjen PAS, Kemenimipas", "pemasyarakatan"),
        ("HKI", "ki"),
        ("Ditjen KI Kemenkum", "ki"),
        ("Direktorat Jenderal HAM Kementerian HAM", "ham"),
        ("Ditjen Peraturan Perundang-Undangan", "pp"),
        ("Sekjen Kemenkumham", "setjen"),
        ("Irjen", "itjen"),
        ("Balitbangkumham", "bsk"),
        ("Badan Strategi Kebijakan Hukum dan HAM", "bsk"),
        ("BPSDM Kumham", "bpsdm"),
    ],
)
def test_usual_names_of_units_are_understood(said: str, slug: str) -> None:
    assert DIRECTORY.addressee(said) == Addressee(slug, None)


@pytest.mark.parametrize(
    ("said", "unit", "desk"),
    [
        ("Kantor Imigrasi Kelas I TPI Kupang", "imigrasi", "kanim:kupang"),
        ("KANIM KUPANG", "imigrasi", "kanim:kupang"),
        ("Kantor Imigrasi Kelas I Khusus TPI Soekarno-Hatta", "imigrasi", "kanim:soekarno-hatta"),
        ("Kantor Imigrasi Kelas I Khusus Non TPI Jakarta Selatan", "imigrasi", "kanim:jakarta-selatan"),
        ("Kantor Imigrasi Kelas II TPI Maumere - Kementerian Imigrasi dan Pemasyarakatan", "imigrasi", "kanim:maumere"),
        ("Rumah Detensi Imigrasi Kupang", "imigrasi", "rudenim:kupang"),
        ("Lapas Kelas IIA Kupang", "pemasyarakatan", "lapas:kupang"),
        ("Lembaga Pemasyarakatan Klas II A Kupang", "pemasyarakatan", "lapas:kupang"),
        ("Lembaga Pemasyarakatan (Lapas) Kelas II-A Kupang", "pemasyarakatan", "lapas:kupang"),
        ("Lapas Kelas IIA Kupang, Kanwil Kemenkumham NTT", "pemasyarakatan", "lapas:kupang"),
        ("Lapas Kelas IIA Kupang Provinsi NTT", "pemasyarakatan", "lapas:kupang"),
        ("Lapas Kelas IIA Kupang, Nusa Tenggara Timur", "pemasyarakatan", "lapas:kupang"),
        ("Lapas Kelas 1 Tangerang", "pemasyarakatan", "lapas:tangerang"),
        ("Lapas Khusus Kelas IIA Gunung Sindur", "pemasyarakatan", "lapas:gunung-sindur"),
        ("Lapas Narkotika Kelas IIA Jakarta", "pemasyarakatan", "lapas:narkotika-jakarta"),
        ("Lembaga Pemasyarakatan Perempuan Kelas IIB Kupang", "pemasyarakatan", "lpp:kupang"),
        ("LPKA Kelas II Kupang", "pemasyarakatan", "lpka:kupang"),
        ("Rumah Tahanan Negara Kelas IIB Negara", "pemasyarakatan", "rutan:negara"),
        ("Rutan Kelas I Jakarta Pusat", "pemasyarakatan", "rutan:jakarta-pusat"),
        ("Cabang Rutan Bajawa", "pemasyarakatan", "rutan:bajawa"),
        ("Balai Pemasyarakatan Kelas II Kupang", "pemasyarakatan", "bapas:kupang"),
        ("Rupbasan Kelas I Kupang", "pemasyarakatan", "rupbasan:kupang"),
        ("Balai Harta Peninggalan Makassar", "ahu", "bhp:makassar"),
        ("Kanwil Kemenkumham NTT", "setjen", "kanwil:nusa-tenggara-timur"),
        ("Kantor Wilayah Kementerian Hukum dan Hak Asasi Manusia Provinsi Nusa Tenggara Timur", "setjen", "kanwil:nusa-tenggara-timur"),
        ("Kementerian Hukum - Kantor Wilayah D.I. Yogyakarta", "setjen", "kanwil:di-yogyakarta"),
        ("Kanwil Kementerian Hukum Kalimantan Utara", "setjen", "kanwil:kalimantan-timur"),
        ("Kanwil Kemenkum Papua Selatan", "setjen", "kanwil:papua"),
        ("Kanwil Ditjen Imigrasi NTT", "imigrasi", None),
        ("Kantor Wilayah Direktorat Jenderal Pemasyarakatan Nusa Tenggara Timur", "pemasyarakatan", None),
        ("Kanwil Kementerian HAM NTT", "ham", None),
    ],
)
def test_a_desk_is_named_by_kind_and_place_whatever_its_rank(said: str, unit: str, desk: str | None) -> None:
    assert DIRECTORY.addressee(said) == Addressee(unit, desk)


def test_every_kanwil_is_understood_by_its_official_name() -> None:
    for kanwil in DIRECTORY.kanwil:
        assert DIRECTORY.addressee(kanwil.name) == Addressee("setjen", kanwil.desk)


@pytest.mark.parametrize(
    "said",
    [
        *("", "-", "PP", "PAS", "KI", "HAM", "ULP", "UPT", "RI", "Hukum", "Badan", "Ditjen", "Kanwil", "Lapas", "Kelas IIA"),
        *("Lapas Narkotika", "Rumah Tahanan Negara", "Lapas Perempuan", "Lapas Kelas IIA", "Lapas yang kotor", "Lapas 12"),
        *("PP Kementerian Hukum dan HAM", "Peraturan PP", "Petugas PAS Kupang", "Biro KI", "Komnas HAM", "Dinas Imigrasi Kupang"),
        *("Inspektorat Jenderal Kementerian Keuangan", "BPSDM Provinsi NTT", "Sekretariat Jenderal DPR RI"),
        # The same office of another ministry that the split made.
        *("Sekretariat Jenderal Kementerian HAM", "Inspektorat Jenderal Kementerian Imigrasi dan Pemasyarakatan"),
        *("Ditjen AHU Kementerian HAM", "Lapas Kelas IIA Kupang - Kementerian HAM", "Kanwil Ditjenpas NTT Kementerian HAM"),
        # Two units could be meant, or none of ours.
        *("Kementerian Hukum dan HAM", "Kemenkumham", "Kementerian Imigrasi dan Pemasyarakatan", "Kementerian HAM"),
        *("Kanwil Kementerian Imigrasi dan Pemasyarakatan NTT", "Kanwil Kementerian Agama NTT", "Kanwil DJP Nusa Tenggara"),
        *("Kanwil Kemenkumham", "Kanwil Kemenkumham Kupang", "Kanwil Ditjen AHU NTT"),
        *("Kementerian Koordinator Bidang Hukum, HAM, Imigrasi, dan Pemasyarakatan",),
        *("Rutan Polda NTT", "Rutan KPK", "Lapas Militer Cimahi", "BHP Kupang", "Lapas Kupang NTT", "Lapas Kupang Kanwil Kemenag NTT"),
        *("Lapas Kupang Provinsi Atlantis", "Lapas satu dua tiga empat lima"),
    ],
)
def test_what_is_not_named_as_a_whole_is_never_guessed(said: str) -> None:
    assert DIRECTORY.addressee(said) is None


def test_the_ministry_itself_is_told_apart_from_an_unknown_name() -> None:
    assert DIRECTORY.ministry("KEMENTERIAN HUKUM DAN HAM R.I.") == "Kementerian Hukum dan Hak Asasi Manusia"
    assert DIRECTORY.ministry("Kemenimipas") == "Kementerian Imigrasi dan Pemasyarakatan"
    assert DIRECTORY.ministry("Kementerian Keuangan") is None
    assert DIRECTORY.ministry("Ditjen Imigrasi") is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    addressee = DIRECTORY.addressee(text)
    assert addressee is None or addressee.unit in UNIT_SLUGS
    assert DIRECTORY.zone(text, text).key


# The file


@pytest.mark.parametrize(
    ("change", "to", "complaint"),
    [
        ('slug = "imigrasi"', 'slug = "imigresi"', "the units must be imigrasi, .*, in this order, not imigresi"),
        ('successor_ministry = "Kementerian Hukum"', 'successor_ministry = "Kementerian Keuangan"', "ahu goes to 'Kementerian Keuangan'"),
        ('kind = "kanim"\nunit = "imigrasi"', 'kind = "kanim"\nunit = "kanim"', "office kanim names the unit 'kanim'"),
        ('aliases = ["DJHAM", ', 'aliases = ["DJKI", ', "the unit name 'djki' is given twice"),
        ('aliases = ["NTT"]', 'aliases = ["NTB"]', "the province name 'ntb' is given twice"),
        ('aliases = ["NTT"]', 'aliases = ["?"]', "a province has an empty name"),
        ('zone = "Asia/Pontianak"', 'zone = "Asia/Sampit"', "Kalimantan Barat has the time zone 'Asia/Sampit'"),
        ('kanwil = "kanwil:riau"', 'kanwil = "kanwil:rian"', "Riau is served by 'kanwil:rian', which does not exist"),
        ('kanwil = "kanwil:riau"', 'kanwil = "kanwil:jambi"', "kanwil:riau must serve at least one province"),
        ('kanwil = "kanwil:maluku"', 'kanwil = "kanwil:bali"', "kanwil:bali must serve .* one time zone only"),
        ('desk = "kanwil:riau"', 'desk = "kanwil:bali"', "a Kanwil is given twice"),
        ("successor_from = 2024-10-21", "successor_since = 2024-10-21", r"units\.0\.successor_from"),
        ("parent = true", "parents = true", r"ministries\.0\.parents"),
    ],
)
def test_a_mistake_in_the_file_is_named(change: str, to: str, complaint: str) -> None:
    assert change in SHIPPED
    with pytest.raises(ValueError, match=complaint):
        read_directory(SHIPPED.replace(change, to, 1))


def test_the_directory_is_read_once_and_has_a_version() -> None:
    assert load_directory() is DIRECTORY
    assert DIRECTORY.version
