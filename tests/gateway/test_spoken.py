"""Reasons and phrases in the reader's language: every signal both ways, every phrase that the program says."""

import re
import tomllib
from pathlib import Path

import pytest

from gateway.checks import ALL_SIGNALS
from gateway.checks.spoken import in_language
from gateway.pipeline.evidence import Signal
from gateway.policy.rule import SAID
from gateway.sentences import sentences
from gateway.sentences.phrases import LANGUAGES, of_browser, of_locale, said

ROOT = Path(__file__).parents[2]
SIGNALS = sorted((signal for signal in ALL_SIGNALS if signal.name), key=lambda signal: signal.name)
SEEN = 'exarnple.com: "x"'


@pytest.mark.parametrize(
    "signal", sorted((s for s in ALL_SIGNALS if s.name), key=lambda s: s.name), ids=lambda s: s.name
)
def test_a_reason_is_the_same_in_either_language(signal: Signal) -> None:
    name, about = signal.name, signal.about
    english, german = (text.replace("{detail}", SEEN) for text in (about, sentences("de")[name]))
    assert in_language(name, english, "de") == german
    assert in_language(name, german, "en") == english
    assert in_language(name, english, "en") == english


ODD = {
    "a rule's own sentence": ("my-rule", "Partner's invoices are wanted"),
    "an unknown signal": ("url.gone", "A link of a kind that is no longer told"),
    "a sentence of an older program": ("url.ip-host", "It used to say this: 192.0.2.1"),
}


@pytest.mark.parametrize(("signal", "sentence"), ODD.values(), ids=ODD)
def test_what_is_not_known_stays_as_it_was_written(signal: str, sentence: str) -> None:
    assert in_language(signal, sentence, "de") == sentence


def test_what_a_mail_holds_is_not_taken_for_a_template() -> None:
    seen = "{detail} {0} A link names"
    english = in_language("url.ip-host", f"A link names a machine by its address instead of a name: {seen}", "de")
    assert english == f"Ein Link nennt einen Rechner mit seiner Adresse statt mit einem Namen: {seen}"


@pytest.mark.parametrize("action", SAID.values())
def test_a_rule_on_trial_is_told_in_german_with_its_own_words(action: str) -> None:
    told = in_language("r", f"A rule on trial would {action} it: Partner's mail: {{0}}", "de")
    assert told.startswith("Eine Regel auf Probe würde sie ")
    assert told.endswith(": Partner's mail: {0}")


LOCALES = {
    "german": ({"LANG": "de_DE.UTF-8"}, "de"),
    "austrian": ({"LANG": "de_AT"}, "de"),
    "the stronger one": ({"LC_ALL": "en_GB.UTF-8", "LANG": "de_DE.UTF-8"}, "en"),
    "messages": ({"LC_MESSAGES": "de", "LANG": "en_US.UTF-8"}, "de"),
    "one that we do not speak": ({"LANG": "fr_FR.UTF-8"}, "en"),
    "none": ({}, "de"),
    "C": ({"LANG": "C.UTF-8"}, "de"),
}


@pytest.mark.parametrize(("environ", "language"), LOCALES.values(), ids=LOCALES)
def test_the_language_of_a_terminal(environ: dict[str, str], language: str) -> None:
    assert of_locale(environ, "de") == language


BROWSERS = {
    "german": ("de", "de"),
    "german of austria": ("de-AT, de;q=0.9, en;q=0.8", "de"),
    "english before german": ("en-GB,en;q=0.9,de;q=0.3", "en"),
    "german before english": ("en;q=0.3,de;q=0.9", "de"),
    "not german": ("de;q=0", "en"),
    "another first": ("fr,de;q=0.5", "de"),
    "nothing": ("", "en"),
    "garbage": (";;q=,,de;q=x;;", "de"),
    "no end": ("xx," * 10_000 + "de", "en"),
}


@pytest.mark.parametrize(("accepted", "language"), BROWSERS.values(), ids=BROWSERS)
def test_the_language_of_a_browser(accepted: str, language: str) -> None:
    assert of_browser(accepted, "en") == language


def test_every_phrase_of_a_template_is_known() -> None:
    pages = (ROOT / "protocols" / "console" / "templates").glob("*.html")
    phrases = {found for page in pages for found in re.findall(r'"([^"]+)"\|said\(', page.read_text("utf-8"))}
    assert phrases
    assert sorted(phrase for phrase in phrases if said("de", phrase) == phrase) == []


def test_every_phrase_that_code_says_is_known() -> None:
    files = [*(ROOT / "gateway" / "cli").glob("*.py"), ROOT / "protocols" / "console" / "evidence.py"]
    phrases = {each for file in files for each in re.findall(r'said\(\s*language, "([^"]+)"', file.read_text("utf-8"))}
    assert len(phrases) > 10
    assert sorted(phrase for phrase in phrases if said("de", phrase) == phrase) == []


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_holes_are_the_same_in_every_language(language: str) -> None:
    text = (ROOT / "gateway" / "sentences" / f"phrases.{language}.toml").read_text("utf-8")
    holes = re.compile(r"{\d}")
    phrases = tomllib.loads(text).items()
    assert [english for english, told in phrases if sorted(holes.findall(english)) != sorted(holes.findall(told))] == []
