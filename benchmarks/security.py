"""What passwords, rights and metrics cost: the path from submission to logged decision with all of them on, against all of them off.

Two installations side by side, measured in turn so that both meet the same machine. Off: no passwords on Kafka, the database's
superuser, metrics that count nothing. On: SCRAM and ACLs, a role a service, metrics counted and scraped three times as often as by
deploy/prometheus. Nothing of the benchmark uses TLS, which the cluster's clients need beside it where others share the network.
"""

import asyncio
import os
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.site import Site, wait_for
from benchmarks.tables import Row
from deploy.local import secured
from deploy.local.kafka import RunningKafka, start_kafka
from deploy.local.postgres import RunningPostgres, start_postgres
from services.commands import access
from services.commands.connect import Stack
from shared.postgres import migrate_all
from shared.topics_admin import apply_topics

_MEASURED = ("intake", "router")
_REPORTS = 3000
_ROUNDS = 3
_SCRAPED_EVERY_SECONDS = 5.0
_WAITED_SECONDS = 5.0


class Unmeasured(Site):
    def words(self, service: str) -> list[str]:
        return ["benchmarks.unmeasured", service]


class Secured(Site):
    """Everybody says who they are, and may do what a rule lets them."""

    def __init__(self, folder: Path, kafka: RunningKafka, postgres: RunningPostgres, made: Path) -> None:
        super().__init__(folder, kafka, postgres)
        self._made = made

    def told(self, service: str) -> dict[str, str]:
        return super().told(service) | secured.service_environment(self._made, service, service, self.postgres.dsn)


def ratio(site: Site) -> list[Row]:
    """`site` lends its open servers to the installation without anything."""
    without = Unmeasured(site.folder / "without", site.kafka, site.postgres)
    without.folder.mkdir()
    site.stop(*list(site.processes))  # what an earlier benchmark left running would take part
    with _secured() as with_all:
        sites: tuple[Site, Site] = (without, with_all)
        try:
            for one in sites:
                one.start(*_MEASURED)
            keys = [one.key() for one in sites]
            for one, key in zip(sites, keys, strict=True):
                _throughput(one, key, _REPORTS)
            waiting = [_work_of_waiting(one) for one in sites]
            rates: list[list[float]] = []
            costs: list[list[float]] = []
            for number in range(_ROUNDS):
                rates.append([0.0, 0.0])
                costs.append([0.0, 0.0])
                for place in (0, 1) if number % 2 else (1, 0):
                    with _scraped(with_all if place else None):
                        before = _worked(sites[place])
                        rates[-1][place] = _throughput(sites[place], keys[place], _REPORTS)
                        seconds = _worked(sites[place]) - before - waiting[place] * _REPORTS / rates[-1][place]
                        costs[-1][place] = seconds / _REPORTS * 1000
        finally:
            without.stop(*list(without.processes))
    return [
        ("submitted and decided, all off", ", ".join(f"{off:,.0f}/s" for off, _ in rates), ""),
        ("... SCRAM, ACLs, roles, metrics on", ", ".join(f"{on:,.0f}/s" for _, on in rates), ""),
        ("on / off, median of 3 (all)", _median(on / off for off, on in rates), ">= 0.85"),
        ("waiting for reports, off and on", ", ".join(f"{one * 100:.1f} % of a core" for one in waiting), ""),
        ("a report's work in services, broker, database, off", ", ".join(f"{off:.2f} ms" for off, _ in costs), ""),
        ("... on", ", ".join(f"{on:.2f} ms" for _, on in costs), ""),
        ("off / on, median of 3 (all)", _median(off / on for off, on in costs), ">= 0.85"),
    ]


def _median(ratios: Iterable[float]) -> str:
    found = sorted(ratios)
    return f"{found[len(found) // 2]:.2f} ({', '.join(f'{one:.2f}' for one in found)})"


def _work_of_waiting(site: Site) -> float:
    """Core seconds a second while nothing comes in: on busy cores they would be counted to the reports, the more the slower it goes."""
    before, begun = _worked(site), time.perf_counter()
    time.sleep(_WAITED_SECONDS)
    return (_worked(site) - before) / (time.perf_counter() - begun)


def _worked(site: Site) -> float:
    """Core seconds that the installation's processes have used, those that have ended among them."""
    begun = [psutil.Process(pid) for pid in (site.kafka.pid, site.postgres.pid, *(child.pid for child in site.processes.values()))]
    return sum(sum(process.cpu_times()[:4]) for parent in begun for process in (parent, *parent.children(recursive=True)))


def _throughput(site: Site, key: str, count: int) -> float:
    """Reports a second, from the first request to the last decision logged."""
    before = site.query("SELECT count(*) FROM router.decisions")
    load = site.load(site.ports["intake"], count, key=key)
    assert load["accepted"] == load["count"], load
    sent = time.perf_counter()
    wait_for("everything is decided", lambda: site.query("SELECT count(*) FROM router.decisions") >= before + count, 300, 0.02)
    return count / (float(load["seconds"]) + time.perf_counter() - sent)


@contextmanager
def _secured() -> Iterator[Secured]:
    """Tables by their owner, then users and rights, as `jalur up --secure` does it."""
    with tempfile.TemporaryDirectory(prefix="jalur-bench-") as name:
        folder = Path(name)
        made = folder / "secrets"
        secured.make_secrets(made)
        postgres = start_postgres(folder / "postgres")
        kafka = start_kafka(folder / "kafka", secrets=made)
        site = Secured(folder, kafka, postgres, made)
        try:
            secured.make_roles(made, postgres.dsn)
            told = {"JALUR_POSTGRES": secured.owner_address(made, postgres.dsn), **secured.operator_environment(made)}
            asyncio.run(apply_topics(kafka.bootstrap, connection=secured.admin_connection(made)))
            stack = Stack(kafka.bootstrap, told["JALUR_POSTGRES"], None, str(folder), {**os.environ, **told})
            asyncio.run(migrate_all(stack.dsn()))
            access.carry_out(stack, access.find(stack, None), secured.units(made))
            yield site
        finally:
            for service in list(site.processes):
                site.stop(service)
            kafka.stop()
            postgres.stop()


@contextmanager
def _scraped(site: Site | None) -> Iterator[None]:
    done = threading.Event()

    def scrape() -> None:
        while site is not None and not done.wait(_SCRAPED_EVERY_SECONDS):
            for service in _MEASURED:
                urllib.request.urlopen(f"http://127.0.0.1:{site.ports[service]}/metrics", timeout=10).close()

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
