"""How far the model may be believed: its confidence made a frequency, and the thresholds that follow from what a mistake costs.

Everything is measured out of fold: each report by a model that has seen none of its writer's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from services.router.evidence import Evidence
from services.router.judgement import OVERSIGHT_UNIT, VAGUE
from services.router.rules import OTHER_AGENCY
from services.router.thresholds import Costs, Thresholds
from services.router.training.corpus import TERM_WRITERS, Row
from services.router.training.fit import fit
from shared.units import UNIT_SLUGS

# A clerk's look takes minutes and, at night, hours of waiting. A wrong route costs the unit's look, the return, another look, and a day or
# two of the five working days that the law gives. A wrong transfer sends a citizen away from the ministry that must help. A look at a
# report that may be oversight needs a second person, because the first may not see its text; one that is missed reaches the office
# complained about.
COSTS = Costs(wrong_route=6.0, wrong_transfer=100.0, withheld_look=3.0, missed_oversight=20.0)
# So many reports of all outcomes stand beside an outcome's own, where these are few.
_LENT = 60
# However cheap a wrong route is said to be: below this nothing speaks for misconduct.
_LEAST_RAISED = 0.2
_GRID = np.round(np.arange(0.30, 0.991, 0.01), 2)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """`units`: rows × outcomes of the unit head; `oversight`, `urgency`: one logit a row; `agency`: the best one's name and share."""

    outcomes: tuple[str, ...]
    units: Floats
    oversight: Floats
    urgency: Floats
    agency: tuple[tuple[str, float], ...]


def out_of_fold(rows: Sequence[Row], observed: Sequence[Evidence], cue_names: tuple[str, ...], folds: int = 6) -> OutOfFold:
    writers = sorted({row.writer for row in rows})
    fold_of = {writer: number % folds for number, writer in enumerate(writers)}
    outcomes: tuple[str, ...] = ()
    units: list[Floats] = [np.zeros(0)] * len(rows)
    oversight, urgency = np.zeros(len(rows)), np.zeros(len(rows))
    agency: list[tuple[str, float]] = [("", 0.0)] * len(rows)
    for fold in sorted(set(fold_of.values())):
        learned = [number for number, row in enumerate(rows) if fold_of[row.writer] != fold]
        model = fit(
            [rows[number] for number in learned],
            [observed[number] for number in learned],
            cue_names,
            only=("unit", "oversight", "urgency", "agency"),
        )
        outcomes = model.heads["unit"]
        for number, row in enumerate(rows):
            if fold_of[row.writer] == fold:
                logits = model.score(observed[number]).logits
                units[number] = np.array(logits["unit"])
                oversight[number], urgency[number] = logits["oversight"][0], logits["urgency"][0]
                shares = softmax(np.array([logits["agency"]]))[0]
                agency[number] = (model.heads["agency"][int(shares.argmax())], float(shares.max()))
    return OutOfFold(outcomes, np.stack(units), oversight, urgency, tuple(agency))


def unseen(rows: Sequence[Row], measured: OutOfFold) -> tuple[tuple[Row, ...], OutOfFold]:
    """Without the writers whose reports helped to write the terms; all, where there are no others."""
    kept = [number for number, row in enumerate(rows) if row.writer not in TERM_WRITERS] or list(range(len(rows)))
    chosen = OutOfFold(
        measured.outcomes,
        measured.units[kept],
        measured.oversight[kept],
        measured.urgency[kept],
        tuple(measured.agency[number] for number in kept),
    )
    return tuple(rows[number] for number in kept), chosen


def softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Guesses:
    """By row: the best guess among the outcomes that a report may go to, as a place in `names`, and whether it is the label."""

    names: tuple[str, ...]
    top: NDArray[np.int64]
    confidence: Floats
    right: NDArray[np.bool_]


def best_guesses(rows: Sequence[Row], measured: OutOfFold, temperature: float) -> Guesses:
    names = tuple(name for name in measured.outcomes if name != VAGUE)
    routable = np.delete(softmax(measured.units / temperature), measured.outcomes.index(VAGUE), axis=1)
    top = routable.argmax(axis=1)
    return Guesses(names, top, routable.max(axis=1), np.array([names[at] == row.unit for at, row in zip(top, rows, strict=True)]))


