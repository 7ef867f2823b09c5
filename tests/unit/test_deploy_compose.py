"""What a container of the compose file may not be; each promise once kept, once broken."""

import copy
from pathlib import Path
from typing import Any

import pytest

from deploy.check.compose import faults, own_commands

PROJECT = Path(__file__).resolve().parents[2]
GOOD: dict[str, Any] = {
    "services": {
        "postgres": {
            "image": "postgres:18.4",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "user": "999:999",
            "mem_limit": "1",
            "cpus": 1,
            "pids_limit": 1,
            "restart": "unless-stopped",
            "healthcheck": {"test": ["CMD", "pg_isready"]},
            "environment": {"POSTGRES_PASSWORD_FILE": "/secrets/superuser-password"},
            "ports": [{"host_ip": "127.0.0.1", "target": 5432}],
            "volumes": [
                {"type": "volume", "source": "secrets-postgres", "read_only": True},
                {"type": "bind", "source": str(PROJECT / "deploy" / "postgres"), "read_only": True},
            ],
        },
        "migrate": {
            "image": "jalur:0.1.0",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "user": "10001:10001",
            "mem_limit": "1",
            "cpus": 1,
            "pids_limit": 1,
            "restart": "no",
            "command": ["jalur", "migrate"],
            "depends_on": {"postgres": {"condition": "service_healthy"}},
        },
    }
}


def test_a_container_as_it_should_be_has_no_fault() -> None:
    assert faults(GOOD, PROJECT) == []
    assert own_commands(GOOD) == [["jalur", "migrate"]]


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("image", "postgres", "no tag"),
        ("image", "postgres:latest", "no tag"),
        ("image", "registry:5000/postgres", "no tag"),
        ("read_only", False, "not read-only"),
        ("cap_drop", [], "drop every capability"),
        ("cap_add", ["SYS_ADMIN"], "adds capabilities"),
        ("security_opt", [], "may gain privileges"),
        ("privileged", True, "shares more"),
        ("user", "root", "runs as root"),
        ("user", "0:0", "runs as 0"),
        ("mem_limit", None, "no mem_limit"),
        ("cpus", None, "no cpus"),
        ("pids_limit", None, "no pids_limit"),
        ("healthcheck", {}, "no health check"),
        ("ports", [{"target": 5432}], "open to other machines"),
        ("environment", {"POSTGRES_PASSWORD": "x"}, "POSTGRES_PASSWORD holds a secret"),
        ("environment", {"URL": "postgresql://a:b@c/d"}, "URL holds a secret"),
        ("volumes", [{"type": "volume", "source": "secrets-postgres"}], "may write secrets-postgres"),
        ("volumes", [{"type": "bind", "source": str(PROJECT / "gone"), "read_only": True}], "is not there"),
        ("volumes", [{"type": "bind", "source": str(PROJECT / "deploy")}], "mounted for writing"),
    ],
)
def test_each_broken_promise_is_one_fault(field: str, value: Any, fault: str) -> None:
    compose = copy.deepcopy(GOOD)
    compose["services"]["postgres"][field] = value
    (found,) = faults(compose, PROJECT)
    assert found.startswith("postgres: ")
    assert fault in found


def test_one_waits_for_health_of_what_stays_and_for_the_end_of_what_ends() -> None:
    compose = copy.deepcopy(GOOD)
    compose["services"]["migrate"]["depends_on"]["postgres"]["condition"] = "service_started"
    assert faults(compose, PROJECT) == ["migrate: waits for postgres service_started, not service_healthy"]


def test_users_of_different_numbers_cannot_read_the_same_secret() -> None:
    compose = copy.deepcopy(GOOD)
    compose["services"]["migrate"]["volumes"] = [{"type": "volume", "source": "secrets-postgres", "read_only": True}]
    assert faults(compose, PROJECT) == ["secrets-postgres: read by users migrate, postgres of different numbers"]
