"""Expressions that people write: what may be written, and what it can cost."""

import time

import pytest

from gateway.settings.patterns import BadPattern, Overrun, bounded, findings


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"EMP-\d+", "ask emp-17 and EMP-18\nEMP-9", ["emp-17", "EMP-18", "EMP-9"]),
        (r"\b\d{3}-\d{2}-\d{4}\b", "123-45-6789", ["123-45-6789"]),
        (r"project (?:blue|red)bird", "The Project Redbird", ["Project Redbird"]),
        (r"\bkd.{0,20}nr", "KD.-Nr 7", ["KD.-Nr"]),
        (r"x{200}", "x" * 450, ["x" * 200, "x" * 200]),
    ],
)
def test_what_is_found(pattern: str, text: str, found: list[str]) -> None:
    assert sorted(set(findings(bounded(pattern), text, 1.0))) == sorted(set(found))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a+)+b", "repeats something that repeats"),
        (r"(a|aa)*b", "repeats something that repeats"),
        (r".*foo.*bar", "too many ways"),
        (r"a{0,100}b{0,100}c", "too many ways"),
        (r"(?=x)y", "may not look ahead"),
        (r"(a)\1", "may not look ahead"),
        (r"a*", "matches nothing"),
        (r"[", "no regular expression"),
        ("a" * 1_001, "longer than"),
        ("(" * 900 + ")" * 900, "longer than"),
    ],
)
def test_what_may_not_be_written(pattern: str, why: str) -> None:
    with pytest.raises(BadPattern, match=why):
        bounded(pattern)


@pytest.mark.parametrize("pattern", [r"\d+x", r"[a-z0-9]{1,40}[0-9]{1,40}@", r"(?:foo|bar|\w\w)\w+!"])
def test_the_worst_line_is_read_in_time(pattern: str) -> None:
    start = time.process_time()
    assert list(findings(bounded(pattern), "1" * 20_000, 30.0)) == []
    assert time.process_time() - start < 4.0


def test_too_much_text_is_told() -> None:
    with pytest.raises(Overrun):
        list(findings(bounded("x"), "y\n" * 10, 1.0, clock=iter(range(100)).__next__))
