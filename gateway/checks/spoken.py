"""A reason's sentence in the language of who reads it, whatever language it was written down in.

A sentence is its signal's template with what was seen in it, so what was seen is found again by taking the template
off, and put into the other language's.
"""

from collections.abc import Mapping
from functools import cache

from gateway.checks import ALL_SIGNALS
from gateway.pipeline.verdict import PRIOR
from gateway.sentences import LANGUAGES, sentences
from gateway.sentences.phrases import said

_HOLE = "{detail}"
_TRIAL = "A rule on trial would "  #: what a rule in shadow says before its own sentence


def in_language(signal: str, sentence: str, language: str) -> str:
    """The same reason in another language; as it is where no template of its signal fits (a rule's own sentence)."""
    if sentence.startswith(_TRIAL):
        head, colon, because = sentence.partition(": ")
        return said(language, f"{head}{colon}{{0}}").replace("{0}", because)
    templates = _templates().get(signal)
    wanted = templates.get(language) if templates else None
    if templates is None or wanted is None:
        return sentence
    for template in templates.values():
        before, hole, after = template.partition(_HOLE)
        if not hole and sentence == template:
            return wanted
        if hole and sentence.startswith(before) and sentence.endswith(after):
            return wanted.replace(_HOLE, sentence[len(before) : len(sentence) - len(after)])
    return sentence


def template(signal: str, about: str, language: str) -> str:
    """A signal's sentence with its hole, in a language."""
    return _templates().get(signal, {}).get(language, about)


@cache
def _templates() -> Mapping[str, Mapping[str, str]]:
    """By signal and language."""
    english = {signal.name: signal.about for signal in (*ALL_SIGNALS, PRIOR)}
    return {
        name: {"en": about} | {each: sentences(each)[name] for each in LANGUAGES if name in sentences(each)}
        for name, about in english.items()
    }
