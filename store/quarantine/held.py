"""Rows of held mail, ordered by doubt: the ones nearest to the threshold are worth a minute, so they come first.

A row has index keys by doubt, by expiry and by recipient; ``_indexes`` says which, and every write sets exactly those.
"""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from store.blob.contract import BlobId
from store.changes.engine import AccountId, StoreTxn, StoreView
from store.kv.contract import ReadTxn
from store.retention.policy import Matter, bares, may_delete, owners_of
from store.retention.rows import QUARANTINE
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
    expires_ms: int = 0  #: of this copy; 0 is when the mail's does


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
    kept: str = ""  #: why its octets are kept although nobody waits for it any more; "": they are not
    is_outgoing: bool = False  #: written by one of our own people, and on its way out

    @property
    def is_held(self) -> bool:
        return any(copy.state == HELD for copy in self.copies)


read_held = Reader(Held)


class NotHeld(Exception):
    """No mail with this id waits in quarantine, or not for this recipient."""


def put(txn: StoreTxn, held: Held) -> None:
    """Hold a mail: row, indexes and the link that keeps its octets."""
    _write(txn, None, held)
    txn.link(held.blob, owner(held.id))
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
    after = _settled(txn, replace(held, copies=tuple(copies)))
    _write(txn, held, after)
    if not after.is_held and not after.kept:
        txn.unlink(held.blob, owner(held.id))
    txn.touch()
    return moved


def _settled(txn: StoreTxn, held: Held) -> Held:
    """The last copy given up asks whether the octets may go; what every recipient got, they have themselves."""
    if held.is_held or all(copy.state == RELEASED for copy in held.copies):
        return held
    refusal = may_delete(txn, matter_of(txn.kv, held))
    return replace(held, kept=refusal.sentence) if refusal is not None else held


def matter_of(txn: ReadTxn, held: Held) -> Matter:
    """A held mail as holds and rules look at it."""
    owners = bares(copy.address for copy in held.copies)
    for copy in held.copies:
        if copy.account is not None:
            owners |= owners_of(txn, AccountId(copy.account))
    author = held.header_from.rpartition("<")[2].removesuffix(">")
    return Matter(owners, bares((held.mail_from, author)), held.held_ms, frozenset({QUARANTINE}))


def drop_what_may_go(txn: StoreTxn, after: str, limit: int) -> tuple[int, int, str]:
    """Let settled mail go that is kept back no longer; (looked at, dropped, last id looked at)."""
    looked = dropped = 0
    last = after
    start = keys.HELD_KEPT + after.encode() + b"\x00" if after else keys.HELD_KEPT
    for key, _ in list(txn.kv.scan(start, keys.prefix_end(keys.HELD_KEPT), limit=limit)):
        looked, last = looked + 1, key[len(keys.HELD_KEPT) :].decode()
        held = get(txn, last)
        if held is not None and may_delete(txn, matter_of(txn.kv, held)) is None:
            _write(txn, held, replace(held, kept=""))
            txn.unlink(held.blob, owner(held.id))
            dropped += 1
    return looked, dropped, last


def expire_settled(txn: StoreTxn, before_ms: int, after: str, limit: int) -> tuple[int, str]:
    """Forget settled rows from before then that nothing keeps back; (how many, where to go on, "" at the end)."""
    gone = looked = 0
    start = keys.HELD + after.encode() + b"\x00" if after else keys.HELD
    last = ""
    for _, row in list(txn.kv.scan(start, keys.prefix_end(keys.HELD), limit=limit)):
        held = read_held(row)
        if held.held_ms >= before_ms:
            return gone, ""
        looked, last = looked + 1, held.id
        if not held.is_held and not held.kept and may_delete(txn, matter_of(txn.kv, held)) is None:
            _write(txn, held, None)
            gone += 1
    return gone, last if looked == limit else ""


def rewrite(txn: StoreTxn, before: Held, after: Held) -> None:
    """Change who a row names, as erasing a person does; states stay. Nobody left to name: the row goes.

    Whoever calls this has asked ``may_delete``.
    """
    _write(txn, before, after if after.copies else None)
    if not after.is_held and not after.kept:
        txn.unlink(before.blob, owner(before.id))
    txn.touch()


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


