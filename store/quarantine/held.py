"""Rows of held mail, ordered by doubt: the ones nearest to the threshold are worth a minute, so they come first."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from store.blob.contract import BlobId
from store.changes.engine import StoreTxn, StoreView
from store.schema import keys
from store.schema.rows import Reader, pack

HELD, RELEASED, DELETED, EXPIRED = "held", "released", "deleted", "expired"


class HeldCopy(msgspec.Struct, frozen=True, array_like=True):
    """One recipient's copy of a held mail."""

    address: str
    account: int | None
    relay: str  #: "host:port", "" for local
    state: str  #: held, released, deleted, expired
    by: str = ""  #: who changed it
    at_ms: int = 0


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A mail in quarantine. The verdict and its evidence are in the trace row of the same id."""

    id: str
    blob: BlobId
    held_ms: int
    expires_ms: int
    category: str
    probability: float
    doubt: int  #: how far above the hold threshold, in 1/10,000 nats; small = doubtful
    mail_from: str
    header_from: str
    subject: str
    why: str  #: the strongest reason as a sentence
    copies: tuple[HeldCopy, ...]

    @property
    def is_held(self) -> bool:
        return any(copy.state == HELD for copy in self.copies)


read_held = Reader(Held)


class NotHeld(Exception):
    """No mail with this id waits in quarantine, or not for this recipient."""


def put(txn: StoreTxn, held: Held) -> None:
    """Hold a mail: row, order and the link that keeps its octets."""
    txn.kv.put(keys.HELD + held.id.encode(), pack(held))
    txn.kv.put(_order(held), b"")
    txn.link(held.blob, b"q" + held.id.encode())
    txn.touch()


def get(view: StoreView | StoreTxn, reception: str) -> Held | None:
    row = view.kv.get(keys.HELD + reception.encode())
    return read_held(row) if row is not None else None


def settle(
    txn: StoreTxn, reception: str, state: str, by: str, at_ms: int, addresses: frozenset[str] | None = None
) -> list[HeldCopy]:
    """Move held copies (all, or some addresses) to another state; returns them. Raises NotHeld when there is none."""
    held = get(txn, reception)
    if held is None:
        raise NotHeld(reception)
    moved: list[HeldCopy] = []
    copies: list[HeldCopy] = []
    for copy in held.copies:
        if copy.state == HELD and (addresses is None or copy.address in addresses):
            moved.append(replace(copy, state=state, by=by, at_ms=at_ms))
            copies.append(moved[-1])
        else:
            copies.append(copy)
    if not moved:
        raise NotHeld(reception)
    after = replace(held, copies=tuple(copies))
    txn.kv.put(keys.HELD + reception.encode(), pack(after))
    if not after.is_held:
        txn.kv.delete(_order(held))
        txn.unlink(held.blob, b"q" + held.id.encode())
    txn.touch()
    return moved


def by_doubt(view: StoreView, limit: int = 200) -> Iterator[Held]:
    """What is still held, most doubtful first."""
    for key, _ in view.kv.scan(keys.HELD_ORDER, keys.prefix_end(keys.HELD_ORDER), limit=limit):
        held = get(view, key[len(keys.HELD_ORDER) + 8 :].decode())
        if held is not None:
            yield held


def newest(view: StoreView, limit: int = 200) -> Iterator[Held]:
    """Held and settled mail, newest first."""
    for _, row in view.kv.scan(keys.HELD, keys.prefix_end(keys.HELD), reverse=True, limit=limit):
        yield read_held(row)


def count(view: StoreView) -> int:
    return sum(1 for _ in view.kv.scan(keys.HELD_ORDER, keys.prefix_end(keys.HELD_ORDER)))


def _order(held: Held) -> bytes:
    return keys.HELD_ORDER + keys.u64(held.doubt) + held.id.encode()


def overdue(view: StoreView | StoreTxn, now_ms: int, limit: int) -> list[Held]:
    """Held mail past its expiry."""
    found: list[Held] = []
    for key, _ in view.kv.scan(keys.HELD_ORDER, keys.prefix_end(keys.HELD_ORDER)):
        held = get(view, key[len(keys.HELD_ORDER) + 8 :].decode())
        if held is not None and held.expires_ms <= now_ms:
            found.append(held)
            if len(found) >= limit:
                break
    return found
