"""What is not acceptable is refused with the field's name and a clear reason, and nothing of it is stored."""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.postgres import RunningPostgres
from tests.door import Door, fields_of, open_door, problem, shared_door
from tests.world import report

KIB = 1024


@pytest.fixture(scope="module")
async def opened(postgres: RunningPostgres, template: str) -> AsyncIterator[Door]:
    async with shared_door(postgres.dsn, template) as door:
        yield door


@pytest.fixture
async def door(opened: Door) -> AsyncIterator[Door]:
    """Nothing may be stored by what is refused."""
    await opened.clear()
    yield opened
    assert not any((await opened.counts()).values()), "something of a refused request was stored"


def raw(text: str) -> bytes:
    """A report whose `text` is this JSON literal."""
    return b'{"title": "Paspor", "text": ' + text.encode() + b"}"


def with_field(name: str, literal: str) -> bytes:
    return json.dumps({"title": "Paspor", "text": "Belum jadi"}).encode()[:-1] + f', "{name}": {literal}}}'.encode()


NOT_JSON = {
    "empty": b"",
    "blank": b" \r\n\t",
    "no JSON": b"title=Paspor&text=Belum+jadi",
    "cut short": b'{"title": "Paspor", "text": "Bel',
    "two values": b'{"title": "a", "text": "b"} {}',
    "a comma too many": b'{"title": "a", "text": "b",}',
    "single quotes": b"{'title': 'a', 'text': 'b'}",
    "latin-1": '{"title": "a", "text": "caf\u00e9"}'.encode("latin-1"),
    "utf-16": '{"title": "a", "text": "b"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"title": "a", "text": "b"}',
    "an encoded surrogate": b'{"title": "a", "text": "\xed\xa0\x80"}',
    "an overlong NUL": b'{"title": "a", "text": "\xc0\x80"}',
    "compressed": gzip.compress(b'{"title": "a", "text": "b"}'),
    "NaN": with_field("form", '{"a": NaN}'),
    "Infinity": with_field("form", '{"a": Infinity}'),
    "-Infinity": with_field("form", '{"a": -Infinity}'),
    "a raw control character": b'{"title": "a", "text": "b\x07"}',
    "a raw newline in a text": b'{"title": "a", "text": "b\n"}',
    "a raw NUL": b'{"title": "a", "text": "b\x00"}',
    "an integer of 5,000 digits": with_field("form", '{"a": ' + "9" * 5000 + "}"),
    "deep nesting": with_field("form", '{"a":' * 60 + "1" + "}" * 60),
    "deep lists": with_field("form", '{"a":' + "[" * 60 + "]" * 60 + "}"),
    "nesting without end": b"[" * (200 * KIB),
    "objects without end": b'{"a":' * (40 * KIB),
    "a duplicate key": b'{"title": "a", "text": "b", "text": "c"}',
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
async def test_what_is_not_json_is_refused(door: Door, body: bytes) -> None:
    found = problem(await door.submit(body), 400)
    assert found["type"] == "urn:jalur:problem:malformed-json"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"title": "a", "text": "b", "text": "c"}', "text"),
        (with_field("form", '{"berkas": {"nomor": 1, "nomor": 2}}'), "nomor"),
        (with_field("reporter", '{"name": "a", "name": "b"}'), "name"),
        (with_field("form", '{"nilai": 1e999}'), "form.nilai"),
        (with_field("form", '{"nilai": [0, -1e999]}'), "form.nilai.1"),
        (with_field("form", '{"nilai": 9223372036854775808}'), "form.nilai"),
    ],
    ids=["duplicate", "nested duplicate", "another nested duplicate", "1e999", "-1e999 in a list", "a huge integer"],
)
async def test_a_value_that_json_cannot_keep_is_refused_naming_its_place(door: Door, body: bytes, field: str) -> None:
    assert fields_of(problem(await door.submit(body), 400)) == [field]


