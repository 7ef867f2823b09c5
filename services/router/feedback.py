"""What decisions say about the router's quality: returns, orders and dispositions against its view, and whether its mix drifts. Pure.

It names only closed sets, so that its answers can be labels of metrics, and it never decides anything.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from services.router.decision import Assign, Decision, destination
from shared.events import Reason, RerouteRequested

Agreed = Literal["yes", "no", "undecided"]
NONE = "none"
# The lower ends of the bands of confidence; calibration is read off them: in 0.90-0.95 one return in fifteen is as it should be.
_BANDS = ((0.98, "0.98-1"), (0.95, "0.95-0.98"), (0.9, "0.90-0.95"), (0.8, "0.80-0.90"), (0.6, "0.60-0.80"), (0.0, "0-0.60"))
_OF_A_PERSON = ("human", "disposition")

# The last day against the four weeks before it.
RECENT = timedelta(days=1)
BASELINE = timedelta(days=28)
# Below these counts a mix says nothing.
LEAST_RECENT = 100
LEAST_BASELINE = 500
# The usual reading of a population stability index: below 0.1 nothing has changed, above 0.25 the population is another one.
DRIFT_ALARM = 0.25


@dataclass(frozen=True, slots=True)
class Returned:
    """A unit gave back what `decided_by` had given to it; `reason` is the kind of the strongest one."""

    unit: str
    decided_by: str
    reason: str
    band: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A person decided; `unit` is the router's own view (`triage`: it would have asked), and whether the person agreed."""

    unit: str
    reason: str
    band: str
    agreed: Agreed


def band(confidence: float) -> str:
    return next((name for least, name in _BANDS if confidence >= least), _BANDS[-1][1])


def leading_kind(reasons: Sequence[Reason]) -> str:
    """The kind of the reason that spoke loudest, a person's words aside."""
    own = [reason for reason in reasons if reason.kind not in _OF_A_PERSON]
    return max(own, key=lambda reason: reason.weight).kind if own else NONE


def returned_of(request: RerouteRequested, earlier: Mapping[int, Decision]) -> list[Returned]:
    """One for each part given back, by the decision that had given it. What the log does not know is not guessed."""
    if request.cause != "returned":
        return []
    found = []
    for name in dict.fromkeys(request.replaces):
        number, _, part = name.partition("/")
        decision = earlier.get(_whole(number))
        given = decision.parts[_whole(part)] if decision is not None and 0 <= _whole(part) < len(decision.parts) else None
        if decision is not None and isinstance(given, Assign):
            found.append(Returned(given.unit, decision.decided_by, leading_kind(decision.reasons), band(decision.confidence)))
    return found


def compared_of(decision: Decision) -> Compared | None:
    """None where the router decided itself, or nobody did."""
    view = decision.suggestion
    if view is None or not decision.parts:
        return None
    given = {destination(part) for part in decision.parts}
    agreed: Agreed = "undecided" if view.unit is None else "yes" if view.unit in given else "no"
    return Compared(view.unit or "triage", leading_kind(decision.reasons), band(view.confidence), agreed)


def mix_drift(recent: Mapping[str, int], baseline: Mapping[str, int]) -> float:
    """How far the recent mix of destinations lies from the baseline: the population stability index, less what chance alone makes of it.

    0 means the same, above DRIFT_ALARM another mix; NaN where too little is known to say. Chance alone gives an index of about
    (destinations - 1) times (1/recent + 1/baseline), because it is a chi-square in disguise (Yurdakul 2018).
    """
    whole, before = sum(recent.values()), sum(baseline.values())
    if whole < LEAST_RECENT or before < LEAST_BASELINE:
        return math.nan
    names = [name for name in {**recent, **baseline} if recent.get(name, 0) or baseline.get(name, 0)]
    index = 0.0
    for name in names:
        # Half a report more on either side, so that a destination that one side does not know counts finitely.
        now = (recent.get(name, 0) + 0.5) / (whole + 0.5 * len(names))
        then = (baseline.get(name, 0) + 0.5) / (before + 0.5 * len(names))
        index += (now - then) * math.log(now / then)
    return max(0.0, index - (len(names) - 1) * (1 / whole + 1 / before))


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
