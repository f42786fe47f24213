"""How often people called mail with a word wanted or unwanted: counters that learn a mail and unlearn it exactly.

Sorted arrays of whole numbers: learning adds one to each bucket of a mail, unlearning takes it away, and a bucket that
is back at nothing goes, so that both together leave the same octets. What the counters say is how much more often a
word was met in unwanted and in wanted mail here than in mail at large (``Commonness``, from the model everybody
shares), shrunk by how little was said. So they add to what that model says, and do not repeat it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bayes import WordWeights
from models.features import PAIRS_FROM

Buckets = NDArray[np.uint32]
Counts = NDArray[np.int32]

MAILS_OF_A_TOKEN = 2  #: labelled mails a bucket has to be in before it counts
SHRINKAGE = 12.0  #: mails: so many labels are as good as what was known before
TOKEN_NATS = 2.0  #: what one bucket can say at most, before the mail's length is taken into account
SCALE = 0.7  #: nats of a mail for each bucket's nat, over the square root of the mail's buckets
CLIP = 3.0  #: nats; counters alone never say more

_RAREST, _COMMONEST = 1e-4, 0.6  #: share of mails at large; an estimate beyond is none


class Counters:
    """Wanted and unwanted mails a bucket was in, and of both altogether."""

    def __init__(self) -> None:
        #: Buckets, and a row of counts for each; replaced together, so that a thread that asks sees both or neither.
        self._rows: tuple[Buckets, Counts] = np.zeros(0, dtype=np.uint32), np.zeros((0, 2), dtype=np.int32)
        self.wanted = 0
        self.unwanted = 0

    @classmethod
    def of(cls, mails: Iterable[tuple[Buckets, bool]]) -> "Counters":
        """Counters that learned all of these; quicker than one after another."""
        made = cls()
        sides: tuple[list[Buckets], list[Buckets]] = ([], [])
        for buckets, is_spam in mails:
            sides[is_spam].append(buckets)
        made.wanted, made.unwanted = len(sides[0]), len(sides[1])
        joined = [np.concatenate(side) if side else made._rows[0] for side in sides]
        buckets = np.unique(np.concatenate(joined))
        counts = np.zeros((len(buckets), 2), dtype=np.int32)
        for column, side in enumerate(joined):
            numbers, often = np.unique(side, return_counts=True)
            counts[np.searchsorted(buckets, numbers), column] = often
        made._rows = buckets, counts
        return made

    def __len__(self) -> int:
        return len(self._rows[0])

    @property
    def octets(self) -> int:
        """Memory of the arrays."""
        return sum(each.nbytes for each in self._rows)

    def learn(self, buckets: Buckets, *, is_spam: bool) -> None:
        """Count one mail. ``buckets`` are distinct and ascending."""
        mine, counts = self._rows
        at = np.searchsorted(mine, buckets)
        new = ~_is_there(mine, at, buckets)
        if new.any():
            counts = np.insert(counts, at[new], np.int32(0), axis=0)
            mine = np.insert(mine, at[new], buckets[new])
            at = np.searchsorted(mine, buckets)
        counts[at, int(is_spam)] += 1
        self._rows = mine, counts
        self._move(is_spam, 1)

    def unlearn(self, buckets: Buckets, *, is_spam: bool) -> None:
        """Take back one mail that was counted. Raises ValueError, and changes nothing, for one that was not."""
        mine, counts = self._rows
        at = np.searchsorted(mine, buckets)
        column = int(is_spam)
        if not _is_there(mine, at, buckets).all() or not (counts[at, column] > 0).all():
            raise ValueError("this mail was never counted")
        counts[at, column] -= 1
        empty = at[~counts[at].any(axis=1)]
        if len(empty):
            mine, counts = np.delete(mine, empty), np.delete(counts, empty, axis=0)
        self._rows = mine, counts
        self._move(is_spam, -1)

    def _move(self, is_spam: bool, by: int) -> None:
        self.unwanted += by if is_spam else 0
        self.wanted += 0 if is_spam else by

    def met(self, buckets: Buckets) -> Counts:
        """A row for each bucket: wanted and unwanted mails it was in."""
        mine, counts = self._rows
        found = np.zeros((len(buckets), 2), dtype=np.int32)
        at = np.searchsorted(mine, buckets)
        known = _is_there(mine, at, buckets)
        found[known] = counts[at[known]]
        return found

    def to_octets(self) -> bytes:
        """Everything counted, little-endian; equal for equal counters."""
        head = np.array([self.wanted, self.unwanted], dtype="<u4").tobytes()
        return head + self._rows[0].astype("<u4").tobytes() + self._rows[1].astype("<i4").tobytes()


def _is_there(mine: Buckets, at: NDArray[np.intp], buckets: Buckets) -> NDArray[np.bool_]:
    """Which buckets stand at the places that were found for them."""
    there = np.zeros(len(buckets), dtype=np.bool_)
    inside = at < len(mine)
    there[inside] = mine[at[inside]] == buckets[inside]
    return there


@dataclass(frozen=True, slots=True)
class Commonness:
    """In what share of mail at large a bucket is, as the word model's idf tells."""

    weights: WordWeights

    def of(self, buckets: Buckets) -> NDArray[np.float64]:
        weights = self.weights
        at = np.minimum(np.searchsorted(weights.buckets, buckets), len(weights.buckets) - 1)
        is_pair = buckets >= PAIRS_FROM
        unknown = np.where(is_pair, weights.unknown_pair_idf, weights.unknown_idf)
        idf = np.where(weights.buckets[at] == buckets, weights.idf[at], unknown)
        worth = np.where(is_pair, weights.unknown_pair_idf / weights.unknown_idf, 1.0)
        share: NDArray[np.float64] = np.exp(1.0 - idf / worth)
        return np.clip(share, _RAREST, _COMMONEST)


@dataclass(frozen=True, slots=True)
class Lean:
    """What counters say of a mail."""

    nats: float
    wanted: int  #: labelled mails that they come from
    unwanted: int


def lean(counters: Sequence[Counters], buckets: Buckets, common: Commonness) -> Lean:
    """Log-odds that a mail is unwanted, by all of the counters together; 0 where too little was said."""
    wanted, unwanted = sum(c.wanted for c in counters), sum(c.unwanted for c in counters)
    if wanted + unwanted < MAILS_OF_A_TOKEN or not len(buckets):
        return Lean(0.0, wanted, unwanted)
    met = np.add.reduce([c.met(buckets) for c in counters]).astype(np.float64)
    told = met.sum(axis=1) >= MAILS_OF_A_TOKEN
    if not told.any():
        return Lean(0.0, wanted, unwanted)
    share = common.of(buckets[told])
    bad = _lift(met[told, 1], unwanted, share)
    good = _lift(met[told, 0], wanted, share)
    each = np.clip(bad - good, -TOKEN_NATS, TOKEN_NATS)
    nats = SCALE * float(each.sum()) / math.sqrt(len(buckets))
    return Lean(min(CLIP, max(-CLIP, nats)), wanted, unwanted)


def _lift(met: NDArray[np.float64], mails: int, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much more often than at large, in nats: 0 without labels, and near 0 with few."""
    rate = (met + SHRINKAGE * share) / (mails + SHRINKAGE)
    lifted: NDArray[np.float64] = np.log(rate / share)
    return lifted


__all__ = ["CLIP", "Commonness", "Counters", "Lean", "lean"]
