"""Two pictures for the report: what is mistaken for what, and whether confidence is a frequency."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_BINS = 10


def draw_confusion(matrix: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Rows are the labels, columns the best guesses; colour is the share of the row."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(9.5, 8))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    for row in range(len(names)):
        for column in range(len(names)):
            if matrix[row, column]:
                axes.text(
                    column,
                    row,
                    str(matrix[row, column]),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if shares[row, column] > 0.5 else "black",
                )
    axes.set_xlabel("best guess")
    axes.set_ylabel("label")
    _save(figure, path)


def draw_reliability(confidence: ArrayLike, right: ArrayLike, path: Path) -> float:
    """Draws it and returns the expected calibration error: the mean distance between confidence and frequency, by report."""
    sure, hit = np.asarray(confidence), np.asarray(right, dtype=float)
    which = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(6, 7), height_ratios=(3, 1), sharex=True)
    upper.plot((0, 1), (0, 1), color="grey", linestyle="--", label="perfect")
    means, shares, error = [], [], 0.0
    for bin_ in range(_BINS):
        inside = which == bin_
        if inside.any():
            means.append(sure[inside].mean())
            shares.append(hit[inside].mean())
            error += inside.sum() * abs(means[-1] - shares[-1])
    upper.plot(means, shares, marker="o", label="the router")
    upper.set_ylabel("share that was right")
    upper.legend()
    lower.hist(sure, bins=_BINS, range=(0, 1))
    lower.set_xlabel("confidence")
    lower.set_ylabel("reports")
    _save(figure, path)
    return error / len(sure)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)
