"""Trace rows. Reception ids sort by time, so the key order is the order of arrival."""

from collections.abc import Iterator

import msgspec

from store.blob.contract import BlobId
from store.changes.engine import AccountId, StoreTxn, StoreView
from store.kv.contract import ReadTxn
from store.retention.policy import TRACE, Matter, bares, may_delete, owners_of
from store.schema import keys
from store.schema.rows import Reader, pack


class ReasonRow(msgspec.Struct, frozen=True, array_like=True):
    signal: str
    nats: float
    sentence: str


class OutcomeRow(msgspec.Struct, frozen=True, array_like=True):
    """What became of one recipient's copy."""

    address: str
    account: int | None
    relay: str  #: "host:port" the copy is relayed to, "" for local
    action: str  #: "accept", "junk", "quarantine", "defer", "reject", "trap"
    email: int | None = None  #: id of the delivered email in the account
    rule: str = ""  #: what decided for this recipient where recipients differ, "" when the thresholds did
    why: str = ""  #: and in words


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """Everything an operator may ask about one mail, except its octets."""

    id: str
    received_ms: int
    ip: str
    helo: str
    tls: str
    mail_from: str  #: "" is the null sender
    header_from: str  #: "Name <address>" of the first author, or the address alone; see ``author``
    subject: str
    size: int
    blob: BlobId | None  #: the mail as kept, None when it was refused without keeping
    category: str
    action: str
    probability: float
    rule: str
    reasons: tuple[ReasonRow, ...]
    model_ids: tuple[str, ...]
    policy_id: str
    auth: bytes  #: JSON of AuthResults
    outcomes: tuple[OutcomeRow, ...]
    ms: dict[str, float]  #: milliseconds by stage
    links: tuple[str, ...] = ()  #: hosts linked to, at most 20
    thresholds: tuple[float, float, float] = (0.6, 0.85, 0.995)
    is_outgoing: bool = False  #: submitted by one of our own people


read_trace = Reader(Trace)


def author(header_from: str) -> tuple[str, str]:
    """Name and address of a kept ``header_from``. The last "<" counts: a name may hold anything, an address no "<"."""
    name, opened, address = header_from.rpartition("<")
    return (name.strip(), address.removesuffix(">")) if opened else ("", header_from)


def put(txn: StoreTxn, row: Trace) -> None:
    txn.kv.put(keys.TRACE + row.id.encode(), pack(row))
    txn.touch()


def get(view: StoreView, reception: str) -> Trace | None:
    row = view.kv.get(keys.TRACE + reception.encode())
    return read_trace(row) if row is not None else None


def newest(view: StoreView, limit: int, before: str = "") -> Iterator[Trace]:
    """Newest first, optionally only rows older than an id."""
    end = keys.TRACE + before.encode() if before else keys.prefix_end(keys.TRACE)
    for _, row in view.kv.scan(keys.TRACE, end, reverse=True, limit=limit):
        yield read_trace(row)


def after(view: StoreView, last: str, limit: int = 200) -> Iterator[Trace]:
    """Rows newer than an id, oldest first: what a live view has not shown yet."""
    start = keys.TRACE + last.encode() + (b"\x00" if last else b"")
    for _, row in view.kv.scan(start, keys.prefix_end(keys.TRACE), limit=limit):
        yield read_trace(row)


def matter_of(txn: ReadTxn, row: Trace) -> Matter:
    """A trace as holds look at it."""
    owners = bares(outcome.address for outcome in row.outcomes)
    for outcome in row.outcomes:
        if outcome.account is not None:
            owners |= owners_of(txn, AccountId(outcome.account))
    return Matter(owners, bares((row.mail_from, author(row.header_from)[1])), row.received_ms, frozenset({TRACE}))


def expire(txn: StoreTxn, before_ms: int, after: str, limit: int) -> tuple[int, str]:
    """Forget rows from before then that no hold is about, some at a time; (how many, where to go on, "" at the end)."""
    gone = looked = 0
    start = keys.TRACE + after.encode() + b"\x00" if after else keys.TRACE
    last = ""
    for key, value in list(txn.kv.scan(start, keys.prefix_end(keys.TRACE), limit=limit)):
        row = read_trace(value)
        if row.received_ms >= before_ms:
            return gone, ""
        looked, last = looked + 1, row.id
        if may_delete(txn, matter_of(txn.kv, row)) is None:
            txn.kv.delete(key)
            gone += 1
    return gone, last if looked == limit else ""
