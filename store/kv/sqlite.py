"""The key-value store in one SQLite file, shared by every worker process of a node. All SQL is in this file.

Writes go through one thread that commits in groups (``store.kv.commit``); reads have threads and connections
of their own and, in WAL mode, wait for no writer. A lock that another process holds is waited for with jitter
up to a deadline. Open the store after forking, never before: SQLite must not be carried across a fork.
"""

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import apsw

from store.kv.commit import GroupLimits, GroupStats, GroupWriter, Inbox, Ticket, TransactionLost, deliver
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
Row = tuple[bytes, bytes]

APPLICATION_ID = 0x4D574152  # "MWAR": tells our file from any other SQLite file
_FIRST_PAGE_ROWS, _LAST_PAGE_ROWS = 16, 512
_PAGE_OCTETS = 1 << 20

_GET = "SELECT v FROM kv WHERE k=?"
_PUT = "INSERT INTO kv(k,v) VALUES(?,?) ON CONFLICT(k) DO UPDATE SET v=excluded.v"
_DELETE = "DELETE FROM kv WHERE k=?"
_DELETE_RANGE = "DELETE FROM kv WHERE k>=? AND k<?"
_SCAN = "SELECT k,v FROM kv WHERE k>=? AND k<? ORDER BY k LIMIT ?"
_SCAN_BACK = "SELECT k,v FROM kv WHERE k>=? AND k<? ORDER BY k DESC LIMIT ?"
_TABLE = "CREATE TABLE IF NOT EXISTS kv(k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID, STRICT"


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """How one process uses the file."""

    readers: int = 2  #: threads, each with a connection
    busy_timeout_s: float = 10.0  #: longest wait for a lock of another process
    group_bodies: int = 64  #: most write bodies in one commit
    group_time_s: float = 0.02  #: no further body joins a group this old
    queued: int = 10_000  #: most bodies waiting, for writes and for reads; more are refused
    page_octets: int = 4096  #: of a new file; a power of two
    cache_octets: int = 16 << 20  #: page cache of each connection
    mmap_octets: int = 256 << 20  #: of the file mapped into memory; 0: none
    checkpoint_pages: int = 1000  #: length of the WAL from which it is copied back
    wal_limit_pages: int = 16_384  #: length of the WAL from which readers are waited for, to start it anew
    idle_s: float = 1.0  #: quiet time after which the WAL is copied back
    max_octets: int | None = None  #: the file never grows beyond; None: as far as the disk goes


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


def _refusal(error: apsw.Error) -> StoreError:
    """What callers are told when SQLite gives up."""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StoreError(f"the store's file is damaged: {error}")
    return StoreUnavailable(f"the store cannot work now: {type(error).__name__}: {error}")


class _Txn:
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
        self.lost = _refusal(error)
        return self.lost

    def _check_open(self) -> None:
        if self._ended:
            raise StoreError("a transaction was used after its end")
        if self.lost is not None:
            raise self.lost


class _SqliteLedger:
    """The writer's connection: transactions, savepoints, checkpoints."""

    def __init__(self, connection: apsw.Connection, patience: Patience, settings: SqliteSettings) -> None:
        self._connection = connection
        self._patience = patience
        self._settings = settings
        self._wal_pages = 0
        self.checkpoints = 0
        connection.set_wal_hook(self._note_wal)  # takes the place of SQLite's own checkpoint inside the commit

    def begin(self, deadline: float) -> None:
        self._patience.deadline = deadline
        try:
            self._connection.execute("BEGIN IMMEDIATE").fetchall()
        except apsw.Error as error:
            raise _refusal(error) from error

    def run(self, body: Callable[[WriteTxn], Any]) -> Any:
        txn = _Txn(self._connection)
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
        """Copy the WAL back when it is long, or when there is time; start it anew when it is far too long."""
        settings = self._settings
        if not self._wal_pages or (self._wal_pages < settings.checkpoint_pages and not idle):
            return
        is_far_too_long = self._wal_pages >= settings.wal_limit_pages
        mode = apsw.SQLITE_CHECKPOINT_RESTART if is_far_too_long else apsw.SQLITE_CHECKPOINT_PASSIVE
        self._patience.deadline = time.monotonic() + 0.25
        try:
            total, copied = self._connection.wal_checkpoint(mode=mode)
        except apsw.Error:
            return  # a lock, or no space in the main file: the WAL still holds everything
        self.checkpoints += 1
        if copied >= total:
            self._wal_pages = 0

    @property
    def idle_s(self) -> float | None:
        return self._settings.idle_s if self._wal_pages else None

    def close(self) -> None:
        self.tidy(idle=True)
        self._connection.close(True)

    def _control(self, sql: str) -> None:
        try:
            self._connection.execute(sql).fetchall()
        except apsw.Error as error:
            raise TransactionLost(_refusal(error)) from error

    def _note_wal(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK


@dataclass(slots=True)
class _Reader:
    """A reader thread: each body in one snapshot."""

    inbox: Inbox
    connection: apsw.Connection
    patience: Patience

    def run(self) -> None:
        """Serve until the inbox is closed and empty."""
        while (ticket := self.inbox.take(None)) is not None:
            if not ticket.is_abandoned:
                self._serve(ticket)
                deliver([ticket])
        self.connection.close(True)

    def _serve(self, ticket: Ticket) -> None:
        self.patience.deadline = ticket.deadline
        txn = _Txn(self.connection)
        try:
            self.connection.execute("BEGIN").fetchall()
            ticket.result = ticket.body(txn)
        except BaseException as error:  # boundary: whatever a body raises is its caller's
            ticket.fail(_refusal(error) if isinstance(error, apsw.Error) else error)
        txn.end()
        if txn.lost is not None:
            ticket.fail(txn.lost)
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK").fetchall()
        except apsw.Error:
            pass  # nothing to undo: it only read


def _connect(path: Path, settings: SqliteSettings, patience: Patience) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_handler(patience)
    for pragma in (
        f"PRAGMA page_size={settings.page_octets}",
        "PRAGMA synchronous=FULL",
        "PRAGMA temp_store=MEMORY",
        "PRAGMA trusted_schema=OFF",
        f"PRAGMA cache_size=-{settings.cache_octets // 1024}",
        f"PRAGMA mmap_size={settings.mmap_octets}",
    ):
        connection.execute(pragma).fetchall()
    return connection


def _prepare(connection: apsw.Connection, settings: SqliteSettings) -> None:
    """Make the file ours: WAL, the table, the mark. Raises StoreError for somebody else's file."""
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    page_octets = connection.pragma("page_size")
    connection.execute(f"PRAGMA journal_size_limit={settings.checkpoint_pages * page_octets}").fetchall()
    mark = connection.pragma("application_id")
    if mark == 0 and not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall():
        with connection:
            connection.execute(_TABLE).fetchall()
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}").fetchall()
    elif mark != APPLICATION_ID:
        raise StoreError("this SQLite file is not a Mailward store")
    if settings.max_octets is not None:
        connection.execute(f"PRAGMA max_page_count={max(1, settings.max_octets // page_octets)}").fetchall()


