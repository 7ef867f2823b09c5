"""`jalur report` on a real database: every number against a second count of the timeline's own rows."""

import asyncio
import csv
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import openpyxl
import pytest
import typer
from pydantic_core import from_json
from typer.testing import CliRunner

from deploy.local.postgres import RunningPostgres
from services.commands import CommandError, cases_time, report
from services.commands.report_tables import harmless
from services.notifier import store
from services.notifier.calendar import load_calendar
from services.notifier.clocks import Clockwork
from services.notifier.domain import Setting, learn
from services.notifier.facts import Changed, Decided, Fact, Ordered, Reported, Said, identity
from services.notifier.policy import load_policies
from shared.envelope import assignment_id
from shared.units import load_directory
from tests.recount import recount

START, END = datetime(2025, 6, 30, 17, tzinfo=UTC), datetime(2025, 9, 30, 17, tzinfo=UTC)  # the third quarter of 2025 in Jakarta
AS_OF = datetime(2025, 10, 10, 5, tzinfo=UTC)
FAMILY = UUID("0190a5b4-7c1e-7f00-8000-0000000000aa")
CLOCKWORK = Clockwork(load_policies(), load_calendar(), load_directory())
UNITS = ("imigrasi/kanim:kupang", "pemasyarakatan", "ahu/kanwil:papua", "ki", "ham")
CASES = 240


class Case:
    """One generated case: its facts in their order, each some hours after the last."""

    def __init__(self, number: int) -> None:
        self.id, self.chance = uuid5(FAMILY, str(number)), random.Random(number)
        self.at = datetime(2025, 6, 2, tzinfo=UTC) + timedelta(minutes=self.chance.randrange(60 * 24 * 125))
        self.facts: list[Fact] = []
        self.number = number

    def later(self, least: float, most: float) -> datetime:
        """So many working-day-like hours on, to the minute."""
        self.at += timedelta(minutes=round(self.chance.uniform(least, most) * 60))
        return self.at

    def reported(self, class_: str | None = None, **more: Any) -> "Case":
        source = self.chance.choice(("lapor", "ppid", "=loket", "halo_kumham"))
        known: dict[str, Any] = {
            "source": source, "source_ref": None, "service": "sp4n", "category": None,
            "channel": self.chance.choice((None, "web", "<script>sms")),
            "class_": class_ or self.chance.choice(("pengaduan", "pengaduan", "informasi", "aspirasi")), "state": None,
            "province": self.chance.choice((None, "Papua", "Bali", "Jawa Barat")), "is_final": False, "is_complete": True,
        }  # fmt: skip
        reported_at = self.at
        accepted_at = self.later(*more.pop("on_the_way", (0, 1)))
        self.facts.append(Reported(at=accepted_at, reported_at=reported_at, **known | more))
        return self

    def decided(self, *where: str, decision: int = 0, by: str = "router", is_oversight: bool = False) -> "Case":
        at = self.later(0.01, 0.5)
        names = tuple(name.partition("/")[0] for name in where)
        for part, name in enumerate(where):
            unit, _, desk = name.partition("/")
            outcome = {"triage": "held", "other_agency": "transferred"}.get(unit, "routed")
            given = unit if outcome == "routed" else None
            self.facts.append(
                Decided(
                    at, decision, part, outcome,  # type: ignore[arg-type]
                    assignment_id(self.id, decision, part) if given else None, given, desk or None,
                    ("kanwil:nusa-tenggara-timur",) if desk == "kanim:kupang" else (), None, "vague" if outcome == "held" else None, None,
                    is_oversight, by, names,  # type: ignore[arg-type]
                )
            )  # fmt: skip
        return self

    def said(self, status: str, least: float, most: float, unit: str | None = None, decision: int = 0, part: int = 0) -> "Case":
        at = self.later(least, most)
        known_by = uuid5(self.id, f"{status} {unit} {at}")
        mine = assignment_id(self.id, decision, part) if unit else None
        self.facts.append(Said(known_by, at, f"unit:{unit}" if unit else "admin", unit, status, str(known_by), mine, "sebab"))  # type: ignore[arg-type]
        return self

    def changed(self, kind: str, least: float, most: float, **more: Any) -> "Case":
        at = self.later(least, most)
        self.facts.append(Changed(uuid5(self.id, f"{kind} {at}"), at, "source:lapor", kind, **more))  # type: ignore[arg-type]
        return self

    def verified(self) -> "Case":
        return self.said("verified", 1, 150) if self.chance.random() < 0.8 else self

    def worked(self, unit: str, decision: int = 0, part: int = 0) -> "Case":
        for status, share in (("accepted", 0.8), ("followed_up", 0.7), ("answered", 0.75)):
            if self.chance.random() < share:
                self.said(status, 1, 200, unit, decision, part)
        return self


