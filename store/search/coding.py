"""Numbers as octets, many at a time: small ones are short. All arrays are int64 and hold no negative numbers.

A number is written in groups of seven bits, lowest first, every octet but its last with the high bit set.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_LONGEST = 9  #: octets of 63 bits


class Damaged(Exception):
    """What was read is no part of an index."""


def lengths(numbers: Numbers) -> Numbers:
    """How many octets each number takes."""
    found = np.ones(len(numbers), dtype=np.int64)
    at = 1
    while at < _LONGEST and len(numbers) and int(numbers.max()) >> (7 * at):
        found += numbers >= (1 << (7 * at))
        at += 1
    return found


def encode(numbers: Numbers, sizes: Numbers | None = None) -> bytes:
    """``sizes`` are the ``lengths``, when they are known."""
    if not len(numbers):
        return b""
    sizes = lengths(numbers) if sizes is None else sizes
    starts = np.cumsum(sizes) - sizes
    octets = np.zeros(int(starts[-1] + sizes[-1]), dtype=np.uint8)
    for at in range(int(sizes.max())):
        has = sizes > at if at else slice(None)
        group = (numbers[has] >> (7 * at)) & 0x7F
        octets[starts[has] + at] = group | np.where(sizes[has] > at + 1, 0x80, 0)
    return octets.tobytes()


def decode(octets: bytes | memoryview) -> Numbers:
    """Raises Damaged."""
    raw = np.frombuffer(octets, dtype=np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if not len(raw):
        return np.zeros(0, dtype=np.int64)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise Damaged("numbers end in the middle of one")
    if len(ends) == len(raw):
        return raw.astype(np.int64)
    starts = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1] + 1))
    longest = int((ends - starts).max()) + 1
    if longest > _LONGEST:
        raise Damaged("a number is too long")
    found = (raw[starts] & 0x7F).astype(np.int64)
    for at in range(1, longest):
        has = np.flatnonzero(ends - starts >= at)
        found[has] |= (raw[starts[has] + at].astype(np.int64) & 0x7F) << (7 * at)
    return found


def differences(numbers: Numbers, firsts: Numbers) -> Numbers:
    """Each number less the one before it; those at ``firsts`` stay as they are. Ascending between firsts."""
    found = numbers.copy()
    found[1:] -= numbers[:-1]
    found[firsts] = numbers[firsts]
    return found


def sums(steps: Numbers, counts: Numbers) -> Numbers:
    """What ``differences`` was made of, in groups of ``counts`` numbers."""
    if not len(steps):
        return steps
    total = np.cumsum(steps)
    firsts = np.cumsum(counts) - counts
    before = np.where(firsts > 0, total[firsts - 1], 0)
    found: Numbers = total - np.repeat(before, counts)
    return found


def decode_sums(octets: bytes, counts: Numbers) -> Numbers:
    """``sums`` of ``decode``, in fewer steps: what is asked most. Raises Damaged."""
    raw = np.frombuffer(octets, dtype=np.uint8)
    parts = (raw & 0x7F).astype(np.int64)
    more = np.flatnonzero(raw >= 0x80) + 1  #: octets that go on with the number before
    if len(more) and more[-1] == len(raw):
        raise Damaged("numbers end in the middle of one")
    if len(raw) - len(more) != int(counts.sum()):
        raise Damaged("there are other numbers than there should be")
    is_end = raw < 0x80
    shifted = more
    for _ in range(_LONGEST):
        if not len(shifted):
            break
        parts[shifted] <<= 7
        shifted = shifted[~is_end[shifted]] + 1
    else:
        raise Damaged("a number is too long")
    total = np.cumsum(parts, out=parts)
    if len(more):
        total = total[is_end]
    firsts = np.cumsum(counts) - counts
    before = np.where(firsts > 0, total[firsts - 1], 0)
    found: Numbers = total - np.repeat(before, counts) if len(counts) > 1 else total
    return found


def pieces(starts: Numbers, counts: Numbers) -> Numbers:
    """The positions of several stretches, one after another."""
    found: Numbers = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
    return found
