"""Globs: what they match, and that no text makes them slow."""

import time

import pytest

from gateway.policy.glob import BadGlob, glob

MATCHES = {
    "the same": ("invoice", "invoice", True),
    "capitals": ("Invoice", "INVOICE", True),
    "the whole text only": ("invoice", "an invoice", False),
    "a star at the end": ("invoice*", "invoice 7", True),
    "a star for nothing": ("invoice*", "invoice", True),
    "a star in front": ("*@shop.example", "ana@shop.example", True),
    "a star in front, something behind": ("*@shop.example", "ana@shop.example.evil.example", False),
    "two stars": ("*in*", "an invoice", True),
    "pieces in order": ("*b*a*", "ab", False),
    "pieces do not overlap": ("ab*ba", "aba", False),
    "the last piece is the last": ("*.exe", "a.exe.exe", True),
    "one character": ("a?c", "abc", True),
    "one character is not none": ("a?c", "ac", False),
    "a line end is a character": ("a?c*", "a\nc\nd", True),
    "a bracket is a bracket": ("[a]*", "[a] b", True),
    "only stars": ("**", "", True),
    "other scripts": ("*РАХУН*", "рахунок", True),
}


@pytest.mark.parametrize(("pattern", "text", "expected"), MATCHES.values(), ids=MATCHES)
def test_what_a_glob_matches(pattern: str, text: str, expected: bool) -> None:
    assert glob(pattern).matches(text) is expected


@pytest.mark.parametrize("text", ["", "a" * 257, "*a" * 17], ids=["empty", "long", "stars"])
def test_a_glob_beyond_the_bounds_is_refused(text: str) -> None:
    with pytest.raises(BadGlob):
        glob(text)


def test_a_regex_trap_costs_nothing() -> None:
    pattern = glob("*a" * 15 + "*b")
    started = time.perf_counter()
    assert not pattern.matches("a" * 1_000_000)
    assert time.perf_counter() - started < 0.05
