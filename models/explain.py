"""Why the models say what they say: words exactly, for they only add up; sentences by leaving each out.

The word model is linear in its vector and in that of its worst window, so its answer is the sum of its words' parts and
of what it says of any mail, and the parts are computed, not estimated. The language model is not linear: what a
sentence does to it is what changes when it is not there. Pure functions.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from models.bayes import WINDOW, Bayes, spoken
from models.features import Features
from models.normalise import normalise
from models.view import MailView

SENTENCES = 24  #: left out one by one; a longer text is cut into so many pieces
SHORTEST = 15  #: characters of a piece; less is read with its neighbour
READ = 20_000  #: characters of the text that are looked at

_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\n")


@dataclass(frozen=True, slots=True)
class WordPart:
    """One word, or pair of words, of a mail and what it adds to the word model's log-odds."""

    words: str  #: as written; "" where the mail holds none that would explain it
    nats: float


@dataclass(frozen=True, slots=True)
class WordParts:
    """The word model's whole answer: ``base`` and the parts sum to ``unclipped``, which is cut to ``nats``."""

    parts: tuple[WordPart, ...]  #: hardest pull first
    base: float  #: what it says of any mail
    nats: float  #: calibrated, as the verdict has it

    @property
    def unclipped(self) -> float:
        return self.base + math.fsum(part.nats for part in self.parts)


@dataclass(frozen=True, slots=True)
class SentencePart:
    """A piece of the text, and how many nats the models say less without it."""

    text: str
    nats: float


def words(bayes: Bayes, view: MailView, features: Features) -> WordParts:
    """The exact contributions of every known word and pair."""
    weights, scale = bayes.weights, bayes.calibration
    vector = bayes.vector(features)
    by_slot = np.zeros(len(weights.buckets))
    linear = weights.linear[vector.slots].astype(np.float64)
    complement = weights.complement[vector.slots].astype(np.float64)
    by_slot[vector.slots] += vector.values.astype(np.float64) * (scale.complement * complement + scale.linear * linear)
    slots, pulls = bayes.window_pulls(features, WINDOW)
    np.add.at(by_slot, slots, scale.window * pulls)
    known = np.flatnonzero(by_slot)
    known = known[np.argsort(-np.abs(by_slot[known]))]
    names = spoken(view, features, weights.buckets[known])
    parts = tuple(WordPart(names.get(int(weights.buckets[slot]), ""), float(by_slot[slot])) for slot in known.tolist())
    base = scale.bias + (scale.linear + scale.window) * weights.linear_bias
    return WordParts(parts, base, bayes.score(features, vector))


def pieces(text: str, most: int = SENTENCES) -> tuple[str, ...]:
    """A text cut at the ends of its sentences and lines, short ones joined with what follows: at most ``most``."""
    found: list[str] = []
    waiting = ""
    for sentence in filter(None, (each.strip() for each in _END.split(text[:READ]))):
        waiting = f"{waiting} {sentence}".strip()
        if len(waiting) >= SHORTEST:
            found.append(waiting)
            waiting = ""
    if waiting:
        found.append(waiting)
    step = -(-len(found) // most) or 1
    return tuple(" ".join(found[at : at + step]) for at in range(0, len(found), step))


def without(view: MailView, left_out: frozenset[str], most: int = SENTENCES) -> MailView:
    """The mail as the models and checks would see it without some of the ``pieces`` of its text."""
    text = "\n".join(piece for piece in pieces(view.text, most) if piece not in left_out)

    def rest(alternative: str) -> str:
        if alternative == view.text:
            return text
        for piece in left_out:
            alternative = alternative.replace(piece, "")
        return alternative

    return replace(
        view,
        text=text,
        normal=normalise(f"{view.subject}\n{text}"),
        plain_text=rest(view.plain_text),
        html_text=rest(view.html_text),
    )


def sentences(view: MailView, judged: Callable[[MailView], float], most: int = SENTENCES) -> tuple[SentencePart, ...]:
    """What each piece of the text does to a model's log-odds, most incriminating first; ``most`` + 1 readings.

    They need not sum to the answer: two sentences that say the same are both innocent alone.
    """
    cut = pieces(view.text, most)
    whole = judged(without(view, frozenset(), most))
    found = [SentencePart(piece, whole - judged(without(view, frozenset({piece}), most))) for piece in cut]
    return tuple(sorted(found, key=lambda part: -part.nats))


__all__ = ["SentencePart", "WordPart", "WordParts", "pieces", "sentences", "without", "words"]
