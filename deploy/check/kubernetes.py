"""The manifests: rendered by kustomize, held against the API's own schemas (KEDA's too), then against what we promise of every pod."""

import importlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.check.fault import Fault
from shared.topics import SERVICES, Topics

# The oldest and the newest that the schemas' package knows and that gives pods their ordinal as a label without being asked.
VERSIONS = ("1.32", "1.37")
GROUPS = {Topics().group(name) for name in (*SERVICES, "router-reroutes")}
TOPICS = {topic.name for topic in Topics().all()}

Manifest = Mapping[str, Any]


def render(kubectl: Path, folder: Path) -> list[dict[str, Any]]:
    """As `kubectl kustomize` writes it."""
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr.strip():
        raise Fault(f"{folder.name}: {done.stderr.strip()}")
    yaml: Any = importlib.import_module("yaml")
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def against_schemas(manifests: Sequence[Manifest], tools: Path) -> list[str]:
    """Unknown fields are faults too."""
    sys.path.append(str(tools))
    try:
        schemas: Any = importlib.import_module("kubernetes_validate")
        keda: Any = importlib.import_module("cloudcoil.models.keda.v1alpha1")
    finally:
        sys.path.remove(str(tools))
    found = []
    for manifest in manifests:
        if manifest["apiVersion"].startswith("keda.sh/"):
            found += [f"{title(manifest)}: {fault}" for fault in _against_model(getattr(keda, manifest["kind"]), manifest)]
            continue
        for version in VERSIONS:
            try:
                schemas.validate(manifest, version, strict=True)
            except schemas.ValidationError as error:
                found.append(f"{title(manifest)}: Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")
            except (schemas.SchemaNotFoundError, schemas.InvalidSchemaError) as error:
                found.append(f"{title(manifest)}: Kubernetes {version}: {error.message}")
    return found


def _against_model(model: Any, manifest: Manifest) -> Iterator[str]:
    """The model drops what it does not know, so what does not come back was never a field."""
    try:
        back = model.model_validate(manifest).model_dump(by_alias=True, exclude_unset=True, mode="json")
    except ValueError as error:
        yield str(error)
        return
    yield from (f"{path} is no field of it" for path in missing(manifest, back))