@pytest.mark.parametrize("sign", [*range(9), 11, 12, *range(14, 32), 127, *range(128, 160), 0xD800, 0xDBFF, 0xDC00, 0xDFFF])
async def test_control_characters_and_lone_surrogates_are_refused_naming_the_field(door: Door, sign: int) -> None:
    found = problem(await door.submit(raw(f'"Paspor \\u{sign:04x} saya"')), 422)
    assert fields_of(found) == ["text"]
    assert f"U+{sign:04X}" in found["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (with_field("source_ref", '"50\\u0000"'), "source_ref"),
        (with_field("location", '{"province": "Bali\\u0007"}'), "location.province"),
        (with_field("disposition", '[{"name": "a"}, {"name": "\\ud800"}]'), "disposition.1.name"),
        (with_field("form", '{"a": [{"b": "\\u0000"}]}'), "form.a.0.b"),
        (with_field("reporter", '{"name": "\\u001b[31m"}'), "reporter.name"),
        (with_field("attachments", '[{"url": "https://a/\\u0000"}]'), "attachments.0.url"),
    ],
)
async def test_they_are_refused_wherever_they_stand(door: Door, body: bytes, field: str) -> None:
    assert fields_of(problem(await door.submit(body), 422)) == [field]


@pytest.mark.parametrize("key", ["\\u0000", "\\ud800", "\\u0007"])
async def test_a_key_may_not_have_them_either(door: Door, key: str) -> None:
    found = problem(await door.submit(with_field("form", f'{{"a{key}": 1}}')), 400)
    assert fields_of(found)[0].startswith("form.a\\")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"prioritas": 1}, "prioritas"),
    "unknown field of a place": ({"location": {"country": "Indonesia"}}, "location.country"),
    "unknown field of a reporter": ({"reporter": {"sex": "f"}}, "reporter.sex"),
    "unknown field of an addressee": ({"disposition": [{"name": "a", "unit": "b"}]}, "disposition.0.unit"),
    "unknown field of an attachment": ({"attachments": [{"url": "https://a", "size": 1}]}, "attachments.0.size"),
    "the model's own name of a field": ({"class_": "aspirasi"}, "class_"),
    "null as a title": ({"title": None}, "title"),
    "blank title": ({"title": " \n"}, "title"),
    "blank text": ({"text": "\t\n "}, "text"),
    "empty text": ({"text": ""}, "text"),
    "too long a text": ({"text": "a" * 20_001}, "text"),
    "too long a title": ({"title": "a" * 501}, "title"),
    "number as text": ({"text": 12}, "text"),
    "list as text": ({"text": ["a"]}, "text"),
    "boolean as a word": ({"is_anonymous": "true"}, "is_anonymous"),
    "boolean as a number": ({"is_confidential": 1}, "is_confidential"),
    "unknown service": ({"service": "call-center"}, "service"),
    "unknown class": ({"class": "Pengaduan"}, "class"),
    "number as a date": ({"occurred_on": 20240708}, "occurred_on"),
    "digits as a date": ({"occurred_on": "1720396800"}, "occurred_on"),
    "impossible date": ({"occurred_on": "2024-02-30"}, "occurred_on"),
    "Indonesian date": ({"occurred_on": "8 Juli 2024"}, "occurred_on"),
    "number as an instant": ({"reported_at": 1720660800}, "reported_at"),
    "digits as an instant": ({"reported_at": "1720660800"}, "reported_at"),
    "naive instant": ({"reported_at": "2024-07-11T09:20:00"}, "reported_at"),
    "date as an instant": ({"reported_at": "2024-07-11"}, "reported_at"),
    "instant of an hour 25": ({"reported_at": "2024-07-11T25:00:00Z"}, "reported_at"),
    "instant before the year 2000": ({"reported_at": "1999-12-31T23:59:59Z"}, "reported_at"),
    "instant of the year 1": ({"reported_at": "0001-01-01T00:00:00+14:00"}, "reported_at"),
    "instant of the year 9999": ({"reported_at": "9999-12-31T23:59:59-12:00"}, "reported_at"),
    "naive instant of an addressee": ({"disposition": [{"name": "a", "at": "2024-07-11T09:20:00"}]}, "disposition.0.at"),
    "instant of an addressee that UTC cannot say": (
        {"disposition": [{"name": "a", "at": "0001-01-01T00:00:00+14:00"}]},
        "disposition.0.at",
    ),
    "reference of 201 bytes": ({"source_ref": "é" * 100 + "a"}, "source_ref"),
    "blank reference": ({"source_ref": " "}, "source_ref"),
    "number as a reference": ({"source_ref": 5049672}, "source_ref"),
    "tracking id of 201 bytes": ({"sp4n_tracking_id": "1" * 201}, "sp4n_tracking_id"),
    "place that is a word": ({"location": "Kupang"}, "location"),
    "form that is a list": ({"form": []}, "form"),
    "21 addressees": ({"disposition": [{"name": "a"}] * 21}, "disposition"),
    "51 attachments": ({"attachments": [{"url": "https://a"}] * 51}, "attachments"),
    "attachment by another scheme": ({"attachments": [{"url": "file:///etc/passwd"}]}, "attachments.0.url"),
    "attachment with half a hash": ({"attachments": [{"url": "https://a", "sha256": "ab"}]}, "attachments.0.sha256"),
    "nameless addressee": ({"disposition": [{"name": " "}]}, "disposition.0.name"),
}


