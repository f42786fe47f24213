"""A body that waits inside its transaction until the test lets it go."""

import threading
from collections.abc import Awaitable, Callable

from store.kv.contract import ReadTxn
from store.kv.sqlite import SqliteKeyValueStore

Opener = Callable[..., Awaitable[SqliteKeyValueStore]]


class Gate:
    """Holds the writer thread inside a body until opened."""

    def __init__(self) -> None:
        self.is_entered = threading.Event()
        self._open = threading.Event()

    def body(self, txn: ReadTxn) -> None:
        self.is_entered.set()
        assert self._open.wait(20)

    def open(self) -> None:
        self._open.set()
