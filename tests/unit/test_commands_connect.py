"""Where a command looks for the stack, what the command line says of itself, and how the demo fails."""

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from deploy.local import state
from deploy.local.processes import ProcessIdentity
from deploy.local.state import Server, StackState
from services.cli import app
from services.commands import CommandError, demo_scene
from services.commands.connect import ServiceName, find_stack
from services.commands.demo_scene import Scene
from shared.topics import SERVICES

ENVIRON = {"JALUR_KAFKA": "broker:9092", "JALUR_POSTGRES": "postgresql://db/jalur", "JALUR_INTAKE": "http://intake:8080/"}


def running(directory: Path, supervisor: ProcessIdentity) -> None:
    state.write(
        directory / "stack.json",
        StackState(
            supervisor=supervisor,
            kafka=Server(address="127.0.0.1:1"),
            postgres=Server(address="postgresql://127.0.0.1:2/jalur"),
            services={"intake": Server(address="http://127.0.0.1:3")},
        ),
    )


def myself() -> ProcessIdentity:
    found = ProcessIdentity.of(os.getpid())
    assert found is not None
    return found


def test_a_running_stack_of_this_directory_comes_before_the_environment(tmp_path: Path) -> None:
    running(tmp_path, myself())
    stack = find_stack(tmp_path, ENVIRON)
    assert stack.settings().kafka == "127.0.0.1:1"
    assert stack.dsn() == "postgresql://127.0.0.1:2/jalur"
    assert stack.intake_url() == "http://127.0.0.1:3"


def test_the_addresses_of_a_stack_that_died_are_not_used(tmp_path: Path) -> None:
    running(tmp_path, ProcessIdentity(os.getpid(), "another boot"))
    stack = find_stack(tmp_path, ENVIRON)
    assert stack.settings().kafka == "broker:9092"
    assert stack.intake_url() == "http://intake:8080"


@pytest.mark.parametrize(("part", "ask"), [("Kafka", "settings"), ("PostgreSQL", "dsn"), ("intake", "intake_url")])
def test_without_a_stack_the_error_says_what_to_do(tmp_path: Path, part: str, ask: str) -> None:
    with pytest.raises(CommandError, match=f"no {part} known: nothing runs in {tmp_path} .jalur up., or name one: JALUR_"):
        getattr(find_stack(tmp_path, {}), ask)()


def test_namespace_and_credentials_come_from_the_environment(tmp_path: Path) -> None:
    settings = find_stack(tmp_path, {**ENVIRON, "JALUR_NAMESPACE": "t1", "JALUR_KAFKA_USER": "ops"}).settings()
    assert (settings.namespace, settings.kafka_user) == ("t1", "ops")


def commands() -> list[list[str]]:
    """Every command there is, as typed."""
    found = []
    for command in app.registered_groups:
        group = command.typer_instance
        assert group is not None
        for item in group.registered_commands:
            assert item.callback is not None
            name = item.name or item.callback.__name__.replace("_", "-")
            found.append([command.name, name] if command.name else [name])
    return found


def test_every_command_documents_its_exit_codes() -> None:
    assert len(commands()) > 14
    for words in commands():
        help_text = CliRunner().invoke(app, [*words, "--help"]).output
        assert "Exit codes:" in help_text, words


def test_every_service_can_be_named() -> None:
    assert set(get_args(ServiceName)) == set(SERVICES)


def test_help_does_not_wait_for_what_only_commands_need() -> None:
    heavy = "pydantic", "aiokafka", "asyncpg", "faststream", "httpx", "openpyxl", "rich.console", "fastapi"
    code = f"import services.cli, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_the_demo_says_what_never_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_scene, "PATIENCE_SECONDS", 0.1)
    scene = Scene(None, None, None, None)  # type: ignore[arg-type]

    async def never() -> None:
        return None

    with pytest.raises(CommandError, match="in vain for this: a case is answered"):
        await scene.until("a case is answered", never)
    with pytest.raises(CommandError, match="in vain for this: the passport arrives at imigrasi"):
        await scene.arrival("the passport arrives at imigrasi", lambda _item: True)


def test_the_demo_refuses_a_directory_that_holds_anything(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", "--data-dir", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path} is not empty: the demo wants a directory that it may remove\n"
    assert (tmp_path / "thesis.txt").exists()
