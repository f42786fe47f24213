"""Word evidence: complement naive Bayes and logistic regression over hashed words, from exported arrays.

Both models read one vector, sublinear counts times inverse document frequency, of unit length. Words never seen in
training count towards that length and nothing else, so an unfamiliar mail gets a small answer. The linear model also
scores windows of the mail and the worst window counts, because a scam padded with innocent words is still a scam.
The three numbers are calibrated together on out-of-fold scores and clipped. scikit-learn is needed only to train.
"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.combiner import clipped
from models.features import BUCKETS, HEADERS_FROM, PAIRS_FROM, Features, Hashes, token_bucket, words_of
from models.view import MailView

CLIP = 6.0  #: nats; no mail is more certain than this on its words alone
WINDOW = 100  #: words scored together by the windowed maximum
SHORTEST = 1e-6  #: length of a window's vector, against dividing by nothing

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class WordWeights:
    """What training leaves behind. All arrays have one entry per kept bucket, ascending by bucket."""

    buckets: NDArray[np.uint32]
    idf: Floats
    complement: Floats  #: log-probability of spam minus that of ham, complement naive Bayes
    linear: Floats  #: coefficients of the logistic regression
    unknown_idf: float  #: of a word not kept; it only lengthens the vector
    unknown_pair_idf: float  #: of a pair not kept
    linear_bias: float


@dataclass(frozen=True, slots=True)
class WordCalibration:
    """From raw scores to nats: a logistic fitted on out-of-fold scores."""

    complement: float
    linear: float
    window: float
    bias: float

    def __call__(self, complement: float, linear: float, window: float) -> float:
        return self.complement * complement + self.linear * linear + self.window * window + self.bias


@dataclass(frozen=True, slots=True)
class Vector:
    """The known part of a mail's unit vector."""

    slots: NDArray[np.int64]  #: positions in the arrays of WordWeights
    values: Floats


@dataclass(frozen=True, slots=True)
class RawScores:
    """Before calibration."""

    complement: float
    linear: float
    window: float  #: linear score of the most suspicious window


@dataclass(frozen=True, slots=True)
class Window:
    """The run of words that looks most like spam."""

    score: float  #: linear, before calibration
    first: int  #: number of its first word
    words: int


@dataclass(frozen=True, slots=True)
class Pull:
    """A word, or two neighbouring words, and what it adds to the log-odds: positive towards spam."""

    words: str
    nats: float


