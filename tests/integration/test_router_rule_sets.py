"""Which rule set is in force: the one that was activated last and can be read, on every router, also after a restart."""

import asyncio
import io
import json
import re
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import Any, NoReturn
from uuid import uuid4

import numpy as np
import pytest
from structlog.testing import capture_logs

from services.router import rule_sets
from services.router.judgement import Judge
from services.router.rule_sets import Activation, RuleKeeper, add_activation, pack, read_set, unpack
from services.router.ruleset import FILES, load_judge, read_folder
from shared.postgres import Pool, open_pool
from shared.units import load_directory
from tests.bus import caught_up, put, ready, until_ready, until_shared
from tests.facts import received
from tests.integration.test_router_decisions import measured
from tests.judges import judge_with
from tests.world import World, payload, until

Files = dict[str, bytes]
DIRECTORY = load_directory()
WORDS: dict[str, Any] = {"title": "Paspor", "text": "Paspor saya belum jadi di Kanim Kupang sudah sebulan."}
LARGEST = 60_000_000


def named(version: str, **files: bytes) -> Files:
    """The packaged rules under another name, and with these files (`units_toml`) in place of theirs."""
    found = read_folder()
    rules, count = re.subn(rb'(?m)^version = ".*"$', f'version = "{version}"'.encode(), found["rules.toml"])
    assert count == 1
    return found | {"rules.toml": rules} | {name.replace("_", "."): content for name, content in files.items()}


def doubting(version: str) -> Files:
    """Never sure enough of a passport."""
    thresholds, count = re.subn(rb"(?m)^imigrasi = .*$", b"imigrasi = 1.0", read_folder()["thresholds.toml"])
    assert count == 1
    return named(version, thresholds_toml=thresholds)


def version_of(files: Files) -> str:
    return read_set(files, DIRECTORY).version


async def activate(world: World, version: str, content: bytes | None) -> int:
    async with world.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL search_path TO router, jalur")
        return await add_activation(connection, Activation(version, content, judged=0, moved=0, is_confirmed=False))


async def in_force(logs: list[MutableMapping[str, Any]], version: str, routers: int = 1) -> None:
    """Wait until so many routers say that they judge by it."""

    async def look() -> bool:
        said = [entry for entry in logs if entry["event"] == "another rule set is in force" and entry["version"].startswith(f"{version}+")]
        return len(said) == routers

    await until(f"{version} is in force on {routers} routers", look)


async def is_refused(router: object) -> bool:
    return await measured(router, "jalur_router_rules_refused") == 1


async def test_every_router_judges_the_next_report_by_the_set_that_was_activated_and_says_the_last_as_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_with(monkeypatch)
    before, after = [uuid4() for _ in range(20)], [uuid4() for _ in range(20)]
    imigrasi, triage = world.topics.routed("imigrasi"), world.topics.triage
    with capture_logs() as logs:
        routers = [await world.start("router"), await world.start("router")]
        await until_shared(*routers)
        await put(world, *(received(case, **WORDS) for case in before))
        await caught_up(world, "router")
        first = await world.records(imigrasi)
        await activate(world, "doubting", pack(doubting("doubting")))
        await in_force(logs, "doubting", routers=2)
    await put(world, *(received(case, **WORDS) for case in (*after, *before)))  # the old ones are delivered again
    await caught_up(world, "router")
    said = [payload(record) for record in await world.records(triage)]
    assert {item["complaint_id"] for item in said} == {str(case) for case in after}
    assert {item["why"] for item in said} == {"low_confidence"}
    assert {item["rules_version"] for item in said} == {version_of(doubting("doubting"))}
    whole = await world.records(imigrasi)
    assert len(whole) == 40, "each was said twice"
    assert {(record.key, record.value) for record in whole} == {(record.key, record.value) for record in first}
    assert {payload(record)["rules_version"] for record in whole} == {"paspor-1"}
    assert await world.db.fetchval("SELECT count(*) FROM router.decisions") == 40
    for router in routers:
        assert not await is_refused(router)


async def test_a_set_that_cannot_be_read_leaves_the_old_one_in_force_until_the_next_good_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_with(monkeypatch)
    router = await world.start("router")
    await until_ready(router)
    assert not await is_refused(router)
    await activate(world, "damaged", damaged())

    await until("it is refused", lambda: is_refused(router))
    await put(world, received(uuid4(), **WORDS))
    await caught_up(world, "router")
    (record,) = await world.records(world.topics.routed("imigrasi"))
    assert payload(record)["rules_version"] == "paspor-1"
    assert await ready(router) == (True, {})

    with capture_logs() as logs:
        await activate(world, "good", pack(doubting("good")))
        await in_force(logs, "good")

    async def is_well() -> bool:
        return not await is_refused(router)

    await until("nothing is refused", is_well)
    await put(world, received(uuid4(), **WORDS))
    await caught_up(world, "router")
    (held,) = await world.records(world.topics.triage)
    assert payload(held)["rules_version"] == version_of(doubting("good"))


