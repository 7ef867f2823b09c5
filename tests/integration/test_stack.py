"""The embedded stack on the real thing: what it keeps, what it refuses, what it does when something dies."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.local import kafka, ports, postgres, state
from deploy.local.errors import AlreadyRunningError, StackError
from deploy.local.kafka import RunningKafka, start_kafka
from deploy.local.postgres import RunningPostgres, start_postgres
from deploy.local.state import StackState

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
Answer = TypeVar("Answer")
# The client's library is typed in parts only.
Consumer: Any = AIOKafkaConsumer
Producer: Any = AIOKafkaProducer
Admin: Any = AIOKafkaAdminClient
Topic: Any = NewTopic
Resource: Any = ConfigResource
TOPIC = "kept"

# A service as small as can be: answers for its readiness, and with the environment that it was given.
FAKE_SERVICE = """
import http.server, json, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({name: value for name, value in os.environ.items() if name.startswith("JALUR_")}).encode()
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer((os.environ["JALUR_HOST"], int(os.environ["JALUR_PORT"])), Answer).serve_forever()
"""
RUN_STACK = """
import os, signal, sys
from pathlib import Path
from deploy.local.datadir import DataDirectory
from deploy.local.service import Service
from deploy.local.supervisor import Plan, Supervisor
fake = (sys.executable, "-c", os.environ.pop("FAKE_SERVICE"))
plan = Plan(
    services=tuple(Service(name, fake) for name in ("intake", "router", "notifier")),
    environment=os.environ,
    kafka=os.environ.get("JALUR_KAFKA"),
    postgres=os.environ.get("JALUR_POSTGRES"),
    settable_clock=True,
)
number = Supervisor(DataDirectory.open(Path(sys.argv[1])), plan, lambda part, news: print(part, news, flush=True)).run()
sys.exit(0 if number == signal.SIGTERM else 1)
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "stack"


def test_what_was_stored_survives_kill_9_of_both_a_graceful_stop_and_the_loss_of_their_ports(data_dir: Path) -> None:
    database, broker = start_postgres(data_dir), start_kafka(data_dir)
    asyncio.run(_store(database, broker, "before the kill"))
    broker.kill()
    database.kill()
    remembered = json.loads((data_dir / "ports.json").read_text())
    with _occupied(list(remembered.values())):
        database, broker = start_postgres(data_dir), start_kafka(data_dir)
        assert not {database.port, broker.port} & set(remembered.values())
        asyncio.run(_store(database, broker, "before the stop"))
        broker.stop()
        database.stop()

    database, broker = start_postgres(data_dir), start_kafka(data_dir)
    try:
        assert asyncio.run(_stored(database, broker)) == (["before the kill", "before the stop"],) * 2
    finally:
        broker.stop()
        database.stop()


def test_a_database_starts_although_its_killed_predecessors_pid_belongs_to_another_process_now(data_dir: Path) -> None:
    killed = start_postgres(data_dir)
    killed.kill()
    lock = data_dir / "postgres" / "data" / "postmaster.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        lock.write_text(lock.read_text().replace(str(killed.pid), str(other.pid), 1))
        database = start_postgres(data_dir)
        database.stop()
        assert other.poll() is None
        other.communicate(b"\n")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningPostgres, RunningKafka, Path]]:
    directory = tmp_path_factory.mktemp("servers")
    database, broker = start_postgres(directory), start_kafka(directory)
    yield database, broker, directory
    broker.stop()
    database.stop()


