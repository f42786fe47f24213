"""Model rows: a model is a set of blobs under one id, and one row says which model judges and which one is on trial.

The files are what ``models.artefact`` reads; here they are octets with names. Every act moves ``InUse.version``, by
which workers see that another model is to be used.
"""

from collections.abc import Iterator, Mapping
from itertools import dropwhile

import msgspec
from msgspec.structs import replace

from store.blob.contract import BlobId, Staged
from store.changes.engine import StoreTxn, StoreView
from store.kv.contract import counter
from store.schema import expiring, keys
from store.schema.rows import Reader, RowDamaged, pack

REMEMBERED = 10  #: models that were in use before, to go back to
SEEN_MS = 14 * 24 * 3600 * 1000  #: how long a difference of a model on trial is remembered

_MODEL, _IN_USE = keys.MODEL + b"m", keys.MODEL + b"u"
_COUNT, _SEEN = keys.MODEL + b"c", keys.MODEL + b"d"


class Shelved(msgspec.Struct, frozen=True, array_like=True):
    """A model that the store keeps."""

    id: str  #: of its card
    schema: str  #: of the features that it reads
    at_ms: int  #: when it was put here
    by: str
    files: dict[str, tuple[bytes, int]]  #: name to blob and octets
    notes: str = ""


class InUse(msgspec.Struct, frozen=True, array_like=True):
    """Which model judges, which one is on trial, and which ones judged before. "" is the model of the configuration."""

    active: str = ""
    shadow: str = ""
    before: tuple[str, ...] = ()  #: newest first
    version: int = 0


class Difference(msgspec.Struct, frozen=True, array_like=True):
    """A mail that the model on trial would have treated otherwise."""

    reception: str
    was: str  #: action
    would: str
    probability: float
    would_probability: float


read_shelved = Reader(Shelved)
read_in_use = Reader(InUse)
_read_difference = Reader(Difference)


class NoModel(Exception):
    """There is no such model, or nothing to go back to. The text says what to do."""


def put(txn: StoreTxn, model: Shelved, staged: Mapping[str, Staged]) -> None:
    """Keep a model with its files. The same model again, made at another time, changes nothing.

    Raises NoModel when the id is another's.
    """
    known = get(StoreView(txn.kv), model.id)
    if known is not None:
        if _made(known) != _made(model):
            raise NoModel(
                f"the store has another model with the id {model.id}: `mailward model drop {model.id}` first, "
                "or give this one an id of its own in its card.json"
            )
        return
    for name, each in staged.items():
        txn.keep(each)
        txn.link(BlobId(model.files[name][0]), _MODEL + model.id.encode())
    txn.kv.put(_MODEL + model.id.encode(), pack(model))


def _made(model: Shelved) -> dict[str, tuple[bytes, int]]:
    """The files but for the card, which tells when."""
    return {name: file for name, file in model.files.items() if name != "card.json"}


def get(view: StoreView, model: str) -> Shelved | None:
    row = view.kv.get(_MODEL + model.encode())
    return read_shelved(row) if row is not None else None


def every(view: StoreView) -> list[Shelved]:
    """The models of the store, the oldest first."""
    found = [read_shelved(row) for _, row in view.kv.scan(_MODEL, keys.prefix_end(_MODEL))]
    return sorted(found, key=lambda model: (model.at_ms, model.id))


def in_use(view: StoreView) -> InUse:
    row = view.kv.get(_IN_USE)
    return read_in_use(row) if row is not None else InUse()


def _use(txn: StoreTxn, state: InUse) -> InUse:
    state = replace(state, version=state.version + 1)
    txn.kv.put(_IN_USE, pack(state))
    txn.touch()
    return state


def _known(txn: StoreTxn) -> InUse:
    """What is in use; a row that cannot be read does not keep anybody from putting it right."""
    try:
        return in_use(StoreView(txn.kv))
    except RowDamaged:
        return InUse(version=txn.now_ms)


