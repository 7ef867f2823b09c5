"""How a stack is, found out by asking each part now; what is written on disk says only where to ask."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypedDict

from deploy.local import probe, secured, state
from deploy.local.datadir import DataDirectory
from deploy.local.state import Server

SERVICES = ("intake", "router", "notifier")


class KafkaStatus(TypedDict):
    bootstrap: str | None
    ready: bool


class PostgresStatus(TypedDict):
    dsn: str | None
    ready: bool


class ServiceStatus(TypedDict):
    url: str | None
    ready: bool
    pid: int | None


class Status(TypedDict):
    """The shape of `jalur status --json`. `dsn` holds the password: whoever may read the data directory may have it."""

    kafka: KafkaStatus
    postgres: PostgresStatus
    intake: ServiceStatus
    router: ServiceStatus
    notifier: ServiceStatus


def ask(directory: DataDirectory, environ: Mapping[str, str]) -> Status:
    """Where nothing runs from this directory, the servers named in the environment are asked."""
    known = state.read(directory.state)
    bootstrap = known.kafka.address if known else environ.get("JALUR_KAFKA") or None
    dsn = known.postgres.address if known else environ.get("JALUR_POSTGRES") or None
    servers = known.services if known else {}
    connection = secured.admin_connection(directory.secrets) if known and known.is_secured else None
    with ThreadPoolExecutor(2 + len(SERVICES)) as pool:
        kafka = pool.submit(probe.kafka_is_ready, bootstrap, connection=connection) if bootstrap else None
        postgres = pool.submit(probe.postgres_is_ready, dsn) if dsn else None
        services = {name: pool.submit(_ask_service, servers.get(name)) for name in SERVICES}
    return {
        "kafka": {"bootstrap": bootstrap, "ready": kafka is not None and kafka.result()},
        "postgres": {"dsn": dsn, "ready": postgres is not None and postgres.result()},
        "intake": services["intake"].result(),
        "router": services["router"].result(),
        "notifier": services["notifier"].result(),
    }


def all_ready(found: Status) -> bool:
    return all(part["ready"] for part in (found["kafka"], found["postgres"], found["intake"], found["router"], found["notifier"]))


def _ask_service(server: Server | None) -> ServiceStatus:
    if server is None or server.address is None:
        return {"url": None, "ready": False, "pid": None}
    return {"url": server.address, "ready": probe.service_is_ready(server.address), "pid": server.living_pid}
