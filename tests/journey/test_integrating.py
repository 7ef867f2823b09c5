"""The integrator's guide, run as printed against the services as processes: its shell blocks in order, its Python files by their names."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.processes import SERVICES, ServiceProcess
from tests.world import World, until

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "integrating.md").read_text(encoding="utf-8")
Run = Callable[[str], Awaitable[str]]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for text in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", text)
        assert name, "each file says its name"
        (tmp_path / name[1]).write_text(text, encoding="utf-8")
    return tmp_path


def shell(folder: Path, environment: dict[str, str]) -> Run:
    """What one block exports, the next one sees."""
    kept = folder / "environment"

    async def run(block: str) -> str:
        script = f"cd {folder}; set -eu; [ ! -f {kept} ] || . {kept}; {block}\nexport -p > {kept}"
        done = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return str(done.stdout)

    return run


async def test_the_guide_works_as_printed(world: World, folder: Path) -> None:
    services = [ServiceProcess(world, name, folder).start() for name in SERVICES]
    try:
        for service in services:
            await service.until_ready()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")} | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "JALUR_POSTGRES": world.dsn,
            "INTAKE": services[0].url,
            "KAFKA": world.bootstrap,
            "ROUTED": world.topics.routed("imigrasi"),
            "UPDATES": world.topics.updates("imigrasi"),
        }
        shown = await follow(shell(folder, environment))
        assert shown["2026-0001"] == ["answered", '["Paspor dapat diambil di loket 3."]'], "what the reporter reads in the end"
    finally:
        for service in services:
            service.stop()


async def follow(run: Run) -> dict[str, list[str]]:
    """What the guide's feed shows in the end, by the source's reference."""
    keys, post, many, unit = blocks("bash")
    await run(keys)
    first = json.loads(await run(post))
    assert json.loads(await run(post))["id"] == first["id"], "sent again, the same id"
    second = (await run("python post.py")).strip()
    assert second == (await run("python post.py")).strip() != first["id"]

    lines = [json.loads(line) for line in (await run(many)).splitlines()]
    assert "id" in lines[0] and lines[1]["problem"]["status"] == 422
    assert json.loads((await run(many)).splitlines()[0]) == lines[0]
    assert (await run(f"python change.py {first['id']}")).startswith("202")

    async def states() -> dict[str, list[str]]:
        return {line.split()[0]: line.split(maxsplit=2)[1:] for line in (await run("python feed.py")).splitlines()}

    async def assigned() -> bool:
        found = await states()
        return found.get("2026-0001", [""])[0] == found.get("2026-0002", [""])[0] == "assigned"

    await until("the feed says that the unit has both", assigned)
    said = [json.loads(text) for text in (await run(unit)).replace("}{", "}\n{").splitlines()]
    assert first["id"] in [item["id"] for item in said[0]["items"]]
    assert [item.get("update_id") for item in said[1:]] == ["2026-0001-1", "2026-0001-2"]

    process = int((await run("python unit.py > unit.log 2>&1 & echo $!")).split()[-1])
    try:

        async def taken() -> bool:
            return second in await run("cat unit.log")

        await until("the unit's consumer takes the second", taken)
    finally:
        os.kill(process, 9)

    async def ended() -> dict[str, list[str]]:
        found = await states()
        return found if found["2026-0001"][0] == "answered" and found["2026-0002"][0] == "accepted" else {}

    return await until("the feed says the answer, and that the other is taken", ended)
