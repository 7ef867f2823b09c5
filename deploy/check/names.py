"""The settings that Jalur reads, by name, so that a misspelt one in a manifest is found. Pure but for reading our own source."""

import re
from collections.abc import Iterable
from pathlib import Path

NAME = re.compile(r"\"(JALUR_[A-Z_]*[A-Z])\"")
# Settings whose value may stand in a file: `shared/settings.py` reads them so.
SECRET = re.compile(r"_secret\(environ, \"(JALUR_[A-Z_]+)\"\)")


def names_in(source: str) -> set[str]:
    return set(NAME.findall(source)) | {f"{name}_FILE" for name in SECRET.findall(source)}


def known_settings(project: Path) -> set[str]:
    files = [*(project / "shared").glob("*.py"), *(project / "services" / "commands").glob("*.py")]
    return {name for file in files for name in names_in(file.read_text())}


def unknown(said: Iterable[str], project: Path) -> list[str]:
    ours = {name for name in said if name.startswith("JALUR_")}
    return [f"nothing reads the setting {name}" for name in sorted(ours - known_settings(project))]
