"""Which writing systems a word uses, and whether an honest word would mix them. UTS #39 §5.2, highly restrictive."""

import unicodedata
from functools import lru_cache

#: Characters that are allowed in names yet look like the punctuation that ends a host name.
SYNTAX_TWINS = frozenset(
    "\u2044\u2215\u29f8\u2571\u30ce\u4e36\u4e3f\u3033\u02d0\ua789\u05c3\u2236\u2024\u06d4\u0701\u0702\u2027"
)

_ALLOWED = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
)
_SAME = {"CJK": "HAN", "IDEOGRAPHIC": "HAN", "KANGXI": "HAN", "KATAKANA-HIRAGANA": "", "HANGZHOU": "HAN"}
_COMMON = frozenset(
    {"DIGIT", "COMBINING", "MODIFIER", "SUPERSCRIPT", "SUBSCRIPT", "FEMININE", "MASCULINE", "ZERO", "MICRO"}
)


@lru_cache(maxsize=4_096)
def script_of(character: str) -> str:
    """Name of a letter's script ("LATIN", "CYRILLIC", "HAN"); "" for what every script shares."""
    if character.isascii():
        return "LATIN" if character.isalpha() else ""
    if unicodedata.category(character)[0] != "L":
        return ""
    if character == "\u00b5":  # the micro sign is a Greek letter only by its decomposition
        return ""
    plain = unicodedata.normalize("NFKC", character)[:1] or character
    if plain.isascii():
        return "LATIN" if plain.isalpha() else ""
    words = unicodedata.name(plain, "UNKNOWN").split(" ", 2)
    first = words[1] if words[0] in ("FULLWIDTH", "HALFWIDTH") and len(words) > 1 else words[0]
    first = _SAME.get(first, first)
    return "" if first in _COMMON else first


def scripts_of(text: str) -> frozenset[str]:
    """The scripts of all letters in the text."""
    if text.isascii():
        return frozenset({"LATIN"}) if any(c.isalpha() for c in text) else frozenset()
    return frozenset(s for s in map(script_of, set(text)) if s)


def is_mixed_script(label: str) -> bool:
    """True when one word mixes scripts that no language mixes. Chinese, Japanese and Korean with Latin are fine."""
    if label.isascii():
        return False
    used = scripts_of(label)
    return len(used) > 1 and not any(used <= allowed for allowed in _ALLOWED)