def _require(txn: StoreTxn, model: str) -> None:
    if model and get(StoreView(txn.kv), model) is None:
        raise NoModel(f"the store has no model {model}: `mailward model list` names them")


def promote(txn: StoreTxn, model: str) -> InUse:
    """Let a model judge from now on; "" is that of the configuration. Raises NoModel."""
    _require(txn, model)
    now = _known(txn)
    if now.active == model:
        return now
    shadow = "" if now.shadow == model else now.shadow
    return _use(txn, replace(now, active=model, shadow=shadow, before=(now.active, *now.before)[:REMEMBERED]))


def roll_back(txn: StoreTxn) -> InUse:
    """Let the model judge that judged before. Raises NoModel."""
    now = in_use(StoreView(txn.kv))
    if not now.before:
        raise NoModel("no other model judged before: there is nothing to go back to")
    _require(txn, now.before[0])
    return _use(txn, replace(now, active=now.before[0], before=now.before[1:]))


def shadow(txn: StoreTxn, model: str) -> InUse:
    """Put a model on trial beside the one that judges, counted from nothing; "" ends a trial. Raises NoModel."""
    _require(txn, model)
    if model:
        start = _COUNT + model.encode() + b"\x00"
        txn.kv.delete_range(start, keys.prefix_end(start))
        seen = _SEEN + model.encode() + b"\x00"
        for key, _ in list(txn.kv.scan(seen, keys.prefix_end(seen))):
            expiring.delete(txn.kv, key)
    return _use(txn, replace(in_use(StoreView(txn.kv)), shadow=model))


def drop(txn: StoreTxn, model: str) -> None:
    """Take a model out of the store; its files go when nobody else has them. Raises NoModel for one in use."""
    _require(txn, model)
    now = in_use(StoreView(txn.kv))
    if model in {now.active, now.shadow}:
        raise NoModel(f"the model {model} is in use: promote another one, or end its trial, first")
    row = get(StoreView(txn.kv), model)
    for blob, _ in row.files.values() if row is not None else ():
        txn.unlink(BlobId(blob), _MODEL + model.encode())
    txn.kv.delete(_MODEL + model.encode())
    if model in now.before:
        left = (each for each in now.before if each != model)
        _use(txn, replace(now, before=tuple(dropwhile(lambda each: each == now.active, left))))


def count(txn: StoreTxn, model: str, pairs: Mapping[tuple[str, str], int], seen: list[Difference]) -> None:
    """Add mails by what was done and what the model on trial would have done, and remember some that differ."""
    for (was, would), mails in pairs.items():
        txn.kv.add(_COUNT + f"{model}\0{was}\0{would}".encode(), mails)
    for each in seen:
        key = _SEEN + f"{model}\0{each.reception}".encode()
        expiring.put_until(txn.kv, key, pack(each), txn.now_ms + SEEN_MS)


def counted(view: StoreView, model: str) -> dict[tuple[str, str], int]:
    start = _COUNT + model.encode() + b"\x00"
    found: dict[tuple[str, str], int] = {}
    for key, value in view.kv.scan(start, keys.prefix_end(start)):
        was, _, would = key[len(start) :].decode().partition("\0")
        found[was, would] = counter(value)
    return found


def differences(view: StoreView, model: str, now_ms: int) -> Iterator[Difference]:
    """Those that are remembered, newest first."""
    start = _SEEN + model.encode() + b"\x00"
    for _, value in expiring.scan(view.kv, start, keys.prefix_end(start), now_ms, reverse=True):
        yield _read_difference(value)


def fault_of(key: bytes, value: bytes) -> str:
    """What is wrong with a row; "" when nothing is. Raises RowDamaged for one that cannot be read, ValueError."""
    if key[:2] == _MODEL:
        read_shelved(value)
    elif key == _IN_USE:
        read_in_use(value)
    elif key[:2] == _COUNT and len(value) != 8:
        return f"{len(value)} octets instead of 8"
    return ""
