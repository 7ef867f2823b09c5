"""The lists: each key's own cases and no others, by every filter and all of them together, page by page while cases change."""

import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest

from deploy.local.postgres import RunningPostgres
from services.commands.access_database import apply_rights
from services.intake.questions import CASE_STATES
from services.intake.speakers import parse_role
from services.intake.views import may_read
from shared.postgres import migrate
from tests.door import Door, fields_of, open_door, problem, shared_door
from tests.listed import asked, case, clock, given_to, ids, tell

PATH = "/v1/complaints"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> Door:
    await opened.clear()
    return opened


async def made(door: Door, number: int, role: str = "source:lapor", **fields: Any) -> str:
    """A complaint reported so many minutes after a fixed instant."""
    minute = f"2026-07-06T08:{number:02}:00+07:00"
    return str((await door.accepted(role=role, source_ref=str(number), reported_at=minute, **fields))["id"])


async def test_a_list_shows_what_its_key_may_see_oldest_reported_first(door: Door) -> None:
    late, early, unheard = await made(door, 30), await made(door, 10), await made(door, 20)
    other = await made(door, 5, "source:ppid")
    await tell(door, case(late, assignments=[given_to("imigrasi/kanim:kupang")]), case(early, assignments=[given_to("imigrasi")]))
    await tell(door, case(other, assignments=[given_to("ham"), given_to("imigrasi", "returned")]))
    assert await ids(door, PATH) == [early, unheard, late]
    assert await ids(door, PATH, "source:ppid") == [other]
    assert await ids(door, PATH, "source:wbs") == []
    assert await ids(door, PATH, "unit:imigrasi") == [other, early, late]
    assert await ids(door, PATH, "unit:ham") == [other]
    assert await ids(door, PATH, "desk:kanim:kupang") == [late]
    assert await ids(door, PATH, "desk:kanim:batam") == []
    for role in ("triage", "admin", "auditor"):
        assert await ids(door, PATH, role) == [other, early, unheard, late]


async def test_an_item_is_what_is_read_of_the_case_alone(door: Door) -> None:
    complaint, unheard = await made(door, 1), await made(door, 2)
    await tell(door, case(complaint, assignments=[given_to("imigrasi")]))
    for role in ("source:lapor", "triage", "unit:imigrasi"):
        for item in (await asked(door, PATH, role))["items"]:
            assert item == (await door.read(item["id"], role)).json()
    assert (await asked(door, PATH, state="received"))["items"] == [(await door.read(unheard)).json()]


async def test_a_filter_never_shows_a_key_more_than_its_own(door: Door) -> None:
    mine, foreign = await made(door, 1), await made(door, 2, "source:ppid")
    for complaint in (mine, foreign):
        await tell(door, case(complaint, assignments=[given_to("imigrasi/kanim:kupang")]))
    for query in ({"unit": "imigrasi"}, {"desk": "kanim:kupang"}, {"unit": "imigrasi", "desk": "kanim:kupang"}, {"state": "assigned"}):
        assert await ids(door, PATH, "source:lapor", **query) == [mine]
        assert await ids(door, PATH, "triage", **query) == [mine, foreign]
        assert await ids(door, PATH, "unit:ham", **query) == []
    assert await ids(door, PATH, "source:lapor", source_ref="2") == []


async def test_overdue_is_what_passed_by_jalurs_own_clock_and_concerns_whom_is_asked_for(door: Door) -> None:
    now = await door.world.now()
    mine, theirs, whole, none = [await made(door, number) for number in range(4)]
    imigrasi, ham = given_to("imigrasi/kanim:kupang"), given_to("ham")
    await tell(
        door,
        case(mine, assignments=[imigrasi, ham], clocks=[clock(now + HOUR, imigrasi)]),
        case(theirs, assignments=[given_to("imigrasi"), ham], clocks=[clock(now + HOUR, ham)]),
        case(whole, assignments=[given_to("imigrasi")], clocks=[clock(now + HOUR)]),
        case(none, assignments=[imigrasi], clocks=[clock(now - HOUR, imigrasi, "paused"), clock(now - HOUR, None, "stopped")]),
    )
    assert await ids(door, PATH, overdue="true") == []
    assert await ids(door, PATH, overdue="false") == [mine, theirs, whole, none]
    await door.world.advance(2 * HOUR)
    assert await ids(door, PATH, overdue="true") == [mine, theirs, whole]
    assert await ids(door, PATH, overdue="true", unit="imigrasi") == [mine, whole]
    assert await ids(door, PATH, overdue="true", unit="ham") == [theirs]
    assert await ids(door, PATH, overdue="true", desk="kanim:kupang") == [mine]
    assert await ids(door, PATH, "unit:imigrasi", overdue="true") == [mine, whole]
    assert await ids(door, PATH, "desk:kanim:kupang", overdue="false") == [none]
    assert await ids(door, PATH, overdue="true", source_ref="1") == [theirs]
    assert await ids(door, PATH, overdue="true", source_ref="1", unit="imigrasi") == []


