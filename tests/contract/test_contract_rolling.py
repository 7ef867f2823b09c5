"""Two releases side by side: each reads what the other writes, and works on tables that the newer one has migrated."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from shared.events import EVENT_TYPES, Payload

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(__file__).with_name("samples").glob("*.json"))}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
MIGRATIONS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in ("shared/migrations", "services/intake/migrations", "services/router/migrations", "services/notifier/migrations")
    for path in sorted((ROOT / folder).rglob("*.sql"))
}
# What stops the release before, which goes on for some minutes after the migration: it reads and writes the columns that it knows.
_TAKES_AWAY = re.compile(
    r"\bDROP\s+(?:TABLE|COLUMN|SCHEMA|VIEW)\b|\bRENAME\b|\bALTER\s+COLUMN\s+\w+\s+(?:TYPE|DROP\s+DEFAULT)\b", re.IGNORECASE
)
_NEEDS = re.compile(r"\bALTER\s+COLUMN\s+(\w+)\s+SET\s+NOT\s+NULL\b", re.IGNORECASE)
_ADDS = re.compile(r"\bADD\s+COLUMN\s+(?:IF\s+NOT\s+EXISTS\s+)?([^,;]*)", re.IGNORECASE)


def model_of(sample: dict[str, Any]) -> type[Payload]:
    return EVENT_TYPES[sample["headers"]["ce_type"]]


def with_unknown(value: Any, *, is_open: bool = False) -> Any:
    """With a field of a newer writer in each object, however deep; `fields` of a change is open and has what its writer gave."""
    if isinstance(value, dict):
        told = {name: with_unknown(item, is_open=name == "fields") for name, item in value.items()}
        return told if is_open else told | {"of_a_newer_writer": {"deep": [1]}}
    return [with_unknown(item) for item in value] if isinstance(value, list) else value


@every_sample
def test_a_reader_ignores_what_a_newer_writer_adds_however_deep(sample: dict[str, Any]) -> None:
    model = model_of(sample)
    plain = model.model_validate(sample["value"])
    newer = model.model_validate_json(json.dumps(with_unknown(sample["value"])))
    if "fields" in sample["value"]:  # an open object inside an open one is the writer's own
        newer, plain = newer.model_copy(update={"fields": {}}), plain.model_copy(update={"fields": {}})
    assert newer == plain


def optional(model: type[BaseModel]) -> Iterator[str]:
    yield from (name for name, field in model.model_fields.items() if not field.is_required())


@every_sample
def test_a_reader_of_the_release_before_reads_what_is_written_now(sample: dict[str, Any]) -> None:
    """A reader that lacks any one of the fields that need not be there, as it was before that field was added."""
    model = model_of(sample)
    written = model.model_validate(sample["value"]).to_json()
    whole = model.model_validate_json(written).model_dump(by_alias=True)
    for name in optional(model):
        fields: dict[str, Any] = {key: (field.annotation, field) for key, field in model.model_fields.items() if key != name}
        before = create_model(f"{model.__name__}Before", __config__=Payload.model_config, **fields)
        alias = model.model_fields[name].alias or name
        assert before.model_validate_json(written).model_dump(by_alias=True) == {key: item for key, item in whole.items() if key != alias}


@every_sample
def test_what_the_release_before_wrote_is_read_now(sample: dict[str, Any]) -> None:
    """A writer that does not say any one of those fields, or none of them."""
    model = model_of(sample)
    names = [model.model_fields[name].alias or name for name in optional(model)]
    for gone in (*([name] for name in names), names):
        value = {name: item for name, item in sample["value"].items() if name not in gone}
        read = model.model_validate_json(json.dumps(value))
        assert read.complaint_id == model.model_validate(sample["value"]).complaint_id  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", MIGRATIONS.values(), ids=MIGRATIONS)
def test_a_migration_takes_nothing_from_the_release_that_still_works(text: str) -> None:
    assert not faults_of(text)


def faults_of(text: str) -> list[str]:
    plain = re.sub(r"--[^\n]*", "", text)
    found = [match.group(0) for match in _TAKES_AWAY.finditer(plain)]
    # A trigger may say what a row lacks that the release before writes.
    found += [column for column in _NEEDS.findall(plain) if f"WHEN (NEW.{column} IS NULL)" not in plain]
    return found + [
        added for added in _ADDS.findall(plain) if re.search(r"\bNOT\s+NULL\b", added, re.IGNORECASE) and "default" not in added.lower()
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE a DROP COLUMN b;",
        "DROP TABLE a;",
        "ALTER TABLE a RENAME COLUMN b TO c;",
        "ALTER TABLE a ALTER COLUMN b TYPE bigint;",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
        "ALTER TABLE a ADD COLUMN b int NOT NULL;",
        "ALTER TABLE a ADD COLUMN b int DEFAULT 0, ADD COLUMN c int NOT NULL;",
    ],
)
def test_that_would_be_noticed(text: str) -> None:
    assert faults_of(text)
