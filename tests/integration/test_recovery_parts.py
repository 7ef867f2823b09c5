"""What a recovery puts back piece by piece: an export's rows, what was said, the numbers and the erasures; nothing is said twice."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.local.postgres import RunningPostgres
from services.commands import recover_join
from services.commands.erasure_list import reapply, say_erased
from services.intake import resending
from services.intake.recovery import refill_complaints, refill_exported
from shared.envelope import enclose, status_id
from shared.events import CaseStatus, ComplaintChanged, ComplaintReceived
from shared.outbox import add_to_outbox
from shared.records import Record
from tests.door import Door, shared_door
from tests.memory import TOPICS
from tests.operators import database_alone, keep, notifier, opened
from tests.world import World, report

IMPORTS = "/v1/imports"
MONDAY, TUESDAY, WEDNESDAY = "2026-07-13T09:00:00+07:00", "2026-07-14T09:00:00+07:00", "2026-07-15T09:00:00+07:00"
SECRET = "Telepon saya 081234567890."


@pytest.fixture(scope="module")
async def wide(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(wide: Door) -> Door:
    await wide.clear()
    return wide


@pytest.fixture
async def here(dsn: str) -> AsyncIterator[World]:
    async with database_alone(dsn) as world:
        yield world


def row(exported_at: str = MONDAY, **fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"source_ref": "5049672", "category": "Keimigrasian, NIK 5371012345678901", "text": SECRET}
    return {"row": 1, "exported_at": exported_at, "report": report(**known | {"reported_at": "2026-07-10T08:00:00+07:00"} | fields)}


async def outcomes(door: Door, *rows: dict[str, Any]) -> list[tuple[Any, Any]]:
    answers = await door.send_lines(IMPORTS, rows)
    return [(answer.get("outcome", answer.get("problem")), answer.get("changes")) for answer in answers]


def sent_to(to: str) -> list[dict[str, Any]]:
    return [{"name": to}]


async def lose_and_refill(door: Door) -> None:
    """The database of before the report, and what Kafka has of it; it was accepted an hour after the export."""
    db = door.world.db
    kept = ComplaintReceived.model_validate_json(await db.fetchval("SELECT received FROM intake.complaints"))
    kept = kept.model_copy(update={"accepted_at": datetime(2026, 7, 13, 3, tzinfo=UTC)})
    changes = [ComplaintChanged.model_validate(item.value) for item in await door.outbox() if item.topic == door.world.topics.changes]
    for table in ("outbox", "known_rows", "identities", "changes", "reports", "complaints"):
        await db.execute(f"DELETE FROM intake.{table}")
    async with db.acquire() as connection, connection.transaction():
        await refill_complaints(connection, [(kept, kept.to_json(), None)])
        await refill_exported(connection, changes)


async def original(door: Door) -> str:
    return str(await door.world.db.fetchval("SELECT original FROM intake.reports"))


async def test_the_first_export_after_a_recovery_finds_what_its_source_changed_meanwhile(door: Door) -> None:
    imigrasi = sent_to("Direktorat Jenderal Imigrasi")
    await outcomes(door, row(source_status="Belum ditindaklanjuti", disposition=imigrasi))
    await lose_and_refill(door)
    assert await outcomes(door, row(source_status="Belum ditindaklanjuti", disposition=imigrasi)) == [("same", [])]
    assert SECRET in await original(door)
    ended = row(TUESDAY, source_status="Selesai", disposition=sent_to("Inspektorat Jenderal"))
    assert await outcomes(door, ended) == [("changed", ["redisposed", "closed"])]
    assert await outcomes(door, ended | {"exported_at": WEDNESDAY}) == [("same", [])]


async def test_the_export_that_makes_a_report_whole_says_its_changes_itself(door: Door) -> None:
    await outcomes(door, row(source_status="Belum ditindaklanjuti"))
    await lose_and_refill(door)
    assert await outcomes(door, row(TUESDAY, source_status="Selesai")) == [("changed", ["closed"])]
    assert SECRET in await original(door)


async def test_a_change_that_kafka_has_is_not_said_again_by_the_next_export(door: Door) -> None:
    """Whether the backup has the report, as Monday's export showed it, or nothing at all."""
    db = door.world.db
    await outcomes(door, row())
    known = await db.fetchrow("SELECT exported_at, fields FROM intake.known_rows")
    assert known is not None
    now = {
        "title": f"Judul lain. {SECRET}",
        "disposition": sent_to("Inspektorat Jenderal"),
        "source_status": "Selesai",
        "class": "aspirasi",
    }
    assert await outcomes(door, row(TUESDAY, **now)) == [("changed", ["edited", "reclassified", "redisposed", "closed"])]
    changes = [ComplaintChanged.model_validate(item.value) for item in await door.outbox() if item.topic == door.world.topics.changes]

    await db.execute("DELETE FROM intake.changes")
    await db.execute("UPDATE intake.known_rows SET exported_at = $1, fields = $2", *known)
    async with db.acquire() as connection, connection.transaction():
        assert await refill_exported(connection, changes) == 4
        assert await refill_exported(connection, changes) == 4  # safe to repeat
    assert await outcomes(door, row(TUESDAY, **now), row(WEDNESDAY, **now)) == [("same", []), ("same", [])]
    assert "081234567890" in await db.fetchval("SELECT fields FROM intake.known_rows")
    async with db.acquire() as connection, connection.transaction():
        assert await refill_exported(connection, changes) == 0  # older than what was shown since

    await lose_and_refill(door)
    assert await outcomes(door, row(WEDNESDAY, **now)) == [("same", [])]
    assert SECRET in await original(door)
    more = now | {"source_status": "Sedang diproses"}
    assert await outcomes(door, row("2026-07-16T09:00:00+07:00", **more)) == [("changed", ["reopened"])]


