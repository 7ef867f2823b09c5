"""The list of licences names every locked package and no other, and nothing that runs binds those who pass Jalur on."""

import re
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTED = {
    name: (licence, purpose)
    for name, licence, purpose in re.findall(
        r"^\| ([a-z0-9._-]+) \| (.+) \| ([a-z ]+) \|$", (ROOT / "docs" / "licences.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    if name != "package"
}


def locked(path: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+)==", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_locked_package_is_listed_with_its_licence_and_no_other() -> None:
    every = {name for path in (ROOT / "requirements").glob("*.txt") for name in locked(path)}
    assert set(LISTED) == every, f"add {sorted(every - set(LISTED))} to docs/licences.md, remove {sorted(set(LISTED) - every)}"


def test_what_runs_is_marked_and_may_be_passed_on_with_the_image() -> None:
    running = {name: licence for name, (licence, purpose) in LISTED.items() if purpose == "running"}
    assert set(running) == locked(ROOT / "requirements" / "services.txt")
    with_traces = {name: licence for name, (licence, purpose) in LISTED.items() if purpose == "traces"}
    assert set(with_traces) == locked(ROOT / "requirements" / "otel.txt") - set(running)
    assert [name for name, licence in (running | with_traces).items() if re.search(r"\b(A?GPL|SSPL|BUSL)", licence)] == []


def test_a_licence_is_listed_as_the_package_states_it() -> None:
    for name in locked(ROOT / "requirements" / "services.txt") - {"colorama"}:  # of Windows alone
        for licence in distribution(name).metadata.get_all("License-Expression") or []:
            assert LISTED[name][0] == licence, name
