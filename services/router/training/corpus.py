"""The reports that the model learns from and is measured on: reading them, and who wrote which. It must not change a label."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.events import ComplaintClass
from shared.units import UNIT_SLUGS

FOLDER = Path(__file__).parent / "corpus"
VAGUE = "triage"
# Their reports are never learned from.
TEST_WRITERS = ("w07", "w11", "w17", "w20")
# Their reports lay open when the terms were written, so that terms look better on them than they are.
TERM_WRITERS = tuple(f"w{number:02}" for number in (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 16, 18, 19))


class CorpusError(ValueError):
    """A report or a label cannot be read; the text names file and line."""


class Row(BaseModel):
    """One report with its labels, as two readers left them: short names, because there are thousands of lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str = Field(alias="t")
    text: str = Field(alias="x")
    unit: str = Field(alias="u", description="a unit slug, other_agency or triage")
    class_: ComplaintClass = Field(alias="c")
    agency: str | None = None
    is_oversight: Literal[0, 1] = Field(default=0, alias="over")
    is_urgent: Literal[0, 1] = Field(default=0, alias="urg")
    special_data: tuple[str, ...] = Field(default=(), alias="spec")
    province: str | None = Field(default=None, alias="prov")
    regency: str | None = Field(default=None, alias="reg")
    desk: str | None = None
    service: str | None = Field(default=None, alias="svc")
    further: tuple[str, ...] = Field(default=(), alias="also")
    voice: str = Field(default="", alias="v")

    @cached_property
    def writer(self) -> str:
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Corpus:
    rows: tuple[Row, ...]

    @property
    def writers(self) -> tuple[str, ...]:
        return tuple(sorted({row.writer for row in self.rows}))

    @property
    def digest(self) -> str:
        """The same as long as no report and no label changes."""
        content = "\n".join(row.model_dump_json() for row in sorted(self.rows, key=lambda row: row.id))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def split(self, test_writers: Sequence[str] = TEST_WRITERS) -> tuple["Corpus", "Corpus"]:
        """What may be learned from, and what only measures: no writer is in both."""
        learned = tuple(row for row in self.rows if row.writer not in test_writers)
        return Corpus(learned), Corpus(tuple(row for row in self.rows if row.writer in test_writers))


def read_corpus(folder: Path = FOLDER) -> Corpus:
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise CorpusError(f"{folder.name}: holds no .jsonl file")
    rows = [row for path in paths for row in read_rows(path.read_text(encoding="utf-8").splitlines(), path.name)]
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise CorpusError(f"{row.id}: is there twice")
        seen.add(row.id)
    return Corpus(tuple(rows))


def read_rows(lines: Iterable[str], name: str) -> list[Row]:
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = Row.model_validate(json.loads(line))
        except (ValueError, ValidationError) as error:
            raise CorpusError(f"{name}, line {number}: {' '.join(str(error).split())[:300]}") from None
        for outcome in (row.unit, *row.further):
            if outcome not in (*UNIT_SLUGS, "other_agency", VAGUE):
                raise CorpusError(f"{name}, line {number}: there is no unit {outcome!r}")
        rows.append(row)
    return rows
