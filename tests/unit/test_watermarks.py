"""An instant is reached only when all that was appended up to it has been applied."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.watermarks import Tracker
from shared.health import Progress
from shared.metrics import NotifierMetrics
from tests.facts import MONDAY

A, B = TopicPartition("complaints.received", 0), TopicPartition("complaints.updates.imigrasi", 1)
SECOND = timedelta(seconds=1)

# Each second: how many records are appended to a partition, how many of those that lie there are applied, and whether it is looked at.
seconds = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.booleans()), min_size=1, max_size=40)


@given(seconds, seconds)
@settings(deadline=None)
def test_an_instant_is_claimed_only_when_its_end_was_applied_and_never_goes_back(
    a: list[tuple[int, int, bool]], b: list[tuple[int, int, bool]]
) -> None:
    tracker = Tracker()
    end, applied, last = dict.fromkeys((A, B), 0), dict.fromkeys((A, B), 0), dict.fromkeys((A, B), MONDAY - SECOND)
    end_at = {}
    for number, steps in enumerate(zip(a, b, strict=False)):
        at = MONDAY + number * SECOND
        looked_at = set()
        for partition, (appended, done, is_looked_at) in zip((A, B), steps, strict=True):
            end_at[partition, at] = end[partition]  # what was appended before this instant
            end[partition] += appended  # between the instant and the look at the ends
            applied[partition] = min(end[partition], applied[partition] + done)
            if is_looked_at:
                looked_at.add(partition)
        reached = tracker.reached(at, {item: end[item] for item in looked_at}, applied)
        for partition, instant in reached.items():
            assert applied[partition] >= end_at[partition, instant]
            assert instant > last[partition]
            last[partition] = instant


def test_a_partition_that_lags_keeps_its_older_aim_and_reaches_it_while_more_arrives() -> None:
    tracker = Tracker()
    assert tracker.reached(MONDAY, {A: 10}, {A: 0}) == {}
    assert tracker.reached(MONDAY + SECOND, {A: 20}, {A: 9}) == {}
    assert tracker.reached(MONDAY + 2 * SECOND, {A: 30}, {A: 10}) == {A: MONDAY}
    assert tracker.reached(MONDAY + 3 * SECOND, {A: 40}, {A: 30}) == {A: MONDAY + 2 * SECOND}
    assert tracker.reached(MONDAY + 4 * SECOND, {A: 40}, {A: 40}) == {A: MONDAY + 4 * SECOND}


def test_of_a_partition_whose_position_is_not_known_nothing_is_claimed() -> None:
    assert Tracker().reached(MONDAY, {A: 0, B: 0}, {B: 0}) == {B: MONDAY}


def test_a_partition_that_went_to_another_replica_is_forgotten() -> None:
    tracker = Tracker()
    tracker.reached(MONDAY, {A: 10, B: 10}, {A: 0, B: 0})
    tracker.forget({B})
    assert tracker.reached(MONDAY + SECOND, {A: 20, B: 20}, {A: 10, B: 10}) == {B: MONDAY}


def test_only_a_partition_that_ends_before_what_was_known_of_it_was_made_anew() -> None:
    """While Kafka is asked for the ends, more is appended and applied; that is no sign."""
    consumer = SimpleNamespace(applied={A: 100, B: 100}, handed_out={A: 100, B: 100})
    progress = Progress(cast(Any, consumer), NotifierMetrics().consumer)
    known = progress.known([A, B], {A: 90, B: 120})
    consumer.applied[A] = 101
    assert progress.forget_beyond({A: 100, B: 7}, known) == {B}
    assert (consumer.applied, consumer.handed_out) == ({A: 101}, {A: 100})
