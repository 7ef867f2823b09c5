"""How well the masker finds what identifies a person, and what it masks besides: a table per kind, and the time it takes.

Run as `python -m benchmarks.masking_quality`. The cases are the unit test's, written by hand; lokal-id's own Samaran,
restricted to the same kinds, is measured beside it.
"""

import re
import statistics
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lokal.samaran import PiiType, Samaran
from rich.console import Console
from rich.table import Table

from shared.masking import MASK_KINDS, mask, needs_masker

CASES = Path(__file__).parent.parent / "tests" / "unit" / "data" / "masking_cases.toml"
_MARK = re.compile(r"\{([a-z]+):([^}]*)\}")
_TOKENS = re.compile(r"(?:\[[A-Z_0-9]+\])+")
_SAMARAN_TYPES: tuple[PiiType, ...] = (
    "NIK",
    "KK",
    "NPWP",
    "PASSPORT",
    "SIM",
    "NIP",
    "BPJS",
    "PHONE",
    "EMAIL",
    "BANK_ACCOUNT",
    "CARD",
    "PLATE",
    "NAME",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A text, and the identifiers in it: each between two of its `pieces`, with its kind."""

    text: str
    pieces: tuple[str, ...]
    kinds: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(slots=True)
class Quality:
    """`present` and `found` count identifiers per kind; `altered` are the texts in which something else was masked."""

    texts: int = 0
    present: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)

    def recall(self, kind: str | None = None) -> float:
        if kind is not None:
            return self.found[kind] / self.present[kind]
        return self.found.total() / self.present.total()

    def false_masks(self) -> float:
        return len(self.altered) / self.texts


def read_cases() -> list[Case]:
    """Every case, those without an identifier too."""
    lists = tomllib.loads(CASES.read_text(encoding="utf-8"))
    cases = []
    for marked in (*lists["identifying"], *lists["ordinary"]):
        parts = _MARK.split(marked)
        cases.append(Case(_MARK.sub(r"\2", marked), tuple(parts[::3]), tuple(parts[1::3]), tuple(parts[2::3])))
    return cases


def measure(masker: Callable[[str], str], cases: list[Case]) -> Quality:
    """An identifier counts as found only if nothing but tokens stands in its place."""
    quality = Quality()
    for case in cases:
        masked = masker(case.text)
        quality.texts += 1
        quality.present.update(case.kinds)
        # What stands between the untouched pieces stands for the identifiers; the last piece ends the text.
        shape = re.compile("(.*?)".join(re.escape(piece) for piece in case.pieces), re.DOTALL)
        kept = shape.fullmatch(masked)
        if kept is None:
            quality.altered.append(case.text)
        for number, (kind, value) in enumerate(zip(case.kinds, case.values, strict=True)):
            gone = _TOKENS.fullmatch(kept.group(number + 1)) is not None if kept is not None else value not in masked
            quality.found[kind] += gone
            if not gone:
                quality.missed.append(f"{kind}: {case.text}")
    return quality


def _by_samaran(text: str) -> str:
    return Samaran(types=_SAMARAN_TYPES).mask(text).text


def _by_samaran_when_sure(text: str) -> str:
    return Samaran(types=_SAMARAN_TYPES, min_confidence="high").mask(text).text


def _microseconds(work: Callable[[str], object], texts: list[str]) -> float:
    """The median over the texts of the best of five."""
    medians = []
    for text in texts:
        best = min(_once(work, text) for _ in range(5))
        medians.append(best * 1e6)
    return statistics.median(medians)


def _once(work: Callable[[str], object], text: str) -> float:
    start = time.perf_counter()
    work(text)
    return time.perf_counter() - start


def main() -> None:
    cases = read_cases()
    maskers: dict[str, Callable[[str], str]] = {
        "jalur": lambda text: mask(text).text,
        "Samaran, sure": _by_samaran_when_sure,
        "Samaran, all": _by_samaran,
    }
    measured = {name: measure(masker, cases) for name, masker in maskers.items()}
    table = Table("kind", "cases", *maskers, title=f"Identifiers found, in {len(cases)} texts")
    ours = measured["jalur"]
    for kind in MASK_KINDS:
        table.add_row(kind, str(ours.present[kind]), *(f"{quality.recall(kind):.0%}" for quality in measured.values()))
    table.add_row("all", str(ours.present.total()), *(f"{quality.recall():.1%}" for quality in measured.values()), end_section=True)
    table.add_row("texts altered besides", "", *(f"{quality.false_masks():.1%}" for quality in measured.values()))
    holding = [case.text for case in cases if case.values]
    table.add_row("median µs a text", "", *(f"{_microseconds(masker, holding):.0f}" for masker in maskers.values()))
    console = Console()
    console.print(table)
    free = [case.text for case in cases if not needs_masker(case.text)]
    console.print(f"The look before it: {_microseconds(needs_masker, free):.1f} µs for a text that needs no masker.")
    for missed in ours.missed:
        console.print(f"missed  {missed}", markup=False)
    for altered in ours.altered:
        console.print(f"altered {altered}", markup=False)


if __name__ == "__main__":
    main()
