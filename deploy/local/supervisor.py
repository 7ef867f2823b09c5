"""The life of a stack: start database, broker and services in order, watch over them, stop them in reverse order.

Knows no topics and no service by name: what to prepare on the broker and what to run is given to it.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from deploy.local import ports, secured, state
from deploy.local.datadir import DataDirectory
from deploy.local.errors import StoppedError
from deploy.local.kafka import RunningKafka, launch_kafka
from deploy.local.postgres import RunningPostgres, launch_postgres
from deploy.local.processes import ProcessIdentity
from deploy.local.service import RunningService, Service, launch_service, service_url
from deploy.local.state import Server, StackState
from deploy.local.supervised import Supervised, stop_all

LOOK_EVERY_SECONDS = 0.2
SERVICE_STOP_SECONDS = 15.0
SERVER_STOP_SECONDS = 30.0

Launched = TypeVar("Launched", RunningKafka, RunningPostgres)

Say = Callable[[str, str], None]
"""Told which part, and what there is to say about it."""


@dataclass(frozen=True)
class Plan:
    """What to run. A broker or database that is given is used and never started or stopped."""

    services: tuple[Service, ...]
    environment: Mapping[str, str]
    kafka: str | None = None
    postgres: str | None = None
    settable_clock: bool = False
    prepare: Callable[[Mapping[str, str]], None] = field(default=lambda told: None)
    """Called once before the services start, with what an operator's command is told of broker and database."""
    is_secured: bool = False
    """Everybody must say who they are. Only with a broker and a database of our own."""
    known_as: Callable[[str], str] = field(default=lambda service: service)
    """By what name the secured broker knows a service."""


