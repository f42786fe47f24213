"""Phrases around a verdict in other languages than English, and which language a person reads."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

LANGUAGES = ("en", "de")
_ACCEPTED_MOST = 20  #: languages of one Accept-Language that are looked at


@cache
def _phrases(language: str) -> Mapping[str, str]:
    if language not in LANGUAGES or language == "en":
        return {}
    return tomllib.loads((resources.files(__package__) / f"phrases.{language}.toml").read_text("utf-8"))


def said(language: str, english: str) -> str:
    """A phrase in a language; in English where it is not known. What stands in braces is filled in by the caller."""
    return _phrases(language).get(english, english)


def of_locale(environ: Mapping[str, str], otherwise: str) -> str:
    """The language of who sits at a terminal: LC_ALL, LC_MESSAGES, LANG; ``otherwise`` where these name none."""
    names = (environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((name for name in names if name), "")
    language = locale.replace("-", "_").partition("_")[0].partition(".")[0].lower()
    if language in LANGUAGES:
        return language
    return otherwise if language in ("", "c", "posix") else "en"


def of_browser(accepted: str, otherwise: str) -> str:
    """The language of an Accept-Language field (RFC 9110 §12.5.4); ``otherwise`` where it names none that we speak."""
    return next((name for name in _preferred(accepted.split(",", _ACCEPTED_MOST)[:_ACCEPTED_MOST])), otherwise)


def _preferred(ranges: Iterable[str]) -> list[str]:
    found: list[tuple[float, str]] = []
    for each in ranges:
        name, _, parameter = each.partition(";")
        language = name.strip().partition("-")[0].lower()
        _, _, weight = parameter.strip().partition("q=")
        if language in LANGUAGES:
            found.append((_quality(weight), language))
    return [name for quality, name in sorted(found, key=lambda pair: -pair[0]) if quality > 0]


def _quality(text: str) -> float:
    """A weight of 0 to 1; 1 where none is given or it cannot be read."""
    try:
        return min(1.0, max(0.0, float(text[:5]))) if text else 1.0
    except ValueError:
        return 1.0
