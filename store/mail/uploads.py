"""Blobs a client brought before any email uses them, and who may read a blob at all.

An upload is a link of its own, so the collector spares it, and an index row by date, so it can end.
"""

from dataclasses import dataclass

from store.blob.contract import BlobId
from store.changes.engine import AccountId, AccountTxn, AccountView, StoreView
from store.mail.model import EmailId
from store.schema import keys

_EXPIRED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class UploadLimits:
    waiting: int  #: uploads that no email uses yet
    octets: int  #: all of them together
    keep_ms: int


class TooManyUploads(Exception):
    """The account has too much waiting; it ends by itself."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Why an account may read a blob. ``email`` is one of its emails with these octets, None for an upload."""

    email: EmailId | None


def add(txn: AccountTxn, blob: BlobId, size: int, now_ms: int, limits: UploadLimits) -> None:
    """Note an upload; old ones end. The blob must be kept in the same transaction. Raises TooManyUploads."""
    expire(txn, now_ms - limits.keep_ms)
    waiting = octets = 0
    for _, value in txn.scan_prefix(b"P", limit=limits.waiting):
        waiting, octets = waiting + 1, octets + keys.read_u64(value)
    if waiting >= limits.waiting or octets + size > limits.octets:
        raise TooManyUploads
    txn.index(keys.upload(now_ms, blob), keys.u64(size))
    txn.link(blob, _owner(now_ms))


def expire(txn: AccountTxn, before_ms: int) -> int:
    """Forget uploads from before then, some at a time; how many."""
    ended = list(txn.scan(b"P", b"P" + keys.u64(max(before_ms, 0)), limit=_EXPIRED_AT_ONCE))
    for key, _ in ended:
        txn.unindex(key)
        txn.unlink(BlobId(key[9:]), _owner(keys.read_u64(key[1:9])))
    return len(ended)


def oldest_ms(view: AccountView) -> int | None:
    """When the oldest upload that waits came; None when none waits."""
    row = next(view.scan_prefix(b"P", limit=1), None)
    return keys.read_u64(row[0][1:9]) if row is not None else None


def ownership(view: StoreView, account: AccountId, blob: BlobId) -> Ownership | None:
    """Why the account may read this blob; None: it may not, or there is none."""
    prefix = keys.link(blob, keys.scope(account))
    for kind in (b"E", b"P"):  # mail that is kept back is linked, too, but no longer its owner's to read
        row = next(view.kv.scan(prefix + kind, prefix + keys.prefix_end(kind), limit=1), None)
        if row is not None:
            return Ownership(EmailId(keys.read_u64(row[0][len(prefix) + 1 :][:8])) if kind == b"E" else None)
    return None


def _owner(ms: int) -> bytes:
    return b"P" + keys.u64(ms)
