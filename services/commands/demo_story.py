"""The demo's story, step by step. Every step waits for what it tells of and checks it: what does not come ends the demo with an error."""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from services.commands import CommandError
from services.commands.demo_balance import balance, check_balance
from services.commands.demo_reports import PASSPORT, PRISON_VISIT, REPORTS, DemoReport
from services.commands.demo_scene import Arrival, Scene, check, scene_of
from services.commands.lines import instant, local, why, zone_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from services.commands.connect import Stack

_WIB = timezone(timedelta(hours=7))
_FIRST_FOLLOW_UP = "LAPOR_TINDAK_LANJUT"
_REPLY = "LAPOR_TANGGAPAN_PELAPOR"
_OUTCOMES = ("new", "changed", "same", "older", "history", "refused")
_DECISIONS = frozenset({"complaints.routed", "complaints.triage", "complaints.transferred"})


@dataclass(frozen=True)
class _Posted:
    report: DemoReport
    complaint_id: str
    at: float


async def tell(stack: "Stack", directory: Path, console: "Console") -> None:
    async with scene_of(stack) as scene:
        story = _Story(scene, directory, console)
        await story.import_exports()
        await story.post_reports()
        await story.show_arrivals()
        await story.answer_one()
        await story.let_one_fall_due()
        await story.look_for_identifiers()
        await story.balance()


