"""Globs: ``*`` is any text, ``?`` one character, capitals do not matter. Matching is linear in the text.

Between two stars stands text of fixed length, which is searched for from left to right and never looked for again: no
pattern makes a hostile subject expensive.
"""

import re
from dataclasses import dataclass

MAX_PATTERN = 256  #: characters of a glob
MAX_STARS = 16
MAX_TEXT = 2_000  #: characters of a text that are looked at


class BadGlob(ValueError):
    """The text cannot be used as a glob; the message says why."""


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern."""

    text: str
    pieces: tuple[re.Pattern[str], ...]  #: what stands between the stars, each of one length; one: no star at all

    def matches(self, text: str) -> bool:
        """Whether the whole text is like the pattern."""
        shown = text[:MAX_TEXT].casefold()
        first, *others = self.pieces
        if not others:
            return first.fullmatch(shown) is not None
        begun = first.match(shown)
        if begun is None:
            return False
        place = begun.end()
        for piece in others[:-1]:
            found = piece.search(shown, place)
            if found is None:
                return False
            place = found.end()
        end = len(shown) - self._last_length()
        return end >= place and others[-1].fullmatch(shown, end) is not None

    def _last_length(self) -> int:
        return len(self.text.casefold().rpartition("*")[2])


def glob(text: str) -> Glob:
    """Compile a pattern. Raises BadGlob."""
    if not text:
        raise BadGlob("an empty pattern matches nothing")
    if len(text) > MAX_PATTERN or text.count("*") > MAX_STARS:
        raise BadGlob(f"{text[:40]!r}...: a pattern has at most {MAX_PATTERN} characters and {MAX_STARS} stars")
    pieces = re.sub(r"\*+", "*", text.casefold()).split("*")
    return Glob(text, tuple(re.compile(re.escape(piece).replace(r"\?", "."), re.DOTALL) for piece in pieces))
