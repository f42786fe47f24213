"""Hints between processes through FoundationDB: a log of who changed, and a watched key that says there is more.

A watch says only that a key has another value, so what changed is in a log beside it: one row for each telling, in the
order of commits by its versionstamp, kept for a minute. Telling reads nothing, so that it is in conflict with nobody;
it follows the commit it speaks of, in a transaction of its own, and takes along whatever was committed meanwhile.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from store.kv.contract import StoreError
from store.kv.foundationdb_binding import Binding, Database, Pair, Transaction, code_of, load, opened, place_of

T = TypeVar("T")

log = logging.getLogger(__name__)

Wake = Callable[[Collection[int] | None], None]

_WAITING = 4096  #: accounts waiting to be told; with more, everyone is told to look
_LISTENED = 512  #: rows of the log read at once
_KEPT_S = 60  #: rows stay in the log
_TIDIED_S = 10.0  #: between two removals of older rows
_VERSIONS_A_SECOND = 1_000_000
_ANSWER_S = 10.0  #: for one transaction, after which the cluster counts as lost
_RENEWED_S = 30.0  #: after which a silent watch is set again
_PAUSE_S = 0.5  #: between two attempts
_CLOSE_S = 1.0
_ONE = (1).to_bytes(8, "little")


class FoundationHints:
    """``store.changes.announce.Hints`` by watches. One thread tells and one listens."""

    def __init__(self, url: str, binding: Binding | None = None) -> None:
        space = place_of(url).hints
        self._place, self._binding = place_of(url), binding
        self._head, self._log, self._log_end = space + b"h", space + b"l", space + b"m"
        self._sender = os.urandom(8)
        self._wake: Wake | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[int] = set()
        self._is_too_much = False
        self._changed = threading.Condition()
        self._bell = threading.Event()  #: rung by the present watch and at the end; an old watch rings an old one
        self._closing = threading.Event()
        self._tidied = float("-inf")
        self._threads: list[threading.Thread] = []

    async def start(self, wake: Wake) -> None:
        self._wake, self._loop = wake, asyncio.get_running_loop()
        for work, name in ((self._keep_telling, "kv-hints-tell"), (self._keep_listening, "kv-hints-listen")):
            self._threads.append(threading.Thread(target=work, name=name, daemon=True))
            self._threads[-1].start()

    def publish(self, accounts: Collection[int]) -> None:
        with self._changed:
            if len(self._waiting) + len(accounts) <= _WAITING:
                self._waiting.update(accounts)
            else:
                self._is_too_much = True
            self._changed.notify()

    async def close(self) -> None:
        """Send what waits, if the cluster answers within a second; end the threads."""
        with self._changed:
            self._closing.set()
            self._changed.notify()
        self._bell.set()
        until = time.monotonic() + _CLOSE_S
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, until - time.monotonic()))
        self._threads.clear()

    # Telling

    def _keep_telling(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_too_much or self._closing.is_set())
                if not self._waiting and not self._is_too_much:
                    return
                told = [] if self._is_too_much else sorted(self._waiting)
                self._waiting.clear()
                self._is_too_much = False
            self._attempt(partial(self._tell, told))

    def _tell(self, accounts: list[int], binding: Binding, database: Database) -> None:
        """Append a row to the log; none at all means: everyone. Raises FDBError."""
        transaction = _transaction(database, _ANSWER_S)
        while True:
            try:
                if time.monotonic() - self._tidied > _TIDIED_S:
                    oldest = max(0, transaction.get_read_version().wait() - _KEPT_S * _VERSIONS_A_SECOND)
                    transaction.clear_range(self._log, self._log + oldest.to_bytes(8, "big"))
                    self._tidied = time.monotonic()
                stamped = self._log + bytes(10) + self._sender + len(self._log).to_bytes(4, "little")
                transaction.set_versionstamped_key(stamped, b"".join(one.to_bytes(4, "big") for one in accounts))
                transaction.add(self._head, _ONE)
                transaction.commit().wait()
            except binding.FDBError as error:
                transaction.on_error(code_of(error)).wait()
            else:
                return

    # Listening

    def _keep_listening(self) -> None:
        heard: bytes | None = None  # where in the log we are; None: not yet anywhere
        heard_at = 0.0
        while not self._closing.is_set():
            if time.monotonic() - heard_at > _KEPT_S / 2:
                heard = None  # rows may be gone that we have not seen
            done = self._attempt(partial(self._listen, heard))
            if done is None:
                self._closing.wait(_PAUSE_S)
            else:
                heard, heard_at = done, time.monotonic()

    def _listen(self, heard: bytes | None, binding: Binding, database: Database) -> bytes:
        """Hear what is new in the log, then wait for more; where in the log we are. Raises FDBError."""
        bell = self._bell = threading.Event()
        transaction = _transaction(database, _RENEWED_S + _ANSWER_S)  # a watch may not outlive it
        if heard is None:
            start = self._log + transaction.get_read_version().wait().to_bytes(8, "big") + b"\xff\xff"
            rows: list[Pair] = []
        else:
            start = heard + b"\x00"
            rows = list(transaction.snapshot.get_range(start, self._log_end, _LISTENED))
        watch = transaction.watch(self._head)
        transaction.commit().wait()
        if heard is None:
            self._tell_loop(None)  # whatever was told before is lost, so everyone looks once
        for row in rows:
            self._hear(row.key, row.value)
        watch.on_ready(lambda _: bell.set())
        if len(rows) < _LISTENED and not self._closing.is_set():
            bell.wait(_RENEWED_S)
        if watch.is_ready():
            watch.wait()
        else:
            watch.cancel()
        return rows[-1].key if rows else heard or start

    def _hear(self, key: bytes, value: bytes) -> None:
        if key.endswith(self._sender):
            return
        accounts = [int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value) - 3, 4)]
        self._tell_loop(accounts or None)

    def _tell_loop(self, accounts: Collection[int] | None) -> None:
        if self._loop is not None and self._wake is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake, accounts)

    def _attempt(self, work: Callable[[Binding, Database], T]) -> T | None:
        """What ``work`` gives; None when the cluster could not do it now."""
        try:
            binding = self._binding = self._binding or load()
            database = opened(binding, self._place)
        except StoreError as error:
            log.info("hints.lost: %s", error)
            return None
        try:
            return work(binding, database)
        except binding.FDBError as error:
            log.info("hints.lost: %s", error)
            return None


def _transaction(database: Database, timeout_s: float) -> Transaction:
    """Raises FDBError."""
    transaction = database.create_transaction()
    transaction.options.set_timeout(int(timeout_s * 1000))
    return transaction
