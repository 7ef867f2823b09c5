"""`jalur cases`, `clock explain COMPLAINT` and `simulate --export`, as an operator types them, on the real database."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.intake.read_model import apply_statuses
from services.notifier.reconcile import count_orphans
from shared.envelope import status_id
from shared.events import CaseStatus
from shared.postgres import open_pool
from tests.facts import MONDAY, changed, hours, received, updated
from tests.operators import Told, asked, database_alone, jalur, keep, notifier, opened
from tests.world import World

CASES = [UUID(int=number) for number in range(1, 10)]
FIRST = CASES[0]


def case_number(number: int) -> str:
    return str(CASES[number - 1])


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with database_alone(dsn) as created:
        yield created


async def accept(world: World, complaint_id: UUID, accepted_at: datetime) -> None:
    """A complaint of which intake has heard no decision."""
    await world.db.execute(
        "INSERT INTO intake.complaints (id, source, reported_at, accepted_at, is_final, received, next_look_at)"
        " VALUES ($1, 'lapor', $2, $2, false, '', now())",
        complaint_id,
        accepted_at,
    )


async def test_reconcile_lists_what_nobody_minds_oldest_first_with_why_and_what_to_do(world: World) -> None:
    now = await world.now()
    await keep(world, CASES[0], opened(CASES[0]))
    done = await jalur(world, "cases", "reconcile")
    assert (done.exit_code, done.stdout) == (0, "")

    long_after = MONDAY + timedelta(days=400)
    silent = await keep(world, CASES[1], opened(CASES[1]), until=long_after)
    assert silent.state == "assigned", "every level of every clock has fired, and nobody has answered"
    await keep(world, CASES[2], opened(CASES[2]))
    await world.db.execute("UPDATE notifier.cases SET has_owner = false WHERE id = $1", CASES[2])
    await keep(world, CASES[3], [received(CASES[3])])
    await accept(world, CASES[3], MONDAY)
    await accept(world, CASES[4], now - timedelta(hours=1))
    await accept(world, CASES[5], now)
    await accept(world, CASES[0], now - timedelta(hours=2))

    found = await asked(world, "cases", "reconcile", code=1)
    by_case = {item["complaint_id"]: item["reasons"] for item in found["cases"]}
    assert by_case == {
        case_number(4): ["undecided"],
        case_number(3): ["no_owner"],
        case_number(2): ["no_clock"],
        case_number(1): ["not_told"],
        case_number(5): ["undecided"],
    }
    since = [datetime.fromisoformat(item["since"]) for item in found["cases"]]
    assert since == sorted(since)
    assert all(item["why"] and item["to_do"] for item in found["cases"])
    assert (found["on_their_way"], found["is_cut"]) == (1, False)
    cut = await asked(world, "cases", "reconcile", "--limit", "1", code=1)
    assert (cut["cases"][0], cut["is_cut"]) == (found["cases"][0], True)
    everything = await asked(world, "cases", "reconcile", "--older-than", "0", code=1)
    assert case_number(6) in [item["complaint_id"] for item in everything["cases"]]

    shown = await jalur(world, "cases", "reconcile")
    assert shown.exit_code == 1
    assert all(item in shown.stdout for item in by_case)
    assert "jalur dead list router" in shown.stderr


async def test_the_metric_counts_orphans_by_reason_and_undecided_cases_as_none(world: World) -> None:
    async with notifier(world) as connection:
        assert await count_orphans(connection) == {"no_clock": 0, "no_owner": 0}
    await keep(world, CASES[0], opened(CASES[0]), until=MONDAY + timedelta(days=400))
    await keep(world, CASES[1], [received(CASES[1])])
    await keep(world, CASES[2], opened(CASES[2]))
    await world.db.execute("UPDATE notifier.cases SET has_owner = false WHERE id = $1", CASES[2])
    async with notifier(world) as connection:
        assert await count_orphans(connection) == {"no_clock": 1, "no_owner": 1}


async def relay(world: World) -> list[tuple[str, CaseStatus]]:
    """Send the outbox to intake, as the relay and the read model do; returns event ids and statuses."""
    rows = await world.db.fetch("DELETE FROM notifier.outbox RETURNING id, topic, headers, value")
    said = [
        (dict(json.loads(row["headers"]))["ce_id"], CaseStatus.model_validate_json(row["value"]))
        for row in sorted(rows, key=lambda row: row["id"])
    ]
    pool = await open_pool(world.dsn, service="intake")
    try:
        await apply_statuses(pool, [status for _, status in said])
    finally:
        await pool.close()
    return said


async def test_republish_says_the_same_events_again_until_the_read_model_is_whole(world: World) -> None:
    statuses = {}
    for number, complaint_id in enumerate(CASES[:5]):
        batches: list[Sequence[Told]] = [opened(complaint_id), [(updated(complaint_id, "accepted"), hours(number))]]
        statuses[complaint_id] = await keep(world, complaint_id, *batches)
    checked = await asked(world, "cases", "republish", "--all", "--check", code=1)
    assert [(item["complaint_id"], item["what"]) for item in checked["differences"]] == [(str(item), "missing") for item in CASES[:5]]

    assert (await asked(world, "cases", "republish", "--all", "--rate", "1000")) == {"republished": 5}
    said = await relay(world)
    assert [(event_id, status) for event_id, status in said] == [
        (str(status_id(item, statuses[item].sequence)), statuses[item]) for item in CASES[:5]
    ], "the same number, the same id, the same words"
    assert await asked(world, "cases", "republish", "--all", "--check") == {"differences": []}

    await world.db.execute("UPDATE intake.cases SET status = replace(status, 'accepted', 'answered') WHERE complaint_id = $1", CASES[1])
    await world.db.execute("UPDATE intake.cases SET sequence = sequence - 1 WHERE complaint_id = $1", CASES[2])
    await world.db.execute("UPDATE intake.cases SET sequence = sequence + 7 WHERE complaint_id = $1", CASES[3])
    checked = await asked(world, "cases", "republish", "--check", *map(str, CASES[:5]), code=1)
    wrong = {item["complaint_id"]: item["what"] for item in checked["differences"]}
    assert wrong == {case_number(2): "differs", case_number(3): "behind", case_number(4): "ahead"}
    assert (await asked(world, "cases", "republish", *wrong)) == {"republished": 3}
    await relay(world)
    assert await asked(world, "cases", "republish", "--all", "--check") == {"differences": []}
    assert await world.db.fetchval("SELECT count(*) FROM notifier.cases WHERE sequence <> $1", statuses[FIRST].sequence) == 0


async def test_republishing_goes_on_behind_the_last_one_and_refuses_what_is_no_case(world: World) -> None:
    for complaint_id in CASES[:3]:
        await keep(world, complaint_id, opened(complaint_id))
    assert (await asked(world, "cases", "republish", "--all", "--after", case_number(2))) == {"republished": 1}
    assert [status.complaint_id for _, status in await relay(world)] == [CASES[2]]
    unknown = await jalur(world, "cases", "republish", case_number(1), case_number(9))
    assert (unknown.exit_code, await relay(world)) == (1, [])
    assert case_number(9) in unknown.stderr
    assert await world.db.fetchval("SELECT count(*) FROM notifier.cases") == 3, "asking for a case makes none"
    assert (await jalur(world, "cases", "republish")).exit_code == 2
    assert (await jalur(world, "cases", "republish", "--all", case_number(1))).exit_code == 2


async def tamper(world: World, statement: str, *values: Any) -> None:
    """As somebody would who owns the tables."""
    async with world.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL search_path TO notifier")
        await connection.execute("ALTER TABLE timeline DISABLE TRIGGER USER")
        await connection.execute(statement, *values)
        await connection.execute("ALTER TABLE timeline ENABLE TRIGGER USER")


async def test_verify_proves_every_timeline_and_names_each_broken_case_and_line(world: World) -> None:
    for complaint_id in CASES[:7]:
        await keep(
            world,
            complaint_id,
            opened(complaint_id, "imigrasi/kanim:kupang", "pemasyarakatan", reported_at=MONDAY - timedelta(hours=2)),
            [(updated(complaint_id, "accepted"), hours(1)), (updated(complaint_id, "need_info", note="foto paspor"), hours(2))],
            [(updated(complaint_id, "resumed"), hours(30)), (updated(complaint_id, "returned", reason="bukan kami"), hours(40))],
            until=MONDAY + timedelta(days=30),
        )
    lines = await world.db.fetchval("SELECT count(*) FROM notifier.timeline")
    assert await asked(world, "cases", "verify") == {"cases": 7, "lines": lines, "erased": 0, "broken": []}

    await tamper(world, "UPDATE timeline SET what = 'nothing happened' WHERE complaint_id = $1 AND number = 2", CASES[0])
    await tamper(world, "DELETE FROM timeline WHERE complaint_id = $1 AND number = 3", CASES[1])
    await tamper(world, "UPDATE cases SET state = 'answered' WHERE id = $1", CASES[2])
    await tamper(world, "UPDATE cases SET head = '' WHERE id = $1", CASES[3])
    await tamper(world, "DELETE FROM cases WHERE id = $1", CASES[4])
    found = await asked(world, "cases", "verify", code=1)
    broken = {item["complaint_id"]: item["what"] for item in found["broken"]}
    assert broken == {
        case_number(1): "line 2 was changed",
        case_number(2): "line 3 is missing",
        case_number(3): "state is stored as answered, its facts make it assigned",
        case_number(4): "the last line is not the one that the case names",
        case_number(5): "its lines are there, but the case that names their last one is not",
    }
    shown = await jalur(world, "cases", "verify", case_number(1))
    assert (shown.exit_code, shown.stdout) == (1, f"{case_number(1)}  line 2 was changed\n")
    assert (await asked(world, "cases", "verify", case_number(7)))["broken"] == []
    assert (await jalur(world, "cases", "verify", case_number(9))).exit_code == 1
    assert (await jalur(world, "cases", "verify", "no-id")).exit_code == 2


async def test_show_tells_the_whole_case_with_every_line_and_what_fired(world: World) -> None:
    follow_ups = [(updated(FIRST, "followed_up", note=f"langkah {number}"), hours(1 + number / 10)) for number in range(60)]
    await keep(world, FIRST, opened(FIRST, "imigrasi/kanim:kupang"), follow_ups, until=MONDAY + timedelta(days=7))
    found = await asked(world, "cases", "show", case_number(1))
    assert (found["state"], found["has_owner"], found["is_watched"], found["is_open"]) == ("assigned", True, True, True)
    assert len(found["timeline"]) == await world.db.fetchval("SELECT count(*) FROM notifier.timeline") > 60
    assert [item["number"] for item in found["timeline"]] == list(range(1, len(found["timeline"]) + 1))
    assert [(item["unit"], item["desk"]) for item in found["assignments"]] == [("imigrasi", "kanim:kupang")]
    verification = next(item for item in found["clocks"] if item["code"] == "LAPOR_VERIFIKASI")
    assert [item["level"] for item in verification["fired"]] == [-1, 0, 1]
    assert (verification["next_level"], verification["next_at"]) == (2, "2026-07-14T09:00:00Z")

    shown = await jalur(world, "cases", "show", case_number(1))
    assert shown.exit_code == 0
    for words in ("LAPOR_VERIFIKASI", "kanim:kupang", "langkah 0", "langkah 59"):
        assert words in shown.stdout
    assert (await jalur(world, "cases", "show", case_number(9))).exit_code == 1


async def test_what_a_unit_wrote_cannot_command_the_terminal(world: World) -> None:
    await keep(world, FIRST, opened(FIRST), [(updated(FIRST, "need_info", note="\x1b[2J\u202efoto"), hours(1))])
    shown = await jalur(world, "cases", "show", case_number(1))
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert "\u202e" not in shown.stdout


async def test_clock_explain_tells_each_clock_of_a_case_by_days_pauses_and_basis(world: World) -> None:
    asks, answers = hours(24), hours(24 * 4)
    await keep(
        world,
        FIRST,
        opened(FIRST, "imigrasi/kanim:kupang", source="ppid", location={"province": "Papua"}),
        [(updated(FIRST, "need_info", note="foto"), asks), (updated(FIRST, "resumed"), answers)],
    )
    stored = (await asked(world, "cases", "show", case_number(1)))["clocks"]
    found = await asked(world, "clock", "explain", case_number(1))
    assert {(item["code"], item["due_at"]) for item in found["clocks"]} == {(item["code"], item["due_at"]) for item in stored}
    (follow_up,) = (await asked(world, "clock", "explain", case_number(1), "--code", "LAPOR_TINDAK_LANJUT"))["clocks"]
    assert follow_up["zone"] == "Asia/Jayapura"
    assert follow_up["pauses"] == [[item.isoformat().replace("+00:00", "Z") for item in (asks, answers)]]
    assert sum(day["is_counted"] for day in follow_up["days"]) == follow_up["amount"] == 5
    assert [day["why"] for day in follow_up["days"]].count("paused") == 3
    assert "5 working days" in follow_up["basis"]

    shown = await jalur(world, "clock", "explain", case_number(1), "--code", "LAPOR_TINDAK_LANJUT")
    assert shown.exit_code == 0
    assert "counted 5 of 5" in shown.stdout
    assert "WIT" in shown.stdout
    wrong = await jalur(world, "clock", "explain", case_number(1), "--code", "NO_SUCH")
    assert wrong.exit_code == 1
    assert "LAPOR_TINDAK_LANJUT" in wrong.stderr
    assert (await jalur(world, "clock", "explain", case_number(1), "--amount", "5")).exit_code == 2


async def test_an_export_has_no_text_and_simulates_to_what_happened(world: World, tmp_path: Path) -> None:
    answer = (updated(CASES[0], "answered", outcome="selesai"), hours(24 * 3))
    await keep(
        world,
        CASES[0],
        opened(CASES[0], "imigrasi/kanim:kupang"),
        [(updated(CASES[0], "accepted", note="rahasia"), hours(2)), answer],
        [changed(CASES[0], "edited", hours(1), source_state="verified", source_status="rahasia", text="rahasia")],
    )
    await keep(
        world, CASES[1], opened(CASES[1], "pemasyarakatan"), [(updated(CASES[1], "returned", "pemasyarakatan", reason="rahasia"), hours(3))]
    )
    await keep(world, CASES[2], [received(CASES[2], MONDAY + timedelta(days=40), reported_at=MONDAY + timedelta(days=40))])
    recording = tmp_path / "recording.jsonl"
    words = ["simulate", "--export", str(recording), "--from", "2026-07-06", "--until", "2026-07-31"]
    done = await jalur(world, *words)
    assert (done.exit_code, done.stderr) == (0, "2 complaints, 8 events\n")
    text = recording.read_text()
    assert "rahasia" not in text
    assert "Paspor" not in text
    assert {json.loads(line)["event"] for line in text.splitlines()} == {"received", "routed", "changed", "update"}

    simulated = await asked(world, "simulate", str(recording), "--days", "10")
    (outcome,) = simulated["policies"]
    shown = [await asked(world, "cases", "show", case_number(number)) for number in (1, 2)]
    assert outcome["states"] == {"answered": 1, "held": 1} == {item["state"]: 1 for item in shown}
    last = outcome["days"][-1]
    assert (last["on"], last["overdue"], last["by_unit"]) == ("2026-07-15", 1, {"triage": 1})
