"""The key-value store in PostgreSQL, shared by every worker of every node.

Writer threads, each with a connection, group what is queued into SERIALIZABLE transactions; a conflict with
another transaction is repeated with jitter until the caller's deadline, and callers do not see it. Reader threads
give each body one REPEATABLE READ snapshot. A lost connection is made anew and the bodies run again, unless
the server went silent during COMMIT: then the caller is told, because it may have landed.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from store.kv import postgres_room
from store.kv.commit import GroupLimits, GroupStats, GroupWriter, Inbox, Repeatable, Ticket, deliver
from store.kv.contract import ReadTxn, StoreError, WriteTxn
from store.kv.overlay import ReadingTxn
from store.kv.postgres_link import READ, WRITE, Link, PostgresLedger, prepare, remembering
from store.kv.room import Room

T = TypeVar("T")

_LONGEST_PAUSE_S = 0.1  # between two attempts at one read


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """How one process uses the database: it holds ``writers + readers`` connections."""

    writers: int = 1  #: threads; two conflict with each other where one would have grouped
    readers: int = 2  #: threads
    group_bodies: int = 64  #: most write bodies in one commit
    group_time_s: float = 0.02  #: no further body joins a group this old
    queued: int = 10_000  #: most bodies waiting, for writes and for reads; more are refused
    wait_s: float = 20.0  #: how long a caller's conflicts are repeated and a lost server is waited for
    silent_s: float = 30.0  #: a server that answers nothing for so long counts as lost; above its statement_timeout


@dataclass(slots=True)
class _Reader:
    """A reader thread: each body in one snapshot."""

    inbox: Inbox
    link: Link

    def run(self) -> None:
        """Serve until the inbox is closed and empty."""
        ticket = self.inbox.take(None)
        while ticket is not None:
            if not ticket.is_abandoned:
                self._serve(ticket)
                deliver([ticket])
            following = self.inbox.take_now()
            if following is not None:
                self.link.leave()
            else:
                self.link.rollback()
                ticket = None  # and with it a body and a result that may be megabytes of a mail
                following = self.inbox.take(None)
            ticket = following
        self.link.close()

    def _serve(self, ticket: Ticket) -> None:
        while True:
            lost = self._attempt(ticket)
            if lost is None:
                return
            self.link.rollback()
            if not isinstance(lost, Repeatable) or time.monotonic() >= ticket.deadline:
                ticket.fail(lost)
                return
            time.sleep(random.uniform(0.0, _LONGEST_PAUSE_S))

    def _attempt(self, ticket: Ticket) -> StoreError | None:
        """Run the body once; why PostgreSQL gave up, if it did."""
        ticket.result = ticket.error = None
        try:
            self.link.connect(ticket.deadline)
        except StoreError as error:
            return error
        txn = ReadingTxn(remembering(self.link))
        try:
            ticket.result = ticket.body(txn)
        except BaseException as error:  # boundary: whatever a body raises is its caller's
            ticket.fail(error)
        txn.end()
        return txn.lost


class PostgresKeyValueStore:
    """``KeyValueStore`` in a PostgreSQL database. Make one with ``open``; end it with ``close``."""

    def __init__(self, url: str, settings: PostgresSettings) -> None:
        """Connect and start the threads; blocks, so call ``open`` from a coroutine."""
        self._settings = settings
        self._url = url
        deadline = time.monotonic() + settings.wait_s
        prepare(url, deadline)
        self._writes, self._reads = Inbox(settings.queued), Inbox(settings.queued)
        self.stats = GroupStats()  #: how well commits are grouped, and how many were lost to conflicts
        limits = GroupLimits(settings.group_bodies, settings.group_time_s)
        self._threads: list[threading.Thread] = []
        self._links = [Link(url, WRITE) for _ in range(settings.writers)]
        self._links += [Link(url, READ) for _ in range(settings.readers)]
        self._over = threading.Event()
        for number in range(settings.writers):
            writer = GroupWriter(self._writes, PostgresLedger(self._links[number]), limits, self.stats)
            self._threads.append(threading.Thread(target=writer.run, name=f"kv-writer-{number}", daemon=True))
        for number in range(settings.readers):
            reader = _Reader(self._reads, self._links[settings.writers + number])
            self._threads.append(threading.Thread(target=reader.run, name=f"kv-reader-{number}", daemon=True))
        self._watch = threading.Thread(target=self._watch_links, name="kv-watch", daemon=True)
        for thread in (*self._threads, self._watch):
            thread.start()

    @classmethod
    async def open(cls, url: str, settings: PostgresSettings | None = None) -> Self:
        """Open a database by its URL (libpq's form). Raises StoreUnavailable, and StoreError for a wrong one."""
        return await asyncio.to_thread(cls, url, settings or PostgresSettings())

    async def read(self, body: Callable[[ReadTxn], T]) -> T:
        """Run ``body`` over one snapshot, in a reader thread; again after a lost connection."""
        result: T = await self._reads.ask(body, self._settings.wait_s)
        return result

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        """Run ``body`` in a writer thread; durable when this returns. A cancelled caller's body may still land."""
        result: T = await self._writes.ask(body, self._settings.wait_s)
        return result

    async def room(self) -> Room:
        """What the table and its index take."""
        return await asyncio.to_thread(postgres_room.room, self._url)

    async def compact(self, *, at_most: int | None = None, rewrite: bool = False) -> int:
        """VACUUM; with ``rewrite`` VACUUM FULL, during which nothing else goes on. Octets given back to the disk."""
        return await asyncio.to_thread(postgres_room.vacuum, self._url, rewrite=rewrite)

    async def close(self) -> None:
        """Serve what is queued, then end the threads and their connections."""
        self._writes.close()
        self._reads.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._over.set()
        await asyncio.to_thread(self._watch.join)

    def _watch_links(self) -> None:
        """Hang up on a server that has gone silent, so that its caller is told and the next one finds another."""
        while not self._over.wait(min(1.0, self._settings.silent_s / 4)):
            for link in self._links:
                link.hang_up(self._settings.silent_s)
