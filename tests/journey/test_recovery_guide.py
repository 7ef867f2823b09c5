"""Every command of the recovery guide, as printed and in its order, beside services that stop and start where it says so."""

import re
import shlex
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.journey.test_recovery import Office, jalur, lose_kafka, working
from tests.world import World

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "recovery.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"^```bash\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL) for line in block.splitlines()]


async def test_the_recovery_guide_works_as_printed(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backups").mkdir()
    names = [f"A-{number}" for number in range(3)]
    office, running = await started(world)
    cases = await office.accept(*names)
    await office.settled(*cases)
    typed = set()
    try:
        for line in LINES:
            words = shlex.split(line)
            assert words.pop(0) == "jalur", line
            typed.add(words[0])
            if words == ["down"]:
                await running.aclose()
            elif words[0] == "up":
                assert set(words[1:]) <= {"--detach", "--servers-only"}
                if "--servers-only" not in words:
                    office, running = await started(world)
                    await office.settled(*cases)
            elif ">" in words:
                (tmp_path / words[-1]).write_text(await jalur(world, *words[:-2]), encoding="utf-8")
            else:
                if "--kafka-lost" in words:
                    await lose_kafka(world)
                await jalur(world, *words)
        assert typed == {"backup", "erase", "restore", "down", "up", "recover", "cases"}
        # The complaints came through all of it, under the names that their source knows.
        assert await office.accept(*names) == cases
    finally:
        await running.aclose()


async def started(world: World) -> tuple[Office, AsyncExitStack]:
    running = AsyncExitStack()
    return await running.enter_async_context(working(world, "router", "notifier")), running