async def test_all_that_was_said_is_read_once_however_the_pages_fall(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        accepted = await door.accepted(source_ref=f"R-{number}")
        for change in range(number % 3):
            body = {"change_id": f"c-{number}-{change}", "kind": "replied"}
            assert (await door.change(accepted["id"], body)).status_code == 202
    said = {item.headers["ce_id"] for item in await door.outbox() if item.topic == door.world.topics.changes}
    monkeypatch.setattr(resending, "_PAGE", 2)
    async with door.world.db.acquire() as connection:
        found = [
            dict(message.headers)["ce_id"] async for page in resending.changes_since(connection, door.world.topics) for _, message in page
        ]
    assert sorted(item.decode() for item in found if item is not None) == sorted(said)
    assert len(said) == 4


async def a_case(world: World) -> tuple[UUID, CaseStatus]:
    complaint_id = uuid4()
    columns, values = "source, reported_at, accepted_at", "'lapor', now(), now()"
    await world.db.execute(
        f"INSERT INTO intake.complaints (id, {columns}, is_final, received) VALUES ($1, {values}, false, '{{}}')", complaint_id
    )
    await world.db.execute(
        f"INSERT INTO intake.reports (complaint_id, number, {columns}, original) VALUES ($1, 0, {values}, $2)",
        complaint_id,
        '{"title":"Paspor","text":"Belum jadi"}',
    )
    return complaint_id, await keep(world, complaint_id, opened(complaint_id))


async def waiting(world: World) -> list[tuple[UUID, int]]:
    rows = await world.db.fetch("SELECT key, headers::jsonb AS headers FROM notifier.outbox ORDER BY id")
    statuses = await world.db.fetch("SELECT value FROM notifier.outbox ORDER BY id")
    return [
        (UUID(bytes=item["key"]), CaseStatus.model_validate_json(said["value"]).sequence) for item, said in zip(rows, statuses, strict=True)
    ]


async def test_an_erased_case_is_said_anew_even_where_the_backup_had_nothing_left_of_it(here: World) -> None:
    """Kafka may have a newer status with the words, which intake reads again."""
    complaint_id, _ = await a_case(here)
    async with here.db.acquire() as connection:
        assert await reapply(connection, [str(complaint_id)]) == 1  # by `restore`, which tells nobody
        await connection.execute("UPDATE notifier.cases SET sequence = 40")  # as Kafka's numbers are
        assert await reapply(connection, [str(complaint_id)]) == 0
        assert await say_erased(connection, [str(complaint_id), str(uuid4())], TOPICS) == 1
    assert await waiting(here) == [(complaint_id, 41)]
    assert await here.db.fetchval("SELECT sequence FROM intake.cases") == 41
    assert await here.db.fetchval("SELECT sequence FROM notifier.cases") == 41


async def test_a_status_that_waited_is_not_sent_behind_a_newer_one(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = sorted([(await a_case(here))[0], (await a_case(here))[0]])
    status = (await keep(here, first, opened(first))).model_copy()

    def said(complaint_id: UUID, sequence: int) -> Any:
        value = status.model_copy(update={"complaint_id": complaint_id, "sequence": sequence})
        return enclose(
            value,
            topic=TOPICS.status,
            complaint_id=complaint_id,
            event_id=status_id(complaint_id, sequence),
            source="notifier",
            at=datetime.now(UTC),
            sequence=sequence,
        )

    async with notifier(here) as connection:
        await add_to_outbox(connection, [said(first, 3), said(first, 7), said(second, 3)])
    newest = said(first, 5)

    async def read_all(_settings: Any, topics: Sequence[str]) -> AsyncIterator[list[Record]]:
        headers = {name: (value or b"").decode() for name, value in newest.headers}
        yield [Record(topics[0], 0, 0, 0, newest.key, newest.value, headers, ())]

    monkeypatch.setattr(recover_join, "read_all", read_all)
    async with here.db.acquire() as connection:
        join = recover_join.Join(connection, here.settings("recover"))
        await join._clear_outboxes([TOPICS.status], TOPICS.status)
    assert await waiting(here) == [(first, 7), (second, 3)]
    assert join.counts["not_sent_again"] == 1
