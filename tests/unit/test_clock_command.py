"""`jalur clock`: due dates for other systems, line by line, and the days of a period for a person."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from services.cli import app

LINE = {"id": 1, "amount": 5, "unit": "wd", "start": "2026-03-12T09:00:00+07:00", "zone": "Asia/Jakarta"}
DUE = "2026-03-26T09:00:00Z"


def ask(lines: list[Any] | bytes) -> tuple[list[dict[str, Any]], int]:
    written = lines if isinstance(lines, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    done = CliRunner().invoke(app, ["clock", "due", "--jsonl"], input=written)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return [json.loads(line) for line in done.stdout.splitlines()], done.exit_code


def explain(*words: str) -> Result:
    return CliRunner().invoke(app, ["clock", "explain", *words])


def test_each_line_is_answered_in_order_in_utc() -> None:
    answers, code = ask(
        [
            LINE,
            LINE | {"id": "b", "unit": "cd", "zone": "Asia/Jayapura"},
            LINE | {"id": None, "unit": "h", "amount": 72, "start": "2026-03-12t02:00:00.25z"},
            LINE | {"id": [4], "pauses": [["2026-03-26T16:00:00+07:00", "2026-03-26T16:00:01+07:00"]]},
            LINE | {"id": 5, "pauses": [["2026-03-13T09:00:00+07:00", None]], "province": None, "desk": None},
            LINE | {"id": 6, "pauses": None},
        ]
    )
    assert code == 0
    assert answers == [
        {"id": 1, "due_at": DUE},
        {"id": "b", "due_at": "2026-03-17T14:59:59Z"},
        {"id": None, "due_at": "2026-03-15T02:00:00.250000Z"},
        {"id": [4], "due_at": "2026-03-27T09:30:00Z"},
        {"id": 5, "due_at": None},
        {"id": 6, "due_at": DUE},
    ]


def test_a_place_may_be_named_by_code_or_name_and_by_its_desk() -> None:
    places = [{"province": "51"}, {"province": "Provinsi Bali"}, {"desk": "kanim:denpasar"}]
    answers, code = ask([LINE | place for place in places])
    assert (answers, code) == ([{"id": 1, "due_at": DUE}] * 3, 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"amount": 0}, "'amount' is no whole number from 1 on"),
        ({"amount": True}, "'amount' is no whole number from 1 on"),
        ({"amount": 5.0}, "'amount' is no whole number from 1 on"),
        ({"amount": 10**9}, "outside the working calendar"),
        ({"amount": 10**40, "unit": "h"}, "ends beyond every calendar"),
        ({"unit": "d"}, "'unit' is none of wd, cd, h"),
        ({"unit": ["wd"]}, "'unit' is none of wd, cd, h"),
        ({"start": None}, "'start' is no instant with an offset"),
        ({"start": "2026-03-12T09:00:00"}, "'start' is no instant with an offset"),
        ({"start": "2026-03-12"}, "'start' is no instant with an offset"),
        ({"start": "2026-02-30T09:00:00Z"}, "'start' is no instant: day is out of range"),
        ({"start": "1999-03-12T09:00:00Z"}, "covers the years 2015 to 2045"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "outside every calendar"),
        ({"zone": "Asia/Kupang"}, "'zone' is no IANA name"),
        ({"zone": "Asia"}, "'zone' is no IANA name"),
        ({"zone": "../Asia/Jakarta"}, "'zone' is no IANA name"),
        ({"zone": "\x00"}, "'zone' is no IANA name"),
        ({"zone": None}, "'zone' is no IANA name"),
        ({"pauses": {}}, "'pauses' is no list of [from, to]"),
        ({"pauses": [["2026-03-12T09:00:00Z"]]}, "'pauses' is no list of [from, to]"),
        ({"pauses": [[None, None]]}, "a pause's 'from' is no instant"),
        ({"pauses": [["2026-03-12T09:00:00Z", "soon"]]}, "a pause's 'to' is no instant"),
        ({"pauses": [["2026-03-12T09:00:00Z", "2026-03-12T08:59:59Z"]]}, "a pause ends before it begins"),
        ({"pause": []}, "a field that means nothing here: 'pause'"),
        ({"province": "Atlantis"}, "no such province"),
        ({"province": 51}, "no such province"),
        ({"desk": "Kupang"}, "a desk is written as kanim:kupang"),
    ],
)
def test_a_bad_line_is_answered_in_its_place_and_the_others_go_on(wrong: dict[str, Any], told: str) -> None:
    (first, bad, last), code = ask([LINE, LINE | {"id": "x"} | wrong, LINE])
    assert first == last == {"id": 1, "due_at": DUE}
    assert list(bad) == ["id", "error"]
    assert bad["id"] == "x"
    assert bad["error"].startswith("line 2: ")
    assert told in bad["error"]
    assert code == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"no", "line 1: is no JSON"),
        (b'{"id": 1', "line 1: is no JSON"),
        (b'{"id": NaN}', "line 1: is no JSON"),
        (b'{"id": 1e999}', "line 1: is no JSON"),
        (b"\xff", "line 1: is not UTF-8"),
        (b"[" * 100_000, "line 1: is no JSON"),
        (b'"' + b"x" * 1_000_001 + b'"', "line 1: is longer than 1000000 bytes"),
        (b"[1]", 'line 1: is no JSON object: {"id", "amount", "unit", "start", "zone"}'),
        (b"{}", "line 1: 'amount' is no whole number from 1 on"),
    ],
)
def test_what_is_no_line_at_all_is_answered_without_an_id(line: bytes, told: str) -> None:
    answers, code = ask(line + b"\n" + json.dumps(LINE).encode())
    assert answers == [{"id": None, "error": told}, {"id": 1, "due_at": DUE}]
    assert code == 1


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), st.lists, max_leaves=4)


_WRONG = st.dictionaries(st.sampled_from([*LINE, "pauses", "province", "desk"]), _JSON, min_size=1)


@settings(deadline=None, max_examples=20)
@given(st.lists(_WRONG, min_size=5, max_size=20))
def test_any_json_is_answered_by_one_line_of_json(wrong: list[dict[str, Any]]) -> None:
    answers, code = ask([*(LINE | line for line in wrong), LINE])
    assert len(answers) == len(wrong) + 1
    assert answers[-1] == {"id": 1, "due_at": DUE}
    assert code == int(any("error" in answer for answer in answers))


def test_answers_come_while_the_input_is_still_open() -> None:
    words = [sys.executable, "-m", "services.cli", "clock", "due", "--jsonl"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdin is not None and process.stdout is not None
        for id_ in range(3):
            process.stdin.write(json.dumps(LINE | {"id": id_}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == {"id": id_, "due_at": DUE}
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def table_rows(shown: str) -> Iterator[list[str]]:
    for line in shown.splitlines()[2:]:
        if line.startswith(" "):
            yield line.split(maxsplit=4)


def test_a_period_is_explained_day_by_day() -> None:
    done = explain(
        "--amount", "3", "--start", "2026-03-16T09:00:00+07:00", "--pause", "2026-03-17T09:00:00+07:00/2026-03-17T15:00:01+07:00"
    )
    assert done.exit_code == 0, done.output
    first, *_, due, calendar = done.stdout.splitlines()
    assert first == "3 wd from Mon 16 Mar 2026 09:00 WIB"
    rows = [(row[0], row[1], row[4].strip()) for row in table_rows(done.stdout)]
    assert rows[:4] == [
        ("Mon", "16", "start day"),
        ("Tue", "17", "15:00  paused"),
        ("Wed", "18", "joint leave"),
        ("Thu", "19", "public holiday"),
    ]
    assert rows[-1] == ("Fri", "27", "16:30  counted 3 of 3")
    assert len(rows) == 12
    assert due == "due Fri 27 Mar 2026 16:30 WIB, 2026-03-27T09:30:00Z"
    assert calendar.startswith("by the calendar of ")
    assert "provisional" not in calendar


def test_a_pause_without_end_and_hours_are_explained_too() -> None:
    words = ["--unit", "h", "--amount", "72", "--start", "2024-07-12T22:30:00+07:00"]
    open_ended = explain(*words, "--pause", "2024-07-13T12:00:00+07:00/")
    assert open_ended.exit_code == 0
    assert "no due date: a pause without end comes first" in open_ended.stdout
    assert "24:00  counted 1:30, 1:30 of 72:00 h" in open_ended.stdout
    assert "due Mon 15 Jul 2024 22:30 WIB" in explain(*words).stdout


def test_scripts_get_the_same_as_json_and_the_zone_is_that_of_the_place() -> None:
    done = explain("--amount", "1", "--start", "2028-03-09T09:00:00+07:00", "--province", "Papua", "--json")
    told = json.loads(done.stdout)
    assert told.pop("calendar")
    assert told == {
        "due_at": "2028-03-10T07:30:00Z",
        "is_provisional": True,
        "zone": "Asia/Jayapura",
        "days": [
            {"on": "2028-03-09", "at": "2028-03-09T07:00:00Z", "is_counted": False, "why": "start day"},
            {"on": "2028-03-10", "at": "2028-03-10T07:30:00Z", "is_counted": True, "why": "counted 1 of 1"},
        ],
    }
    assert "; provisional" in explain("--amount", "1", "--start", "2028-03-09T09:00:00+07:00").stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--amount", "5", "--start", "yesterday"],
        ["--amount", "5", "--start", "1999-03-12T09:00:00Z"],
        ["--amount", "0", "--start", "2026-03-12T09:00:00Z"],
        ["--amount", "5", "--start", "2026-03-12T09:00:00Z", "--unit", "d"],
        ["--amount", "5", "--start", "2026-03-12T09:00:00Z", "--zone", "Asia"],
        ["--amount", "5", "--start", "2026-03-12T09:00:00Z", "--province", "Atlantis"],
        ["--amount", "5", "--start", "2026-03-12T09:00:00Z", "--pause", "2026-03-12T09:00:00Z/2026-03-11T09:00:00Z"],
        ["--amount", "5"],
    ],
)
def test_options_that_cannot_be_read_are_wrong_usage(words: list[str]) -> None:
    done = explain(*words)
    assert getattr(done.exception, "exit_code", done.exit_code) == 2
    assert done.stdout == ""
