"""Label rows keep the features of the mail, so that learning needs neither the mail nor a second parse."""

from collections.abc import Iterator

import msgspec

from store.changes.engine import StoreTxn, StoreView
from store.schema import keys
from store.schema.rows import Reader, pack


class Label(msgspec.Struct, frozen=True, array_like=True):
    """One opinion about one mail. A later opinion by anyone replaces an earlier one."""

    id: str  #: reception id
    is_spam: bool
    by: str  #: login, or "trap"
    at_ms: int
    features: bytes  #: little-endian uint32 feature indexes (models/features)
    schema: str  #: of the features


read_label = Reader(Label)


def put(txn: StoreTxn, label: Label) -> None:
    """Record an opinion. ``seq`` rows let each worker follow new labels without reading all of them."""
    txn.kv.put(keys.LABEL + b"i" + label.id.encode(), pack(label))
    seq = txn.kv.add(keys.meta("label-seq"), 1)
    txn.kv.put(keys.LABEL + b"s" + keys.u64(seq), label.id.encode())
    txn.touch()


def rewrite(txn: StoreTxn, label: Label) -> None:
    """Change a row without saying anything new."""
    txn.kv.put(keys.LABEL + b"i" + label.id.encode(), pack(label))


def get(view: StoreView, reception: str) -> Label | None:
    row = view.kv.get(keys.LABEL + b"i" + reception.encode())
    return read_label(row) if row is not None else None


def newest(view: StoreView, limit: int) -> Iterator[Label]:
    """The newest opinions, each mail once, latest first."""
    seen: set[str] = set()
    space = keys.LABEL + b"s"
    for _, reception in view.kv.scan(space, keys.prefix_end(space), reverse=True, limit=limit):
        label = get(view, reception.decode())
        if label is not None and label.id not in seen:
            seen.add(label.id)
            yield label


def after(view: StoreView, seq: int, limit: int = 1_000) -> Iterator[tuple[int, Label]]:
    """Labels recorded after a sequence number, in order; a mail labelled twice comes twice with its newest opinion."""
    start = keys.LABEL + b"s" + keys.u64(seq + 1)
    for key, reception in view.kv.scan(start, keys.prefix_end(keys.LABEL + b"s"), limit=limit):
        row = view.kv.get(keys.LABEL + b"i" + reception)
        if row is not None:
            yield keys.read_u64(key[2:10]), read_label(row)
