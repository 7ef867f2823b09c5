"""Dashboards, alerts, runbooks, `jalur top` and the README ask only for metrics that exist, by labels that they have."""

import importlib
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, get_args

import pytest

from services.commands.top import FIGURES, UNITS
from services.intake.imports import Outcome
from services.notifier.reconcile import ORPHAN_REASONS
from services.router.feedback import _BANDS, NONE, Agreed
from shared import metric_table as sets
from shared.metrics import IntakeMetrics, NotifierMetrics, RouterMetrics, every_metric, exposition

yaml: Any = importlib.import_module("yaml")
ROOT = Path(__file__).resolve().parents[2]
RULES, RULE_TESTS = ROOT / "deploy/prometheus/rules", ROOT / "deploy/prometheus/tests"
RUNBOOKS, DASHBOARDS = ROOT / "docs/runbooks", ROOT / "deploy/grafana/dashboards"
TABLE = {name: metric for metric in every_metric() for name in metric.series}
# What the scrape itself adds, and a histogram's buckets.
ADDED = {"job", "instance", "service", "le"}
_SERIES = re.compile(r"\b(jalur_[a-z_0-9]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def faults(query: str) -> list[str]:
    """Metrics and labels that the table does not have."""
    found, labels = [], set(ADDED)
    for name, inside in _SERIES.findall(query):
        if name not in TABLE:
            found.append(f"no metric {name}")
            continue
        labels |= TABLE[name].labels.keys()
        for label, how, value in _MATCHER.findall(inside):
            if label in ADDED:
                continue
            known = TABLE[name].labels.get(label)
            if known is None:
                found.append(f"{name} has no label {label}")
            else:
                found += [f"{label} is never {word}" for word in (value.split("|") if "~" in how else [value]) if word not in known]
    for inside in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", query):
        found += [f"no label {label.strip()}" for label in inside.split(",") if label.strip() not in labels]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    groups = [group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def queries() -> Iterator[tuple[str, str]]:
    for file in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield f"{file.name}: {rule.get('alert') or rule['record']}", rule["expr"]
    for file in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{file.name}: {panel['title']}", target["expr"]
    for figure in (figure for figures in FIGURES.values() for figure in figures):
        yield f"jalur top: {figure.title}", figure.metric
    for name in UNITS:
        yield "jalur top: units", name


def test_a_query_for_what_is_not_there_is_found() -> None:
    assert faults("sum(jalur_intake_acepted_total)") == ["no metric jalur_intake_acepted_total"]
    assert faults('jalur_notifier_open_cases{level="late"}') == ["level is never late"]
    assert faults('jalur_intake_accepted_total{unit="ham"}') == ["jalur_intake_accepted_total has no label unit"]
    assert faults("sum by (desk) (jalur_router_routed_total)") == ["no label desk"]


def test_dashboards_alerts_and_top_ask_for_metrics_and_labels_that_exist() -> None:
    every = list(queries())
    assert len(every) > 100
    assert [f"{where}: {fault}" for where, query in every for fault in faults(query)] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(RUNBOOKS.glob("*.md"))], ids=lambda page: page.name)
def test_a_document_names_metrics_that_exist(page: Path) -> None:
    for name in re.findall(r"\bjalur_(?:[a-z0-9_]|\*)+", page.read_text(encoding="utf-8")):
        if name.split("_")[1] in ("intake", "router", "notifier", "*"):
            wanted = re.compile(name.replace("*", "[a-z]+"))
            assert any(wanted.fullmatch(series) for series in TABLE), f"{page.name} names {name}"


def test_every_alert_has_its_page_and_a_case_that_fires_and_one_that_stays_silent() -> None:
    cases = [case for file in sorted(RULE_TESTS.glob("*.yml")) for case in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]]
    tried = [(rule["alertname"], bool(rule["exp_alerts"])) for case in cases for rule in case["alert_rule_test"]]
    found = alerts()
    assert sorted(tried) == sorted((name, fires) for name in found for fires in (True, False))
    for name, rule in found.items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
        assert rule["labels"]["severity"] in ("critical", "warning")
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {*found, "README"}
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert [name for name in found if f"[{name}]({name}.md) | {found[name]['labels']['severity']} |" not in index] == []


def test_every_page_says_what_it_means_what_to_type_first_and_how_to_know_it_is_over() -> None:
    for name in alerts():
        text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        at = [
            text.find(heading) for heading in ("## What it means for citizens", "## First command", "```bash", "## How to know it is over")
        ]
        assert -1 not in at and all(first < second for first, second in pairwise(at)), name
        for link in re.findall(r"\]\((\w+\.md)\)", text):
            assert (RUNBOOKS / link).is_file(), f"{name} leads to {link}"


def test_the_closed_sets_are_those_that_the_services_use() -> None:
    assert tuple(name for _, name in _BANDS) == sets.BANDS
    assert get_args(Agreed) == sets.AGREED
    assert NONE in sets.REASONS
    assert ORPHAN_REASONS == sets.ORPHANED
    assert (*get_args(Outcome), "refused") == sets.IMPORTED
    assert [sets.source_label(source) for source in ("lapor", "kotak-saran", None)] == ["lapor", "other", "other"]
    source = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "services/intake").glob("*.py"))
    problems = set(re.findall(r'Problem\(\s*\d{3},\s*"([a-z-]+)"', source + (ROOT / "shared/problems.py").read_text(encoding="utf-8")))
    assert problems <= set(sets.PROBLEMS), "an HTTP problem is a label: put it into the metrics' table"
    assert len(problems) > 10


def test_a_scrape_with_every_label_present_stays_small() -> None:
    """A sample takes some 15 µs to write; a label more multiplies a whole family. `python -m benchmarks.scrapes` measures it."""
    for service in ("intake", "router", "notifier"):
        own = [metric for metric in every_metric() if metric.name.startswith(f"jalur_{service}_")]
        assert sum(prod(map(len, metric.labels.values())) for metric in own) < 1500, service


def test_what_has_never_happened_is_shown_as_zero_and_names_are_unique() -> None:
    shown = exposition(IntakeMetrics().registry).decode()
    assert 'jalur_intake_refused_total{problem="away"} 0.0' in shown
    assert 'jalur_intake_dead_letters_total{reason="bug"} 0.0' in shown
    names = [metric.name for metric in every_metric()]
    assert len(names) == len(set(names))
    for metrics in (IntakeMetrics(), RouterMetrics(), NotifierMetrics()):
        for family in metrics.registry.collect():
            known = {family.name, f"{family.name}_total"} & set(names)
            assert known, f"{family.name} is not in the table"
