"""What a word is: text folded and cut into words, the same for mails and for what is looked for.

Rules, version 1: text is decomposed (NFKD), case-folded, freed of diacritics and of marks that nobody types, and
composed again. A word is a run of letters, digits and the marks of scripts that need them, so an address, a host name
or a hyphenated word is several words one after another. A run of a script that writes without blanks (Han, Kana, Thai,
Lao, Khmer, Burmese) is cut into its characters, each kept together with the next one: one character or many are found
alike. A symbol ($, €, an emoji) is a word of its own; every other character only separates. Close to Unicode's word
boundaries (UAX #29), but with more boundaries: what is looked for is cut in the same way, so more cost nothing.

A needle is found where the words of a text, written with one blank between them, contain the words of the needle
written in this way: the first word may be the end of a longer one, the last the beginning, an only one any part.
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

from store.message.harmless import unstacked

RULES = 1  #: version of what this file does to a text; an index made by other rules is made again
WORD_CHARS = 64  #: of one word that count
_PIECE = 64 * 1024  #: characters of a long text that are read at once

_UNSPACED = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
)
#: Diacritics, the points of Hebrew and Arabic, and what only shapes or joins.
_UNTYPED = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u0640\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]+"
)
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_ASCII = re.compile(r"[a-z0-9]+|\$")
_ONE_UNSPACED = re.compile(f"[{_UNSPACED}]")


class Match(Enum):
    """How a word of a needle has to stand in a word of the text."""

    IS = auto()
    STARTS = auto()
    ENDS = auto()
    INSIDE = auto()

    def holds(self, needle: str, word: str) -> bool:
        match self:
            case Match.IS:
                return word == needle
            case Match.STARTS:
                return word.startswith(needle)
            case Match.ENDS:
                return word.endswith(needle)
            case Match.INSIDE:
                return needle in word


@dataclass(frozen=True, slots=True)
class Piece:
    """One word of a needle; pieces stand one after another."""

    text: str
    match: Match


def fold(text: str) -> str:
    """One case, one composition, no diacritics: "Straße" is "strasse", "Grüße" is "grusse"."""
    if text.isascii():
        return text.lower()
    bare = _UNTYPED.sub("", unicodedata.normalize("NFKD", unstacked(text)).casefold())
    return unicodedata.normalize("NFKC", bare).casefold().translate(_LETTERS)


def split(text: str, most: int = sys.maxsize) -> list[str]:
    """The words of a text, its first ``most`` or some more; where a word stands in the list is its position.

    A long text is cut at blanks and read piece by piece: a character may decompose to eighteen, and other threads
    get their turn in between.
    """
    found: list[str] = []
    start = 0
    while start < len(text) and len(found) < most:
        end = start + _PIECE
        if end < len(text):
            end = max(text.rfind(" ", start + _PIECE // 2, end), text.rfind("\n", start + _PIECE // 2, end)) + 1 or end
        found += _split(text[start:end])
        start = end
    return found


def _split(text: str) -> list[str]:
    folded = fold(text)
    if folded.isascii():
        return [word[:WORD_CHARS] for word in _ASCII.findall(folded)]
    found: list[str] = []
    for unspaced, word in _pattern().findall(folded):
        if unspaced:
            found += [unspaced[at : at + 2] for at in range(len(unspaced))]
        else:
            found.append(word[:WORD_CHARS])
    return found


def needle(text: str) -> tuple[Piece, ...]:
    """What to look for; empty when the text has no words, and then every text holds it."""
    folded = fold(text)
    runs = [(run[0], run[1]) for run in _pattern().findall(folded)]
    pieces: list[Piece] = []
    for number, (unspaced, word) in enumerate(runs):
        is_first, is_last = number == 0, number == len(runs) - 1
        if unspaced:
            pieces += _unspaced_pieces(unspaced, is_last=is_last)
        else:
            pieces.append(Piece(word[:WORD_CHARS], _MATCHES[is_first, is_last]))
    return tuple(pieces)


_MATCHES = {
    (True, True): Match.INSIDE,
    (True, False): Match.ENDS,
    (False, True): Match.STARTS,
    (False, False): Match.IS,
}


def _unspaced_pieces(run: str, *, is_last: bool) -> list[Piece]:
    """The last run may go on in the text, every other ends where it ends here: its last character stands alone."""
    if is_last and len(run) == 1:
        return [Piece(run, Match.STARTS)]
    pairs = [Piece(run[at : at + 2], Match.IS) for at in range(len(run) - 1)]
    return pairs if is_last else [*pairs, Piece(run[-1], Match.IS)]


def single_word(pieces: Sequence[Piece]) -> str | None:
    """The word when a needle is one word that has stems; scripts without blanks have none."""
    if len(pieces) != 1 or pieces[0].match is not Match.INSIDE:
        return None
    return pieces[0].text


def holds(pieces: Sequence[Piece], words: Sequence[str]) -> bool:
    """Whether the words of a text hold a needle."""
    return not pieces or any(stands_at(pieces, words, at) for at in range(len(words) - len(pieces) + 1))


def stands_at(pieces: Sequence[Piece], words: Sequence[str], at: int) -> bool:
    """Whether a needle stands at a position of a text."""
    return all(piece.match.holds(piece.text, words[at + ahead]) for ahead, piece in enumerate(pieces))


@dataclass(frozen=True, slots=True)
class Spelled:
    """A word with where it stands in the text as it was written."""

    word: str
    start: int
    end: int

    @property
    def is_plain(self) -> bool:
        """Whether each letter as written is one letter of the word."""
        return len(self.word) == self.end - self.start


def spelled(text: str) -> list[Spelled]:
    """The words of a text with their places, for showing them: what ``split`` gives, but for rare compositions."""
    found: list[Spelled] = []
    for match in _pattern().finditer(text):
        start, end = match.span()
        if match[1]:
            found += [Spelled(fold(text[at : min(at + 2, end)]), at, at + 1) for at in range(start, end)]
        else:
            found += [Spelled(word, start, end) for word in split(match[2])]
    return found


@cache
def _pattern() -> re.Pattern[str]:
    """Runs of unspaced scripts, words, symbols. Made when first needed: it looks at every character there is."""
    marks = _class(lambda kind: kind in ("Mn", "Mc"))
    symbols = _class(lambda kind: kind in ("So", "Sc"))
    word = rf"(?:[^\W_{_UNSPACED}]|[{marks}])"
    return re.compile(rf"([{_UNSPACED}]+)|({word}+|[{symbols}])")


def _class(belongs: Callable[[str], bool]) -> str:
    """The inside of a character class of what belongs and stands outside the unspaced scripts."""
    kind, unspaced = unicodedata.category, _ONE_UNSPACED
    pieces: list[str] = []
    start: int | None = None
    for code in range(0x20000):
        is_in = belongs(kind(chr(code))) and not unspaced.match(chr(code))
        if is_in and start is None:
            start = code
        elif not is_in and start is not None:
            pieces.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    assert start is None and sys.maxunicode >= 0x20000
    return "".join(pieces)
