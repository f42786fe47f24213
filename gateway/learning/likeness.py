"""How alike two mails are, by MinHash of their features: one labelled mail speaks for its near copies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sketch = NDArray[np.uint32]

HASHES = 64
MIN_FEATURES = 20  #: shorter mails are too alike by accident
ALIKE = 0.6  #: estimated Jaccard likeness below which a label says nothing
TRAP = "trap"  #: who labels what a spam trap received
FULL_NATS = 4.0  #: what an identical mail's label is worth

_generator = np.random.Generator(np.random.PCG64(20260101))
_FACTORS = _generator.integers(1, 1 << 32, HASHES, dtype=np.uint32) | np.uint32(1)
_OFFSETS = _generator.integers(0, 1 << 32, HASHES, dtype=np.uint32)


def sketch(features: NDArray[np.uint32]) -> Sketch | None:
    """64 minima that estimate likeness; None for a mail with too few features. About 50 us for 300 features."""
    if len(features) < MIN_FEATURES:
        return None
    mixed = features[None, :] * _FACTORS[:, None] + _OFFSETS[:, None]
    mixed ^= mixed >> np.uint32(15)
    minima: Sketch = (mixed * np.uint32(0x9E3779B1)).min(axis=1)
    return minima


@dataclass(frozen=True, slots=True)
class Likest:
    """The labelled mail most like this one."""

    likeness: float
    is_spam: bool
    by: str


class LabelledSketches:
    """Sketches of labelled mails, newest label of a mail wins. Comparing costs 64 octet compares a label."""

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._rows = np.zeros((256, HASHES), dtype=np.uint32)
        self._labels: list[tuple[bool, str]] = []
        self._place: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, reception: str, features: NDArray[np.uint32], is_spam: bool, by: str) -> None:
        minima = sketch(features)
        if minima is None:
            return
        place = self._place.get(reception)
        if place is None:
            place = self._next_place()
            self._place[reception] = place
        self._rows[place] = minima
        if place == len(self._labels):
            self._labels.append((is_spam, by))
        else:
            self._labels[place] = (is_spam, by)

    def _next_place(self) -> int:
        if len(self._labels) >= self._capacity:
            oldest = next(iter(self._place))
            return self._place.pop(oldest)
        if len(self._labels) == len(self._rows):
            self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
        return len(self._labels)

    def likest(self, features: NDArray[np.uint32]) -> Likest | None:
        """The most alike label, when it is alike enough to speak."""
        minima = sketch(features) if self._labels else None
        if minima is None:
            return None
        same = (self._rows[: len(self._labels)] == minima).sum(axis=1)
        best = int(same.argmax())
        likeness = float(same[best]) / HASHES
        if likeness < ALIKE:
            return None
        return Likest(likeness, *self._labels[best])


def nats(found: Likest) -> float:
    """Log-odds that a mail this much like a labelled one is unwanted: 0 at ``ALIKE``, full when the same.

    A trap's label is worth half of a person's: anybody can send a trap a copy of an honest newsletter.
    """
    full = FULL_NATS / 2 if found.by == TRAP else FULL_NATS
    worth = full * (found.likeness - ALIKE) / (1 - ALIKE)
    return worth if found.is_spam else -worth
