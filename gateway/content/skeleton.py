"""Reduces words to what the eye makes of them, so that look-alikes become equal. UTS #39 §4.

Beyond the standard's data: accents are dropped, ``i`` joins ``l`` and ``1`` (a capital I is written where an l is
read), and the pairs ``rn``, ``vv`` and ``cl`` become ``m``, ``w`` and ``d``. Both sides of a comparison go through the
same reduction, so a genuine ``modern`` still equals itself.
"""

import unicodedata
from functools import lru_cache

from models.normalise import fold_table

_LONGEST = 300  #: characters that are reduced
_ASCII = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "$": "s", "@": "a"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_OWN = str.maketrans(
    {
        "ı": "i",
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ħ": "h",
        "ŧ": "t",
        "ð": "d",
        "þ": "p",
        "ß": "b",
        "æ": "ae",
        "œ": "oe",
        "ƅ": "b",
    }
)


@lru_cache(maxsize=8_192)
def skeleton(text: str) -> str:
    """What a hurried reader sees, as a key to compare with another skeleton; not for display. Never raises."""
    text = text[:_LONGEST]
    if not text.isascii():
        text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
        text = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cc"))
        text = text.translate(fold_table()).translate(_OWN)
    text = text.lower().translate(_OWN).translate(_ASCII)
    for pair, single in _PAIRS:
        text = text.replace(pair, single)
    return text