def calibrate(rows: Sequence[Row], measured: OutOfFold, costs: Costs = COSTS) -> Thresholds:
    """The thresholds of least cost; `measured` should be `unseen` alone."""
    truth = np.array([measured.outcomes.index(row.unit) for row in rows])

    def surprise(temperature: float) -> float:
        return float(-np.log(softmax(measured.units / temperature)[np.arange(len(rows)), truth] + 1e-12).mean())

    temperature = round(float(minimize_scalar(surprise, bounds=(0.3, 5.0), method="bounded").x), 3)
    guesses = best_guesses(rows, measured, temperature)
    names, top, confidence, right = guesses.names, guesses.top, guesses.confidence, guesses.right
    pooled = _costs_by_threshold(confidence, right, costs.wrong_route)
    units = {}
    for unit in UNIT_SLUGS:
        if unit == OVERSIGHT_UNIT:
            continue
        own = top == names.index(unit)
        found = _costs_by_threshold(confidence[own], right[own], costs.wrong_route)
        units[unit] = float(_GRID[int((found + pooled * _LENT / len(rows)).argmin())])
    transferred = top == names.index(OTHER_AGENCY)
    raised = round(max(1 - costs.withheld_look / costs.wrong_route, _LEAST_RAISED), 3)
    return Thresholds(
        temperature=temperature,
        costs=costs,
        default=float(_GRID[int(pooled.argmin())]),
        other_agency=_least_for_precision(confidence[transferred], right[transferred], 1 - 1 / costs.wrong_transfer),
        units=units,
        agency=0.5,
        vague=0.5,
        # Raised where a wrong route is likely to cost less than a look; looked at where a miss is likely to cost more than a look.
        oversight=raised,
        oversight_in_doubt=min(raised, round(costs.withheld_look / costs.missed_oversight, 3)),
        # A danger that is overlooked costs more than six looks.
        urgent=0.15,
        special_data=0.5,
        service=0.4,
    )


def report(rows: Sequence[Row], measured: OutOfFold, found: Thresholds, error: float) -> str:
    """The thresholds, and what each costs and gains out of fold, as Markdown."""
    guesses = best_guesses(rows, measured, found.temperature)
    lines = [
        f"{len(rows)} reports of {len({row.writer for row in rows})} writers, each judged by a model that has seen none of its writer's.",
        "",
        f"A wrong route costs {found.costs.wrong_route:g} looks of a clerk, a wrong transfer {found.costs.wrong_transfer:g}, "
        f"a missed accusation {found.costs.missed_oversight:g}. Expected calibration error: {error:.3f}.",
        "",
        "| outcome | threshold | best guesses | decided | right when decided |",
        "|---|---|---|---|---|",
    ]
    for at, name in enumerate(guesses.names):
        own = guesses.top == at
        decided = own & (guesses.confidence >= found.of(name))
        share = f"{guesses.right[decided].mean():.3f}" if decided.any() else "–"
        lines.append(f"| {name} | {found.of(name)} | {own.sum()} | {decided.sum()} | {share} |")
    return "\n".join(lines) + "\n"


def _costs_by_threshold(confidence: Floats, right: NDArray[np.bool_], wrong: float) -> Floats:
    """What deciding from each threshold of the grid on would have cost, in looks."""
    decided = confidence[:, None] >= _GRID[None]
    return np.asarray((~decided).sum(axis=0) + wrong * (decided & ~right[:, None]).sum(axis=0), dtype=np.float64)


def _least_for_precision(confidence: Floats, right: NDArray[np.bool_], precision: float) -> float:
    """The least threshold from which on every higher one is as precise, too."""
    least = 0.999
    for threshold in sorted((*_GRID, *np.round(np.arange(0.991, 0.999, 0.001), 3)), reverse=True):
        decided = confidence >= threshold
        if decided.any() and right[decided].mean() < precision:
            break
        least = float(threshold)
    return least


def to_toml(found: Thresholds) -> str:
    """The file that the router reads."""
    lines = ["# Written by `jalur router calibrate`, from reports judged by models that had seen none of their writer's."]
    for name, value in found.model_dump().items():
        if not isinstance(value, dict):
            lines.append(f"{name} = {value}")
    lines += ["", "# In looks of a clerk.", "[costs]", *(f"{name} = {value}" for name, value in found.costs.model_dump().items())]
    lines += ["", "[units]", *(f"{unit} = {value}" for unit, value in found.units.items())]
    return "\n".join(lines) + "\n"
