"""The key-value store in one SQLite file, shared by every worker process of a node. All SQL is in this
file and, inside transactions, in ``store.kv.sqlite_txn``.

Writes go through one thread that commits in groups (``store.kv.commit``); reads have threads and connections
of their own and, in WAL mode, wait for no writer. A lock that another process holds is waited for with jitter
up to a deadline. Open the store after forking, never before: SQLite must not be carried across a fork.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

import apsw

from store.kv.commit import GroupLimits, GroupStats, GroupWriter, Inbox, Ticket, deliver
from store.kv.contract import ReadTxn, StoreError, StoreUnavailable, WriteTxn
from store.kv.overlay import ReadingTxn
from store.kv.room import Room
from store.kv.sqlite_txn import Checkpoints, Patience, SqliteLedger, SqliteRows, give_back_pages, refusal

T = TypeVar("T")

APPLICATION_ID = 0x4D574152  # "MWAR": tells our file from any other SQLite file
_QUIET_S = 2.0  # after which a reader's page cache is emptied
_PAGES_AT_ONCE = 1024  # given back in one transaction
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
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    max_octets: int | None = None  #: the file never grows beyond; None: as far as the disk goes


@dataclass(slots=True)
class _Reader:
    """A reader thread: each body in one snapshot."""

    inbox: Inbox
    connection: apsw.Connection
    patience: Patience

    def run(self) -> None:
        """Serve until the inbox is closed and empty; after a quiet time, give the cached pages back."""
        quiet_s: float | None = None
        while (ticket := self.inbox.take(quiet_s)) is not None or quiet_s is not None:
            if ticket is None:
                give_back_pages(self.connection)
                quiet_s = None
                continue
            if not ticket.is_abandoned:
                self._serve(ticket)
                deliver([ticket])
            del ticket  # and with it a body and a result that may be megabytes of a mail
            quiet_s = _QUIET_S
        self.connection.close(True)

    def _serve(self, ticket: Ticket) -> None:
        self.patience.deadline = ticket.deadline
        txn = ReadingTxn(SqliteRows(self.connection))
        try:
            self.connection.execute("BEGIN").fetchall()
            ticket.result = ticket.body(txn)
        except BaseException as error:  # boundary: whatever a body raises is its caller's
            ticket.fail(refusal(error) if isinstance(error, apsw.Error) else error)
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
    mark = connection.pragma("application_id")
    is_new = mark == 0 and not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    if not is_new and mark != APPLICATION_ID:
        raise StoreError("this SQLite file is not a Mailward store")
    if is_new:  # what is deleted can then be given back in small steps
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL").fetchall()
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    page_octets = connection.pragma("page_size")
    connection.execute(f"PRAGMA journal_size_limit={settings.checkpoints.pages * page_octets}").fetchall()
    if is_new:
        with connection:
            connection.execute(_TABLE).fetchall()
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}").fetchall()
    if settings.max_octets is not None:
        connection.execute(f"PRAGMA max_page_count={max(1, settings.max_octets // page_octets)}").fetchall()


def _open_writer(path: Path, settings: SqliteSettings, patience: Patience) -> apsw.Connection:
    """Open or create the file, private to this user, and make its name durable."""
    # Only when it is new: closing an old file would drop the locks this process may hold on it.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
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
        self._writer = GroupWriter(self._writes, SqliteLedger(connection, patience, settings.checkpoints), limits)
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
            raise refusal(error) from error
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

    async def room(self) -> Room:
        """What the file takes, and how much of it is pages that deleted rows have left."""
        return await asyncio.to_thread(self._alone, _room)

    async def compact(self, *, at_most: int | None = None, rewrite: bool = False) -> int:
        """Give free pages back to the disk in short transactions, beside other work; octets.

        ``rewrite`` writes the whole file anew in one go: only that helps a file which older versions made, and rows
        that lie apart. It needs as much free disk again, and writers wait meanwhile. Raises StoreUnavailable.
        """
        return await asyncio.to_thread(self._alone, lambda connection: _compact(connection, at_most, rewrite))

    def _alone(self, work: Callable[[apsw.Connection], T]) -> T:
        """On a connection of its own."""
        patience = Patience(time.monotonic() + self._settings.busy_timeout_s)
        try:
            connection = _connect(self._path, self._settings, patience)
            try:
                return work(connection)
            finally:
                connection.close(True)
        except apsw.Error as error:
            raise refusal(error) from error

    async def close(self) -> None:
        """Serve what is queued, copy the WAL back, and end the threads."""
        self._writes.close()
        self._reads.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)


def _room(connection: apsw.Connection) -> Room:
    page, pages, free = (int(connection.pragma(name)) for name in ("page_size", "page_count", "freelist_count"))
    is_old = int(connection.pragma("auto_vacuum")) == 0
    advice = "`mailward store compact --rewrite` once, with the server stopped: this file is from an older version"
    return Room(pages * page, free * page, advice if is_old else "")


def _compact(connection: apsw.Connection, at_most: int | None, rewrite: bool) -> int:
    before = _room(connection).octets
    if rewrite:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL").fetchall()
        connection.execute("VACUUM").fetchall()
    left = None if at_most is None else at_most // int(connection.pragma("page_size"))
    while left is None or left > 0:
        pages = _PAGES_AT_ONCE if left is None else min(left, _PAGES_AT_ONCE)
        free = int(connection.pragma("freelist_count"))
        connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
        if int(connection.pragma("freelist_count")) in {0, free}:
            break
        left = None if left is None else left - pages
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return max(0, before - _room(connection).octets)
