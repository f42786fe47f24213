"""How far to trust the word model and the language model when both have read a mail."""

import hashlib
from collections.abc import Sequence

import numpy as np

from models.combiner import Stack
from training.corpus.sample import Sample
from training.fit.words import positive_logistic

ALONE = Stack(words=1.0, language=0.0, bias=0.0)  #: no language model: the words' answer stands
_TEMPER = 0.85  #: mail of sources nobody trained on is judged less surely than the fit believes
_CAUTION = 0.4  #: nats towards legitimate: wrongly held mail costs more than a spam let through
_FEWEST = 60  #: mails of each kind below which the stack of the base model is kept


def set_aside(sample: Sample) -> bool:
    """True for the ninth part of all families that the language model does not learn from, so the stack can."""
    return int(hashlib.sha256(f"dev{sample.family}".encode()).hexdigest()[:8], 16) % 9 == 0


def fit_stack(
    words: Sequence[float], language: Sequence[float], unwanted: Sequence[bool], worth: Sequence[float], base: Stack
) -> Stack:
    """Tempered logistic over both log-odds, on mail neither has learnt from. Too little mail: the base's stack."""
    truth = np.asarray(unwanted, dtype=bool)
    if min(int(truth.sum()), int((~truth).sum())) < _FEWEST:
        return base
    weights = np.asarray(worth, dtype=np.float64)
    weights = np.where(truth, weights / weights[truth].sum(), weights / weights[~truth].sum())
    coefficients, bias = positive_logistic(np.column_stack([words, language]), truth, weights)
    words_share, language_share = (float(c) * _TEMPER for c in coefficients)
    return Stack(words_share, language_share, bias * _TEMPER - _CAUTION)
