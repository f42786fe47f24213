"""Audit entries, each sealed with the hash of the one before, so that none can be changed or taken out unseen.

People stand in them by pseudonyms (store.audit.people), so that a name can be erased while the chain still holds.
``sealed`` gives entries as they are kept and sealed, ``entries`` and ``about`` with the names that may be told.
"""

import hashlib
import itertools
import os
import secrets
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from store.audit import people as persons
from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import ReadTxn, WriteTxn, counter
from store.schema import keys
from store.schema.rows import Reader, RowDamaged, pack

GENESIS = bytes(32)
PROGRAM = "mailward"  #: the actor of what the program does by itself
TRIM = "audit.trim"  #: the act of letting old entries go; target: the last one that went, detail: its seal
_DETAIL = 500  #: characters
_noted = itertools.count()  # keeps the order of what one process does within a millisecond
_V2 = b"mailward audit entry 2\x00"
_HEAD, _SEQ, _BASE = keys.meta("audit-head"), keys.meta("audit-seq"), keys.meta("audit-base")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Who did what to which object, when."""

    seq: int
    at_ms: int
    actor: str  #: login, "command line", or PROGRAM
    act: str  #: "quarantine.release", "hold.place", "user.add", ...
    target: str  #: reception id, address or other name
    detail: str  #: what else there is to say, without people
    before: bytes  #: seal of the entry before, 32 octets
    seal: bytes  #: SHA-256 over everything else
    people: tuple[str, ...] = ()  #: whom it was about
    version: int = 1  #: of the seal; in entries of version 1 people stand in clear


read_entry = Reader(Entry)


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain does not hold."""

    seq: int
    why: str


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry, or the newest of those let go by age; (0, GENESIS) without any."""

    seq: int
    seal: bytes


def record(
    txn: StoreTxn,
    at_ms: int,
    actor: str,
    act: str,
    target: str,
    detail: str = "",
    *,
    people: Collection[str] = (),
) -> None:
    """Note an act in its own transaction: sealed at once, or (``txn.seals_later``) within seconds."""
    entry = Entry(
        0,
        at_ms,
        persons.hide(txn.kv, actor),
        act,
        persons.hide(txn.kv, target),
        persons.hide(txn.kv, detail[:_DETAIL]),
        b"",
        b"",
        tuple(persons.pseudonym(txn.kv, each) for each in sorted(people)),
        2,
    )
    if txn.seals_later:
        place = struct.pack(">QII", txn.now_ms, os.getpid(), next(_noted) & 0xFFFFFFFF) + secrets.token_bytes(4)
        txn.kv.put(keys.AUDIT_WAITING + place, pack(entry))
    else:
        append(txn.kv, entry)


def append(kv: WriteTxn, entry: Entry) -> None:
    """Seal an entry as the newest of the chain."""
    entry = replace(entry, seq=kv.add(_SEQ, 1), before=kv.get(_HEAD) or GENESIS)
    entry = replace(entry, seal=seal_of(entry))
    kv.put(keys.AUDIT + keys.u64(entry.seq), pack(entry))
    kv.put(_HEAD, entry.seal)


def seal_of(entry: Entry) -> bytes:
    """SHA-256 over numbers and length-prefixed fields, so that no two different entries hash the same octets."""
    numbers = keys.u64(entry.seq) + keys.u64(entry.at_ms) + entry.before
    fields = [entry.actor, entry.act, entry.target, entry.detail]
    if entry.version == 1:
        digest = hashlib.sha256(numbers)
    else:
        digest = hashlib.sha256(_V2 + numbers)
        fields += entry.people
    for field in fields:
        octets = field.encode("utf-8", "surrogatepass")
        digest.update(keys.u64(len(octets)) + octets)
    return digest.digest()


def sealed(view: StoreView, start: int = 1, limit: int | None = None) -> Iterator[Entry]:
    """Entries as they were sealed, oldest first. Raises RowDamaged."""
    for _, row in view.kv.scan(keys.AUDIT + keys.u64(start), keys.AUDIT_WAITING, limit=limit):
        yield read_entry(row)


def entries(view: StoreView, start: int = 1, limit: int | None = None) -> Iterator[Entry]:
    """Entries with the names that may be told, oldest first. Raises RowDamaged."""
    return (told(view.kv, entry) for entry in sealed(view, start, limit))


def about(view: StoreView, target: str, limit: int = 100) -> list[Entry]:
    """The newest entries about one object, newest first, unsealed ones too; looks back over at most 10,000 entries."""
    wanted = {target, persons.known_pseudonym(view.kv, target)}
    found: list[Entry] = []
    for _, row in view.kv.scan(keys.AUDIT, keys.prefix_end(keys.AUDIT), reverse=True, limit=10_000):
        entry = read_entry(row)
        if entry.target in wanted:
            found.append(told(view.kv, entry))
            if len(found) >= limit:
                break
    return found


def told(txn: ReadTxn, entry: Entry) -> Entry:
    """An entry for people to read: names where they may be told, and in the detail whom it was about."""
    if entry.version == 1:
        return entry
    names = tuple(persons.tell(txn, each) for each in entry.people)
    detail = ": ".join(each for each in (", ".join(names), persons.tell(txn, entry.detail)) if each)
    actor, target = persons.tell(txn, entry.actor), persons.tell(txn, entry.target)
    return replace(entry, actor=actor, target=target, detail=detail, people=names)


def head_of(txn: ReadTxn) -> Head:
    return Head(counter(txn.get(_SEQ)), txn.get(_HEAD) or GENESIS)


def base_of(txn: ReadTxn) -> Head:
    """The last entry that was let go by age: the chain continues it."""
    row = txn.get(_BASE)
    return Head(keys.read_u64(row[:8]), row[8:]) if row is not None else Head(0, GENESIS)


def trim(txn: StoreTxn, before_ms: int, at_ms: int, limit: int = 1_000) -> int:
    """Let the oldest entries go, those from before then; how many. An entry says so, and the chain stays whole."""
    last: Entry | None = None
    gone = 0
    for key, row in list(txn.kv.scan(keys.AUDIT, keys.AUDIT_WAITING, limit=limit)):
        entry = read_entry(row)
        if entry.at_ms >= before_ms:
            break
        txn.kv.delete(key)
        last, gone = entry, gone + 1
    if last is not None:
        txn.kv.put(_BASE, keys.u64(last.seq) + last.seal)
        record(txn, at_ms, PROGRAM, TRIM, str(last.seq), last.seal.hex())
    return gone


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a chain was found whole."""

    at: Head
    base: Head
    is_base_told: bool  #: an entry says that what came before was let go

    def step(self, entry: Entry, anchors: Mapping[int, bytes]) -> "Walk | Broken":
        """One entry further, or why not."""
        expected = self.at.seq + 1
        if entry.seq != expected:
            return Broken(expected, f"entry {expected} is missing")
        if entry.before != self.at.seal:
            return Broken(entry.seq, "does not continue the entry before it")
        if seal_of(entry) != entry.seal:
            return Broken(entry.seq, "its content was changed")
        if anchors.get(entry.seq, entry.seal) != entry.seal:
            return Broken(entry.seq, "is not the entry whose seal was kept outside")
        is_told = entry.act == TRIM and (entry.target, entry.detail) == (str(self.base.seq), self.base.seal.hex())
        return Walk(Head(entry.seq, entry.seal), self.base, self.is_base_told or is_told)


