"""Rows that end by themselves, the same on every backend: sessions, fingerprints, and whatever is true for a while.

The value carries its end, so a row whose time is over is never read, however late it is swept. A second row, ordered
by that time, lets the sweep find what is over without looking at anything else.
"""

from collections.abc import Iterator

from store.kv.contract import ReadTxn, WriteTxn, counter, counter_octets
from store.schema import keys

BATCH = 500  #: rows swept in one transaction
_MARK = b"\x02"  # tells these values from rows of other kinds, which begin with their version
_HEAD = len(_MARK) + 8


def put_until(txn: WriteTxn, key: bytes, value: bytes, until_ms: int) -> None:
    """Set a row that is there before ``until_ms``, and not from then on; the last put decides."""
    before = end_of(txn.get(key))
    txn.put(key, _MARK + keys.u64(until_ms) + value)
    if before == until_ms:
        return  # its place in the order is there
    if before is not None:
        txn.delete(keys.expiry(before, key))
    txn.put(keys.expiry(until_ms, key), b"")


def get(txn: ReadTxn, key: bytes, now_ms: int) -> bytes | None:
    """The value, unless its time is over."""
    return _living(txn.get(key), now_ms)


def scan(
    txn: ReadTxn, start: bytes, end: bytes, now_ms: int, *, reverse: bool = False
) -> Iterator[tuple[bytes, bytes]]:
    """Rows with ``start <= key < end`` whose time is not over, in key order or backwards."""
    for key, row in txn.scan(start, end, reverse=reverse):
        value = _living(row, now_ms)
        if value is not None:
            yield key, value


def add_until(txn: WriteTxn, key: bytes, delta: int, until_ms: int, now_ms: int) -> int:
    """Add to a counter that is 0 again once its time is over; the new value. The first addition sets the time.

    So a counter of what happened in a window needs no clock of its own: ``until_ms`` is the window's end.
    """
    row = txn.get(key)
    value = _living(row, now_ms)
    if row is None or value is None:
        put_until(txn, key, counter_octets(delta), until_ms)
        return delta
    total = counter(value) + delta
    txn.put(key, row[:_HEAD] + counter_octets(total))
    return total


def delete(txn: WriteTxn, key: bytes) -> None:
    _forget_order(txn, key)
    txn.delete(key)


def sweep(txn: WriteTxn, now_ms: int, limit: int = BATCH) -> int:
    """Remove rows whose time is over, the oldest first, at most ``limit``; how many places in the order went."""
    over = [key for key, _ in txn.scan(keys.EXPIRY, keys.expiry(now_ms + 1, b""), limit=limit)]
    for place in over:
        ms, key = keys.read_u64(place[1:9]), place[9:]
        if end_of(txn.get(key)) == ms:  # else it was put anew meanwhile, or is a row of another kind
            txn.delete(key)
        txn.delete(place)
    return len(over)


def end_of(row: bytes | None) -> int | None:
    """When a stored row ends; None for a row that is absent or not of this kind."""
    if row is None or len(row) < _HEAD or not row.startswith(_MARK):
        return None
    return keys.read_u64(row[len(_MARK) : _HEAD])


def _living(row: bytes | None, now_ms: int) -> bytes | None:
    until_ms = end_of(row)
    return row[_HEAD:] if row is not None and until_ms is not None and now_ms < until_ms else None


def _forget_order(txn: WriteTxn, key: bytes) -> None:
    before = end_of(txn.get(key))
    if before is not None:
        txn.delete(keys.expiry(before, key))
