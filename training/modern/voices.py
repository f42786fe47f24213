"""What surrounds the text of a composed mail, per language: signatures, small print, footers, quoted mails."""

import random
from functools import cache
from importlib import resources

from training.modern.slots import Slots


@cache
def _voices() -> dict[tuple[str, str], tuple[str, ...]]:
    """The lists of voices.txt, by kind and language."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in (resources.files("training.modern") / "voices.txt").read_text("utf-8").splitlines():
        name, colon, rest = line.partition(": ")
        kind, _, language = name.partition(" ")
        if colon and not line.startswith("#"):
            found[kind, language] = tuple(text.strip() for text in rest.split(" |"))
    return found


def voice(kind: str, language: str, slots: Slots, rng: random.Random) -> str:
    """One text of a kind, with its slots filled; "" for a language that has none of it."""
    choices = _voices().get((kind, language), ())
    return rng.choice(choices).format_map(slots) if choices else ""
