"""Block and allow entries by sender address ("ana@shop.example") or domain ("@shop.example")."""

import msgspec

from store.changes.engine import StoreTxn, StoreView
from store.schema import keys
from store.schema.rows import Reader, pack


class PolicyEntry(msgspec.Struct, frozen=True, array_like=True):
    kind: str  #: "block" or "allow"
    subject: str  #: an address, or "@domain"; lower case
    owner: str  #: login of who made it
    reason: str
    created_ms: int
    expires_ms: int  #: 0 is never


read_entry = Reader(PolicyEntry)


def put(txn: StoreTxn, entry: PolicyEntry) -> None:
    txn.kv.put(_key(entry.kind, entry.subject), pack(entry))
    txn.touch()


def remove(txn: StoreTxn, kind: str, subject: str) -> None:
    txn.kv.delete(_key(kind, subject))
    txn.touch()


def everything(view: StoreView) -> list[PolicyEntry]:
    return [read_entry(row) for _, row in view.kv.scan(keys.POLICY, keys.prefix_end(keys.POLICY))]


def matching(view: StoreView, kind: str, address: str, now_ms: int) -> PolicyEntry | None:
    """The entry for an address, its domain, or a domain above it; an expired one does not count."""
    domain = address.lower().rpartition("@")[2]
    labels = domain.split(".")
    subjects = [address.lower()] + ["@" + ".".join(labels[i:]) for i in range(max(1, len(labels) - 1))]
    for subject in subjects[:10]:
        row = view.kv.get(_key(kind, subject))
        if row is not None:
            entry = read_entry(row)
            if not entry.expires_ms or entry.expires_ms > now_ms:
                return entry
    return None


def _key(kind: str, subject: str) -> bytes:
    return keys.POLICY + kind[:1].encode() + subject.encode("utf-8", "replace")[:300]
