"""Lines posted to intake: each ends with one answer, whatever happens on the way, and nothing is asked for ever."""

import json
from collections.abc import Callable

import httpx
import pytest

from services.commands import CommandError
from services.commands.door import Answer, Door

Handler = Callable[[httpx.Request], httpx.Response]


class _Intake:
    """Answers one scripted response a request, the last one for ever; remembers the requests."""

    def __init__(self, *responses: Handler) -> None:
        self.requests: list[tuple[list[bytes], str | None]] = []
        self._responses = list(responses)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request.read().split(b"\n")[:-1], request.headers.get("idempotency-key")))
        return (self._responses.pop(0) if len(self._responses) > 1 else self._responses[0])(request)


class _Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def door(intake: _Intake, time: _Time, waits: Callable[[str], None] = lambda _reason: None) -> Door:
    client = httpx.Client(base_url="http://intake", transport=httpx.MockTransport(intake))
    return Door(client, "secret", waits, patience_seconds=60.0, sleep=time.sleep, now=lambda: time.seconds)


def line_of(answer: Answer) -> int | None:
    return answer["line"] - 1 if answer.get("line") else None


def ndjson(*answers: Answer) -> Handler:
    content = b"".join(json.dumps(answer, ensure_ascii=False).encode() + b"\n" for answer in answers)
    return lambda _request: httpx.Response(200, content=content)


def taken(*numbers: int) -> Handler:
    return ndjson(*({"line": number, "id": f"id-{number}"} for number in numbers))


def refused(status: int, **headers: str) -> Handler:
    return lambda _request: httpx.Response(status, json={"title": "Away", "detail": "the database does not answer"}, headers=headers)


def cut_off(_request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("too late")


def posted(intake: _Intake, time: _Time, *lines: bytes) -> dict[int, Answer]:
    found = list(door(intake, time).post("/v1/complaints/batch", lines, line_of, "key-1"))
    assert len(found) == len(dict(found)), "one answer a line"
    return dict(found)


def test_every_line_is_answered_and_blank_ones_are_passed_over() -> None:
    intake = _Intake(taken(1, 3))
    assert posted(intake, _Time(), b"a", b"", b"c") == {0: {"line": 1, "id": "id-1"}, 2: {"line": 3, "id": "id-3"}}
    assert intake.requests == [([b"a", b"", b"c"], "key-1")]


def test_what_was_not_answered_is_sent_again_under_the_same_number_and_key() -> None:
    intake = _Intake(taken(2), taken(1, 3))
    assert posted(intake, _Time(), b"a", b"b", b"c").keys() == {0, 1, 2}
    assert intake.requests == [([b"a", b"b", b"c"], "key-1"), ([b"a", b"", b"c"], "key-1")]


@pytest.mark.parametrize("fault", [cut_off, refused(503), refused(500), refused(409), refused(429)])
def test_a_fault_that_passes_is_waited_for(fault: Handler) -> None:
    time = _Time()
    assert posted(_Intake(fault, fault, taken(1)), time, b"a").keys() == {0}
    assert len(time.slept) == 2
    assert time.slept[0] < time.slept[1]


def test_intake_says_how_long_to_wait() -> None:
    time = _Time()
    posted(_Intake(refused(503, **{"Retry-After": "7"}), taken(1)), time, b"a")
    assert time.slept == [7.0]


def test_a_line_that_cannot_be_stored_just_now_is_sent_again_and_one_that_is_wrong_is_not() -> None:
    half = ndjson({"line": 1, "problem": {"status": 503, "detail": "away"}}, {"line": 2, "problem": {"status": 422, "detail": "wrong"}})
    intake = _Intake(half, taken(1))
    answers = posted(intake, _Time(), b"a", b"b")
    assert answers[0]["id"] == "id-1"
    assert answers[1]["problem"]["status"] == 422
    assert intake.requests[1][0] == [b"a", b""]


def test_a_line_that_intake_stumbles_over_each_time_does_not_hold_up_the_others() -> None:
    stumbles = ndjson({"line": 1, "problem": {"status": 500, "detail": "Internal error"}}, {"line": 2, "id": "id-2"})
    answers = posted(_Intake(stumbles), _Time(), b"a", b"b")
    assert answers[0]["problem"]["status"] == 500
    assert answers[1]["id"] == "id-2"


def test_a_refusal_of_the_whole_ends_at_once_with_the_reason() -> None:
    time = _Time()
    with pytest.raises(CommandError, match=r"Away: the database does not answer \(403\)"):
        posted(_Intake(refused(403)), time, b"a")
    assert time.slept == []


def test_patience_ends_and_says_that_a_repeat_is_safe() -> None:
    time, reasons = _Time(), list[str]()
    with pytest.raises(CommandError, match=r"did not take 1 lines within 60 s: intake at http://intake does not answer.*again is safe"):
        list(door(_Intake(cut_off), time, reasons.append).post("/", [b"a"], line_of))
    assert 60 < time.seconds < 90
    assert set(reasons) == {"intake at http://intake does not answer: ReadTimeout"}


def test_progress_renews_the_patience() -> None:
    away: list[Handler] = [refused(503, **{"Retry-After": "40"})]
    time = _Time()
    assert posted(_Intake(*away, taken(1), *away, taken(2)), time, b"a", b"b").keys() == {0, 1}
    assert time.seconds > 60


def test_a_line_separator_inside_an_answer_does_not_split_it() -> None:
    answer = {"line": 1, "problem": {"status": 422, "detail": "a\u2028b: is not a known field"}}
    assert posted(_Intake(ndjson(answer)), _Time(), b"a") == {0: answer}
