"""`jalur demo` as a newcomer meets it: from anywhere, whatever else runs on the machine, and gone without a trace."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
USUAL_PORTS = (5432, 8080, 9092, 9093)
STEPS = (
    "A LAPOR! Excel export is imported",
    "Reports come in by HTTP",
    "Each reaches its unit's Kafka topic",
    "A unit takes the passport on and answers",
    "Days pass",
    "Who reported stays at the door",
    "Nothing that was accepted is unwatched",
)


@pytest.fixture
def usual_ports_taken() -> Iterator[None]:
    with ExitStack() as held:
        for port in USUAL_PORTS:
            holder = held.enter_context(socket.socket())
            with suppress(OSError):  # taken by another: as good
                holder.bind(("127.0.0.1", port))
                holder.listen()
        yield


def start_demo(somewhere: Path, *words: str) -> subprocess.Popen[str]:
    """From a directory of its own, with a temporary folder of its own, and with settings of an installation that it must not touch."""
    somewhere.mkdir(exist_ok=True)
    strange = {"JALUR_KAFKA": "127.0.0.1:1", "JALUR_POSTGRES": "postgresql://127.0.0.1:1/real", "JALUR_DATA": str(somewhere / "real")}
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "demo", *words], cwd=somewhere, text=True, start_new_session=True,
        env={**os.environ, **strange, "PYTHONPATH": str(ROOT), "TMPDIR": str(somewhere)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


@pytest.mark.usefixtures("usual_ports_taken")
def test_the_demo_holds_from_anywhere_with_the_usual_ports_taken_and_leaves_nothing(tmp_path: Path) -> None:
    demo = start_demo(tmp_path / "somewhere")
    output, errors = demo.communicate(timeout=170)
    assert (demo.returncode, errors) == (0, ""), output
    places = [output.index(step) for step in STEPS]
    assert places == sorted(places)
    for told in ("8 new, 2 history", "kanim:kupang", "WITA", "reminder", "due", "overdue", "+ 0 undecided"):
        assert told in output
    assert [line for line in output.splitlines() if len(line) > 80 and str(tmp_path) not in line] == [], "it fits 80 columns"
    assert list((tmp_path / "somewhere").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    demo = start_demo(tmp_path / "somewhere")
    try:
        deadline = time.monotonic() + 60
        while len(found := descendants(demo)) < 4:  # the stack, Kafka, PostgreSQL and a part of theirs
            assert time.monotonic() < deadline
            assert demo.poll() is None
        demo.send_signal(number)
        output, errors = demo.communicate(timeout=90)
    finally:
        with suppress(ProcessLookupError):
            demo.kill()
    assert demo.returncode == 128 + number, output
    assert errors == ""
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in found)
    assert list((tmp_path / "somewhere").iterdir()) == []


def test_a_stack_that_cannot_start_is_told_in_a_line_and_its_logs_are_kept(tmp_path: Path) -> None:
    chosen = tmp_path / "demo"
    demo = start_demo(tmp_path / "somewhere", "--data-dir", str(chosen))
    deadline = time.monotonic() + 60
    while not (stack := [process for process in descendants(demo) if "up" in process.cmdline()]):
        assert time.monotonic() < deadline
    stack[0].kill()
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert errors.startswith("error: the stack ended with exit code -9 while starting")
    assert errors.count("\n") == 1
    assert [entry.name for entry in chosen.iterdir() if entry.name in ("kafka", "postgres")] == []
    assert (chosen / "logs" / "stack.log").exists()
