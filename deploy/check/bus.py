"""The compose file's broker, for real: its very properties and first users on the embedded Kafka's jars, and who is let in."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy import secrets
from deploy.check.fault import Fault
from deploy.local import jars, ports, secured
from deploy.local.java import FOREIGN_OPTIONS, find_java
from shared.publisher import connection_options
from shared.settings import Settings

READY_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Broker:
    process: "subprocess.Popen[bytes]"
    log: Path
    ports: dict[str, int]

    def address(self, listener: str = "services") -> str:
        return f"{ports.HOST}:{self.ports[listener]}"


@contextmanager
def running_broker(project: Path, scratch: Path, made: Path) -> Iterator[Broker]:
    """Formatted and started as start.sh does it, on ports of its own; `made` are the installation's secrets. May not be ready yet."""
    chosen = ports.reserve(scratch / "kafka-ports", ["services", "machine", "broker", "controller"])
    properties = scratch / "server.properties"
    text = (project / "deploy" / "kafka" / "server.properties").read_text()
    for known, there in (
        ("/var/lib/kafka/data", str(scratch / "kafka-data")),
        ("/secrets", str(made / "kafka")),
        ("SERVICES://:9092", f"SERVICES://127.0.0.1:{chosen['services']}"),
        ("MACHINE://:19092", f"MACHINE://127.0.0.1:{chosen['machine']}"),
        ("kafka:9092", f"127.0.0.1:{chosen['services']}"),
        ("localhost:19092", f"127.0.0.1:{chosen['machine']}"),
        ("127.0.0.1:9094", f"127.0.0.1:{chosen['broker']}"),
        ("127.0.0.1:9093", f"127.0.0.1:{chosen['controller']}"),
    ):
        if known not in text:
            raise Fault(f"deploy/kafka/server.properties does not say {known} any more: tell deploy/check/bus.py")
        text = text.replace(known, there)
    properties.write_text(text)
    java = find_java()
    base = [
        *(str(java.path), *java.options, "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        f"-Dlog4j2.configurationFile={project / 'deploy' / 'kafka' / 'log4j2.xml'}",
        *("-cp", jars.class_path()),
    ]
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN_OPTIONS}
    cluster = (made / "kafka" / "cluster-id").read_text()
    users = secured.write_first_users(made, scratch / "kafka-users")
    tool = ["kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", cluster, "--config", str(properties)]
    done = subprocess.run([*base, *tool, users], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fault(f"Kafka's storage could not be formatted as start.sh does it: {(done.stdout + done.stderr).strip()[-1500:]}")
    log = scratch / "kafka.log"
    with log.open("w") as output:
        process = subprocess.Popen([*base, "kafka.Kafka", str(properties)], env=environment, stdout=output, stderr=output)
    try:
        yield Broker(process, log, chosen)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        ports.release(*chosen.values())


async def wait_until_ready(broker: Broker, made: Path) -> None:
    admin = settings_of(secrets.KAFKA_ADMIN, broker, made)
    loop = asyncio.get_running_loop()
    until = loop.time() + READY_WITHIN_SECONDS
    while not await _is_let_in(admin):
        if broker.process.poll() is not None or loop.time() > until:
            raise Fault(f"the compose file's broker does not come up: {_end_of(broker.log)}")
        await asyncio.sleep(0.2)


def settings_of(user: str, broker: Broker, made: Path, listener: str = "services") -> Settings:
    """As a container of the compose file is told them."""
    reader = "operator" if user == secrets.KAFKA_ADMIN else user
    environ = {
        "JALUR_KAFKA": broker.address(listener),
        "JALUR_POSTGRES": "postgresql://",
        "JALUR_KAFKA_SECURITY": "sasl_plaintext",
        "JALUR_KAFKA_USER": user,
        "JALUR_KAFKA_PASSWORD_FILE": str(made / reader / "kafka-password"),
    }
    return Settings.load(user, environ)


async def look(broker: Broker, made: Path) -> None:
    """The topics are there. Who is let in, and who may not write where."""
    admin = settings_of(secrets.KAFKA_ADMIN, broker, made)
    for user in secrets.SERVICES:
        for listener in ("services", "machine"):
            if not await _is_let_in(settings_of(user, broker, made, listener)):
                raise Fault(f"{user} is not let in with its own password")
    if await _is_let_in(replace(admin, kafka_password="wrong")):  # noqa: S106
        raise Fault("admin is let in with a wrong password")
    for user, topic in (("intake", "complaints.updates.imigrasi"), ("router", "complaints.status"), ("notifier", "complaints.received")):
        if await _can_write(settings_of(user, broker, made), topic):
            raise Fault(f"{user} may write {topic}")


def _end_of(log: Path) -> str:
    return log.read_text()[-1500:]


async def _is_let_in(settings: Settings) -> bool:
    client = AIOKafkaAdminClient(**connection_options(settings), request_timeout_ms=5000)
    try:
        await client.start()
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
    return True


async def _can_write(settings: Settings, topic: str) -> bool:
    producer = AIOKafkaProducer(**connection_options(settings), request_timeout_ms=5000)
    try:
        await producer.start()
        async with asyncio.timeout(10):
            await producer.send_and_wait(topic, b"{}")
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await producer.stop()
    return True
