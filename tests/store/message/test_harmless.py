"""What breaks or holds up the standard library is made safe, and nothing else is changed."""

import unicodedata

import pytest

from store.message.harmless import unescape, unstacked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a &amp; b &#233; &#xe9; &#8364;", "a & b é é €"),
        ("&#" + "9" * 5_000 + ";!", "\ufffd!"),
        ("&#" + "0" * 5_000 + "65;", "\ufffd"),
        ("&#x" + "9" * 5_000 + ";", "\ufffd"),
        ("&#00000065;", "A"),
        ("no entity", "no entity"),
    ],
)
def test_entities(text: str, expected: str) -> None:
    assert unescape(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "a" + "\u0301" * 30,
        "z" + "\u0315\u0300\u05ae" * 10 + "z" + "\u0301" * 30,
        "Приве\u0301т, как дела? " * 20,
        "ประเทศไทย " * 50,
        "🎉" * 100,
        "—" * 100,
        "한국어 " * 40,
    ],
)
def test_honest_text_stays(text: str) -> None:
    assert unstacked(text) == text


@pytest.mark.parametrize("marks", ["\u0315\u0300\u05ae", "\u0315\uff9e", "\u20d0\u2de0\u302a", "\U0001e023\u0327"])
def test_a_stack_is_cut(marks: str) -> None:
    cut = unstacked("a" + marks * 100_000 + "b")
    assert len(cut) == 32 and cut.startswith("a") and cut.endswith("b")


def test_every_mark_that_is_sorted_counts() -> None:
    sorted_ = [
        chr(code)
        for code in range(0x300, 0x110000)
        if not 0xD800 <= code < 0xE000 and unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[0])
    ]
    assert [f"{ord(mark):x}" for mark in sorted_ if len(unstacked("a" + mark * 40)) != 31] == []
