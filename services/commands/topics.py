"""`jalur topics`: create what is missing, show what there is. Never changes or deletes a topic that exists."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.commands import DataDir
from services.commands.connect import find_stack, run

if TYPE_CHECKING:
    from shared.settings import Settings
    from shared.topics import Topic

app = typer.Typer(help="The topics on the cluster: create what is missing, show what there is.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
_DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class TopicState:
    """A topic as it should be, and where the cluster's differs: `retention.ms is 604800000, not 2592000000`."""

    name: str
    partitions: int
    retention: str
    exists: bool
    differs: list[str]


@app.command()
def apply(
    replication: Annotated[int, typer.Option(min=1, help="Copies of each partition: 1 on one machine, 3 in production.")] = 1,
    as_json: AsJson = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """Create the topics that are missing and wait for their leaders. Safe to repeat; a topic that exists stays as it is.

    Exit codes: 0 all there, 1 failed.
    """
    from shared.publisher import connection_options
    from shared.topics_admin import apply_topics

    settings = find_stack(data_dir, os.environ).settings()
    created = run(apply_topics(settings.kafka, settings.namespace, replication, connection=connection_options(settings)))
    if as_json:
        typer.echo(json.dumps({"created": created}))
        return
    for name in created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(created)} created" if created else "nothing to do: all topics are there")


@app.command("list")
def list_(as_json: AsJson = False, data_dir: DataDir = Path(".jalur")) -> None:
    """Every topic that Jalur uses: partitions, retention, whether it exists and where it differs from what it should be.

    Exit codes: 0 listed (also where some are missing), 1 failed.
    """
    states = run(_states(find_stack(data_dir, os.environ).settings()))
    if as_json:
        typer.echo(json.dumps([asdict(state) for state in states]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("topic", "partitions", "kept", "on the cluster", box=None)
    for state in states:
        live = "[green]yes[/green]" if state.exists else "[red]missing[/red]"
        table.add_row(
            state.name, str(state.partitions), state.retention, live if not state.differs else f"[yellow]{'; '.join(state.differs)}"
        )
    Console(highlight=False, soft_wrap=True).print(table)


async def _states(settings: "Settings") -> list[TopicState]:
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    from shared.publisher import connection_options
    from shared.topics import Topics

    wanted = Topics(settings.namespace).all()
    admin = AIOKafkaAdminClient(**connection_options(settings), client_id="jalur-topics", request_timeout_ms=10_000)
    try:
        await admin.start()
        existing = set(await admin.list_topics()) & {topic.name for topic in wanted}
        described = await admin.describe_topics(sorted(existing)) if existing else []
        partitions = {item["topic"]: len(item["partitions"]) for item in described}
        live: dict[str, dict[str, str]] = {}
        if existing:
            responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(existing)])
            for response in responses:
                for resource in response.to_object()["resources"]:
                    found = {entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]}
                    live[str(resource["resource_name"])] = found
    finally:
        await admin.close()
    return [state_of(topic, partitions.get(topic.name), live.get(topic.name, {})) for topic in wanted]


def state_of(topic: "Topic", partitions: int | None, live: dict[str, Any]) -> TopicState:
    """`partitions` is None where the topic does not exist. Only what Jalur sets is compared; the rest is the operator's."""
    differs = []
    if partitions is not None:
        if partitions != topic.partitions:
            differs.append(f"has {partitions} partitions, not {topic.partitions}")
        differs += [f"{name} is {live.get(name)}, not {value}" for name, value in topic.config.items() if live.get(name) != value]
    retention = topic.config.get("retention.ms")
    kept = f"{int(retention) // _DAY_MS} d" if retention else "last of each key"
    return TopicState(topic.name, topic.partitions, kept, partitions is not None, differs)
