"""A pattern is found wherever it stands, once, also across the border of two windows."""

import re

import pytest

from gateway.content.windows import each_in, is_in

WORD = re.compile(rb"ab{1,40}c")
BORDER = 256 * 1024


@pytest.mark.parametrize("at", [0, 1, BORDER - 42, BORDER - 3, BORDER - 1, BORDER, BORDER + 1, 3 * BORDER - 20])
def test_one_is_found_once(at: int) -> None:
    octets = bytes(at) + b"a" + b"b" * 40 + b"c" + bytes(BORDER)
    assert [match.start() for match in each_in(WORD, octets)] == [at]
    assert is_in(WORD, octets)


def test_as_finditer_does() -> None:
    octets = (b"abc ab abbbbbbbbc" * 50_000)[: 3 * BORDER + 5]
    assert [m.span() for m in each_in(WORD, octets)] == [m.span() for m in WORD.finditer(octets)]


def test_nothing_is_found_in_nothing() -> None:
    assert not is_in(WORD, b"") and not is_in(WORD, bytes(2 * BORDER))
