"""Transactions on one SQLite connection: the statements, the group's commit, and checkpoints."""

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import apsw

from store.kv.commit import TransactionLost
from store.kv.contract import StoreError, StoreUnavailable, WriteTxn
from store.kv.overlay import Pending, Remembering, Row, run_body

_LONGEST_CHECKPOINT_WAIT_S = 0.25

_GET = "SELECT v FROM kv WHERE k=?"
_PUT_MANY = {
    rows: f"INSERT INTO kv(k,v) VALUES{','.join(['(?,?)'] * rows)} ON CONFLICT(k) DO UPDATE SET v=excluded.v"
    for rows in (1, 2, 4, 8, 16, 32, 64, 128)
}
_DELETE = "DELETE FROM kv WHERE k=?"
_KEYS = "SELECT k FROM kv WHERE k>=? AND k<? ORDER BY k LIMIT ?"
_SCAN = "SELECT k,v FROM kv WHERE k>=? AND k<? ORDER BY k LIMIT ?"
_SCAN_BACK = "SELECT k,v FROM kv WHERE k>=? AND k<? ORDER BY k DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """When the write-ahead log is copied back into the file."""

    pages: int = 4000  #: growth of the log after which it is copied back
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
        return StoreError(
            f"the store's file is damaged ({error}): put it aside, with its -wal beside it, and restore the newest "
            "backup (`mailward restore`); without one, sqlite3's .recover may save rows of it"
        )
    return StoreUnavailable(f"the store cannot work now: {type(error).__name__}: {error}")


def give_back_pages(connection: apsw.Connection) -> None:
    """Empty a connection's page cache, which one large mail fills to its limit; the system has the pages, too."""
    with contextlib.suppress(apsw.Error):  # a lock: they stay until the next quiet time
        connection.execute("PRAGMA shrink_memory").fetchall()


class SqliteRows:
    """``store.kv.overlay.Snapshot`` of the transaction on a connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def get(self, key: bytes) -> bytes | None:
        rows = self._ask(_GET, (key,))
        return rows[0][0] if rows else None

    def page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> list[Row]:
        return self._ask(_SCAN_BACK if reverse else _SCAN, (start, end, rows))

    def keys(self, start: bytes, end: bytes, most: int) -> list[bytes]:
        return [row[0] for row in self._ask(_KEYS, (start, end, most))]

    def _ask(self, sql: str, values: tuple[bytes | int, ...]) -> list[Any]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise refusal(error) from error


class SqliteLedger:
    """The writer's connection: transactions and checkpoints. What bodies write waits for the commit."""

    def __init__(self, connection: apsw.Connection, patience: Patience, checkpoints: Checkpoints) -> None:
        self._connection = connection
        self._patience = patience
        self._checkpoints = checkpoints
        self._forget()
        self._wal_pages = 0  # length of the log after our last commit
        self._tried_at = 0  # its length when it was last copied back, as far as readers allowed
        self._waited_at = 0  # its length when readers were last waited for
        connection.set_wal_hook(self._note_wal)  # takes the place of SQLite's own checkpoint inside the commit

    def begin(self, deadline: float) -> None:
        self._patience.deadline = deadline
        try:
            self._do("BEGIN IMMEDIATE", ())
        except apsw.Error as error:
            raise refusal(error) from error
        self._forget()

    def run(self, body: Callable[[WriteTxn], Any]) -> Any:
        return run_body(body, self._rows, self._pending)

    def commit(self) -> None:
        """Write what the bodies left, in key order and many rows a statement, and make it durable.

        Each statement gives up the interpreter's lock, and a busy event loop may take milliseconds to give it back:
        so there are few of them, and they come all at once.
        """
        pending = sorted(self._pending.rows.items())
        rows = [row for row in pending if row[1] is not None]
        try:
            position = 0
            while position < len(rows):
                many = max(size for size in _PUT_MANY if size <= len(rows) - position)
                self._do(_PUT_MANY[many], tuple(chain.from_iterable(rows[position : position + many])))
                position += many
            for key, value in pending:
                if value is None:
                    self._do(_DELETE, (key,))
            self._do("COMMIT", ())
        except apsw.Error as error:
            raise TransactionLost(refusal(error)) from error
        self._forget()

    def rollback(self) -> None:
        self._forget()
        if self._connection.in_transaction:  # SQLite undoes it by itself on some errors
            try:
                self._do("ROLLBACK", ())
            except apsw.Error:
                pass  # the failed statement undid it

    def tidy(self, *, idle: bool) -> None:
        """Copy the log back when it has grown, or when there is time; start it anew when it is far too long.

        Readers that overlap for ever keep it from starting anew by itself. They are waited for, but not again
        before it has grown as much again, so that one very long read does not slow down every commit.
        """
        if idle:
            give_back_pages(self._connection)
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

    def _do(self, sql: str, values: tuple[bytes | None, ...]) -> None:
        self._connection.execute(sql, values).fetchall()  # execute alone is lazy

    def _forget(self) -> None:
        self._pending = Pending()
        self._rows = Remembering(SqliteRows(self._connection))

    def _note_wal(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK
