"""What a pod may not be, and how the manifests must fit together; each promise once kept, once broken."""

import copy
from typing import Any

import pytest

from deploy.check.kubernetes import commands, faults, images, missing, settings

CONTAINER: dict[str, Any] = {
    "name": "router",
    "image": "registry/jalur:0.1.0",
    "args": ["python", "-m", "services.router"],
    "env": [{"name": "JALUR_REPLICA", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}}],
    "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
    "resources": {"requests": {"cpu": "1", "memory": "1Mi"}, "limits": {"memory": "1Mi"}},
    "startupProbe": {"httpGet": {"path": "/health/live"}},
    "livenessProbe": {"httpGet": {"path": "/health/live"}},
    "readinessProbe": {"httpGet": {"path": "/health/ready"}},
}
LABELS = {"app.kubernetes.io/name": "router"}
POD: dict[str, Any] = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [CONTAINER],
}
GOOD: list[dict[str, Any]] = [
    {
        "kind": "StatefulSet",
        "metadata": {"name": "router"},
        "spec": {"serviceName": "router-pods", "template": {"metadata": {"labels": LABELS}, "spec": POD}},
    },
    {"kind": "Service", "metadata": {"name": "router-pods"}, "spec": {}},
    {"kind": "PodDisruptionBudget", "metadata": {"name": "router"}, "spec": {"selector": {"matchLabels": LABELS}}},
    {"kind": "NetworkPolicy", "metadata": {"name": "nobody"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}},
    {
        "kind": "ScaledObject",
        "metadata": {"name": "router"},
        "spec": {
            "scaleTargetRef": {"name": "router"},
            "triggers": [{"metadata": {"consumerGroup": "jalur.router", "topic": "complaints.received"}}],
        },
    },
    {"kind": "ConfigMap", "metadata": {"name": "jalur"}, "data": {"JALUR_KAFKA": "kafka:9093"}},
]


def test_manifests_as_they_should_be_have_no_fault() -> None:
    assert faults(GOOD) == []
    assert images(GOOD) == {"registry/jalur:0.1.0"}
    assert commands(GOOD) == [["python", "-m", "services.router"]]
    assert settings(GOOD) == {"JALUR_REPLICA", "JALUR_KAFKA"}


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("spec.template.spec.automountServiceAccountToken", True, "mounts an account's token"),
        ("spec.template.spec.securityContext.runAsUser", 0, "does not run as 10001"),
        ("spec.template.spec.securityContext.runAsNonRoot", False, "does not run as 10001"),
        ("spec.template.spec.securityContext.seccompProfile", None, "no seccomp profile"),
        ("spec.template.spec.containers.0.securityContext.readOnlyRootFilesystem", False, "not read-only"),
        ("spec.template.spec.containers.0.securityContext.allowPrivilegeEscalation", True, "may gain privileges"),
        ("spec.template.spec.containers.0.securityContext.capabilities", {}, "may gain privileges"),
        ("spec.template.spec.containers.0.resources.limits", {}, "no limit of memory"),
        ("spec.template.spec.containers.0.livenessProbe.httpGet.path", "/health/ready", "livenessProbe does not ask /health/live"),
        ("spec.template.spec.containers.0.readinessProbe.httpGet.path", "/health/live", "readinessProbe does not ask /health/ready"),
        ("spec.template.spec.containers.0.env.0", {"name": "JALUR_REPLICA", "value": "0"}, "JALUR_REPLICA is not the pod's ordinal"),
        ("spec.serviceName", "other", "its service other is not there"),
        ("spec.replicas", 2, "either `replicas` or a ScaledObject"),
        ("spec.template.metadata.labels", {"app.kubernetes.io/name": "other"}, "no disruption budget"),
    ],
)
def test_each_broken_promise_of_a_service_is_one_fault(path: str, value: Any, fault: str) -> None:
    manifests = copy.deepcopy(GOOD)
    put(manifests[0], path, value)
    (found,) = faults(manifests)
    assert found.startswith("StatefulSet router: ")
    assert fault in found


