"""Sets of sequence numbers or UIDs. RFC 3501 §9 sequence-set."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

STAR = 0  #: "*", the largest number in use
LARGEST = 0xFFFFFFFF
MAX_RANGES = 20_000
_RANGE = re.compile(rb"([1-9][0-9]{0,9}|\*)(?::([1-9][0-9]{0,9}|\*))?\Z")


class BadSet(ValueError):
    """Not a sequence set."""


@dataclass(frozen=True, slots=True)
class NumberSet:
    """Ranges as the client wrote them; ``STAR`` stands for the largest number."""

    ranges: tuple[tuple[int, int], ...]

    def resolve(self, largest: int) -> tuple[tuple[int, int], ...]:
        """Ranges in order, ascending and disjoint, with "*" put in. RFC 3501: 4:2 is 2:4, and "*" may be below."""
        real = ((first or largest, last or largest) for first, last in self.ranges)
        ordered = sorted((min(pair), max(pair)) for pair in real)
        merged: list[tuple[int, int]] = []
        for first, last in ordered:
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return tuple(merged)


def parse(octets: bytes) -> NumberSet:
    """Read "1,3:5,7:*". Raises BadSet."""
    ranges: list[tuple[int, int]] = []
    for word in octets.split(b","):
        match = _RANGE.match(word)
        if match is None or len(ranges) >= MAX_RANGES:
            raise BadSet("not a sequence set")
        first = _number(match[1])
        ranges.append((first, first if match[2] is None else _number(match[2])))
    return NumberSet(tuple(ranges))


def _number(octets: bytes) -> int:
    if octets == b"*":
        return STAR
    number = int(octets)
    if number > LARGEST:
        raise BadSet("a number is too large")
    return number


def render(numbers: Iterable[int]) -> bytes:
    """Numbers as a set in the order given, runs as ranges: "1:3,7". COPYUID's pairs need the order (RFC 4315 §3)."""
    pieces: list[bytes] = []
    first = last = -1
    for number in numbers:
        if number == last + 1 and first >= 0:
            last = number
            continue
        if first >= 0:
            pieces.append(_run(first, last))
        first = last = number
    if first >= 0:
        pieces.append(_run(first, last))
    return b",".join(pieces)


def _run(first: int, last: int) -> bytes:
    return b"%d" % first if first == last else b"%d:%d" % (first, last)
