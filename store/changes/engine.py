"""The store as everyone above it sees it: transactions that log and announce their own changes.

``Store.write`` commits, then announces; there is no other way to write, so nobody can forget to log a
change or to tell the sessions that show it.
"""

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NewType, TypeVar

from store.blob.chunks import KeyValueBlobs, keep
from store.blob.contract import BlobId, Staged
from store.changes.announce import SYSTEM, Announcer, Listener
from store.kv.contract import KeyValueStore, ReadTxn, WriteTxn, counter
from store.schema import keys

T = TypeVar("T")

AccountId = NewType("AccountId", int)
ModSeq = NewType("ModSeq", int)  #: one counter an account; JMAP state, HIGHESTMODSEQ and sync-token are views of it


class Kind(IntEnum):
    """What a change-log row is about."""

    MAILBOX = 1
    EMAIL = 2
    THREAD = 3


class Change(IntEnum):
    CREATED = 1
    UPDATED = 2
    DESTROYED = 3
    COUNTED = 4  #: only the counters of a mailbox moved; to most readers an update


#: What an earlier change of the same transaction must be for a later one to add nothing.
_OUTRANKING = {
    Change.UPDATED: (bytes([Change.CREATED]), bytes([Change.DESTROYED])),
    Change.COUNTED: (bytes([Change.CREATED]), bytes([Change.UPDATED]), bytes([Change.DESTROYED])),
}


class AccountView:
    """One account's rows in one snapshot. Keys are given without the account's prefix."""

    def __init__(self, txn: ReadTxn, account: AccountId) -> None:
        self._read = txn
        self._prefix = keys.scope(account)
        self.account = account

    def get(self, key: bytes) -> bytes | None:
        return self._read.get(self._prefix + key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs in key order; keys come back without the account's prefix."""
        cut = len(self._prefix)
        for key, value in self._read.scan(self._prefix + start, self._prefix + end, reverse=reverse, limit=limit):
            yield key[cut:], value

    def scan_prefix(
        self, prefix: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return self.scan(prefix, keys.prefix_end(prefix), reverse=reverse, limit=limit)

    @property
    def modseq(self) -> ModSeq:
        """The account's highest modseq; its JMAP state and HIGHESTMODSEQ."""
        return ModSeq(counter(self.get(keys.MODSEQ)))


class AccountTxn(AccountView):
    """The only way to change an account: every save or destroy of an object also logs the change."""

    def __init__(self, txn: WriteTxn, account: AccountId, store: "StoreTxn") -> None:
        super().__init__(txn, account)
        self._write = txn
        self.store = store
        self._now: ModSeq | None = None

    def next_modseq(self) -> ModSeq:
        """The modseq of every change in this transaction; the first call moves the account's counter."""
        if self._now is None:
            self._now = ModSeq(self._write.add(self._prefix + keys.MODSEQ, 1))
            self.store.touch(self.account)
        return self._now

    def next_id(self) -> int:
        return self._write.add(self._prefix + keys.LAST_ID, 1)

    def save(self, kind: Kind, object_id: int, key: bytes, value: bytes, change: Change) -> ModSeq:
        """Write an object's row together with its change-log row."""
        self._write.put(self._prefix + key, value)
        return self.log(kind, object_id, change)

    def destroy(self, kind: Kind, object_id: int, key: bytes) -> ModSeq:
        self._write.delete(self._prefix + key)
        return self.log(kind, object_id, Change.DESTROYED)

    def log(self, kind: Kind, object_id: int, change: Change) -> ModSeq:
        """Note a change. Within one transaction destruction outranks creation, that an update, that a count."""
        modseq = self.next_modseq()
        key = self._prefix + keys.change(kind, modseq, object_id)
        outranking = _OUTRANKING.get(change, ())
        if outranking and self._write.get(key) in outranking:
            return modseq
        self._write.put(key, bytes([change]))
        return modseq

    def index(self, key: bytes, value: bytes = b"") -> None:
        """Write an index row: derived from objects, so it has no change of its own."""
        self._write.put(self._prefix + key, value)

    def unindex(self, key: bytes) -> None:
        self._write.delete(self._prefix + key)

    def link(self, blob: BlobId, owner: bytes) -> None:
        self._write.put(keys.link(blob, self._prefix + owner), b"")

    def unlink(self, blob: BlobId, owner: bytes) -> None:
        self._write.delete(keys.link(blob, self._prefix + owner))


class StoreView:
    """One snapshot of everything."""

    def __init__(self, txn: ReadTxn) -> None:
        self.kv = txn

    def account(self, account: AccountId) -> AccountView:
        return AccountView(self.kv, account)


class StoreTxn:
    """One transaction over everything: several accounts, quarantine, jobs and audit land together."""

    def __init__(self, txn: WriteTxn) -> None:
        self.kv = txn
        self._accounts: dict[AccountId, AccountTxn] = {}
        self.touched: set[int] = set()

    def account(self, account: AccountId) -> AccountTxn:
        if account not in self._accounts:
            self._accounts[account] = AccountTxn(self.kv, account, self)
        return self._accounts[account]

    def keep(self, staged: Staged) -> BlobId:
        """Make a staged blob durable with this commit."""
        keep(self.kv, staged)
        return staged.id

    def link(self, blob: BlobId, owner: bytes) -> None:
        self.kv.put(keys.link(blob, owner), b"")

    def unlink(self, blob: BlobId, owner: bytes) -> None:
        self.kv.delete(keys.link(blob, owner))

    def touch(self, account: int = SYSTEM) -> None:
        """Announce this account (or the system) once the transaction has committed."""
        self.touched.add(account)


class Store:
    """Key-value store, blobs and announcements as one thing. Built by the composition root."""

    def __init__(self, kv: KeyValueStore, blobs: KeyValueBlobs, announcer: Announcer) -> None:
        self.kv = kv
        self.blobs = blobs
        self.announcer = announcer

    async def read(self, body: Callable[[StoreView], T]) -> T:
        return await self.kv.read(lambda txn: body(StoreView(txn)))

    async def write(self, body: Callable[[StoreTxn], T]) -> T:
        """Commit, then announce. Durable when it returns. Raises StoreUnavailable."""
        touched: set[int] = set()

        def once(txn: WriteTxn) -> T:
            unit = StoreTxn(txn)
            result = body(unit)
            touched.clear()
            touched.update(unit.touched)
            return result

        result = await self.kv.write(once)
        self.announcer.announce(touched)
        return result

    def subscribe(self, account: int) -> Listener:
        return self.announcer.subscribe(account)

    async def close(self) -> None:
        await self.announcer.close()
        await self.kv.close()