def _open_writer(path: Path, settings: SqliteSettings, patience: Patience) -> apsw.Connection:
    """Open or create the file, private to this user, and make its name durable."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its WAL the same mode
    patience.deadline = time.monotonic() + settings.busy_timeout_s
    connection = _connect(path, settings, patience)
    while True:
        try:
            _prepare(connection, settings)
            break
        except apsw.BusyError:  # the change to WAL fails at once when others open the new file too
            if not patience(5):
                raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return connection


class SqliteKeyValueStore:
    """``KeyValueStore`` in a SQLite file. Make one with ``open``; end it with ``close``."""

    def __init__(self, path: Path, settings: SqliteSettings) -> None:
        """Connect and start the threads; blocks, so call ``open`` from a coroutine."""
        self._path = path
        self._settings = settings
        self._writes = Inbox(settings.queued)
        self._reads = Inbox(settings.queued)
        patience = Patience()
        connection = _open_writer(path, settings, patience)
        limits = GroupLimits(settings.group_bodies, settings.group_time_s)
        self._writer = GroupWriter(self._writes, _SqliteLedger(connection, patience, settings), limits)
        self._threads = [threading.Thread(target=self._writer.run, name="kv-writer", daemon=True)]
        for number in range(settings.readers):
            patience = Patience(time.monotonic() + settings.busy_timeout_s)
            connection = _connect(path, settings, patience)
            connection.execute("PRAGMA query_only=ON").fetchall()
            reader = _Reader(self._reads, connection, patience)
            self._threads.append(threading.Thread(target=reader.run, name=f"kv-reader-{number}", daemon=True))
        for thread in self._threads:
            thread.start()

    @classmethod
    async def open(cls, path: Path, settings: SqliteSettings | None = None) -> Self:
        """Open the file, or create it. Raises StoreUnavailable when that cannot be, StoreError for a wrong file."""
        try:
            return await asyncio.to_thread(cls, path, settings or SqliteSettings())
        except apsw.Error as error:
            raise _refusal(error) from error
        except OSError as error:
            raise StoreUnavailable(f"the store's file cannot be opened: {error}") from error

    @property
    def path(self) -> Path:
        return self._path

    @property
    def stats(self) -> GroupStats:
        """How well commits are grouped."""
        return self._writer.stats

    async def read(self, body: Callable[[ReadTxn], T]) -> T:
        """Run ``body`` over one snapshot, in a reader thread."""
        result: T = await self._reads.ask(body, self._settings.busy_timeout_s)
        return result

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        """Run ``body`` in the writer thread; durable when this returns. A cancelled caller's body may still land."""
        result: T = await self._writes.ask(body, self._settings.busy_timeout_s)
        return result

    async def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when it is sound. Reads all of it."""
        return await asyncio.to_thread(self._integrity)

    def _integrity(self) -> list[str]:
        try:
            connection = _connect(
                self._path, self._settings, Patience(time.monotonic() + self._settings.busy_timeout_s)
            )
            try:
                found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            finally:
                connection.close(True)
        except apsw.Error as error:
            return [str(error)]
        return [] if found == ["ok"] else found

    async def close(self) -> None:
        """Serve what is queued, copy the WAL back, and end the threads."""
        self._writes.close()
        self._reads.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
