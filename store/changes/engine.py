"""The store as everyone above it sees it: transactions that log and announce their own changes.

``Store.write`` commits, then announces; there is no other way to write, so nobody can forget to log a
change or to tell the sessions that show it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import NewType, TypeVar, cast

from msgspec import Struct

from store.blob.chunks import keep
from store.blob.contract import BlobId, Staged
from store.blob.view import Blobs
from store.changes.announce import SYSTEM, Announcer, Listener
from store.kv.contract import KeyValueStore, ReadTxn, WriteTxn, counter
from store.schema import keys
from store.schema.rows import pack

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

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
    Change.UPDATED: (Change.CREATED, Change.DESTROYED),
    Change.COUNTED: (Change.CREATED, Change.UPDATED, Change.DESTROYED),
}


class AccountView:
    """One account's rows in one snapshot. Keys are given without the account's prefix."""

    def __init__(self, txn: ReadTxn, account: AccountId) -> None:
        self.raw = txn  #: the snapshot itself, for rows that lie outside the account
        self._prefix = keys.scope(account)
        self.account = account

    def get(self, key: bytes) -> bytes | None:
        return self.raw.get(self._prefix + key)

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """``ReadTxn.prefetch`` of the account's keys."""
        self.raw.prefetch(self._prefix + key for key in keys)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs in key order; keys come back without the account's prefix."""
        cut = len(self._prefix)
        for key, value in self.raw.scan(self._prefix + start, self._prefix + end, reverse=reverse, limit=limit):
            yield key[cut:], value

    def scan_prefix(
        self, prefix: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return self.scan(prefix, keys.prefix_end(prefix), reverse=reverse, limit=limit)

    def row(self, key: bytes, read: Callable[[bytes], S]) -> S | None:
        """The row under a key, decoded; a transaction reads the same row once."""
        found = self.get(key)
        return read(found) if found is not None else None

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
        self._logged: dict[tuple[Kind, int], Change] = {}
        self._held: dict[bytes, tuple[Struct, bool]] = {}  #: rows, and whether they are to be written
        self._spaces: set[bytes] = set()  #: first octets of their keys

    def get(self, key: bytes) -> bytes | None:
        held = self._held.get(key)
        return pack(held[0]) if held is not None else super().get(key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        if any(start[:1] <= space < end for space in self._spaces):
            self.flush()
        return super().scan(start, end, reverse=reverse, limit=limit)

    def row(self, key: bytes, read: Callable[[bytes], S]) -> S | None:
        held = self._held.get(key)
        if held is not None:
            return cast(S, held[0])
        found = super().row(key, read)
        if found is not None:
            self._held[key] = found, False
            self._spaces.add(key[:1])
        return found

    def hold(self, key: bytes, row: Struct) -> None:
        """Write a row that many steps of a transaction move, such as a counter: once, when the body has ended."""
        self._held[key] = row, True
        self._spaces.add(key[:1])

    def flush(self) -> None:
        """Write what was held back. The store does it at the end of every body."""
        for key, (row, is_changed) in self._held.items():
            if is_changed:
                self._write.put(self._prefix + key, pack(row))
        self._held.clear()
        self._spaces.clear()

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
        before = self._logged.get((kind, object_id))
        if before is change or before in _OUTRANKING.get(change, ()):
            return modseq
        self._logged[kind, object_id] = change  # nobody else logs at this modseq, so there is nothing to read
        self._write.put(self._prefix + keys.change(kind, modseq, object_id), bytes([change]))
        return modseq

    def index(self, key: bytes, value: bytes = b"") -> None:
        """Write an index row: derived from objects, so it has no change of its own."""
        self._held.pop(key, None)
        self._write.put(self._prefix + key, value)

    def unindex(self, key: bytes) -> None:
        self._held.pop(key, None)
        self._write.delete(self._prefix + key)

    def unindex_range(self, prefix: bytes) -> None:
        """Take away all rows whose keys start with ``prefix``."""
        self.flush()
        start = self._prefix + prefix
        self._write.delete_range(start, keys.prefix_end(start))

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

    def __init__(self, txn: WriteTxn, now_ms: int, *, seals_later: bool = False) -> None:
        self.kv = txn
        self.now_ms = now_ms  #: when the transaction was asked for
        self.seals_later = seals_later  #: audit entries wait for their seal, so that writers do not meet at the head
        self._known: dict[object, object] = {}
        self._accounts: dict[AccountId, AccountTxn] = {}
        self.touched: set[int] = set()

    def account(self, account: AccountId) -> AccountTxn:
        if account not in self._accounts:
            self._accounts[account] = AccountTxn(self.kv, account, self)
        return self._accounts[account]

    def once(self, read: Callable[[WriteTxn], T]) -> T:
        """What ``read`` finds, looked up once a transaction however many of its parts ask."""
        if read not in self._known:
            self._known[read] = read(self.kv)
        return cast(T, self._known[read])

    def keep(self, staged: Staged) -> BlobId:
        """Make a staged blob durable with this commit."""
        keep(self.kv, staged)
        return staged.id

    def link(self, blob: BlobId, owner: bytes) -> None:
        self.kv.put(keys.link(blob, owner), b"")

    def unlink(self, blob: BlobId, owner: bytes) -> None:
        self.kv.delete(keys.link(blob, owner))

    def flush(self) -> None:
        """Write what accounts hold back; the body has ended."""
        for account in self._accounts.values():
            account.flush()

    def touch(self, account: int = SYSTEM) -> None:
        """Announce this account (or the system) once the transaction has committed."""
        self.touched.add(account)


class Store:
    """Key-value store, blobs and announcements as one thing. Built by the composition root."""

    def __init__(
        self,
        kv: KeyValueStore,
        blobs: Blobs,
        announcer: Announcer,
        clock: Callable[[], float] = time.time,
        *,
        seals_later: bool = False,
    ) -> None:
        self.kv = kv
        self.blobs = blobs
        self.announcer = announcer
        self.clock = clock
        self.seals_later = seals_later  #: for stores whose writers conflict (store.audit.sealing)

    async def read(self, body: Callable[[StoreView], T]) -> T:
        return await self.kv.read(lambda txn: body(StoreView(txn)))

    async def write(self, body: Callable[[StoreTxn], T]) -> T:
        """Commit, then announce. Durable when it returns. Raises StoreUnavailable."""
        touched: set[int] = set()
        now_ms = int(self.clock() * 1000)

        def once(txn: WriteTxn) -> T:
            unit = StoreTxn(txn, now_ms, seals_later=self.seals_later)
            result = body(unit)
            unit.flush()
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
        await self.blobs.close()
        await self.kv.close()
