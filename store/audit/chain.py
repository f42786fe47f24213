"""Audit entries, each sealed with the hash of the one before, so that none can be changed or taken out unseen."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import counter
from store.schema import keys
from store.schema.rows import Reader, RowDamaged, pack

GENESIS = bytes(32)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Who did what to which object, when."""

    seq: int
    at_ms: int
    actor: str  #: login, or "mailward" for what the program does by itself
    act: str  #: "release", "delete", "block", "hold", "user.add", ...
    target: str  #: reception id, address or other name
    detail: str
    before: bytes  #: seal of the entry before, 32 octets
    seal: bytes  #: SHA-256 over everything above


read_entry = Reader(Entry)


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain does not hold."""

    seq: int
    why: str


def record(txn: StoreTxn, at_ms: int, actor: str, act: str, target: str, detail: str = "") -> Entry:
    """Append an entry in the transaction of the act itself."""
    head = txn.kv.get(keys.meta("audit-head")) or GENESIS
    seq = txn.kv.add(keys.meta("audit-seq"), 1)
    entry = Entry(
        seq, at_ms, actor, act, target, detail[:500], head, seal_of(seq, at_ms, actor, act, target, detail[:500], head)
    )
    txn.kv.put(keys.AUDIT + keys.u64(seq), pack(entry))
    txn.kv.put(keys.meta("audit-head"), entry.seal)
    return entry


def seal_of(seq: int, at_ms: int, actor: str, act: str, target: str, detail: str, before: bytes) -> bytes:
    """SHA-256 over length-prefixed fields, so that no two different entries hash the same octets."""
    digest = hashlib.sha256(keys.u64(seq) + keys.u64(at_ms) + before)
    for field in (actor, act, target, detail):
        octets = field.encode("utf-8", "surrogatepass")
        digest.update(keys.u64(len(octets)) + octets)
    return digest.digest()


def entries(view: StoreView, start: int = 1) -> Iterator[Entry]:
    for _, row in view.kv.scan(keys.AUDIT + keys.u64(start), keys.prefix_end(keys.AUDIT)):
        yield read_entry(row)


def about(view: StoreView, target: str, limit: int = 100) -> list[Entry]:
    """The newest entries about one object, newest first; looks back over at most 10,000 entries."""
    found: list[Entry] = []
    for _, row in view.kv.scan(keys.AUDIT, keys.prefix_end(keys.AUDIT), reverse=True, limit=10_000):
        entry = read_entry(row)
        if entry.target == target:
            found.append(entry)
            if len(found) >= limit:
                break
    return found


def verify(view: StoreView) -> Broken | None:
    """Walk the whole chain; the first entry that does not hold, or None."""
    before, expected = GENESIS, 1
    for _, row in view.kv.scan(keys.AUDIT, keys.prefix_end(keys.AUDIT)):
        try:
            entry = read_entry(row)
        except RowDamaged as error:
            return Broken(expected, f"cannot be read: {error}")
        if entry.seq != expected:
            return Broken(expected, f"entry {expected} is missing")
        if entry.before != before:
            return Broken(entry.seq, "does not continue the entry before it")
        sealed = seal_of(entry.seq, entry.at_ms, entry.actor, entry.act, entry.target, entry.detail, entry.before)
        if sealed != entry.seal:
            return Broken(entry.seq, "its content was changed")
        before, expected = entry.seal, expected + 1
    if counter(view.kv.get(keys.meta("audit-seq"))) != expected - 1:
        return Broken(expected, "entries at the end are missing")
    if (view.kv.get(keys.meta("audit-head")) or GENESIS) != before:
        return Broken(expected - 1, "the head does not match the last entry")
    return None
