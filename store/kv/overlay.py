"""Transactions of backends that write only at commit: own writes lie over a snapshot until then.

The snapshot never changes while it is used, so its pages stay true whatever the body does; what the body put
or deleted is looked up live. Several bodies may share one overlay and one commit: each one's changes are noted
in a journal and can be taken back alone.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from store.kv.commit import TransactionLost
from store.kv.contract import (
    StoreError,
    WriteTxn,
    check_limit,
    check_value,
    counter,
    counter_octets,
    successor,
)

Row = tuple[bytes, bytes]

#: What the bodies of one commit may hold back in memory, keys and values together.
MAX_PENDING_OCTETS = 256 << 20
_FIRST_PAGE_ROWS, _LAST_PAGE_ROWS = 16, 512
_PAGE_OCTETS = 1 << 20
_KEYS_A_PAGE = 4096
_REMEMBERED_OCTETS = 4 << 20  # of a snapshot's rows
_REMEMBERED_OF_A_PAGE = 16
_PREFETCHED_AT_ONCE = 256


class Snapshot(Protocol):
    """The committed rows as one moment had them. Its methods raise StoreError when the database gives up."""

    def get(self, key: bytes) -> bytes | None: ...

    def page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> list[Row]:
        """The first ``rows`` rows of ``start <= key < end``, or the last ones backwards. Fewer: nothing follows."""
        ...

    def keys(self, start: bytes, end: bytes, most: int) -> list[bytes]:
        """The first ``most`` keys of the range, without reading the values."""
        ...


class Pending:
    """What bodies have put and deleted since the last commit, in key order, and how to take it back."""

    __slots__ = ("_before", "_keys", "octets", "ranges", "rows")

    def __init__(self, *, by_range: bool = False) -> None:
        self.rows: dict[bytes, bytes | None] = {}  #: None: to be deleted
        #: Of the snapshot, to be deleted before ``rows`` are written; None where ranges are deleted row by row.
        self.ranges: list[tuple[bytes, bytes]] | None = [] if by_range else None
        self.octets = 0
        self._keys: list[bytes] = []
        self._before: list[tuple[bytes, bool, bytes | None]] = []  # key, whether it was here, what it was

    def set(self, key: bytes, value: bytes | None) -> None:
        """Hold one row back. Raises StoreError beyond MAX_PENDING_OCTETS."""
        was_here, previous = key in self.rows, self.rows.get(key)
        self._before.append((key, was_here, previous))
        if not was_here:
            insort(self._keys, key)
        self.rows[key] = value
        self.octets += len(key) + len(value or b"")
        if self.octets > MAX_PENDING_OCTETS:
            raise StoreError(f"a transaction of more than {MAX_PENDING_OCTETS >> 20} MiB")

    def next_key(self, start: bytes, end: bytes, reverse: bool) -> bytes | None:
        """The first key of ``start <= key < end`` held back here, or the last if ``reverse``."""
        index = bisect_left(self._keys, end) - 1 if reverse else bisect_left(self._keys, start)
        if not 0 <= index < len(self._keys):
            return None
        key = self._keys[index]
        return key if start <= key < end else None

    def keys_between(self, start: bytes, end: bytes) -> list[bytes]:
        return self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]

    def hides(self, key: bytes) -> bool:
        """Whether the snapshot's row under this key was deleted as part of a range."""
        return bool(self.ranges) and any(start <= key < end for start, end in self.ranges or ())

    def mark(self) -> tuple[int, int, int]:
        """A point to go back to with ``undo``."""
        return len(self._before), self.octets, len(self.ranges or ())

    def undo(self, mark: tuple[int, int, int]) -> None:
        """Take back everything since ``mark``."""
        steps, self.octets, ranges = mark
        if self.ranges is not None:
            del self.ranges[ranges:]
        while len(self._before) > steps:
            key, was_here, previous = self._before.pop()
            if was_here:
                self.rows[key] = previous
            else:
                del self.rows[key]
                del self._keys[bisect_left(self._keys, key)]


