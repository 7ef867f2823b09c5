"""The software bill of materials (CycloneDX 1.6, JSON) of what runs: one file for each lock that an image may be built of."""

import json
import re
import shutil
import tempfile
import tomllib
from pathlib import Path

from deploy.supply.tools import ROOT, checked, make_environment, program

FOLDER = ROOT / "dist" / "sbom"
LOCKS = ("services", "otel")


def write() -> list[Path]:
    """Each lock is installed by hash into an empty environment: its packages' own metadata say licences and who needs whom."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    return [_write(lock) for lock in LOCKS]


def _write(lock: str) -> Path:
    path = FOLDER / f"jalur-{lock}.cdx.json"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_environment(place / "environment", ROOT / "requirements" / f"{lock}.txt")
        root = place / "pyproject.toml"
        root.write_text(root_of(lock), encoding="utf-8")
        options = ["--pyproject", str(root), "--mc-type", "application", "--output-reproducible", "--sv", "1.6", "--output-file", str(path)]
        checked(program("cyclonedx-py"), "environment", place / "environment" / "bin" / "python", *options)
    return path


def root_of(lock: str) -> str:
    """A pyproject.toml that says what Jalur itself needs, which the project's own leaves to the lock files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = {name: project[name] for name in ("name", "version", "description", "license")} | {"dependencies": direct(lock)}
    return "[project]\n" + "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in said.items())


def direct(lock: str) -> list[str]:
    """What the lock's own list names, and the lists that it takes in."""
    found = []
    for line in (ROOT / "requirements" / f"{lock}.in").read_text(encoding="utf-8").splitlines():
        if taken := re.fullmatch(r"-r (\w+)\.in", line.strip()):
            found += direct(taken[1])
        elif line.strip() and not line.startswith("#"):
            found.append(line.strip())
    return found
