"""What people and traps said about mail. Label rows keep the features of the mail, so that learning needs neither the
mail nor a second parse, and where they count, so that each can be taken back exactly.

A label counts in scopes: for the person who gave it, for a domain, or for everybody. Each scope lists its labels in
order, at most ``MOST`` of them, the newest: its counters are these labels and nothing else, so they cannot drift, and
nodes that label at the same time never write the same row. A scope's version moves with every label that comes or goes.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import ReadTxn, counter
from store.schema import keys
from store.schema.rows import Reader, RowDamaged, pack

MOST = 4_000  #: labels of one scope that count; the oldest is forgotten for a newer one

_OPINION, _ORDER, _MEMBER, _NEAR = (keys.LABEL + letter for letter in (b"i", b"s", b"o", b"b"))
_VERSION, _SIZE = keys.LABEL + b"v", keys.LABEL + b"n"
_CHANGES = keys.meta("label-changes")
SCOPE_OCTETS = 8


class Label(msgspec.Struct, frozen=True, array_like=True):
    """One opinion about one mail. A later opinion by the same person replaces the earlier one."""

    id: str  #: reception id
    is_spam: bool
    by: str  #: login, "command line", or "trap"
    at_ms: int
    features: bytes  #: little-endian uint32 feature indexes (models/features)
    schema: str  #: of the features
    via: str = ""  #: how it was said: "move", "keyword", "release", "delete", "trap"
    margin: float = 0.0  #: nats by which the verdict leaned the other way when it was said; 0 when it agreed
    blob: bytes = b""  #: octets of the mail, as long as somebody keeps them
    seq: int = 0
    near: tuple[bytes, ...] = ()  #: under what near copies are looked for: a scope, then digests that they share
    places: dict[bytes, int] = {}  #: scope to the place in its order


read_label = Reader(Label)


def _readable(row: bytes | None) -> Label | None:
    """A label, when it is there and can be read: one that is damaged teaches nothing, and fsck tells of it."""
    try:
        return read_label(row) if row is not None else None
    except RowDamaged:
        return None


def scope(name: str) -> bytes:
    """The key of a scope: "" is everybody's, "@domain" a domain's, anything else a person's."""
    return blake2b(name.lower().encode("utf-8", "replace"), digest_size=SCOPE_OCTETS, person=b"mailward lab").digest()


EVERYBODY = scope("")


def tail_of(label: Label) -> bytes:
    """The key of a label's row: one a mail and person, who is not to be read from it. Older rows had one a mail."""
    return _tail(label.id, label.by) if label.seq else label.id.encode()


def _tail(reception: str, by: str) -> bytes:
    return reception.encode() + b"\x00" + scope(by)


def put(txn: StoreTxn, label: Label, scopes: tuple[bytes, ...] = ()) -> Label:
    """Record an opinion that counts in these scopes, in place of the same person's earlier one; the row as it lies."""
    tail = _tail(label.id, label.by)
    before = _readable(txn.kv.get(_OPINION + tail))
    if before is not None:
        _take_out(txn, tail, before)
    seq = txn.kv.add(keys.meta("label-seq"), 1)
    txn.kv.put(_ORDER + keys.u64(seq), tail)
    label = replace(label, seq=seq, places={})
    for each in label.near:
        txn.kv.put(_NEAR + each + tail, b"")
    txn.kv.put(_OPINION + tail, pack(label))
    txn.touch()
    return place(txn, label, scopes)


def place(txn: StoreTxn, label: Label, scopes: tuple[bytes, ...]) -> Label:
    """Let a label count in exactly these scopes; the row as it lies. Writes nothing where nothing changes."""
    if set(scopes) == set(label.places):
        return label
    places = dict(label.places)
    for each in set(places) - set(scopes):
        _leave(txn, each, places.pop(each))
    for each in scopes:
        if each not in places:
            places[each] = txn.kv.add(keys.meta("label-seq"), 1)
            txn.kv.put(_MEMBER + each + keys.u64(places[each]), tail_of(label))
            _moved(txn, each)
            if txn.kv.add(_SIZE + each, 1) > MOST:
                _forget_oldest(txn, each)
    label = replace(label, places=places)
    txn.kv.put(_OPINION + tail_of(label), pack(label))
    return label


def _forget_oldest(txn: StoreTxn, of: bytes) -> None:
    for key, tail in txn.kv.scan(_MEMBER + of, keys.prefix_end(_MEMBER + of), limit=1):
        label = _readable(txn.kv.get(_OPINION + tail))
        if label is None:
            _leave(txn, of, keys.read_u64(key[-8:]))
        else:
            place(txn, label, tuple(each for each in label.places if each != of))


def _leave(txn: StoreTxn, of: bytes, at: int) -> None:
    txn.kv.delete(_MEMBER + of + keys.u64(at))
    if txn.kv.add(_SIZE + of, -1) <= 0:
        txn.kv.delete(_SIZE + of)
    _moved(txn, of)


def _moved(txn: StoreTxn, of: bytes) -> None:
    txn.kv.add(_VERSION + of, 1)
    txn.kv.add(_CHANGES, 1)
    txn.touch()


