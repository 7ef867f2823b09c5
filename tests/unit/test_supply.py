"""What the checks of the supply chain conclude from what their tools say: nothing passes because it could not be looked at."""

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deploy.supply import audit, sbom, secrets
from deploy.supply.audit import Excuse, judge, read_report

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 3, 10)
EXCUSE = Excuse("CVE-2026-1", "starlette", date(2026, 3, 10), "its form parser is never called")


def said(*vulnerable: dict[str, Any], skipped: dict[str, str] | None = None) -> audit.Report:
    """As pip-audit writes it: two packages that are well, and these."""
    entries: list[dict[str, Any]] = [{"name": name, "version": "1.0", "vulns": []} for name in ("idna", "rich")] * (skipped is None)
    entries += [{"name": "starlette", "version": "1.0", "vulns": list(vulnerable)}] if vulnerable else []
    entries += [{"name": name, "skip_reason": why} for name, why in (skipped or {}).items()]
    return read_report(json.dumps({"dependencies": entries, "fixes": []}))


def advisory(**changed: Any) -> dict[str, Any]:
    return {"id": "GHSA-1", "fix_versions": ["1.1"], "aliases": ["CVE-2026-1"], "description": ""} | changed


def test_what_is_known_against_a_package_is_said_with_what_mends_it() -> None:
    assert judge(said(), [], TODAY) == []
    assert judge(said(advisory()), [], TODAY) == ["starlette 1.0: GHSA-1 (fixed in 1.1)"]
    assert judge(said(advisory(fix_versions=[])), [], TODAY) == ["starlette 1.0: GHSA-1 (no version mends it yet)"]


def test_an_excuse_holds_through_its_day_by_any_name_of_the_advisory_and_for_its_package_alone() -> None:
    assert judge(said(advisory()), [EXCUSE], TODAY) == []
    (late,) = judge(said(advisory()), [EXCUSE], date(2026, 3, 11))
    assert "its excuse ended on 2026-03-10: its form parser is never called" in late
    other = Excuse("CVE-2026-1", "rich", TODAY, "another package")
    assert judge(said(advisory()), [other], TODAY) == [
        "starlette 1.0: GHSA-1 (fixed in 1.1)",
        "excuse CVE-2026-1 of rich excuses nothing any more: remove it",
    ]


def test_what_was_not_looked_up_is_no_good_news() -> None:
    """A mirror that serves packages but no advisories knows none of them: the tool itself then ends with 0 and 'nothing found'."""
    (nothing,) = judge(said(skipped={"idna": "not found", "rich": "not found"}), [EXCUSE], TODAY)
    assert nothing.startswith("nothing was audited")
    some = read_report(
        json.dumps({"dependencies": [{"name": "idna", "version": "1", "vulns": []}, {"name": "rich", "skip_reason": "odd"}]})
    )
    assert judge(some, [EXCUSE], TODAY) == ["rich was not audited: odd"], "nor does an excuse have to go for it"


def test_a_service_that_does_not_answer_is_named_in_one_line() -> None:
    told = audit.why_not("osv", "Traceback (most recent call last):\n  File …\nConnectionError: no such host\n")
    assert told == "nothing was audited: pip-audit could not ask the advisory service 'osv' from here (ConnectionError: no such host)"


def test_the_committed_excuses_can_be_read_and_say_why() -> None:
    excuses = audit.read_excuses(audit.EXCUSES.read_text(encoding="utf-8"))
    assert all(item.why and item.until for item in excuses)
    (one,) = audit.read_excuses('[[excuse]]\nid = "CVE-2026-1"\npackage = "starlette"\nuntil = 2026-03-10\nwhy = "never called"\n')
    assert (one.id, one.until) == ("CVE-2026-1", date(2026, 3, 10))


def test_every_package_of_every_lock_is_asked_for_in_each_of_its_versions() -> None:
    one = "rich==1.0 \\\n    --hash=sha256:ab\ntomli==2.0 ; python_version < '3.12' \\\n    --hash=sha256:cd\n"
    assert audit.locked([one, "# said twice\nrich==2.0\n", one]) == [{"rich": "1.0", "tomli": "2.0"}, {"rich": "2.0"}]


def test_the_image_with_traces_is_the_image_and_what_traces_need() -> None:
    services, otel = ((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in sbom.LOCKS)
    assert [line for line in services if line not in otel] == []


def test_the_bill_of_materials_begins_with_what_jalur_itself_names() -> None:
    project = tomllib.loads(sbom.root_of("otel"))["project"]
    assert (project["name"], project["license"]) == ("jalur", "Apache-2.0")
    assert {"asyncpg", "faststream[kafka,prometheus,otel]>=0.7.8", "opentelemetry-exporter-otlp-proto-http"} <= set(project["dependencies"])
    assert set(sbom.direct("services")) < set(project["dependencies"]) and not [name for name in project["dependencies"] if name[0] in "#-"]


SCAN = json.dumps({"results": {"a.py": [{"type": "Secret Keyword", "hashed_secret": "ab12", "line_number": 7, "is_verified": False}]}})
KNOWN = '[[known]]\nfile = "a.py"\ntype = "Secret Keyword"\nsha1 = "ab12"\nwhy = "of a test"\n'


def test_a_suspect_is_said_by_place_and_hash_until_it_is_known() -> None:
    (told,) = secrets.judge(secrets.read_scan(SCAN), [])
    assert told.startswith("a.py:7: Secret Keyword") and "ab12" in told
    assert secrets.judge(secrets.read_scan(SCAN), secrets.read_known(KNOWN)) == [], "wherever in the file it stands"


@pytest.mark.parametrize("changed", [("a.py", "b.py"), ("Secret Keyword", "Private Key"), ("ab12", "cd34")])
def test_what_is_known_of_one_place_excuses_no_other_and_has_to_go_when_it_is_gone(changed: tuple[str, str]) -> None:
    new, gone = secrets.judge(secrets.read_scan(SCAN), secrets.read_known(KNOWN.replace(*changed)))
    assert new.startswith("a.py:7") and "is gone" in gone


def test_each_known_suspect_says_why_it_is_no_secret() -> None:
    known = tomllib.loads(secrets.KNOWN.read_text(encoding="utf-8"))["known"]
    assert [item for item in known if not item["why"]] == []
    assert len(secrets.read_known(secrets.KNOWN.read_text(encoding="utf-8"))) == len(known)


@pytest.mark.parametrize("name", ["shared/web.py", "deploy/kafka/server.properties", "docs/operating.md", "tests/unit/test_supply.py"])
def test_what_is_written_by_hand_is_scanned(name: str) -> None:
    assert not secrets.PASSED_OVER.fullmatch(name)