async def test_the_packaged_set_comes_back_when_it_is_activated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judge_with(monkeypatch)
    await activate(world, "doubting", pack(doubting("doubting")))
    packaged = load_judge(DIRECTORY).version
    with capture_logs() as logs:
        await world.start("router")
        await in_force(logs, "doubting")
        await activate(world, packaged, None)
        await in_force(logs, packaged.partition("+")[0])
    await put(world, received(uuid4(), **WORDS))
    await caught_up(world, "router")
    (record,) = await world.records(world.topics.routed("imigrasi"))
    assert payload(record)["rules_version"] == packaged
    assert payload(record)["desk"] == "kanim:kupang"


async def test_after_a_restart_nothing_is_judged_before_the_activated_set_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judge_with(monkeypatch)
    cases = [uuid4() for _ in range(30)]
    async with world.running("router") as router:
        await until_ready(router)
        await activate(world, "doubting", pack(doubting("doubting")))
    await activate(world, "damaged", damaged())  # and the newest cannot be read
    await put(world, *(received(case, **WORDS) for case in cases))

    is_reading, may_go_on = threading.Event(), threading.Event()

    def slowly(files: Files, directory: Any) -> Any:
        is_reading.set()
        assert may_go_on.wait(60)
        return read_set(files, directory)

    monkeypatch.setattr(rule_sets, "read_set", slowly)
    async with world.running("router") as router:
        try:
            await asyncio.to_thread(is_reading.wait, 60)

            async def kafka_answers() -> bool:
                return bool(router.state.kafka_answers)

            await until("Kafka answers", kafka_answers)
            assert await world.db.fetchval("SELECT count(*) FROM router.decisions") == 0
        finally:
            may_go_on.set()
        await caught_up(world, "router")
        assert await is_refused(router)
    versions = await world.db.fetch("SELECT rules_version, count(*) FROM router.decisions GROUP BY 1")
    assert [tuple(row) for row in versions] == [(version_of(doubting("doubting")), 30)]


# What follows a set, without Kafka.


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge(DIRECTORY)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    opened = await open_pool(dsn, service="router", most=2)
    yield opened
    await opened.close()


async def add(pool: Pool, version: str, content: bytes | None) -> int:
    async with pool.acquire() as connection:
        return await add_activation(connection, Activation(version, content, 0, 0, False))


