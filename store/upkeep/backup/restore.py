"""Putting a backup into an empty store of any backend. Can be stopped and run again; until it is done the store is
refused by everything else."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from store.blob.opening import PLACE
from store.changes.engine import Store
from store.kv.contract import ReadTxn, StoreError, WriteTxn
from store.schema import keys
from store.schema.version import RESTORING
from store.upkeep.backup.folder import OBJECT, PIECE, ROW, BackupDamaged, Folder, Manifest, records

ROWS, OCTETS = 500, 1 << 20  #: most of one transaction

Tell = Callable[[str, int], None]


class NotEmpty(StoreError):
    """There is a store already; nothing was touched."""


def is_empty(txn: ReadTxn) -> bool:
    """Whether there is nothing yet but what opening a new store writes."""
    spaces = ((b"", keys.META), (keys.prefix_end(keys.META), b"\xff" * 8))
    return all(next(txn.scan(start, end, limit=1), None) is None for start, end in spaces)


async def restore(store: Store, folder: Folder, manifest: Manifest, tell: Tell) -> None:
    """Raises NotEmpty, BackupDamaged, StoreError, OSError. Verify the backup first."""
    if manifest.objects and store.blobs.elsewhere is None:
        raise StoreError(
            f"{manifest.objects} mails of this backup were kept outside the store: say where they go with store.blobs"
        )
    done = await store.kv.write(lambda txn: _begin(txn, manifest.id))
    steps = [(folder.pack(pack.name), False) for pack in manifest.packs]
    steps += [(folder.segment(segment.name), True) for segment in manifest.segments]
    written = 0
    for number, (path, is_packed) in enumerate(steps):
        if number >= done:
            written += await _put_file(store, path, is_packed)
            await store.kv.write(lambda txn, at=number + 1: _note(txn, manifest.id, at))  # type: ignore[misc]
            tell("rows", written)
    await store.kv.write(lambda txn: txn.delete(RESTORING))


def _begin(txn: WriteTxn, name: str) -> int:
    """How many files an earlier attempt has put there; marks a new one. Raises NotEmpty."""
    row = txn.get(RESTORING)
    if row is not None and row[4:].decode("utf-8", "replace") == name:
        return keys.read_u32(row[:4])
    if row is not None or not is_empty(txn):
        raise NotEmpty("the store to restore into is not empty: name a new one, nothing was changed")
    _note(txn, name, 0)
    return 0


def _note(txn: WriteTxn, name: str, done: int) -> None:
    txn.put(RESTORING, keys.u32(done) + name.encode())


async def _put_file(store: Store, path: Path, is_packed: bool) -> int:
    batch: list[tuple[bytes, bytes]] = []
    octets = total = 0
    stream = records(path, is_packed=is_packed)
    for kind, key, value in stream:
        if kind == OBJECT:
            await _put_object(store, key.decode(), int.from_bytes(value, "big"), stream)
            continue
        if key == PLACE:
            continue  # the new store has a place of its own for large mails
        batch.append((key, value))
        octets, total = octets + len(key) + len(value), total + 1
        if len(batch) >= ROWS or octets >= OCTETS:
            await _put(store, batch)
            batch, octets = [], 0
    await _put(store, batch)
    return total


async def _put(store: Store, batch: list[tuple[bytes, bytes]]) -> None:
    def body(txn: WriteTxn) -> None:
        for key, value in batch:
            txn.put(key, value)

    if batch:
        await store.kv.write(body)


async def _put_object(store: Store, name: str, length: int, stream: Iterator[tuple[bytes, bytes, bytes]]) -> None:
    """The next pieces of a pack are the octets of one object."""

    async def pieces() -> AsyncIterator[bytes]:
        left = length
        while left > 0:
            kind, _, value = next(stream, (ROW, b"", b""))
            if kind != PIECE:
                raise BackupDamaged("a mail in the backup is shorter than it says")
            left -= len(value)
            yield value

    assert store.blobs.elsewhere is not None
    await store.blobs.elsewhere.objects.put(name, length, pieces())
