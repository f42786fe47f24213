"""Hashed word features: one function for training and for serving, pure Python and numpy.

A word is hashed with CRC-32 and its pair with the next word is mixed from the two hashes, so only single words cost
Python time. Digits become ``0``: an amount or a year has a shape, not a value. The order of the words is kept, because
the linear model also scores windows of a mail (``models.bayes``).
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.authorship import MARK
from models.normalise import UNACCENT, swap
from models.view import MailView

PAIRS_FROM = 1 << 19  #: words and structure below, pairs of words from here
HEADERS_FROM = 1 << 20  #: tokens of the author's header fields from here
BUCKETS = HEADERS_FROM + (1 << 17)
WORDS = 3_000  #: of one mail that are read: the first two thirds and the last third of these
WORDS_OF_TAIL = 1_000

#: Families of structural tokens that a model may learn from; see ``models.structure`` for why not all.
FAMILIES = ("has:form", "has:script", "hidden:", "html:too-deep", "link:", "tld:", "attach:", "image:", "text:none")

_ASCII_WORD = re.compile(rb"[a-z0-9]{2,24}|[$%!?]{1,3}")
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_WORD = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])[^\W_]){{2,24}}|[$%!?€£¥]{{1,3}}")
_DIGITS = str.maketrans("123456789", "000000000")
_URL_TAIL = re.compile(r"((?:https?://|www\.)[^\s/<>\"]{1,120})[^\s<>\"]{0,2000}")

Hashes = NDArray[np.uint32]

#: Raised by hand whenever ``view_of`` or this file would give another number for the same mail.
_REVISION = "3"

#: Identifies the meaning of every bucket. An artefact trained under another schema is refused.
SCHEMA = hashlib.sha256(
    "|".join((_REVISION, str(BUCKETS), str(WORDS), *FAMILIES, _ASCII_WORD.pattern.decode(), _WORD.pattern)).encode()
).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Features:
    """One mail as bucket numbers, in the order of its words."""

    words: Hashes  #: bucket of each word
    pairs: Hashes  #: bucket of each word with its successor, one fewer
    structure: Hashes  #: bucket of each structural token
    headers: Hashes  #: bucket of each token of the author's header fields

    def counted(self) -> tuple[Hashes, NDArray[np.int64]]:
        """Distinct buckets, ascending, and how often each occurs."""
        return np.unique(np.concatenate((self.words, self.pairs, self.structure, self.headers)), return_counts=True)


def words_of(normal: str) -> list[bytes]:
    """The words of a normalised text, as hashed; also what an explanation shows."""
    return [*_words_of(normal)]


@lru_cache(maxsize=1)  # a mail's words are hashed first, and the telling ones are named then
def _words_of(normal: str) -> tuple[bytes, ...]:
    text = _URL_TAIL.sub(r"\1 ", normal) if "://" in normal or "www." in normal else normal
    text = text.translate(_DIGITS)
    if not text.isascii():
        text = swap(text, UNACCENT)
    if text.isascii():
        found = _ASCII_WORD.findall(text.encode("ascii"))
    else:
        found = [w.encode("utf-8", "replace") for w in _WORD.findall(text)]
    if len(found) > WORDS:
        del found[WORDS - WORDS_OF_TAIL : len(found) - WORDS_OF_TAIL]
    return tuple(found)


def run_of_words(normal: str, first: int, count: int) -> str:
    """The text from word ``first`` on, ``count`` words long, as it stands in a normalised text.

    Accents may shift the count by a word or two, which matters to no reader of a hundred words.
    """
    blanked = _URL_TAIL.sub(lambda m: m[1] + " " * (len(m[0]) - len(m[1])), normal)
    starts = [m.start() for m in _WORD.finditer(blanked)]
    if first >= WORDS - WORDS_OF_TAIL and len(starts) > WORDS:
        first += len(starts) - WORDS  # the middle of a long mail is not read
    if first >= len(starts):
        return ""
    end = starts[first + count] if first + count < len(starts) else len(normal)
    return normal[starts[first] : end].strip()


def extract(view: MailView) -> Features:
    """The features of a mail. Pure; at most ``WORDS`` words, so bounded."""
    found = words_of(view.normal)
    hashes = np.fromiter(map(crc32, found), dtype=np.uint32, count=len(found))
    mixed = hashes[:-1] * np.uint32(0x9E3779B1) + hashes[1:] * np.uint32(0x85EBCA77)
    mixed ^= mixed >> np.uint32(15)
    mask = np.uint32(PAIRS_FROM - 1)
    pairs = (mixed & mask) | np.uint32(PAIRS_FROM)
    structure = [token_bucket(t) for t in view.tokens if t.startswith(FAMILIES)]
    headers = [token_bucket(t) for t in view.tokens if t.startswith(MARK)]
    return Features(hashes & mask, pairs, np.array(structure, dtype=np.uint32), np.array(headers, dtype=np.uint32))


def pair_bucket(first: bytes, second: bytes) -> int:
    """Bucket of two neighbouring words, for explanations."""
    mixed = (crc32(first) * 0x9E3779B1 + crc32(second) * 0x85EBCA77) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) & (PAIRS_FROM - 1) | PAIRS_FROM


def bucket(word: bytes) -> int:
    """Bucket of one word, for explanations."""
    return crc32(word) & (PAIRS_FROM - 1)


def token_bucket(token: str) -> int:
    """Bucket of a token of the view: structural, or of a header field."""
    number = crc32(token.encode("utf-8", "replace"))
    if token.startswith(MARK):
        return HEADERS_FROM + number % (BUCKETS - HEADERS_FROM)
    return number & (PAIRS_FROM - 1)
