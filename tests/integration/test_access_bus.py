"""The stack with users and rights, as `jalur up --secure` starts it: its services work, and a unit has its own and nothing else."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError
from typer.testing import CliRunner

from deploy.local import secured
from deploy.local.errors import StackError
from services.cli import app
from services.commands import CommandError, access_quotas
from services.commands.access_bus import Bus, Difference
from services.commands.connect import find_stack
from shared.access import BusRight, byte_rates, unit_user
from shared.publisher import connection_options
from shared.settings import Settings
from shared.topics import SERVICES, Topics
from shared.units import UNIT_SLUGS
from tests.world import report, until

# The client's library is typed in parts only.
Admin: Any = AIOKafkaAdminClient
Consumer: Any = AIOKafkaConsumer
Producer: Any = AIOKafkaProducer
TOPICS = Topics()
NAMES = frozenset(topic.name for topic in TOPICS.all())
GROUPS = [TOPICS.group(group) for group in ("intake", "router", "router-reroutes", "notifier")]


@dataclass(frozen=True)
class Stack:
    folder: Path
    status: dict[str, Any]

    def jalur(self, *words: str, **environ: str) -> tuple[int, str]:
        """Exit code and what it said; in this process."""
        levels = {name: logging.getLogger(name).level for name in ("aiokafka", "asyncio")}
        done = CliRunner().invoke(app, words, None, {"JALUR_DATA": str(self.folder), "COLUMNS": "300", **environ})
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if isinstance(done.exception, CommandError):
            return done.exception.exit_code, str(done.exception)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    def password(self, user: str) -> Path:
        made = self.folder / "secrets"
        return made / user / "kafka-password" if user in SERVICES else made / "units" / user

    def options(self, user: str, password: str | None = None) -> dict[str, Any]:
        word = password if password is not None else self.password(user).read_text()
        settings = Settings(
            "test", self.status["kafka"]["bootstrap"], "", kafka_user=user, kafka_password=word, kafka_security="sasl_plaintext"
        )
        return {**connection_options(settings), "request_timeout_ms": 10_000}


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """A refusal is what is asked about here; the client would log an error for each topic each time."""
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("secure") / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")}
    command = [sys.executable, "-m", "services.cli"]
    try:
        done = subprocess.run(
            [*command, "up", "--secure", "--detach", "--data-dir", folder], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = subprocess.run(
            [*command, "status", "--json", "--data-dir", folder], env=environment, capture_output=True, text=True, check=False
        )
        yield Stack(folder, json.loads(told.stdout))
    finally:
        subprocess.run([*command, "down", "--data-dir", folder], env=environment, capture_output=True, check=False)


@asynccontextmanager
async def producing(stack: Stack, user: str) -> AsyncIterator[Any]:
    producer = Producer(**stack.options(user))
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def administrating(stack: Stack, user: str, password: str | None = None) -> AsyncIterator[Any]:
    admin = Admin(**stack.options(user, password))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def may_write(producer: Any, topic: str) -> bool:
    try:
        await producer.send_and_wait(topic, b"{}")
    except TopicAuthorizationFailedError:
        return False
    return True


async def may_read(consumer: Any, topic: str) -> bool:
    """Fetches from the topic's first partition; an empty one that may be read answers with nothing."""
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        await consumer.getmany(timeout_ms=200)
    except TopicAuthorizationFailedError:
        return False
    return True


