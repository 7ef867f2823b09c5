"""`jalur up`, `down`, `status`: the stack on this machine.

What is run is said here; how its parts are started and kept is the embedded stack's matter.
"""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast
from urllib.parse import urlsplit

import typer

from services.commands import NOT_READY, CommandError, DataDir
from services.commands.connect import USAGE

if TYPE_CHECKING:  # imported when a command runs: another command must not wait for it
    from deploy.local.datadir import DataDirectory
    from deploy.local.status import ServiceStatus, Status

UP_SECONDS = 120.0
DOWN_SECONDS = 90.0
INTERRUPTED = 130

app = typer.Typer()


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready and leave it running.")] = False,
    settable_clock: Annotated[bool, typer.Option("--settable-clock", help="Let the services' clock be set: demo and tests only.")] = False,
    secure: Annotated[bool, typer.Option("--secure", help="Passwords and rights on Kafka and in the database, as in production.")] = False,
    servers_only: Annotated[bool, typer.Option("--servers-only", help="No services: for jalur restore and jalur recover.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Start PostgreSQL, Kafka and the three services, and watch over them until Ctrl-C or `jalur down`.

    With JALUR_KAFKA or JALUR_POSTGRES set, that server is used instead of one of our own. A stack begun with --secure stays so; the
    passwords of the units are then in the data directory's secrets/units.

    Exit codes: 0 stopped by `jalur down` (or, with --detach, all ready), 1 failed, 3 not ready in time (--detach), 130 Ctrl-C.
    """
    with _one_line_errors():
        directory = _open(data_dir)
        secure = secure or directory.secrets.exists()
        if secure and (os.environ.get("JALUR_KAFKA") or os.environ.get("JALUR_POSTGRES")):
            raise CommandError(
                "--secure is for servers of its own; on the ones of JALUR_KAFKA and JALUR_POSTGRES: jalur access apply", USAGE
            )
        if detach:
            _detach(directory, settable_clock, secure, servers_only)
        elif _run(directory, settable_clock, secure, servers_only) == signal.SIGINT:
            raise typer.Exit(INTERRUPTED)


@app.command()
def down(data_dir: DataDir = Path(".jalur")) -> None:
    """Stop what `jalur up` started: services, broker, database. What was stored stays.

    Exit codes: 0 nothing runs any more, 1 failed.
    """
    from deploy.local import state
    from deploy.local.supervisor import end_leftovers

    with _one_line_errors():
        if not data_dir.exists():
            typer.echo(f"nothing runs in {data_dir.absolute()}")
            return
        directory = _open(data_dir)
        known = state.read(directory.state)
        if known and known.supervisor.send(signal.SIGTERM):
            if not known.supervisor.wait_gone(DOWN_SECONDS):
                raise CommandError(
                    f"the stack (pid {known.supervisor.pid}) had not ended after {DOWN_SECONDS:.0f} s: {directory.log('stack')}"
                )
            typer.echo("stopped")
            return
        with directory.locked():  # a stack that is only starting has no state yet: this says so
            end_leftovers(directory)
        typer.echo(f"nothing runs in {directory.path}")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts; holds the database's password.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Ask every part whether it is ready.

    Exit codes: 0 all are ready, 3 not all are.
    """
    from deploy.local import status as stack_status
    from deploy.local.datadir import DataDirectory

    _quiet_clients()
    with _one_line_errors():
        found = stack_status.ask(DataDirectory(data_dir.absolute()), os.environ)
        if as_json:
            typer.echo(json.dumps(found))
        else:
            _show(found)
        if not stack_status.all_ready(found):
            raise typer.Exit(NOT_READY)


def _run(directory: "DataDirectory", settable_clock: bool, secure: bool, servers_only: bool) -> int | None:
    from rich.console import Console

    from deploy.local.service import Service
    from deploy.local.status import SERVICES
    from deploy.local.supervisor import Plan, Supervisor
    from shared.publisher import connection_options
    from shared.settings import Settings, SettingsError
    from shared.topics import Topics
    from shared.topics_admin import apply_topics

    console = Console(highlight=False, soft_wrap=True)

    def say(part: str, news: str) -> None:
        colour = "green" if news.startswith("ready") else "yellow" if "again" in news else "default"
        console.print(f"[dim]{datetime.now().astimezone():%H:%M:%S}[/dim] [bold]{part:<9}[/bold] ", end="")
        console.print(news, style=colour, markup=False)

    def settings(told: Mapping[str, str]) -> Settings:
        return Settings.load("stack", {"JALUR_KAFKA": "-", "JALUR_POSTGRES": "postgresql://", **os.environ, **told, "JALUR_PORT": ""})

    def prepare(told: Mapping[str, str]) -> None:
        there = settings(told)
        asyncio.run(apply_topics(there.kafka, there.namespace, connection=connection_options(there)))
        if secure:
            _give_rights(directory, told, settable_clock)
            say("access", "every unit and service has its own user, role and rights")

    _quiet_clients()
    try:  # a service would refuse these too, but only in its log, again and again
        namespace = settings({}).namespace
    except SettingsError as error:
        raise CommandError(str(error), USAGE) from None
    plan = Plan(
        services=tuple(Service(name, (sys.executable, "-m", f"services.{name}")) for name in (() if servers_only else SERVICES)),
        environment=dict(os.environ),
        kafka=os.environ.get("JALUR_KAFKA") or None,
        postgres=os.environ.get("JALUR_POSTGRES") or None,
        settable_clock=settable_clock,
        prepare=prepare,
        is_secured=secure,
        known_as=Topics(namespace).user,
    )
    return Supervisor(directory, plan, say).run()


def _give_rights(directory: "DataDirectory", told: Mapping[str, str], settable_clock: bool) -> None:
    """Tables by their owner, then users and rights, as an installation does it."""
    from deploy.local.secured import units
    from services.commands import access
    from services.commands.connect import Stack
    from shared.postgres import migrate_all

    there = Stack(told["JALUR_KAFKA"], told["JALUR_POSTGRES"], None, str(directory.path), {**os.environ, **told})
    asyncio.run(migrate_all(there.dsn(), clock_is_settable=settable_clock))
    access.carry_out(there, access.find(there, None), units(directory.secrets))


def _detach(directory: "DataDirectory", settable_clock: bool, secure: bool, servers_only: bool) -> None:
    """The same command in a session of its own; returns when it has told that all is ready."""
    from deploy.local import status as stack_status
    from deploy.local.processes import last_line, open_log

    _quiet_clients()
    with directory.locked():
        pass  # two lines of a log would be mixed up otherwise
    log = directory.log("stack")
    command = [sys.executable, "-m", "services.cli", "up", "--data-dir", str(directory.path)]
    options = {"--settable-clock": settable_clock, "--secure": secure, "--servers-only": servers_only}
    with open_log(log) as output:
        child = subprocess.Popen(  # noqa: S603  ourselves
            [*command, *(option for option, is_given in options.items() if is_given)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        if _becomes_ready(directory, child):
            typer.echo(f"ready (pid {child.pid}, data in {directory.path}); stop with: jalur down --data-dir {directory.path}")
            return
    except KeyboardInterrupt:
        child.terminate()
        child.wait(DOWN_SECONDS)
        raise
    if child.poll() is not None:
        raise CommandError(last_line(log).removeprefix("error: "))
    missing = " ".join(name for name, part in stack_status.ask(directory, os.environ).items() if not cast("ServiceStatus", part)["ready"])
    raise CommandError(f"not ready after {UP_SECONDS:.0f} s: {missing}; left running, see {log} and jalur status", NOT_READY)


def _becomes_ready(directory: "DataDirectory", child: subprocess.Popen[bytes]) -> bool:
    """False when it ended, or time is up."""
    from deploy.local import state

    deadline = time.monotonic() + UP_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        known = state.read(directory.state)
        if known and known.supervisor.pid == child.pid and known.was_ready:
            return True
        time.sleep(0.1)
    return False


def _show(found: "Status") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "ready", "address", "pid", box=None)
    kafka, postgres = found["kafka"], found["postgres"]
    table.add_row("kafka", _word(kafka["ready"]), kafka["bootstrap"] or "-", "")
    table.add_row("postgres", _word(postgres["ready"]), _without_password(postgres["dsn"]), "")
    for name, service in (("intake", found["intake"]), ("router", found["router"]), ("notifier", found["notifier"])):
        table.add_row(name, _word(service["ready"]), service["url"] or "-", str(service["pid"] or ""))
    Console().print(table)


def _word(is_ready: bool) -> str:
    return "[green]yes[/green]" if is_ready else "[red]no[/red]"


def _without_password(dsn: str | None) -> str:
    if not dsn:
        return "-"
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def _open(data_dir: Path) -> "DataDirectory":
    from deploy.local.datadir import DataDirectory

    return DataDirectory.open(data_dir)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    from deploy.local.errors import StackError

    try:
        yield
    except StackError as error:
        raise CommandError(str(error)) from error


def _quiet_clients() -> None:
    """A server that is not there yet is what we ask about, not an error to print."""
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
