"""Spam traps that people made beside the configuration, and what came to any trap.

A trap is an address ("info@example.com"), an address with one star in its local part ("*-old@example.com", from the
configuration only), or a whole domain ("@old.example", with the domains below it). Names are lower case.
"""

import msgspec

from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import ReadTxn, counter
from store.schema import keys
from store.schema.rows import Reader, pack

MAX_LABELS = 6  #: of a domain whose parents may be traps
_TRAP, _HITS, _LAST = keys.TRAP + b"t", keys.TRAP + b"h", keys.TRAP + b"l"
_LONGEST = 320  #: octets of a name in a key


class Trap(msgspec.Struct, frozen=True, array_like=True):
    """One trap of the store."""

    name: str  #: "info@example.com" or "@old.example", lower case
    place: str  #: where it was to be planted, for people
    owner: str  #: who made it
    created_ms: int


class Hits(msgspec.Struct, frozen=True):
    """What came to a trap."""

    count: int = 0
    last_ms: int = 0  #: 0 is never


read_trap = Reader(Trap)


def put(txn: StoreTxn, trap: Trap) -> None:
    txn.kv.put(_key(_TRAP, trap.name), pack(trap))
    txn.touch()


def remove(txn: StoreTxn, name: str) -> bool:
    """Take a trap away with its hits; False when the store has none of this name."""
    found = get(txn.kv, name) is not None
    for space in (_TRAP, _HITS, _LAST) if found else ():
        txn.kv.delete(_key(space, name))
    return found


def get(kv: ReadTxn, name: str) -> Trap | None:
    row = kv.get(_key(_TRAP, name))
    return read_trap(row) if row is not None else None


def every(view: StoreView) -> list[Trap]:
    return [read_trap(row) for _, row in view.kv.scan(_TRAP, keys.prefix_end(_TRAP))]


def domain_of(kv: ReadTxn, domain: str) -> str:
    """The trap "@domain" that a lower-case domain is, or lies below; "" for none. One row read a label."""
    for name in above(domain):
        if kv.get(_key(_TRAP, name)) is not None:
            return name
    return ""


def above(domain: str) -> list[str]:
    """The names under which a whole domain may be a trap, nearest first; a top-level domain is none."""
    labels = domain.split(".")
    counts = range(min(len(labels), MAX_LABELS), 1, -1)
    return list(dict.fromkeys([f"@{domain}", *("@" + ".".join(labels[-count:]) for count in counts)]))


def hit(txn: StoreTxn, name: str, now_ms: int) -> None:
    """Count a mail; two rows written, none read."""
    txn.kv.add(_key(_HITS, name), 1)
    txn.kv.put(_key(_LAST, name), keys.u64(now_ms))


def hits(view: StoreView, name: str) -> Hits:
    last = view.kv.get(_key(_LAST, name))
    return Hits(counter(view.kv.get(_key(_HITS, name))), keys.read_u64(last) if last is not None else 0)


def _key(space: bytes, name: str) -> bytes:
    return space + name.encode("utf-8", "replace")[:_LONGEST]
