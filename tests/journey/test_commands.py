"""The operators' command line as typed: real processes against a real stack that `jalur up --detach` started."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from openpyxl import load_workbook

from deploy.local import state
from deploy.local.sample_export import write_sample_export

ROOT = Path(__file__).parents[2]
EXPORTED_AT = datetime(2026, 11, 20, 9, 0, tzinfo=timezone(timedelta(hours=7)))
REPORT = {"title": "Paspor belum jadi", "text": "Paspor saya belum jadi di kantor imigrasi Kupang sejak tiga minggu lalu."}
PATIENCE_SECONDS = 40.0


class Jalur:
    """The command line on one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")}
        self.environment = {**inherited, "JALUR_DATA": str(data_dir), "PYTHONPATH": str(ROOT)}

    @property
    def bootstrap(self) -> str:
        found = state.read(self.data_dir / "stack.json")
        assert found is not None
        return str(found.kafka.address)

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", *words], cwd=self.data_dir.parent, env=self.environment | more, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str, exit_code: int = 0, stdin: str = "", **more: str) -> tuple[str, str]:
        """(stdout, stderr) of a command that ends with this code."""
        process = self.start(*words, **more)
        try:
            output, errors = process.communicate(stdin, timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == exit_code, f"jalur {' '.join(words)}: {process.returncode}\n{output}\n{errors}"
        return output, errors

    def json(self, *words: str, **more: Any) -> Any:
        return json.loads(self.run(*words, "--json", **more)[0])

    def lines(self, *words: str, **more: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """(results, summary) of a command that works through a file."""
        *results, last = map(json.loads, self.run(*words, "--json", **more)[0].splitlines())
        return results, last["summary"]

    def errors(self, *words: str) -> str:
        """What a command says on stderr, however it ends."""
        return self.start(*words).communicate(timeout=120)[1]

    def error(self, *words: str, exit_code: int = 1, **more: Any) -> str:
        """The one line on stderr of a command that fails."""
        output, errors = self.run(*words, exit_code=exit_code, **more)
        assert output == ""
        assert errors.startswith("error: ")
        assert errors.count("\n") == 1
        return errors


@pytest.fixture(scope="module")
def jalur(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jalur]:
    command = Jalur(tmp_path_factory.mktemp("commands") / "data")
    command.run("up", "--detach", "--settable-clock")
    yield command
    command.run("down")


@pytest.fixture(scope="module")
def key(jalur: Jalur) -> str:
    return str(jalur.json("keys", "add", "source:lapor")["key"])


def eventually(what: str, look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
    return found


def produce(jalur: Jalur, topic: str, *records: tuple[bytes | None, bytes, list[tuple[str, bytes]]]) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=jalur.bootstrap)
        await producer.start()
        try:
            await asyncio.gather(*[await producer.send(topic, value, key=key, headers=headers) for key, value, headers in records])
        finally:
            await producer.stop()

    asyncio.run(send())


def write_lines(path: Path, *reports: dict[str, Any] | str) -> str:
    path.write_text("".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in reports))
    return str(path)


# -- breakers: first, because they open only where half of what came within a minute cannot be read -----------------------------


def test_a_service_that_stopped_reading_is_resumed(jalur: Jalur) -> None:
    assert jalur.json("resume", "intake") == {"service": "intake", "closed": []}
    produce(jalur, "complaints.status", *((uuid4().bytes, b"junk", []) for _ in range(200)))
    closed = eventually("the breaker opened", lambda: jalur.json("resume", "intake")["closed"])
    assert closed == ["status"]
    jalur.error("resume", "clerk", exit_code=2)


# -- keys ----------------------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_listed_without_its_secret_and_refused_after_it_was_revoked(jalur: Jalur, tmp_path: Path) -> None:
    made = jalur.json("keys", "add", "source:loket")
    assert (made["role"], made["subject"]) == ("source", "loket")
    file = write_lines(tmp_path / "one.jsonl", REPORT)
    jalur.run("send", file, "--key", made["key"])
    listed = jalur.run("keys", "list", "--json")[0]
    short = made["key"].split("_")[1]
    (row,) = [row for row in json.loads(listed) if row["id"] == short]
    assert row["revoked_at"] is None
    assert made["key"].split("_")[2] not in listed

    assert jalur.json("keys", "revoke", made["key"])["id"] == short
    refused = eventually("the revoked key is refused", lambda: jalur.errors("send", file, "--key", made["key"]))
    assert refused == "error: intake refused: Key refused: Authorization: the key is unknown or was revoked (401)\n"
    assert "no key has the id 000000000000" in jalur.error("keys", "revoke", "000000000000")


def test_a_rotated_key_and_its_successor_are_both_good_and_the_list_says_until_when(jalur: Jalur, tmp_path: Path) -> None:
    made = jalur.json("keys", "add", "source:loket", "--expires", "90d")
    new = jalur.json("keys", "rotate", made["key"], "--overlap", "24h", "--expires", "2099-12-31")
    assert (new["role"], new["subject"], new["replaces"]) == ("source", "loket", made["key"].split("_")[1])
    assert new["expires_at"] == "2099-12-31T17:00:00+00:00", "the last day is a day in Jakarta"
    for number, key in enumerate((made["key"], new["key"])):
        jalur.run("send", write_lines(tmp_path / f"{number}.jsonl", REPORT), "--key", key)
    rows = {row["id"]: row for row in json.loads(jalur.run("keys", "list", "--json")[0])}
    old = rows[new["replaces"]]
    assert old["replaced_by"] == new["key"].split("_")[1]
    assert old["expires_at"] == new["old_expires_at"] < made["expires_at"]
    assert "2099-12-31T17:00Z" in jalur.run("keys", "list")[0]
    assert "rotate that one" in jalur.error("keys", "rotate", made["key"])
    for words in (["keys", "add", "triage", "--expires", "2001-01-01"], ["keys", "rotate", new["key"], "--overlap", "soon"]):
        jalur.error(*words, exit_code=2)


def test_the_key_alone_goes_to_stdout(jalur: Jalur) -> None:
    output, errors = jalur.run("keys", "add", "triage")
    assert output.strip().startswith("jalur_")
    assert len(output.split()) == 1
    assert "shown this one time" in errors


@pytest.mark.parametrize("role", ["minister", "unit:kanwil"])
def test_a_role_that_does_not_exist_is_refused(jalur: Jalur, role: str) -> None:
    assert role.removeprefix("unit:") in jalur.error("keys", "add", role, exit_code=2)


# -- import --------------------------------------------------------------------------------------------------------------------


def test_an_export_is_imported_again_and_newer_and_older(jalur: Jalur, key: str, tmp_path: Path) -> None:
    first, newer = tmp_path / "first.xlsx", tmp_path / "newer.xlsx"
    write_sample_export(first, EXPORTED_AT)
    write_sample_export(newer, EXPORTED_AT + timedelta(hours=3), day=EXPORTED_AT.date(), newer=True)

    def imported(file: Path) -> tuple[Counter[str], dict[str, dict[str, Any]]]:
        rows, summary = jalur.lines("import", str(file), exit_code=4, JALUR_KEY=key)
        outcomes = Counter(row["outcome"] for row in rows)
        assert {name: count for name, count in summary.items() if name in outcomes} == dict(outcomes)
        return outcomes, {row["source_ref"]: row for row in rows}

    outcomes, rows = imported(first)
    assert outcomes == {"new": 8, "history": 2, "refused": 1}
    assert rows["7000090"]["outcome"] == "history"
    assert "empty" in next(row["reason"] for row in rows.values() if row["outcome"] == "refused")
    ids = {reference: row["id"] for reference, row in rows.items() if "id" in row}

    assert imported(first)[0] == {"same": 10, "refused": 1}
    outcomes, rows = imported(newer)
    assert outcomes == {"changed": 2, "same": 8, "new": 1, "refused": 1}
    assert rows["7000101"]["changes"] == ["closed"]
    assert {reference: row["id"] for reference, row in rows.items() if reference in ids} == ids
    outcomes, rows = imported(first)
    assert outcomes == {"older": 2, "same": 8, "refused": 1}


def test_without_a_date_in_the_sheet_the_files_own_is_taken_and_said(jalur: Jalur, key: str, tmp_path: Path) -> None:
    content, file = BytesIO(), tmp_path / "undated.xlsx"
    write_sample_export(content, EXPORTED_AT)
    workbook = load_workbook(content)
    workbook.worksheets[0].cell(3, 1).value = "Rekapitulasi"
    workbook.save(file)
    os.utime(file, (1_790_000_000, 1_790_000_000))
    output, errors = jalur.run("import", str(file), "--key", key, "--json", exit_code=4)
    summary = json.loads(output.splitlines()[-1])["summary"]
    assert (summary["exported_at"], summary["exported_at_from"]) == ("2026-09-21T14:13:20+00:00", "file")
    assert "modification time is taken" in errors


def test_a_foreign_file_and_a_missing_one_are_told_in_a_line(jalur: Jalur, key: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.xlsx").write_bytes(b"PK\x03\x04 nothing of the kind")
    assert "thesis.xlsx" in jalur.error("import", str(tmp_path / "thesis.xlsx"), "--key", key)
    assert "No such file" in jalur.error("import", str(tmp_path / "none.xlsx"), "--key", key)
    assert "jalur keys add source:lapor" in jalur.error("import", str(tmp_path / "thesis.xlsx"), exit_code=2)


# -- send ----------------------------------------------------------------------------------------------------------------------


def test_a_file_sent_twice_doubles_nothing_and_a_bad_line_spoils_none(jalur: Jalur, key: str, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "reports.jsonl", REPORT, "", {"title": "no text"}, REPORT, "{")
    results, summary = jalur.lines("send", file, "--key", key, exit_code=4)
    assert {result["line"]: "id" in result for result in results} == {1: True, 3: False, 4: True, 5: False}
    assert (summary["taken"], summary["refused"]) == (2, 2)
    assert next(result for result in results if result["line"] == 3)["problem"]["detail"] == "text: is required"
    assert len({result["id"] for result in results if "id" in result}) == 2, "the same text twice in a file is two reports"

    again, _ = jalur.lines("send", "-", "--key", key, exit_code=4, stdin=Path(file).read_text())
    assert again == results


def test_sending_outlasts_an_intake_that_is_killed(jalur: Jalur, key: str, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "many.jsonl", *({**REPORT, "text": f"Paspor nomor antrean {n} belum jadi"} for n in range(450)))
    os.kill(jalur.json("status", exit_code=0)["intake"]["pid"], signal.SIGKILL)
    results, summary = jalur.lines("send", file, "--key", key)
    assert [result["line"] for result in results] == list(range(1, 451))
    assert summary["taken"] == 450
    assert jalur.lines("send", file, "--key", key)[0] == results


# -- topics --------------------------------------------------------------------------------------------------------------------


def test_the_topics_are_there_as_they_should_be_and_applying_them_again_changes_nothing(jalur: Jalur) -> None:
    listed = jalur.json("topics", "list")
    assert len(listed) > 40
    assert all(topic["exists"] and topic["differs"] == [] for topic in listed)
    assert jalur.json("topics", "apply") == {"created": []}


def test_another_installations_topics_are_missing_until_applied(jalur: Jalur) -> None:
    mine: dict[str, Any] = {"JALUR_NAMESPACE": "second"}
    assert "missing" in jalur.run("topics", "list", **mine)[0]
    created = jalur.json("topics", "apply", **mine)["created"]
    assert all(name.startswith("second.") for name in created)
    assert all(topic["exists"] for topic in jalur.json("topics", "list", **mine))


# -- tail ----------------------------------------------------------------------------------------------------------------------


def followed(stream: IO[str], complaint_id: str) -> str:
    """The line about a complaint, among what else arrives."""
    return next(line for line in stream if complaint_id in line)


def interrupted(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_tail_shows_what_arrives_from_now_on_without_its_text(jalur: Jalur, key: str, tmp_path: Path) -> None:
    tails = [jalur.start("tail", "imigrasi", "--json"), jalur.start("tail")]
    try:
        for tail in tails:
            assert tail.stderr is not None
            assert "following" in tail.stderr.readline()
        (sent,), _ = jalur.lines("send", write_lines(tmp_path / "one.jsonl", {**REPORT, "source_ref": "8100001"}), "--key", key)
        assert tails[0].stdout is not None
        assert tails[1].stdout is not None
        record = json.loads(followed(tails[0].stdout, sent["id"]))
        assert record["topic"] == "complaints.routed.imigrasi"
        assert record["type"] == "id.jalur.complaint.routed.v1"
        assert not {"title", "text"} & record["payload"].keys()
        line = followed(tails[1].stdout, sent["id"])
        assert "imigrasi" in line
        assert "lapor 8100001" in line
        assert REPORT["title"] not in line
        for tail in tails:
            interrupted(tail)
    finally:
        for tail in tails:
            with suppress(ProcessLookupError):
                tail.kill()
            tail.communicate()


def test_tail_from_the_start_shows_what_was_there_and_the_text_where_it_is_asked_for(jalur: Jalur, key: str, tmp_path: Path) -> None:
    (sent,), _ = jalur.lines("send", write_lines(tmp_path / "one.jsonl", {**REPORT, "source_ref": "8100002"}), "--key", key)
    tail = jalur.start("tail", "imigrasi", "--from-start", "--text", "--json")
    try:
        assert tail.stdout is not None
        assert json.loads(followed(tail.stdout, sent["id"]))["payload"]["text"] == REPORT["text"]
    finally:
        tail.kill()
        tail.communicate()
    jalur.error("tail", "kejaksaan", exit_code=2)


# -- dead letters ----------------------------------------------------------------------------------------------------------------


def test_a_dead_letter_is_listed_shown_and_sent_again_as_it_was(jalur: Jalur) -> None:
    complaint_id = uuid4()
    produce(jalur, "complaints.updates.ahu", (complaint_id.bytes, b'{"status": "answered"}', [("x-request-id", b"r-1")]))

    def letters() -> list[dict[str, Any]]:
        return [letter for letter in jalur.json("dead", "list", "notifier") if letter["complaint_id"] == str(complaint_id)]

    (letter,) = eventually("the record is a dead letter", letters)
    assert (letter["reason"], letter["origin"]["topic"]) == ("not_our_schema", "complaints.updates.ahu")
    shown = jalur.json("dead", "show", "notifier", letter["at"])
    assert (shown["value"], shown["headers"]) == ('{"status": "answered"}', [["x-request-id", "r-1"]])

    would = jalur.json("dead", "replay", "notifier", letter["at"], "--dry-run")
    assert would == {"sent": 0, "would_send": 1, "put_back_before": [], "died_again": {}, "cannot_be_sent": []}
    assert "--yes" in jalur.error("dead", "replay", "notifier", "--all", "--json", exit_code=2)
    assert len(letters()) == 1
    assert jalur.json("dead", "replay", "notifier", letter["at"], "--yes")["sent"] == 1
    again = eventually("the record was read again, and is dead again", lambda: letters()[1:])[0]
    assert jalur.json("dead", "show", "notifier", again["at"])["value"] == shown["value"]
    assert again["origin"]["offset"] != letter["origin"]["offset"]
    assert (again["deaths"], again["died_after"]["letter"]) == (2, letter["at"])
    assert jalur.json("dead", "replay", "notifier", letter["at"], "--yes")["died_again"] == {letter["at"]: again["at"]}
    jalur.error("dead", "show", "notifier", "0:999999")


def test_a_letter_that_names_no_topic_of_ours_goes_nowhere(jalur: Jalur) -> None:
    produce(jalur, "dlq.router", (UUID(int=1).bytes, b"x", [("x-origin-topic", b"somebody.elses")]))
    answer = jalur.json("dead", "replay", "router", "--all", "--yes", exit_code=4)
    assert answer["sent"] == 0
    assert len(answer["cannot_be_sent"]) == 1


# -- what goes wrong -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["keys", "list"], ["tail"]])
def test_without_a_stack_a_command_says_so_in_a_line(jalur: Jalur, tmp_path: Path, words: list[str]) -> None:
    assert "nothing runs in" in jalur.error(*words, "--data-dir", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("words", "away"),
    [
        (["keys", "list"], {"JALUR_POSTGRES": "postgresql://jalur:hidden@127.0.0.1:1/jalur"}),
        (["topics", "list"], {"JALUR_KAFKA": "127.0.0.1:1"}),
        (["topics", "apply"], {"JALUR_KAFKA": "127.0.0.1:1"}),
        (["dead", "list", "router"], {"JALUR_KAFKA": "127.0.0.1:1"}),
    ],
)
def test_a_server_that_is_away_is_told_in_a_line_without_its_password(
    jalur: Jalur, tmp_path: Path, words: list[str], away: dict[str, Any]
) -> None:
    assert "hidden" not in jalur.error(*words, "--data-dir", str(tmp_path / "none"), **away)
