"""Duplicates out first, then a split that depends on the body alone, so that a copy cannot be on both sides."""

import hashlib
from collections.abc import Iterable, Iterator

from models.view import MailView
from training.corpus.sample import Sample

TRAIN_BUCKETS = range(7)  #: of ten; 7, 8 and 9 are held out for ever


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


def without_duplicates(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Each body and each near copy once, the first seen."""
    seen: set[str] = set()
    for sample in samples:
        if sample.key not in seen and sample.near not in seen:
            yield sample
        seen.update((sample.key, sample.near))


def halves(samples: Iterable[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Training and held-out samples, by bucket."""
    train: list[Sample] = []
    held: list[Sample] = []
    for sample in samples:
        (train if sample.bucket in TRAIN_BUCKETS else held).append(sample)
    return train, held