def to_recipient(view: StoreView | StoreTxn, address: str, limit: int = 200, before: str = "") -> Iterator[Held]:
    """Held and settled mail for one address, newest first; ``before`` goes on after an id."""
    prefix = keys.HELD_RECIPIENT + address.lower().encode() + b"\x00"
    end = prefix + before.encode() if before else keys.prefix_end(prefix)
    for key, _ in view.kv.scan(prefix, end, reverse=True, limit=limit):
        held = get(view, key[len(prefix) :].decode())
        if held is not None:
            yield held


def to_account(view: StoreView, account: int, limit: int = 200) -> Iterator[Held]:
    """Held and settled mail for one account, under whichever address, newest first."""
    prefix = keys.HELD_ACCOUNT + keys.u32(account)
    for key, _ in view.kv.scan(prefix, keys.prefix_end(prefix), reverse=True, limit=limit):
        held = get(view, key[len(prefix) :].decode())
        if held is not None:
            yield held


def kept_back(view: StoreView, limit: int | None = None) -> Iterator[Held]:
    """Settled mail whose octets a hold or a rule keeps."""
    for key, _ in view.kv.scan(keys.HELD_KEPT, keys.prefix_end(keys.HELD_KEPT), limit=limit):
        held = get(view, key[len(keys.HELD_KEPT) :].decode())
        if held is not None:
            yield held


def count(view: StoreView, most: int = 100_000) -> int:
    """How much is held; looks no further than ``most``."""
    return sum(1 for _ in view.kv.scan(keys.HELD_ORDER, keys.prefix_end(keys.HELD_ORDER), limit=most))


def overdue(view: StoreView | StoreTxn, now_ms: int, limit: int) -> list[tuple[Held, frozenset[str]]]:
    """Held mail with the recipients whose copies are past their expiry, longest ago first."""
    found: dict[str, tuple[Held, frozenset[str]]] = {}
    for key, _ in view.kv.scan(keys.HELD_EXPIRY, keys.HELD_EXPIRY + keys.u64(now_ms + 1), limit=limit):
        name = key[len(keys.HELD_EXPIRY) + 8 :].decode()
        held = get(view, name)
        if held is not None:
            late = (c for c in held.copies if c.state == HELD and expiry(held, c) <= now_ms)
            found[name] = held, frozenset(copy.address for copy in late)
    return list(found.values())


def expiry(held: Held, copy: HeldCopy) -> int:
    """When a copy is given up, in milliseconds since 1970."""
    return copy.expires_ms or held.expires_ms


def owner(name: str) -> bytes:
    """Who holds the link of a held mail."""
    return b"q" + name.encode()


def indexes(held: Held) -> frozenset[bytes]:
    """The index keys that a row should have."""
    name = held.id.encode()
    found = {keys.HELD_RECIPIENT + copy.address.lower().encode() + b"\x00" + name for copy in held.copies}
    found |= {keys.HELD_ACCOUNT + keys.u32(c.account) + name for c in held.copies if c.account is not None}
    if held.is_held:
        found.add(keys.HELD_ORDER + keys.u64(held.doubt) + name)
    if held.kept:
        found.add(keys.HELD_KEPT + name)
    waiting = (copy for copy in held.copies if copy.state == HELD)
    return frozenset(found | {keys.HELD_EXPIRY + keys.u64(expiry(held, copy)) + name for copy in waiting})


def reindex(txn: StoreTxn, after: str, limit: int) -> str:
    """Give rows written by an older version their index keys; the last id looked at, "" when there are no more."""
    start = keys.HELD + after.encode() + b"\x00" if after else keys.HELD
    last = ""
    for _, row in list(txn.kv.scan(start, keys.prefix_end(keys.HELD), limit=limit)):
        held = read_held(row)
        for key in indexes(held):
            txn.kv.put(key, b"")
        last = held.id
    return last


def _write(txn: StoreTxn, before: Held | None, after: Held | None) -> None:
    """Set the row and its index keys; None is no row."""
    old = indexes(before) if before is not None else frozenset()
    new = indexes(after) if after is not None else frozenset()
    for key in old - new:
        txn.kv.delete(key)
    for key in new - old:
        txn.kv.put(key, b"")
    if after is not None:
        txn.kv.put(keys.HELD + after.id.encode(), pack(after))
    elif before is not None:
        txn.kv.delete(keys.HELD + before.id.encode())
