"""Dashboards ask only what is provisioned, and a room of the image keeps what it must of this machine's environment."""

import json
from pathlib import Path

import pytest

from deploy.check import room
from deploy.check.monitoring import dashboard_faults


def test_a_panel_that_asks_an_unknown_source_is_named_also_inside_a_row() -> None:
    inner = {"title": "lag", "datasource": {"uid": "gone"}}
    dashboard = {
        "uid": "pipeline",
        "title": "Pipeline",
        "panels": [{"title": "row", "panels": [inner]}, {"title": "fine", "datasource": {"uid": "prometheus"}}],
    }
    assert dashboard_faults(dashboard, {"prometheus"}) == ["panel 'lag' asks gone, which is not provisioned"]
    assert dashboard_faults({"panels": [{"datasource": {"uid": "${source}"}}]}, set()) == [
        "no uid or no title: each start would make another one"
    ]


def test_a_room_knows_where_registries_are_and_no_other_python(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SSL_CERT_FILE", "/etc/ca"), ("PYTHONPATH", "/x"), ("VIRTUAL_ENV", "/y"), ("HTTPS_PROXY", "http://proxy")):
        monkeypatch.setenv(name, value)
    kept = room.kept_environment()
    assert kept["SSL_CERT_FILE"] == "/etc/ca"
    assert kept["HTTPS_PROXY"] == "http://proxy"
    assert not kept.keys() & {"PYTHONPATH", "VIRTUAL_ENV", "HOME", "PATH"}


def test_what_starts_in_a_room_is_told_everything_in_one_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "entrance", lambda: ("unshare", "--mount"))
    words = room.Room(tmp_path, folders=(("/usr", "/usr"),), is_read_only=True, uid=10001, environment={"A": "1"}).command(
        ["python", "-V"], folder="/opt", environment={"B": "2"}
    )
    assert words[:2] == ["unshare", "--mount"]
    told = json.loads(words[-1])
    assert (told["words"], told["folder"], told["uid"], told["is_read_only"]) == (["python", "-V"], "/opt", 10001, True)
    assert told["environment"] == {"A": "1", "B": "2"}
    assert told["is_own_user_namespace"] is False
