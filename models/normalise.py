"""One normal form for obfuscated text: full-width, look-alike, zero-width and spaced-out spellings become one word.

The order is NFKC, removal of what has no width, UTS #39 folding of look-alikes, joining of spaced letters, lower case.
Folding works word by word: a word that folds to plain ASCII, or that mixes Latin letters with look-alikes from another
script, is folded; an ordinary Russian or Greek word stays as it is. Pure ASCII, the common case, skips all of it.
"""

import json
import re
import unicodedata
from functools import cache
from importlib import resources

from store.message.harmless import unstacked

#: Soft hyphen, zero-width, bidirectional, joiner, filler, variation selector and tag characters: abused, not seen.
_INVISIBLE = (
    *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x180E),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
    *range(0xE0100, 0xE01F0),
)
_DROP_INVISIBLE = {chr(code): "" for code in _INVISIBLE}

#: Latin look-alikes that neither NFKC nor the package's table reduces to one ASCII letter.
_SMALL_CAPITALS = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz", strict=True))
_CYRILLIC = dict(zip("тТкКмМнНвВпшиѕѡӏӀ", "tTkKmMnHbBnwuswlI", strict=True))
_GREEK = dict(zip("αβγεηικνορστυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abyenikvopotuxwABEZHIKMNOPTYX", strict=True))

_SPACED = re.compile(r"(?<!\w)[^\W\d_](?:([ ._*·-])[^\W\d_](?=\1|\W|$))(?:\1[^\W\d_](?=\1|\W|$)){2,}(?!\w)")
#: What every match of it holds. It begins with a sign that is rare, so looking for it first costs a tenth.
_MAYBE_SPACED = re.compile(r"([ ._*·-])[^\W\d_]\1[^\W\d_]\1")
#: Possessive and anchored at a word's start, so that a megabyte without a space is still read once.
_NON_ASCII_WORD = re.compile(r"(?<!\S)[^\s\x80-\U0010ffff]*+[^\x00-\x7f\s]\S*+")
_GREEK_TO_ARMENIAN = re.compile(r"[\u0370-\u058f]")
_ONE_SCRIPT = re.compile(r"[^A-Za-z\xc0-\u024f]+")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_SEPARATORS = str.maketrans("", "", " ._*·-")


@cache
def fold_table() -> dict[int, str]:
    """Look-alike code point to the ASCII letters or digit it imitates. UTS #39 data plus our own additions."""
    raw = json.loads((resources.files("confusable_homoglyphs") / "confusables.json").read_text("utf-8"))
    table: dict[int, str] = {}
    for character, twins in raw.items():
        if len(character) != 1 or character.isascii() or unicodedata.category(character)[0] not in "LNMS":
            continue
        plain = [t["c"] for t in twins if t["c"].isascii() and t["c"].isalnum()]
        if plain:
            table[ord(character)] = _best(character, plain)
    for extra in (_SMALL_CAPITALS, _CYRILLIC, _GREEK):
        table.update({ord(k): v for k, v in extra.items() if v.isascii()})
    for base, first in ((0x1F1E6, "a"), (0x1F130, "a"), (0x1F150, "a"), (0x1F170, "a"), (0x1CCD6, "a")):
        table.update({base + i: chr(ord(first) + i) for i in range(26)})
    table.update({0x1CCF0 + i: str(i) for i in range(10)})
    return table


def _best(character: str, plain: list[str]) -> str:
    """Letters before digits, the same case first, one letter before two."""
    upper = character.isupper()
    return min(plain, key=lambda t: (len(t), not t.isalpha(), t.isupper() != upper, t))


def _fold_word(word: str, alike: frozenset[str], genuine: bool) -> str:
    if alike.isdisjoint(word):
        return word
    folded = word.translate(fold_table())
    if folded.isascii() and not (genuine and _ONE_SCRIPT.fullmatch(word)):
        return folded
    mixed = any("a" <= c <= "z" or "A" <= c <= "Z" for c in word)
    foreign = any("\u0370" <= c <= "\u058f" or "\u13a0" <= c <= "\u13ff" for c in word)
    return folded if mixed and foreign else word


def _fold(text: str) -> str:
    """Fold every word that holds anything but ASCII, sparing the short words of real Cyrillic or Greek prose.

    Prose gives itself away by letters nothing Latin looks like; an imitation of Latin has none.
    """
    table = fold_table()
    alike = frozenset(c for c in beyond_ascii(text) if ord(c) in table)
    if not alike:
        return text
    letters = _GREEK_TO_ARMENIAN.findall(text, 0, 4_000)
    genuine = sum(ord(c) not in table for c in letters) * 10 > len(letters)
    return _NON_ASCII_WORD.sub(lambda m: _fold_word(m[0], alike, genuine), text)


def _join_spaced(match: re.Match[str]) -> str:
    return match[0].translate(_SEPARATORS)


def beyond_ascii(text: str) -> set[str]:
    """The characters of a text that are no ASCII, each once."""
    return set(_BEYOND_ASCII.findall(text))


def swap(text: str, table: dict[str, str]) -> str:
    """``str.translate`` for a large table without ASCII of which a text uses few entries: ten times as fast."""
    if not text.isascii():
        for character in table.keys() & beyond_ascii(text):
            text = text.replace(character, table[character])
    return text


def visible(text: str) -> str:
    """Text without control and zero-width characters; what a reader's eye gets."""
    return swap(text, _DROP_INVISIBLE)


def normalise(text: str) -> str:
    """The normal form both models read: folded, joined, lower case. Pure, and linear in the length of the text."""
    if not text.isascii():
        text = swap(unicodedata.normalize("NFKC", unstacked(text)), _DROP_INVISIBLE)
        if not text.isascii():
            text = _fold(text)
    return (_SPACED.sub(_join_spaced, text) if _MAYBE_SPACED.search(text) else text).lower()


#: Accented Latin letters to their base letter, for word hashing only: ``für`` and ``fur`` share a bucket.
UNACCENT: dict[str, str] = {
    chr(code): base
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))
    if (base := unicodedata.normalize("NFD", chr(code))[0]).isascii()
}