def test_a_second_server_is_never_started_on_live_data(
    servers: tuple[RunningPostgres, RunningKafka, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, broker, directory = servers
    monkeypatch.setattr(kafka, "DYING_SECONDS", 0.1)
    monkeypatch.setattr(postgres, "DYING_SECONDS", 0.1)
    with pytest.raises(AlreadyRunningError, match="still at work on"):
        start_kafka(directory)
    with pytest.raises(AlreadyRunningError, match="still at work on"):
        start_postgres(directory)
    assert broker.is_ready()
    assert database.is_ready()


def test_broker_and_database_together_take_less_than_a_gibibyte(servers: tuple[RunningPostgres, RunningKafka, Path]) -> None:
    database, broker, _ = servers
    processes = [psutil.Process(broker.pid), psutil.Process(database.pid), *psutil.Process(database.pid).children(recursive=True)]
    assert sum(process.memory_info().rss for process in processes) < 2**30


def test_the_database_asks_for_its_password_and_both_listen_on_loopback_only(servers: tuple[RunningPostgres, RunningKafka, Path]) -> None:
    database, broker, directory = servers
    stranger = database.dsn.replace(database.dsn.split(":")[2].split("@")[0], "guess")
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(_fetch(stranger, "SELECT 1"))
    for server in (database, broker):
        listening = [found.laddr.ip for found in psutil.Process(server.pid).net_connections("tcp") if found.status == "LISTEN"]
        assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert (directory.stat().st_mode & 0o777, (directory / "postgres" / "password").stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_forgotten_transaction_is_ended_and_offsets_outlive_the_longest_retention(
    servers: tuple[RunningPostgres, RunningKafka, Path],
) -> None:
    database, broker, _ = servers
    assert asyncio.run(_fetch(database.dsn, "SELECT current_setting('idle_in_transaction_session_timeout')")) == "1min"
    assert asyncio.run(_fetch(database.dsn, "SELECT current_setting('fsync')")) == "on"
    retention = asyncio.run(_broker_setting(broker, "offsets.retention.minutes"))
    assert int(retention) > 90 * 24 * 60


RESERVE_AND_WAIT = """
import sys
from pathlib import Path
from deploy.local import ports
print(*ports.reserve(Path(sys.argv[1]), ["kafka", "postgres"]).values(), flush=True)
sys.stdin.read()
"""


def test_two_stacks_that_start_at_the_same_moment_choose_different_ports_and_a_dead_ones_are_free_again(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    command = [sys.executable, "-c", RESERVE_AND_WAIT, str(tmp_path / "theirs.json")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), text=True) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        chosen = ports.reserve(mine, ["kafka", "postgres"])
        try:
            assert not theirs & set(chosen.values())
            assert ports.reserve(mine, ["kafka", "postgres"]) == chosen
            with pytest.raises(StackError, match="is taken by another process"):
                ports.insist(mine, *theirs)
            other.kill()
            other.wait()
            ports.insist(mine, *theirs)
        finally:
            ports.release(*chosen.values(), *theirs)


def test_a_directory_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    tmp_path.chmod(0o755)
    with pytest.raises(StackError, match="not empty and not a data directory"):
        start_postgres(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_stack_is_watched_over_asked_refused_a_second_time_killed_and_stopped(data_dir: Path) -> None:
    with _stack(data_dir) as supervisor:
        first = _when_ready(data_dir, supervisor)

        code, answer = _jalur("status", "--json", data_dir=data_dir)
        found = json.loads(answer)
        assert code == 0
        assert list(found) == ["kafka", "postgres", "intake", "router", "notifier"]
        assert found["kafka"] == {"bootstrap": first.kafka.address, "ready": True}
        assert found["postgres"] == {"dsn": first.postgres.address, "ready": True}
        intake = first.services["intake"].process
        assert intake is not None
        assert found["intake"] == {"url": first.services["intake"].address, "ready": True, "pid": intake.pid}

        code, answer = _jalur("up", data_dir=data_dir)
        assert (code, answer.count("\n")) == (1, 1)
        assert answer.startswith(f"error: a stack is already running in {data_dir}")

        os.kill(intake.pid, signal.SIGKILL)
        again = _until(lambda: _another_intake(data_dir, intake.pid), "intake was not started again")
        assert again.kafka == first.kafka
        _until(lambda: _jalur("status", data_dir=data_dir)[0] == 0, "the stack was not ready again")

        supervisor.kill()
        for process in again.processes:
            assert process.wait_gone(10.0), f"pid {process.pid} outlived its supervisor"
        assert _jalur("status", data_dir=data_dir)[0] == 3

    with _stack(data_dir) as supervisor:
        second = _when_ready(data_dir, supervisor)
        assert second.postgres.address == first.postgres.address
        assert _jalur("down", data_dir=data_dir) == (0, "stopped\n")
        assert supervisor.wait(PATIENCE_SECONDS) == 0
        assert not [process for process in second.processes if process.is_alive]
    assert _jalur("down", data_dir=data_dir) == (0, f"nothing runs in {data_dir}\n")
    assert _jalur("status", data_dir=data_dir)[0] == 3


def test_given_servers_are_used_and_neither_started_nor_stopped(
    servers: tuple[RunningPostgres, RunningKafka, Path], data_dir: Path
) -> None:
    database, broker, _ = servers
    with _stack(data_dir, JALUR_KAFKA=broker.bootstrap, JALUR_POSTGRES=database.dsn, JALUR_LOG_LEVEL="debug") as supervisor:
        running = _when_ready(data_dir, supervisor)
        assert len(running.processes) == 3
        told = json.loads(_get(f"{running.services['router'].address}/health/ready"))
        port = (running.services["router"].address or "").rpartition(":")[2]
        assert told == {
            "JALUR_KAFKA": broker.bootstrap,
            "JALUR_POSTGRES": database.dsn,
            "JALUR_HOST": "127.0.0.1",
            "JALUR_PORT": port,
            "JALUR_REPLICA": "0",
            "JALUR_CLOCK": "settable",
            "JALUR_LOG_LEVEL": "debug",
        }
        assert _jalur("status", data_dir=data_dir)[0] == 0
    assert supervisor.returncode == 0
    assert broker.is_ready()
    assert database.is_ready()


def test_ctrl_c_while_starting_leaves_nothing_running(data_dir: Path) -> None:
    command = [sys.executable, "-m", "services.cli", "up", "--data-dir", str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment()) as process:
        _until((data_dir / "logs" / "kafka.out.log").exists, "Kafka was never started")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
    assert state.read(data_dir / "stack.json") is None
    assert not [found.pid for found in psutil.process_iter(["cmdline"]) if str(data_dir) in " ".join(found.info["cmdline"] or [])]


@contextmanager
def _stack(data_dir: Path, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = _environment() | {"FAKE_SERVICE": FAKE_SERVICE} | extra
    with subprocess.Popen([sys.executable, "-c", RUN_STACK, str(data_dir)], cwd=ROOT, env=environment) as supervisor:
        try:
            yield supervisor
        finally:
            supervisor.terminate()
            supervisor.wait(PATIENCE_SECONDS)


def _environment() -> dict[str, str]:
    """Ours, without what would point the stack elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")} | {"PYTHONPATH": str(ROOT)}


def _when_ready(data_dir: Path, supervisor: subprocess.Popen[bytes]) -> StackState:
    def ready() -> StackState | None:
        assert supervisor.poll() is None, "the stack ended while starting"
        found = state.read(data_dir / "stack.json")
        return found if found and found.was_ready and found.supervisor.pid == supervisor.pid else None

    return _until(ready, "the stack did not become ready")


def _another_intake(data_dir: Path, former: int) -> StackState | None:
    found = state.read(data_dir / "stack.json")
    pid = found.services["intake"].living_pid if found else None
    return found if pid not in (None, former) else None


def _until(question: Callable[[], Answer | None], failure: str) -> Answer:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.05)
    pytest.fail(failure)


def _jalur(*arguments: str, data_dir: Path) -> tuple[int, str]:
    """Exit code, and what it printed (errors where it printed nothing else)."""
    command = [sys.executable, "-m", "services.cli", *arguments, "--data-dir", str(data_dir)]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    return done.returncode, done.stdout or done.stderr


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


@contextmanager
def _occupied(taken: list[int]) -> Iterator[None]:
    with ExitStack() as held:
        for port in taken:
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


async def _fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _store(database: RunningPostgres, broker: RunningKafka, word: str) -> None:
    connection = await asyncpg.connect(database.dsn)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (at serial, word text)")
        await connection.execute("INSERT INTO kept (word) VALUES ($1)", word)
    finally:
        await connection.close()
    admin = Admin(bootstrap_servers=broker.bootstrap)
    producer = Producer(bootstrap_servers=broker.bootstrap, acks="all")
    try:
        await admin.start()
        await admin.create_topics([Topic(TOPIC, 1, 1)])  # the second time it answers that there is one
        await producer.start()
        await producer.send_and_wait(TOPIC, word.encode(), partition=0)
    finally:
        await producer.stop()
        await admin.close()


async def _stored(database: RunningPostgres, broker: RunningKafka) -> tuple[list[str], list[str]]:
    connection = await asyncpg.connect(database.dsn)
    consumer = Consumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    try:
        rows = [row["word"] for row in await connection.fetch("SELECT word FROM kept ORDER BY at")]
        await consumer.start()
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        count = (await consumer.end_offsets([partition]))[partition]
        records = [(await consumer.getone()).value.decode() for _ in range(count)]
    finally:
        await consumer.stop()
        await connection.close()
    return rows, records


async def _broker_setting(broker: RunningKafka, name: str) -> str:
    admin = Admin(bootstrap_servers=broker.bootstrap)
    try:
        await admin.start()
        answers = await admin.describe_configs([Resource(ConfigResourceType.BROKER, "1")])
    finally:
        await admin.close()
    found: str = next(entry[1] for answer in answers for resource in answer.resources for entry in resource[4] if entry[0] == name)
    return found
