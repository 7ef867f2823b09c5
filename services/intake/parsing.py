"""JSON from outside, strictly: what is refused here would become a poison record further on. Pure.

Refused with the place named: bytes that are not UTF-8, duplicate keys, NaN and infinities, control characters but tab, newline and
carriage return, lone surrogates, nesting over 50 levels, numbers nobody means.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from shared.masking import mask
from shared.problems import Problem

MOST_BYTES = 256 * 1024
_DEEPEST = 50
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
Model = TypeVar("Model", bound=BaseModel)


def too_large(what: str = "the body") -> Problem:
    return Problem(413, "too-large", "Too large", f"{what} is larger than {MOST_BYTES // 1024} KiB")


def _malformed(detail: str, field: str | None = None) -> Problem:
    return Problem(400, "malformed-json", "Not acceptable JSON", detail, field=field)


class _Duplicate(ValueError):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Duplicate(next(name for name in names if names.count(name) > 1))
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_decode = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant).decode


def parse_json(body: bytes) -> Any:
    """The value of a JSON text; raises `Problem` 400, naming the place where it can."""
    if not body.strip():
        raise _malformed("the body is empty; send a JSON object")
    try:
        value = _decode(body.decode())
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is not UTF-8") from None
    except _Duplicate as error:
        name = str(error)
        raise _malformed("the key stands twice in one object", _printable(name)) from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _malformed(f"nested deeper than {_DEEPEST} levels") from None
    except ValueError as error:  # NaN, Infinity, integers of thousands of digits
        raise _malformed(str(error).partition(";")[0][:120]) from None
    _walk(value, (), 0)
    return value


def _walk(value: Any, path: tuple[str, ...], depth: int) -> None:
    if isinstance(value, str):
        found = _REFUSED.search(value)
        if found:
            sign = ord(found.group())
            kind = "a lone surrogate" if 0xD800 <= sign <= 0xDFFF else "a control character"
            raise Problem(
                422,
                "invalid-field",
                "A field is not acceptable",
                f"has {kind} (U+{sign:04X}) at position {found.start()}",
                field=_dotted(path),
            )
    elif isinstance(value, dict):
        if depth >= _DEEPEST:
            raise _malformed(f"nested deeper than {_DEEPEST} levels", _dotted(path[:3]))
        for name, item in value.items():
            if _REFUSED.search(name):
                raise _malformed("a key has a control character or a lone surrogate", _dotted((*path, _printable(name))))
            _walk(item, (*path, name), depth + 1)
    elif isinstance(value, list):
        if depth >= _DEEPEST:
            raise _malformed(f"nested deeper than {_DEEPEST} levels", _dotted(path[:3]))
        for number, item in enumerate(value):
            _walk(item, (*path, str(number)), depth + 1)
    elif (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) >= 2**63):
        raise _malformed("the number is too large", _dotted(path))


def _dotted(path: Sequence[str]) -> str:
    # An unknown field's name is input too.
    return mask(".".join(path)[:200]).text or "body"


def _printable(name: str) -> str:
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in mask(name[:100]).text)


def validate(model: type[Model], value: Any) -> Model:
    """`value` as `model`; raises `Problem` 422 that names every bad field and never quotes what stood there."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> Problem:
    errors = [
        {"field": _dotted([str(step) for step in item["loc"]]), "detail": _said(item["type"], item["msg"])}
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    ]
    first = errors[0]
    return Problem(422, "invalid-field", "A field is not acceptable", f"{first['field']}: {first['detail']}", errors=errors)


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a known field"
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ")
