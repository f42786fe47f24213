"""The word model: vocabulary and idf, complement naive Bayes and logistic regression, calibrated out of fold."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from models.bayes import Bayes, RawScores, WordCalibration, WordWeights
from models.features import BUCKETS, HEADERS_FROM, PAIRS_FROM, Features, bucket, pair_bucket
from training.corpus.sample import Sample
from training.progress import Progress, quiet

FOLDS = 5
_UNCALIBRATED = WordCalibration(0.0, 1.0, 0.0, 0.0)
_PADDED_SHARE = 0.3  #: of unwanted mail that is scored once more with innocent words around it
_PADDING_WORDS = 300
_WORTH = {"modern": 1.0, "letters": 2.0, "spamassassin": 2.0}  #: mails of today count, and spam that was really sent
_INVENTED = frozenset(("modern", "letters"))  #: mails whose senders nobody knows
_MOST_WORTH = 5.0  #: times the ordinary: what a mail of a small source may weigh
_PAIR_WORTH = 0.7  #: of a pair against a single word: pairs learn phrases by heart, words carry over to the next mail
_HEADER_WORTH = 1.0  #: of a token of a header field
_LOOSENESS = 300.0  #: inverse of the ridge
_ALPHA = 0.05
_SHRINK = 0.85  #: unseen sources are less certain than held-out mail of known ones


class UnlearnableInput(Exception):
    """Too little mail, or only one kind of it. The message says what is needed."""


@dataclass(frozen=True, slots=True)
class FittedWords:
    weights: WordWeights
    calibration: WordCalibration
    out_of_fold: NDArray[np.float64]  #: calibrated nats of every training sample from folds that had not seen it


def fit_words(samples: Sequence[Sample], seed: int, progress: Progress = quiet, *, headers: bool = True) -> FittedWords:
    """Fit on all samples; calibrate on folds that keep families together. Deterministic by seed.

    Without ``headers`` nothing is learnt from who wrote: for a model of mail that is not the reader's own.
    """
    _insist(samples)
    samples = [s if headers and s.source not in _INVENTED else _without_headers(s) for s in samples]
    bad = np.array([s.label.is_unwanted for s in samples])
    importance = balance(samples)
    raw = np.zeros((len(samples), 3))
    padded: list[tuple[int, RawScores]] = []
    rng = np.random.default_rng(seed)
    innocents = [s.features for s in samples if not s.label.is_unwanted]
    for number, (train, test) in enumerate(_folds(samples, bad, seed)):
        weights = fit_weights([samples[i].features for i in train], bad[train], importance[train], seed)
        scorer = Bayes(weights, _UNCALIBRATED)
        for i in test:
            score = scorer.raw(samples[i].features)
            raw[i] = score.complement, score.linear, score.window
            if bad[i] and rng.random() < _PADDED_SHARE:
                padding = innocents[int(rng.integers(len(innocents)))]
                padded.append((int(i), scorer.raw(_padded(samples[i].features, padding, bool(rng.random() < 0.5)))))
        progress("word model folds", number + 1, FOLDS)
    calibration = _calibrate(raw, bad, importance, padded)
    weights = fit_weights([s.features for s in samples], bad, importance, seed)
    out = np.array([calibration(*row) for row in raw])
    return FittedWords(weights, calibration, np.clip(out, -6, 6))


def _without_headers(sample: Sample) -> Sample:
    return replace(sample, features=replace(sample.features, headers=sample.features.headers[:0]))


def _insist(samples: Sequence[Sample]) -> None:
    unwanted = sum(s.label.is_unwanted for s in samples)
    wanted = len(samples) - unwanted
    if min(unwanted, wanted) < 2 * FOLDS:
        raise UnlearnableInput(
            f"there are {wanted} legitimate and {unwanted} unwanted mails after removing duplicates: "
            f"at least {2 * FOLDS} of each are needed"
        )
    if not any(len(s.features.words) for s in samples):
        raise UnlearnableInput("none of the mails has readable text: check that the path holds raw mails")


def balance(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Weights that let each class count half, and within a class each source by the square root of its size.

    What stands before a slash in its name is the source: many small collections count as one.
    """
    groups = [(s.source.partition("/")[0], s.label.is_unwanted) for s in samples]
    sizes = Counter(groups)
    weights = np.array([sizes[group] ** -0.5 * _WORTH.get(group[0], 1.0) for group in groups])
    bad = np.array([s.label.is_unwanted for s in samples])
    for side in (bad, ~bad):
        weights[side] = np.clip(weights[side] / np.median(weights[side]), 0.5, _MOST_WORTH)
        weights[side] *= len(samples) / 2 / weights[side].sum()
    return weights


