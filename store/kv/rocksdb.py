"""The key-value store in a RocksDB folder, for one process: RocksDB lets no second one in.

The binding has no transactions, so they are made here: one thread runs all writes over a snapshot
(``store.kv.overlay``) and commits them in groups as one WriteBatch with fsync; reader threads have a snapshot
for each body. The binding raises bare ``Exception``: ``_told`` is the boundary that names them.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DbClosedError,
    DBCompressionType,
    Options,
    Rdict,
    RdictIter,
    WriteBatch,
    WriteOptions,
)
from rocksdict import Snapshot as RocksSnapshot

from store.kv.commit import (
    GroupLimits,
    GroupStats,
    GroupWriter,
    Inbox,
    OutcomeUnknown,
    Ticket,
    TransactionLost,
    deliver,
)
from store.kv.contract import ReadTxn, StoreError, StoreUnavailable, WriteTxn
from store.kv.overlay import Pending, ReadingTxn, Row, run_body
from store.kv.room import Room

T = TypeVar("T")

_BLOOM_BITS = 10
_WAL_OCTETS = 256 << 20
_USED = ("rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables")


@dataclass(frozen=True, slots=True)
class RocksSettings:
    """How the one process uses the folder."""

    readers: int = 2  #: threads
    group_bodies: int = 64  #: most write bodies in one commit
    group_time_s: float = 0.02  #: no further body joins a group this old
    queued: int = 10_000  #: most bodies waiting, for writes and for reads; more are refused
    wait_s: float = 10.0  #: how long a caller would wait for its turn where another backend has locks
    cache_octets: int = 64 << 20  #: of uncompressed blocks
    write_buffer_octets: int = 32 << 20  #: in memory before they become a file
    reserve_octets: int = 64 << 20  #: the disk is full for puts when less is free: a full log cannot even be ended
    max_octets: int | None = None  #: puts are refused when files and buffers hold more; None: as far as the disk goes


def _refusal(error: Exception) -> StoreError:
    """What callers are told when RocksDB gives up."""
    text = str(error)
    if "LOCK" in text or "lock hold" in text:
        return StoreError(
            "the RocksDB store is open in another process, and it serves one only: set server.workers = 1, "
            "and stop the server before using its store from the command line"
        )
    if text.startswith("Corruption"):
        return StoreError(f"the RocksDB store is damaged: {text}")
    return StoreUnavailable(f"the store cannot work now: {text}")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # boundary: rocksdict has no narrower class
        raise _refusal(error) from error


class _Rows:
    """``store.kv.overlay.Snapshot`` over RocksDB's, which keeps the database open as long as it lives."""

    __slots__ = ("_iterator", "_snapshot")

    def __init__(self, db: Rdict) -> None:
        """Raises StoreUnavailable."""
        with _told():
            self._snapshot: RocksSnapshot | None = db.snapshot()
            self._iterator: RdictIter | None = self._snapshot.iter()

    def drop(self) -> None:
        """Let the database go, whoever still holds the transaction (a traceback does)."""
        self._iterator = self._snapshot = None

    def _seek(self, key: bytes) -> RdictIter:
        assert self._iterator is not None
        self._iterator.seek(key)
        return self._iterator

    def get(self, key: bytes) -> bytes | None:
        with _told():
            at = self._seek(key)
            found = at.valid() and at.key() == key
            if not found:
                at.status()
            return _bytes(at.value()) if found else None

    def page(self, start: bytes, end: bytes, reverse: bool, rows: int) -> list[Row]:
        with _told():
            return [(key, _bytes(at.value())) for key, at in self._walk(start, end, reverse, rows)]

    def keys(self, start: bytes, end: bytes, most: int) -> list[bytes]:
        with _told():
            return [key for key, _ in self._walk(start, end, False, most)]

    def _walk(self, start: bytes, end: bytes, reverse: bool, rows: int) -> Iterator[tuple[bytes, RdictIter]]:
        at = self._seek(end if reverse else start)
        if reverse:  # the first key at or after the end is one too far; beyond the last key there is only the last
            at.prev() if at.valid() else at.seek_to_last()
        given = 0
        while given < rows and at.valid():
            key = _bytes(at.key())
            if key < start if reverse else key >= end:
                break
            yield key, at
            given += 1
            at.prev() if reverse else at.next()
        if not at.valid():
            at.status()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else bytes(value)


class RocksLedger:
    """``store.kv.commit.Ledger`` of the writer thread: what bodies leave becomes one durable batch."""

    idle_s: float | None = None

    def __init__(self, db: Rdict, folder: Path, settings: RocksSettings) -> None:
        self._db = db
        self._folder = folder
        self._settings = settings
        self._durably = WriteOptions()
        self._durably.sync = True
        self._rows: _Rows | None = None
        self._pending = Pending()

    def begin(self, deadline: float) -> None:
        self._rows = _Rows(self._db)
        self._pending = Pending()

    def run(self, body: Callable[[WriteTxn], Any]) -> Any:
        assert self._rows is not None
        return run_body(body, self._rows, self._pending)

    def commit(self) -> None:
        rows = self._pending.rows
        if rows:
            self._write(rows)
        self.rollback()

    def _write(self, rows: dict[bytes, bytes | None]) -> None:
        if any(value is not None for value in rows.values()):
            self._check_room()
        batch = WriteBatch(raw_mode=True)
        for key, value in rows.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._db.write(batch, self._durably)
        except Exception as error:  # boundary: rocksdict has no narrower class
            # The log may hold the batch, in part or whole: the next opening decides whether it counts.
            raise TransactionLost(OutcomeUnknown(f"the store could not finish a commit: {error}")) from error

    def _check_room(self) -> None:
        """Refuse before the disk is full: RocksDB then stops for good. Deletions may always go on."""
        settings = self._settings
        try:
            disk = os.statvfs(self._folder)
            free = disk.f_bavail * disk.f_frsize
        except OSError as error:
            raise TransactionLost(StoreUnavailable(f"the store's folder is gone: {error}")) from error
        if free < settings.reserve_octets:
            raise TransactionLost(StoreUnavailable(f"the disk is full: {free >> 20} MiB are left"))
        if settings.max_octets is not None and used_octets(self._db) >= settings.max_octets:
            raise TransactionLost(StoreUnavailable(f"the store is full: it holds its {settings.max_octets} octets"))

    def rollback(self) -> None:
        if self._rows is not None:
            self._rows.drop()
        self._rows = None
        self._pending = Pending()

    def tidy(self, *, idle: bool) -> None:
        """Nothing: RocksDB compacts in threads of its own."""

    def close(self) -> None:
        self.rollback()