@pytest.mark.parametrize(("changed", "field"), WRONG.values(), ids=WRONG)
async def test_a_field_that_is_wrong_is_refused_by_its_name(door: Door, changed: dict[str, Any], field: str) -> None:
    found = problem(await door.submit(report(**changed)), 422)
    assert fields_of(found) == [field]
    assert found["errors"][0]["detail"]


async def test_every_wrong_field_is_named_at_once(door: Door) -> None:
    found = problem(await door.submit({"text": 1, "service": "x", "extra": None}), 422)
    assert sorted(fields_of(found)) == ["extra", "service", "text", "title"]


async def test_reported_at_may_run_five_minutes_ahead_and_no_more(door: Door, dsn: str) -> None:
    now = await door.world.now()
    found = problem(await door.submit(reported_at=(now + timedelta(minutes=6)).isoformat()), 422)
    assert fields_of(found) == ["reported_at"]
    assert "five minutes" in found["detail"]
    async with open_door(dsn) as other:
        await other.accepted(reported_at=(await other.world.now() + timedelta(minutes=4)).isoformat())
        await other.accepted(reported_at="2000-01-01T00:00:00Z")


@pytest.mark.parametrize("value", [[], "a", 1, None, True])
async def test_a_body_that_is_no_object_is_refused(door: Door, value: Any) -> None:
    assert fields_of(problem(await door.submit(json.dumps(value).encode()), 422)) == ["body"]


@pytest.mark.parametrize("key", ["a" * 201, "kunci\u00e9".encode("latin-1"), "kunci \u2013 satu".encode(), b"a\tb", b""])
async def test_an_idempotency_key_that_is_not_short_ascii_is_refused(door: Door, key: str | bytes) -> None:
    response = await door.http.post(
        "/v1/complaints", json=report(), headers=[(b"Idempotency-Key", key if isinstance(key, bytes) else key.encode())]
    )
    assert fields_of(problem(response, 400)) == ["Idempotency-Key"]


@pytest.mark.parametrize("is_announced", [True, False], ids=["with Content-Length", "without"])
async def test_a_body_over_256_kib_is_refused(door: Door, is_announced: bool) -> None:
    body = json.dumps(report(form={"a": "b" * (256 * KIB)})).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 60_000):
            yield body[start : start + 60_000]

    response = await door.http.post("/v1/complaints", content=body if is_announced else chunks())
    assert "256 KiB" in problem(response, 413)["detail"]


async def test_what_looks_odd_but_is_fine_is_accepted_and_kept_as_it_came(dsn: str) -> None:
    text = 'Baris satu\n\tBaris dua\r\nEmoji \U0001f6c2, aksara \ua9a5\ua9ba, "kutipan", \u202e, tanda \\u0041.'
    async with open_door(dsn) as other:
        body = report(text=text, form={"": {"a": [1.5, None, -9223372036854775807]}}, title="a" * 500, class_=None)
        del body["class_"]
        answer = await other.accepted(body)
        assert await other.accepted(report(text="a" * 20_000))
        kept = json.loads(await other.world.db.fetchval("SELECT original FROM intake.reports WHERE complaint_id = $1", answer["id"]))
        assert (kept["text"], kept["form"]) == (text, body["form"])
        assert (await other.outbox())[0].value["text"] == text
        exactly = json.dumps(report(form={"a": ""})).encode()
        exactly = exactly.replace(b'"a": ""', b'"a": "' + b"b" * (256 * KIB - len(exactly)) + b'"')
        assert len(exactly) == 256 * KIB
        assert (await other.submit(exactly)).status_code == 202
