"""Where a report happened and which offices it names. The promise throughout: what is not named is not guessed."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.offices import read_offices
from services.router.phrases import Phrases, one_letter_wrong
from services.router.places import Gazetteer, Place
from services.router.regions import kemendagri
from services.router.rules import PACKAGED, RuleError
from shared.units import load_directory

DIRECTORY = load_directory()
GAZETTEER = Gazetteer(DIRECTORY)
JAKARTA, YOGYAKARTA = "Daerah Khusus Ibukota Jakarta", "Daerah Istimewa Yogyakarta"


def find(text: str, title: str = "") -> Place:
    return GAZETTEER.find(title, text)


def desks(text: str, title: str = "") -> list[str]:
    return [office.desk for office in find(text, title).offices]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # as official letters and forms write them
        ("Saya mengurus paspor di Kanim Kelas I TPI Kupang.", ["kanim:kupang"]),
        ("kantor imigrasi kelas I khusus non TPI Jakarta Selatan", ["kanim:jakarta-selatan"]),
        ("Suami ditahan di Lapas Kls IIA Kerobokan", ["lapas:kerobokan"]),
        ("Lembaga Pemasyarakatan Perempuan Kelas IIA Malang", ["lpp:malang"]),
        ("Rutan Klas IIB Ruteng", ["rutan:ruteng"]),
        ("Rumah Tahanan Negara Kelas I Salemba", ["rutan:salemba"]),
        ("Lapas Narkotika Kelas IIA Jakarta", ["lapas:narkotika-jakarta"]),
        ("Lapas Kelas IIA Narkotika Sungguminasa", ["lapas:narkotika-sungguminasa"]),
        ("Lapas Kelas I Batu", ["lapas:batu"]),
        ("Kantor Imigrasi Kelas II Non TPI Wonosobo", ["kanim:wonosobo"]),
        ("Kantor Imigrasi Kelas I TPI, Kupang", ["kanim:kupang"]),
        ("Balai Harta Peninggalan Semarang", ["bhp:semarang"]),
        ("Rupbasan Kelas II Kendari", ["rupbasan:kendari"]),
        ("Rudenim Pusat Tanjung Pinang", ["rudenim:tanjungpinang"]),
        ("Rudenim Tanjungpinang", ["rudenim:tanjungpinang"]),
        # as people say them
        ("LP Cipinang", ["lapas:cipinang"]),
        ("imigrasi jaksel", ["kanim:jakarta-selatan"]),
        ("td pagi ke imigrasi jogja antri lama bgt", ["kanim:yogyakarta"]),
        ("lapas wanita Tangerang", ["lpp:tangerang"]),
        ("lapas anak Tangerang", ["lpka:tangerang"]),
        ("LPKA Blitar", ["lpka:blitar"]),
        ("rutan kelas 1 Salemba", ["rutan:salemba"]),
        ("Bapas Bandung", ["bapas:bandung"]),
        ("BHP Surabaya", ["bhp:surabaya"]),
        ("bapas solo", ["bapas:surakarta"]),
        ("lapas kelas dua b luwuk", ["lapas:luwuk"]),
        ("kanim ujung pandang", ["kanim:makassar"]),
        ("rutan di Painan", ["rutan:painan"]),
        ("LAPAS NARKOTIKA SUNGGUMINASA PENUH HP", ["lapas:narkotika-sungguminasa"]),
        ("RUTAN RANTEPAO. JANGAN TUNGGU BESOK", ["rutan:rantepao"]),
        ("ULP Jakarta Selatan tutup padahal mau ambil paspor", ["kanim:jakarta-selatan"]),
        # English, the place behind or before
        ("the immigration office in Denpasar lost my file", ["kanim:denpasar"]),
        ("my nephew is in Kerobokan prison", ["lapas:kerobokan"]),
        ("an inmate of Batam prison phoned me", ["lapas:batam"]),
        # misspelt
        ("lapass kerobokan", ["lapas:kerobokan"]),
        ("kantor imigarsi bogor", ["kanim:bogor"]),
        ("imigrsi Malang", ["kanim:malang"]),
        # places that are no region
        ("kanim soetta", ["kanim:soekarno-hatta"]),
        ("petugas imigrasi bandara soekarno hatta", ["kanim:soekarno-hatta"]),
        ("Imigrasi Ngurah Rai", ["kanim:ngurah-rai"]),
        ("they charged overstay at Bali airport", ["kanim:ngurah-rai"]),
        ("lapas besi nusakambangan", ["lapas:besi"]),
        ("lapas pasir putih", ["lapas:pasir-putih"]),
        ("ditahan di Nusakambangan", ["lapas:nusakambangan"]),
        ("Lapas Sukamiskin", ["lapas:sukamiskin"]),
        ("Rutan Pondok Bambu", ["rutan:pondok-bambu"]),
        ("rutan perempuan Pondok Bambu", ["rutan:pondok-bambu"]),
        ("Lapas Tanjung Gusta", ["lapas:medan"]),
        ("rutan tanjung gusta", ["rutan:medan"]),
        ("Lapas Kedungpane", ["lapas:semarang"]),
        ("rutan sialang bungkuk", ["rutan:pekanbaru"]),
        ("lapas porong", ["lapas:surabaya"]),
        ("rutan porong", ["lapas:surabaya"]),  # what people call a Rutan may be a Lapas
        # nicknames alone, where the words around say that a prison is meant
        ("besuk di Wirogunan hari apa", ["lapas:yogyakarta"]),
        ("suami saya napi di Medaeng", ["rutan:surabaya"]),
        ("Tumben titipan di Sukamiskin tidak dibuka", ["lapas:sukamiskin"]),
        # several, in the order in which they are named, each once
        ("dari Rutan Salemba dipindah ke Lapas Cipinang, dulu di Rutan Salemba", ["rutan:salemba", "lapas:cipinang"]),
        ("Kanim Batam bilang ke Kanim Tanjung Uban", ["kanim:batam", "kanim:tanjung-uban"]),
    ],
)
def test_an_office_that_is_named_is_found_under_its_desk(text: str, named: list[str]) -> None:
    assert desks(text) == named


@pytest.mark.parametrize(
    "text",
    [
        "lapas di kota saya penuh",
        "rutan dan lapas sama saja",
        "kantor imigrasi terdekat di mana",
        "lapas narkotika itu untuk siapa",
        "lapas yang penuh",
        "anak saya di lapas anak sakit",
        "pintu lapas besi itu berkarat",
        "tahanan di rutan polres Kupang dipukul",
        "rumah tahanan militer",
        "tahanan polsek Cengkareng kabur",
        "lapas lama mau dijual",
        "LP saya di polsek tidak jalan, LP sudah ada",
        "imigrasi Malaysia menahan paspor",
        "lapas Bali penuh",  # a province has no Lapas
        "rumah saya di Cipinang banjir",
        "vila di Kerobokan dibangun tanpa izin",
        "Jl. Cipinang Jaya berlubang, di depan lapas itu",
        "kirim barang lewat bandara Soetta lama sekali",
        "dia dipindah ke Nusakambangan tanpa kabar",
        "ULP Kota Bandung menggugurkan tender kami",  # a procurement unit
        "UKK sekolah di Bogor",
        "saya pengelola lapak di Bandung",
    ],
)
def test_a_kind_without_a_place_of_its_own_is_no_office(text: str) -> None:
    assert desks(text) == []


@pytest.mark.parametrize(
    ("text", "province", "regency"),
    [
        # provinces: names, short forms, English
        ("kejadian di NTT", "Nusa Tenggara Timur", None),
        ("Kanwil Sulsel tidak menjawab", "Sulawesi Selatan", None),
        ("warga kaltara menunggu", "Kalimantan Utara", None),
        ("di DKI", JAKARTA, None),
        ("di Jakarta", JAKARTA, None),
        ("jogja macet", YOGYAKARTA, None),
        ("I live in West Java", "Jawa Barat", None),
        ("somewhere in East Nusa Tenggara", "Nusa Tenggara Timur", None),
        ("North Sumatra", "Sumatera Utara", None),
        ("Southwest Papua", "Papua Barat Daya", None),
        ("Riau Islands", "Kepulauan Riau", None),
        ("kepulauan riau", "Kepulauan Riau", None),
        ("di Riau", "Riau", None),
        ("pulau Lombok", "Nusa Tenggara Barat", None),
        # regencies: their kind decides between the two of one name
        ("di Kota Bogor", "Jawa Barat", "Kota Bogor"),
        ("Kab. Bogor", "Jawa Barat", "Kabupaten Bogor"),
        ("tinggal di bogor", "Jawa Barat", None),
        ("pemkot bandung", "Jawa Barat", "Kota Bandung"),
        ("rumah di bandung barat", "Jawa Barat", "Kabupaten Bandung Barat"),
        ("pabrik di cibinong, bogor", "Jawa Barat", "Kabupaten Bogor"),
        ("di Jambi", "Jambi", None),
        ("di Kota Jambi", "Jambi", "Kota Jambi"),
        ("di Batam", "Kepulauan Riau", "Kota Batam"),
        ("South Tangerang", "Banten", "Kota Tangerang Selatan"),
        ("tangsel", "Banten", "Kota Tangerang Selatan"),
        ("di jaktim", JAKARTA, "Kota Administrasi Jakarta Timur"),
        ("di Makassar", "Sulawesi Selatan", "Kota Makassar"),
        ("Kulonprogo", YOGYAKARTA, "Kabupaten Kulon Progo"),
        ("pangkalpinang", "Kepulauan Bangka Belitung", "Kota Pangkal Pinang"),
        ("di Kepulauan Aru", "Maluku", "Kabupaten Kepulauan Aru"),
        # towns and kecamatan
        ("di Maumere", "Nusa Tenggara Timur", "Kabupaten Sikka"),
        ("di cengkareng", JAKARTA, "Kota Administrasi Jakarta Barat"),
        ("warga Oebobo", "Nusa Tenggara Timur", "Kota Kupang"),
        ("di Tondano", "Sulawesi Utara", "Kabupaten Minahasa"),
        ("di Kramat Jati", JAKARTA, "Kota Administrasi Jakarta Timur"),
        ("Katanya rahasia. Denpasar Barat.", "Bali", "Kota Denpasar"),
        ("Kec. Tempel", YOGYAKARTA, "Kabupaten Sleman"),
        # an ordinary word or a person's name, shown to be a place
        ("jatuh di bima", "Nusa Tenggara Barat", None),
        ("Suatu sore di Palu", "Sulawesi Tengah", "Kota Palu"),
        ("ini kejadian Solok kemarin", "Sumatera Barat", None),
        ("kab. bone", "Sulawesi Selatan", "Kabupaten Bone"),
        ("tual, maluku", "Maluku", "Kota Tual"),
        ("DI BONE TIDAK ADA", "Sulawesi Selatan", "Kabupaten Bone"),
        ("sekolah di Kuningan, Jawa Barat", "Jawa Barat", "Kabupaten Kuningan"),
        ("Kota Banjar", "Jawa Barat", "Kota Banjar"),
        # the office's place before every other
        ("Saya dari Bandung, paspor di Kanim Kelas I TPI Kupang lama", "Nusa Tenggara Timur", None),
        ("kami di Kebumen, anak di Lapas Tarakan", "Kalimantan Utara", "Kota Tarakan"),
        ("Rutan Salemba", JAKARTA, "Kota Administrasi Jakarta Pusat"),
        # where it happened before where somebody comes from or goes
        ("saya asal Flores, ditipu di Surabaya", "Jawa Timur", "Kota Surabaya"),
        ("lahir di Medan, sekarang bekerja di Batam", "Kepulauan Riau", "Kota Batam"),
        ("orang Padang berjualan di Ambon", "Maluku", "Kota Ambon"),
        ("bis jurusan Padang mogok, Jambi gelap", "Jambi", None),
        ("mau ke Bali, paspor hilang di Semarang", "Jawa Tengah", None),
        # what agrees is stronger; among equals the first
        ("di Surabaya lalu di Kupang, NTT, tepatnya di Oebobo", "Nusa Tenggara Timur", "Kota Kupang"),
        ("di Surabaya lalu di Medan", "Jawa Timur", "Kota Surabaya"),
        # no place, or none of ours
        ("tolong pak lama sekali", None, None),
        ("di Johor Bahru", None, None),
        ("in Hong Kong", None, None),
        ("di Timor Leste", None, None),
        ("di Papua Nugini", None, None),
        ("di Kuala Lumpur", None, None),
        ("kepala saya kena palu", None, None),
        ("ada batu bata", None, None),
        ("malang benar nasib saya", None, None),
        ("berdiri di pinggir jalan", None, None),
        ("Pak Bima galak", None, None),
        ("Jl. Surabaya nomor 5", None, None),
        ("PT Semarang Jaya", None, None),
        ("nasi padang", None, None),
        ("KAPAL BATU MALANG", None, None),
        ("biaya tahunan paten dan biaya selesai", None, None),
        ("rapat di Kuningan", None, None),  # in Jakarta, or the regency
        ("di Banjar", None, None),  # of Jawa Barat or of Kalimantan Selatan
    ],
)
def test_the_place_is_where_it_happened(text: str, province: str | None, regency: str | None) -> None:
    place = find(text)
    assert (place.province, place.regency) == (province, regency)


def test_a_name_shared_by_two_provinces_is_decided_by_the_other_words() -> None:
    assert find("pesantren di Martapura").province is None
    assert find("pesantren di Martapura, Kalsel").regency == "Kabupaten Banjar"
    assert find("majelis di Martapura OKU Timur").regency == "Kabupaten Ogan Komering Ulu Timur"


def test_the_title_counts_as_well_as_the_text() -> None:
    assert desks("tidak ada yang menjawab", title="Jam besuk LP Cipinang") == ["lapas:cipinang"]
    assert find("tidak ada yang menjawab", title="Macet di Kupang").province == "Nusa Tenggara Timur"


def test_a_name_does_not_reach_from_one_sentence_into_the_next() -> None:
    assert find("Rumah kami di Bandung. Barat laut dari sini ada pabrik").regency is None
    assert desks("Saya ke imigrasi. Malang saya tidak dilayani") == []


def test_an_airport_on_the_way_is_not_the_office_complained_of() -> None:
    assert desks("Kanim Bogor lambat, pesawat saya dari Soetta besok, paspor belum jadi") == ["kanim:bogor"]


def test_an_office_knows_its_unit_and_its_province() -> None:
    (office,) = find("Kantor BHP Surabaya lambat").offices
    assert (office.unit, office.province) == ("ahu", "Jawa Timur")
    (office,) = find("LPKA Jakarta").offices  # stands in Depok, belongs to Jakarta
    assert (office.unit, office.province) == ("pemasyarakatan", JAKARTA)


def test_a_city_said_elsewhere_in_the_text_tells_which_regency_the_office_is_in() -> None:
    assert find("Kanim Bogor penuh").regency is None
    assert find("Kanim Bogor penuh, saya warga Kota Bogor").regency == "Kota Bogor"


OFFICIAL_NAMES = """
Kantor Imigrasi Kelas I TPI Kupang
Kantor Imigrasi Kelas I Khusus Non TPI Jakarta Selatan
Kanim Kelas I Khusus TPI Soekarno-Hatta
Lapas Kelas IIA Kerobokan
Lembaga Pemasyarakatan Kelas I Cipinang
Lapas Narkotika Kelas IIA Jakarta
Lapas Pemuda Kelas IIA Tangerang
Lapas Perempuan Kelas IIA Malang
LPKA Kelas I Blitar
Rutan Kelas I Salemba
Rutan Kelas IIB Raba Bima
Rutan Perempuan Kelas IIA Bandung
Bapas Kelas I Bandung
Balai Harta Peninggalan Medan
Rumah Detensi Imigrasi Kupang
Rupbasan Kelas I Jakarta Pusat
"""


@pytest.mark.parametrize("name", OFFICIAL_NAMES.strip().splitlines())
def test_a_report_and_a_disposition_name_an_office_by_the_same_desk(name: str) -> None:
    addressee = DIRECTORY.addressee(name)
    assert addressee is not None
    assert desks(f"Kami mengadukan {name}.") == [addressee.desk]


def test_every_office_of_the_list_is_found_by_its_name_and_by_what_it_is_called() -> None:
    offices = read_offices(PACKAGED).offices
    for office in (*offices.kanim, *offices.prisons, *offices.others):
        addressee = DIRECTORY.addressee(office.name)
        assert addressee is not None and addressee.desk is not None
        sign = " ".join(sorted(office.beside)[:1])
        assert desks(f"mengadu soal {office.name} {sign}") == [addressee.desk]
        kind, place = addressee.desk.split(":")
        within = place.split("-")[0] if place.startswith(("narkotika-", "pemuda-", "terbuka-", "perempuan-")) else ""
        for called in (*office.called, *office.nickname):
            assert desks(f"mengadu soal {kind} {within} {called} itu") == [addressee.desk], called


def test_the_regions_are_kemendagris() -> None:
    provinces, regencies, kecamatan = kemendagri()
    assert (len(provinces), len(regencies)) == (38, 514)
    assert len(kecamatan) > 7_200
    # The unit directory knows each province, so that the names that leave here are always its own.
    assert all(DIRECTORY.province(name) is not None for name in provinces.values())


def test_every_regency_is_found_by_its_full_name() -> None:
    for code, name in kemendagri()[1].items():
        place = find(f"Kejadiannya di {name}.")
        assert place.regency == name
        province = DIRECTORY.province(kemendagri()[0][code[:2]])
        assert province is not None and place.province == province.name


@given(st.text(max_size=300), st.text(max_size=600))
def test_any_two_strings_have_a_place_or_none(title: str, text: str) -> None:
    place = GAZETTEER.find(title, text)
    assert place.regency is None or place.province is not None
    assert len({office.desk for office in place.offices}) == len(place.offices)


TELLING = """
di ke dari lapas rutan imigrasi kanim lp kelas IIA . , ( kota kab Kupang bogor Batu BESI cipinang nusakambangan kerobokan prison jambi jl
pak soetta ulp paspor narkotika perempuan jakarta selatan barat Bima NTB polres İstanbul ’ Ma'rang
"""
SAID = st.sampled_from(TELLING.split())


@given(st.lists(SAID, max_size=25).map(" ".join), st.lists(SAID, max_size=25).map(" ".join))
def test_any_order_of_telling_words_has_an_answer_of_known_names(title: str, text: str) -> None:
    place = GAZETTEER.find(title, text)
    provinces = {province.name for province in DIRECTORY.provinces}
    assert place.province is None or place.province in provinces
    for office in place.offices:
        assert office.province is None or office.province in provinces
        kind, _, where = office.desk.partition(":")
        assert kind.isalpha() and where == where.lower() and " " not in where


def test_a_very_long_text_is_read_in_time_that_grows_with_it() -> None:
    place = find("lapas kelas " * 5_000 + "Kupang")
    assert place.province == "Nusa Tenggara Timur"


@pytest.mark.parametrize(
    ("file", "said", "instead", "error"),
    [
        ("offices.toml", 'regency = "Kota Medan"', 'regency = "Kota Medang"', "Kota Medang"),
        ("offices.toml", 'name = "Lapas Cipinang"', 'name = "Penjara Cipinang"', "Penjara Cipinang"),
        ("offices.toml", 'name = "Lapas Cipinang", regency', 'name = "Lapas Cipinang", province = "Banten", regency', "regency, or else"),
        ("offices.toml", "reach = 9", 'reach = "far"', "reach"),
        ("places.toml", '"Kabupaten Sikka" = ["maumere"]', '"Kabupaten Sika" = ["maumere"]', "Kabupaten Sika"),
        ("places.toml", "[landscapes]", '[landscapes]\n"Atlantis" = ["poseidonis"]', "Atlantis"),
        ("places.toml", "[words]", "[wordz]", "wordz"),
        ("places.toml", "[towns]", "[towns", "places.toml"),
    ],
)
def test_wrong_data_is_refused_and_named(tmp_path: Path, file: str, said: str, instead: str, error: str) -> None:
    for name in ("offices.toml", "places.toml"):
        shutil.copy(PACKAGED / name, tmp_path)
    content = (tmp_path / file).read_text(encoding="utf-8")
    assert said in content
    (tmp_path / file).write_text(content.replace(said, instead, 1), encoding="utf-8")
    with pytest.raises(RuleError, match=error):
        Gazetteer(DIRECTORY, tmp_path)


def test_missing_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"places\.toml"):
        Gazetteer(DIRECTORY, tmp_path)


def test_the_longest_phrase_comes_first() -> None:
    phrases = Phrases({("a",): 1, ("a", "b"): 2, ("a", "b", "c"): 3, ("a", "d"): 4})
    assert phrases.at(["a", "b", "c"], 0) == [(3, 3), (2, 2), (1, 1)]
    assert phrases.at(["a"], 0) == [(1, 1)]
    assert phrases.at(["b", "a"], 0) == []


def test_a_misspelt_short_word_is_not_another_word() -> None:
    typos = one_letter_wrong(["lapas", "rutan", "bapas", "imigrasi"])
    assert {"lappas", "lapass", "imigarsi", "imgrasi", "immigrasi"} <= set(typos)
    assert typos.keys().isdisjoint({"lepas", "rotan", "rutin", "kapas", "migrasi", "emigrasi", "lapas"})
