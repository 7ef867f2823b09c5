"""Whose time is over is erased at night; what must stay stays, also against services at work; a backup brings nothing back for long."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.commands.erasing import erase
from services.commands.erasure_list import list_erased, reapply
from services.notifier import domain, store, timeline
from services.notifier.domain import Setting
from shared.erased import ERASED
from shared.events import ComplaintChanged
from tests.facts import MONDAY, changed, hours, received, updated
from tests.memory import CLOCKWORK, TOPICS
from tests.operators import asked, database_alone, facts_of, jalur, keep, notifier, opened
from tests.world import World, until

CASES = [UUID(int=number) for number in range(1, 8)]
FIRST = CASES[0]
YEAR = timedelta(days=366)
WHY = "alasanrahasia"


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with database_alone(dsn) as created:
        yield created


async def keep_case(world: World, complaint_id: UUID, *, is_ended: bool = True, **report: Any) -> None:
    """In intake and in the notifier, with words in both; the first line of its timeline and the last are of that Monday."""
    event = received(complaint_id, **report)
    await world.db.execute(
        """
        WITH complaint AS (
            INSERT INTO intake.complaints (id, source, source_ref, reported_at, accepted_at, is_final, received)
            VALUES ($1, 'lapor', $2, $3, $3, false, $4)
        )
        INSERT INTO intake.reports (complaint_id, number, source, source_ref, reported_at, accepted_at, original)
        VALUES ($1, 0, 'lapor', $2, $3, $3, '{"title": "Judul", "text": "Isi."}')
        """,
        complaint_id,
        str(complaint_id),
        MONDAY,
        event.to_json(),
    )
    words = (updated(complaint_id, "need_info", reason=WHY), hours(1))
    await keep(world, complaint_id, opened(complaint_id, **report), [words], *[[changed(complaint_id, "withdrawn", hours(2))]] * is_ended)


async def words_of(world: World, complaint_id: UUID) -> int:
    return int(await world.db.fetchval("SELECT count(*) FROM notifier.timeline_texts WHERE complaint_id = $1", complaint_id))


async def test_each_night_erases_what_its_services_years_have_passed_over(world: World, tmp_path: Path) -> None:
    for complaint_id in CASES[:4]:
        await keep_case(world, complaint_id, service="wbs" if complaint_id == CASES[1] else "sp4n")
    await keep_case(world, CASES[4], is_ended=False)
    assert (await jalur(world, "erase", "hold", str(CASES[2]), "--reason", "pemeriksaan 7/2026")).exit_code == 0
    periods = tmp_path / "years.toml"
    periods.write_text("[default]\nactive_years = 1\ninactive_years = 1\n[wbs]\nactive_years = 5\ninactive_years = 5\n")
    night = ("retention", "run", "--periods", str(periods))
    assert (await asked(world, *night))["due"] == [], "before two years nothing is due"

    await world.advance(2 * YEAR)
    await keep(world, CASES[3], [changed(CASES[3], "reopened", hours(3))])
    before = await world.db.fetch("SELECT * FROM intake.reports ORDER BY 1")
    dry = await asked(world, *night, "--dry-run")
    assert {item["complaint_id"]: item["held_because"] for item in dry["due"]} == {str(FIRST): None, str(CASES[2]): "pemeriksaan 7/2026"}
    assert (dry["erased"], await world.db.fetch("SELECT * FROM intake.reports ORDER BY 1")) == ([], before)
    done = await asked(world, *night)
    assert (done["erased"], done["removed"]["intake.reports"], done["removed"]["notifier.timeline_texts"]) == ([str(FIRST)], 1, 1)
    assert [await words_of(world, complaint_id) for complaint_id in CASES[:5]] == [0, 1, 1, 1, 1]
    again = await asked(world, *night)
    assert (again["erased"], again["removed"]) == ([], {}), "a second night finds nothing"

    await world.advance(9 * YEAR)
    assert (await jalur(world, "erase", "release", str(CASES[2]), "--reason", "selesai")).exit_code == 0
    assert set((await asked(world, *night))["erased"]) == {str(CASES[1]), str(CASES[2])}
    assert await asked(world, "cases", "verify") | {"lines": 0} == {"cases": 5, "lines": 0, "erased": 3, "broken": []}

    periods.write_text("[default]\nactive_years = 1\ninactive_years = 1\n[wbs_]\nactive_years = 5\ninactive_years = 5\n")
    wrong = await jalur(world, *night)
    assert (wrong.exit_code, "wbs_" in wrong.stderr) == (2, True)


async def test_what_is_open_on_its_way_or_unknown_is_not_erased(world: World) -> None:
    await keep_case(world, FIRST, is_ended=False)
    await keep_case(world, CASES[1], is_ended=False)
    await keep(world, CASES[1], [changed(CASES[1], "edited", hours(2), fields={"title": "Judul lain"})])
    still_open = await jalur(world, "erase", str(FIRST), "--reason", "requested")
    assert (still_open.exit_code, "--open" in still_open.stderr) == (4, True)
    assert (await jalur(world, "erase", str(CASES[5]), "--reason", "requested")).exit_code == 1
    assert (await jalur(world, "erase", str(FIRST), "--reason", "because")).exit_code == 2
    assert await world.db.fetchval("SELECT count(*) FROM jalur.erasures") == 0
    done = await asked(world, "erase", str(FIRST), "--reason", "unlawful", "--open")
    assert done["removed"] == {"intake.complaints": 1, "intake.reports": 1, "notifier.timeline_texts": 1}
    await world.db.execute("UPDATE notifier.cases SET is_opened = false WHERE id = $1", CASES[1])
    on_its_way = await jalur(world, "erase", str(CASES[1]), "--reason", "unlawful", "--open")
    assert (on_its_way.exit_code, "on its way" in on_its_way.stderr) == (4, True)
    assert (await jalur(world, "erase", "hold", str(CASES[5]), "--reason", "x")).exit_code == 1


async def test_an_erasure_waits_for_the_notifier_and_takes_what_it_wrote_meanwhile(world: World) -> None:
    await keep_case(world, FIRST)
    async with notifier(world) as connection:
        case = (await store.lock_cases(connection, [FIRST]))[FIRST]
        erasing = asyncio.create_task(jalur(world, "erase", str(FIRST), "--reason", "requested"))
        waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        await until("the erasure waits", lambda: world.db.fetchval(waits))
        setting = Setting(CLOCKWORK, hours(5))
        domain.revive(case, setting)
        domain.learn(case, facts_of([changed(FIRST, "archived", hours(4), source_status=WHY)]), setting)
        await store.save_cases(connection, [case], setting.now)
    assert (await erasing).exit_code == 0
    assert await words_of(world, FIRST) == 0
    assert (await asked(world, "cases", "verify"))["broken"] == []


async def test_what_waits_to_be_sent_is_sent_without_words(world: World) -> None:
    await keep_case(world, FIRST)
    said = changed(FIRST, "replied", hours(3), text=WHY, source_status=WHY, fields={"title": WHY, "class": "aspirasi"})
    row = (FIRST.bytes, '[["ce_type", "id.jalur.complaint.changed.v1"]]', said.to_json())
    await world.db.execute("INSERT INTO intake.outbox (topic, key, headers, value) VALUES ('t', $1, $2, $3)", *row)
    await world.db.execute("INSERT INTO notifier.outbox_failed VALUES (7, 't', $1, $2, $3, now(), now(), 'TooLarge')", *row)
    removed = (await asked(world, "erase", str(FIRST), "--reason", "requested"))["removed"]
    assert (removed["intake.outbox"], removed["notifier.outbox_failed"]) == (1, 1)
    for table in ("intake.outbox", "notifier.outbox_failed"):
        sent = ComplaintChanged.model_validate_json(await world.db.fetchval(f"SELECT value FROM {table}"))
        assert (sent.change_id, sent.kind, sent.fields) == (said.change_id, "replied", {"title": ERASED, "class": "aspirasi"})
        assert (sent.text, sent.source_status, sent.accepted_at) == (ERASED, ERASED, said.accepted_at)


async def test_of_two_erasures_at_once_one_erases_and_the_other_finds_nothing(world: World) -> None:
    await keep_case(world, FIRST)

    async def once() -> bool:
        async with world.db.acquire() as connection:
            done = await erase(connection, FIRST, "requested", topics=TOPICS, clockwork=CLOCKWORK, operator="tests")
            return bool(done.removed)

    assert sorted(await asyncio.gather(once(), once())) == [False, True]
    assert await world.db.fetchval("SELECT count(*) FROM jalur.erasures") == 1


async def test_what_a_backup_brought_back_is_erased_again_whatever_would_keep_it(world: World) -> None:
    for complaint_id in CASES[:3]:
        await keep_case(world, complaint_id, is_ended=complaint_id != CASES[1])
    assert (await jalur(world, "erase", "hold", str(FIRST), "--reason", "pemeriksaan")).exit_code == 0
    async with world.db.acquire() as connection:
        assert await reapply(connection, [str(FIRST), str(CASES[1]), str(CASES[6])]) == 2
        assert await reapply(connection, [str(FIRST), str(CASES[1]), str(CASES[6])]) == 0
        assert await list_erased(connection) == [FIRST, CASES[1]]
        assert await connection.fetchval("SELECT count(*) FROM notifier.outbox") == 0, "Kafka was told when it was first erased"
        await erase(connection, CASES[2], "requested", topics=TOPICS, clockwork=CLOCKWORK, operator="tests")
        assert await connection.fetchval("SELECT array_agg(topic) FROM notifier.outbox") == ["complaints.status"]
    assert [await words_of(world, complaint_id) for complaint_id in CASES[:3]] == [0, 0, 0]
    assert (await jalur(world, "erase", "list")).stdout.splitlines() == [str(item) for item in CASES[:3]]


async def test_words_beside_the_timeline_go_only_by_an_erasure_and_a_changed_one_is_found(world: World) -> None:
    for complaint_id in CASES[:2]:
        await keep_case(world, complaint_id)
    for statement in (
        "UPDATE notifier.timeline_texts SET text = '{}'",
        "DELETE FROM notifier.timeline_texts",
        "TRUNCATE notifier.timeline_texts",
        "INSERT INTO jalur.erasures (complaint_id, erased_at, reason, operator, removed) SELECT id, now(), 'requested', '', '{}'"
        " FROM notifier.cases; DELETE FROM jalur.erasures",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.db.execute(statement)
    number = await world.db.fetchval("SELECT number FROM notifier.timeline_texts WHERE complaint_id = $1", FIRST)
    async with world.db.acquire() as connection, connection.transaction():  # whoever owns the table can still do it, and is found out
        await connection.execute("ALTER TABLE notifier.timeline_texts DISABLE TRIGGER USER")
        await connection.execute("UPDATE notifier.timeline_texts SET text = replace(text, $1, 'lain') WHERE complaint_id = $2", WHY, FIRST)
        await connection.execute("DELETE FROM notifier.timeline_texts WHERE complaint_id = $1", CASES[1])
        await connection.execute("ALTER TABLE notifier.timeline_texts ENABLE TRIGGER USER")
    found = await asked(world, "cases", "verify", code=1)
    assert {item["complaint_id"]: item["what"] for item in found["broken"]} == {
        str(FIRST): f"the text of line {number} was changed",
        str(CASES[1]): f"the text of line {number} is gone, and no line says that it was erased",
    }


async def test_a_line_with_its_words_inside_is_refused_and_nothing_is_called_erased(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "text_of", lambda fact: {})  # as lines were written before their words lay beside them
    await keep_case(world, FIRST)
    monkeypatch.undo()
    await keep_case(world, CASES[1])
    refused = await jalur(world, "erase", str(FIRST), "--reason", "requested", "--json")
    assert (refused.exit_code, refused.stdout, "1 line of its timeline" in refused.stderr) == (4, "", True), refused
    assert await world.db.fetchval("SELECT count(*) FROM jalur.erasures") == 0
    assert "Judul" in await world.db.fetchval("SELECT original FROM intake.reports WHERE complaint_id = $1", FIRST), "all of it or nothing"
    await world.advance(9 * YEAR)
    night = await asked(world, "retention", "run", code=1)
    assert (night["erased"], list(night["refused"])) == ([str(CASES[1])], [str(FIRST)]), "each night says so, until somebody looks"


_UNREADABLE = {
    "router.decisions": """
        INSERT INTO router.decisions (causing_id, complaint_id, decision, decided_at, rules_version, report, taken)
        VALUES (gen_random_uuid(), $1, 0, now(), 'x', '{}', convert_to($2, 'UTF8'))
    """,
    "notifier.passed_on": "INSERT INTO notifier.passed_on (complaint_id, fact) VALUES ($1, $2)",
    "notifier.parked": """
        WITH known AS (INSERT INTO notifier.facts (id, complaint_id) VALUES ($1, $1))
        INSERT INTO notifier.parked (id, complaint_id, kind, counts_at, fact) VALUES ($1, $1, 'said', now(), $2)
    """,
}


@pytest.mark.parametrize("table", _UNREADABLE)
async def test_a_row_that_cannot_be_read_is_named_by_its_table_and_not_shown(world: World, table: str) -> None:
    await keep_case(world, FIRST)
    await world.db.execute(_UNREADABLE[table], FIRST, f'{{"fact": "{WHY}", "reasons": "{WHY}"}}')
    failed = await jalur(world, "erase", str(FIRST), "--reason", "requested")
    assert (failed.exit_code, table in failed.stderr, str(FIRST) in failed.stderr, WHY in failed.stderr) == (1, True, True, False), failed
    assert await words_of(world, FIRST) == 1


async def test_a_case_that_fails_is_named_without_its_words_and_the_night_goes_on(world: World) -> None:
    for complaint_id in CASES[:4]:
        await keep_case(world, complaint_id)
    await world.db.execute(_UNREADABLE["router.decisions"], FIRST, WHY)
    await world.db.execute("UPDATE intake.complaints SET received = 'bad' WHERE id = $1", CASES[1])
    await world.db.execute(
        f"""
        CREATE FUNCTION intake.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{WHY}'; END $$;
        CREATE TRIGGER fails BEFORE UPDATE ON intake.reports FOR EACH ROW WHEN (OLD.complaint_id = '{CASES[2]}')
            EXECUTE FUNCTION intake.fail();
        """
    )
    await world.advance(9 * YEAR)
    for erased in ([str(CASES[3])], []):
        night = await asked(world, "retention", "run", code=1)
        assert night["erased"] == erased
        assert set(night["refused"]) == {str(item) for item in CASES[:3]}
        assert WHY not in str(night)
    shown = await jalur(world, "retention", "run")
    assert (shown.exit_code, shown.stdout.count("not erased"), WHY in shown.stdout + shown.stderr) == (1, 3, False)


async def test_a_case_in_which_nothing_is_left_takes_nobodys_place_and_is_due_once(world: World) -> None:
    for complaint_id in CASES[:2]:
        await keep_case(world, complaint_id)
    await asked(world, "erase", str(FIRST), "--reason", "requested")
    # As if a line without words had come since.
    await world.db.execute("UPDATE notifier.cases SET erased_at = $2 WHERE id = $1", FIRST, MONDAY - timedelta(seconds=1))
    await world.advance(9 * YEAR)
    night = await asked(world, "retention", "run", "--limit", "1")
    assert ([item["complaint_id"] for item in night["due"]], night["erased"]) == ([str(FIRST), str(CASES[1])], [str(CASES[1])])
    assert (await asked(world, "retention", "run"))["due"] == []
    assert await world.db.fetchval("SELECT count(*) FROM jalur.erasures") == 2, "what removed nothing is no erasure"
