"""Every command of the runbooks, as printed, against a stack that runs: whoever types it at night gets an answer, not a mistake."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs/runbooks").glob("*.md"))
# Several pages begin with the same command; it is typed once.
BLOCKS = {
    block: page.stem
    for page in PAGES
    for block in re.findall(r"^```bash\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
}
# What changes anything has no place in a first command.
_ONLY_LOOKS = re.compile(
    r"jalur (status|top --once|topics list|keys list|dead list \w+|cases reconcile|clock explain .*|router explain .*|classify --jsonl)$"
)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    folder = tmp_path_factory.mktemp("runbooks")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")} | {
        "JALUR_DATA": str(folder / "data"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def run(block: str) -> str:
        words = ["bash", "-c", f"set -euo pipefail\n{block}"]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{block}{done.stderr}{done.stdout}"
        return done.stdout

    try:
        run("jalur up --detach")
        yield run
    finally:
        run("jalur down")


def test_a_first_command_only_looks() -> None:
    assert len(BLOCKS) > 5
    for block, page in BLOCKS.items():
        assert _ONLY_LOOKS.search(block.strip()), f"{page}: {block}"


def test_every_command_of_the_runbooks_works_as_printed(shell: Callable[[str], str]) -> None:
    for block, page in BLOCKS.items():
        assert shell(f"exec 2>&1\n{block}").strip(), f"{page}: {block.strip()} says nothing"
    shown = json.loads(shell("jalur top --json"))
    assert shown["services"] == {"intake": True, "router": True, "notifier": True}
    assert shown["figures"]["undecided"] == 0
    assert shown["figures"]["calendar"] > 0
