"""The image without an engine: the Dockerfile's very commands in an empty root, then each service as its user on a read-only tree."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deploy.check.context import Rule, read_rules, sent_files
from deploy.check.dockerfile import Copy, Run, Stage, read_dockerfile
from deploy.check.fault import Fault
from deploy.check.room import Room, kept_environment, machine

SERVICES = ("intake", "router", "notifier")
READY_WITHIN_SECONDS = 60.0
FORBIDDEN = ("/opt/jalur/x", "/opt/jalur/lib/x", "/x", "/etc/x")
# Who it is there, what it may write, and what somebody may write where the root is writable after all.
LOOK_AROUND = """
import os, stat, sys
if (os.getuid(), os.getgid()) != (10001, 10001):
    print("runs as", os.getuid(), os.getgid())
for place in sys.argv[1:]:
    try:
        open(place, "w")
        print("may write", place)
    except OSError:
        pass
open("/tmp/x", "w").close()
for folder, _, files in os.walk("/opt/jalur"):
    for path in [folder, *(os.path.join(folder, name) for name in files)]:
        mode = os.lstat(path).st_mode
        if not stat.S_ISLNK(mode) and mode & 0o222:
            print("writable", path)
"""


class Image:
    """The last stage as it would be shipped, in a folder of this machine."""

    def __init__(self, stage: Stage, root: Path) -> None:
        folders, links = machine(with_programs=False)
        self.stage = stage
        uid = stage.user.partition(":")[0]
        if not uid.isdigit() or int(uid) == 0:
            raise Fault(f"deploy/Dockerfile: USER is {stage.user}; a fixed number other than 0 is needed")
        path = f"{stage.environment.get('PATH', '')}:/image/bin:{Path(sys.base_prefix).resolve()}/bin"
        self._room = Room(
            root,
            folders,
            links=links,
            is_read_only=True,
            uid=int(uid),
            environment={**stage.environment, "PATH": path, "LC_ALL": "C.UTF-8"},
        )

    def command(
        self,
        words: Sequence[str],
        environment: Mapping[str, str] | None = None,
        secrets: Path | None = None,
        writable: tuple[tuple[str, str], ...] = (),
    ) -> list[str]:
        """`secrets` is a folder of this machine that stands at /secrets, as the containers see theirs; so is each of `writable`."""
        room = replace(self._room, folders=(*self._room.folders, (str(secrets), "/secrets"))) if secrets else self._room
        room = replace(room, writable=writable)
        return room.command(words, folder=self.stage.folder, environment=environment)

    def run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str] | None = None,
        secrets: Path | None = None,
        writable: tuple[tuple[str, str], ...] = (),
    ) -> tuple[int, str]:
        done = subprocess.run(self.command(words, environment, secrets, writable), capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()


def rehearse(project: Path, scratch: Path) -> Image:
    """Carry out every stage of deploy/Dockerfile below `scratch`, an empty folder."""
    stages = read_dockerfile((project / "deploy" / "Dockerfile").read_text())
    rules = read_rules((project / ".dockerignore").read_text())
    roots: dict[str, Path] = {}
    root = scratch
    for number, stage in enumerate(stages):
        root = scratch / f"stage-{number}"
        root.mkdir()
        roots[stage.name or str(number)] = root
        for step in stage.steps:
            if isinstance(step, Copy):
                _copy(step, root, roots[step.origin] if step.origin else None, project, rules)
            else:
                _run(step, root)
    return Image(stages[-1], root)


def _copy(step: Copy, root: Path, origin: Path | None, project: Path, rules: Sequence[Rule]) -> None:
    into = root / step.target.lstrip("/")
    for source in step.sources:
        if origin is not None:
            shutil.copytree(origin / source.lstrip("/"), into, symlinks=True, dirs_exist_ok=True)
            continue
        files = list(sent_files(project, source, rules))
        if not files:
            raise Fault(f"deploy/Dockerfile: COPY {source}: .dockerignore sends nothing of it")
        is_one = (project / source).is_file()
        for file in files:
            if is_one:
                target = into / file.name if step.target.endswith("/") or len(step.sources) > 1 or into.is_dir() else into
            else:
                target = into / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / file, target)


def _run(step: Run, root: Path) -> None:
    folders, links = machine(with_programs=True)
    path = f"/image/bin:{Path(sys.base_prefix).resolve()}/bin:/usr/local/bin:/usr/bin:/bin"
    outside = kept_environment()
    # Where certificates lie outside /etc and /usr, what names them would name nothing inside.
    folders += tuple((value, value) for value in sorted(set(outside.values())) if value.startswith("/") and _is_elsewhere(value))
    room = Room(root, folders, links=links, environment={"PATH": path, "HOME": "/root", "UV_SYSTEM_CERTS": "true", **outside})
    (root / "root").mkdir(mode=0o700, exist_ok=True)
    (root / step.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        room.command(["/bin/sh", "-c", step.command], step.folder, step.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Fault(
            f"deploy/Dockerfile: RUN {step.command[:70]}… ended with {done.returncode}:\n{(done.stdout + done.stderr).strip()[-2000:]}"
        )


def _is_elsewhere(path: str) -> bool:
    return Path(path).exists() and not path.startswith(("/etc/", "/usr/"))


def try_out(image: Image) -> None:
    """Nothing can be written but into /tmp, the command line answers, and each service lives, says that it is not ready, and ends well."""
    code, said = image.run(["python", "-c", LOOK_AROUND, *FORBIDDEN])
    if code or said:
        raise Fault(f"on the image's tree, as its user: {said[-800:]}")
    for words in (list(image.stage.command), ["python", "-m", "deploy.secrets", "/tmp/secrets"]):  # noqa: S108  inside
        code, said = image.run(words)
        if code:
            raise Fault(f"{' '.join(words)} ended with {code}: {said[-500:]}")
    services = [(name, _start(image, name)) for name in SERVICES]
    try:
        for name, (process, port) in services:
            _look_at(image, name, process, port)
    finally:
        for _, (process, _) in services:
            process.kill()
            process.wait()


def commands_missing(image: Image, commands: Sequence[Sequence[str]]) -> list[str]:
    """Which of the commands that containers are started with the image does not have. None of them is carried out."""
    found = []
    asked = {tuple(words[:3]) if words[:2] == ["python", "-m"] else tuple(word for word in words if word.isalpha()) for words in commands}
    modules = sorted(words[2] for words in asked if words[:2] == ("python", "-m"))
    code, said = image.run(
        ["python", "-c", "import importlib.util, sys; [importlib.util.find_spec(name).name for name in sys.argv[1:]]", *modules]
    )
    if code:
        found.append(f"the image does not have each of {', '.join(modules)}: {said[-300:]}")
    for words in sorted(asked):
        if words[0] != "python":
            code, said = image.run([*words, "--help"])
            if code:
                found.append(f"the image has no {' '.join(words)}: {said[-300:]}")
    return found


def _start(image: Image, service: str) -> tuple["subprocess.Popen[str]", int]:
    """With addresses where nobody answers: what is tried is the image, not what it connects to."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = int(asked.getsockname()[1])
    environment = {
        "JALUR_KAFKA": "127.0.0.1:9",
        "JALUR_POSTGRES": "postgresql://jalur@127.0.0.1:9/jalur",
        "JALUR_HOST": "127.0.0.1",
        "JALUR_PORT": str(port),
    }
    words = ["python", "-m", f"services.{service}"]
    process = subprocess.Popen(
        image.command(words, environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return process, port


def _look_at(image: Image, service: str, process: "subprocess.Popen[str]", port: int) -> None:
    until = time.monotonic() + READY_WITHIN_SECONDS
    while (status := status_of(port, "/health/live")) != 200:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            said = process.communicate()[0]
            raise Fault(f"{service} does not live on a read-only tree (answered {status}): {said[-1500:]}")
        time.sleep(0.1)
    if (status := status_of(port, "/health/ready")) != 503:
        raise Fault(f"{service} without Kafka and PostgreSQL answers {status} on /health/ready, not 503")
    if status_of(port, "/metrics") != 200:
        raise Fault(f"{service} does not answer /metrics")
    code, said = image.run(image.stage.health, {"JALUR_PORT": str(port)})
    if code != 1 or "Traceback" in said:
        raise Fault(f"the image's health check says {code} of a {service} that is not ready: {said[-500:]}")
    process.terminate()
    try:
        code = process.wait(20)
    except subprocess.TimeoutExpired:
        raise Fault(f"{service} did not end within 20 s of SIGTERM") from None
    if code not in (0, -15):
        raise Fault(f"{service} ended with {code} after SIGTERM")


def status_of(port: int, path: str) -> int | None:
    """None where nobody listens."""
    door = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        door.request("GET", path)
        return door.getresponse().status
    except OSError:
        return None
    finally:
        door.close()


def remove(scratch: Path) -> None:
    """Also what the Dockerfile took the right to write from."""
    for folder, _, _ in os.walk(scratch):
        Path(folder).chmod(0o755)
    shutil.rmtree(scratch)
