"""Prometheus, Alertmanager, Grafana: what each program says of its own files, and what they must say of each other."""

import importlib
import json
import subprocess
from pathlib import Path
from typing import Any

from deploy.check.tools import Tools


def faults(project: Path, tools: Tools) -> list[str]:
    prometheus, grafana = project / "deploy" / "prometheus", project / "deploy" / "grafana"
    found = [
        *_said(tools.promtool, "check", "config", prometheus / "prometheus.yml"),
        *_said(tools.amtool, "check-config", project / "deploy" / "alertmanager" / "alertmanager.yml"),
    ]
    if rules := sorted((prometheus / "rules").glob("*.yml")):
        found += _said(tools.promtool, "check", "rules", "--lint=all", "--lint-fatal", *rules)
    if tests := sorted((prometheus / "tests").glob("*.yml")):
        found += _said(tools.promtool, "test", "rules", *tests)
    yaml: Any = importlib.import_module("yaml")
    sources = yaml.safe_load((grafana / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    known = {source["uid"] for source in sources}
    for file in sorted((grafana / "dashboards").glob("*.json")):
        try:
            dashboard = json.loads(file.read_text())
        except ValueError as error:
            found.append(f"{file.name}: {error}")
            continue
        found += [f"{file.name}: {fault}" for fault in dashboard_faults(dashboard, known)]
    return found


def dashboard_faults(dashboard: Any, sources: set[str]) -> list[str]:
    """Pure. `sources` are the data sources that are provisioned, by their ids."""
    found = [] if dashboard.get("uid") and dashboard.get("title") else ["no uid or no title: each start would make another one"]
    for panel in _panels(dashboard):
        source = panel.get("datasource")
        uid = source.get("uid") if isinstance(source, dict) else source
        if uid and uid not in sources | {"-- Grafana --", "-- Mixed --"} and not str(uid).startswith("$"):
            found.append(f"panel {panel.get('title')!r} asks {uid}, which is not provisioned")
    return found


def _panels(dashboard: Any) -> list[Any]:
    panels = list(dashboard.get("panels", []))
    return [*panels, *(inner for panel in panels for inner in panel.get("panels", []))]


def _said(*words: str | Path) -> list[str]:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    return [(done.stdout + done.stderr).strip()] if done.returncode else []
