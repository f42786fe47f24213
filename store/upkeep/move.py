"""Copying a store to another backend, or its large mails to another place. The source is only read.

Nobody may serve from the source meanwhile. What is copied is compared afterwards: every row on both sides, by count and
by hash. A copy that was stopped goes on where it was; until it is done everything else refuses the target.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from store.blob.chunks import object_name, shape_of
from store.blob.objects import ObjectMissing, Objects
from store.blob.opening import PLACE_OBJECT
from store.changes.engine import Store
from store.kv.contract import KeyValueStore, ReadTxn, StoreError, WriteTxn, successor
from store.schema.version import RESTORING
from store.upkeep import presence
from store.upkeep.backup.restore import NotEmpty, is_empty

ROWS, OCTETS = 500, 1 << 20  #: most of one transaction
PIECE_OCTETS = 4 << 20
_END = b"\xff" * 8
_MARK = b"move "

Tell = Callable[[str, int], None]


class Different(StoreError):
    """What was copied is not what was there."""


@dataclass(slots=True)
class Sum:
    """What there is of one kind of row."""

    rows: int = 0
    octets: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, key: bytes, value: bytes) -> None:
        self.rows, self.octets = self.rows + 1, self.octets + len(key) + len(value)
        self._hash.update(len(key).to_bytes(4, "big") + len(value).to_bytes(4, "big") + key + value)

    @property
    def hash(self) -> str:
        return str(self._hash.hexdigest())


async def move(store: Store, target: KeyValueStore, tell: Tell) -> dict[str, Sum]:
    """Copy every row; what there is of each kind, the same on both sides.

    Raises InUse, NotEmpty, Different, StoreError.
    """
    await presence.refuse_when_serving(store, int(store.clock() * 1000))
    position = await target.write(_begin)
    copied = 0
    while position is not None:
        rows = await store.kv.read(lambda txn, at=position: _page(txn, at))  # type: ignore[misc]
        if not rows:
            break
        position = successor(rows[-1][0])
        await target.write(lambda txn, rows=rows, at=position: _put(txn, rows, at))  # type: ignore[misc]
        copied += len(rows)
        tell("rows", copied)
    there, here = await sums(store.kv, tell, "rows read"), await sums(target, tell, "rows compared")
    for name in sorted(there.keys() | here.keys()):
        one, other = there.get(name, Sum()), here.get(name, Sum())
        if (one.rows, one.hash) != (other.rows, other.hash):
            raise Different(
                f"rows of kind {name!r}: {one.rows} in the source, {other.rows} in the target, or other octets: "
                "take an empty target and begin again; the source was not touched"
            )
    await target.write(lambda txn: txn.delete(RESTORING))
    return here


def _begin(txn: WriteTxn) -> bytes:
    """Where an earlier attempt was; marks a new one. Raises NotEmpty."""
    mark = txn.get(RESTORING)
    if mark is not None and mark.startswith(_MARK):
        return mark[len(_MARK) :]
    if mark is not None or not is_empty(txn):
        raise NotEmpty("the target is not empty: name a new one; nothing was changed")
    txn.put(RESTORING, _MARK)
    return b""


def _is_copied(key: bytes) -> bool:
    return key != RESTORING and not key.startswith(presence.PREFIX)


def _page(txn: ReadTxn, start: bytes, limit: int = ROWS) -> list[tuple[bytes, bytes]]:
    rows: list[tuple[bytes, bytes]] = []
    octets = 0
    for row in islice(txn.scan(start, _END), limit):
        rows.append(row)
        octets += len(row[0]) + len(row[1])
        if octets >= OCTETS:
            break
    return rows


def _put(txn: WriteTxn, rows: list[tuple[bytes, bytes]], position: bytes) -> None:
    for key, value in rows:
        if _is_copied(key):
            txn.put(key, value)
    txn.put(RESTORING, _MARK + position)


async def sums(kv: KeyValueStore, tell: Tell, what: str) -> dict[str, Sum]:
    """Rows, octets and hash of each kind of row, read in short snapshots."""
    found: dict[str, Sum] = {}
    start, read = b"", 0
    while rows := await kv.read(lambda txn, at=start: _page(txn, at, 2_000)):  # type: ignore[misc]
        for key, value in rows:
            if _is_copied(key):
                found.setdefault(key[:1].decode("latin-1"), Sum()).add(key, value)
        start, read = successor(rows[-1][0]), read + len(rows)
        tell(what, read)
    return found


async def move_objects(store: Store, target: Objects, tell: Tell) -> int:
    """Copy every large mail to another place, and compare; how many. Raises InUse, Different, StoreError."""
    elsewhere = store.blobs.elsewhere
    if elsewhere is None:
        raise StoreError("large mails of this store are in the store itself; `mailward store move --to` moves those")
    await presence.refuse_when_serving(store, int(store.clock() * 1000))
    mark = await elsewhere.objects.get(PLACE_OBJECT, 0, 200)
    if await _mark_of(target) not in {None, mark}:
        raise NotEmpty("the new place holds mails of another store: name another one; nothing was changed")
    copied = 0
    async for name, length in _objects(store):
        if length is None:
            raise StoreError(
                f"{name} is not there: `mailward fsck` names the mail whose octets it was; delete that mail, wait "
                "until the server has collected it, then move again"
            )
        if not await _is_there(target, name, length):
            await target.put(name, length, _pieces(elsewhere.objects, name, length))
        if await _hash(target, name, length) != await _hash(elsewhere.objects, name, length):
            raise Different(f"{name} is not the same in the new place: copy it again; the source was not touched")
        copied += 1
        tell("large mails", copied)
    await target.put(PLACE_OBJECT, len(mark), _once(mark))  # last: with it the place is this store's
    return copied


async def _mark_of(objects: Objects) -> bytes | None:
    try:
        return await objects.get(PLACE_OBJECT, 0, 200)
    except ObjectMissing:
        return None


async def _objects(store: Store) -> AsyncIterator[tuple[str, int | None]]:
    """Names and lengths; None for one that is not there."""
    elsewhere, after = store.blobs.elsewhere, None
    assert elsewhere is not None
    while ids := await store.blobs.list_ids(after, ROWS):
        shapes = await store.kv.read(lambda txn, ids=ids: [(blob, shape_of(txn, blob)) for blob in ids])  # type: ignore[misc]
        for blob, shape in shapes:
            if shape is not None and shape.generation:
                try:
                    length = await elsewhere.length(blob, shape)
                except ObjectMissing:
                    length = None
                yield object_name(blob, shape), length
        after = ids[-1]


async def _is_there(objects: Objects, name: str, length: int) -> bool:
    try:
        return len(await objects.get(name, length - 1, length + 1)) == 1
    except (ObjectMissing, StoreError):
        return False


async def _pieces(objects: Objects, name: str, length: int) -> AsyncIterator[bytes]:
    for start in range(0, length, PIECE_OCTETS):
        yield await objects.get(name, start, min(length, start + PIECE_OCTETS))


async def _once(octets: bytes) -> AsyncIterator[bytes]:
    yield octets


async def _hash(objects: Objects, name: str, length: int) -> bytes:
    digest = hashlib.sha256()
    async for piece in _pieces(objects, name, length):
        digest.update(piece)
    return digest.digest()
