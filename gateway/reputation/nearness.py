"""Recognises nearly the same text again: what a trap received, and what many strangers write on one day.

A MinHash over pairs of words, with what changes from copy to copy taken out (``campaign.stable_text``), cut into bands:
two texts that share nine tenths of their pairs agree in most bands, two that share a third in none. A band is a row
that expires; rows hold digests alone, from which no text can be had back.
"""

from hashlib import blake2b
from itertools import pairwise
from zlib import crc32

import numpy as np

from gateway.reputation.campaign import KEEP_MS
from store.changes.engine import StoreTxn, StoreView
from store.schema import expiring, keys

DAY_MS = 24 * 3600 * 1000
MOST_SOURCES = 16  #: strangers that a row remembers

_BANDS, _ROWS = 8, 4
_ENOUGH = 2  #: bands that must agree before a text is called the same
_WIDE_BANDS = 2  #: bands under which strangers are counted
_FEWEST = 30  #: distinct pairs of words below which texts agree by accident
_MOST = 400  #: pairs that are read
_SOURCE = 6  #: octets of a stranger's digest
_NEAR, _WIDE = keys.FINGERPRINT + b"n", keys.FINGERPRINT + b"w"

_generator = np.random.Generator(np.random.PCG64(20260302))
_FACTORS = _generator.integers(1, 1 << 32, _BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _generator.integers(0, 1 << 32, _BANDS * _ROWS, dtype=np.uint64)
_LOW = np.uint64(0xFFFFFFFF)
_MIX = np.uint64(0x9E3779B1)


def bands(stable: str) -> tuple[bytes, ...]:
    """Eight digests of which near copies share most; none for a text that is too short. About 0.2 ms for 400 words.

    ``stable`` is what ``campaign.stable_text`` gives.
    """
    words = stable.split()[: _MOST + 1]
    pairs = {f"{one} {two}" for one, two in pairwise(words)}
    if len(pairs) < _FEWEST:
        return ()
    numbers = np.array([crc32(pair.encode("utf-8", "replace")) for pair in pairs], dtype=np.uint64)
    mixed = (numbers[None, :] * _FACTORS[:, None] + _OFFSETS[:, None]) & _LOW
    mixed ^= mixed >> np.uint64(15)
    minima = ((mixed * _MIX) & _LOW).min(axis=1).astype("<u4")
    rows = minima.reshape(_BANDS, _ROWS)
    return tuple(bytes([at]) + blake2b(row.tobytes(), digest_size=10).digest() for at, row in enumerate(rows))


def remember_trap(txn: StoreTxn, near: tuple[bytes, ...], now_ms: int) -> None:
    """A trap received this text now: at most eight rows."""
    for band in near:
        expiring.put_until(txn.kv, _NEAR + band, b"", now_ms + KEEP_MS)


def is_near_trap(view: StoreView | StoreTxn, near: tuple[bytes, ...], now_ms: int) -> bool:
    """Did a trap receive nearly this text within ``campaign.KEEP_MS``?"""
    return sum(expiring.get(view.kv, _NEAR + band, now_ms) is not None for band in near) >= _ENOUGH


def remember_stranger(txn: StoreTxn, near: tuple[bytes, ...], source: str, now_ms: int) -> None:
    """A stranger, told by its domain, wrote this text today: at most two rows, which never grow beyond a limit."""
    who = blake2b(source.encode("utf-8", "replace"), digest_size=_SOURCE, person=b"mailward near").digest()
    for band in near[:_WIDE_BANDS]:
        known = expiring.get(txn.kv, _WIDE + band, now_ms) or b""
        if len(known) < _SOURCE * MOST_SOURCES and who not in _cut(known):
            expiring.put_until(txn.kv, _WIDE + band, known + who, now_ms + DAY_MS)


def strangers(view: StoreView | StoreTxn, near: tuple[bytes, ...], now_ms: int) -> int:
    """How many strangers' domains wrote nearly this text within a day, at most ``MOST_SOURCES``."""
    rows = (expiring.get(view.kv, _WIDE + band, now_ms) or b"" for band in near[:_WIDE_BANDS])
    return max((len(_cut(row)) for row in rows), default=0)


def _cut(row: bytes) -> set[bytes]:
    return {row[at : at + _SOURCE] for at in range(0, len(row), _SOURCE)}
