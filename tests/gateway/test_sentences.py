"""Every signal has a sentence in every language, with its detail where the English one has it."""

import pytest

from gateway.checks import ALL_SIGNALS
from gateway.pipeline.evidence import Evidence
from gateway.pipeline.verdict import PRIOR, Policy, decide
from gateway.sentences import LANGUAGES, sentences

OTHERS = [language for language in LANGUAGES if language != "en"]


@pytest.mark.parametrize("language", OTHERS)
def test_every_signal_is_told_and_nothing_else(language: str) -> None:
    assert set(sentences(language)) == {signal.name for signal in ALL_SIGNALS} | {PRIOR.name}


@pytest.mark.parametrize("language", OTHERS)
def test_the_detail_is_told_where_english_tells_it(language: str) -> None:
    told = sentences(language)
    wrong = [s.name for s in ALL_SIGNALS if ("{detail}" in s.about) != ("{detail}" in told[s.name])]
    assert wrong == []
    assert [name for name, text in told.items() if text.endswith(".") or not text[0].isupper()] == []


def test_a_verdict_gives_its_reasons_in_the_language_of_its_policy() -> None:
    signal = next(s for s in ALL_SIGNALS if s.name == "url.ip-host")
    policy = Policy(-0.8, {"url.ip-host": 2.0}, sentences=sentences("de"))
    verdict = decide([Evidence(signal, "192.0.2.1")], policy)
    assert [reason.sentence for reason in verdict.reasons] == [
        "Ein Link nennt einen Rechner mit seiner Adresse statt mit einem Namen: 192.0.2.1",
        "Wie Post von Fremden im Durchschnitt aussieht",
    ]


def test_a_detail_cannot_write_into_the_sentence() -> None:
    signal = next(s for s in ALL_SIGNALS if s.name == "url.ip-host")
    assert Policy(0.0, {}).sentence(Evidence(signal, "{detail}{0}")).endswith(": {detail}{0}")
