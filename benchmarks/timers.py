"""`python -m benchmarks.timers [peers] [million] [close] [opening] [memory]`: the clocks, side by side with others and under load.

The notifier's clock is set to a close of office once, and runs on from there; no benchmark reaches the next working day's.
JALUR_BENCH_TIMERS (10000) and JALUR_BENCH_ROUNDS (3) say how much is measured.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from benchmarks import timer_rows
from benchmarks.site import Site
from benchmarks.tables import Parts, Row, run

_TIMERS = int(os.environ.get("JALUR_BENCH_TIMERS", "10000"))
_ROUNDS = int(os.environ.get("JALUR_BENCH_ROUNDS", "3"))
# Between filling and the deadline: what is known ahead is worked out ahead.
_AHEAD_PER_SECOND = 250
_most_mib: list[float] = []


@asynccontextmanager
async def _connected(site: Site, **settings: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(site.postgres.dsn, server_settings={"search_path": "notifier, jalur", "timezone": "UTC"} | settings)
    try:
        yield connection
    finally:
        await connection.close()


def _on(site: Site, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    async def do() -> Any:
        async with _connected(site) as connection:
            return await work(connection)

    return asyncio.run(do())


def start(site: Site) -> None:
    """The notifier, its clock at the close of office that the rows are due at."""
    os.environ["JALUR_CLOCK"] = "settable"
    site.start("notifier")
    _on(site, _set_clock)


async def _set_clock(connection: Any) -> None:
    # The rows' day lies behind the machine's: the first setting alone may be negative.
    await connection.execute(
        "INSERT INTO clock_offsets (ahead) SELECT $1 - clock_timestamp() WHERE NOT EXISTS (SELECT FROM clock_offsets)", timer_rows.CLOSE
    )


def stop(site: Site) -> None:
    """Remembers the most memory that the notifier ever held."""
    status = Path(f"/proc/{site.processes['notifier'].pid}/status").read_text()
    _most_mib.append(next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")))
    site.stop("notifier")


def fire(site: Site, count: int, *, is_foreseen: bool = True) -> float:
    """Let `count` cases be due at one instant; the seconds from it until all is committed and acknowledged."""
    ahead = timedelta(seconds=10 + min(count, 20_000) / _AHEAD_PER_SECOND)
    return float(_on(site, lambda connection: _fire(connection, count, ahead if is_foreseen else timedelta(0))))


async def _fire(connection: Any, count: int, ahead: timedelta) -> float:
    rows = timer_rows.due_rows()
    due_at: datetime = await connection.fetchval("SELECT jalur_now()") + ahead
    async with connection.transaction():
        await timer_rows.fill(connection, rows, count, due_at)
    await connection.execute("ANALYZE cases")
    # What is not foreseen is there all at once, like the backlog after an outage: it counts from when it is there.
    await asyncio.sleep(max(0.0, (due_at - await connection.fetchval("SELECT jalur_now()")).total_seconds()))
    begun = time.perf_counter()
    while await connection.fetchval("SELECT EXISTS (SELECT FROM cases WHERE next_due_at <= $1) OR EXISTS (SELECT FROM outbox)", due_at):
        await asyncio.sleep(0.02)
        if time.perf_counter() - begun > 900:
            raise SystemExit("the timers did not fire within 15 minutes")
    seconds = time.perf_counter() - begun
    fired = await connection.fetchval("SELECT count(*) FROM timeline WHERE kind = 'fired' AND noted_at >= $1", due_at)
    assert fired == count, f"{fired} of {count} fired"
    return seconds


def _peer(site: Site, name: str, count: int) -> float:
    words = [name, site.postgres.dsn, site.kafka.bootstrap, str(count)]
    output = subprocess.run([sys.executable, "-m", "benchmarks.timer_peers", *words], check=True, capture_output=True)
    return float(output.stdout)


def peers(site: Site) -> list[Row]:
    """n timers due at once, each produced once with every acknowledgement, in turn, each alone on the machine."""
    found: list[dict[str, float]] = []
    few = max(500, _TIMERS // 10)  # it does a hundred or two a second, whatever their number
    for number in range(_ROUNDS + 1):
        rates = {"bare": _peer(site, "bare", _TIMERS), "pgqueuer": _peer(site, "pgqueuer", _TIMERS)}
        rates["procrastinate"] = _peer(site, "procrastinate", few)
        start(site)
        rates["jalur"] = _TIMERS / fire(site, _TIMERS)
        rates["unforeseen"] = _TIMERS / fire(site, _TIMERS, is_foreseen=False)
        stop(site)
        _on(site, timer_rows.empty)
        if number:  # the first round warms up
            found.append(rates)
    middle = {name: statistics.median(rates[name] for rates in found) for name in found[0]}

    def ratio(name: str, *others: str) -> str:
        each = sorted(rates[name] / max(rates[other] for other in others) for rates in found)
        return f"{statistics.median(each):.2f} ({', '.join(f'{one:.2f}' for one in each)})"

    return [
        (f"{_TIMERS:,} keyed sends without a database", f"{middle['bare']:,.0f}/s", ""),
        (f"PgQueuer, {_TIMERS:,} jobs due at once", f"{middle['pgqueuer']:,.0f}/s", ""),
        (f"Procrastinate, {few:,} jobs due at once", f"{middle['procrastinate']:,.0f}/s", ""),
        (f"Jalur, {_TIMERS:,} deadlines at once, worked out before", f"{middle['jalur']:,.0f}/s, each with its case's status", ""),
        ("Jalur, the same as a backlog, nothing worked out before", f"{middle['unforeseen']:,.0f}/s", ""),
        ("Jalur / faster peer, median (all)", ratio("jalur", "pgqueuer", "procrastinate"), ">= 3"),
        ("Jalur / sends without a database, median (all)", ratio("jalur", "bare"), ">= 0.4"),
        ("backlog / faster peer, median (all)", ratio("unforeseen", "pgqueuer", "procrastinate"), ""),
    ]


def million(site: Site) -> list[Row]:
    """Due clocks beside 10,000 and 1,000,000 that are not; then again while a session holds an old snapshot."""
    count = _TIMERS // 2
    start(site)
    rates: dict[str, float] = {}
    idle: dict[str, str] = {}

    def measure(name: str) -> None:
        idle[name] = _idle(site)
        rates[name] = statistics.median(count / fire(site, count) for _ in range(_ROUNDS))

    fire(site, count)
    _open(site, 10_000)
    measure("few")
    _open(site, 990_000)
    measure("many")
    with_snapshot = asyncio.run(_with_old_snapshot(site, lambda: measure("rotten")))
    assert with_snapshot, "the snapshot was held all the while"
    stop(site)
    _on(site, timer_rows.empty)
    return [
        ("deadlines/s beside 10,000 open clocks", f"{rates['few']:,.0f}/s", ""),
        ("deadlines/s beside 1,000,000", f"{rates['many']:,.0f}/s", ""),
        ("ratio", f"{rates['many'] / rates['few']:.2f}", ">= 0.8"),
        ("ratio while a session holds an old snapshot", f"{rates['rotten'] / rates['few']:.2f}", ">= 0.8"),
        ("idle cost beside 10,000", idle["few"], ""),
        ("idle cost beside 1,000,000", idle["many"], "< 2 % of a core"),
        ("idle cost while a session holds an old snapshot", idle["rotten"], "< 2 % of a core"),
    ]


def _open(site: Site, clocks: int) -> None:
    rows = timer_rows.open_rows()

    async def fill(connection: Any) -> None:
        left = -(-clocks // rows.open_clocks)
        while left > 0:
            async with connection.transaction():
                await timer_rows.fill(connection, rows, min(left, 50_000))
            left -= 50_000
        await connection.execute("VACUUM ANALYZE cases")
        await connection.execute("ANALYZE timeline")
        await connection.execute("CHECKPOINT")

    _on(site, fill)


def _idle(site: Site, seconds: float = 30.0) -> str:
    time.sleep(12)  # whatever the last round left to do
    process = psutil.Process(site.processes["notifier"].pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return f"{(sum(process.cpu_times()[:2]) - before) / seconds:.1%}"


async def _with_old_snapshot(site: Site, work: Callable[[], None]) -> bool:
    async with _connected(site, idle_in_transaction_session_timeout="0") as connection:
        holding = connection.transaction(isolation="repeatable_read")
        await holding.start()
        first = await connection.fetchval("SELECT count(*) FROM timeline")
        await asyncio.to_thread(work)
        is_held = bool(first == await connection.fetchval("SELECT count(*) FROM timeline"))
        await holding.rollback()
    return is_held


def close(site: Site) -> list[Row]:
    """A hundred thousand deadlines at one close of office. Rate and lateness of the last are one measure, shown twice."""
    count = 10 * _TIMERS
    start(site)
    seconds = fire(site, count)
    rows = [(f"{count:,} deadlines at one close of office", f"{count / seconds:,.0f}/s; the last {seconds:.1f} s late", "")]
    seconds = fire(site, count // 5)
    rows.append((f"{count // 5:,} of them", f"{count / 5 / seconds:,.0f}/s; the last {seconds:.1f} s late", ""))
    stop(site)
    _on(site, timer_rows.empty)
    return rows


def opening(site: Site) -> list[Row]:
    """Cases from what lies in `complaints.received` and `complaints.routed`, to the last status acknowledged."""
    rates = []
    for number in range(_ROUNDS):
        start(site)
        stop(site)
        now = _on(site, lambda connection: connection.fetchval("SELECT jalur_now()"))
        asyncio.run(timer_rows.produce_reports(site.kafka.bootstrap, _TIMERS, now, number))
        site.start("notifier")
        rates.append(_on(site, _opened))
        stop(site)
        _on(site, timer_rows.empty)
    rates.sort()
    each = ", ".join(f"{rate:,.0f}" for rate in rates)
    return [
        (f"cases opened, received and routed, of {_TIMERS:,}, median (all)", f"{statistics.median(rates):,.0f}/s ({each})", ">= 1,500/s")
    ]


async def _opened(connection: Any) -> float:
    async def routed() -> int:
        return int(await connection.fetchval("SELECT count(*) FROM cases WHERE first_outcome = 'routed'"))

    while not (first := await routed()):
        await asyncio.sleep(0.005)
    begun = time.perf_counter()
    while await routed() < _TIMERS or await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
        await asyncio.sleep(0.02)
    return (_TIMERS - first) / (time.perf_counter() - begun)


def memory(site: Site) -> list[Row]:
    """The most that any notifier of this run held."""
    if not _most_mib:
        start(site)
        fire(site, _TIMERS)
        stop(site)
    return [("memory of the notifier at its most", f"{max(_most_mib):.0f} MiB", "< 250 MiB")]


PARTS: Parts = {"peers": peers, "million": million, "close": close, "opening": opening, "memory": memory}


def everything(site: Site) -> list[Row]:
    if "notifier" in site.processes:
        site.stop("notifier")
    return [row for part in PARTS.values() for row in part(site)]


if __name__ == "__main__":
    run(PARTS, sys.argv[1:])
