"""What the training corpus promises about itself."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from services.router.training.corpus import FOLDER, TEST_WRITERS, Corpus, CorpusError, read_corpus
from shared.units import UNIT_SLUGS, load_directory

SERVICES = {
    "paspor",
    "izin_tinggal",
    "visa",
    "pengawasan_orang_asing",
    "perlintasan",
    "detensi",
    "kunjungan",
    "titipan",
    "remisi",
    "asimilasi",
    "integrasi",
    "pemindahan",
    "hunian",
    "kesehatan_napi",
    "bimbingan_bapas",
    "anak_lpka",
    "rupbasan",
    "badan_hukum",
    "perseroan_perorangan",
    "notariat",
    "fidusia",
    "apostille",
    "kewarganegaraan",
    "pewarganegaraan",
    "wasiat",
    "kurator",
    "bhp",
    "parpol",
    "ppns",
    "merek",
    "paten",
    "hak_cipta",
    "desain_industri",
    "indikasi_geografis",
    "pelanggaran_ki",
    "yankomas",
    "harmonisasi",
    "pengundangan",
    "bantuan_hukum",
    "posbankum",
    "penyuluhan",
    "jdih",
    "perpustakaan",
    "ppid",
    "lapor",
    "cpns",
    "kepegawaian",
    "pengadaan",
    "e_katalog",
    "pendidikan_kedinasan",
    "pelatihan",
    "penelitian",
    "wbs",
}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus()


def test_it_has_reports_of_every_unit_class_and_service(corpus: Corpus) -> None:
    assert len(corpus.rows) >= 2000
    assert {row.unit for row in corpus.rows} == {*UNIT_SLUGS, "other_agency", "triage"}
    assert {row.class_ for row in corpus.rows} == {"pengaduan", "pengaduan_pengawasan", "aspirasi", "informasi"}
    assert {row.service for row in corpus.rows if row.service} >= SERVICES
    assert len({row.agency for row in corpus.rows if row.agency}) >= 28


def test_no_writer_is_on_both_sides_of_the_split(corpus: Corpus) -> None:
    learned, measured = corpus.split()
    assert set(measured.writers) == set(TEST_WRITERS)
    assert not set(learned.writers) & set(measured.writers)
    assert len(learned.rows) + len(measured.rows) == len(corpus.rows)


def test_no_report_was_made_from_another(corpus: Corpus) -> None:
    """Written one by one: no two share a run of eight words, but for the forms that letters begin and end with."""
    seen: dict[str, str] = {}
    shared: Counter[str] = Counter()
    for row in corpus.rows:
        words = re.findall(r"\w+", row.text.lower())
        for at in range(len(words) - 7):
            run = " ".join(words[at : at + 8])
            other = seen.setdefault(run, row.id)
            if other != row.id:
                shared[row.id] += 1
    assert len(shared) <= len(corpus.rows) // 200, shared.most_common(10)


def test_oversight_is_what_goes_to_the_inspectorate(corpus: Corpus) -> None:
    assert not [row.id for row in corpus.rows if row.is_oversight and row.unit != "itjen"]
    assert not [row.id for row in corpus.rows if row.is_oversight != (row.class_ == "pengaduan_pengawasan")]


def test_places_are_named_officially(corpus: Corpus) -> None:
    directory = load_directory()
    assert not [row.id for row in corpus.rows if row.province and directory.province(row.province) is None]


def test_nobody_can_be_found_in_it(corpus: Corpus) -> None:
    """No number that could be a NIK or a telephone."""
    assert not [row.id for row in corpus.rows if re.search(r"\d{9,}|\+62|08\d\d[- ]?\d{3,}", row.title + row.text)]


def test_a_second_reader_agreed_without_seeing_the_labels(corpus: Corpus) -> None:
    second: dict[str, str] = {}
    for path in sorted((FOLDER.parent / "second_reading").glob("*.jsonl")):
        second |= {row["id"]: row["u"] for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
    read = [row for row in corpus.rows if row.id in second]
    assert len(read) >= 2000
    assert {row.writer for row in read} >= set(TEST_WRITERS)
    assert sum(second[row.id] == row.unit for row in read) / len(read) >= 0.95


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("{", "w1.jsonl, line 2: "), ('{"id": "w1-1", "t": "", "x": "a", "u": "imigrasy", "c": "pengaduan"}', "no unit 'imigrasy'"),
     ('{"id": "w1-1", "t": "", "x": "a", "u": "ki", "c": "protes"}', "w1.jsonl, line 2: ")],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_refused_by_its_place(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "w1.jsonl").write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=re.escape(complaint)):
        read_corpus(tmp_path)


def test_an_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    line = '{"id": "w1-1", "t": "", "x": "a", "u": "ki", "c": "pengaduan"}\n'
    (tmp_path / "w1.jsonl").write_text(line + line, encoding="utf-8")
    with pytest.raises(CorpusError, match="w1-1: is there twice"):
        read_corpus(tmp_path)
