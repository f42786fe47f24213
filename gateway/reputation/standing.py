"""What is remembered of an address, a domain, a network or a signing domain: counts that fade.

A row holds sums in which a mail of today counts 1 and one of ``HALF_LIFE_DAYS`` ago a half. They are brought to the
present when the row is read or written, so that nothing has to be done meanwhile, and a row whose sums have faded
below anything that a check would notice ends by itself.

A row that is full is written once an hour at most: the largest senders cost no write, and nodes do not wait for each
other's.
"""

import math
from enum import Enum

import msgspec
from msgspec.structs import replace

from store.changes.engine import StoreTxn, StoreView
from store.schema import expiring, keys
from store.schema.rows import Reader, RowDamaged, pack

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
HALF_LIFE_DAYS = 60
FULL = 200.0  #: no sum grows beyond it: who behaved for years can still change within weeks
_FADED = 0.25  #: below which a sum says nothing
_GRID_MS = 7 * DAY_MS  #: ends of rows are rounded up to it, so that they seldom move
_LONGEST = 254  #: octets of a name in a key (RFC 5321 §4.5.3.1.3)
_SPACE = keys.REPUTATION + b"c"


class Of(Enum):
    """Whose standing it is."""

    ADDRESS = b"a"
    DOMAIN = b"d"
    NETWORK = b"n"
    SIGNER = b"s"


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """Sums of mails, as of ``at_ms``."""

    at_ms: int = 0
    ham: float = 0.0  #: judged wanted
    spam: float = 0.0  #: judged unwanted
    good: float = 0.0  #: that people called wanted
    bad: float = 0.0  #: that people called spam
    trap: float = 0.0  #: that went to spam traps

    def at(self, now_ms: int) -> "Standing":
        """The same, faded to a later time."""
        if now_ms <= self.at_ms:
            return self
        left = 0.5 ** ((now_ms - self.at_ms) / (HALF_LIFE_DAYS * DAY_MS))
        return Standing(now_ms, *(value * left for value in self._sums))

    def plus(self, now_ms: int, **more: float) -> "Standing":
        """With further mails, or fewer where an opinion was taken back; sums stay between 0 and ``FULL``."""
        then = self.at(now_ms)
        sums = {name: min(FULL, max(0.0, getattr(then, name) + value)) for name, value in more.items()}
        return replace(then, **sums)

    @property
    def _sums(self) -> tuple[float, ...]:
        return (self.ham, self.spam, self.good, self.bad, self.trap)

    @property
    def seen(self) -> float:
        return self.ham + self.spam

    @property
    def ends_ms(self) -> int:
        """When every sum has faded."""
        days = HALF_LIFE_DAYS * max(0.0, math.log2(max(*self._sums, _FADED) / _FADED))
        return -(-(self.at_ms + int(days * DAY_MS)) // _GRID_MS) * _GRID_MS

    @property
    def is_finite(self) -> bool:
        return all(math.isfinite(value) for value in self._sums)


NOTHING = Standing()
_read = Reader(Standing)


def get(view: StoreView | StoreTxn, of: Of, name: bytes, now_ms: int) -> Standing:
    """The standing as of now; ``NOTHING`` when there is none, or the row cannot be read."""
    row = expiring.get(view.kv, key_of(of, name), now_ms)
    if row is None:
        return NOTHING
    try:
        found = _read(row)
    except RowDamaged:  # memory, not mail: it is made anew, and fsck tells
        return NOTHING
    return found.at(now_ms) if found.is_finite else NOTHING


def add(txn: StoreTxn, of: Of, name: bytes, now_ms: int, **more: float) -> None:
    """Count mails by name of a sum: ``ham=1.0``. A full row is left alone for an hour."""
    key = key_of(of, name)
    row = expiring.get(txn.kv, key, now_ms)
    before = NOTHING
    if row is not None:
        try:
            before = _read(row)
        except RowDamaged:
            before = NOTHING
    if not before.is_finite:
        before = NOTHING
    if now_ms - before.at_ms < HOUR_MS and all(value > 0 and _is_full(before, sum_) for sum_, value in more.items()):
        return
    after = before.plus(now_ms, **more)
    expiring.put_until(txn.kv, key, pack(after), max(after.ends_ms, now_ms + 1))


def _is_full(standing: Standing, name: str) -> bool:
    return bool(getattr(standing, name) >= FULL - 1.0)


def key_of(of: Of, name: bytes) -> bytes:
    return _SPACE + of.value + name


def name_of(text: str) -> bytes:
    """A name as it stands in a key."""
    return text.encode("utf-8", "replace")[:_LONGEST].replace(b"\x00", b"?")