async def test_the_services_carry_a_report_to_the_unit_which_reads_it_and_answers_in_its_own_name(stack: Stack) -> None:
    code, made = await asyncio.to_thread(stack.jalur, "keys", "add", "source:lapor", "--json")
    assert code == 0, made
    headers = {"Authorization": f"Bearer {json.loads(made)['key']}"}
    async with httpx.AsyncClient(base_url=stack.status["intake"]["url"], headers=headers) as client:
        accepted = (await client.post("/v1/complaints", json=report())).raise_for_status().json()

        async def seen() -> dict[str, Any]:
            answer: dict[str, Any] = (await client.get(f"/v1/complaints/{accepted['id']}")).raise_for_status().json()
            return answer if answer["assignments"] else {}

        complaint = await until("the report is routed", seen)
        assert [assignment["unit"] for assignment in complaint["assignments"]] == ["imigrasi"]
        options = stack.options("unit-imigrasi")
        consumer = Consumer(TOPICS.routed("imigrasi"), **options, group_id="imigrasi.desk", auto_offset_reset="earliest")
        await consumer.start()
        try:
            record = await asyncio.wait_for(consumer.getone(), 30)
            await consumer.commit()
        finally:
            await consumer.stop()
        told = json.loads(record.value)
        assert told["complaint_id"] == accepted["id"]
        update = {
            "update_id": str(uuid4()),
            "complaint_id": accepted["id"],
            "assignment_id": told["assignment_id"],
            "unit": "imigrasi",
            "status": "accepted",
            "at": told["decided_at"],
        }
        async with producing(stack, "unit-imigrasi") as producer:
            await producer.send_and_wait(TOPICS.updates("imigrasi"), json.dumps(update).encode(), key=record.key)

        async def is_accepted() -> bool:
            return bool((await seen())["state"] == "accepted")

        await until("the unit's word has reached the source", is_accepted)


@pytest.mark.parametrize("unit", UNIT_SLUGS)
async def test_a_unit_sees_reads_and_writes_its_own_topics_and_no_neighbours(stack: Stack, unit: str) -> None:
    user = unit_user(TOPICS, unit)
    reads, writes = {TOPICS.routed(unit), TOPICS.follow_ups(unit)}, {TOPICS.updates(unit)}
    async with administrating(stack, user) as admin:
        assert set(await admin.list_topics()) == reads | writes
        described = {item["topic"]: item["error_code"] for item in await admin.describe_topics(sorted(NAMES))}
        assert {name for name, code in described.items() if code != TopicAuthorizationFailedError.errno} == reads | writes
        for group in (*GROUPS, *(f"{other}.desk" for other in (*UNIT_SLUGS, "triage") if other != unit), unit, f"{unit}-desk"):
            with pytest.raises(GroupAuthorizationFailedError):
                await admin.find_coordinator(group)
        await admin.find_coordinator(f"{unit}.desk")
        seen = {name for name, *_ in await admin.list_consumer_groups()}
        assert all(name.startswith(f"{unit}.") for name in seen)
    async with producing(stack, user) as producer:
        assert {name for name in sorted(NAMES - writes) if await may_write(producer, name)} == set()


async def test_reading_is_refused_by_the_topic_itself_also_where_one_may_write_it(stack: Stack) -> None:
    consumer = Consumer(**stack.options("unit-ham"), enable_auto_commit=False)
    await consumer.start()
    try:
        assert await may_read(consumer, TOPICS.routed("ham"))
        assert not await may_read(consumer, TOPICS.updates("ham"))
    finally:
        await consumer.stop()


async def test_the_triage_desk_reads_what_is_held_and_nothing_else(stack: Stack) -> None:
    async with administrating(stack, "triage") as admin:
        assert set(await admin.list_topics()) == {TOPICS.triage, TOPICS.follow_ups("triage")}
    async with producing(stack, "triage") as producer:
        assert {name for name in sorted(NAMES) if await may_write(producer, name)} == set()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_writes_only_what_the_design_gives_it(stack: Stack, service: str) -> None:
    others = [other for other in SERVICES if other != service]
    allowed = {
        "intake": {TOPICS.received, TOPICS.changes},
        "router": {TOPICS.triage, TOPICS.transferred, *(TOPICS.routed(unit) for unit in UNIT_SLUGS)},
        "notifier": {TOPICS.reroutes, TOPICS.status, *(TOPICS.follow_ups(who) for who in (*UNIT_SLUGS, "triage"))},
    }[service] | {TOPICS.dead_letters(service)}
    async with producing(stack, service) as producer:
        assert {name for name in sorted(NAMES - allowed) if await may_write(producer, name)} == set()
    async with administrating(stack, service) as admin:
        assert not {TOPICS.dead_letters(other) for other in others} & set(await admin.list_topics())
        for group in GROUPS:
            if not group.startswith(TOPICS.group(service)):
                with pytest.raises(GroupAuthorizationFailedError):
                    await admin.find_coordinator(group)
        gone = await admin.delete_topics([TOPICS.received], timeout_ms=5000)
        assert [code for _, code in gone.topic_error_codes] == [TopicAuthorizationFailedError.errno]


