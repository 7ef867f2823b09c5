"""Run as a script by any Python 3.11: bring `.venv` and `.jars` to what the lock files say, at once when they are there already.

Standard library only, and nothing of the project: there is no environment yet to import from.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed"
JARS = ROOT / ".jars"
LOCKS = ("requirements/uv.txt", "requirements/dev.txt", "deploy/local/jars.lock", "pyproject.toml")


def fail(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(1)


def wanted() -> str:
    """What the stamp must say: the locks' content, and the place, which the scripts in the environment know by heart."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in LOCKS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_done() -> bool:
    return STAMP.is_file() and STAMP.read_text() == wanted() and os.access(PYTHON, os.X_OK) and JARS.is_dir()


def system_certificates() -> str | None:
    """The system's own trust store, which also knows the certificate of a proxy that signs anew; None where it is empty."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile
    return paths.capath if paths.capath and any(Path(paths.capath).iterdir()) else None


def can_cache(environ: dict[str, str]) -> bool:
    """Whether the installers can keep a cache: a home that is missing or not ours must not stop them."""
    place = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "/nonexistent") / ".cache").absolute()
    while not place.exists():
        place = place.parent
    return os.access(place, os.W_OK | os.X_OK)


def environment() -> dict[str, str]:
    """The caller's, with the system's certificates and some patience where it says nothing about them."""
    result = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    result |= {"VIRTUAL_ENV": str(VENV), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    result.setdefault("UV_HTTP_TIMEOUT", "120")
    if certificates := system_certificates():
        result.setdefault("REQUESTS_CA_BUNDLE", certificates)  # pip and the jars' resolver; a `cert` in pip.conf still wins
        result.setdefault("UV_SYSTEM_CERTS", "true")
    if not can_cache(result):
        result |= {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"}
    return result


def run(what: str, *command: str | Path) -> None:
    print(f"setup: {what}", flush=True)
    try:
        code = subprocess.call([str(word) for word in command], cwd=ROOT, env=environment())
    except KeyboardInterrupt:
        sys.exit(130)
    if code:
        fail(f"setup stopped at: {what}")


def make_venv() -> None:
    """Anew, unless there is one that works, has pip and was made by a Python of this version."""
    probe = f"import sys, pip; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    if os.access(PYTHON, os.X_OK) and subprocess.call([PYTHON, "-I", "-c", probe], stderr=subprocess.DEVNULL) == 0:
        return
    try:
        import ensurepip  # noqa: F401  Debian leaves it out of its python3 and puts it into a package of its own
        import venv  # noqa: F401
    except ImportError as error:
        fail(f"{sys.executable} has no {error.name}: install the package python3-venv, or name another Python with PYTHON=...")
    shutil.rmtree(VENV, ignore_errors=True)
    run("virtual environment in .venv", sys.executable, "-m", "venv", VENV)


def main() -> None:
    if not is_done():
        make_venv()
        uv = VENV / "bin" / "uv"
        run("installer", PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:", "-r", "requirements/uv.txt")
        run("packages, by hash", uv, "pip", "sync", "--quiet", "--require-hashes", "--python", PYTHON, "requirements/dev.txt")
        run("Jalur itself", uv, "pip", "install", "--quiet", "--python", PYTHON, "--no-deps", "--no-build-isolation", "--editable", ".")
        run("Kafka's jars, by sha256", PYTHON, "-m", "deploy.local.jars", "install")
        STAMP.write_text(wanted())
    print("Jalur is set up: .venv/bin/jalur")


if __name__ == "__main__":
    main()