class Bayes:
    """Scores features with exported arrays. Immutable after construction; safe in threads."""

    def __init__(self, weights: WordWeights, calibration: WordCalibration) -> None:
        self.weights = weights
        self.calibration = calibration
        self._slot_of = np.full(BUCKETS, -1, dtype=np.int32)
        self._slot_of[weights.buckets] = np.arange(len(weights.buckets), dtype=np.int32)
        self._pull = weights.linear * weights.idf

    def vector(self, features: Features) -> Vector:
        """Sublinear counts times idf, divided by the length over known and unknown words alike."""
        numbers, counts = features.counted()
        slots = self._slot_of[numbers]
        known = slots >= 0
        tf = np.log(counts.astype(np.float32)) + np.float32(1.0)
        values = tf[known] * self.weights.idf[slots[known]]
        unknown = tf[~known] * self._unknown(numbers[~known])
        length = float(np.sqrt(values @ values + unknown @ unknown)) or 1.0
        return Vector(slots[known].astype(np.int64), (values / np.float32(length)).astype(np.float32))

    def _unknown(self, numbers: Hashes) -> Floats:
        """A stranger's header tokens are nothing unusual: they do not dilute what is known."""
        weights = self.weights
        lengths = np.where(numbers < PAIRS_FROM, weights.unknown_idf, weights.unknown_pair_idf)
        return np.where(numbers < HEADERS_FROM, lengths, 0.0).astype(np.float32)

    def raw(self, features: Features, vector: Vector | None = None) -> RawScores:
        """The three scores before calibration."""
        vector = vector or self.vector(features)
        weights = self.weights
        return RawScores(
            complement=float(weights.complement[vector.slots].astype(np.float64) @ vector.values),
            linear=float(weights.linear[vector.slots].astype(np.float64) @ vector.values) + weights.linear_bias,
            window=self.worst_window(features).score,
        )

    def score(self, features: Features, vector: Vector | None = None) -> float:
        """Calibrated log-odds that the mail is unwanted, within plus or minus six nats."""
        raw = self.raw(features, vector)
        nats = self.calibration(raw.complement, raw.linear, raw.window)
        return clipped(float(nats), CLIP)

    def worst_window(self, features: Features, most: int = WINDOW) -> Window:
        """The greatest linear score over all runs of ``most`` words, each scaled as a mail of its own."""
        words = features.words
        if not len(words):
            return Window(self.weights.linear_bias, 0, 0)
        numbers = np.concatenate((words, features.pairs))
        slots = self._slot_of[numbers]
        known = slots >= 0
        pulls = np.where(known, self._pull[slots], np.float32(0)).astype(np.float64)
        squares = np.where(known, self.weights.idf[slots], self._unknown(numbers)).astype(np.float64) ** 2
        pulls[: len(words) - 1] += pulls[len(words) :]
        squares[: len(words) - 1] += squares[len(words) :]
        size = min(most, len(words))
        sums = _run_sums(pulls[: len(words)], size)
        lengths = np.sqrt(_run_sums(squares[: len(words)], size))
        scores = sums / np.maximum(lengths, SHORTEST)
        first = int(scores.argmax())
        return Window(float(scores[first]) + self.weights.linear_bias, first, size)

    def window_pulls(self, features: Features, most: int = WINDOW) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What the worst window's score is made of: slots, some more than once, and what each adds to it."""
        window = self.worst_window(features, most)
        run = slice(window.first, window.first + window.words)
        end = slice(window.first, min(window.first + window.words, len(features.pairs)))
        numbers = np.concatenate((features.words[run], features.pairs[end]))
        slots = self._slot_of[numbers]
        known = slots >= 0
        squares = np.where(known, self.weights.idf[slots], self._unknown(numbers)).astype(np.float64) ** 2
        length = max(float(np.sqrt(squares.sum())), SHORTEST)
        return slots[known].astype(np.int64), self._pull[slots[known]].astype(np.float64) / length

    def top_words(
        self, view: MailView, features: Features, most: int = 10, vector: Vector | None = None
    ) -> tuple[Pull, ...]:
        """The words that pulled hardest in either direction, hardest first, in nats of the whole-mail part."""
        vector = vector or self.vector(features)
        scale = self.calibration
        weights = self.weights
        pulls = vector.values * (
            scale.complement * weights.complement[vector.slots]
            + (scale.linear + scale.window) * weights.linear[vector.slots]
        )
        hardest = np.argsort(-np.abs(pulls))[: most * 4]
        numbers = weights.buckets[vector.slots[hardest]]
        said = spoken(view, features, numbers)
        named = ((said.get(int(number)), pulls[at]) for number, at in zip(numbers, hardest, strict=True))
        return tuple(islice((Pull(words, float(pull)) for words, pull in named if words is not None), most))


def _run_sums(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    total = np.concatenate((np.zeros(1), np.cumsum(values)))
    return total[size:] - total[:-size]


def spoken(view: MailView, features: Features, wanted: Hashes) -> dict[int, str]:
    """Each wanted bucket to the words of this mail that fall into it; only these few are spelt out."""
    numbers = set(wanted.tolist())
    names = {b: t for t in view.tokens if (b := token_bucket(t)) in numbers}
    words = words_of(view.normal)
    for at, number in enumerate(features.pairs.tolist()):
        if number in numbers:
            names.setdefault(number, b" ".join(words[at : at + 2]).decode("utf-8", "replace"))
    for at, number in enumerate(features.words.tolist()):
        if number in numbers:
            names[number] = words[at].decode("utf-8", "replace")
    return names


def read_weights(path: Path) -> WordWeights:
    """Arrays of a ``bayes.npz``. Raises ValueError, OSError or KeyError when it is damaged; never unpickles."""
    with np.load(path, allow_pickle=False) as arrays:
        weights = WordWeights(
            buckets=arrays["buckets"].astype(np.uint32),
            idf=arrays["idf"].astype(np.float32),
            complement=arrays["complement"].astype(np.float32),
            linear=arrays["linear"].astype(np.float32),
            unknown_idf=float(arrays["scalars"][0]),
            unknown_pair_idf=float(arrays["scalars"][1]),
            linear_bias=float(arrays["scalars"][2]),
        )
    sizes = {len(weights.buckets), len(weights.idf), len(weights.complement), len(weights.linear)}
    if len(sizes) != 1 or not len(weights.buckets) or int(weights.buckets.max()) >= BUCKETS:
        raise ValueError("the arrays do not fit each other")
    return weights


def write_weights(path: Path, weights: WordWeights) -> None:
    """The file ``read_weights`` reads. Same weights, same octets."""
    np.savez_compressed(
        path,
        buckets=weights.buckets,
        idf=weights.idf,
        complement=weights.complement,
        linear=weights.linear,
        scalars=np.array([weights.unknown_idf, weights.unknown_pair_idf, weights.linear_bias]),
    )


__all__ = [
    "CLIP",
    "Bayes",
    "Hashes",
    "Pull",
    "RawScores",
    "Vector",
    "Window",
    "WordCalibration",
    "WordWeights",
    "read_weights",
]