async def test_a_deadline_that_moved_away_or_stopped_is_overdue_no_longer(door: Door) -> None:
    now = await door.world.now()
    complaint = await made(door, 1)
    mine = given_to("imigrasi")
    for sequence, (clocks, expected) in enumerate(
        [
            ([clock(now - HOUR, mine)], [complaint]),
            ([clock(now + HOUR, mine)], []),
            ([clock(now - HOUR, mine, "expired"), clock(now + HOUR, mine)], [complaint]),
            ([clock(now - HOUR, mine, "stopped")], []),
        ]
    ):
        await tell(door, case(complaint, assignments=[mine], clocks=clocks, sequence=sequence))
        assert await ids(door, PATH, overdue="true") == expected


async def test_an_older_or_repeated_status_changes_no_list(door: Door) -> None:
    complaint = await made(door, 1)
    newest = case(complaint, "accepted", [given_to("imigrasi", "accepted")], sequence=5)
    await tell(door, newest)
    await tell(door, newest, case(complaint, "assigned", [given_to("ham")], sequence=4))
    assert await ids(door, PATH, "triage", unit="ham") == []
    assert await ids(door, PATH, "triage", unit="imigrasi", state="accepted") == [complaint]


async def test_who_is_no_longer_named_in_the_status_is_no_longer_shown_the_case(door: Door) -> None:
    complaint = await made(door, 1)
    await tell(door, case(complaint, assignments=[given_to("imigrasi/kanim:kupang")]))
    await tell(door, case(complaint, assignments=[given_to("ham")], sequence=2))
    assert await ids(door, PATH, "unit:imigrasi") == await ids(door, PATH, "desk:kanim:kupang") == []
    assert await ids(door, PATH, "unit:ham") == [complaint]


async def test_a_status_of_what_is_not_kept_here_is_in_no_list(door: Door) -> None:
    await tell(door, case("00000000-0000-4000-8000-000000000000", assignments=[given_to("ham")]))
    assert await ids(door, PATH, "triage") == await ids(door, PATH, "unit:ham") == []


async def test_whoever_reported_the_same_matter_by_another_door_finds_it_too(door: Door) -> None:
    complaint = await made(door, 1)
    await door.accepted(role="source:halo_kumham", source_ref="HK-1", sp4n_tracking_id="1")
    assert await ids(door, PATH, "source:halo_kumham") == [complaint]
    await tell(door, case(complaint, assignments=[given_to("ham")]))
    assert await ids(door, PATH, "source:halo_kumham") == await ids(door, PATH, "source:lapor") == [complaint]
    assert await ids(door, PATH, "source:halo_kumham", unit="ham", source_ref="HK-1") == [complaint]