def _folds(
    samples: Sequence[Sample], bad: NDArray[np.bool_], seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [s.family for s in samples]
    folder = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few families of one class: still the best split there is
        return [(train, test) for train, test in folder.split(np.zeros(len(samples)), bad, groups)]


def fit_weights(
    features: Sequence[Features], bad: NDArray[np.bool_], importance: NDArray[np.float64], seed: int
) -> WordWeights:
    """Both linear models over the buckets that at least two mails use."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import ComplementNB

    blank = vocabulary(features)
    reader = Bayes(blank, _UNCALIBRATED)
    matrix = as_matrix(reader, features)
    bayes = ComplementNB(alpha=_ALPHA).fit(matrix, bad, sample_weight=importance)
    linear = LogisticRegression(C=_LOOSENESS, max_iter=300, random_state=seed)
    linear.fit(matrix, bad, sample_weight=importance)
    return replace(
        blank,
        complement=(bayes.feature_log_prob_[1] - bayes.feature_log_prob_[0]).astype(np.float32),
        linear=linear.coef_[0].astype(np.float32),
        linear_bias=float(linear.intercept_[0]),
    )


@cache
def _numbers() -> NDArray[np.int64]:
    """Buckets of bare numbers, the heads of account numbers, and pairs of these.

    How long the numbers of a mail are tells which template it was filled into, and hardly ever what it wants.
    """
    bare = [b"0" * size for size in range(2, 25)]
    heads = [bytes((a, b)) + b"00" for a in range(97, 123) for b in range(97, 123)]
    pairs = [pair_bucket(first, second) for first in (*bare, *heads) for second in bare]
    return np.array([*map(bucket, (*bare, *heads)), *pairs])


def vocabulary(features: Sequence[Features]) -> WordWeights:
    """Buckets of at least two mails with their idf, pairs at a discount; the models' arrays are still zero."""
    seen = np.zeros(BUCKETS, dtype=np.int32)
    for one in features:
        seen[one.counted()[0]] += 1
    seen[_numbers()] = 0
    buckets = np.flatnonzero(seen >= 2).astype(np.uint32)
    total = len(features) + 1
    worth = np.where(buckets < PAIRS_FROM, 1.0, np.where(buckets < HEADERS_FROM, _PAIR_WORTH, _HEADER_WORTH))
    idf = ((np.log(total / (seen[buckets] + 1.0)) + 1.0) * worth).astype(np.float32)
    unknown = float(np.log(total / 2.0) + 1.0)
    zeros = np.zeros(len(buckets), dtype=np.float32)
    return WordWeights(buckets, idf, zeros, zeros, unknown, unknown * _PAIR_WORTH, 0.0)


def as_matrix(reader: Bayes, features: Sequence[Features]) -> csr_matrix:
    """The same vectors that serving computes, as rows."""
    vectors = [reader.vector(one) for one in features]
    starts = np.concatenate(([0], np.cumsum([len(v.slots) for v in vectors])))
    columns = np.concatenate([v.slots for v in vectors])
    values = np.concatenate([v.values for v in vectors])
    return csr_matrix((values, columns, starts), shape=(len(vectors), len(reader.weights.buckets)))


def _padded(features: Features, innocent: Features, before: bool) -> Features:
    """Unwanted mail with innocent words put before or after it, as spammers do."""
    size = min(_PADDING_WORDS, len(innocent.words))
    words, pairs = innocent.words[:size], innocent.pairs[: max(0, size - 1)]
    seam = np.zeros(1, dtype=np.uint32)
    parts = ((words, features.words), (pairs, seam, features.pairs))
    if not before:
        parts = ((features.words, words), (features.pairs, seam, pairs))
    return Features(np.concatenate(parts[0]), np.concatenate(parts[1]), features.structure, features.headers)


def _calibrate(
    raw: NDArray[np.float64],
    bad: NDArray[np.bool_],
    importance: NDArray[np.float64],
    padded: Sequence[tuple[int, RawScores]],
) -> WordCalibration:
    """Logistic over the three scores. Coefficients stay positive: a score may not count against itself."""
    rows = np.vstack([raw, *([r.complement, r.linear, r.window] for _, r in padded)])
    truth = np.concatenate((bad, np.ones(len(padded), dtype=bool)))
    worth = np.concatenate((importance, [importance[i] * 0.5 for i, _ in padded]))
    worth[truth] *= worth[~truth].sum() / worth[truth].sum()
    coefficients, bias = positive_logistic(rows, truth, worth)
    coefficients, bias = coefficients * _SHRINK, bias * _SHRINK
    return WordCalibration(float(coefficients[0]), float(coefficients[1]), float(coefficients[2]), float(bias))


def positive_logistic(
    rows: NDArray[np.float64], truth: NDArray[np.bool_], worth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Logistic regression with non-negative coefficients and a small ridge."""
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    sign = np.where(truth, 1.0, -1.0)
    worth = worth / worth.sum()
    scale = np.maximum(rows.std(axis=0), 1e-6)
    scaled = rows / scale

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (scaled @ theta[:-1] + theta[-1])
        slope = -sign * worth / (1.0 + np.exp(np.clip(margin, -50, 50)))
        gradient = np.concatenate((scaled.T @ slope, [slope.sum()]))
        gradient[:-1] += 2e-4 * theta[:-1]
        return float((worth * np.logaddexp(0, -margin)).sum() + 1e-4 * (theta[:-1] ** 2).sum()), gradient

    bounds = [(0.0, None)] * rows.shape[1] + [(None, None)]
    found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, bounds=bounds, method="L-BFGS-B")
    return found.x[:-1] / scale, float(found.x[-1])
