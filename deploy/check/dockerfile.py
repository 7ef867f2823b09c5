"""Reads a Dockerfile: its stages and their steps, in order. Pure; refuses what the rehearsal could not carry out as Docker would."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field


class NotUnderstood(ValueError):
    """The Dockerfile says something that the rehearsal does not know; the message names the instruction."""


@dataclass(frozen=True)
class Copy:
    """`origin` is the stage it comes from, None for the build context."""

    sources: tuple[str, ...]
    target: str
    origin: str | None = None


@dataclass(frozen=True)
class Run:
    """A shell's words as they stand, in the folder and with the environment that were in force."""

    command: str
    folder: str
    environment: Mapping[str, str]


@dataclass
class Stage:
    image: str
    name: str | None
    steps: list[Copy | Run] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)  # as they are where nobody gives others; gone from what is shipped
    folder: str = "/"
    user: str = "root"
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()


def read_dockerfile(text: str) -> list[Stage]:
    stages: list[Stage] = []
    for line in _lines(text):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), rest.strip()
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            stages.append(Stage(image.strip(), name.strip() or None))
            continue
        if not stages:
            raise NotUnderstood(f"{word} before the first FROM")
        stage = stages[-1]
        match word:
            case "RUN":
                if rest.startswith(("--", "[")):
                    raise NotUnderstood(f"RUN {rest.split()[0]}")
                stage.steps.append(Run(rest, stage.folder, stage.arguments | stage.environment))
            case "COPY":
                stage.steps.append(_copy(rest, stage.folder))
            case "ARG":
                stage.arguments |= dict([_pair(rest)])
            case "ENV":
                stage.environment |= dict(_pair(word) for word in shlex.split(rest))
            case "WORKDIR":
                stage.folder = _inside(rest, stage.folder)
            case "USER":
                stage.user = rest
            case "CMD":
                stage.command = _exec_form(rest, "CMD")
            case "HEALTHCHECK":
                stage.health = _exec_form(rest.partition("CMD")[2].strip(), "HEALTHCHECK")
            case "EXPOSE" | "LABEL":
                pass  # tell, and do nothing
            case _:
                raise NotUnderstood(word)
    return stages


def _lines(text: str) -> list[str]:
    """Instructions with their continued lines joined; comments and empty lines are none, also in between."""
    found: list[str] = []
    is_open = False
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        part = line.rstrip()
        goes_on = part.endswith("\\")
        part = part.removesuffix("\\").strip()
        if is_open:
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
        is_open = goes_on
    return found


def _copy(rest: str, folder: str) -> Copy:
    words = shlex.split(rest)
    origin = None
    while words and words[0].startswith("--"):
        option, _, value = words.pop(0).partition("=")
        if option != "--from":
            raise NotUnderstood(f"COPY {option}")
        origin = value
    if len(words) < 2 or any(re.search(r"[*?\[]", word) for word in words):
        raise NotUnderstood("COPY with a pattern or without a target")
    target = _inside(words[-1], folder) + ("/" if words[-1].endswith("/") else "")
    return Copy(tuple(words[:-1]), target, origin)


def _inside(path: str, folder: str) -> str:
    if path.startswith("/"):
        return path.rstrip("/") or "/"
    return "/".join([folder.rstrip("/"), *(part for part in path.split("/") if part not in ("", "."))]) or "/"


def _pair(word: str) -> tuple[str, str]:
    name, is_there, value = word.partition("=")
    if not is_there or "$" in value:
        raise NotUnderstood(f"ENV or ARG {word}")
    return name, value


def _exec_form(rest: str, word: str) -> tuple[str, ...]:
    """Without a shell, so that signals reach the process and the image needs none."""
    try:
        words = json.loads(rest)
    except ValueError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(item, str) for item in words):
        raise NotUnderstood(f"{word} that is not a list of words")
    return tuple(words)