async def test_nobody_comes_in_without_a_password_or_with_another(stack: Stack) -> None:
    with pytest.raises(KafkaConnectionError):
        await is_let_in(stack, "unit-ham", "guess")
    nobody = Admin(bootstrap_servers=stack.status["kafka"]["bootstrap"], request_timeout_ms=3000)
    with pytest.raises(KafkaConnectionError):
        await nobody.start()
    await nobody.close()


def test_only_the_super_user_may_see_or_change_rights(stack: Stack) -> None:
    def show(user: str, password: Path) -> tuple[int, str]:
        environ = {
            "JALUR_KAFKA": stack.status["kafka"]["bootstrap"],
            "JALUR_KAFKA_SECURITY": "sasl_plaintext",
            "JALUR_DATA": "no-stack-here",
        }
        given = {"JALUR_KAFKA_USER": user, "JALUR_KAFKA_PASSWORD_FILE": str(password)}
        return stack.jalur("access", "show", "--only", "bus", **environ, **given)

    code, said = show("notifier", stack.password("notifier"))
    assert (code, "must be a super user" in said) == (1, True), said
    code, said = show("admin", stack.password("notifier"))
    assert (code, "refused the user or the password" in said) == (1, True), said


async def is_let_in(stack: Stack, user: str, password: str | None = None) -> bool:
    async with administrating(stack, user, password):
        return True


def test_applying_again_changes_nothing_and_resets_no_password(stack: Stack) -> None:
    before = {file.name: file.read_text() for file in (stack.folder / "secrets" / "units").iterdir()}
    assert stack.jalur("access", "show") == (0, "all rights are as they must be\n")
    elsewhere = stack.folder / "elsewhere"
    assert stack.jalur("access", "apply", "--yes", "--secrets", str(elsewhere))[0] == 0
    assert not elsewhere.exists()
    assert {file.name: file.read_text() for file in (stack.folder / "secrets" / "units").iterdir()} == before
    assert {file.stat().st_mode & 0o777 for file in (stack.folder / "secrets" / "units").iterdir()} == {0o600}
    assert stack.jalur("access", "apply")[0] == 2
    assert stack.jalur("access", "apply", "--yes", "--dry-run")[0] == 2


async def test_a_rule_made_or_lost_by_hand_is_shown_and_put_right_and_a_strangers_is_left(stack: Stack) -> None:
    bus = Bus(find_stack(stack.folder, {}).settings())
    extra = BusRight("unit-ham", "topic", TOPICS.routed("imigrasi"), "read")
    lost = BusRight("unit-ham", "topic", TOPICS.updates("ham"), "write")
    strangers = BusRight("somebody", "topic", "complaints.", "read", is_prefix=True)
    await asyncio.to_thread(bus.add, [extra, strangers])
    await asyncio.to_thread(bus.remove, [lost])

    async def differs() -> Difference | None:
        found = await asyncio.to_thread(bus.find_difference)
        return found if found.missing and found.surplus else None

    found = await until("the broker shows it", differs)
    assert found is not None
    assert (found.missing, found.surplus, found.others) == ([lost], [extra], [strangers])
    code, said = await asyncio.to_thread(stack.jalur, "access", "apply", "--dry-run", "--only", "bus")
    assert code == 3
    assert said.splitlines() == [
        f"+ unit-ham may write topic {TOPICS.updates('ham')}",
        f"- unit-ham may read topic {TOPICS.routed('imigrasi')}",
        "? somebody may read topics that begin with complaints. (not ours: left as it is)",
    ]
    assert (await asyncio.to_thread(stack.jalur, "access", "apply", "--yes", "--only", "bus"))[0] == 0
    after = await asyncio.to_thread(bus.find_difference)
    assert (after.is_none, after.others) == (True, [strangers])
    await asyncio.to_thread(bus.remove, [strangers])


