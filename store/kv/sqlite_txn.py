"""Transactions on one SQLite connection: the statements, the scan by pages, savepoints and checkpoints."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

_GET = "SELECT v FROM kv WHERE k=?"
_PUT = "INSERT INTO kv(k,v) VALUES(?,?) ON CONFLICT(k) DO UPDATE SET v=excluded.v"
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
    """One transaction on a connection, as its body sees it."""

    __slots__ = ("_changes", "_connection", "_ended", "lost")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._changes = 0
        self._ended = False
        #: Why SQLite gave up, after which nothing of the transaction counts, whatever its body makes of it.
        self.lost: StoreError | None = None

    def get(self, key: bytes) -> bytes | None:
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
        self._change(_PUT, (key, check_value(value)))

    def delete(self, key: bytes) -> None:
        self._change(_DELETE, (key,))

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._change(_DELETE_RANGE, (start, end))

    def add(self, key: bytes, delta: int) -> int:
        total = counter(self.get(key)) + delta
        self.put(key, counter_octets(total))
        return total

    def end(self) -> None:
        self._ended = True

    def _change(self, sql: str, values: tuple[bytes, ...]) -> None:
        self._ask(sql, values)
        self._changes += 1

    def _ask(self, sql: str, values: tuple[bytes, ...]) -> list[Any]:
        self._check_open()
        try:
            return self._connection.execute(sql, values).fetchall()  # execute alone is lazy
        except apsw.ConstraintError as error:  # STRICT: text or a number where octets belong
            raise TypeError(f"keys and values are octets: {error}") from error
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
        self._control("SAVEPOINT body")
        try:
            result = body(txn)
        except BaseException:
            txn.end()
            if txn.lost is None:
                self._control("ROLLBACK TO body")
                self._control("RELEASE body")
                raise
        txn.end()
        if txn.lost is not None:
            raise TransactionLost(txn.lost)
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