def missing(wanted: Any, found: Any, path: str = "") -> Iterator[str]:
    """Paths in `wanted` that `found` does not have, or has otherwise."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name, value in wanted.items():
            here = f"{path}.{name}".lstrip(".")
            if name in found:
                yield from missing(value, found[name], here)
            else:
                yield here
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from missing(one, other, f"{path}[{number}]")
    elif wanted != found:
        yield path


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def faults(manifests: Sequence[Manifest]) -> list[str]:
    """What breaks a promise, each in one line."""
    found = []
    of_kind: dict[str, dict[str, Manifest]] = {}
    for manifest in manifests:
        of_kind.setdefault(manifest["kind"], {})[manifest["metadata"]["name"]] = manifest
    for manifest in manifests:
        found += [f"{title(manifest)}: {fault}" for pod in _pods([manifest]) for fault in (*_of_pod(pod), *_of_passwords(pod))]
    budgets = [item["spec"]["selector"]["matchLabels"] for item in of_kind.get("PodDisruptionBudget", {}).values()]
    scaled = {item["spec"]["scaleTargetRef"]["name"] for item in of_kind.get("ScaledObject", {}).values()}
    for name, manifest in of_kind.get("StatefulSet", {}).items():
        found += [f"{title(manifest)}: {fault}" for fault in _of_service(manifest)]
        if manifest["spec"]["template"]["metadata"]["labels"].items() and not any(
            budget.items() <= manifest["spec"]["template"]["metadata"]["labels"].items() for budget in budgets
        ):
            found.append(f"{title(manifest)}: no disruption budget")
        if (name in scaled) == ("replicas" in manifest["spec"]):
            found.append(f"{title(manifest)}: either `replicas` or a ScaledObject, not both and not neither")
        if manifest["spec"]["serviceName"] not in of_kind.get("Service", {}):
            found.append(f"{title(manifest)}: its service {manifest['spec']['serviceName']} is not there")
    for name in scaled - of_kind.get("StatefulSet", {}).keys():
        found.append(f"ScaledObject: {name} is not there")
    for manifest in of_kind.get("ScaledObject", {}).values():
        for trigger in manifest["spec"]["triggers"]:
            told = trigger["metadata"]
            if told["consumerGroup"] not in GROUPS:
                found.append(f"{title(manifest)}: nobody reads as {told['consumerGroup']}")
            if "topic" in told and told["topic"] not in TOPICS:
                found.append(f"{title(manifest)}: there is no topic {told['topic']}")
    if "JALUR_TRUSTED_PROXIES" not in settings(manifests):
        found += [
            f"Ingress {name}: without JALUR_TRUSTED_PROXIES all callers share one address's limits" for name in of_kind.get("Ingress", {})
        ]
    policies = [item["spec"] for item in of_kind.get("NetworkPolicy", {}).values()]
    if {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} not in policies:
        found.append("no network policy that refuses everything by default")
    return found


def _pods(manifests: Sequence[Manifest]) -> list[Manifest]:
    """What each of them runs, also of a job that is made anew each night."""
    specs = [item["spec"]["jobTemplate"]["spec"] for item in manifests if item["kind"] == "CronJob"]
    specs += [item["spec"] for item in manifests if item["kind"] in ("StatefulSet", "Job")]
    return [spec["template"]["spec"] for spec in specs]


def _of_pod(pod: Manifest) -> Iterator[str]:
    if pod.get("automountServiceAccountToken") is not False:
        yield "mounts an account's token"
    context = pod.get("securityContext", {})
    if not (context.get("runAsNonRoot") and context.get("runAsUser") == 10001 and context.get("runAsGroup") == 10001):
        yield "does not run as 10001"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "no seccomp profile"
    for container in (*pod.get("initContainers", []), *pod["containers"]):
        name, own = container["name"], container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name} may gain privileges"
        if not own.get("readOnlyRootFilesystem"):
            yield f"{name}: its tree is not read-only"
        resources = container.get("resources", {})
        if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
            yield f"{name}: no requests, or no limit of memory"
        for variable in container.get("env", []):
            if "PASSWORD" in variable["name"] and not variable["name"].endswith("_FILE"):
                yield f"{name}: {variable['name']} holds a secret: give it as a file"


def _of_passwords(pod: Manifest) -> Iterator[str]:
    """Whoever makes the services' users must find the passwords that the services read, or it would make others."""
    secrets = {volume["name"]: volume.get("secret", {}).get("secretName") for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        words = container["args"]
        if words[:3] != ["jalur", "access", "apply"] or "--secrets" not in words:
            continue
        folder = words[words.index("--secrets") + 1]
        found = {(mount["mountPath"], secrets.get(mount["name"]), mount.get("subPath")) for mount in container.get("volumeMounts", [])}
        for service in SERVICES:
            if (f"{folder}/{service}", f"jalur-{service}", "kafka-password") not in found:
                yield f"{container['name']}: the password that {service} reads is not at {folder}/{service}"


def _of_service(manifest: Manifest) -> Iterator[str]:
    """Alive is not ready: a restart cures no database that is away, so only readiness may ask for one."""
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    for probe, path in (("startupProbe", "/health/live"), ("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready")):
        if container.get(probe, {}).get("httpGet", {}).get("path") != path:
            yield f"{probe} does not ask {path}"
    replica: Manifest = next((item for item in container["env"] if item["name"] == "JALUR_REPLICA"), {})
    if replica.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") != "metadata.labels['apps.kubernetes.io/pod-index']":
        yield "JALUR_REPLICA is not the pod's ordinal"


def images(manifests: Sequence[Manifest]) -> set[str]:
    pods = _pods(manifests)
    return {container["image"] for pod in pods for container in (*pod.get("initContainers", []), *pod["containers"])}


def commands(manifests: Sequence[Manifest]) -> list[list[str]]:
    """What the containers are started with, each once."""
    pods = _pods(manifests)
    found: list[list[str]] = []
    for pod in pods:
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            if container["args"] not in found:
                found.append(container["args"])
    return found


def settings(manifests: Sequence[Manifest]) -> set[str]:
    """Every name that a container is told a value of."""
    pods = _pods(manifests)
    named = {
        variable["name"]
        for pod in pods
        for item in (*pod.get("initContainers", []), *pod["containers"])
        for variable in item.get("env", [])
    }
    return named.union(*(item["data"] for item in manifests if item["kind"] == "ConfigMap"))