def used_octets(db: Rdict) -> int:
    """What files and buffers hold, superseded rows that wait for compaction included."""
    return sum(db.property_int_value(name) or 0 for name in _USED)


@dataclass(slots=True)
class _Reader:
    """A reader thread: each body over one snapshot."""

    inbox: Inbox
    db: Rdict

    def run(self) -> None:
        """Serve until the inbox is closed and empty."""
        while (ticket := self.inbox.take(None)) is not None:
            if not ticket.is_abandoned:
                self._serve(ticket)
                deliver([ticket])
            del ticket

    def _serve(self, ticket: Ticket) -> None:
        try:
            rows = _Rows(self.db)
        except StoreError as error:
            ticket.fail(error)
            return
        txn = ReadingTxn(rows)
        try:
            ticket.result = ticket.body(txn)
        except BaseException as error:  # boundary: whatever a body raises is its caller's
            ticket.fail(error)
        txn.end()
        rows.drop()
        if txn.lost is not None:
            ticket.fail(txn.lost)


def _options(settings: RocksSettings) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_paranoid_checks(True)
    options.set_write_buffer_size(settings.write_buffer_octets)
    options.set_max_total_wal_size(_WAL_OCTETS)
    options.set_keep_log_file_num(4)
    options.set_compression_type(DBCompressionType.lz4())  # frames of blobs are compressed already
    table = BlockBasedOptions()
    table.set_block_cache(Cache(settings.cache_octets))
    table.set_bloom_filter(_BLOOM_BITS, False)
    options.set_block_based_table_factory(table)
    return options


class RocksKeyValueStore:
    """``KeyValueStore`` in a RocksDB folder. Make one with ``open``; end it with ``close``."""

    def __init__(self, path: Path, settings: RocksSettings) -> None:
        """Open and start the threads; blocks, so call ``open`` from a coroutine."""
        self._settings = settings
        path.mkdir(mode=0o700, exist_ok=True)
        with _told():
            self._db = Rdict(str(path), options=_options(settings))
        _sync_folder(path.parent)
        self._writes, self._reads = Inbox(settings.queued), Inbox(settings.queued)
        limits = GroupLimits(settings.group_bodies, settings.group_time_s)
        self._writer = GroupWriter(self._writes, RocksLedger(self._db, path, settings), limits)
        self._threads = [threading.Thread(target=self._writer.run, name="kv-writer", daemon=True)]
        for number in range(settings.readers):
            reader = _Reader(self._reads, self._db)
            self._threads.append(threading.Thread(target=reader.run, name=f"kv-reader-{number}", daemon=True))
        for thread in self._threads:
            thread.start()

    @classmethod
    async def open(cls, path: Path, settings: RocksSettings | None = None) -> Self:
        """Open the folder, or create it. Raises StoreUnavailable, and StoreError when another process has it."""
        try:
            return await asyncio.to_thread(cls, path, settings or RocksSettings())
        except OSError as error:
            raise StoreUnavailable(f"the store's folder cannot be opened: {error}") from error

    @property
    def stats(self) -> GroupStats:
        """How well commits are grouped."""
        return self._writer.stats

    async def read(self, body: Callable[[ReadTxn], T]) -> T:
        """Run ``body`` over one snapshot, in a reader thread."""
        result: T = await self._reads.ask(body, self._settings.wait_s)
        return result

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        """Run ``body`` in the writer thread; durable when this returns. A cancelled caller's body may still land."""
        result: T = await self._writes.ask(body, self._settings.wait_s)
        return result

    async def room(self) -> Room:
        """What files and buffers take, and how much of it live rows do not account for, by RocksDB's estimate."""
        with _told():
            used, live = used_octets(self._db), self._db.property_int_value("rocksdb.estimate-live-data-size") or 0
        return Room(used, max(0, used - live))

    async def compact(self, *, at_most: int | None = None, rewrite: bool = False) -> int:
        """Rewrite files without what was deleted, now instead of when RocksDB finds it worth while; octets."""
        before = used_octets(self._db)

        def work() -> None:
            with _told():
                self._db.flush()
                self._db.compact_range(None, None)

        await asyncio.to_thread(work)
        return max(0, before - used_octets(self._db))

    async def close(self) -> None:
        """Serve what is queued, end the threads, close the database and give its lock back."""
        self._writes.close()
        self._reads.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        with contextlib.suppress(DbClosedError):
            await asyncio.to_thread(self._db.close)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
