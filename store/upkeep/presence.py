"""Who has the store open: every process that serves says so now and then, with the schema it knows.

What must have the store for itself (moving it, changing its schema) looks here first.
"""

import asyncio
import os
import socket
from collections.abc import Callable

import msgspec

from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import StoreError
from store.schema import keys
from store.schema.rows import Reader, RowDamaged, pack
from store.schema.version import SCHEMA, SchemaNewer, version_of

BEAT_S = 10.0
ALIVE_MS = 35_000  #: how long one beat counts

PREFIX = keys.meta("serving ")


class Node(msgspec.Struct, frozen=True, array_like=True):
    """A process that serves."""

    host: str
    pid: int
    schema: int
    until_ms: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


read_node = Reader(Node)


class InUse(StoreError):
    """Somebody serves from this store."""


async def attend(store: Store, clock: Callable[[], float]) -> None:
    """Say so until cancelled, then take it back. Raises SchemaNewer when the store has moved on to another schema."""
    key = PREFIX + f"{socket.gethostname()}:{os.getpid()}".encode()

    def beat(txn: StoreTxn) -> None:
        version_of(txn.kv)
        until_ms = int(clock() * 1000) + ALIVE_MS
        txn.kv.put(key, pack(Node(socket.gethostname(), os.getpid(), SCHEMA, until_ms)))

    try:
        while True:
            try:
                await store.write(beat)
            except SchemaNewer:
                raise
            except StoreError:
                pass  # whoever works with the store says so
            await asyncio.sleep(BEAT_S)
    finally:
        try:
            await store.write(lambda txn: txn.kv.delete(key))
        except StoreError:
            pass  # it ends by itself


def serving(view: StoreView, now_ms: int) -> list[Node]:
    """Processes that have the store open; those of this machine that are gone do not count."""
    found: list[Node] = []
    for _, row in view.kv.scan(PREFIX, keys.prefix_end(PREFIX)):
        try:
            node = read_node(row)
        except RowDamaged:
            continue
        if node.until_ms > now_ms and not _is_gone(node):
            found.append(node)
    return found


def _is_gone(node: Node) -> bool:
    if node.host != socket.gethostname():
        return False
    try:
        os.kill(node.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


async def refuse_when_serving(store: Store, now_ms: int) -> None:
    """Raises InUse, which names who serves."""
    nodes = await store.read(lambda view: serving(view, now_ms))
    if nodes:
        raise InUse(f"the store is in use by {', '.join(map(str, nodes))}: stop the server first")
