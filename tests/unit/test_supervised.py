"""A part under watch: started again with a growing pause, and back to a short one after a long life."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from deploy.local.errors import StackError
from deploy.local.processes import Child, ProcessIdentity
from deploy.local.supervised import BackOff, Supervised


@dataclass
class FakeChild:
    pid: int
    exit_code: int | None = None
    log: Path = Path("intake.log")

    @property
    def is_running(self) -> bool:
        return self.exit_code is None


@dataclass
class FakeServer:
    fake: FakeChild
    ready: bool = False

    @property
    def child(self) -> Child:
        return cast(Child, self.fake)

    def is_ready(self) -> bool:
        return self.ready

    def stop(self, timeout_seconds: float = 0.0) -> None:
        self.fake.exit_code = 0


def _watched() -> tuple[Supervised[FakeServer], list[FakeServer]]:
    made: list[FakeServer] = []

    def launch() -> FakeServer:
        made.append(FakeServer(FakeChild(pid=100 + len(made))))
        return made[-1]

    part = Supervised("intake", launch)
    part.start(0.0)
    return part, made


def test_the_pause_doubles_from_half_a_second_to_thirty_and_is_short_again_after_a_minute_of_life() -> None:
    back_off = BackOff()
    assert [back_off.after(1.0) for _ in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert back_off.after(60.0) == 0.5
    assert back_off.after(1.0) == 1.0


def test_a_part_that_was_killed_is_started_again_after_its_pause_and_all_of_it_is_told() -> None:
    part, made = _watched()
    made[0].ready = True
    assert part.step(1.0) == "ready (pid 100)"
    assert part.step(1.2) is None
    made[0].fake.exit_code = -9
    assert part.step(2.0) == "was killed by signal 9 (intake.log); starting again in 0.5 s"
    assert not part.is_ready
    assert part.step(2.4) is None
    assert len(made) == 1
    assert part.step(2.5) == "started again (pid 101)"
    made[1].ready = True
    assert part.step(2.7) == "ready (pid 101)"


def test_a_part_that_cannot_even_be_started_is_tried_again() -> None:
    part, made = _watched()
    made[0].fake.exit_code = 1
    assert part.step(1.0) == "ended with exit code 1 (intake.log); starting again in 0.5 s"
    works, part.launch = part.launch, _refusing
    assert part.step(1.5) == "could not be started: no free port; starting again in 1 s"
    part.launch = works
    assert part.step(2.5) == "started again (pid 101)"


def _refusing() -> FakeServer:
    raise StackError("no free port")


def test_a_recycled_pid_is_another_process_and_gets_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    myself = ProcessIdentity.of(os.getpid())
    assert myself is not None
    assert myself.is_alive
    earlier = ProcessIdentity(os.getpid(), "another boot/1")
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(pid))
    assert not earlier.is_alive
    assert not earlier.send(15)
    assert sent == []
