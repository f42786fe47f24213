"""Recognises nearly the same text again: what a trap received, and what many strangers write on one day.

A MinHash over pairs of words, with what changes from copy to copy taken out (``campaign.stable_text``), cut into bands:
two texts that share nine tenths of their pairs agree in most bands, two that share a third in none. A band is a row
that expires; rows hold digests alone, from which no text can be had back.
"""

from hashlib import blake2b
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
#: One column each; products and sums are those of 32 bits, which wrap around.
_FACTORS = (_generator.integers(1, 1 << 32, (_BANDS * _ROWS, 1), dtype=np.uint64) | np.uint64(1)).astype(np.uint32)
_OFFSETS = _generator.integers(0, 1 << 32, (_BANDS * _ROWS, 1), dtype=np.uint64).astype(np.uint32)
_SHIFT, _MIX = np.uint32(15), np.uint32(0x9E3779B1)


def bands(stable: str) -> tuple[bytes, ...]:
    """Eight digests of which near copies share most; none for a text that is too short. About 0.1 ms for 400 words.

    ``stable`` is what ``campaign.stable_text`` gives.
    """
    words = " ".join(stable.split()[: _MOST + 1]).encode("utf-8", "replace")
    firsts = map(crc32, words.replace(b" ", b" \n").split(b"\n"))  # of each word with the blank behind it
    pairs = set(map(crc32, words.split(b" ")[1:], firsts))
    if len(pairs) < _FEWEST:
        return ()
    mixed = np.fromiter(pairs, np.uint32, len(pairs)) * _FACTORS + _OFFSETS
    mixed ^= mixed >> _SHIFT
    mixed *= _MIX
    minima = mixed.min(axis=1).astype("<u4")
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