def _take_out(txn: StoreTxn, tail: bytes, label: Label) -> None:
    for of, at in label.places.items():
        _leave(txn, of, at)
    for each in label.near:
        txn.kv.delete(_NEAR + each + tail)
    if label.seq:
        txn.kv.delete(_ORDER + keys.u64(label.seq))
    txn.kv.delete(_OPINION + tail)


def remove(txn: StoreTxn, label: Label) -> None:
    """Unlearn one opinion: it counts nowhere any more, and its row is gone."""
    tail = tail_of(label)
    there = _readable(txn.kv.get(_OPINION + tail))
    if there is not None:
        _take_out(txn, tail, there)


def rename(txn: StoreTxn, label: Label, by: str) -> None:
    """Change whose word it is, and nothing else that it says; it counts where it counted."""
    renamed = replace(label, by=by)
    tail = tail_of(renamed)
    if label.seq and txn.kv.get(_OPINION + tail) is not None:
        remove(txn, label)  # nobody's word is there already
        return
    txn.kv.delete(_OPINION + tail_of(label))
    txn.kv.put(_OPINION + tail, pack(renamed))
    order = (_ORDER + keys.u64(label.seq),) if label.seq else ()
    for key in (*(_MEMBER + of + keys.u64(at) for of, at in label.places.items()), *order):
        txn.kv.put(key, tail)
    for each in label.near:
        txn.kv.delete(_NEAR + each + tail_of(label))
        txn.kv.put(_NEAR + each + tail, b"")


def opinions(view: StoreView, reception: str) -> list[Label]:
    """Everybody's opinion about one mail, the newest last."""
    start = _OPINION + reception.encode()
    found = (_readable(row) for _, row in view.kv.scan(start, start + b"\x01"))
    return sorted((label for label in found if label is not None), key=lambda label: (label.at_ms, label.seq))


def get(view: StoreView, reception: str) -> Label | None:
    """The newest opinion about a mail."""
    return next(reversed(opinions(view, reception)), None)


def said_by(view: StoreView, reception: str, by: str) -> Label | None:
    return _readable(view.kv.get(_OPINION + _tail(reception, by)))


def newest(view: StoreView, limit: int) -> Iterator[Label]:
    """The newest opinions, each mail once, latest first."""
    seen: set[str] = set()
    for label in newest_opinions(view, limit):
        if label.id not in seen:
            seen.add(label.id)
            yield label


def newest_opinions(view: StoreView, limit: int | None = None) -> Iterator[Label]:
    """Everybody's, latest first."""
    for _, tail in view.kv.scan(_ORDER, keys.prefix_end(_ORDER), reverse=True, limit=limit):
        label = _readable(view.kv.get(_OPINION + tail))
        if label is not None:
            yield label


def after(view: StoreView, seq: int, limit: int = 1_000) -> Iterator[tuple[int, Label]]:
    """Opinions recorded after a sequence number, in order."""
    for key, tail in view.kv.scan(_ORDER + keys.u64(seq + 1), keys.prefix_end(_ORDER), limit=limit):
        label = _readable(view.kv.get(_OPINION + tail))
        if label is not None:
            yield keys.read_u64(key[2:10]), label


def near(view: StoreView, label: Label, limit: int) -> Iterator[Label]:
    """Other opinions on mails that share a digest with this one, each once; at most ``limit`` rows are looked at."""
    seen = {tail_of(label)}
    for each in label.near:
        for key, _ in view.kv.scan(_NEAR + each, keys.prefix_end(_NEAR + each), limit=limit):
            tail = key[len(_NEAR + each) :]
            other = _readable(view.kv.get(_OPINION + tail)) if tail not in seen else None
            seen.add(tail)
            if other is not None:
                yield other


def changes(view: StoreView) -> int:
    """Moves whenever a label begins or ceases to count anywhere."""
    return counter(view.kv.get(_CHANGES))


def versions(view: StoreView) -> Mapping[bytes, int]:
    """Every scope that ever had a label, and how often one came or went."""
    found = view.kv.scan(_VERSION, keys.prefix_end(_VERSION))
    return {key[len(_VERSION) :]: counter(value) for key, value in found}


def members(view: StoreView, of: bytes, after: int = 0) -> Iterator[tuple[int, Label]]:
    """What counts in a scope, oldest first, from the place after ``after`` on."""
    for key, tail in view.kv.scan(_MEMBER + of + keys.u64(after + 1), keys.prefix_end(_MEMBER + of)):
        label = _readable(view.kv.get(_OPINION + tail))
        if label is not None:
            yield keys.read_u64(key[-8:]), label


def fault_of(txn: ReadTxn, key: bytes, value: bytes) -> str:
    """What is wrong with a row of labels; "" when nothing is. Raises ValueError for one of an unknown kind."""
    kind = key[:2]
    if kind == _OPINION:
        read_label(value)
    elif kind in {_ORDER, _MEMBER}:
        return "" if txn.get(_OPINION + value) is not None else "names an opinion that is gone"
    elif kind == _NEAR:
        tail = key[2 + NEAR_OCTETS :]
        return "" if txn.get(_OPINION + tail) is not None else "names an opinion that is gone"
    elif kind not in {_VERSION, _SIZE} or len(value) != 8:
        raise ValueError("a label of an unknown kind")
    return ""


NEAR_OCTETS = SCOPE_OCTETS + 8  #: of each of ``Label.near``
