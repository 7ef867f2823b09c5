"""`jalur recover`: joins database and Kafka again where one of them lost something, before the services begin to work."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from services.commands import CommandError, DataDir
from services.commands.connect import Stack, find_stack, run

app = typer.Typer()
_WHAT = {
    "complaints": "complaints that intake did not know, taken from Kafka: their words masked until their source repeats them",
    "joined_reports": "second reports of a known complaint, by name only",
    "decisions": "decisions put back into the log from the events they said",
    "parts_never_published": "parts of those that Kafka does not have: only their unit is known",
    "reports_from_decisions": "decisions whose report is left only as they show it",
    "requests": "decisions asked for, whose numbers are known again",
    "cases_numbered_on": "cases whose sequence goes on above what was sent",
    "not_sent_again": "events that waited in the backup and were sent since: thrown away",
    "undecided": "records that led to no decision: the router reads them",
    "read_again_by_notifier": "records that the notifier reads again",
    "read_again_by_intake": "statuses that intake reads again",
    "answers_without_text": "answers whose text is lost: their units have it",
    "lost_to_retention": "records that Kafka deleted before they were applied",
    "unreadable": "records that nobody can read",
    "erased": "complaints erased again",
    "erased_said": "statuses of erased complaints that wait to be sent: without the words",
    "topics_created": "topics made",
    "received": "reports that intake sends again when it starts",
    "changes": "changes that wait to be sent again",
    "parts": "parts sent again to units, triage and transfers",
    "statuses": "statuses that wait to be sent again",
}


@app.command()
def recover(
    kafka_lost: Annotated[bool, typer.Option("--kafka-lost", help="Kafka is new and empty: fill it from the database.")] = False,
    replication: Annotated[int, typer.Option(min=1, help="With --kafka-lost: copies of each partition; 3 in production.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data_dir: DataDir = Path(".jalur"),
) -> None:
    """After `jalur restore`, or after Kafka was lost, with the services stopped; then start them. Safe to repeat.

    A restored database gets back from Kafka what it lost: decisions, complaints and the names they are known by, the numbers that were
    given. The notifier's group is set back to where the backup had applied it. What is sent twice has the same id.

    Exit codes: 0 done, 1 failed: mend it and repeat; 2 wrong usage.
    """
    counts = run(_recover(find_stack(data_dir, os.environ), kafka_lost, replication))
    if as_json:
        typer.echo(json.dumps(counts))
        return
    for name, what in _WHAT.items():
        if counts.get(name):
            typer.echo(f"{counts[name]:>8} {'decisions asked for again' if kafka_lost and name == 'requests' else what}")
    typer.echo("recovered: start the services")


async def _recover(stack: Stack, kafka_lost: bool, replication: int) -> dict[str, int]:
    from services.commands.backup_tools import patient_database, who_works
    from services.commands.recover_join import Join
    from services.commands.recover_lost import Refill
    from shared.postgres import is_restore_under_way

    settings = stack.settings()
    async with patient_database(stack) as connection:
        if others := await who_works(connection):
            raise CommandError(f"services work on this database: {', '.join(others)}; stop them first")
        if await is_restore_under_way(connection):
            raise CommandError("a restore stopped half-way: repeat `jalur restore … --replace` to its end first")
        pending = await connection.fetch("SELECT number, erased FROM jalur.restores WHERE recovered_at IS NULL")
        if kafka_lost:
            counts = await Refill(connection, stack, settings, replication).run(is_restored=bool(pending))
        else:
            counts = await Join(connection, settings).run()
        erased = sorted({str(item) for row in pending for item in row["erased"]})
        if erased:  # what came back from Kafka, of complaints that the backup did not know
            from services.commands.erasure_list import reapply, say_erased
            from shared.topics import Topics

            counts["erased"] = await reapply(connection, erased)
            counts["erased_said"] = await say_erased(connection, erased, Topics(settings.namespace))
        await connection.execute(
            "UPDATE jalur.restores SET recovered_at = clock_timestamp(), recovered = $1::text::jsonb WHERE recovered_at IS NULL",
            json.dumps(counts),
        )
    return counts
