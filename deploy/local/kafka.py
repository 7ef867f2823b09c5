"""Apache Kafka, one KRaft node on loopback: format, start, wait until it is truly ready, stop, start again on the same data."""

import fcntl
import os
import shutil
import signal
import threading
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local import jars, ports, probe, secured
from deploy.local.datadir import DataDirectory
from deploy.local.errors import AlreadyRunningError, StackError
from deploy.local.java import FOREIGN_OPTIONS, find_java
from deploy.local.processes import Child, last_line, run, spawn, wait_until

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # Longer than the longest retention of a topic (90 days): a consumer that was away never starts from the beginning.
    "offsets.retention.minutes": str(100 * 24 * 60),
    # One node: nothing to replicate to, and few partitions for the broker's own books.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "2",
    # A broker that was killed is let in again only when its old session has run out.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    # Small: many partitions with little in each, and 1 GiB for broker and database together.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.segment.bytes": "268435456",
    "log.index.size.max.bytes": "1048576",
}
# How long a broker that was told to end, or killed, may hold its data.
DYING_SECONDS = 5.0
HEAP = ("-Xms96m", "-Xmx384m", "-XX:+UseSerialGC")
# Without a configuration of its own log4j trips over a stray XML in one of the jars.
LOGGING = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR">
  <Appenders>
    <RollingFile name="file" fileName="{log}" filePattern="{log}.%i" filePermissions="rw-------">
      <PatternLayout pattern="%d{{ISO8601}} %-5p %c{{1}} %m%n"/>
      <SizeBasedTriggeringPolicy size="16MB"/>
      <DefaultRolloverStrategy max="2"/>
    </RollingFile>
    <Console name="errors" target="SYSTEM_ERR">
      <ThresholdFilter level="ERROR"/>
      <PatternLayout pattern="%p %m %throwable{{short.message}}%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Root level="WARN"><AppenderRef ref="file"/><AppenderRef ref="errors"/></Root>
    <Logger name="kafka.server" level="INFO"/>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True)
class RunningKafka:
    """A broker of ours. `stop` and `kill` leave the data as it is; `start_kafka` on the same directory goes on with it."""

    child: Child
    bootstrap: str
    port: int
    controller_port: int
    cluster: str
    secrets: Path | None = None
    inner_port: int | None = None

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def is_running(self) -> bool:
        return self.child.is_running

    def is_ready(self) -> bool:
        connection = secured.admin_connection(self.secrets) if self.secrets else None
        return probe.kafka_is_ready(self.bootstrap, cluster=self.cluster, connection=connection)

    def wait_ready(self, timeout_seconds: float = 90.0, cancelled: threading.Event | None = None) -> None:
        self.child.await_ready(self.is_ready, timeout_seconds, cancelled)

    def stop(self, timeout_seconds: float = 30.0) -> None:
        self.child.stop(signal.SIGTERM, timeout_seconds)
        self._release()

    def kill(self) -> None:
        """SIGKILL: what was acknowledged is in the operating system's hands and is read back at the next start."""
        self.child.kill()
        self._release()

    def _release(self) -> None:
        ports.release(self.port, self.controller_port, *([self.inner_port] if self.inner_port else []))


def start_kafka(
    data_dir: Path,
    *,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
    secrets: Path | None = None,
    timeout_seconds: float = 90.0,
) -> RunningKafka:
    """Start the broker of this data directory, formatted at the first call, and wait until it takes topics and groups."""
    broker = launch_kafka(DataDirectory.open(data_dir), port=port, settings=settings, secrets=secrets)
    try:
        broker.wait_ready(timeout_seconds)
    except BaseException:
        broker.kill()
        raise
    return broker


