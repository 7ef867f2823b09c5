"""`jalur top`: what the services say of themselves, on one screen. It only reads; what is behind a figure says its dashboard."""

import json
import math
import time
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.commands import FAILED, NOT_READY, CommandError, DataDir

if TYPE_CHECKING:
    from rich.console import Group

app = typer.Typer()
SERVICES = ("intake", "router", "notifier")
_EVERY_SECONDS = 2.0
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A number on the screen: the sum of the series of one metric, or the greatest. More than `most` of it is shown in red."""

    name: str
    title: str
    metric: str
    most: float = math.inf
    unit: str = ""
    is_greatest: bool = False


_UNREAD = {
    service: (Figure(f"{service}_unread", "unread, of retention", f"jalur_{service}_lag_of_retention_ratio", 0.1, is_greatest=True),)
    for service in ("router", "notifier")  # what intake reads is not deleted for its age
}
FIGURES: Mapping[str, tuple[Figure, ...]] = {
    "pipeline": (
        Figure("accepted", "accepted", "jalur_intake_accepted_total"),
        Figure("decided", "decided", "jalur_router_decided_total"),
        Figure("held", "held for a person", "jalur_router_held_total"),
        Figure("returned", "given back by units", "jalur_router_returned_total"),
        Figure("undecided", "accepted, not decided", "jalur_intake_undecided_complaints", 1000),
        Figure("intake_outbox", "intake's outbox", "jalur_intake_outbox_depth_events", 10_000),
        Figure("intake_outbox_age", "its oldest", "jalur_intake_outbox_oldest_age_seconds", 60, "s"),
        Figure("notifier_outbox", "notifier's outbox", "jalur_notifier_outbox_depth_events", 10_000),
        Figure("notifier_outbox_age", "its oldest", "jalur_notifier_outbox_oldest_age_seconds", 60, "s"),
        Figure("intake_refused_by_kafka", "refused by Kafka, intake's", "jalur_intake_outbox_failed_events", 0),
        Figure("notifier_refused_by_kafka", "refused by Kafka, notifier's", "jalur_notifier_outbox_failed_events", 0),
        Figure("parked", "parked", "jalur_notifier_parked_records", 1000),
        Figure("disclosures", "unmasked reports shown", "jalur_intake_disclosures_total"),
        Figure("imported", "rows of exports", "jalur_intake_imported_rows_total"),
        Figure("import_age", "oldest source's export", "jalur_intake_import_age_seconds", unit="s", is_greatest=True),
    ),
    "services": tuple(
        figure
        for service in SERVICES
        for figure in (
            Figure(f"{service}_lag", f"{service} behind", f"jalur_{service}_lag_records", 1000, "records"),
            *_UNREAD.get(service, ()),
            Figure(f"{service}_dead", f"{service}'s dead letters", f"jalur_{service}_dead_letters_total", 0),
            Figure(f"{service}_stopped", f"{service} stopped reading", f"jalur_{service}_breaker_open", 0),
            Figure(f"{service}_bugs", f"{service}'s unknown errors", f"jalur_{service}_bugs_total", 0),
        )
    ),
    "time": (
        Figure("watermark_age", "deadlines behind the wall clock", "jalur_notifier_watermark_age_seconds", 60, "s"),
        Figure("due", "due, not told", "jalur_notifier_due_backlog_clocks", 1000),
        Figure("oldest_due", "oldest of them", "jalur_notifier_oldest_due_age_seconds", 60, "s"),
        Figure("fired", "deadlines told", "jalur_notifier_fired_total"),
        Figure("taken_back", "taken back", "jalur_notifier_rescinded_total"),
        Figure("unwatched", "cases nobody minds", "jalur_notifier_orphaned_cases", 0),
        Figure("calendar", "calendar decreed for", "jalur_notifier_calendar_horizon_days", unit="days"),
    ),
}
UNITS = ("jalur_notifier_open_cases", "jalur_notifier_oldest_overdue_age_seconds")


@dataclass
class Look:
    """What was found at one moment; a figure of a service that does not answer is None."""

    answers: dict[str, bool] = field(default_factory=dict)
    figures: dict[str, float | None] = field(default_factory=dict)
    units: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_json(self, at: datetime) -> dict[str, Any]:
        return {"at": at.isoformat().replace("+00:00", "Z"), "services": self.answers, "figures": self.figures, "units": self.units}


@app.command()
def top(
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Once, for scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Show what goes through, what waits, what each unit has open, and how the deadlines stand; anew every two seconds until Ctrl-C.

    What needs a look is red. Counters are since the service's start.

    Exit codes: 0 shown, 1 failed, 3 a service does not answer (--once, --json), 130 Ctrl-C.
    """
    from rich.console import Console

    addresses = _addresses(data_dir)
    if once or as_json:
        found = look(ask(addresses))
        if as_json:
            typer.echo(json.dumps(found.to_json(datetime.now(UTC))))
        else:
            Console(highlight=False).print(page(found))
        if not all(found.answers.values()):
            raise typer.Exit(NOT_READY)
        return
    from rich.live import Live

    with Live(page(look(ask(addresses))), auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(_EVERY_SECONDS)
            live.update(page(look(ask(addresses))), refresh=True)


def look(expositions: Mapping[str, str | None]) -> Look:
    """Read what each service exposes; pure."""
    found = Look({service: expositions.get(service) is not None for service in SERVICES})
    values: dict[str, list[float]] = {}
    for text in expositions.values():
        for name, labels, value in _samples(text or ""):
            values.setdefault(name, []).append(value)
            if name in UNITS and value:
                column = labels["level"] if name == UNITS[0] else "oldest_overdue_seconds"
                found.units.setdefault(labels["unit"], {})[column] = value
    for figures in FIGURES.values():
        for figure in figures:
            shown = values.get(figure.metric, [0.0])
            number = max(shown) if figure.is_greatest else sum(shown)
            found.figures[figure.name] = number if found.answers[figure.metric.split("_")[1]] else None
    return found


def _samples(text: str) -> Iterable[tuple[str, dict[str, str], float]]:
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def page(found: Look) -> "Group":
    from rich.columns import Columns
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text()
    for service, answers in found.answers.items():
        head.append(f"{service} ", "bold").append("answers   " if answers else "does not answer   ", "green" if answers else "red")
    tables = []
    for title, figures in FIGURES.items():
        table = Table(title, "", box=None)
        for figure in figures:
            value = found.figures[figure.name]
            is_bad = value is None or value > figure.most
            table.add_row(figure.title, Text(_shown(value, figure.unit), "red" if is_bad else ""))
        tables.append(table)
    units = Table("unit", "open", "due", "overdue", "escalated", "oldest", box=None)
    for unit, row in sorted(found.units.items()):
        cells = [_shown(row.get(level, 0), "") for level in ("open", "due", "overdue", "escalated")]
        days = row.get("oldest_overdue_seconds", 0) / 86400
        units.add_row(unit, *cells, _shown(days, "days") if days else "")
    return Group(head, Columns(tables), units)


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "?"
    number = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return f"{number} {unit}".rstrip()


def ask(addresses: Mapping[str, str]) -> dict[str, str | None]:
    """What `/metrics` of each service says; None where it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the services are on this machine
    found: dict[str, str | None] = {}
    for service, address in addresses.items():
        try:
            with opener.open(f"{address}/metrics", timeout=_PATIENCE_SECONDS) as answer:
                found[service] = answer.read().decode()
        except (OSError, ValueError):
            found[service] = None
    return found


def _addresses(data_dir: Path) -> dict[str, str]:
    from deploy.local import state
    from deploy.local.datadir import DataDirectory

    directory = DataDirectory(data_dir.absolute())
    known = state.read(directory.state)
    if known is None or not known.supervisor.is_alive:
        raise CommandError(f"nothing runs in {directory.path} (jalur up); of other services see Grafana", FAILED)
    return {service: server.address for service, server in known.services.items() if server.address}
