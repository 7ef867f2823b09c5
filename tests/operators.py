"""What the tests of operators' commands do: run `jalur` in this process, and keep cases as the notifier would."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from typer.testing import CliRunner

from services.cli import app
from services.commands import CommandError
from services.notifier import domain, reading, store
from services.notifier.case import Case
from services.notifier.domain import Setting
from services.notifier.facts import Fact
from services.notifier.publication import messages_of
from shared.events import CaseStatus, CaseUpdate, ComplaintChanged, ComplaintReceived
from shared.postgres import Connection
from tests.facts import MONDAY, decided, received
from tests.facts import Fact as Payload
from tests.memory import CLOCKWORK, TOPICS
from tests.world import World

Told = Payload | tuple[Payload, datetime]


@dataclass(frozen=True)
class Ran:
    exit_code: int
    stdout: str
    stderr: str


@asynccontextmanager
async def database_alone(dsn: str) -> AsyncIterator[World]:
    """An installation of which only the database runs: these commands may not need more."""
    async with World("not-asked:9092", dsn, "") as created:
        yield created


async def jalur(world: World, *words: str) -> Ran:
    """The command, in this process but outside its loop, with nothing but the database named."""
    loggers = [logging.getLogger(name) for name in ("aiokafka", "asyncio")]
    levels = [logger.level for logger in loggers]
    environ = {
        "JALUR_POSTGRES": world.dsn,
        "JALUR_DATA": "no-stack-here",
        "JALUR_NAMESPACE": world.topics.namespace or None,
        "COLUMNS": "300",
    }
    try:
        done = await asyncio.to_thread(CliRunner().invoke, app, words, None, environ)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    if isinstance(done.exception, CommandError):  # which `jalur` itself turns into a line and an exit code
        return Ran(done.exception.exit_code, done.stdout, f"{done.stderr}error: {done.exception}\n")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(done.exit_code, done.stdout, done.stderr)


async def asked(world: World, *words: str, code: int = 0) -> Any:
    done = await jalur(world, *words, "--json")
    assert done.exit_code == code, done
    return json.loads(done.stdout)


@asynccontextmanager
async def notifier(world: World) -> AsyncIterator[Connection]:
    async with world.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL search_path TO notifier, jalur")
        yield connection


def facts_of(payloads: Iterable[Told]) -> list[Fact]:
    found: list[Fact] = []
    for item in payloads:
        payload, at = item if isinstance(item, tuple) else (item, MONDAY)
        if isinstance(payload, CaseUpdate):
            found.append(reading.said(payload, at))
        elif isinstance(payload, ComplaintChanged):
            found.append(reading.changed(payload))
        elif isinstance(payload, ComplaintReceived):
            found.append(reading.reported(payload))
        else:
            found += [reading.reported(payload), reading.decided(payload)]
    return found


async def keep(world: World, complaint_id: UUID, *batches: Sequence[Told], until: datetime | None = None) -> CaseStatus:
    """As the notifier would have: a transaction a batch, then a sweep; returns the last status."""
    status: CaseStatus | None = None
    for number in range(len(batches) + (until is not None)):
        async with notifier(world) as connection:
            case: Case = (await store.lock_cases(connection, [complaint_id]))[complaint_id]
            setting = Setting(CLOCKWORK, until or MONDAY)
            domain.revive(case, setting)
            if number < len(batches):
                domain.learn(case, facts_of(batches[number]), setting)
            else:
                assert until is not None
                domain.fire(case, until, setting)
            status = CaseStatus.model_validate_json(messages_of(case, TOPICS, setting.now)[-1].value or b"")
            await store.save_cases(connection, [case], setting.now)
    assert status is not None
    return status


def opened(complaint_id: UUID, *destinations: str, **report: Any) -> list[Told]:
    return [received(complaint_id, **report), *decided(complaint_id, *(destinations or ("imigrasi",)))]
