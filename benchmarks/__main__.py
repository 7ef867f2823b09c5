"""`python -m benchmarks [PART]...`, all parts without a name: measures on this machine and prints tables. It reports, no more."""

import subprocess
import sys
import time

from benchmarks import latency, scrapes, security, timers
from benchmarks.site import SERVICES, Site, some_port, wait_for
from benchmarks.tables import Parts, Row, run
from deploy.local.ports import is_free


def intake(site: Site) -> list[Row]:
    """Intake against the same uvicorn answering a bare validated POST, in turn, three rounds, over 64 connections."""
    site.start("intake")
    key, port = site.key(), some_port()
    bare = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", str(port)])
    rounds = []
    try:
        wait_for("the bare server listens", lambda: not is_free(port))
        site.load(port, 2000)
        site.load(site.ports["intake"], 2000, key=key)
        for _ in range(3):
            rounds.append((site.load(port, 15_000), site.load(site.ports["intake"], 8_000, key=key)))
    finally:
        bare.terminate()
        bare.wait()
    ratios = sorted(own["rate"] / other["rate"] for other, own in rounds)
    other, own = rounds[-1]
    assert all(one["accepted"] == one["count"] for pair in rounds for one in pair)
    wait_for("the outbox is empty", lambda: site.query("SELECT count(*) FROM intake.outbox") == 0, 300)
    site.stop("intake")
    return [
        ("bare validated POST, last round", f"{other['rate']:,.0f}/s, p99 {other['p99_ms']:.0f} ms", ""),
        ("intake, last round", f"{own['rate']:,.0f}/s, p99 {max(one['p99_ms'] for _, one in rounds):.0f} ms (worst)", "p99 < 100 ms"),
        ("intake / bare, median of 3 (all)", f"{ratios[1]:.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})", ">= 0.35"),
    ]


def router(site: Site) -> list[Row]:
    """The router over what lies in complaints.received, against a plain aiokafka loop over the same, each alone."""
    count = site.query("SELECT count(*) FROM intake.complaints")
    if not count:
        raise SystemExit("router needs reports: run intake before it")
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.plain_router", site.kafka.bootstrap, "", str(count)], check=True, capture_output=True
    )
    plain = float(output.stdout)
    site.start("router")
    wait_for("the first decision", lambda: site.query("SELECT count(*) FROM router.decisions") > 0, 60, 0.002)
    first, begun = site.query("SELECT count(*) FROM router.decisions"), time.perf_counter()
    wait_for("the last decision", lambda: site.query("SELECT count(*) FROM router.decisions") >= count, 300, 0.02)
    rate = (count - first) / (time.perf_counter() - begun)
    site.stop("router")
    return [
        ("plain aiokafka loop, same judging", f"{plain:,.0f} records/s over {count:,}", ""),
        ("router, with its decision log", f"{rate:,.0f} records/s", ""),
        ("router / plain", f"{rate / plain:.2f}", ">= 0.6"),
    ]


def path(site: Site) -> list[Row]:
    """All three services: latency at 100/s, a minute at 300/s, and the highest rate that holds."""
    site.start(*[service for service in SERVICES if service not in site.processes])
    key = site.key()
    site.settle()
    p50, p99 = latency.measure(site, key, rate=100, seconds=20)
    rows: list[Row] = [("POST to readable in the unit's topic at 100/s", f"p50 {p50:.0f} ms, p99 {p99:.0f} ms", "p99 < 1000 ms")]
    held = 0
    for rate, seconds in ((300, 60), (450, 20), (600, 20), (800, 20), (1000, 20), (1300, 20)):
        load = site.load(site.ports["intake"], rate * seconds, rate=rate, key=key)
        begun = time.perf_counter()
        site.settle()
        drained = time.perf_counter() - begun
        holds = load["rate"] > rate * 0.97 and drained < 5
        backlog = f"{load['rate']:,.0f}/s taken, backlog gone {drained:.1f} s after"
        rows.append((f"{rate}/s for {seconds} s through all three", backlog, "no growing backlog" if rate == 300 else ""))
        if not holds:
            break
        held = rate
    rows.append(("highest rate that held", f"{held}/s", ">= 300/s"))
    rows += [(f"memory of {service}", f"{site.memory_mib(service):.0f} MiB", "< 200 MiB") for service in SERVICES]
    return rows


def recovery(site: Site) -> list[Row]:
    """SIGKILL, start again, and wait until the first new work is done."""
    site.start(*[service for service in SERVICES if service not in site.processes])
    key = site.key()
    rows = []
    for service in SERVICES:
        site.kill(service)
        begun = time.perf_counter()
        site.start(service)
        ready = time.perf_counter() - begun
        site.load(site.ports["intake"], 1, connections=1, key=key)
        wait_for("work is done again", lambda: site.query("SELECT count(*) FROM intake.complaints WHERE next_look_at IS NOT NULL") == 0, 60)
        rows.append(
            (f"{service} after SIGKILL", f"ready {ready:.1f} s, first report read back {time.perf_counter() - begun:.1f} s", "< 3 s")
        )
    return rows


PARTS: Parts = {
    "intake": intake,
    "router": router,
    "path": path,
    "recovery": recovery,
    "timers": timers.everything,
    "scrapes": lambda _site: scrapes.rows(),
    "security": security.ratio,
}


if __name__ == "__main__":
    run(PARTS, sys.argv[1:])