async def pages(door: Door, role: str | None = None, **query: Any) -> AsyncIterator[list[str]]:
    cursor = None
    while True:
        page = await asked(door, PATH, role, cursor=cursor, **query)
        yield [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return


async def test_pages_show_each_case_once_also_while_cases_change_under_them(door: Door) -> None:
    # Several reported in the same instant: the id decides among them.
    complaints = [(await door.accepted(reported_at=f"2026-07-06T08:{number // 4:02}:00Z"))["id"] for number in range(24)]
    await tell(door, *(case(complaint, assignments=[given_to("imigrasi")]) for complaint in complaints[::2]))
    expected = await ids(door, PATH, limit=200)
    assert sorted(expected) == sorted(complaints)
    seen: list[str] = []
    sequence = 1
    async for page in pages(door, limit=5):
        assert 1 <= len(page) <= 5
        seen += page
        sequence += 1
        await tell(door, *(case(item, "accepted", [given_to("ham")], sequence=sequence) for item in complaints))
        await door.accepted(reported_at="2026-07-05T00:00:00Z")  # before all that was shown: on no later page
    assert seen == expected


@pytest.mark.parametrize(("limit", "count"), [(1, 4), (2, 2), (3, 2), (4, 1), (200, 1)])
async def test_the_last_page_says_that_it_is_the_last(door: Door, limit: int, count: int) -> None:
    complaints = [await made(door, number) for number in range(4)]
    found = [page async for page in pages(door, limit=limit)]
    assert len(found) == count
    assert [item for page in found for item in page] == complaints


async def test_a_page_of_several_sources_with_one_reference_has_a_next_one_too(door: Door) -> None:
    complaints = [(await door.accepted(role=role, source_ref="7"))["id"] for role in ("source:wbs", "source:ppid", "source:loket")]
    assert [page async for page in pages(door, "triage", source_ref="7", limit=2)] == [complaints[:2], complaints[2:]]


@pytest.mark.parametrize(
    ("query", "field"),
    [("unit=x", "unit"), ("desk=x", "desk"), ("state=open", "state"), ("overdue=yes", "overdue"), ("limit=0", "limit"),
     ("cursor=bm9uZQ", "cursor"), ("x=1", "x"), ("state=held&state=held", "state")],
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_refused_naming_it(door: Door, query: str, field: str) -> None:
    assert fields_of(problem(await door.http.get(f"{PATH}?{query}"), 400)) == [field]


async def test_every_combination_of_filters_shows_what_a_recount_shows(door: Door) -> None:
    """Random cases, and for each question the ids that the cases as read alone answer it with."""
    chosen = random.Random(5)
    now = await door.world.now()
    sources = ("source:lapor", "source:ppid")
    addressees = ("imigrasi/kanim:kupang", "imigrasi", "ham/kanwil:aceh", "imigrasi/kanwil:aceh")
    cases = []
    for number in range(50):
        role = chosen.choice(sources)
        complaint = await made(door, number, role)
        given = [
            given_to(name, chosen.choice(("assigned", "answered", "returned"))) for name in chosen.sample(addressees, chosen.randint(0, 3))
        ]
        clocks = [
            clock(
                now + chosen.choice((-HOUR, HOUR)),
                chosen.choice((None, *given)),
                chosen.choice(("running", "expired", "paused", "stopped")),
            )
            for _ in range(chosen.randint(0, 2))
        ]
        status = case(complaint, chosen.choice(("received", "assigned", "answered", "closed")), given, clocks)
        if chosen.random() < 0.8:
            await tell(door, status)
        else:
            status = case(complaint, "received")
        cases.append((role, complaint, status))

    def is_late(status: Any, unit: str | None, desk: str | None) -> bool:
        def is_theirs(item: Any) -> bool:
            return desk == item.desk if desk is not None else unit in (None, item.unit)

        passed = [item for item in status.clocks if item.state in ("running", "expired") and item.due_at <= now]
        if status.state == "closed":
            return False
        if unit is None and desk is None:
            return bool(passed)
        own = [item for item in status.assignments if is_theirs(item)]
        has_it = any(item.state in ("assigned", "answered") for item in own)
        return any(item.assignment_id in {part.id for part in own} if item.assignment_id else has_it for item in passed)

    def recount(role: str, unit: str | None, desk: str | None, state: str | None, overdue: str | None) -> list[str]:
        speaker = parse_role(role)
        own_unit, own_desk = (speaker.subject if speaker.role == name else None for name in ("unit", "desk"))
        return [
            complaint
            for source, complaint, status in cases
            if may_read(speaker, [source.partition(":")[2]], status.model_dump(mode="json"))
            and (unit is None or any(item.unit == unit for item in status.assignments))
            and (desk is None or any(item.desk == desk for item in status.assignments))
            and state in (None, status.state)
            and (overdue is None or (overdue == "true") == is_late(status, unit or own_unit, desk or own_desk))
        ]

    roles = ("triage", *sources, "unit:imigrasi", "desk:kanwil:aceh")
    found = 0
    for question in product(
        roles, (None, "imigrasi", "ham"), (None, "kanwil:aceh"), (None, "received", "assigned", "closed"), (None, "true", "false")
    ):
        role, unit, desk, state, overdue = question
        expected = recount(*question)
        assert await ids(door, PATH, role, unit=unit, desk=desk, state=state, overdue=overdue, limit=200) == expected, question
        found += len(expected)
    assert found > 1000, "the questions are about something"


async def test_the_migration_fills_the_lists_as_the_statuses_would_have(dsn: str) -> None:
    async with open_door(dsn) as door:
        now = await door.world.now()
        complaints = [await made(door, number) for number in range(len(CASE_STATES) + 1)]
        await door.accepted(role="source:halo_kumham", source_ref="HK-1", sp4n_tracking_id="3")
        for number, (complaint, state) in enumerate(zip(complaints, CASE_STATES, strict=False)):
            desk, unit, back = given_to("imigrasi/kanim:kupang"), given_to("imigrasi"), given_to("ham", "returned")
            clocks = [clock(now, desk), clock(now - HOUR, unit, "paused"), clock(now - 2 * HOUR, None, ("running", "stopped")[number % 2])]
            words = [{"at": now, "what": "text with an escape: \x00", "by": None}]
            await tell(door, case(complaint, state, [desk, unit, back][: number % 4], clocks[: number % 5], timeline=words))

        async def rows() -> list[tuple[str | datetime, ...]]:
            found = await door.world.db.fetch("SELECT * FROM intake.listed_cases ORDER BY complaint_id, reader")
            return [tuple(row) for row in found]

        kept = await rows()
        assert len(kept) > 30
        await door.world.db.execute(
            """
            DROP TABLE intake.listed_cases, intake.status_changes; DROP SEQUENCE intake.status_change_numbers;
            DROP INDEX intake.complaints_unheard; DELETE FROM intake.migrations WHERE name = '003_lists.sql'
            """
        )
        assert await migrate(dsn, "intake") == ["intake/003_lists.sql"]
        await apply_rights(dsn)  # as `jalur migrate` does
        assert await rows() == kept
        changed = (await asked(door, "/v1/changes", "triage"))["items"]
        assert sorted(item["id"] for item in changed) == sorted(complaints[: len(CASE_STATES)])
