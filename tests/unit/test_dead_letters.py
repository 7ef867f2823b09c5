"""What an operator's choice of dead letters means, and what a replay does with them: each record once, and who died again is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.commands import CommandError
from services.commands.dead_history import History, Plan, Replay, plan_replay
from services.commands.dead_letters import DeadLetter, Wanted
from shared.dead_letters import REPLAY_ID, REPLAYED_AT, TOO_LARGE, dead_letter, put_back
from shared.envelope import clean_headers
from shared.errors import Dead, DeadReason
from shared.records import Record
from shared.topics import Topics

NOW = datetime(2026, 7, 6, 9, tzinfo=UTC)
UPDATES = "complaints.updates.ahu"
TOPICS = frozenset(topic.name for topic in Topics().all())
CASE, EVENT, FIRST_REPLAY = UUID(int=1), UUID(int=2), UUID(int=100)


def letter(
    offset: int = 0,
    *,
    origin: str = UPDATES,
    origin_offset: int | None = None,
    value: bytes | None = b"{}",
    reason: DeadReason = "not_our_schema",
    after: timedelta = timedelta(),
    headers: tuple[tuple[str, bytes | None], ...] = (),
    error: str = "value: missing",
) -> DeadLetter:
    about = {
        "x-dlq-reason": reason,
        "x-dlq-error": error,
        "x-origin-topic": origin,
        "x-origin-partition": "1",
        "x-origin-offset": str(offset + 40 if origin_offset is None else origin_offset),
        "x-failed-at": (NOW + after).isoformat(),
    }
    return DeadLetter(0, offset, CASE.bytes, value, headers, about, NOW)


def replay(of: DeadLetter, number: int = 1, *, was_sent: bool = True, id_: UUID = FIRST_REPLAY) -> Replay:
    assert of.identity is not None
    return Replay(id_, of.place, of.identity, number, "an operator", "jalur", NOW, NOW if was_sent else None)


def died_after(replay_id: UUID, offset: int, **changed: bytes | None) -> DeadLetter:
    said = ((REPLAY_ID, str(replay_id).encode()), (REPLAYED_AT, NOW.isoformat().encode()))
    return letter(offset, headers=said, **changed)  # type: ignore[arg-type]


def ids() -> Iterator[UUID]:
    return (UUID(int=number) for number in range(500, 600))


def plan(chosen: list[DeadLetter], *replays: Replay, known: list[DeadLetter] | None = None, again: bool = False) -> Plan:
    given = ids()
    return plan_replay(chosen, History(known or chosen, replays), TOPICS, lambda: next(given), again=again)


def sent(found: Plan) -> list[tuple[str, UUID, int]]:
    return [(item.place, replay_id, number) for item, _, replay_id, number in found.to_send]


# --- the record


def test_a_record_put_back_is_as_it_was_and_says_so_and_says_it_still_where_it_dies_again() -> None:
    headers = (("x-request-id", b"1"), ("odd", None), ("odd", b"\xff"), (REPLAY_ID, b"an earlier one"))
    message = put_back(UPDATES, b"key", b"value", headers, FIRST_REPLAY, NOW)
    said = ((REPLAY_ID, str(FIRST_REPLAY).encode()), (REPLAYED_AT, b"2026-07-06T09:00:00+00:00"))
    assert (message.topic, message.key, message.value) == (UPDATES, b"key", b"value")
    assert message.headers == (*headers[:3], *said)
    record = Record(UPDATES, 1, 41, 0, message.key, message.value, clean_headers(message.headers), message.headers)
    assert dead_letter("dlq.notifier", record, Dead("bug", "KeyError"), NOW).headers[:5] == message.headers


# --- which


LETTERS = [
    letter(0),
    letter(1, reason="bug", after=timedelta(hours=1)),
    letter(2, origin="complaints.received", after=timedelta(hours=2), headers=(("ce_id", str(EVENT).encode()),)),
]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (Wanted(), ["0:0", "0:1", "0:2"]),
        (Wanted(["0:2", "0:0"]), ["0:0", "0:2"]),
        (Wanted([str(CASE)]), ["0:0", "0:1", "0:2"]),
        (Wanted([str(EVENT)]), ["0:2"]),
        (Wanted(reasons=["bug"]), ["0:1"]),
        (Wanted(origins=["complaints.received"]), ["0:2"]),
        (Wanted(since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=2)), ["0:1"]),
        (Wanted([str(CASE)], reasons=["not_our_schema"], since=NOW + timedelta(seconds=1)), ["0:2"]),
    ],
)
def test_letters_are_chosen_by_id_reason_time_and_origin_and_all_that_is_given_must_hold(wanted: Wanted, places: list[str]) -> None:
    assert [item.place for item in wanted.of(LETTERS)] == places


def test_an_origin_is_named_without_the_namespace_too() -> None:
    kept = [letter(origin="t1.complaints.received")]
    assert Wanted(origins=["complaints.received"], namespace="t1").of(kept) == kept
    assert Wanted(origins=["t1.complaints.received"], namespace="t1").of(kept) == kept


@pytest.mark.parametrize(
    ("name", "code"), [("0:99", 1), (str(UUID(int=77)), 1), ("0:x", 2), ("-1:0", 2), ("all", 2), ("0:" + "9" * 5000, 2)]
)
def test_a_name_that_names_nothing_is_said(name: str, code: int) -> None:
    with pytest.raises(CommandError) as caught:
        Wanted([name]).of(LETTERS)
    assert caught.value.exit_code == code


def test_a_letter_without_a_readable_time_counts_from_when_kafka_got_it() -> None:
    for said in ("", "yesterday", "2020-01-01T00:00:00"):
        assert DeadLetter(0, 0, None, None, (), {"x-failed-at": said}, NOW).failed_at == NOW


# --- what a replay does


def test_a_letter_is_put_back_once_unless_again() -> None:
    one = letter()
    assert sent(plan([one])) == [("0:0", UUID(int=500), 1)]
    assert plan([one], replay(one)).put_back_before == [one]
    assert sent(plan([one], replay(one))) == []
    assert sent(plan([one], replay(one), again=True)) == [("0:0", UUID(int=500), 2)]


def test_what_was_begun_and_perhaps_never_sent_goes_under_the_id_it_had() -> None:
    one = letter()
    for again in (False, True):
        assert sent(plan([one], replay(one, was_sent=False), again=again)) == [("0:0", FIRST_REPLAY, 1)]


def test_a_record_kept_twice_is_put_back_once() -> None:
    twice = [letter(0, origin_offset=7), letter(1, origin_offset=7)]
    for again in (False, True):
        found = plan(twice, again=again)
        assert (sent(found), found.put_back_before) == ([("0:0", UUID(int=500), 1)], [twice[1]])
    assert plan(twice, replay(twice[0])).put_back_before == twice


def test_what_died_again_is_put_back_from_its_last_letter_alone() -> None:
    one, two = letter(0), died_after(FIRST_REPLAY, 1)
    for again in (False, True):
        found = plan([one, two], replay(one), again=again)
        assert found.died_again == [(one, two)]
        assert sent(found) == [("0:1", UUID(int=500), 1)]
    assert plan([one], replay(one), known=[one, two]).died_again == [(one, two)], "also where the later letter was not asked for"


def test_another_record_at_the_same_offset_of_topics_made_anew_was_not_put_back() -> None:
    assert sent(plan([letter(value=b"another")], replay(letter()))) == [("0:0", UUID(int=500), 1)]


@pytest.mark.parametrize(
    "stray",
    [
        letter(origin=""),
        letter(origin="somebody.elses"),
        letter(origin="t1.complaints.received"),
        letter(value=None, error="value: missing" + TOO_LARGE),
        DeadLetter(0, 0, None, b"x", (), {"x-origin-topic": UPDATES}, NOW),
        letter(origin_offset=10**18),
    ],
)
def test_what_names_no_place_of_ours_or_was_not_kept_whole_goes_nowhere(stray: DeadLetter) -> None:
    found = plan([stray], again=True)
    assert (sent(found), found.cannot_be_sent) == ([], [stray])


# --- what became of it


def test_a_letter_tells_how_often_its_record_died_and_after_whose_replay() -> None:
    second, third = UUID(int=101), UUID(int=102)
    one, two = letter(0), died_after(FIRST_REPLAY, 1)
    three = died_after(second, 2)
    history = History([one, two, three], [replay(one), replay(two, id_=second), replay(three, id_=third)])
    assert [history.deaths(item) for item in (one, two, three)] == [1, 2, 3]
    told = history.told(two)
    assert told["died_after"]["letter"] == "0:0"
    assert [(item["id"], item["died_again_at"]) for item in told["put_back"]] == [(str(second), "0:2")]
    assert [item["died_again_at"] for item in history.told(three)["put_back"]] == [None]


@pytest.mark.parametrize("forged", [died_after(UUID(int=999), 1), died_after(FIRST_REPLAY, 1, value=b"another")])
def test_a_replay_s_id_that_a_writer_made_up_or_copied_is_nobody_s_replay(forged: DeadLetter) -> None:
    one = letter(0)
    history = History([one, forged], [replay(one)])
    assert (history.deaths(forged), history.last_death(one), history.told(forged)["died_after"]) == (1, None, None)


def test_headers_that_are_no_ids_are_none() -> None:
    for said in (b"", b"\xff", b"7", None):
        odd = letter(headers=((REPLAY_ID, said), ("ce_id", said)))
        assert (odd.replay_id, odd.event_id) == (None, None)
