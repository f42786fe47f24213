"""The key-value store in FoundationDB, shared by every worker of every node.

A writer thread groups what is queued into one transaction: bodies read through it, so that FoundationDB knows what
to hold against whom, and their writes are sent at the end. A conflict is repeated as the binding says until the
caller's deadline, and callers do not see it. An answer that was lost is found out (``store.kv.foundationdb_outcome``),
so that no body is ever applied twice. Reader threads give each body one snapshot, for at most five seconds.

Counters are read and written like any row, not by FoundationDB's atomic addition: that one gives no new value,
counts in the other byte order, and does not notice leaving 64 bits.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from store.kv.commit import GroupLimits, GroupStats, GroupWriter, Inbox, Repeatable, Ticket, TransactionLost, deliver
from store.kv.contract import ReadTxn, StoreError, StoreUnavailable, WriteTxn
from store.kv.foundationdb_binding import Binding, Place, Reads, Transaction, code_of, load, opened, place_of
from store.kv.foundationdb_link import (
    MAX_KEY_OCTETS,
    MAX_TRANSACTION_OCTETS,
    TOO_LARGE,
    Link,
    LinkRows,
    bound,
    has_not_landed,
    too_large,
)
from store.kv.foundationdb_outcome import Mark
from store.kv.overlay import Pending, ReadingTxn, Remembering, run_body

T = TypeVar("T")

_ROOMY_OCTETS = 1_000_000  # FoundationDB's own advice for one transaction: no further body joins a larger group


@dataclass(frozen=True, slots=True)
class FoundationSettings:
    """How one process uses the cluster."""

    writers: int = 1  #: threads; two conflict with each other where one would have grouped
    readers: int = 4  #: threads
    group_bodies: int = 64  #: most write bodies in one commit
    group_time_s: float = 0.02  #: no further body joins a group this old
    queued: int = 10_000  #: most bodies waiting, for writes and for reads; more are refused
    wait_s: float = 20.0  #: how long a caller's conflicts are repeated and a lost cluster is waited for
    clock: Callable[[], float] = time.monotonic  #: seconds, to tell a body that was too slow from a cluster that was


class FoundationLedger:
    """``store.kv.commit.Ledger``: one transaction for a group."""

    idle_s: float | None = None

    def __init__(self, link: Link, place: Place) -> None:
        self._link = link
        self._prefix = place.rows
        self._mark = Mark(link, place.marks)
        self._pending = Pending(by_range=True)
        self._deadline = 0.0
        self._transaction: Transaction | None = None
        self._rows: Remembering | None = None

    def is_full(self) -> bool:
        """Whether another body may make the transaction larger than is good for a cluster."""
        return self._pending.octets >= _ROOMY_OCTETS

    def begin(self, deadline: float) -> None:
        self._deadline = deadline
        self._pending = Pending(by_range=True)
        self._transaction = self._link.begin(deadline)
        self._rows = _remembered(self._link, self._transaction, self._prefix)

    def run(self, body: Callable[[WriteTxn], Any]) -> Any:
        assert self._rows is not None
        return run_body(body, self._rows, self._pending, MAX_KEY_OCTETS)

    def commit(self) -> None:
        if self._pending.rows or self._pending.ranges:
            self._write(self._pending.rows, self._pending.ranges or [])
        self.rollback()

    def _write(self, rows: dict[bytes, bytes | None], ranges: list[tuple[bytes, bytes]]) -> None:
        octets = sum(len(key) + len(value or b"") for key, value in rows.items())
        if octets > MAX_TRANSACTION_OCTETS:
            raise TransactionLost(too_large(octets, len(rows)))
        assert self._transaction is not None
        failure = self._link.binding.FDBError
        try:
            mark = self._mark.put(self._transaction)
            for start, end in ranges:
                self._transaction.clear_range(self._prefix + bound(start), self._prefix + bound(end))
            for key, value in sorted(rows.items()):
                if value is None:
                    self._transaction.clear(self._prefix + key)
                else:
                    self._transaction.set(self._prefix + key, value)
        except failure as error:
            raise TransactionLost(self._link.refusal(error)) from error
        try:
            self._transaction.commit().wait()
        except failure as error:
            if code_of(error) == TOO_LARGE:
                raise TransactionLost(too_large(octets, len(rows))) from error
            if has_not_landed(error):
                raise TransactionLost(self._link.refusal(error)) from error
            self._settle(mark, error)

    def _settle(self, mark: bytes, error: Exception) -> None:
        """The answer to the commit was lost. Returns when it has landed; else raises TransactionLost."""
        try:
            has_landed = self._mark.has_landed(mark, self._deadline)
        except StoreUnavailable as unknown:
            raise TransactionLost(unknown) from error
        if not has_landed:
            raise TransactionLost(Repeatable(f"FoundationDB lost a commit: {error}")) from error

    def rollback(self) -> None:
        self._pending = Pending(by_range=True)
        self._transaction = self._rows = None
        self._link.end()

    def tidy(self, *, idle: bool) -> None:
        """Nothing: FoundationDB cleans up by itself."""

    def close(self) -> None:
        self.rollback()
        self._mark.remove()


def _remembered(link: Link, reads: Reads, prefix: bytes) -> Remembering:
    rows = LinkRows(link, reads, prefix)
    return Remembering(rows, rows.many)


@dataclass(slots=True)
class _Reader:
    """A reader thread: each body in one snapshot."""

    inbox: Inbox
    link: Link
    prefix: bytes

    def run(self) -> None:
        """Serve until the inbox is closed and empty."""
        while (ticket := self.inbox.take(None)) is not None:
            if not ticket.is_abandoned:
                self._serve(ticket)
                deliver([ticket])
            del ticket

    def _serve(self, ticket: Ticket) -> None:
        while True:
            lost = self._attempt(ticket)
            self.link.end()
            if lost is None:
                return
            if not isinstance(lost, Repeatable) or time.monotonic() >= ticket.deadline:
                ticket.fail(lost)
                return

    def _attempt(self, ticket: Ticket) -> StoreError | None:
        """Run the body once; why FoundationDB gave up, if it did."""
        ticket.result = ticket.error = None
        try:
            rows = _remembered(self.link, self.link.begin(ticket.deadline).snapshot, self.prefix)
        except StoreError as error:
            return error
        txn = ReadingTxn(rows)
        try:
            ticket.result = ticket.body(txn)
        except BaseException as error:  # boundary: whatever a body raises is its caller's
            ticket.fail(error)
        txn.end()
        return txn.lost


class FoundationKeyValueStore:
    """``KeyValueStore`` in a FoundationDB cluster. Make one with ``open``; end it with ``close``."""

    def __init__(self, place: Place, settings: FoundationSettings, binding: Binding) -> None:
        """Connect and start the threads; blocks, so call ``open`` from a coroutine."""
        self._settings = settings
        database = opened(binding, place)
        Mark(Link(binding, database), place.marks).sweep(time.monotonic() + settings.wait_s)
        self._writes, self._reads = Inbox(settings.queued), Inbox(settings.queued)
        self.stats = GroupStats()  #: how well commits are grouped, and how many were lost to conflicts
        self._threads: list[threading.Thread] = []
        for number in range(settings.writers):
            ledger = FoundationLedger(Link(binding, database, settings.clock), place)
            limits = GroupLimits(settings.group_bodies, settings.group_time_s, ledger.is_full)
            writer = GroupWriter(self._writes, ledger, limits, self.stats)
            self._threads.append(threading.Thread(target=writer.run, name=f"kv-writer-{number}", daemon=True))
        for number in range(settings.readers):
            reader = _Reader(self._reads, Link(binding, database, settings.clock), place.rows)
            self._threads.append(threading.Thread(target=reader.run, name=f"kv-reader-{number}", daemon=True))
        for thread in self._threads:
            thread.start()

    @classmethod
    async def open(cls, url: str, settings: FoundationSettings | None = None, binding: Binding | None = None) -> Self:
        """Open a cluster by its URL, through the official binding if no other is given.

        Raises ValueError for a malformed URL, StoreUnavailable, and StoreError without the client's library.
        """
        place, settings = place_of(url), settings or FoundationSettings()
        return await asyncio.to_thread(lambda: cls(place, settings, binding or load()))

    async def read(self, body: Callable[[ReadTxn], T]) -> T:
        """Run ``body`` over one snapshot, in a reader thread; StoreUnavailable when it takes over five seconds."""
        result: T = await self._reads.ask(body, self._settings.wait_s)
        return result

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        """Run ``body`` in a writer thread; durable when this returns. A cancelled caller's body may still land."""
        result: T = await self._writes.ask(body, self._settings.wait_s)
        return result

    async def close(self) -> None:
        """Serve what is queued, then end the threads."""
        self._writes.close()
        self._reads.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
