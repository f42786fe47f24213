"""Puts segments into the store: rows in bounded transactions, and the state changed with the last of them.

The number of a segment is noted as one to drop before its first row is written. So what a crash leaves is dropped like
what was replaced, and two who index the same account cannot mix their rows: the second finds the state changed.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from store.changes.engine import AccountId, AccountTxn, Store
from store.schema import keys
from store.search import state as states
from store.search.postings import Row
from store.search.state import IndexState

MOST_OCTETS = 2 << 20  #: of one transaction
MOST_ROWS = 500
DROPPED_AT_ONCE = 200  #: rows, of up to 32 KiB each


class Superseded(Exception):
    """Somebody else has changed the index meanwhile: look at it again."""


class AccountGone(Exception):
    """There is no such account any more: no row may be written for it."""


class SegmentOutput:
    """Rows of one new segment on their way into the store."""

    def __init__(self, store: Store, account: AccountId, known: IndexState) -> None:
        self._store = store
        self._account = account
        self._known = known
        self._rows: list[Row] = []
        self._waiting = 0
        self.segment = known.last_segment + 1
        self.octets = 0

    async def add(self, rows: Iterable[Row]) -> None:
        """Raises Superseded, AccountGone, StoreUnavailable."""
        for row in rows:
            self._rows.append(row)
            self._waiting += len(row[1])
            self.octets += len(row[0]) + len(row[1])
            if self._waiting > MOST_OCTETS or len(self._rows) >= MOST_ROWS:
                await self._write(self._noted())

    async def end(self, change: Callable[[IndexState], IndexState]) -> IndexState:
        """Write the rest, and with it the state that names the segment.

        Raises Superseded, AccountGone, StoreUnavailable.
        """
        wanted = change(replace(self._known, last_segment=max(self._known.last_segment, self.segment)))
        dropping = tuple(each for each in wanted.dropping if each != self.segment)
        return await self._write(replace(wanted, dropping=dropping))

    def _noted(self) -> IndexState:
        if self._known.last_segment >= self.segment:
            return self._known
        return replace(self._known, last_segment=self.segment, dropping=(*self._known.dropping, self.segment))

    async def _write(self, wanted: IndexState) -> IndexState:
        rows, before = self._rows, self._known

        def body(txn: AccountTxn) -> None:
            _check(txn, before)
            for key, value in rows:
                txn.index(key, value)
            if wanted != before:
                states.save(txn, wanted)

        await self._store.write(lambda txn: body(txn.account(self._account)))
        self._rows, self._waiting, self._known = [], 0, wanted
        return wanted


def _check(txn: AccountTxn, before: IndexState) -> None:
    if txn.raw.get(keys.account(txn.account)) is None:
        raise AccountGone
    if states.get(txn) != before:
        raise Superseded


async def change_state(store: Store, account: AccountId, before: IndexState, after: IndexState) -> None:
    """Raises Superseded, AccountGone, StoreUnavailable."""

    def body(txn: AccountTxn) -> None:
        _check(txn, before)
        states.save(txn, after)

    await store.write(lambda txn: body(txn.account(account)))


async def drop(store: Store, account: AccountId) -> bool:
    """Delete some rows of segments that nobody reads any more; False when there are none."""

    def body(txn: AccountTxn) -> bool:
        known = states.get(txn)
        if not known.dropping:
            return False
        segment = known.dropping[0]
        left = DROPPED_AT_ONCE
        for prefix in (keys.postings_of(segment), keys.columns_of(segment)):
            found = [key for key, _ in txn.scan_prefix(prefix, limit=left)]
            for key in found:
                txn.unindex(key)
            left -= len(found)
            if not left:
                return True
        states.save(txn, replace(known, dropping=known.dropping[1:]))
        return True

    return await store.write(lambda txn: body(txn.account(account)))


def forget_gone(txn: AccountTxn, ids: Sequence[int]) -> None:
    """Take away marks of destroyed emails that no segment names any more."""
    for email in ids:
        txn.unindex(keys.gone(email))
