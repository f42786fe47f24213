"""How often each signal was seen in wanted and in unwanted mail: by day, and altogether.

Counted in memory by each worker and added here now and then, so that a mail costs no row. The signal "" counts mails.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import counter
from store.schema import keys

ALTOGETHER = 0  #: as a day: since the store was made
DAY_S = 86_400
LONGEST = 80  #: octets of a name in a key

Sightings = Mapping[tuple[str, bool], int]  #: (signal, whether the mail was unwanted) -> mails


@dataclass(frozen=True, slots=True)
class Sighted:
    """One signal."""

    wanted: int = 0  #: mails it was seen in that were delivered
    unwanted: int = 0  #: and that were not


def day_of(at_s: float) -> int:
    """Days since 1970 (UTC)."""
    return int(at_s // DAY_S)


def add(txn: StoreTxn, day: int, seen: Sightings) -> None:
    """Add what was counted since the last time."""
    for (name, is_unwanted), count in seen.items():
        txn.kv.add(_key(day, name, is_unwanted), count)
        txn.kv.add(_key(ALTOGETHER, name, is_unwanted), count)


def since(view: StoreView, day: int) -> dict[str, Sighted]:
    """By signal, over the days from one on; ``ALTOGETHER`` gives the sum of all days."""
    start = keys.SIGHTINGS + keys.u32(day)
    end = start + b"\xff" if day == ALTOGETHER else keys.prefix_end(keys.SIGHTINGS)
    found: dict[str, list[int]] = {}
    for name, is_unwanted, count in _read(view, start, end):
        found.setdefault(name, [0, 0])[is_unwanted] += count
    return {name: Sighted(*counts) for name, counts in found.items()}


def forget(txn: StoreTxn, before: int) -> None:
    """Drop the days before one; what was counted altogether stays."""
    txn.kv.delete_range(keys.SIGHTINGS + keys.u32(ALTOGETHER + 1), keys.SIGHTINGS + keys.u32(before))


def _read(view: StoreView, start: bytes, end: bytes) -> Iterator[tuple[str, bool, int]]:
    for key, value in view.kv.scan(start, end):
        yield key[6:].decode("utf-8", "replace"), key[5:6] == b"\x01", counter(value)


def _key(day: int, name: str, is_unwanted: bool) -> bytes:
    return keys.SIGHTINGS + keys.u32(day) + (b"\x01" if is_unwanted else b"\x00") + name.encode()[:LONGEST]
