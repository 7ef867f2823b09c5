"""What looks like a secret in the project's own files, less what is known to be none. Asks nobody whether a secret still works."""

import json
import re
import tomllib
from collections.abc import Iterable
from typing import NamedTuple

from deploy.supply.tools import ROOT, Failed, checked, program

KNOWN = ROOT / "deploy" / "supply" / "secrets.toml"
# Generated, binary, nothing but hashes and trace ids, or the made-up reports that the router learns from.
PASSED_OVER = re.compile(
    r"requirements/[^/]*\.txt|.*\.lock|.*\.(npz|png)|docs/api/.*|shared/schemas/.*\.json|tests/contract/samples/.*|deploy/supply/secrets\.toml"
    r"|services/router/training/.*\.jsonl"
)


class Suspect(NamedTuple):
    """`sha1` is the scanner's name for the words that it found; the line may move."""

    file: str
    type: str
    sha1: str


def look() -> list[str]:
    """Every file that git knows or would take in."""
    listed = checked("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    files = [name for name in listed if not PASSED_OVER.fullmatch(name) and (ROOT / name).is_file()]
    if not files:
        raise Failed("git lists no files here: nothing was scanned")
    said = checked(program("detect-secrets"), "scan", "--no-verify", *files)
    return judge(read_scan(said), read_known(KNOWN.read_text(encoding="utf-8")))


def read_scan(text: str) -> dict[Suspect, int]:
    """What was found, and in which line."""
    results = json.loads(text)["results"]
    return {Suspect(name, item["type"], item["hashed_secret"]): item["line_number"] for name, items in results.items() for item in items}


def read_known(text: str) -> set[Suspect]:
    return {Suspect(entry["file"], entry["type"], entry["sha1"]) for entry in tomllib.loads(text)["known"]}


def judge(found: dict[Suspect, int], known: Iterable[Suspect]) -> list[str]:
    """Never the secret itself: this is printed where logs are kept. What is known and gone has to leave the list."""
    new = [
        f"{item.file}:{line}: {item.type}; if it is none, say why in deploy/supply/secrets.toml (sha1 {item.sha1})"
        for item, line in sorted(found.items())
        if item not in set(known)
    ]
    return new + [
        f"{item.file}: {item.type} {item.sha1} is gone: remove it from deploy/supply/secrets.toml"
        for item in sorted(set(known) - set(found))
    ]
