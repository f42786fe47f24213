"""Figures of scored mail, group by group, each with what chance alone could make of it.

Shares have Wilson's interval, which says something even of none in a hundred; AUC, recall at a rate and calibration
error are resampled mail by mail within each class, by seed.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluate.measures import auc, recall_at
from training.evaluate.scoring import ACTIONS, Scored

RESAMPLES = 400
BINS = 10
_Z = 1.96  #: 95 %

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure between its 95 % bounds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Share(Estimate):
    """So many of so many."""

    count: int
    of: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One system on one group of mail. What needs a class that is missing is None."""

    name: str
    wanted: int
    unwanted: int
    auc: Estimate | None
    recall_01: Estimate | None  #: of unwanted mail, at the threshold that 0.1 % of the wanted mail exceeds
    recall_05: Estimate | None  #: the same at 0.5 %
    junked: Share | None  #: wanted mail that went to Junk, or worse
    held: Share | None  #: wanted mail that was held, or worse
    found: Share | None  #: unwanted mail that went to Junk, or worse
    accuracy: float | None  #: at even odds, without the prior
    ece: Estimate | None  #: calibration error, both classes counting half


def share(count: int, of: int) -> Share | None:
    """With Wilson's 95 % interval; None of nothing."""
    if not of:
        return None
    p, d = count / of, 1 + _Z * _Z / of
    middle, half = (p + _Z * _Z / 2 / of) / d, _Z * math.sqrt(p * (1 - p) / of + _Z * _Z / 4 / of / of) / d
    return Share(p, max(0.0, middle - half), min(1.0, middle + half), count, of)


def figures(name: str, mails: Sequence[Scored], system: str, seed: int) -> Figures:
    """One row of a table."""
    bad = np.array([m.answers[system].nats for m in mails if m.is_unwanted])
    good = np.array([m.answers[system].nats for m in mails if not m.is_unwanted])
    acts = {kind: Counter(m.answers[system].action for m in mails if m.is_unwanted is kind) for kind in (False, True)}
    both = len(bad) > 0 and len(good) > 0
    return Figures(
        name,
        len(good),
        len(bad),
        auc=resampled(auc, bad, good, seed) if both else None,
        recall_01=resampled(_recall(0.001), bad, good, seed) if both else None,
        recall_05=resampled(_recall(0.005), bad, good, seed) if both else None,
        junked=share(_from(acts[False], "junk"), len(good)),
        held=share(_from(acts[False], "quarantine"), len(good)),
        found=share(_from(acts[True], "junk"), len(bad)),
        accuracy=float((np.sum(bad >= 0) + np.sum(good < 0)) / len(mails)) if mails else None,
        ece=resampled(balanced_error, bad, good, seed) if both else None,
    )


def _recall(rate: float) -> Callable[[Floats, Floats], float]:
    return lambda bad, good: recall_at(bad, good, rate)


def _from(acts: Counter[str], least: str) -> int:
    """Mails that were treated so, or harder."""
    return sum(acts[name] for name in ACTIONS[ACTIONS.index(least) :])


def resampled(figure: Callable[[Floats, Floats], float], bad: Floats, good: Floats, seed: int) -> Estimate:
    """A figure of two classes with its bootstrap interval. Deterministic by seed."""
    rng = np.random.default_rng(seed)
    drawn = [
        figure(bad[rng.integers(len(bad), size=len(bad))], good[rng.integers(len(good), size=len(good))])
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(figure(bad, good), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Bin:
    """Mails of about the same probability."""

    said: float  #: mean probability
    true: float  #: share that is unwanted, both classes counting half
    weight: float  #: share of all mail in it


def calibration(bad: Floats, good: Floats, bins: int = BINS) -> list[Bin]:
    """What was said against what was so, without the prior and as if half of all mail were unwanted."""
    nats = np.concatenate((bad, good))
    chance = 1.0 / (1.0 + np.exp(-np.clip(nats, -50, 50)))
    worth = np.concatenate((np.full(len(bad), 0.5 / len(bad)), np.full(len(good), 0.5 / len(good))))
    truth = np.concatenate((np.ones(len(bad)), np.zeros(len(good))))
    at = np.minimum((chance * bins).astype(int), bins - 1)
    weights = np.bincount(at, worth, bins)
    said, true = np.bincount(at, worth * chance, bins), np.bincount(at, worth * truth, bins)
    return [Bin(float(s / w), float(t / w), float(w)) for s, t, w in zip(said, true, weights, strict=True) if w > 0]


def balanced_error(bad: Floats, good: Floats) -> float:
    """Mean gap between what was said and what was so, over the bins of ``calibration``."""
    return math.fsum(each.weight * abs(each.said - each.true) for each in calibration(bad, good))


@dataclass(frozen=True, slots=True)
class Confusion:
    """What became of the mail of one kind, language or source."""

    name: str
    is_unwanted: bool
    acts: Counter[str]

    @property
    def mails(self) -> int:
        return self.acts.total()


def confusion(mails: Sequence[Scored], system: str, by: Callable[[Scored], str]) -> list[Confusion]:
    """One row a group and class, the largest first."""
    groups: dict[tuple[str, bool], Counter[str]] = {}
    for m in mails:
        groups.setdefault((by(m), m.is_unwanted), Counter())[m.answers[system].action] += 1
    rows = [Confusion(name, unwanted, acts) for (name, unwanted), acts in groups.items()]
    return sorted(rows, key=lambda r: (r.is_unwanted, -r.mails, r.name))


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one stage."""

    stage: str
    mails: int  #: that went through it
    p50: float
    p99: float


def costs(mails: Sequence[Scored]) -> list[Cost]:
    """By stage, in the order mails go through them."""
    spent: dict[str, list[float]] = {}
    for m in mails:
        for stage, ms in m.ms.items():
            spent.setdefault(stage, []).append(ms)
    return [
        Cost(stage, len(ms), float(np.quantile(ms, 0.5)), float(np.quantile(ms, 0.99))) for stage, ms in spent.items()
    ]


def grouped(mails: Sequence[Scored], by: Callable[[Scored], str]) -> dict[str, list[Scored]]:
    """Groups by name; "all" first when there are several."""
    groups: dict[str, list[Scored]] = {}
    for m in mails:
        groups.setdefault(by(m), []).append(m)
    ordered = dict(sorted(groups.items()))
    return {"all": list(mails), **ordered} if len(ordered) > 1 else ordered


def worst(mails: Sequence[Scored], system: str, most: int) -> tuple[list[Scored], list[Scored]]:
    """Wanted mail that was taken for unwanted, and unwanted mail that was let through: the surest mistakes first."""
    good = [m for m in mails if not m.is_unwanted and m.answers[system].action != "accept"]
    bad = [m for m in mails if m.is_unwanted and m.answers[system].action == "accept"]
    good.sort(key=lambda m: -m.answers[system].nats)
    bad.sort(key=lambda m: m.answers[system].nats)
    return good[:most], bad[:most]
