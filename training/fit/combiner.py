"""The weights of the signals: logistic regression on whole mails, held near hand-set priors and to their signs.

What the data show often is fitted; what they never or hardly show keeps its prior, because the prior is a normal
distribution around the hand-set weight and rare evidence cannot move it far. A signal that was declared to speak
against a mail may lose its weight, but never speak for it. Facts that a file does not hold (authentication, history,
the connection) are not fitted: see ``docs/models.md``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.artefact import PRIOR
from models.combiner import Weights

Seen = Mapping[str, float]  #: strength by signal name

#: What a file does not hold, or what depends on the day it is read.
UNKNOWABLE = (
    *("model.", "prior", "history.", "check.", "connection.", "header.date-", "bounce."),
    *("spf.", "dkim.", "dmarc.", "arc.", "iprev."),
)
_MAILS = 1_500.0  #: what the training mail counts for against the priors; mails of one source are not independent
_SPREAD = (0.3, 0.35)  #: standard deviation of the prior: a constant, and a share of the hand-set weight
_FEWEST = 8  #: mails that must show a signal before its weight may move


def fit_signals(
    seen: Sequence[Seen],
    words: NDArray[np.float64],
    unwanted: NDArray[np.bool_],
    worth: NDArray[np.float64],
    by_hand: Weights,
) -> dict[str, float]:
    """New weights, in nats, for the signals that enough of the mails show, and the prior that goes with them.

    ``words`` are out-of-fold log-odds of the content models, whose weight stays one, and ``worth`` is what each mail
    counts. The prior moves by what the signals of usual mail sum to; the odds of mail themselves stay as set by hand.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    names = _fitted(seen, by_hand)
    if not names:
        return {}
    column = {name: at for at, name in enumerate(names)}
    strengths = np.zeros((len(seen), len(names)))
    for row, each in enumerate(seen):
        for name, strength in each.items():
            if name in column:
                strengths[row, column[name]] = strength
    prior = np.array([by_hand.of(name) for name in names])
    spread = _SPREAD[0] + _SPREAD[1] * np.abs(prior)
    share = worth / worth.sum() * _MAILS
    sign = np.where(unwanted, 1.0, -1.0)

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (words + strengths @ theta[:-1] + theta[-1])
        slope = -sign * share / (1.0 + np.exp(np.clip(margin, -50, 50)))
        away = (theta[:-1] - prior) / spread
        gradient = np.concatenate((strengths.T @ slope + away / spread, [slope.sum()]))
        return float((share * np.logaddexp(0, -margin)).sum() + 0.5 * (away**2).sum()), gradient

    bounds = [(0.0, None) if nats > 0 else (None, 0.0) for nats in prior] + [(None, None)]
    found = minimize(loss, np.append(prior, 0.0), jac=True, bounds=bounds, method="L-BFGS-B")
    fitted = {name: round(float(nats), 2) + 0.0 for name, nats in zip(names, found.x[:-1], strict=True)}
    return {**fitted, PRIOR: round(by_hand.prior + float(found.x[-1]), 2)}


def _fitted(seen: Sequence[Seen], by_hand: Weights) -> list[str]:
    """Signals that enough mails show, that some do not, and that a file can know."""
    shown = Counter(name for each in seen for name in each)
    return sorted(
        name
        for name, mails in shown.items()
        if by_hand.of(name) and _FEWEST <= mails < len(seen) and not name.startswith(UNKNOWABLE)
    )