class _Story:
    def __init__(self, scene: Scene, directory: Path, console: "Console") -> None:
        self._scene = scene
        self._directory = directory
        self._console = console
        self._step = 0
        self._key = ""
        self._posted: dict[str, _Posted] = {}

    def _head(self, text: str) -> None:
        self._step += 1
        self._console.print(f"\n[bold cyan]{self._step}[/]  [bold]{text}[/]")

    def _say(self, what: "RenderableType") -> None:
        from rich.padding import Padding

        self._console.print(Padding.indent(what, 3))

    async def import_exports(self) -> None:
        from deploy.local.sample_export import write_sample_export

        self._head("A LAPOR! Excel export is imported")
        key = await self._scene.make_key("source:lapor")
        now = datetime.now(_WIB)
        file = self._directory / "lapor.xlsx"
        for name, hours_ago in (("an export", 2), ("the same again", 2), ("a newer export", 1)):
            write_sample_export(file, now - timedelta(hours=hours_ago), day=now.date(), newer=name == "a newer export")
            rows = await self._import(file, key)
            outcomes = Counter(row["outcome"] for row in rows)
            self._say(f"{name:<16}{', '.join(f'{outcomes[outcome]} {outcome}' for outcome in _OUTCOMES if outcomes[outcome])}")
            match name:
                case "an export":
                    check(outcomes["new"] > 0 and outcomes["history"] > 0, "an export brings new reports, and finished ones as history")
                    for row in rows:
                        if row["outcome"] == "refused":
                            self._say(f"  [dim]row {row['row']} is refused: {row['reason']}[/]")
                case "the same again":
                    check(outcomes["same"] > 0 and outcomes.keys() <= {"same", "refused"}, "the same export twice changes nothing")
                case _:
                    check(outcomes["changed"] > 0 and outcomes["new"] > 0, "a newer export brings what changed and what is new")

    async def _import(self, file: Path, key: str) -> list[dict[str, Any]]:
        """`jalur import`, as an operator runs it."""
        from services.commands.connect import REFUSED

        command = [sys.executable, "-m", "services.cli", "import", str(file), "--json", "--data-dir", str(self._directory)]
        environment = {**self._scene.stack.environ, "JALUR_KEY": key}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)
        try:
            output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode not in (0, REFUSED):
            raise CommandError(f"the import failed: {errors.decode().strip()}")
        return [row for row in map(json.loads, output.splitlines()) if "summary" not in row]

    async def post_reports(self) -> None:
        self._head("Reports come in by HTTP")
        self._key = await self._scene.make_key("source:halo_kumham")
        keys = {report.about: str(uuid4()) for report in REPORTS}
        began = time.monotonic()
        for report in REPORTS:
            at = time.monotonic()
            answer = await self._scene.submit(report.body, self._key, keys[report.about])
            self._posted[report.about] = _Posted(report, answer["id"], at)
        self._say(f"{len(REPORTS)} reports accepted and stored durably in {time.monotonic() - began:.2f} s")
        again = await self._scene.submit(PASSPORT.body, self._key, keys[PASSPORT.about])
        check(again["id"] == self._posted[PASSPORT.about].complaint_id, "the same request with the same key gets the same complaint")
        self._say(f"the first one again: the same id, [dim]{again['id']}[/]")

    async def show_arrivals(self) -> None:
        self._head("Each reaches its unit's Kafka topic and gets its first deadline")
        table = _table("report", "arrived at, because of", "first deadline")
        slowest = 0.0
        for posted in self._posted.values():
            arrival = await self._arrival_of(posted)
            slowest = max(slowest, arrival.at - posted.at)
            unit, because = _address(arrival)
            table.add_row(posted.report.about, f"[green]{unit}[/]\n[dim]{because}[/]", await self._deadline_of(posted, arrival))
        self._say(table)
        self._say(f"[dim]at most {slowest:.2f} s from the POST to the record in a consumer's hands[/]")

    async def _arrival_of(self, posted: _Posted) -> Arrival:
        report = posted.report
        arrival = await self._scene.arrival(
            f"{report.about} arrives at {report.goes_to}", lambda item: item.complaint_id == posted.complaint_id and item.what in _DECISIONS
        )
        check(arrival.who == report.goes_to, f"{report.about} goes to {report.goes_to}, not to {arrival.who}")
        desk = arrival.payload.get("desk")
        check(desk == report.desk, f"{report.about} goes to the desk {report.desk}, not to {desk}")
        return arrival

    async def _deadline_of(self, posted: _Posted, arrival: Arrival) -> str:
        """Of the clock that runs now, on the wall of whoever must act."""
        from shared.units import load_directory

        case = await self._scene.until_case(
            f"the case of {posted.report.about} is decided", posted.complaint_id, self._key, lambda case: case["state"] != "received"
        )
        running = {clock["code"]: instant(clock["due_at"]) for clock in case["clocks"] if clock["state"] == "running"}
        if arrival.what == "complaints.routed":
            check(
                _FIRST_FOLLOW_UP in running,
                f"the clock of the unit's first answer runs on {posted.report.about}, not only {sorted(running)}",
            )
        if not running:
            return "none, reporter is told"
        shown = running.get(_FIRST_FOLLOW_UP) or min(running.values())
        return local(shown, zone_of(arrival.payload, load_directory()))

    async def answer_one(self) -> None:
        from shared.units import load_directory

        self._head("A unit takes the passport on and answers, through its own topic")
        posted = self._posted[PASSPORT.about]
        assignment = (await self._scene.case(posted.complaint_id, self._key))["assignments"][0]
        for status, more in (("accepted", {}), ("answered", {"outcome": "selesai"})):
            await self._scene.update(PASSPORT.goes_to, posted.complaint_id, assignment["id"], status, **more)
            await self._until_state(posted, status)
        case = await self._scene.case(posted.complaint_id, self._key)
        runs_on = [clock["code"] for clock in case["clocks"] if clock["state"] == "running"]
        check(runs_on == [_REPLY], f"an answer stops every clock but that of the reporter's reply, not {runs_on}")
        zone = load_directory().zone(None, PASSPORT.body["location"]["province"])
        table = _table()
        for entry in case["timeline"]:
            table.add_row(local(instant(entry["at"]), zone), entry["what"])
        self._say(table)
        self._say("its clocks are stopped; the reporter has ten working days to reply")

    async def _until_state(self, posted: _Posted, state: str) -> None:
        what = f"the case of {posted.report.about} is {state}"
        await self._scene.until_case(what, posted.complaint_id, self._key, lambda case: case["state"] == state)

    async def let_one_fall_due(self) -> None:
        from shared.units import load_directory

        self._head("Days pass, and nobody answers the prison visit")
        complaint_id, unit = self._posted[PRISON_VISIT.about].complaint_id, PRISON_VISIT.goes_to
        zone = load_directory().zone(None, PRISON_VISIT.body["location"]["province"])
        case = await self._scene.case(complaint_id, self._key)
        due_at = next(instant(clock["due_at"]) for clock in case["clocks"] if clock["code"] == _FIRST_FOLLOW_UP)
        for kind, colour in (("reminder", "cyan"), ("due", "yellow"), ("overdue", "red")):
            fires_at = await self._scene.next_deadline(case["assignments"][0]["id"], _FIRST_FOLLOW_UP)
            await self._scene.move_clock(fires_at)
            found = await self._follow_up(kind, complaint_id, unit)
            check(instant(found.payload["due_at"]) == due_at, "a follow-up names the deadline that the case shows")
            check(instant(found.payload["emitted_at"]) >= fires_at, "no deadline fires early")
            heard, late = ", ".join(found.payload["to"]), found.payload["late_by_seconds"]
            self._say(f"{local(fires_at, zone)}  [{colour}]{kind:<8}[/]  {heard}  [dim]{late:.1f} s after[/]")
        kinds = [item.payload["kind"] for item in self._scene.arrivals if _is_first_follow_up(item, complaint_id) and item.who == unit]
        check(kinds == ["reminder", "due", "overdue"], f"each level fires once, in order, not {kinds}")
        answered = self._posted[PASSPORT.about].complaint_id
        check(
            not any(_is_first_follow_up(item, answered) for item in self._scene.arrivals), "an answered case hears nothing of its deadline"
        )
        self._say("the passport, answered in time, heard nothing")

    async def _follow_up(self, kind: str, complaint_id: str, unit: str) -> Arrival:
        return await self._scene.arrival(
            f"{kind} reaches {unit}",
            lambda item: _is_first_follow_up(item, complaint_id) and item.who == unit and item.payload["kind"] == kind,
        )

    async def look_for_identifiers(self) -> None:
        self._head("Who reported stays at the door")
        arrivals = self._scene.arrivals
        seen = b"\n".join(item.raw for item in arrivals)
        leaked = sum(secret.encode() in seen for secret in PASSPORT.secrets)
        check(leaked == 0, f"none of the reported identifiers enters Kafka, but {leaked} did")
        text = (await self._arrival_of(self._posted[PASSPORT.about])).payload["text"]
        self._say(f"[italic]… {text.rpartition('. ')[2]}[/]")
        self._say(f"none of {len(PASSPORT.secrets)} identifiers stands in any of {len(arrivals)} records")

    async def balance(self) -> None:
        self._head("Nothing that was accepted is unwatched")
        found = await self._scene.until("every complaint is decided, and that was read from Kafka", lambda: balance(self._scene))
        check_balance(found)
        shares = " + ".join(f"{found.cases[outcome]} {outcome}" for outcome in ("history", "routed", "held", "transferred"))
        self._say(f"[green]{found.accepted} accepted = {shares} + {found.cases['undecided']} undecided[/]")
        seen = ", ".join(f"{count} {outcome}" for outcome, count in found.in_kafka.items())
        self._say(f"in Kafka, by event id: {seen}, {found.dead} dead letters")


def _table(*headers: str) -> "Table":
    from rich.table import Table

    return Table(*headers, box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_header=bool(headers))


def _address(arrival: Arrival) -> tuple[str, str]:
    """(where it arrived, why there): `imigrasi kanwil:nusa-tenggara-timur`, `paspor, kantor imigrasi`."""
    payload = arrival.payload
    if arrival.what == "complaints.transferred":
        return "transferred", payload["agency"]
    return " ".join(item for item in (arrival.who, payload.get("desk")) if item), str(payload.get("why") or why(payload, 2))


def _is_first_follow_up(item: Arrival, complaint_id: str) -> bool:
    return _is_follow_up(item, complaint_id) and item.payload["code"] == _FIRST_FOLLOW_UP


def _is_follow_up(item: Arrival, complaint_id: str) -> bool:
    return item.what == "complaints.follow-ups" and item.complaint_id == complaint_id