def begin(view: StoreView) -> Walk:
    base = base_of(view.kv)
    return Walk(base, base, base.seq == 0)


def walk(view: StoreView, so_far: Walk, anchors: Mapping[int, bytes], limit: int | None = None) -> Walk | Broken:
    """Go on from where a walk was, over at most ``limit`` entries."""
    here: Walk | Broken = so_far
    start = keys.AUDIT + keys.u64(so_far.at.seq + 1) if so_far.at != so_far.base else keys.AUDIT
    for _, row in view.kv.scan(start, keys.AUDIT_WAITING, limit=limit):
        assert isinstance(here, Walk)
        try:
            entry = read_entry(row)
        except RowDamaged as error:
            return Broken(here.at.seq + 1, f"cannot be read: {error}")
        here = here.step(entry, anchors)
        if isinstance(here, Broken):
            break
    return here


def finish(whole: Walk, head: Head, anchors: Mapping[int, bytes]) -> Broken | None:
    """What a walk to its end must have met."""
    if head.seq != whole.at.seq:
        return Broken(whole.at.seq + 1, "entries at the end are missing")
    if head.seal != whole.at.seal:
        return Broken(whole.at.seq, "the head does not match the last entry")
    if not whole.is_base_told:
        return Broken(whole.base.seq + 1, f"entries up to {whole.base.seq} are missing, and none says that they went")
    for seq, seal in sorted(anchors.items()):
        if seq > head.seq:
            return Broken(whole.at.seq + 1, f"entry {seq}, whose seal was kept outside, is not there any more")
        if seq == whole.base.seq and seal != whole.base.seal:
            return Broken(seq, "is not the entry whose seal was kept outside")
        if seq < whole.base.seq:
            return Broken(seq, "was let go by age, so it cannot be compared with the seal that was kept outside")
    return None


def verify(view: StoreView, anchors: Mapping[int, bytes] | None = None) -> Broken | None:
    """Walk the whole chain in one snapshot; the first entry that does not hold, or None."""
    found = walk(view, begin(view), anchors or {})
    return found if isinstance(found, Broken) else finish(found, head_of(view.kv), anchors or {})
