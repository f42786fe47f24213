"""Transactions on one SQLite connection: the statements, the scan by pages, savepoints and checkpoints."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import apsw

from store.kv.commit import TransactionLost
from store.kv.contract import (
    StoreError,
    StoreUnavailable,
    WriteTxn,
    check_limit,
    check_value,
    counter,
    counter_octets,
    successor,
)

Row = tuple[bytes, bytes]

_FIRST_PAGE_ROWS, _LAST_PAGE_ROWS = 16, 512
_PAGE_OCTETS = 1 << 20
_LONGEST_CHECKPOINT_WAIT_S = 0.25
_PENDING_ROWS, _PENDING_OCTETS = 512, 1 << 20  # what a transaction holds back at most

_GET = "SELECT v FROM kv WHERE k=?"
_PUT_MANY = {
    rows: f"INSERT INTO kv(k,v) VALUES{','.join(['(?,?)'] * rows)} ON CONFLICT(k) DO UPDATE SET v=excluded.v"
    for rows in (1, 2, 4, 8, 16, 32)
}
_DELETE = "DELETE FROM kv WHERE k=?"
_DELETE_RANGE = "DELETE FROM kv WHERE k>=? AND k<?"
_SCAN = "SELECT k,v FROM kv WHERE k>=? AND k<? ORDER BY k LIMIT ?"
_SCAN_BACK = "SELECT k,v FROM kv WHERE k>=? AND k<? ORDER BY k DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """When the write-ahead log is copied back into the file."""

    pages: int = 1000  #: growth of the log after which it is copied back
    limit_pages: int = 16_384  #: growth after which readers are waited for, to start the log anew
    idle_s: float = 1.0  #: quiet time after which it is copied back however short it is


@dataclass(slots=True)
class Patience:
    """The busy handler of one connection: sleeps with jitter until a deadline."""

    deadline: float = 0.0  #: monotonic seconds
    waits: int = 0

    def __call__(self, times: int) -> bool:
        if time.monotonic() >= self.deadline:
            return False
        self.waits += 1
        time.sleep(random.uniform(0.0002, min(0.001 * (times + 1), 0.005)))
        return True


def refusal(error: apsw.Error) -> StoreError:
    """What callers are told when SQLite gives up."""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StoreError(f"the store's file is damaged: {error}")
    return StoreUnavailable(f"the store cannot work now: {type(error).__name__}: {error}")


class SqliteTxn:
    """One transaction on a connection, as its body sees it.

    Puts and deletes are held back and written many at a time: each statement gives up the interpreter's lock,
    and a busy event loop may take milliseconds to give it back. For the same reason there is no savepoint
    until something is written before the body has ended.
    """

    __slots__ = ("_changes", "_connection", "_ended", "_pending", "_pending_octets", "has_savepoint", "lost")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._changes = 0
        self._ended = False
        self._pending: dict[bytes, bytes | None] = {}  # None: to be deleted
        self._pending_octets = 0
        self.has_savepoint = False
        #: Why SQLite gave up, after which nothing of the transaction counts, whatever its body makes of it.
        self.lost: StoreError | None = None

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        if key in self._pending:
            return self._pending[key]
        rows = self._ask(_GET, (key,))
        return rows[0][0] if rows else None

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        return self._walk(start, end, reverse, check_limit(limit))

    def _walk(self, start: bytes, end: bytes, reverse: bool, limit: int | None) -> Iterator[Row]:
        """Go by pages; seek anew behind the last key whenever this transaction has changed something."""
        left = limit
        page_rows = _FIRST_PAGE_ROWS
        while left is None or left > 0:
            self._check_open()
            seen = self._changes
            page, is_last = self._page(start, end, reverse, page_rows if left is None else min(page_rows, left))
            page_rows = min(page_rows * 2, _LAST_PAGE_ROWS)
            for row in page:
                yield row
                self._check_open()
                if left is not None:
                    left -= 1
                start, end = (start, row[0]) if reverse else (successor(row[0]), end)
                if self._changes != seen:
                    page_rows = 4
                    break
            else:
                if is_last:
                    return

    def _page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> tuple[list[Row], bool]:
        """Up to ``rows`` rows or about _PAGE_OCTETS, and whether nothing follows."""
        page: list[Row] = []
        octets = 0
        self._write_early()
        try:
            cursor = self._connection.execute(_SCAN_BACK if reverse else _SCAN, (start, end, rows))
            for key, value in cursor:
                page.append((key, value))
                octets += len(key) + len(value)
                if octets >= _PAGE_OCTETS:
                    cursor.close()
                    return page, False
        except apsw.Error as error:
            raise self._lose(error) from error
        return page, len(page) < rows

    def put(self, key: bytes, value: bytes) -> None:
        self._hold(_octets(key), check_value(_octets(value)))

    def delete(self, key: bytes) -> None:
        self._hold(_octets(key), None)

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._check_open()
        self._open_savepoint()
        self._write_pending()
        self._ask(_DELETE_RANGE, (start, end))
        self._changes += 1

    def add(self, key: bytes, delta: int) -> int:
        total = counter(self.get(key)) + delta
        self.put(key, counter_octets(total))
        return total

    def finish(self) -> None:
        """Write what was held back; the body has ended well."""
        self._check_open()
        self._write_pending()

    def end(self) -> None:
        """Be of no more use, to whoever kept the transaction or one of its scans."""
        self._ended = True
        self._pending.clear()

    def _hold(self, key: bytes, value: bytes | None) -> None:
        self._check_open()
        self._pending[key] = value
        self._pending_octets += len(key) + len(value or b"")
        self._changes += 1
        if len(self._pending) >= _PENDING_ROWS or self._pending_octets >= _PENDING_OCTETS:
            self._write_early()

    def _write_early(self) -> None:
        """Write what was held back, so that it can be undone alone if the body raises later."""
        if self._pending:
            self._open_savepoint()
            self._write_pending()

    def _open_savepoint(self) -> None:
        if not self.has_savepoint:
            self._ask("SAVEPOINT body", ())
            self.has_savepoint = True

    def _write_pending(self) -> None:
        rows = [(key, value) for key, value in sorted(self._pending.items()) if value is not None]
        position = 0
        while position < len(rows):
            many = max(size for size in _PUT_MANY if size <= len(rows) - position)
            self._ask(_PUT_MANY[many], tuple(chain.from_iterable(rows[position : position + many])))
            position += many
        for key, value in self._pending.items():
            if value is None:
                self._ask(_DELETE, (key,))
        self._pending.clear()
        self._pending_octets = 0

    def _ask(self, sql: str, values: tuple[bytes, ...]) -> list[Any]:
        try:
            return self._connection.execute(sql, values).fetchall()  # execute alone is lazy
        except apsw.Error as error:
            raise self._lose(error) from error

    def _lose(self, error: apsw.Error) -> StoreError:
        self.lost = refusal(error)
        return self.lost

    def _check_open(self) -> None:
        if self._ended:
            raise StoreError("a transaction was used after its end")
        if self.lost is not None:
            raise self.lost


def _octets(value: bytes) -> bytes:
    """``value`` as ``bytes``. Raises TypeError: text would be stored as text, and sorted before all octets."""
    return value if isinstance(value, bytes) else bytes(memoryview(value))


class SqliteLedger:
    """The writer's connection: transactions, savepoints, checkpoints."""

    def __init__(self, connection: apsw.Connection, patience: Patience, checkpoints: Checkpoints) -> None:
        self._connection = connection
        self._patience = patience
        self._checkpoints = checkpoints
        self._wal_pages = 0  # length of the log after our last commit
        self._tried_at = 0  # its length when it was last copied back, as far as readers allowed
        self._waited_at = 0  # its length when readers were last waited for
        connection.set_wal_hook(self._note_wal)  # takes the place of SQLite's own checkpoint inside the commit

    def begin(self, deadline: float) -> None:
        self._patience.deadline = deadline
        try:
            self._connection.execute("BEGIN IMMEDIATE").fetchall()
        except apsw.Error as error:
            raise refusal(error) from error

    def run(self, body: Callable[[WriteTxn], Any]) -> Any:
        txn = SqliteTxn(self._connection)
        try:
            result = body(txn)
        except BaseException:
            txn.end()
            if txn.lost is not None:
                raise TransactionLost(txn.lost) from None
            if txn.has_savepoint:
                self._control("ROLLBACK TO body")
                self._control("RELEASE body")
            raise
        try:
            txn.finish()
        except BaseException as error:  # boundary: without a savepoint, half of it can only be undone with the group
            raise TransactionLost(txn.lost or StoreError(f"a write failed: {type(error).__name__}")) from error
        finally:
            txn.end()
        if txn.has_savepoint:
            self._control("RELEASE body")
        return result

    def commit(self) -> None:
        self._control("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:  # SQLite undoes it by itself on some errors
            try:
                self._connection.execute("ROLLBACK").fetchall()
            except apsw.Error:
                pass  # the failed statement undid it

    def tidy(self, *, idle: bool) -> None:
        """Copy the log back when it has grown, or when there is time; start it anew when it is far too long.

        Readers that overlap for ever keep it from starting anew by itself. They are waited for, but not again
        before it has grown as much again, so that one very long read does not slow down every commit.
        """
        limits, pages = self._checkpoints, self._wal_pages
        if pages < self._tried_at:  # it was started anew
            self._tried_at = self._waited_at = 0
        if pages - self._tried_at < (1 if idle else limits.pages):
            return
        self._tried_at = pages
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE
        if pages - self._waited_at >= limits.limit_pages:
            self._waited_at = pages
            mode = apsw.SQLITE_CHECKPOINT_RESTART
        self._patience.deadline = time.monotonic() + _LONGEST_CHECKPOINT_WAIT_S
        try:
            self._connection.wal_checkpoint(mode=mode)
        except apsw.Error:
            pass  # a lock, or no space in the main file: the log still holds everything

    @property
    def idle_s(self) -> float | None:
        return self._checkpoints.idle_s if self._wal_pages != self._tried_at else None

    def close(self) -> None:
        self.tidy(idle=True)
        self._connection.close(True)

    def _control(self, sql: str) -> None:
        try:
            self._connection.execute(sql).fetchall()
        except apsw.Error as error:
            raise TransactionLost(refusal(error)) from error

    def _note_wal(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK
