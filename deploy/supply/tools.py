"""Brings the locked tools into `.tools`, an environment of their own, and runs them. Nothing of them is imported by the project."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.install import environment

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".tools"
LOCK = ROOT / "requirements" / "tools.txt"


class Failed(Exception):
    """The message is for whoever typed the command."""


def program(name: str) -> Path:
    """A tool's program, installed as the lock says."""
    wanted = hashlib.sha256(LOCK.read_bytes() + str(ROOT).encode()).hexdigest()
    stamp = FOLDER / ".installed"
    if not stamp.is_file() or stamp.read_text() != wanted:
        make_environment(FOLDER, LOCK)
        stamp.write_text(wanted)
    return FOLDER / "bin" / name


def make_environment(folder: Path, lock: Path) -> None:
    """Anew, with the lock's packages alone, each by its hash."""
    shutil.rmtree(folder, ignore_errors=True)
    checked(sys.executable, "-m", "venv", "--without-pip", folder)
    checked(ROOT / ".venv/bin/uv", "pip", "sync", "--quiet", "--require-hashes", "--python", folder / "bin" / "python", lock)


def checked(*words: str | Path) -> str:
    done = run(*words)
    if done.returncode:
        raise Failed(f"{Path(words[0]).name} ended with {done.returncode}: {(done.stderr + done.stdout).strip()[-1500:]}")
    return done.stdout


def run(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(word) for word in words], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