def test_each_unit_may_write_so_much_and_no_more_and_an_operators_own_limit_stays(stack: Stack) -> None:
    settings = find_stack(stack.folder, {}).settings()
    assert access_quotas.byte_rates(settings) == byte_rates(TOPICS)
    access_quotas.set_byte_rates(settings, {"unit-ham": None, "unit-pp": 1_000_000.0})
    code, said = stack.jalur("access", "apply", "--dry-run", "--only", "bus")
    assert (code, said) == (3, "+ limit of what unit-ham may write in a second\n")
    assert stack.jalur("access", "apply", "--yes", "--only", "bus")[0] == 0
    assert access_quotas.byte_rates(settings) == {**byte_rates(TOPICS), "unit-pp": 1_000_000.0}


async def test_what_everybody_is_allowed_of_ours_is_a_difference_that_applying_leaves(stack: Stack) -> None:
    bus = Bus(find_stack(stack.folder, {}).settings())
    everybodys = BusRight("*", "cluster", "kafka-cluster", "describe")
    await asyncio.to_thread(bus.add, [everybodys])

    async def shown() -> bool:
        return (await asyncio.to_thread(bus.find_difference)).others == [everybodys]

    await until("the broker shows it", shown)
    line = "? * may describe cluster kafka-cluster (not ours: left as it is)\n"
    assert await asyncio.to_thread(stack.jalur, "access", "show", "--only", "bus") == (3, line)
    assert await asyncio.to_thread(stack.jalur, "access", "apply", "--yes", "--only", "bus") == (0, line)
    assert await shown()
    await asyncio.to_thread(bus.remove, [everybodys])

    async def is_gone() -> bool:
        return (await asyncio.to_thread(bus.find_difference)).is_none

    await until("the broker has forgotten it", is_gone)


async def test_a_new_password_opens_and_the_old_one_does_not(stack: Stack) -> None:
    old = stack.password("unit-pp").read_text()
    folder = str(stack.folder / "secrets" / "units")
    code, said = await asyncio.to_thread(stack.jalur, "access", "rotate", "unit-pp", "--secrets", folder)
    new = stack.password("unit-pp").read_text()
    assert (code, new in said, old != new) == (0, False, True)

    async def refused() -> bool:
        try:
            return not await is_let_in(stack, "unit-pp", old)
        except KafkaConnectionError:
            return True

    await until("the old password is refused", refused)
    assert await is_let_in(stack, "unit-pp")
    assert (await asyncio.to_thread(stack.jalur, "access", "rotate", "admin", "--secrets", folder))[0] == 2


def test_a_second_installation_on_the_cluster_gets_users_of_its_own_and_takes_nothing_from_the_first(stack: Stack) -> None:
    folder = stack.folder / "trial"
    trial = {"JALUR_NAMESPACE": "trial"}
    assert stack.jalur("access", "show", "--only", "bus", **trial)[0] == 3
    assert stack.jalur("access", "apply", "--yes", "--only", "bus", **trial)[0] == 1  # where to, with the passwords?
    assert stack.jalur("access", "apply", "--yes", "--only", "bus", "--secrets", str(folder), **trial)[0] == 0
    assert {file.name for file in folder.iterdir()} == {
        f"trial.{name}" for name in (*SERVICES, "triage", *(f"unit-{unit}" for unit in UNIT_SLUGS))
    }
    assert stack.jalur("access", "show", "--only", "bus", **trial)[0] == 0
    assert stack.jalur("access", "show")[0] == 0


def test_the_operators_guide_works_as_printed(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")
    block = text.partition("## Who may do what")[2].partition("```\n")[2].partition("```")[0]
    commands = [line.partition("#")[0].split()[1:] for line in block.splitlines()]
    assert len(commands) == 4
    monkeypatch.chdir(tmp_path)
    assert [stack.jalur(*words)[0] for words in commands] == [0, 0, 0, 0]
    assert [file.name for file in (tmp_path / "passwords").iterdir()] == ["unit-imigrasi"]


def test_data_that_was_begun_without_users_is_not_taken_for_secured(tmp_path: Path) -> None:
    (tmp_path / "kafka" / "data").mkdir(parents=True)
    with pytest.raises(StackError, match="begun without --secure"):
        secured.refuse_open_data(tmp_path / "kafka", tmp_path / "secrets")
