"""What others built on stays true: the committed schemas are those of the models, and no change of a model breaks their readers."""

from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, create_model

from shared.events import EVENT_TYPES, TYPE_OF
from shared.schemas import committed, generated, schema_of
from shared.schemas.compatibility import breaks, breaks_of_all


def test_no_model_breaks_the_readers_of_the_committed_schemas() -> None:
    assert breaks_of_all(committed(), generated()) == []


def test_the_committed_schemas_are_those_of_the_models() -> None:
    assert committed() == generated(), "run `python -m shared.schemas`"


def test_every_event_has_a_type_of_its_own_with_a_version_and_a_valid_schema() -> None:
    assert len(TYPE_OF) == len(EVENT_TYPES)
    for event_type, schema in committed().items():
        assert event_type.startswith("id.jalur.")
        assert event_type.rpartition(".")[2][:1] == "v"
        Draft202012Validator.check_schema(schema)


def test_an_event_that_is_gone_breaks_its_readers() -> None:
    before = committed()
    now = {event_type: schema for event_type, schema in before.items() if event_type != "id.jalur.case.update.v1"}
    assert breaks_of_all(before, now) == ["id.jalur.case.update.v1: the event is gone"]


class Place(BaseModel):
    province: str | None = None


class Before(BaseModel):
    """An event as it was published."""

    id: str
    kind: Literal["a", "b"]
    count: int = Field(default=0, ge=0)
    note: str | None = None
    places: tuple[Place, ...] = ()
    place: Place = Place()
    values: dict[str, Any] = {}


def after(**changed: Any) -> dict[str, Any]:
    """The schema of `Before` with other fields: None takes one away."""
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in Before.model_fields.items()}
    fields = {name: definition for name, definition in (fields | changed).items() if definition is not None}
    return schema_of("x.v1", create_model("After", **fields))


BEFORE = schema_of("x.v1", Before)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"added": (str | None, None)},
        {"added": (tuple[Place, ...], ())},
        {"note": (str | None, "another default")},
        {"note": (str | None, Field(default=None, description="in other words", title="Note"))},
    ],
    ids=["nothing", "a new field", "a new list", "a default", "a description"],
)
def test_readers_can_live_with(changed: dict[str, Any]) -> None:
    assert breaks(BEFORE, after(**changed)) == []


class NarrowPlace(BaseModel):
    province: str


class OtherPlace(BaseModel):
    region: str | None = None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"note": None}, "note is gone"),
        ({"id": None}, "id is gone"),
        ({"added": (str, ...)}, "added is new and required"),
        ({"note": (str | None, ...)}, "note is now required"),
        ({"id": (str, "")}, "id may now be missing"),
        ({"note": (str, "")}, "note may no longer be null"),
        ({"count": (str, "")}, "count may no longer be integer"),
        ({"count": (int | None, Field(default=0, ge=0))}, "count may now be null"),
        ({"kind": (Literal["a"], ...)}, 'kind no longer knows "b"'),
        ({"kind": (Literal["a", "b", "c"], ...)}, 'kind may now be "c"'),
        ({"kind": (str, ...)}, "kind is no longer a closed set"),
        ({"id": (Literal["x"], ...)}, "id is now a closed set"),
        ({"count": (int, Field(default=0, ge=1))}, "count has another minimum"),
        ({"id": (str, Field(max_length=10))}, "id has another maxLength"),
        ({"values": (dict[str, str], {})}, "values has another additionalProperties"),
        ({"place": (OtherPlace, OtherPlace())}, "place.province is gone"),
        ({"places": (tuple[NarrowPlace, ...], ())}, "places.[].province is now required"),
        ({"places": (tuple[str, ...], ())}, "places.[] may no longer be object"),
    ],
)
def test_readers_break_when(changed: dict[str, Any], said: str) -> None:
    assert any(text.startswith(said) for text in breaks(BEFORE, after(**changed))), breaks(BEFORE, after(**changed))


def test_the_generator_refuses_to_overwrite_what_readers_rely_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from shared.schemas import __main__ as command

    event_type = "id.jalur.case.update.v1"
    broken = generated()
    del broken[event_type]["properties"]["status"]
    before = committed()
    monkeypatch.setattr(command, "generated", lambda: broken)
    assert command.main() == 1
    assert f"{event_type}: status is gone" in capsys.readouterr().err
    assert committed() == before
