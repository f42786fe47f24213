"""How a text is cut into words, also a very long one."""

import pytest

from store.search import words


@pytest.mark.parametrize("separator", [" ", "\n", ", "])
def test_a_long_text_has_the_same_words_as_its_pieces(separator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = separator.join(f"Wort{n} grüße" for n in range(500))
    whole = words.split(text)
    monkeypatch.setattr(words, "_PIECE", 64)
    assert words.split(text) == whole
    assert whole[:2] == ["wort0", "grusse"] and len(whole) == 1_000


def test_no_more_words_are_made_than_wanted() -> None:
    assert 10 <= len(words.split("\ufdfa " * 1_000_000, 10)) < 400_000


def test_a_word_without_an_end_is_read() -> None:
    assert {len(word) for word in words.split("x" * 300_000)} == {words.WORD_CHARS}
