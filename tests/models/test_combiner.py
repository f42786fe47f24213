"""Sums are exact, nothing counts twice, certainty is bounded."""

import pytest

from models.combiner import LANGUAGE, WORDS, Stack, Weights, probability


@pytest.mark.parametrize(("words", "language"), [(2.0, 3.0), (-4.0, 5.0), (6.0, 8.0), (-6.0, -8.0), (0.0, 0.0)])
def test_words_plus_correction_is_the_stack(words: float, language: float) -> None:
    stack = Stack(words=0.7, language=0.5, bias=-0.1)
    weights = Weights(prior=-0.8, signals={WORDS: 1.0, LANGUAGE: 1.0})
    total = weights.total([(WORDS, words), (LANGUAGE, stack.correction(words, language))])
    assert total == pytest.approx(-0.8 + stack(words, language))


def test_an_unknown_signal_weighs_nothing() -> None:
    assert Weights(0.5, {"a": 2.0}).total([("a", 1.0), ("b", 100.0)]) == 2.5


@pytest.mark.parametrize(
    ("nats", "expected"), [(0.0, 0.5), (1e9, 1.0), (-1e9, 0.0), (2.0, 0.880797), (-2.0, 0.119203)], ids=str
)
def test_probability(nats: float, expected: float) -> None:
    assert probability(nats) == pytest.approx(expected, abs=1e-6)
