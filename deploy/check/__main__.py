"""`python -m deploy.check`: each check by its name, what is wrong in its own words, exit 1 where anything is. Skips nothing."""

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack
from pathlib import Path

from deploy.check import compose, image, kubernetes, monitoring, names, whole
from deploy.check.fault import Fault
from deploy.check.tools import Tools, install
from deploy.local.errors import StackError
from shared.errors import JalurError

PROJECT = Path(__file__).resolve().parents[2]


def check_compose(tools: Tools) -> list[str]:
    found = compose.read_compose(tools.compose, PROJECT)
    said = {name for service in found["services"].values() for name in service.get("environment") or {}}
    return compose.faults(found, PROJECT) + names.unknown(said, PROJECT)


def check_kubernetes(tools: Tools) -> list[str]:
    found = kubernetes.render(tools.kubectl, PROJECT / "deploy" / "kubernetes" / "production")
    base = kubernetes.render(tools.kubectl, PROJECT / "deploy" / "kubernetes" / "base")
    untagged = [f"image {name} has no tag" for name in sorted(kubernetes.images(found)) if ":" not in name.rpartition("/")[2]]
    return [
        *kubernetes.against_schemas(found, tools.python),
        *kubernetes.faults(base),
        *kubernetes.faults(found),
        *names.unknown(kubernetes.settings(found), PROJECT),
        *untagged,
    ]


def check_image(tools: Tools) -> list[str]:
    done = subprocess.run(
        [tools.hadolint, "--failure-threshold", "style", PROJECT / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return [(done.stdout + done.stderr).strip()]
    told = compose.read_compose(tools.compose, PROJECT)
    started = compose.own_commands(told)
    started += kubernetes.commands(kubernetes.render(tools.kubectl, PROJECT / "deploy" / "kubernetes" / "production"))
    scratch = Path(tempfile.mkdtemp(prefix="jalur-image-"))
    scratch.chmod(0o755)  # the image's user must get in
    whole_scratch = scratch / "whole"
    whole_scratch.mkdir()
    try:
        with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
            servers = pool.submit(stack.enter_context, whole.running_servers(PROJECT, whole_scratch))  # while the image is made
            try:
                made = image.rehearse(PROJECT, scratch)
                image.try_out(made)
                if missing := image.commands_missing(made, started):
                    return missing
                whole.try_installation(told, made, servers.result(), whole_scratch)
            finally:
                wait([servers])
        return []
    finally:
        image.remove(scratch)


# The longest first: two are under way at a time.
CHECKS: dict[str, Callable[[Tools], list[str]]] = {
    "the image, and the whole installation from it": check_image,
    "docker-compose.yml": check_compose,
    "Prometheus, Alertmanager, Grafana": lambda tools: monitoring.faults(PROJECT, tools),
    "Kubernetes": check_kubernetes,
}


def main() -> int:
    for name in ("aiokafka", "asyncio"):  # a broker that is not there yet is what we ask about, not an error to print
        logging.getLogger(name).setLevel(logging.CRITICAL)
    begin = time.monotonic()
    try:
        tools = install(PROJECT)
    except Fault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    print(f"check-deploy: the tools are there ({time.monotonic() - begin:.0f} s)", flush=True)
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for done in as_completed([pool.submit(_carry_out, name, tools) for name in CHECKS]):
            name, found, seconds = done.result()
            failed += bool(found)
            print(f"check-deploy: {name}: {'wrong' if found else 'right'} ({seconds:.0f} s)", flush=True)
            for line in found:
                print(f"  {line}", flush=True)
    return 1 if failed else 0


def _carry_out(name: str, tools: Tools) -> tuple[str, list[str], float]:
    begin = time.monotonic()
    try:
        found = CHECKS[name](tools)
    except (Fault, StackError, JalurError) as fault:
        found = [str(fault)]
    return name, found, time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())
