"""The guides in `docs` speak of what is there: settings, commands with their options, metrics, files."""

import re
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from deploy.check.names import names_in
from services.cli import app
from shared.metrics import IntakeMetrics, NotifierMetrics, RouterMetrics

ROOT = Path(__file__).resolve().parents[2]
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
GUIDES = {path.name: path for path in sorted((ROOT / "docs").glob("*.md"))}
every_guide = pytest.mark.parametrize("path", GUIDES.values(), ids=GUIDES)


def test_every_setting_of_a_service_is_in_the_table_and_every_one_there_is_read() -> None:
    table = OPERATING.partition("## Settings")[2]
    said = set(re.findall(r"JALUR_[A-Z_]+", table))
    read = {name for file in ("settings.py", "limits.py") for name in names_in((ROOT / "shared" / file).read_text(encoding="utf-8"))}
    assert said >= read, f"not in the table: {sorted(read - said)}"
    of_commands = {name for file in (ROOT / "services" / "commands").glob("*.py") for name in names_in(file.read_text(encoding="utf-8"))}
    assert said <= read | of_commands, f"read by nothing: {sorted(said - read - of_commands)}"


@every_guide
def test_every_command_of_a_guide_is_one_and_has_the_options_named(path: Path) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for line in re.findall(r"(?:`|\$\()jalur ([^`|)]+)", path.read_text(encoding="utf-8")):
        words = line.split()
        if words[0].startswith("-"):
            continue
        command = group.commands[words[0]]
        if isinstance(command, TyperGroup) and len(words) > 1:
            command = command.commands[words[1]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--") and word != "--help"} <= options, line


@every_guide
def test_every_metric_of_a_guide_is_exported(path: Path) -> None:
    exported = {
        sample for kind in (IntakeMetrics, RouterMetrics, NotifierMetrics) for sample in re.findall(r"jalur_\w+", names_of(kind().registry))
    }
    said = set(re.findall(r"\bjalur_(?:intake|router|notifier)_\w+_\w+", path.read_text(encoding="utf-8")))
    assert said <= exported


def names_of(registry: object) -> str:
    from prometheus_client import generate_latest

    return generate_latest(registry).decode()  # type: ignore[arg-type]


@every_guide
def test_every_link_of_a_guide_leads_to_a_file(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link
