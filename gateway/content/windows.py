"""Searching large files piece by piece: a pattern holds the interpreter until it has found something or is through."""

import re
from collections.abc import Iterator

_WINDOW = 256 * 1024
_OVERLAP = 8 * 1024  #: octets; no pattern that is searched for in this way may match more


def each_in(pattern: re.Pattern[bytes], octets: bytes) -> Iterator[re.Match[bytes]]:
    """As ``pattern.finditer``, with a pause in which other threads get their turn after each window."""
    start = after = 0
    while start < len(octets):
        for match in pattern.finditer(octets, max(start, after), start + _WINDOW + _OVERLAP):
            if match.start() >= start + _WINDOW:
                break
            after = match.end()
            yield match
        start += _WINDOW


def is_in(pattern: re.Pattern[bytes], octets: bytes) -> bool:
    return next(each_in(pattern, octets), None) is not None
