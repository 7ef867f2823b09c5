"""`jalur classify --jsonl`: one answer for each line, in their order, whatever the lines hold."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import services.commands.router
from services.cli import app
from services.commands import CommandError
from services.commands.classify import _LONGEST_LINE, _lines, _read, _sentence
from services.router.classification import classify
from services.router.judgement import Judge
from services.router.ruleset import load_judge
from shared.units import UNIT_SLUGS, load_directory

KEYS = ["id", "unit", "top", "confidence", "class", "urgent", "oversight", "agency", "province", "desk", "reasons"]
DIRECTORY = load_directory()
PASPOR = "Paspor saya belum jadi di Kanim Kupang sudah sebulan"
BRIBE = "Petugas Lapas Cipinang meminta uang pungli 500 ribu kepada keluarga napi"
Answer = Callable[[bytes | list[Any]], tuple[list[dict[str, Any]], int]]


@pytest.fixture(scope="session")
def judge() -> Judge:
    return load_judge(DIRECTORY)


@pytest.fixture
def answer(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """The answers, and the exit code; the rule set is read once for all."""
    monkeypatch.setattr(services.commands.router, "load", lambda _folder: (judge, DIRECTORY))

    def ask(lines: bytes | list[Any]) -> tuple[list[dict[str, Any]], int]:
        written = lines if isinstance(lines, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        done = CliRunner().invoke(app, ["classify", "--jsonl"], input=written)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return [json.loads(line) for line in done.stdout.split("\n")[:-1]], done.exit_code

    return ask


def test_each_line_is_answered_in_order_with_exactly_these_keys(answer: Answer) -> None:
    texts = [PASPOR, "tolong", BRIBE, "Sertifikat tanah saya di BPN belum terbit", "Harga cabai naik terus"]
    found, code = answer([{"id": number, "title": "", "text": text} for number, text in enumerate(texts)])
    assert code == 0
    assert [line["id"] for line in found] == list(range(5))
    for line in found:
        assert list(line) == KEYS
        assert line["unit"] in {*UNIT_SLUGS, "other_agency", "triage"}
        assert line["top"] in {*UNIT_SLUGS, "other_agency"}
        assert 0 <= line["confidence"] <= 1
        assert line["class"] in {"pengaduan", "pengaduan_pengawasan", "aspirasi", "informasi"}
        assert (type(line["urgent"]), type(line["oversight"])) == (bool, bool)
        assert all(isinstance(reason, str) for reason in line["reasons"])


def test_a_passport_in_kupang_goes_to_its_office_under_the_province_s_official_name(answer: Answer) -> None:
    ((line,), _) = answer([{"id": "a", "title": "Paspor", "text": PASPOR}])
    assert (line["unit"], line["top"], line["oversight"], line["agency"]) == ("imigrasi", "imigrasi", False, None)
    assert (line["province"], line["desk"]) == ("Nusa Tenggara Timur", "kanim:kupang")


def test_of_an_accusation_no_office_is_named_as_its_desk(answer: Answer) -> None:
    ((line,), _) = answer([{"id": 1, "text": BRIBE}])
    assert (line["unit"], line["oversight"], line["class"], line["desk"]) == ("itjen", True, "pengaduan_pengawasan", None)


def test_another_agency_is_named_also_where_the_router_would_ask_first(answer: Answer) -> None:
    ((line,), _) = answer([{"id": 1, "title": "KTP elektronik", "text": "Perekaman KTP elektronik dan kartu keluarga saya di Dukcapil"}])
    assert line["top"] == "other_agency"
    assert "Dukcapil" in line["agency"]


@pytest.mark.parametrize("id_", ["x", "", "\x00\u2028😀", "\ud83d", 7, -1.5, 10**30, True, None, [1, {"a": None}], {"b": []}])
def test_an_id_of_any_json_type_comes_back_as_it_was(answer: Answer, id_: Any) -> None:
    found, code = answer([{"id": id_, "text": PASPOR}, {"id": id_}])
    assert [(line["id"], type(line["id"])) for line in found] == [(id_, type(id_))] * 2
    assert code == 4


def test_without_an_id_a_line_is_known_by_its_number_and_blank_ones_are_skipped_but_counted(answer: Answer) -> None:
    found, code = answer(b'\n{"text": "paspor"}\n   \r\n\n{"title": "paspor"}\r\n\t\nno\n')
    assert [(line["id"], line.get("problem")) for line in found] == [(2, None), (5, None), (7, "line 7: is no JSON")]
    assert code == 4


def test_no_input_is_no_output(answer: Answer) -> None:
    assert answer(b"") == ([], 0)
    assert answer(b"\n \n") == ([], 0)


def test_the_last_line_needs_no_end_and_a_byte_order_mark_is_no_text(answer: Answer) -> None:
    found, code = answer(b'\xef\xbb\xbf{"id": "a", "text": "paspor"}\n{"id": "b", "text": "paspor"}')
    assert ([line["id"] for line in found], code) == (["a", "b"], 0)


@pytest.mark.parametrize(
    ("line", "id_", "problem"),
    [
        (b"{", 2, "is no JSON"),
        (b'{"id": 5, "text": "x"', 2, "is no JSON"),
        (b"NaN", 2, "is no JSON"),
        (b'{"id": NaN, "text": "x"}', 2, "is no JSON"),
        (b'{"id": 1e999, "text": "x"}', 2, "is no JSON"),
        (b'{"id": ' + b"9" * 5000 + b', "text": "x"}', 2, "is no JSON"),
        (b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b', "text": "x"}', 2, "is no JSON"),
        (b'{"id": 5, "text": "caf\xe9"}', 2, "is not UTF-8"),
        (b'{"id": 5, "text": "\xed\xa0\x80"}', 2, "is not UTF-8"),
        (b"[]", 2, 'is no JSON object: {"id", "title", "text"}'),
        (b'"paspor"', 2, 'is no JSON object: {"id", "title", "text"}'),
        (b"null", 2, 'is no JSON object: {"id", "title", "text"}'),
        (b'{"id": 5, "text": 12}', 5, "'text' is no text"),
        (b'{"id": 5, "text": "x", "title": ["x"]}', 5, "'title' is no text"),
        (b'{"id": 5, "title": null, "text": ""}', 5, "has neither title nor text"),
        (b'{"id": 5, "title": " \\n", "text": "\\u00a0"}', 5, "has neither title nor text"),
        (b'{"id": 5}', 5, "has neither title nor text"),
        (b'{"id": 5, "text": "' + b"x" * _LONGEST_LINE + b'"}', 2, f"is longer than {_LONGEST_LINE} bytes"),
        (b" " * (3 * _LONGEST_LINE) + b"{}", 2, f"is longer than {_LONGEST_LINE} bytes"),
    ],
    ids=range(19),
)
def test_a_line_that_cannot_be_read_is_answered_by_what_is_wrong_and_the_others_go_on(
    answer: Answer, line: bytes, id_: int, problem: str
) -> None:
    good = json.dumps({"id": "good", "text": PASPOR}).encode()
    found, code = answer(b"\n".join([good, line, good, b""]))
    assert code == 4
    assert [item["id"] for item in found] == ["good", id_, "good"]
    assert found[1] == {"id": id_, "problem": f"line 2: {problem}"}
    assert found[0] == found[2]
    assert "unit" in found[0]


def test_what_is_wrong_is_told_without_quoting_the_text(answer: Answer) -> None:
    ((line,), _) = answer(b'{"text": "NIK 5371014101900001\n')
    assert line == {"id": 1, "problem": "line 1: is no JSON"}


@pytest.mark.parametrize(
    "text",
    [
        "paspor " * 100_000,
        "paspor" + "x" * 900_000,
        "paspor" + "\x00" * 1000,
        "\x00\x01\x1b[2J\x7f\u202e paspor \u2028\u2029\ufeff\uffff",
        "paspor 👩‍👩‍👧‍👦 " * 500,
        "p\u0301" * 5000 + " paspor",
        "ＰＡＳＰＯＲ 𝓹𝓪𝓼𝓹𝓸𝓻",
        "٣٤٥ पासपोर्ट 护照",
        "\ud800 paspor \udfff",
    ],
    ids=range(9),
)
def test_any_text_is_answered(answer: Answer, text: str) -> None:
    found, code = answer([{"id": "odd", "title": text[:300], "text": text}, {"id": "next", "text": PASPOR}])
    assert ([line["id"] for line in found], code) == (["odd", "next"], 0)
    assert all(list(line) == KEYS for line in found)


def test_fields_that_are_not_asked_for_are_ignored(answer: Answer) -> None:
    ((bare, more), code) = answer([{"id": 1, "text": PASPOR}, {"id": 1, "text": PASPOR, "unit": "ki", "label": {"a": 1}}])
    assert (bare, code) == (more, 0)


@given(st.lists(st.binary(max_size=80).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=6))
def test_every_line_of_any_bytes_is_answered_or_blank(lines: list[bytes]) -> None:
    numbered = list(_lines(io.BytesIO(b"".join(lines))))
    stripped = [line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line for number, line in enumerate(lines, start=1)]
    assert numbered == [(number, line) for number, line in enumerate(stripped, start=1) if line.strip()]
    for _, line in numbered:
        given_, problem = _read(line)
        assert problem or isinstance(given_.get("text") or given_.get("title"), str)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "title", "text", "x"]), inner, max_size=4),
    max_leaves=8,
)


@given(_JSON)
def test_any_json_is_judged_or_refused_and_its_answer_is_json(judge: Judge, value: Any) -> None:
    given_, problem = _read(json.dumps(value).encode())
    if problem:
        written = json.dumps({"id": given_.get("id", 1), "problem": problem}, allow_nan=False)
    else:
        found = classify(judge, DIRECTORY, given_.get("title") or "", given_.get("text") or "")
        written = json.dumps(found.to_line(given_.get("id", 1)), allow_nan=False)
        assert _sentence(given_.get("id", 1), found).isprintable()
    assert json.loads(written)["id"] == given_.get("id", 1)
    assert written.isascii()
    assert written.isprintable()


def run(*words: str, stdin: bytes = b"", **more: Any) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([sys.executable, "-m", "services.cli", *words], input=stdin, capture_output=True, check=False, **more)


def test_a_rule_set_that_is_not_there_ends_it_in_one_line(tmp_path: Path) -> None:
    done = run("classify", "--jsonl", "--rules", str(tmp_path / "none"), stdin=b'{"text": "paspor"}\n')
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"error: the rule set in {tmp_path / 'none'} is refused: rules.toml: No such file or directory\n"


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ("/dev/zero", "rules.toml: is no file"),
        ("pipe", "rules.toml: is no file"),
        ("huge", "a rule set is larger than 60000000 bytes"),
        ("folder", "rules.toml: is no file"),
        ("binary", "rules.toml: "),
    ],
)
def test_what_is_no_rule_set_is_refused_before_it_is_read(tmp_path: Path, given_: str, told: str) -> None:
    from services.router.rules import PACKAGED
    from services.router.ruleset import FILES

    for name in FILES:
        (tmp_path / name).symlink_to(PACKAGED / name)  # as a mounted configuration is
    rules = tmp_path / "rules.toml"
    rules.unlink()
    if given_.startswith("/"):
        rules.symlink_to(given_)
    elif given_ == "pipe":
        os.mkfifo(rules)
    elif given_ == "folder":
        rules.mkdir()
    elif given_ == "huge":
        with rules.open("wb") as file:
            file.truncate(10**12)
    else:
        rules.write_bytes(b'version = "\xff\x1b]0;x\x07"')
    with pytest.raises(CommandError, match="is refused") as refused:
        services.commands.router.load(tmp_path)
    assert f"the rule set in {tmp_path} is refused: {told}" in str(refused.value)
    assert str(refused.value).isprintable()


def test_on_any_locale_the_answer_is_ascii_and_on_a_terminal_nobody_else_commands_it() -> None:
    line = json.dumps({"id": "\x1b]0;owned\x07\u009b2J", "text": f"{PASPOR} \x1b[2J"}).encode() + b"\n"
    environ = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run("classify", stdin=line, env=environ)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["id"] == "\x1b]0;owned\x07\u009b2J"
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout

    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "services.cli", "classify"], stdin=subprocess.PIPE, stdout=theirs) as process:
        process.communicate(line)
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"imigrasi" in shown
    assert not any(byte < 0x20 and byte not in b"\r\n" for byte in shown)


def test_whoever_reads_no_further_ends_it_quietly() -> None:
    command = f"{sys.executable} -m services.cli classify --jsonl | head -n 1"
    lines = json.dumps({"id": 1, "text": PASPOR}).encode() + b"\n"
    done = subprocess.run(["bash", "-c", command], input=lines * 3000, capture_output=True, check=False)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, b"")
