"""Who may run how far ahead: a flood is held while it is being worked off, and nobody for ever."""

from shared.outbox_pace import Pace


def send(pace: Pace, lane: str, count: int) -> None:
    for _ in range(count):
        pace.sent(lane)


def test_only_who_is_far_ahead_is_held_and_what_was_never_sent_does_not_count() -> None:
    pace = Pace(100)
    pace.look({"lapor": 5_000, "ppid": 99, "counter": 300}, {"lapor": 4_900, "counter": 201})
    assert pace.held == ["lapor"]


def test_who_is_held_goes_on_as_soon_as_enough_was_decided() -> None:
    pace = Pace(100)
    pace.look({"lapor": 150}, {})
    assert pace.held == ["lapor"]
    pace.look({"lapor": 99}, {})
    assert pace.held == []


def test_nobody_is_held_while_nothing_is_decided_and_again_when_something_is() -> None:
    pace = Pace(100)
    held = []
    for _ in range(8):
        pace.look({"lapor": 150}, {})
        held.append(bool(pace.held))
    assert held == [True, True, True, True, True, False, False, False]
    send(pace, "lapor", 1_000)
    pace.look({"lapor": 1_150}, {})
    assert pace.held == [], "sent is not decided"
    pace.look({"lapor": 1_149}, {})
    assert pace.held == ["lapor"]


def test_a_source_that_keeps_up_is_never_held_however_much_it_sends() -> None:
    pace = Pace(100)
    for _ in range(50):
        send(pace, "lapor", 600)
        pace.look({"lapor": 90}, {"lapor": 10})
        assert pace.held == []