def stories(case: Case) -> Case:
    """What happens to a case: one of the ways that they take."""
    unit = case.chance.choice(UNITS)
    slug = unit.partition("/")[0]
    match case.number % 12:
        case 0 | 1:
            return case.reported().decided(unit).verified().worked(slug)
        case 2:  # a person places what was held
            case.reported().decided("triage")
            order = Ordered(uuid5(case.id, "order"), case.later(1, 60), "triage", ("0/0",), slug, None, False, "sebab")
            case.facts.append(order)
            return case.decided(unit, decision=1, by="human").worked(slug, 1)
        case 3:  # given back, early or late
            other = case.chance.choice([name for name in ("bphn", "pp", "setjen") if name != slug])
            case.reported().decided(unit).said("returned", 1, 190, slug)
            return case.decided(other, decision=1).verified().worked(other, 1)
        case 4:  # the reporter is asked, and answers or not
            case.reported().decided(unit).said("need_info", 1, 60, slug)
            return case.said("resumed", 20, 150, slug).worked(slug) if case.chance.random() < 0.7 else case
        case 5:  # the reporter replies in time
            case.reported(source="lapor").decided(unit, by="source").said("answered", 1, 300, slug).changed("replied", 1, 150)
            return case.worked(slug)
        case 6:
            case.reported().decided(unit).verified()
            return case.changed(case.chance.choice(("withdrawn", "archived")), 1, 200)
        case 7:
            return case.reported(is_final=True, state="closed", on_the_way=(0, 400))
        case 8:  # seen verified in an export, and perhaps closed in a later one
            case.reported(source="lapor", state="verified", on_the_way=(1, 200)).decided(unit)
            if case.chance.random() < 0.6:
                case.changed("flags", 1, 150, is_interval=True)
                case.changed("closed", 1, 250, is_interval=True, is_final=True, state="closed")
            return case.worked(slug) if case.facts[-1].fact == "decided" else case
        case 9:
            return case.reported().decided("imigrasi", "ahu").verified().worked("imigrasi").worked("ahu", part=1)
        case 10:
            case.reported("pengaduan_pengawasan").decided("itjen", is_oversight=True).verified()
            return case.worked("itjen")
        case _:
            if case.number % 24 == 11:
                return case.reported().decided("other_agency", by="human")
            return case.reported("informasi").decided(unit).verified().changed("reclassified", 1, 50, class_="pengaduan").worked(slug)


async def keep(connection: "asyncpg.Connection[asyncpg.Record]", cases: list[Case]) -> None:
    """As the notifier does it: facts learnt one after the other, the case saved with its timeline."""
    known = await store.lock_cases(connection, [case.id for case in cases])
    for case in cases:
        kept = known[case.id]
        for fact in case.facts:
            learn(kept, [fact], Setting(CLOCKWORK, fact.at))
        assert not kept.parked, f"case {case.number}: {[identity(item.fact) for item in kept.parked]} is not possible"
        await store.save_cases(connection, [kept], case.at)


