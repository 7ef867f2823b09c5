"""The README's examples, run as printed: its shell blocks in order in one shell, its Python blocks with that shell's environment."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import until

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Runs a block in the README's shell: what one block exports, the next one sees."""
    folder = tmp_path_factory.mktemp("readme")
    kept = folder / "environment"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")} | {
        "JALUR_DATA": str(folder / "data")
    }
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"

    def run(block: str) -> str:
        # Set-up is done already, and the data directory is this test's.
        script = f"cd {folder}; set -eu; [ ! -f {kept} ] || . {kept}; {block.replace('make setup', ':')}\nexport -p > {kept}"
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    yield run
    subprocess.run([sys.executable, "-m", "services.cli", "down"], env=environment, cwd=ROOT, check=True, timeout=120)


async def test_the_readme_works_as_printed(shell, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    start, post, read, kafka, doors, operate = blocks("bash")
    integrator, consumer, answer = blocks("python")
    await asyncio.to_thread(shell, start)
    accepted = json.loads(await asyncio.to_thread(shell, post))
    assert accepted["status"] == "received"
    assert json.loads(await asyncio.to_thread(shell, post))["id"] == accepted["id"], "sent again, the same id"
    found = (await asyncio.to_thread(shell, read)).splitlines()[0]
    assert accepted["id"] in found
    await asyncio.to_thread(shell, kafka)

    for name, block in (("integrator", integrator), ("consumer", consumer), ("answer", answer)):
        (tmp_path / f"{name}.py").write_text(block, encoding="utf-8")
    printed = await asyncio.to_thread(shell, f"python {tmp_path}/integrator.py")
    assert len(printed.strip()) == 36

    log = tmp_path / "consumer.log"
    process = int((await asyncio.to_thread(shell, f"python {tmp_path}/consumer.py > {log} 2>&1 & echo $!")).split()[-1])

    async def line() -> str:
        return next((line for line in log.read_text(encoding="utf-8").splitlines() if accepted["id"] in line), "")

    try:
        assert "Paspor belum jadi" in await until("the unit's consumer prints the complaint", line)
    finally:
        os.kill(process, 9)

    async def assigned() -> bool:
        return '"state":"assigned"' in await asyncio.to_thread(shell, read)

    await until("the unit has it", assigned)
    said = await asyncio.to_thread(shell, doors)
    assert "Sudah tiga minggu sejak wawancara" in said, "the unit sees the report itself"
    await asyncio.to_thread(shell, f"python {tmp_path}/answer.py {accepted['id']}")

    async def answered() -> bool:
        return '"state":"answered"' in await asyncio.to_thread(shell, read)

    await until("the answer shows in the case", answered)
    said = await asyncio.to_thread(shell, operate)
    assert "complaints.routed.imigrasi" in said
