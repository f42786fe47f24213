"""The sentences of signals in other languages than English, in which each signal carries its own."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from gateway.sentences.phrases import LANGUAGES

__all__ = ["LANGUAGES", "sentences"]


@cache
def sentences(language: str) -> Mapping[str, str]:
    """Sentences by signal name; empty for English. Raises KeyError for a language that is not there."""
    if language not in LANGUAGES:
        raise KeyError(language)
    if language == "en":
        return {}
    text = (resources.files(__package__) / f"{language}.toml").read_text("utf-8")
    return tomllib.loads(text)
