"""What the rehearsal of the image understands of a Dockerfile and of `.dockerignore`, and what it refuses to guess."""

from pathlib import Path

import pytest

from deploy.check.context import is_sent, read_rules, sent_files
from deploy.check.dockerfile import Copy, NotUnderstood, Run, read_dockerfile

PROJECT = Path(__file__).resolve().parents[2]


def test_steps_keep_their_order_folder_and_environment() -> None:
    (stage,) = read_dockerfile(
        "# first\nFROM python:3.11 AS build\nWORKDIR /build\nENV A=1 B='two words'\nCOPY a b/\n"
        "RUN one \\\n    # in between\n    && two\nENV A=2\nWORKDIR sub\nRUN three\n"
    )
    assert (stage.image, stage.name) == ("python:3.11", "build")
    assert stage.steps == [
        Copy(("a",), "/build/b/"),
        Run("one && two", "/build", {"A": "1", "B": "two words"}),
        Run("three", "/build/sub", {"A": "2", "B": "two words"}),
    ]


def test_an_argument_is_what_it_is_where_nobody_gives_another() -> None:
    build, last = read_dockerfile("FROM a AS build\nRUN one\nARG PACKAGES=services\nRUN two\nFROM b\nRUN three\n")
    assert [step.environment for step in (*build.steps, *last.steps) if isinstance(step, Run)] == [{}, {"PACKAGES": "services"}, {}]


def test_a_later_stage_says_who_it_is_and_what_it_starts() -> None:
    _, last = read_dockerfile(
        "FROM a AS build\nFROM b\nCOPY --from=build /opt/x /opt/x\nUSER 10001:10001\nEXPOSE 8080\n"
        'HEALTHCHECK --retries=3 CMD ["python", "-V"]\nCMD ["jalur", "--help"]\n'
    )
    assert last.steps == [Copy(("/opt/x",), "/opt/x", "build")]
    assert (last.user, last.health, last.command) == ("10001:10001", ("python", "-V"), ("jalur", "--help"))


@pytest.mark.parametrize(
    "line",
    [
        "ADD x /x",
        "ARG VERSION",
        "RUN --mount=type=cache,target=/x true",
        "COPY --chown=1 a b",
        "COPY *.py /x",
        "CMD jalur",
        "ENV PATH=$PATH:/x",
    ],
)
def test_what_it_does_not_know_it_refuses_by_name(line: str) -> None:
    with pytest.raises(NotUnderstood, match=line.split(maxsplit=1)[0]):
        read_dockerfile(f"FROM a\n{line}\n")


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ("**\n!shared/\n**/__pycache__", "shared/web.py", True),
        ("**\n!shared/\n**/__pycache__", "shared/data/units.toml", True),
        ("**\n!shared/\n**/__pycache__", "shared/__pycache__/web.pyc", False),
        ("**\n!shared/\n**/__pycache__", ".venv/bin/python", False),
        ("**\n!deploy/local/", "deploy/kafka/start.sh", False),
        ("*.log\n# no rule", "stack.log", False),
        ("*.log", "deep/stack.log", True),
        ("**/*.log", "deep/stack.log", False),
        ("a?c", "abc", False),
        ("a?c", "a/c", True),
    ],
)
def test_the_last_rule_that_speaks_of_a_file_decides(rules: str, path: str, expected: bool) -> None:
    assert is_sent(path, read_rules(rules)) is expected


def test_neither_secrets_nor_tests_nor_the_work_tree_reach_the_image() -> None:
    rules = read_rules((PROJECT / ".dockerignore").read_text())
    for path in (
        ".git/config",
        ".venv/pyvenv.cfg",
        ".jalur/stack.json",
        "tests/conftest.py",
        "secrets/intake/kafka-password",
        ".env",
        "deploy/kafka/start.sh",
    ):
        assert not is_sent(path, rules), path
    assert Path("shared/data/units.toml") in set(sent_files(PROJECT, "shared", rules))


def test_the_image_is_built_by_hash_and_runs_as_a_number() -> None:
    build, last = read_dockerfile((PROJECT / "deploy" / "Dockerfile").read_text())
    installs = [
        step.command for step in build.steps if isinstance(step, Run) and ("pip install" in step.command or "pip sync" in step.command)
    ]
    assert installs
    assert all("--require-hashes" in command or "--no-index" in command for command in installs)
    assert last.user == "10001:10001"
    assert not any(isinstance(step, Run) for step in last.steps)
    assert last.environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert build.image == last.image
