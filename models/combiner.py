"""Additive log-odds: every piece of evidence is worth its weight times its strength, and a verdict is their sum.

The two content models see the same mail, so they are stacked, not added: the language model contributes only the
correction it makes to the word model. With equal weights the two contributions sum to the stacked answer exactly.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

WORDS = "model.words"  #: signal of the word model; strength = its calibrated log-odds
LANGUAGE = "model.language"  #: signal of the language model; strength = the correction it makes
CLIP = 7.0  #: nats; both content models together are never more certain than this


@dataclass(frozen=True, slots=True)
class Stack:
    """How the two content models are combined when both have spoken."""

    words: float
    language: float
    bias: float

    def __call__(self, words: float, language: float) -> float:
        """Log-odds given both, within plus or minus seven nats."""
        nats = self.words * words + self.language * language + self.bias
        return clipped(nats, CLIP)

    def correction(self, words: float, language: float) -> float:
        """What the language model adds to what the words already said."""
        return self(words, language) - words


@dataclass(frozen=True, slots=True)
class Weights:
    """Nats per unit of strength, by signal name. An unknown signal weighs nothing."""

    prior: float  #: log-odds that a mail is unwanted before anything is known of it
    signals: Mapping[str, float]

    def of(self, signal: str) -> float:
        return self.signals.get(signal, 0.0)

    def total(self, seen: Iterable[tuple[str, float]]) -> float:
        """Prior plus the weight of each (signal, strength)."""
        return self.prior + sum(self.of(name) * strength for name, strength in seen)


def clipped(nats: float, most: float) -> float:
    """Log-odds within plus or minus ``most``. Raises ValueError for no number, which ``min`` would call wanted."""
    if math.isnan(nats):
        raise ValueError("log-odds that are no number")
    return min(most, max(-most, nats))


def probability(nats: float) -> float:
    """Log-odds to probability, without overflow."""
    if nats >= 0:
        return 1.0 / (1.0 + math.exp(-min(nats, 700.0)))
    odds = math.exp(max(nats, -700.0))
    return odds / (1.0 + odds)
