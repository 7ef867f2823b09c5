"""The compose file from its first container to a routed report: its commands and settings, the image, a real broker and database.

What only an engine does (networks, limits, volumes) is not tried; every process, password, role and right is.
"""

import asyncio
import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import secrets
from deploy.check.bus import Broker, running_broker, wait_until_ready
from deploy.check.bus import look as look_at_bus
from deploy.check.database import look as look_at_database
from deploy.check.database import running_database
from deploy.check.fault import Fault
from deploy.check.image import SERVICES, Image, status_of
from deploy.local import ports

BEFORE = ("migrate", "topics", "access")
READY_WITHIN_SECONDS = 60.0
ROUTED_WITHIN_SECONDS = 30.0
REPORT = {
    "title": "Paspor belum jadi",
    "text": "Sudah tiga minggu sejak wawancara di Kantor Imigrasi Kupang, paspor saya belum juga selesai.",
}


@dataclass(frozen=True)
class Servers:
    """What stands in for the containers `kafka` and `postgres`, and the secrets that `secrets` made."""

    made: Path
    database: str
    broker: Broker


@contextmanager
def running_servers(project: Path, scratch: Path) -> Iterator[Servers]:
    """`scratch` is an empty folder that the image's user may enter."""
    made = scratch / "secrets"
    secrets.make(made)
    with running_database(project, scratch, made) as database, running_broker(project, scratch, made) as broker:
        asyncio.run(wait_until_ready(broker, made))
        if os.geteuid() == 0:  # not to the servers: here they are not the containers' users
            for reader in (*SERVICES, "operator"):
                secrets.hand_over_to(made, reader)
        yield Servers(made, database, broker)


def try_installation(compose: Mapping[str, Any], image: Image, servers: Servers, scratch: Path) -> None:
    made = servers.made
    addresses = {"kafka:9092": servers.broker.address(), "@postgres/": f"@{servers.database}/"}
    for name in BEFORE:
        words, environment, reader = _told(compose, name, addresses)
        code, said = image.run(words, environment, made / reader, _written(compose, name, scratch))
        if code:
            raise Fault(f"{name}: {' '.join(words)} ended with {code}: {said[-1000:]}")
    with ExitStack() as stack:
        doors = ports.reserve(scratch / "door-ports", list(SERVICES))
        for name in SERVICES:
            stack.enter_context(_running(compose, name, addresses, image, made, scratch, doors[name]))
        asyncio.run(look_at_bus(servers.broker, made))
        asyncio.run(look_at_database(made, servers.database))
        _wait_until_ready(scratch, doors)
        words, environment, reader = _told(compose, "intake", addresses)
        code, key = image.run(["jalur", "keys", "add", "source:lapor", "--json"], environment, made / reader)
        if code:
            raise Fault(f"jalur keys add in intake's container ended with {code}: {key[-500:]}")
        _send_and_follow(doors["intake"], json.loads(key)["key"], scratch)
        words, environment, reader = _told(compose, "access", addresses)
        code, said = image.run(["jalur", "access", "show"], environment, made / reader)
        if code:
            raise Fault(f"after the access container has run, jalur access show ends with {code}: {said[-1000:]}")
        code, said = image.run(image.stage.health, {"JALUR_PORT": str(doors["router"])})
        if code:
            raise Fault(f"the image's health check says {code} of a router that is ready: {said[-500:]}")


def _told(compose: Mapping[str, Any], name: str, addresses: Mapping[str, str]) -> tuple[list[str], dict[str, str], str]:
    """Command and environment of a container, and whose secrets it sees."""
    service = compose["services"][name]
    environment = {variable: str(value) for variable, value in (service.get("environment") or {}).items()}
    for known, there in addresses.items():
        environment = {variable: value.replace(known, there) for variable, value in environment.items()}
    reader = next(str(volume["source"]).removeprefix("secrets-") for volume in service["volumes"] if volume["target"] == "/secrets")
    return list(service["command"]), environment, reader


def _written(compose: Mapping[str, Any], name: str, scratch: Path) -> tuple[tuple[str, str], ...]:
    """The volumes that a container may write, each a folder here, owned as `secrets` leaves it."""
    found = []
    for volume in compose["services"][name]["volumes"]:
        if volume["type"] == "volume" and not volume.get("read_only"):
            folder = scratch / str(volume["source"])
            folder.mkdir(mode=0o700, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(folder, *secrets.READERS["operator"])
            found.append((str(folder), str(volume["target"])))
    return tuple(found)


@contextmanager
def _running(
    compose: Mapping[str, Any], name: str, addresses: Mapping[str, str], image: Image, made: Path, scratch: Path, port: int
) -> Iterator[None]:
    words, environment, reader = _told(compose, name, addresses)
    environment |= {"JALUR_HOST": ports.HOST, "JALUR_PORT": str(port)}
    with (scratch / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            image.command(words, environment, made / reader), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(scratch: Path, doors: Mapping[str, int]) -> None:
    until = time.monotonic() + READY_WITHIN_SECONDS
    for name, port in doors.items():
        while status_of(port, "/health/ready") != 200:
            if time.monotonic() > until:
                _, why = _ask(port, "GET", "/health/ready", {}) if status_of(port, "/health/live") == 200 else (0, {})
                raise Fault(f"{name} does not get ready: {why.get('reasons')}; {_end_of(scratch, name)}")
            time.sleep(0.1)


def _send_and_follow(port: int, key: str, scratch: Path) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    status, answer = _ask(port, "POST", "/v1/complaints", headers, REPORT)
    if status != 202:
        raise Fault(f"intake answers {status} to a report: {answer}")
    until = time.monotonic() + ROUTED_WITHIN_SECONDS
    while True:
        status, seen = _ask(port, "GET", f"/v1/complaints/{answer['id']}", headers)
        if status == 200 and seen["state"] not in ("received", "held"):
            break
        if time.monotonic() > until:
            logs = " ".join(_end_of(scratch, name) for name in SERVICES)
            raise Fault(f"a report is not routed within {ROUTED_WITHIN_SECONDS:.0f} s, it is {seen.get('state')}; {logs}")
        time.sleep(0.1)
    if [assignment["unit"] for assignment in seen["assignments"]] != ["imigrasi"]:
        raise Fault(f"the report of a passport went to {seen['assignments']}")


def _ask(port: int, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> tuple[int, dict[str, Any]]:
    door = http.client.HTTPConnection(ports.HOST, port, timeout=10)
    try:
        door.request(method, path, json.dumps(body) if body is not None else None, dict(headers))
        response = door.getresponse()
        return response.status, json.loads(response.read())
    finally:
        door.close()


def _end_of(scratch: Path, name: str) -> str:
    return f"{name}: {(scratch / f'{name}.log').read_text()[-800:]}"