class Supervisor:
    def __init__(self, directory: DataDirectory, plan: Plan, say: Say) -> None:
        self._directory, self._plan, self._say = directory, plan, say
        self._stop = threading.Event()
        self._signal: int | None = None
        self._servers: dict[str, Supervised[Any]] = {}
        self._services: list[Supervised[RunningService]] = []
        self._state: StackState | None = None
        self._began = time.monotonic()

    def run(self) -> int | None:
        """Until a signal asks for the end, which is returned. Leaves nothing running behind, however it ends."""
        with self._directory.locked(), self._signals():
            end_leftovers(self._directory)
            try:
                self._start()
                self._watch()
            except StoppedError:
                pass
            finally:
                self._end()
            return self._signal

    def _start(self) -> None:
        plan = self._plan
        chosen = ports.reserve(self._directory.ports, self._port_names())
        myself = ProcessIdentity.of(os.getpid())
        assert myself is not None
        self._state = StackState(
            supervisor=myself,
            kafka=Server(address=plan.kafka),
            postgres=Server(address=plan.postgres),
            services={service.name: Server(address=service_url(chosen[service.name])) for service in plan.services},
            settable_clock=plan.settable_clock,
            is_secured=plan.is_secured,
        )
        self._record()  # from here on `jalur down` knows whom to ask
        made = self._secrets()
        bootstrap, dsn = self._start_servers(chosen, made)
        told = {"JALUR_KAFKA": bootstrap, "JALUR_POSTGRES": dsn}
        if made is not None:
            secured.make_roles(made, dsn)
            told |= {"JALUR_POSTGRES": secured.owner_address(made, dsn), **secured.operator_environment(made)}
        self._state.kafka.address, self._state.postgres.address = bootstrap, told["JALUR_POSTGRES"]
        self._record()
        plan.prepare(told)
        environment = {**plan.environment, "JALUR_KAFKA": bootstrap, "JALUR_POSTGRES": dsn}
        if plan.settable_clock:
            environment["JALUR_CLOCK"] = "settable"
        for service in plan.services:
            if self._stop.is_set():
                raise StoppedError("called off")
            own = secured.service_environment(made, service.name, plan.known_as(service.name), dsn) if made is not None else {}
            part = Supervised(service.name, partial(launch_service, service, self._directory, chosen[service.name], environment | own))
            self._services.append(part)
            part.start(time.monotonic())
            self._say(service.name, f"starting at {service_url(chosen[service.name])}")
        self._record()

    def _port_names(self) -> list[str]:
        servers = [] if self._plan.postgres else ["postgres"]
        servers += [] if self._plan.kafka else ["kafka", "kafka-controller"]
        return servers + [service.name for service in self._plan.services]

    def _secrets(self) -> Path | None:
        if not self._plan.is_secured:
            return None
        secured.refuse_open_data(self._directory.kafka, self._directory.secrets)
        secured.make_secrets(self._directory.secrets)
        return self._directory.secrets

    def _start_servers(self, chosen: Mapping[str, int], made: Path | None) -> tuple[str, str]:
        """Those of our own, side by side, ready when this returns; the addresses of broker and database."""
        database = partial(launch_postgres, self._directory, port=chosen.get("postgres"))
        broker = partial(
            launch_kafka, self._directory, port=chosen.get("kafka"), controller_port=chosen.get("kafka-controller"), secrets=made
        )
        with ThreadPoolExecutor(2) as pool:
            dsn = None if self._plan.postgres else pool.submit(self._start_server, "postgres", database)
            bootstrap = None if self._plan.kafka else pool.submit(self._start_server, "kafka", broker)
            tasks: list[Future[Any]] = [task for task in (dsn, bootstrap) if task]
            for task in wait(tasks, return_when=FIRST_EXCEPTION).done:
                if (failure := task.exception()) is not None:
                    self._stop.set()  # the other one need not be waited for
                    raise failure
        return (bootstrap.result().bootstrap if bootstrap else str(self._plan.kafka), dsn.result().dsn if dsn else str(self._plan.postgres))

    def _start_server(self, name: str, launch: Callable[[], Launched]) -> Launched:
        began = time.monotonic()
        part = Supervised(name, launch)
        self._servers[name] = part
        server = part.start(began)
        server.wait_ready(cancelled=self._stop)
        part.is_ready = True
        self._say(name, f"ready at {ports.HOST}:{server.port} after {time.monotonic() - began:.1f} s (pid {server.pid})")
        return server

    def _watch(self) -> None:
        while not self._stop.is_set():
            for part in self._parts():
                if (news := part.step(time.monotonic())) is not None:
                    self._say(part.name, news)
                    self._record()
            if self._state and not self._state.was_ready and all(part.is_ready for part in self._parts()):
                self._state.was_ready = True
                self._record()
                self._say("stack", f"ready after {time.monotonic() - self._began:.1f} s (data in {self._directory.path})")
            self._stop.wait(LOOK_EVERY_SECONDS)

    def _parts(self) -> list[Supervised[Any]]:
        return [*self._servers.values(), *self._services]

    def _record(self) -> None:
        if self._state is None:
            return
        for part in self._parts():
            process = part.server.child.identity if part.server else None
            match part.name:
                case "kafka":
                    self._state.kafka.process = process
                case "postgres":
                    self._state.postgres.process = process
                case name:
                    self._state.services[name].process = process
        state.write(self._directory.state, self._state)

    def _end(self) -> None:
        """Services first, so that they can still commit; then the broker, the database last."""
        if self._servers or self._services:
            self._say("stack", "stopping")
        stop_all(self._services, SERVICE_STOP_SECONDS)
        for name in ("kafka", "postgres"):
            stop_all([self._servers[name]] if name in self._servers else [], SERVER_STOP_SECONDS)
        self._directory.state.unlink(missing_ok=True)
        self._say("stack", "stopped")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, _frame: FrameType | None) -> None:
            self._signal = self._signal or number
            self._stop.set()

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def end_leftovers(directory: DataDirectory) -> None:
    """End what a supervisor that was killed may have left, and forget its state. Only with the directory's lock in hand.

    On Linux its children died with it; elsewhere, or in the moment between, they are known by pid and instant of birth.
    """
    left = state.read(directory.state)
    if left is None:
        return
    for process in left.processes:
        if not process.wait_gone(2.0) and process.send(signal.SIGKILL):
            process.wait_gone(10.0)
    directory.state.unlink(missing_ok=True)
