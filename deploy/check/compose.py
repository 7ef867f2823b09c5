"""The compose file: parsed by Compose itself, then held against what we promise of every container. The rules are pure."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.check.fault import Fault

# Only this one is root inside, without a network, to give the password files to their readers.
ROOT_INSIDE = "secrets"
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|KEY$")
SECRET_VALUE = re.compile(r"://[^/@\s]+:[^/@\s]+@")


def read_compose(program: Path, project: Path) -> dict[str, Any]:
    """As Compose resolves it, every profile in. A misspelt key is a fault."""
    file = project / "docker-compose.yml"
    words = [str(program), "--file", str(file), "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    if done.returncode:
        raise Fault(f"docker-compose.yml: {done.stderr.strip()}")
    if done.stderr.strip():
        raise Fault(f"docker-compose.yml: Compose warns: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def faults(compose: Mapping[str, Any], project: Path) -> list[str]:
    """What breaks a promise, each in one line. `project` is looked into only for the files that are mounted."""
    services: dict[str, dict[str, Any]] = compose["services"]
    found = []
    for name, service in services.items():
        found += [f"{name}: {fault}" for fault in _of_service(name, service, services)]
        for volume in service.get("volumes", []):
            if volume["type"] == "bind" and not Path(volume["source"]).exists():
                found.append(f"{name}: {Path(volume['source']).relative_to(project)} is mounted and is not there")
            if volume["type"] == "bind" and not volume.get("read_only"):
                found.append(f"{name}: a folder of the project is mounted for writing")
    readers: dict[str, set[str]] = {}
    for name, service in services.items():
        for volume in service.get("volumes", []):
            if volume["type"] == "volume" and str(volume["source"]).startswith("secrets-") and name != ROOT_INSIDE:
                readers.setdefault(str(volume["source"]), set()).add(name)
                if not volume.get("read_only"):
                    found.append(f"{name}: may write {volume['source']}")
    for source, names in readers.items():
        if len({services[name]["user"] for name in names}) > 1:
            found.append(f"{source}: read by users {', '.join(sorted(names))} of different numbers")
    return found


def _of_service(name: str, service: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[str]:
    image = str(service.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    if not tag or tag == "latest":
        yield f"image {image or '(none)'} has no tag of one version"
    if not service.get("read_only"):
        yield "its tree is not read-only"
    if service.get("cap_drop") != ["ALL"]:
        yield "does not drop every capability"
    if service.get("cap_add") and name != ROOT_INSIDE:
        yield f"adds capabilities: {service['cap_add']}"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "may gain privileges"
    if service.get("privileged") or service.get("pid") or service.get("ipc"):
        yield "shares more of the machine than a container should"
    user = str(service.get("user", "root")).partition(":")[0]
    if (not user.isdigit() or int(user) == 0) and name != ROOT_INSIDE:
        yield f"runs as {user}: name a number other than 0"
    if name == ROOT_INSIDE and service.get("network_mode") != "none":
        yield "is root and has a network"
    for limit in ("mem_limit", "cpus", "pids_limit"):
        if not service.get(limit):
            yield f"has no {limit}"
    is_once = service.get("restart") == "no"
    health = service.get("healthcheck", {})
    own_image = image.startswith("jalur:")
    if not is_once and not health.get("test") and not own_image:  # ours has a health check in the image
        yield "has no health check"
    if not is_once and health.get("disable"):
        yield "has its health check switched off"
    for port in service.get("ports", []):
        if port.get("host_ip") != "127.0.0.1":
            yield f"port {port.get('target')} is open to other machines"
    for variable, value in (service.get("environment") or {}).items():
        text = str(value or "")
        if (SECRET_NAME.search(variable) and not variable.endswith("_FILE")) or SECRET_VALUE.search(text):
            yield f"{variable} holds a secret: give it as a file"
    for other, how in (service.get("depends_on") or {}).items():
        wanted = "service_completed_successfully" if services[other].get("restart") == "no" else "service_healthy"
        if how.get("condition") != wanted:
            yield f"waits for {other} {how.get('condition')}, not {wanted}"


def own_commands(compose: Mapping[str, Any]) -> list[list[str]]:
    """What the containers of our own image are started with, each once."""
    commands = []
    for service in compose["services"].values():
        if str(service.get("image", "")).startswith("jalur:"):
            words = [*(service.get("entrypoint") or []), *(service.get("command") or [])]
            if words and words not in commands:
                commands.append(words)
    return commands
