"""Known vulnerabilities of the locked packages, less those that are excused until a day. What could not be looked up counts as a fault."""

import json
import re
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from deploy.supply.tools import ROOT, Failed, program, run

EXCUSES = ROOT / "deploy" / "supply" / "excuses.toml"
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Excuse:
    """Why a finding may stay, and until which day: then somebody looks again."""

    id: str
    package: str
    until: date
    why: str


@dataclass(frozen=True)
class Finding:
    package: str
    version: str
    ids: tuple[str, ...]  # the advisory's own, then its other names
    fixed_in: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    looked_up: int
    findings: tuple[Finding, ...]
    skipped: tuple[tuple[str, str], ...]  # package, why


def audit(service: str, url: str | None) -> list[str]:
    """What must be done, one line each; none where nothing is known. Raises `Failed` where the advisory service does not answer."""
    place = ["--osv-url", url] if url else []
    options = ["--no-deps", "--disable-pip", "--format", "json", "--desc", "off", "--progress-spinner", "off"]
    asked = locked(path.read_text(encoding="utf-8") for path in sorted((ROOT / "requirements").glob("*.txt")))
    said = []
    with tempfile.TemporaryDirectory() as folder:
        for number, versions in enumerate(asked):
            listed = Path(folder) / f"{number}.txt"
            listed.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
            done = run(program("pip-audit"), *options, "--vulnerability-service", service, *place, "--requirement", listed)
            if done.returncode not in (0, 1) or not done.stdout.lstrip().startswith("{"):
                raise Failed(why_not(service, done.stderr))
            said.append(done.stdout)
    excuses = read_excuses(EXCUSES.read_text(encoding="utf-8"))
    return judge(read_report(*said), excuses, date.today())  # noqa: DTZ011 - the day of whoever types


def locked(locks: Iterable[str]) -> list[dict[str, str]]:
    """Every package that a lock names, also those of other machines. Two versions of one cannot be asked for at once: a list more."""
    found: list[dict[str, str]] = []
    for name, version in sorted({entry for text in locks for entry in _LOCKED.findall(text)}):
        for versions in found:
            if versions.setdefault(name, version) == version:
                break
        else:
            found.append({name: version})
    return found


def why_not(service: str, said: str) -> str:
    """The tool's own words are a page of frames; the last line says it."""
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    return f"nothing was audited: pip-audit could not ask the advisory service {service!r} from here ({last[:300]})"


def read_report(*texts: str) -> Report:
    entries: list[dict[str, Any]] = [entry for text in texts for entry in json.loads(text)["dependencies"]]
    findings = {
        (entry["name"], entry["version"], found["id"]): Finding(
            entry["name"], entry["version"], (found["id"], *found["aliases"]), tuple(found["fix_versions"])
        )
        for entry in entries
        for found in entry.get("vulns", ())
    }
    skipped = {entry["name"]: entry["skip_reason"] for entry in entries if "skip_reason" in entry}
    looked_up = len({entry["name"] for entry in entries if "skip_reason" not in entry})
    return Report(looked_up, tuple(findings.values()), tuple(skipped.items()))


def read_excuses(text: str) -> list[Excuse]:
    return [Excuse(**entry) for entry in tomllib.loads(text).get("excuse", [])]


def judge(report: Report, excuses: Sequence[Excuse], today: date) -> list[str]:
    """An excuse holds through its day. One that excuses nothing any more has to go, so that the list stays short and true."""
    said = []
    if not report.looked_up:
        said.append("nothing was audited: the advisory service knew none of the packages (a mirror without advisories does that)")
    else:
        said += [f"{name} was not audited: {why}" for name, why in report.skipped]
    used = set()
    for found in report.findings:
        excuse = _excuse_of(found, excuses)
        fix = f"fixed in {', '.join(found.fixed_in)}" if found.fixed_in else "no version mends it yet"
        what = f"{found.package} {found.version}: {found.ids[0]} ({fix})"
        if excuse is None:
            said.append(what)
            continue
        used.add(excuse)
        if excuse.until < today:
            said.append(f"{what}; its excuse ended on {excuse.until}: {excuse.why}")
    if report.looked_up and not report.skipped:
        said += [f"excuse {item.id} of {item.package} excuses nothing any more: remove it" for item in excuses if item not in used]
    return said


def _excuse_of(found: Finding, excuses: Iterable[Excuse]) -> Excuse | None:
    return next((item for item in excuses if item.package == found.package and item.id in found.ids), None)
