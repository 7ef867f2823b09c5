"""`jalur router diff`, `activate` and `export-feedback`: what a person asks of the decision log, and the one thing a person may change."""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.local.postgres import RunningPostgres
from services.router import store
from services.router.domain import Practice, decide
from services.router.publication import LoggedDecision
from services.router.rule_sets import RuleKeeper, read_set, unpack
from services.router.ruleset import FILES, load_judge, read_folder
from services.router.training.corpus import read_corpus
from shared.events import ComplaintReceived, RerouteRequested
from shared.postgres import open_pool
from tests.facts import received
from tests.integration.test_router_rule_sets import DIRECTORY, doubting, named, version_of
from tests.judges import WordJudge
from tests.world import World

PASPOR = "Paspor saya belum jadi di Kanim Kupang sudah sebulan."
JUDGE = WordJudge(
    "first",
    {
        "pungli": {"is_oversight": True},
        "anak saya sakit": {"imigrasi": 0.9, "special_data": ("child", "health")},
        "paspor": {"imigrasi": 0.9},
    },
)


@dataclass(frozen=True)
class Ran:
    code: int | None
    out: str
    error: str


async def jalur(dsn: str, *words: str) -> Ran:
    """The command as a person types it, with nothing but the database named."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "router", *words, "--data-dir", "no-stack-here",
        env=known | {"JALUR_POSTGRES": dsn}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate()
    return Ran(process.returncode, out.decode(), error.decode())


async def log(world: World, *reports: ComplaintReceived) -> None:
    """As the router would have decided them, one a minute."""
    now = await world.now()
    offered = []
    for number, report in enumerate(reports):
        taken = decide(report, JUDGE.judge(report), DIRECTORY, Practice("kemenkumham", JUDGE.thresholds.of, JUDGE.notice))
        decision = report.decision if isinstance(report, RerouteRequested) else 0
        at = now - timedelta(minutes=len(reports) - number)
        offered.append(
            (LoggedDecision(uuid4(), report.complaint_id, decision, at, "first", report.to_json(), taken.to_json(), None), taken)
        )
    async with world.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL search_path TO router, jalur")
        await store.record_decisions(connection, offered)


def about(text: str = PASPOR, complaint_id: UUID | None = None, **known: Any) -> ComplaintReceived:
    return received(complaint_id or uuid4(), title="Paspor", text=text, **known)


def asked(report: ComplaintReceived, number: int = 1, **known: Any) -> RerouteRequested:
    fields = {"decision": number, "replaces": [f"{number - 1}/0"], "cause": "ordered", "by": "triage"} | known
    return RerouteRequested.model_validate(report.model_dump(by_alias=True) | fields)


def written(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


async def activated(world: World) -> list[dict[str, Any]]:
    return [dict(row) for row in await world.db.fetch("SELECT * FROM router.rule_sets ORDER BY number")]


async def decisions(world: World) -> list[asyncpg.Record]:
    return await world.db.fetch("SELECT * FROM router.decisions ORDER BY causing_id")


async def test_diff_shows_who_would_move_and_changes_nothing(world: World, tmp_path: Path) -> None:
    cases = [uuid4() for _ in range(3)]
    await log(world, *(about(complaint_id=case) for case in cases))
    before = await decisions(world)
    candidate = str(written(tmp_path / "candidate", doubting("doubting")))
    version = version_of(doubting("doubting"))

    shown = await jalur(world.dsn, "diff", "--candidate", candidate)
    assert (shown.code, shown.error) == (0, "")
    first, head, *table = shown.out.splitlines()
    assert first == f"{version}: 3 of 3 decisions would move (100.0%)"
    assert (head.split(), [line.split() for line in table]) == (["from", "to", "decisions"], [["imigrasi", "triage", "3"]])

    machine = await jalur(world.dsn, "diff", "--candidate", candidate, "--json")
    assert (machine.code, machine.error) == (0, "")
    found = json.loads(machine.out)
    assert {name: found[name] for name in found if name != "moves"} == {"candidate": version, "judged": 3, "share": 1.0}
    assert {move["complaint_id"] for move in found["moves"]} == {str(case) for case in cases}
    for move in found["moves"]:
        assert set(move) == {"complaint_id", "before", "after", "confidence"}
        assert (move["before"], move["after"]) == ("imigrasi", "triage")
        assert 0.5 < move["confidence"] <= 1
    assert PASPOR not in machine.out + shown.out

    assert await decisions(world) == before
    assert await activated(world) == []


async def test_diff_asks_the_newest_decisions_that_the_router_took_itself(world: World, tmp_path: Path) -> None:
    old, new, ordered = about(), about(), about()
    by_source: Any = {"disposition": [{"name": "AHU"}]}
    await log(world, old, ordered, new, about(**by_source), about(is_final=True), asked(ordered, order={"unit": "ki"}))
    candidate = str(written(tmp_path / "candidate", doubting("doubting")))
    found = json.loads((await jalur(world.dsn, "diff", "--candidate", candidate, "--last", "1", "--json")).out)
    assert [move["complaint_id"] for move in found["moves"]] == [str(new.complaint_id)]
    found = json.loads((await jalur(world.dsn, "diff", "--candidate", candidate, "--json")).out)
    assert {move["complaint_id"] for move in found["moves"]} == {str(report.complaint_id) for report in (old, new, ordered)}


async def test_activate_is_refused_where_too_much_would_move_until_a_person_confirms(world: World, tmp_path: Path) -> None:
    await log(world, *(about() for _ in range(3)))
    files = doubting("doubting")
    candidate = str(written(tmp_path / "candidate", files))
    refused = await jalur(world.dsn, "activate", "--candidate", candidate)
    assert refused.code == 4
    assert "3 of 3 decisions would move" in refused.out
    assert "in force" not in refused.out
    assert refused.error == "not activated: read who would move (jalur router diff --json), then repeat with --confirm\n"
    assert await activated(world) == []

    confirmed = await jalur(world.dsn, "activate", "--candidate", candidate, "--confirm")
    assert (confirmed.code, confirmed.error) == (0, "")
    version = version_of(files)
    assert confirmed.out.splitlines()[-1] == f"in force on every router within seconds: {version}"
    (row,) = await activated(world)
    assert (row["version"], row["judged"], row["moved"], row["is_confirmed"]) == (version, 3, 3, True)
    assert unpack(row["content"]) == files
    assert read_set(unpack(row["content"]), DIRECTORY).version == version, "what was compared is what is in force"

    pool = await open_pool(world.dsn, service="router")
    keeper = RuleKeeper(load_judge(DIRECTORY), DIRECTORY)
    assert await keeper.follow(pool)
    await pool.close()
    assert (keeper.judge.version, keeper.is_refused) == (version, False)


async def test_what_moves_little_is_activated_at_once_and_the_packaged_set_comes_back_without_a_candidate(
    world: World, tmp_path: Path
) -> None:
    await log(world, *(about() for _ in range(3)))
    candidate = str(written(tmp_path / "candidate", named("renamed")))
    assert (await jalur(world.dsn, "activate", "--candidate", candidate)).code == 0
    back = await jalur(world.dsn, "activate", "--confirm")
    assert (back.code, back.error) == (0, "")
    rows = await activated(world)
    assert [(row["version"], row["content"] is None) for row in rows] == [
        (version_of(named("renamed")), False),
        (load_judge(DIRECTORY).version, True),
    ]
    assert [(row["judged"], row["moved"], row["is_confirmed"]) for row in rows] == [(3, 0, False)] * 2, "nothing needed confirming"


async def test_on_an_empty_log_nothing_moves_and_nothing_is_learned(world: World, tmp_path: Path) -> None:
    candidate = str(written(tmp_path / "candidate", named("renamed")))
    version = version_of(named("renamed"))
    shown = await jalur(world.dsn, "diff", "--candidate", candidate)
    assert (shown.code, shown.out, shown.error) == (0, f"{version}: 0 of 0 decisions would move (0.0%)\n", "")
    machine = await jalur(world.dsn, "diff", "--candidate", candidate, "--json")
    assert json.loads(machine.out) == {"candidate": version, "judged": 0, "share": 0.0, "moves": []}
    assert (await jalur(world.dsn, "activate", "--candidate", candidate)).code == 0
    learned = await jalur(world.dsn, "export-feedback")
    assert (learned.code, learned.out) == (0, "")
    assert learned.error == "0 rows; 0 left out (special data, oversight, or no label yet)\n"


@pytest.mark.parametrize(
    ("command", "wrong", "told"),
    [
        ("activate", "toml", r"units\.toml: .+"),
        ("diff", "none", r"rules\.toml: No such file or directory"),
        ("diff", "file", r"rules\.toml: Not a directory"),
        ("diff", "incomplete", r"flags\.toml: No such file or directory"),
        ("diff", "toml", r"units\.toml: .+"),
        ("diff", "endless", r"agencies\.toml: is no file"),
        ("diff", "model", r"model\.npz: is no model file: \w+"),
        ("diff", "hostile", r"units\.toml: .+"),
    ],
)
async def test_a_candidate_that_cannot_be_read_is_refused_in_one_clear_line(
    world: World, tmp_path: Path, command: str, wrong: str, told: str
) -> None:
    candidate = tmp_path / "candidate"
    if wrong == "file":
        candidate.write_bytes(b"x")
    elif wrong != "none":
        written(candidate, read_folder())
        match wrong:
            case "incomplete":
                (candidate / "flags.toml").unlink()
            case "toml":
                (candidate / "units.toml").write_bytes(b"[imigrasi\n")
            case "endless":
                (candidate / "agencies.toml").unlink()
                (candidate / "agencies.toml").symlink_to("/dev/zero")
            case "model":
                (candidate / "model.npz").write_bytes(b"PK")
            case "hostile":
                (candidate / "units.toml").write_bytes(b'["\\u001b]0;owned\\u0007\\nerror: all is well"]\nweight = 1\n')
    confirm = ["--confirm"] if command == "activate" else []
    done = await jalur(world.dsn, command, "--candidate", str(candidate), *confirm)
    assert (done.code, done.out) == (1, "")
    line = done.error.removesuffix("\n")
    assert re.fullmatch(rf"error: the rule set in {re.escape(str(candidate))} is refused: {told}", line)
    assert line.isprintable()
    assert await activated(world) == []


async def test_links_to_files_are_followed_as_a_mounted_configuration_needs(world: World, tmp_path: Path) -> None:
    files = written(tmp_path / "data", named("linked"))
    candidate = tmp_path / "candidate"
    candidate.mkdir()
    for name in FILES:
        (candidate / name).symlink_to(files / name)
    assert (await jalur(world.dsn, "activate", "--candidate", str(candidate))).code == 0
    (row,) = await activated(world)
    assert unpack(row["content"]) == named("linked")


@pytest.mark.parametrize("last", ["0", "99999999999999999999"])
async def test_a_number_that_makes_no_sense_is_wrong_usage(world: World, tmp_path: Path, last: str) -> None:
    done = await jalur(world.dsn, "diff", "--candidate", str(tmp_path), "--last", last)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"error: .+\n", done.error)


async def test_a_database_without_the_tables_and_one_that_is_away_are_told_in_one_line(postgres: RunningPostgres, tmp_path: Path) -> None:
    candidate = str(written(tmp_path / "candidate", read_folder()))
    for words in (["diff", "--candidate", candidate], ["activate"], ["export-feedback"]):
        done = await jalur(postgres.dsn, *words)
        assert (done.code, done.out) == (1, "")
        assert done.error == "error: the database does not have Jalur's tables yet: start the services first\n"
    away = await jalur("postgresql://jalur:secret@127.0.0.1:1/jalur", "export-feedback")
    assert (away.code, away.out) == (1, "")
    assert re.fullmatch(r"error: PostgreSQL does not answer: \w+\n", away.error)


async def test_feedback_is_what_people_said_without_what_leads_to_anybody(world: World, tmp_path: Path) -> None:
    returned, transferred, unlabelled, undone = about(), about("Kartu keluarga saya"), about(), about()
    accused, told_later, special, whistle = about("Pungli di loket paspor"), about(), about("Paspor, anak saya sakit"), about(service="wbs")
    numbered = about(f"Paspor saya, nomor aduan 5049672, hp (0812) 3456/7890,\nid {UUID(int=7)} \u2028 dan \x9b2J, pasal 27")
    by_source: Any = {"disposition": [{"name": "AHU"}], "location": {"province": "Papua"}, "class": "informasi"}
    disposed = about("Akta PT saya", **by_source)
    reports = [returned, transferred, unlabelled, undone, accused, told_later, special, whistle, numbered, disposed, about()]
    await log(
        world,
        *reports,
        asked(returned, cause="returned", by="unit:imigrasi", refused_units=["imigrasi"]),
        asked(returned, 2, order={"unit": "ki"}, reason="Rahasia"),
        asked(transferred, order={"agency": "Dukcapil"}),
        asked(unlabelled, cause="returned", by="unit:imigrasi", refused_units=["imigrasi"]),
        asked(undone, order={"hold": True}),
        *(asked(report, order={"unit": "ahu"}) for report in (accused, special, whistle, numbered)),
        asked(told_later, order={"unit": "itjen"}),
    )
    out = tmp_path / "feedback.jsonl"
    done = await jalur(world.dsn, "export-feedback", "--out", str(out))
    assert (done.code, done.out) == (0, "")
    assert done.error == "4 rows; 6 left out (special data, oversight, or no label yet)\n"
    content = out.read_bytes()
    rows = {row["x"]: row for row in map(json.loads, content.splitlines())}
    assert {(row["u"], row["c"], row["v"]) for row in rows.values()} == {
        ("ki", "pengaduan", "feedback, human"),
        ("other_agency", "pengaduan", "feedback, human"),
        ("ahu", "pengaduan", "feedback, human"),
        ("ahu", "informasi", "feedback, source"),
    }
    assert set(rows) == {
        PASPOR, "Kartu keluarga saya", "Akta PT saya", "Paspor saya, nomor aduan 0, hp (0,\nid 0 \u2028 dan \x9b2J, pasal 27",
    }  # fmt: skip
    assert all(set(row) == {"id", "t", "x", "u", "c", "v"} for row in rows.values())
    for report in reports:
        assert str(report.complaint_id)[:8].encode() not in content
        assert report.complaint_id.hex[:8].encode() not in content
    assert not re.search(rb"Rahasia|Papua|triage|lapor|\d{7}", re.sub(rb'"id": "f-[0-9a-f]{12}"', b"", content))
    assert content.isascii(), "a line stays one line, and a terminal is not commanded"

    again = await jalur(world.dsn, "export-feedback")
    assert (again.code, again.error) == (0, done.error)
    assert sorted(again.out.splitlines()) == sorted(content.decode().splitlines()), "the same rows under the same ids"
    assert len(read_corpus(tmp_path).rows) == 4, "as the training reads them"


async def test_a_file_that_cannot_be_written_is_told_in_one_line(world: World, tmp_path: Path) -> None:
    done = await jalur(world.dsn, "export-feedback", "--out", str(tmp_path / "none" / "rows.jsonl"))
    assert (done.code, done.out) == (1, "")
    assert done.error == f"error: {tmp_path / 'none' / 'rows.jsonl'}: No such file or directory\n"


async def test_a_record_that_could_not_be_read_is_in_nobody_s_way(world: World, tmp_path: Path) -> None:
    from services.router.domain import unprocessable

    case, good = uuid4(), about()
    bare = json.dumps({"complaint_id": str(case), "reported_at": "2026-01-01T00:00:00Z", "accepted_at": "2026-01-01T00:00:00Z"}).encode()
    taken = unprocessable("first")
    async with world.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL search_path TO router, jalur")
        row = LoggedDecision(uuid4(), case, 0, await world.now(), "first", bare, taken.to_json(), None)
        await store.record_decisions(connection, [(row, taken)])
    await log(world, good, asked(about(complaint_id=case), order={"unit": "ki"}))
    candidate = str(written(tmp_path / "candidate", doubting("doubting")))
    found = json.loads((await jalur(world.dsn, "diff", "--candidate", candidate, "--json")).out)
    assert (found["judged"], [move["complaint_id"] for move in found["moves"]]) == (1, [str(good.complaint_id)])
    done = await jalur(world.dsn, "export-feedback")
    assert (done.code, done.out, done.error) == (0, "", "0 rows; 1 left out (special data, oversight, or no label yet)\n")
