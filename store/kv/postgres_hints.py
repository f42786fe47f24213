"""Hints between processes through PostgreSQL: one connection a process listens and notifies.

The notification follows the commit in a transaction of its own, and takes along whatever was committed meanwhile.
Inside the commit it would come as early and need no connection, but NOTIFY holds one lock for the whole server
until its transaction is on disk: commits of all workers and nodes would queue up behind each other's fsync.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection
from typing import Any

import psycopg
from psycopg import sql

from store.kv.postgres_link import KEEP_ALIVE, where_of

log = logging.getLogger(__name__)

Wake = Callable[[Collection[int] | None], None]

_ACCOUNTS = 512  #: in one notification, whose text may have 8,000 octets
_WAITING = 4096  #: accounts waiting to be told; more are found by looking
_CLOSE_S = 1.0
_ANSWER_S = 10.0  #: for one notification to be sent, after which the connection counts as lost
_LONGEST_PAUSE_S = 2.0  #: between two attempts to connect
_CHANNEL = "SELECT 'mailward_' || 'kv'::regclass::oid"  # one store, one channel: a database may hold several
_NOTIFY = "SELECT pg_notify(%s, %s)"


class PostgresHints:
    """``store.changes.announce.Hints`` by LISTEN and NOTIFY; a lost connection is made anew."""

    def __init__(self, url: str) -> None:
        self._where = where_of(url)
        self._wake: Wake | None = None
        self._channel = ""
        self._waiting: set[int] = set()
        self._stirred = asyncio.Event()  #: something to send, to read, or to stop for
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self, wake: Wake) -> None:
        self._wake = wake
        self._task = asyncio.create_task(self._keep_connected())

    def publish(self, accounts: Collection[int]) -> None:
        if len(self._waiting) < _WAITING:
            self._waiting.update(accounts)
        self._stirred.set()

    async def close(self) -> None:
        """Send what waits, if the server answers within a second; end the connection."""
        if self._task is None:
            return
        self._closing = True
        self._stirred.set()
        _, late = await asyncio.wait([self._task], timeout=_CLOSE_S)
        if late:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._task = None

    async def _keep_connected(self) -> None:
        pause_s = 0.05
        while not self._closing or self._waiting:
            try:
                async with await psycopg.AsyncConnection.connect(self._where, autocommit=True, **KEEP_ALIVE) as link:  # type: ignore[arg-type]
                    await self._listen(link)
                    pause_s = 0.05
                    await self._serve(link)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.info("hints.lost: %s", " ".join(str(error).split())[:300])
                if self._closing:
                    return
                await asyncio.sleep(random.uniform(0.0, pause_s))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _listen(self, link: psycopg.AsyncConnection[Any]) -> None:
        """Subscribe; whatever was published before is lost, so everyone looks once."""
        link.add_notify_handler(lambda note: self._hear(note.payload, note.pid == link.pgconn.backend_pid))
        row = await (await link.execute(_CHANNEL)).fetchone()
        self._channel = str(row[0]) if row else ""
        await link.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        if self._wake is not None:
            self._wake(None)

    async def _serve(self, link: psycopg.AsyncConnection[Any]) -> None:
        """Send and read until told to stop. Raises psycopg.Error when the connection is lost, TimeoutError."""
        loop = asyncio.get_running_loop()
        while True:
            self._stirred.clear()
            self._read(link)
            if self._waiting:
                async with asyncio.timeout(_ANSWER_S):
                    await self._send(link)
                continue  # an answer may have brought notifications along
            if self._closing:
                return
            loop.add_reader(link.fileno(), self._stirred.set)
            try:
                await self._stirred.wait()
            finally:
                loop.remove_reader(link.fileno())

    async def _send(self, link: psycopg.AsyncConnection[Any]) -> None:
        told = sorted(self._waiting)[:_ACCOUNTS]
        self._waiting.difference_update(told)
        await link.execute(_NOTIFY, (self._channel, " ".join(map(str, told))))

    def _read(self, link: psycopg.AsyncConnection[Any]) -> None:
        """Hear what has arrived, without waiting. Raises psycopg.Error when the connection is lost."""
        link.pgconn.consume_input()
        while (note := link.pgconn.notifies()) is not None:
            self._hear(note.extra, note.be_pid == link.pgconn.backend_pid)

    def _hear(self, accounts: bytes | str, is_own: bool) -> None:
        if self._wake is None or is_own:
            return
        words = accounts.split()[:_ACCOUNTS]
        if all(
            word.isdigit() and len(word) <= 10 for word in words
        ):  # anything else is somebody else's use of our channel
            self._wake([int(word) for word in words])
