"""How far a relay's round looks: past one complaint's many events, and no further than it has to."""

from shared.outbox_turns import Sight

LANE, OTHER = ("answers", "lapor"), ("answers", "ppid")


def test_a_lane_of_many_complaints_is_looked_at_as_far_as_a_round_takes() -> None:
    sight = Sight(1_000)
    sight.learn({LANE: (1_000, 1_000), OTHER: (1_000, 500)})
    assert (sight.widths, sight.of(LANE)) == ({}, 1_000)


def test_a_lane_full_of_one_complaint_is_looked_at_further_alone_and_within_a_bound() -> None:
    sight = Sight(1_000)
    for _ in range(10):
        sight.learn({LANE: (sight.of(LANE), 1), OTHER: (20, 20)})
    assert sight.widths == {LANE: 256_000}
    assert sight.of(OTHER) == 1_000


def test_it_is_narrowed_only_once_everything_is_seen_then_too() -> None:
    sight = Sight(1_000)
    sight.learn({LANE: (1_000, 1)})
    for seen, width in ((3_000, 4_000), (1_001, 4_000), (1_000, 1_000)):
        sight.learn({LANE: (seen, 1)})
        assert sight.of(LANE) == width
    sight.learn({LANE: (1_000, 1)})
    sight.learn({})
    assert sight.widths == {}, "nothing waits"