def damaged() -> bytes:
    """An archive whose table of contents is whole, and whose contents are not."""
    content = bytearray(pack(read_folder()))
    for at in range(200, len(content) // 2, 50):
        content[at] ^= 0xFF
    return bytes(content)


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def without(name: str) -> bytes:
    return zipped({key: content for key, content in read_folder().items() if key != name})


def encrypted() -> bytes:
    content = zipped(read_folder())
    return content.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")


def strangely_packed() -> bytes:
    content = zipped(read_folder())
    return content.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63\x00")


def model(change: Callable[[dict[str, Any]], None]) -> bytes:
    with np.load(io.BytesIO(read_folder()["model.npz"])) as file:
        parts = {name: file[name] for name in file.files}
    change(parts)
    out = io.BytesIO()
    np.savez_compressed(out, **parts)
    return pack(read_folder() | {"model.npz": out.getvalue()})


def heads(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def change(parts: dict[str, Any]) -> None:
        said = json.loads(parts["said"].tobytes())
        said["heads"] = json.loads(json.dumps(said["heads"]).replace(f'"{old}"', f'"{new}"'))
        parts["said"] = np.frombuffer(json.dumps(said).encode(), dtype=np.uint8)

    return change


def no_numbers(parts: dict[str, Any]) -> None:
    parts["intercept"] = parts["intercept"] * np.float32("nan")


def pickled() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return pack(read_folder() | {"model.npz": zipped({"said.npy": out.getvalue()})})


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is no packed rule set"),
    "no archive": (lambda: b"PK\x03\x04 and then something else", "is no packed rule set"),
    "cut short": (lambda: pack(read_folder())[:-500], "is no packed rule set"),
    "damaged": (damaged, "is no packed rule set"),
    "encrypted": (encrypted, "is no packed rule set: RuntimeError"),
    "packed in an unknown way": (strangely_packed, "is no packed rule set: NotImplementedError"),
    "a file is missing": (lambda: without("flags.toml"), "is no packed rule set: KeyError"),
    "the model is missing": (lambda: without("model.npz"), "is no packed rule set: KeyError"),
    "grows": (lambda: zipped(read_folder() | {"units.toml": b" " * (LARGEST + 1)}), "larger than 60000000 bytes"),
    "the model grows": (
        lambda: pack(read_folder() | {"model.npz": zipped({"weights.npy": bytes(LARGEST + 1)})}),
        "larger than 60000000 bytes",
    ),
    "no TOML": (lambda: pack(named("x", units_toml=b"[imigrasi\n")), "units.toml: "),
    "another TOML": (lambda: pack(named("x", thresholds_toml=b"a = 1\n")), "thresholds.toml: "),
    "no UTF-8": (lambda: pack(named("x", flags_toml=b"\xff")), "flags.toml: "),
    "no model": (lambda: pack(read_folder() | {"model.npz": b"x"}), "model.npz: is no model file"),
    "a pickle": (pickled, "model.npz: is no model file"),
    "no agencies asked for": (lambda: model(heads("agency", "agencies")), "has no answers to the question 'agency'"),
    "a unit unknown": (lambda: model(heads("imigrasi", "kemenkes")), "answers the question 'unit' with other outcomes"),
    "no numbers": (lambda: model(no_numbers), ""),
    "a name that the database refuses": (lambda: pack(named("a\\\\u0000")), "version: must be printable"),
    "a name that commands the terminal": (lambda: pack(named("a\\\\u001b[2J")), "version: must be printable"),
    "a name without end": (lambda: pack(named("x" * 200)), "version: must be printable"),
}


@pytest.mark.parametrize("name", BAD)
async def test_whatever_is_wrong_with_a_set_it_is_refused_once_and_the_judge_stays(pool: Pool, judge: Judge, name: str) -> None:
    made, told = BAD[name]
    keeper = RuleKeeper(judge, DIRECTORY)
    await add(pool, name, made())
    with capture_logs() as logs:
        assert await keeper.follow(pool) is False
        assert keeper.judge is judge
        assert keeper.is_refused
        assert await keeper.follow(pool) is False, "and is not read again"
    (entry,) = logs
    assert (entry["log_level"], entry["version"]) == ("error", name)
    assert told in entry["error"]
    assert keeper.is_refused


async def test_where_nothing_was_ever_activated_the_judge_stays(pool: Pool, judge: Judge) -> None:
    keeper = RuleKeeper(judge, DIRECTORY)
    assert await keeper.follow(pool) is False
    assert keeper.judge is judge
    assert not keeper.is_refused


async def test_of_several_the_last_is_in_force_and_a_restart_finds_the_last_that_can_be_read(pool: Pool, judge: Judge) -> None:
    for version, content in (("one", pack(named("one"))), ("two", pack(named("two"))), ("bad", b"x"), ("worse", b"")):
        await add(pool, version, content)
    keeper = RuleKeeper(judge, DIRECTORY)
    assert await keeper.follow(pool) is True
    assert state(keeper) == (version_of(named("two")), True)
    await add(pool, "three", pack(named("three")))
    assert await keeper.follow(pool) is True
    assert state(keeper) == (version_of(named("three")), False)
    await add(pool, "bad again", b"y")
    assert await keeper.follow(pool) is False
    assert state(keeper) == (version_of(named("three")), True), "not an older one"


def state(keeper: RuleKeeper) -> tuple[str, bool]:
    return keeper.judge.version, keeper.is_refused


async def test_a_set_that_cannot_be_fetched_is_asked_for_again(pool: Pool, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = RuleKeeper(judge, DIRECTORY)
    await add(pool, "good", pack(named("good")))
    find = rule_sets.find_active

    async def away(*_: Any, **__: Any) -> NoReturn:
        raise ConnectionResetError

    monkeypatch.setattr(rule_sets, "find_active", away)
    with pytest.raises(ConnectionResetError):
        await keeper.follow(pool)
    monkeypatch.setattr(rule_sets, "find_active", find)
    assert await keeper.follow(pool) is True


def test_a_packed_set_is_unpacked_as_it_was_and_the_same_files_give_the_same_bytes() -> None:
    files = read_folder()
    assert unpack(pack(files)) == files
    assert pack(files) == pack(dict(reversed(files.items())))
    assert tuple(unpack(pack(files | {"other.toml": b"x"}))) == FILES