class Remembering:
    """A snapshot that keeps the rows it was asked for: one transaction's bodies ask for the same ones again."""

    __slots__ = ("_known", "_many", "_octets", "_snapshot")

    def __init__(self, snapshot: Snapshot, many: Callable[[list[bytes]], list[Row]] | None = None) -> None:
        """``many`` gives the rows of some keys in one round trip, where there is such a thing."""
        self._snapshot = snapshot
        self._many = many
        self._known: dict[bytes, bytes | None] = {}
        self._octets = 0

    def get(self, key: bytes) -> bytes | None:
        if key in self._known:
            return self._known[key]
        value = self._snapshot.get(key)
        self._remember(key, value)
        return value

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """Fetch and keep, as far as there is room."""
        if self._many is None:
            return
        wanted = [key for key in dict.fromkeys(keys) if key not in self._known]
        while wanted and self._octets < _REMEMBERED_OCTETS:
            some, wanted = wanted[:_PREFETCHED_AT_ONCE], wanted[_PREFETCHED_AT_ONCE:]
            found = dict(self._many(some))
            for key in some:
                self._remember(key, found.get(key))

    def page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> list[Row]:
        page = self._snapshot.page(start, end, reverse, rows)
        for key, value in page[:_REMEMBERED_OF_A_PAGE]:
            self._remember(key, value)
        return page

    def keys(self, start: bytes, end: bytes, most: int) -> list[bytes]:
        return self._snapshot.keys(start, end, most)

    def _remember(self, key: bytes, value: bytes | None) -> None:
        self._octets += len(key) + len(value or b"")
        if self._octets <= _REMEMBERED_OCTETS:
            self._known[key] = value


class ReadingTxn:
    """One snapshot, as a body sees it."""

    __slots__ = ("_ended", "_snapshot", "lost")

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._ended = False
        #: Why the database gave up, after which nothing of the transaction counts, whatever its body makes of it.
        self.lost: StoreError | None = None

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        try:
            return self._snapshot.get(key)
        except StoreError as error:
            raise self._lose(error) from error

    def prefetch(self, keys: Iterable[bytes]) -> None:
        self._check_open()
        if isinstance(self._snapshot, Remembering):
            try:
                self._snapshot.prefetch(keys)
            except StoreError as error:
                raise self._lose(error) from error

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None) -> Iterator[Row]:
        self._check_open()
        return self._walk(start, end, reverse, check_limit(limit))

    def _walk(self, start: bytes, end: bytes, reverse: bool, limit: int | None) -> Iterator[Row]:
        for row in islice(_Pages(self._page, start, end, reverse, limit).rows(), limit):
            if self._ended:
                self._check_open()
            yield row

    def _page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> list[Row]:
        self._check_open()
        try:
            return self._snapshot.page(start, end, reverse, rows)
        except StoreError as error:
            raise self._lose(error) from error

    def end(self) -> None:
        """Be of no more use, to whoever kept the transaction or one of its scans."""
        self._ended = True

    def _lose(self, error: StoreError) -> StoreError:
        self.lost = error
        return error

    def _check_open(self) -> None:
        if self._ended:
            raise StoreError("a transaction was used after its end")
        if self.lost is not None:
            raise self.lost


class _Pages:
    """The rows of a snapshot's range, fetched by growing pages of bounded octets."""

    __slots__ = ("_at", "_end", "_fetch", "_is_last", "_most", "_page", "_reverse", "_rows", "_start")

    def __init__(
        self,
        fetch: Callable[[bytes, bytes, bool, int], list[Row]],
        start: bytes,
        end: bytes,
        reverse: bool,
        limit: int | None,
    ) -> None:
        self._fetch, self._start, self._end, self._reverse = fetch, start, end, reverse
        self._rows = _FIRST_PAGE_ROWS if limit is None else max(1, min(_FIRST_PAGE_ROWS, limit))
        self._most = _LAST_PAGE_ROWS
        self._page: list[Row] = []
        self._at = 0
        self._is_last = start >= end

    def rows(self) -> Iterator[Row]:
        """All of them, for whom nothing changes on the way."""
        while not self._is_last:
            self._turn()
            yield from self._page

    def look(self, start: bytes, end: bytes) -> Row | None:
        """The first row still inside the bounds, which only ever narrow; None when there is none."""
        while True:
            while self._at < len(self._page):
                row = self._page[self._at]
                if start <= row[0] < end:
                    return row
                self._at += 1
            if self._is_last:
                return None
            self._turn()

    def _turn(self) -> None:
        page = self._fetch(self._start, self._end, self._reverse, self._rows)
        self._page, self._at, self._is_last = page, 0, len(page) < self._rows
        if not page:
            return
        last = page[-1][0]
        self._start, self._end = (self._start, last) if self._reverse else (successor(last), self._end)
        octets = sum(len(key) + len(value) for key, value in page)
        fitting = self._rows * _PAGE_OCTETS // max(octets, 1)
        self._rows = max(1, min(self._rows * 2, fitting, self._most))


