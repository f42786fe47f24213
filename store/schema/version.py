"""Which schema a store has, and whether this program may touch it.

``m schema`` holds the version; a store made before there was such a row has version 1. Programs write only a store of
their own version: an older one is brought up to date first (``store.upkeep.migrate``), a newer one is left alone.
"""

from store.kv.contract import KeyValueStore, ReadTxn, StoreError, WriteTxn
from store.schema import keys

SCHEMA = 2  #: what this program reads and writes
KEY = keys.meta("schema")
RESTORING = keys.meta("restoring")  #: there while a restore or a move into the store is not finished


class SchemaNewer(StoreError):
    """A newer program has been here; nothing was touched."""


class SchemaOlder(StoreError):
    """The store has to be brought up to date first; nothing was touched."""


class Unfinished(StoreError):
    """Rows are still being put into the store."""


def version_of(txn: ReadTxn) -> int:
    """The store's schema; that of this program for one without any row. Raises SchemaNewer for one that is unknown."""
    row = txn.get(KEY)
    if row is None:
        return SCHEMA if next(txn.scan(b"", b"\xff", limit=1), None) is None else 1
    if len(row) != 4 or keys.read_u32(row) > SCHEMA:
        shown = keys.read_u32(row) if len(row) == 4 else repr(row[:8])
        raise SchemaNewer(
            f"the store has schema {shown}, and this program knows schemas up to {SCHEMA}: "
            "install the Mailward that made it, or a newer one; nothing was changed"
        )
    return keys.read_u32(row)


def stamp(txn: WriteTxn, version: int = SCHEMA) -> None:
    txn.put(KEY, keys.u32(version))


async def check(kv: KeyValueStore) -> None:
    """Let a store of this schema pass, and mark a new one. Raises SchemaNewer, SchemaOlder, Unfinished."""
    version, is_stamped, is_whole = await kv.read(
        lambda txn: (version_of(txn), txn.get(KEY) is not None, txn.get(RESTORING) is None)
    )
    if not is_whole:
        raise Unfinished("a restore or a move into this store was not finished: run it again, or take an empty store")
    if version < SCHEMA:
        raise SchemaOlder(
            f"the store has schema {version}, and this program needs {SCHEMA}: "
            "run `mailward store migrate`, or start the server, which does it; nothing was changed"
        )
    if not is_stamped:
        await kv.write(_stamp_new)


def _stamp_new(txn: WriteTxn) -> None:
    if txn.get(KEY) is None and version_of(txn) == SCHEMA:
        stamp(txn)