async def timelines(connection: "asyncpg.Connection[asyncpg.Record]") -> list[list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in await connection.fetch("SELECT complaint_id, fact FROM timeline WHERE fact IS NOT NULL ORDER BY complaint_id, number"):
        found.setdefault(row["complaint_id"], []).append(from_json(row["fact"]))
    return list(found.values())


async def jalur(dsn: str, app: typer.Typer, *words: str) -> tuple[int, str, str]:
    """The command with nothing but the database named: exit code, output, and what was said of it."""
    environ = {"JALUR_POSTGRES": dsn, "JALUR_KAFKA": "", "JALUR_INTAKE": "", "JALUR_DATA": "no-stack-here"}
    result = await asyncio.to_thread(CliRunner().invoke, app, list(words), env=environ)
    if isinstance(result.exception, CommandError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    assert result.exception is None, result.exception
    return result.exit_code, result.stdout, result.stderr


async def typed(dsn: str, *words: str) -> tuple[int | None, str, str]:
    """As a person types it."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("JALUR_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *words, "--data-dir", "no-stack-here",
        env=known | {"JALUR_POSTGRES": dsn}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate()
    return process.returncode, out.decode(), error.decode()


@pytest.fixture(scope="module")
async def filled(postgres: RunningPostgres, template: str) -> AsyncIterator[str]:
    """One database for all: nothing here changes it."""
    server = await asyncpg.connect(postgres.dsn)
    await server.execute(f'CREATE DATABASE accounted TEMPLATE "{template}"')
    dsn = postgres.dsn.rpartition("/")[0] + "/accounted"
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "notifier, jalur"})
    async with connection.transaction():
        await keep(connection, [stories(Case(number)) for number in range(CASES)])
    await connection.close()
    yield dsn
    await server.execute("DROP DATABASE accounted WITH (FORCE)")
    await server.close()


BOUNDED = ("verified_in_time", "verified_late", "followed_up_in_time", "followed_up_late", "finished_in_time", "finished_late", "overdue")
PLAIN = (
    "received", "history", "finished", "reopened", "returned", "returned_late", "passed_on", "not_pursued", "open",
)  # fmt: skip


async def test_every_number_equals_a_second_count_of_the_timeline(filled: str) -> None:
    connection = await asyncpg.connect(filled, server_settings={"search_path": "notifier, jalur"})
    expected = recount(await timelines(connection), START, END, AS_OF)
    await connection.close()
    code, out, error = await jalur(filled, report.app, "--quarter", "2025Q3", "--json", "--as-of", AS_OF.isoformat())
    assert code == 0, error
    told = json.loads(out)
    seen, hidden, unequal = set(), 0, []
    for group in ("received", "carried_over"):
        for table, rows in told[group].items():
            for row in rows:
                sums = expected[group, table, row["key"], row["is_oversight"]]
                seen.add((group, table, row["key"], row["is_oversight"]))
                median_days, p90_days = sums.median_and_90th()
                figures: dict[str, Any] = {name: sums.low[name] for name in PLAIN}
                figures |= {name: {"low": sums.low[name], "high": sums.high[name]} for name in BOUNDED}
                figures |= {
                    name: pair and {"low": pair[0], "high": pair[1]}
                    for name, pair in (("median_days", median_days), ("p90_days", p90_days))
                }
                for name, value in figures.items():
                    if name in row["suppressed"]:
                        assert row[name] is None
                        assert row["is_oversight"] or row["key"] == "all", "only oversight is ever hidden"
                        hidden += 1
                    elif row[name] != value:
                        unequal.append((group, table, row["key"], name, row[name], value))
                if "hours_unit" not in row["suppressed"]:
                    for holder, hours in row["hours"].items():
                        if hours != pytest.approx(sums.hours[holder], abs=0.06):
                            unequal.append((group, table, row["key"], holder, hours, sums.hours[holder]))
    assert not unequal, f"{len(unequal)}: {unequal[:10]}"
    # A row of a few oversight matters is left out altogether; all others stand there.
    missing = {key for key in expected if key not in seen}
    assert all(is_oversight for *_, is_oversight in missing)
    shown = {row["key"]: row for row in told["received"]["unit"]}["itjen"]
    assert shown["received"] >= 10, "the larger figures about oversight are shown"
    assert hidden
    spread = [
        row
        for row in told["received"]["unit"]
        if row["verified_in_time"] and row["verified_in_time"]["low"] < row["verified_in_time"]["high"]
    ]
    assert spread, "some numbers are known by their bounds alone"
    for name in (*PLAIN, *BOUNDED):
        assert any(row[name] not in (None, 0, {"low": 0, "high": 0}) for row in told["received"]["unit"]), (
            f"no generated case counts as {name}"
        )


async def test_files_hold_the_same_numbers_and_no_cell_is_a_command(filled: str, tmp_path: Path) -> None:
    files = {name: tmp_path / f"account.{name}" for name in ("csv", "xlsx", "html")}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    code, out, error = await jalur(filled, report.app, "--quarter", "2025Q3", "--as-of", AS_OF.isoformat(), "--json", *options)
    assert code == 0, error
    told = json.loads(out)
    with files["csv"].open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    book = openpyxl.load_workbook(files["xlsx"])
    header, *cells = book["2025Q3"].iter_rows()
    assert [cell.value for cell in header] == list(rows[0])
    assert len(cells) == len(rows) == sum(len(table) for group in ("received", "carried_over") for table in told[group].values())
    for line, row in zip(cells, rows, strict=True):
        for cell, written in zip(line, row.values(), strict=True):
            assert cell.data_type != "f"
            assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert cell.value is None if written == "" else str(cell.value) == written or float(written) == cell.value
    by_unit = {row["key"]: row for row in rows if (row["group"], row["table"]) == ("received", "unit")}
    for row in told["received"]["unit"]:
        assert by_unit[row["key"]]["received"] == ("*" if row["received"] is None else str(row["received"]))
    assert {"'=loket", "'=loket/web"} <= {row["key"] for row in rows if row["table"] == "channel"}
    page = files["html"].read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert not [word for word in ("<script", "src=", "href=", "@import", "url(http") if word in page]


@pytest.mark.parametrize("written", ["=1+1", "+62", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(written: str) -> None:
    assert harmless(written) == "'" + written
    assert harmless("web=1") == "web=1"


async def test_a_person_reads_a_table_and_bad_words_are_refused(filled: str) -> None:
    code, out, error = await typed(filled, "report", "--quarter", "2025Q3", "--as-of", AS_OF.isoformat())
    assert (code, error) == (0, "")
    assert "imigrasi" in out
    assert "Still open from before" in out
    for words, why in (
        (["--quarter", "2025Q7"], "'2025Q7' is no quarter: write the year, a Q and 1 to 4, as 2026Q3"),
        (["--quarter", "2025Q3", "--as-of", "yesterday"], "--as-of 'yesterday' is no instant with an offset"),
        (["--quarter", "2025Q3", "--as-of", "2025-06-30T23:59:59+07:00"], "2025Q3 had not begun at 2025-06-30T23:59+07:00"),
        (["--quarter", "2099Q1"], "2099Q1 had not begun"),
        (["--quarter", "2025Q3", "--as-of", "2098-01-01T00:00:00Z"], "has not come yet"),
    ):
        code, out, error = await jalur(filled, report.app, *words)
        assert (code, out) == (2, "")
        assert why in error


async def test_the_ledger_of_a_case_is_printed(filled: str) -> None:
    chosen = stories(Case(4))  # it was given back, or the reporter was asked
    code, out, error = await jalur(filled, cases_time.app, str(chosen.id), "--json")
    assert code == 0, error
    told = json.loads(out)
    assert {"imigrasi", "pemasyarakatan", "ahu", "ki", "ham"} & {item["who"] for item in told["spans"]}
    assert "reporter" in told["by_level"]
    assert sum(item["working_hours"] for item in told["spans"]) == pytest.approx(
        sum(item["working_hours"] for item in told["by_holder"].values()), abs=0.1
    )
    code, out, _ = await jalur(filled, cases_time.app, str(chosen.id))
    assert (code, "by holder" in out) == (0, True)
