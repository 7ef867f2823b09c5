"""What returns, orders and dispositions say about the router, and when its mix of destinations has become another one."""

import math
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain import Assign, Decision, Hold, Transfer, decide
from services.router.feedback import DRIFT_ALARM, Compared, Returned, band, compared_of, leading_kind, mix_drift, returned_of
from shared.events import Reason
from shared.units import UNIT_SLUGS
from tests.unit.test_router_domain import DIRECTORY, JUDGED, decided, disposed, judged, report
from tests.unit.test_router_orders import PRACTICE, ordered, request

USUAL = {"imigrasi": 0.45, "pemasyarakatan": 0.3, "ahu": 0.1, "ki": 0.05, "triage": 0.07, "other_agency": 0.03}


def drawn(count: int, shares: dict[str, float], seed: int) -> Counter[str]:
    return Counter(random.Random(seed).choices(list(shares), list(shares.values()), k=count))


def test_a_return_is_counted_for_the_unit_that_had_the_part_and_the_decision_that_gave_it() -> None:
    several = decided().model_copy(update={"parts": (Assign("ki"), Assign("imigrasi"), Hold("vague"))})
    by_source = decided(**disposed("AHU"))
    earlier = {0: several, 2: by_source}
    assert returned_of(request(replaces=["0/1"]), earlier) == [Returned("imigrasi", "router", "term", "0.80-0.90")]
    assert returned_of(request(replaces=["2/0", "2/0"]), earlier) == [Returned("ahu", "source", "term", "0.80-0.90")]
    assert [item.unit for item in returned_of(request(replaces=["0/0", "0/1"]), earlier)] == ["ki", "imigrasi"]


@pytest.mark.parametrize("replaces", [["0/2"], ["0/7"], ["1/0"], ["x/0"], ["0"], ["0/-1"], [""], ["0/" + "9" * 30], ["٠/0"]])
def test_a_return_of_what_the_log_does_not_know_as_given_to_a_unit_counts_for_nobody(replaces: list[str]) -> None:
    earlier = {0: decided().model_copy(update={"parts": (Assign("ki"), Assign("imigrasi"), Hold("vague"))})}
    assert returned_of(request(replaces=replaces), earlier) == []


def test_only_a_return_is_a_return() -> None:
    assert returned_of(request("edited"), {0: decided()}) == []


@pytest.mark.parametrize(
    ("order", "confidence", "expected"),
    [
        ({"unit": "imigrasi"}, 0.99, Compared("imigrasi", "term", "0.98-1", "yes")),
        ({"unit": "ahu"}, 0.96, Compared("imigrasi", "term", "0.95-0.98", "no")),
        ({"hold": True}, 0.92, Compared("imigrasi", "term", "0.90-0.95", "no")),
        ({"unit": "ahu"}, 0.3, Compared("triage", "term", "0-0.60", "undecided")),
    ],
)
def test_an_order_is_held_against_the_router_s_own_view(order: dict[str, Any], confidence: float, expected: Compared) -> None:
    asked = request(**ordered(order, refused_units=[]))
    decision = decide(asked, judged(confidence=confidence), DIRECTORY, PRACTICE)
    assert compared_of(decision) == expected


def test_a_disposition_that_names_the_router_s_unit_among_others_agrees() -> None:
    agreed = compared_of(decided(**disposed("AHU", "Imigrasi")))
    assert agreed is not None
    assert agreed.agreed == "yes"
    other = compared_of(decided(**disposed("AHU")))
    assert other is not None
    assert other.agreed == "no"


def test_the_router_s_own_decisions_and_history_are_compared_with_nothing() -> None:
    assert compared_of(decided()) is None
    assert compared_of(decide(report(is_final=True, **disposed("AHU")), JUDGED, DIRECTORY)) is None


def test_a_transfer_ordered_where_the_router_saw_another_agency_agrees() -> None:
    view = judged(unit="other_agency", agency="BPN", notice="x")
    decision = decide(request(**ordered({"agency": "BPN"}, refused_units=[])), view, DIRECTORY, PRACTICE)
    assert isinstance(decision.parts[0], Transfer)
    assert compared_of(decision) == Compared("other_agency", "term", "0.80-0.90", "yes")


def test_the_leading_reason_is_the_loudest_that_no_person_said() -> None:
    reasons = [
        Reason(kind="human", value="x", weight=9),
        Reason(kind="rule", value="x", weight=1),
        Reason(kind="model", value="x", weight=3),
    ]
    assert leading_kind(reasons) == "model"
    assert leading_kind(reasons[:1]) == leading_kind([]) == "none"


@given(st.floats(allow_nan=True))
def test_every_confidence_has_a_band(confidence: float) -> None:
    assert band(confidence) in {"0.98-1", "0.95-0.98", "0.90-0.95", "0.80-0.90", "0.60-0.80", "0-0.60"}


@pytest.mark.parametrize("recent", [100, 300, 2000])
def test_the_same_mix_does_not_alarm_however_chance_falls(recent: int) -> None:
    baseline = drawn(5000, USUAL, 1)
    drifts = [mix_drift(drawn(recent, USUAL, seed), baseline) for seed in range(200)]
    assert max(drifts) < DRIFT_ALARM
    assert sum(drifts) / len(drifts) < 0.025, "what chance makes of it is taken off"


@pytest.mark.parametrize(
    "other",
    [
        USUAL | {"triage": 0.5},  # the judge has lost its certainty
        USUAL | {"imigrasi": 0.02, "pemasyarakatan": 0.7},  # one unit's matters go elsewhere
        USUAL | {"other_agency": 0.5},  # reporters are sent away
        {"bpsdm": 1.0},  # all to one that had none
    ],
)
def test_another_mix_alarms(other: dict[str, float]) -> None:
    baseline = drawn(5000, USUAL, 1)
    assert min(mix_drift(drawn(200, other, seed), baseline) for seed in range(50)) > DRIFT_ALARM


def test_too_little_to_compare_says_nothing() -> None:
    enough, usual = drawn(100, USUAL, 1), drawn(500, USUAL, 2)
    assert not math.isnan(mix_drift(enough, usual))
    assert math.isnan(mix_drift(drawn(99, USUAL, 1), usual))
    assert math.isnan(mix_drift(enough, drawn(499, USUAL, 2)))
    assert math.isnan(mix_drift({}, {}))


@given(*(st.dictionaries(st.sampled_from(UNIT_SLUGS), st.integers(0, 10**6)) for _ in range(2)))
def test_drift_is_never_below_zero_and_nothing_differs_from_itself(recent: dict[str, int], baseline: dict[str, int]) -> None:
    drift = mix_drift(recent, baseline)
    assert math.isnan(drift) or 0 <= drift < math.inf
    same = mix_drift(baseline, baseline)
    assert math.isnan(same) or same == 0


def test_a_decision_of_an_older_log_can_be_compared() -> None:
    assert Decision.from_json(decided().to_json()) == decided()
