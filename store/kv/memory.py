"""The in-memory double of the key-value store: same answers, same errors, nothing on disk.

Bodies run inline on the event loop's thread, one at a time, so every read is a snapshot and every write
is serialisable by itself. Each call yields to the loop once first, because a real backend does too.
"""

import asyncio
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from store.kv.contract import (
    ReadTxn,
    StoreError,
    StoreUnavailable,
    WriteTxn,
    check_limit,
    check_value,
    counter,
    counter_octets,
    successor,
)

T = TypeVar("T")


class _Rows:
    """A sorted map of octets to octets."""

    __slots__ = ("keys", "values")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.values: dict[bytes, bytes] = {}

    def set(self, key: bytes, value: bytes | None) -> None:
        """Put ``value``; None takes the key away."""
        if value is None:
            if self.values.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]
            return
        if key not in self.values:
            insort(self.keys, key)
        self.values[key] = value

    def next_key(self, start: bytes, end: bytes, reverse: bool) -> bytes | None:
        """The first key of ``start <= key < end``, or the last if ``reverse``."""
        index = bisect_left(self.keys, end) - 1 if reverse else bisect_left(self.keys, start)
        if not 0 <= index < len(self.keys):
            return None
        key = self.keys[index]
        return key if start <= key < end else None


class _Txn:
    """A transaction over the rows; remembers what it replaced, to undo it."""

    __slots__ = ("_ended", "_replaced", "_rows")

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows
        self._replaced: list[tuple[bytes, bytes | None]] = []
        self._ended = False

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        return self._rows.values.get(key)

    def prefetch(self, keys: Iterable[bytes]) -> None:
        self._check_open()

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        return self._walk(start, end, reverse, check_limit(limit))

    def _walk(self, start: bytes, end: bytes, reverse: bool, limit: int | None) -> Iterator[tuple[bytes, bytes]]:
        given = 0
        while limit is None or given < limit:
            self._check_open()
            key = self._rows.next_key(start, end, reverse)
            if key is None:
                return
            yield key, self._rows.values[key]
            given += 1
            start, end = (start, key) if reverse else (successor(key), end)

    def put(self, key: bytes, value: bytes) -> None:
        self._set(bytes(memoryview(key)), bytes(check_value(value)))

    def delete(self, key: bytes) -> None:
        self._set(key, None)

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._check_open()
        rows = self._rows
        doomed = rows.keys[bisect_left(rows.keys, start) : bisect_left(rows.keys, end)]
        for key in doomed:
            self._set(key, None)

    def add(self, key: bytes, delta: int) -> int:
        total = counter(self.get(key)) + delta
        self.put(key, counter_octets(total))
        return total

    def _set(self, key: bytes, value: bytes | None) -> None:
        self._check_open()
        self._replaced.append((key, self._rows.values.get(key)))
        self._rows.set(key, value)

    def undo(self) -> None:
        """Put back everything this transaction replaced."""
        for key, value in reversed(self._replaced):
            self._rows.set(key, value)

    def end(self) -> None:
        self._ended = True

    def _check_open(self) -> None:
        if self._ended:
            raise StoreError("a transaction was used after its end")


class MemoryKeyValueStore:
    """``KeyValueStore`` in this process's memory, for tests and trials."""

    def __init__(self) -> None:
        self._rows = _Rows()
        self._closed = False

    async def read(self, body: Callable[[ReadTxn], T]) -> T:
        """Run ``body`` over the rows as they are. Raises StoreUnavailable after ``close``."""
        txn = await self._begin()
        try:
            return body(txn)
        finally:
            txn.end()

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        """Run ``body``; undo it all if it raises. Raises StoreUnavailable after ``close``."""
        txn = await self._begin()
        try:
            return body(txn)
        except BaseException:
            txn.undo()
            raise
        finally:
            txn.end()

    async def close(self) -> None:
        self._closed = True

    async def _begin(self) -> _Txn:
        await asyncio.sleep(0)
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return _Txn(self._rows)
