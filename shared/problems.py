"""Answers that say what was wrong, where, and what to do (RFC 9457). Pure; `web.py` turns them into responses."""

from collections.abc import Mapping, Sequence
from typing import Any

PROBLEM_TYPE = "urn:jalur:problem:"


class Problem(Exception):
    """An answer that says what was wrong, where, and what to do. `field` is a dotted path into the body, or a header's name."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        field: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = f"{field}: {detail}" if field else detail
        self.errors = tuple(errors) or (({"field": field, "detail": detail},) if field else ())
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": PROBLEM_TYPE + self.kind, "title": self.title, "status": self.status, "detail": self.detail}
        if self.errors:
            found["errors"] = list(self.errors)
        return found


def away(what: str = "the database") -> Problem:
    return Problem(
        503,
        "away",
        "Not available now",
        f"{what} does not answer; whether the request was stored is unknown: send it again with the same key",
        retry_after=2,
    )
