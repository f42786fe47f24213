"""Measures of a scored, labelled set: accuracy, AUC, recall at a false-positive rate, calibration error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BINS = 10


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one held-out set. A measure that needs both classes is NaN-free: 0 when one class is missing."""

    legitimate: int
    unwanted: int
    accuracy: float  #: at probability 0.5
    auc: float
    recall_01: float  #: share of unwanted above the score that 0.1 % of legitimate mail exceeds
    recall_05: float  #: the same at 0.5 %
    false_positives: float  #: share of legitimate mail at or above 0.5
    false_positives_98: float  #: at or above 0.98
    ece: float  #: expected calibration error, ten bins

    def rounded(self) -> dict[str, float]:
        return {name: round(float(getattr(self, name)), 4) for name in self.__slots__}


def measure(nats: Sequence[float], unwanted: Sequence[bool]) -> Measures:
    """Log-odds against truth."""
    scores = np.asarray(nats, dtype=np.float64)
    truth = np.asarray(unwanted, dtype=bool)
    chance = 1.0 / (1.0 + np.exp(-scores))
    bad, good = scores[truth], scores[~truth]
    return Measures(
        legitimate=len(good),
        unwanted=len(bad),
        accuracy=float(((scores >= 0) == truth).mean()) if len(scores) else 0.0,
        auc=auc(bad, good),
        recall_01=recall_at(bad, good, 0.001),
        recall_05=recall_at(bad, good, 0.005),
        false_positives=float((good >= 0).mean()) if len(good) else 0.0,
        false_positives_98=float((chance[~truth] >= 0.98).mean()) if len(good) else 0.0,
        ece=calibration_error(chance, truth),
    )


def auc(bad: NDArray[np.float64], good: NDArray[np.float64]) -> float:
    """Chance that a random unwanted mail scores above a random legitimate one; ties count half."""
    if not len(bad) or not len(good):
        return 0.0
    ordered = np.sort(good)
    below = np.searchsorted(ordered, bad, side="left")
    up_to = np.searchsorted(ordered, bad, side="right")
    return float((below + up_to).sum() / 2 / (len(bad) * len(good)))


def recall_at(bad: NDArray[np.float64], good: NDArray[np.float64], rate: float) -> float:
    """Recall of the strictest threshold that at most ``rate`` of the legitimate mail exceeds."""
    if not len(bad) or not len(good):
        return 0.0
    bar = np.sort(good)[::-1][min(int(rate * len(good) + 1e-9), len(good) - 1)]
    return float((bad > bar).mean())


def calibration_error(chance: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Mean gap between what was said and what was true, over ten bins of probability."""
    if not len(chance):
        return 0.0
    bins = np.minimum((chance * _BINS).astype(int), _BINS - 1)
    gap = 0.0
    for number in range(_BINS):
        inside = bins == number
        if inside.any():
            gap += float(inside.mean()) * abs(float(chance[inside].mean()) - float(truth[inside].mean()))
    return gap