def test_a_secret_in_an_environment_is_found_in_every_container() -> None:
    manifests = copy.deepcopy(GOOD)
    pod = manifests[0]["spec"]["template"]["spec"]
    pod["initContainers"] = [{**CONTAINER, "name": "first", "env": [{"name": "JALUR_KAFKA_PASSWORD", "value": "x"}]}]
    assert faults(manifests) == ["StatefulSet router: first: JALUR_KAFKA_PASSWORD holds a secret: give it as a file"]


def test_a_job_that_is_made_each_night_is_held_to_the_same() -> None:
    pod = {**POD, "containers": [{**CONTAINER, "args": ["jalur", "retention", "run"], "securityContext": {}}]}
    nightly = {"kind": "CronJob", "metadata": {"name": "retention"}, "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}
    found = faults([*GOOD, nightly])
    assert found == ["CronJob retention: router may gain privileges", "CronJob retention: router: its tree is not read-only"]
    assert commands([nightly]) == [["jalur", "retention", "run"]]


def test_lag_is_asked_of_groups_and_topics_that_exist() -> None:
    manifests = copy.deepcopy(GOOD)
    manifests[4]["spec"]["triggers"] = [{"metadata": {"consumerGroup": "router", "topic": "complaints.recieved"}}]
    assert faults(manifests) == [
        "ScaledObject router: nobody reads as router",
        "ScaledObject router: there is no topic complaints.recieved",
    ]


def test_behind_an_ingress_intake_must_know_whom_to_believe_the_callers_address() -> None:
    ingress = {"kind": "Ingress", "metadata": {"name": "intake"}, "spec": {}}
    assert faults([*GOOD, ingress]) == ["Ingress intake: without JALUR_TRUSTED_PROXIES all callers share one address's limits"]
    told = {"kind": "ConfigMap", "metadata": {"name": "door"}, "data": {"JALUR_TRUSTED_PROXIES": "10.0.0.5"}}
    assert faults([*GOOD, ingress, told]) == []


def test_rights_are_applied_with_the_passwords_that_the_services_read() -> None:
    mounts = [{"name": who, "mountPath": f"/units/{who}", "subPath": "kafka-password"} for who in ("intake", "router", "notifier")]
    container = {**CONTAINER, "name": "access", "args": ["jalur", "access", "apply", "--yes", "--secrets", "/units"]}
    volumes = [{"name": who, "secret": {"secretName": f"jalur-{who}"}} for who in ("intake", "router", "notifier")]

    def job(mounts: list[dict[str, str]]) -> dict[str, Any]:
        pod = {**POD, "containers": [{**container, "volumeMounts": mounts}], "volumes": volumes}
        return {"kind": "Job", "metadata": {"name": "setup"}, "spec": {"template": {"spec": pod}}}

    assert faults([*GOOD, job(mounts)]) == []
    assert faults([*GOOD, job(mounts[1:])]) == ["Job setup: access: the password that intake reads is not at /units/intake"]


def test_nothing_is_open_by_default() -> None:
    assert faults([item for item in GOOD if item["kind"] != "NetworkPolicy"]) == ["no network policy that refuses everything by default"]


def test_a_field_that_a_model_does_not_give_back_was_never_one() -> None:
    wanted = {"spec": {"triggers": [{"type": "kafka", "metdata": {}}], "pollingInterval": 15}}
    found = {"spec": {"triggers": [{"type": "kafka"}], "pollingInterval": 30}}
    assert list(missing(wanted, found)) == ["spec.triggers[0].metdata", "spec.pollingInterval"]
    assert list(missing(wanted, wanted)) == []


def put(manifest: Any, path: str, value: Any) -> None:
    *above, last = path.split(".")
    for part in above:
        manifest = manifest[int(part)] if part.isdigit() else manifest[part]
    manifest[int(last) if last.isdigit() else last] = value
