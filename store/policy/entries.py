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


MAX_LABELS = 16  #: of a domain for which entries are looked up, besides the whole domain

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
    for subject in _subjects(address.lower()):
        row = view.kv.get(_key(kind, subject))
        if row is not None:
            entry = read_entry(row)
            if entry.subject == subject and (not entry.expires_ms or entry.expires_ms > now_ms):
                return entry
    return None


def _subjects(address: str) -> list[str]:
    """What an entry may be about to match, nearest first. The labels are counted from the end, where a sender
    who adds more and more of them in front cannot push the blocked domain out."""
    domain = address.rpartition("@")[2]
    labels = domain.split(".")
    above = ["@" + ".".join(labels[-count:]) for count in range(min(len(labels) - 1, MAX_LABELS), 1, -1)]
    return [address, f"@{domain}", *above]


def _key(kind: str, subject: str) -> bytes:
    return keys.POLICY + kind[:1].encode() + subject.encode("utf-8", "replace")[:300]
