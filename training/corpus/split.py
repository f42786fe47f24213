"""Duplicates and near copies out first, then a split that depends on the body alone: a copy cannot be on both sides."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from zlib import crc32

import numpy as np

from models.view import MailView
from training.corpus.sample import Sample

TRAIN_BUCKETS = range(7)  #: of ten; 7, 8 and 9 are held out for ever

_NO_SPACES = r"\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"  #: Thai and Lao, Kana, Han
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W\d_{_NO_SPACES}]+")
_SAID = 2_000  #: words of a body that are compared
_FEW = 8  #: pairs of words below which only an equal body is a copy
_BANDS, _ROWS = 6, 5  #: texts that share 85 % of their pairs of words meet with 97 %, 50 % with 17 %, 30 % with 1 %
_PRIME = (1 << 31) - 1
_SEEDS = np.random.default_rng(20260101).integers(1, _PRIME, size=(2, _BANDS * _ROWS), dtype=np.uint64)


def _letters(view: MailView) -> str:
    return "".join(filter(str.isalnum, view.text.lower()))


def body_key(view: MailView, octets: bytes) -> str:
    """SHA-256 of the lower-cased alphanumeric body text; of the whole mail when the body has no text."""
    letters = _letters(view)
    return hashlib.sha256(letters.encode("utf-8", "replace") if letters else octets).hexdigest()


def near_key(view: MailView, key: str) -> str:
    """Equal for mails that begin and end alike: a campaign, a digest, a forwarded copy."""
    letters = _letters(view)
    return f"{letters[:150]}|{letters[-100:]}" if len(letters) >= 60 else key


def near_bands(text: str) -> tuple[str, ...]:
    """Keys of which texts share at least one when they differ in numbers, a name, or a sentence.

    Numbers are left out; what is compared are the pairs of neighbouring words (letters, in a script that writes
    without spaces), by min-hash. Linear in the text, and looking one up costs the same however many there are.
    """
    words = _WORD.findall(text.lower())[:_SAID]
    pairs = {crc32(f"{a} {b}".encode("utf-8", "replace")) for a, b in pairwise(words)}
    if len(pairs) < _FEW:
        return ()
    hashes = np.fromiter(pairs, np.uint64, len(pairs))[:, None]
    least = ((hashes * _SEEDS[0] + _SEEDS[1]) % _PRIME).min(axis=0).reshape(_BANDS, _ROWS)
    return tuple(f"{band}:{row.tobytes().hex()}" for band, row in enumerate(least))


class Seen:
    """The mails met so far, asked for each new one whether it is a copy."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._bands: dict[str, str] = {}

    def is_copy(self, key: str, near: str, text: str, family: str) -> bool:
        """True for an equal body, an equal beginning and end, or a near copy outside its own family.

        Mails of one family stay on one side of every split anyway, and differ on purpose.
        """
        bands = near_bands(text)
        copy = key in self._keys or near in self._keys
        copy = copy or any(self._bands.get(band, family) != family for band in bands)
        self._keys.update((key, near))
        for band in bands:
            self._bands.setdefault(band, family)
        return copy


def without_duplicates(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Each body and each near copy once, the first seen."""
    seen = Seen()
    for sample in samples:
        if not seen.is_copy(sample.key, sample.near, sample.view.text, sample.family):
            yield sample


def halves(samples: Iterable[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Training and held-out samples, by bucket."""
    train: list[Sample] = []
    held: list[Sample] = []
    for sample in samples:
        (train if sample.bucket in TRAIN_BUCKETS else held).append(sample)
    return train, held
