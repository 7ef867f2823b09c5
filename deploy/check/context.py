"""What of the work tree a `COPY` may see: `.dockerignore`, read as Docker reads it. Pure but for the walk at the end."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    pattern: re.Pattern[str]
    keeps: bool


def read_rules(text: str) -> list[Rule]:
    lines = (line.strip() for line in text.splitlines())
    return [_rule(line) for line in lines if line and not line.startswith("#")]


def is_sent(path: str, rules: Sequence[Rule]) -> bool:
    """Whether a file of the tree, named by its path with slashes, reaches the builder: the last rule that speaks of it decides."""
    verdict = True
    parts = path.split("/")
    above = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    for rule in rules:
        if any(rule.pattern.fullmatch(name) for name in above):
            verdict = rule.keeps
    return verdict


def sent_files(root: Path, source: str, rules: Sequence[Rule]) -> Iterator[Path]:
    """The files below `source` (or it itself) that a COPY takes, relative to `root`, in order."""
    start = root / source
    for path in [start] if start.is_file() else sorted(start.rglob("*")):
        if path.is_file() and is_sent(path.relative_to(root).as_posix(), rules):
            yield path.relative_to(root)


def _rule(line: str) -> Rule:
    keeps = line.startswith("!")
    text = line.removeprefix("!").strip().strip("/")
    out = ""
    while text:
        if text.startswith("**/"):
            out, text = out + "(?:.*/)?", text[3:]
        elif text.startswith("**"):
            out, text = out + ".*", text[2:]
        elif text[0] == "*":
            out, text = out + "[^/]*", text[1:]
        elif text[0] == "?":
            out, text = out + "[^/]", text[1:]
        else:
            out, text = out + re.escape(text[0]), text[1:]
    return Rule(re.compile(out), keeps)