def launch_kafka(
    directory: DataDirectory,
    *,
    port: int | None = None,
    controller_port: int | None = None,
    settings: Mapping[str, str] | None = None,
    secrets: Path | None = None,
) -> RunningKafka:
    """Start without waiting. Raises `AlreadyRunningError` where a broker is still at work on this data.

    With `secrets` (what `deploy.secrets` made) everybody must say who they are, and may do only what a rule lets them.
    """
    folder = directory.kafka
    (folder / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
    data = folder / "data"
    _refuse_second(data / ".lock")
    chosen = {} if port and controller_port else ports.reserve(directory.ports, ["kafka", "kafka-controller"])
    broker = port or chosen["kafka"]
    controller = controller_port or chosen["kafka-controller"]
    ports.insist(directory.ports, broker, controller)
    more = dict(settings or {})
    inner = None
    if secrets is not None:
        inner = ports.reserve(directory.ports, ["kafka-broker"])["kafka-broker"]
        more |= secured.broker_settings(secrets, clients=broker, inner=inner, controller=controller)
    properties = _write_properties(folder / "server.properties", data, broker, controller, more)
    logging = folder / "log4j2.xml"
    logging.write_text(LOGGING.format(log=directory.log("kafka")))
    found = find_java()
    java: list[str | Path] = [
        found.path,
        *found.options,
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        f"-Djava.io.tmpdir={folder / 'tmp'}",  # compression libraries unpack themselves there: a shared /tmp may forbid running them
        f"-Dlog4j2.configurationFile={logging}",
        "-cp",
        jars.class_path(),
    ]
    output = directory.log("kafka.out")
    if not data.exists():
        _format(folder, java, broker, controller, more, secrets, output)
    child = spawn("Kafka", [java[0], *HEAP, *java[1:], "kafka.Kafka", properties], log=output, environment=_environment())
    return RunningKafka(child, f"{ports.HOST}:{broker}", broker, controller, _cluster(data), secrets, inner)


def _refuse_second(lock: Path) -> None:
    """The broker's own lock tells: the kernel lets go of it when its holder dies. One that is dying now is waited for."""
    if lock.exists() and not wait_until(lambda: _is_unlocked(lock), DYING_SECONDS):
        raise AlreadyRunningError(f"a Kafka broker is still at work on {lock.parent}")


def _is_unlocked(lock: Path) -> bool:
    with lock.open("r+b") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
    return True


def new_cluster_id(random: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """22 letters as Kafka writes them; one that begins with a dash, every sixty-fourth, would be read as an option."""
    while (cluster := urlsafe_b64encode(random().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return cluster


def _format(
    folder: Path, java: list[str | Path], broker: int, controller: int, settings: Mapping[str, str], secrets: Path | None, output: Path
) -> None:
    """Format aside, then name it data in one step: a start that was cut off leaves nothing half-made behind."""
    part = folder / "data.part"
    shutil.rmtree(part, ignore_errors=True)
    properties = _write_properties(folder / "format.properties", part, broker, controller, settings)
    cluster = new_cluster_id() if secrets is None else secured.cluster_id(secrets)
    tool: list[str | Path] = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", properties]
    users = folder / "format.users"
    tool += [] if secrets is None else [secured.write_first_users(secrets, users)]
    try:
        if run([java[0], "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *java[1:], *tool], environment=_environment(), log=output):
            raise StackError(f"Kafka's storage could not be formatted: {last_line(output)} ({output})")
    finally:
        users.unlink(missing_ok=True)
    part.rename(folder / "data")
    properties.unlink()


def _cluster(data: Path) -> str:
    """The id it was formatted with, by which another broker that happens to answer on our port is told from ours."""
    lines = (data / "meta.properties").read_text().splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith("cluster.id=")), "")


def _write_properties(file: Path, data: Path, broker: int, controller: int, settings: Mapping[str, str]) -> Path:
    addresses = {
        "listeners": f"PLAINTEXT://{ports.HOST}:{broker},CONTROLLER://{ports.HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{broker},CONTROLLER://{ports.HOST}:{controller}",
        "controller.quorum.bootstrap.servers": f"{ports.HOST}:{controller}",
        "log.dirs": str(data),
    }
    file.write_text("".join(f"{name}={value}\n" for name, value in (SETTINGS | addresses | dict(settings)).items()))
    return file


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in FOREIGN_OPTIONS}