class WritingTxn(ReadingTxn):
    """A snapshot with what is pending over it. Puts and deletes all wait for the commit."""

    __slots__ = ("_longest_key", "_pending")

    def __init__(self, snapshot: Snapshot, pending: Pending, longest_key: int | None = None) -> None:
        super().__init__(snapshot)
        self._pending = pending
        self._longest_key = longest_key

    def get(self, key: bytes) -> bytes | None:
        if key in self._pending.rows:
            self._check_open()
            return self._pending.rows[key]
        return None if self._pending.hides(key) else super().get(key)

    def _walk(self, start: bytes, end: bytes, reverse: bool, limit: int | None) -> Iterator[Row]:
        """Merge the snapshot, which stands still, with what is pending, which is asked anew for each step."""
        below = _Pages(self._page, start, end, reverse, limit)
        left = limit
        while left is None or left > 0:
            self._check_open()
            held = self._pending.next_key(start, end, reverse)
            row = below.look(start, end)
            if row is not None and (held is None or (row[0] > held if reverse else row[0] < held)):
                key = row[0]
                value = self._pending.rows.get(key, None if self._pending.hides(key) else row[1])
            elif held is not None:
                key, value = held, self._pending.rows[held]
            else:
                return
            start, end = (start, key) if reverse else (successor(key), end)
            if value is not None:
                left = None if left is None else left - 1
                yield key, value

    def put(self, key: bytes, value: bytes) -> None:
        key = _octets(key)
        if self._longest_key is not None and len(key) > self._longest_key:
            raise ValueError(f"a key of {len(key)} octets is over this backend's limit of {self._longest_key}")
        self._hold(key, check_value(_octets(value)))

    def delete(self, key: bytes) -> None:
        self._hold(_octets(key), None)

    def delete_range(self, start: bytes, end: bytes) -> None:
        """Row by row where the backend has no statement for it, so that it can be undone like any other."""
        self._check_open()
        for key in self._pending.keys_between(start, end):
            self._hold(key, None)
        if self._pending.ranges is not None:
            if start < end:
                self._pending.ranges.append((start, end))
            return
        while start < end:
            keys = self._keys(start, end)
            for key in keys:
                self._hold(key, None)
            if len(keys) < _KEYS_A_PAGE:
                return
            start = successor(keys[-1])

    def add(self, key: bytes, delta: int) -> int:
        total = counter(self.get(key)) + delta
        self.put(key, counter_octets(total))
        return total

    def _keys(self, start: bytes, end: bytes) -> list[bytes]:
        try:
            return self._snapshot.keys(start, end, _KEYS_A_PAGE)
        except StoreError as error:
            raise self._lose(error) from error

    def _hold(self, key: bytes, value: bytes | None) -> None:
        self._check_open()
        self._pending.set(key, value)


def _octets(value: bytes) -> bytes:
    """``value`` as ``bytes``. Raises TypeError for text."""
    return value if isinstance(value, bytes) else bytes(memoryview(value))


def run_body(
    body: Callable[[WriteTxn], Any], snapshot: Snapshot, pending: Pending, longest_key: int | None = None
) -> Any:
    """Run one body over what earlier ones left; its exception takes back only its own. Raises TransactionLost."""
    txn = WritingTxn(snapshot, pending, longest_key)
    before = pending.mark()
    try:
        result = body(txn)
    except BaseException:
        pending.undo(before)
        if txn.lost is None:
            raise
    finally:
        txn.end()
    if txn.lost is not None:
        raise TransactionLost(txn.lost)
    return result
