"""Making a backup while the store is in use.

Octets of mails never change, so most are copied first, in many short snapshots. Then one snapshot gives all rows, and
the few mails that came meanwhile: so the backup is of one moment. FoundationDB's snapshots end after five seconds;
there each account is of one moment, and what spans accounts is put in order by fsck after a restore.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from store.blob import chunks
from store.blob.chunks import BlobShape, object_name
from store.blob.contract import BlobId
from store.blob.objects import ObjectDamaged, ObjectMissing
from store.blob.opening import noted_keys
from store.changes.engine import Store, StoreView
from store.kv.contract import ReadTxn, StoreError
from store.kv.foundationdb import FoundationKeyValueStore
from store.schema.version import SCHEMA
from store.upkeep.backup.folder import (
    FORMAT,
    ID_OCTETS,
    OBJECT,
    PIECE,
    ROW,
    Folder,
    Manifest,
    PackEntry,
    SegmentEntry,
    Writer,
    known_ids,
)
from store.upkeep.backup.segments import Segments, rows_of, take_in_slices

PACK_OCTETS = 64 << 20
_PAGE = 500
_READ_OCTETS = 4 << 20
_SMALL_FRAMES, _AT_ONCE = 4, 32  # blobs of so few frames are read together: at most 8 MiB
_MANY_PACKS = 100

Tell = Callable[[str, int], None]
"""(what is being done, how many so far)"""


@dataclass(slots=True)
class _Packs:
    """Packs that are there, and the one being written."""

    folder: Folder
    usable: list[str]
    writer: Writer | None = None
    ids: list[bytes] = field(default_factory=list)

    def add(self, kind: bytes, key: bytes, value: bytes) -> None:
        if self.writer is None:
            self.writer = Writer(self.folder.path / "blobs", "pack", False)
        self.writer.add(kind, key, value)

    def entered(self, entry: bytes) -> None:
        """A blob is in the pack as a whole."""
        self.ids.append(entry)
        if self.writer is not None and self.writer.octets >= PACK_OCTETS:
            self.finish()

    def finish(self) -> None:
        if self.writer is not None and self.ids:
            name = self.writer.finish()
            path = self.folder.ids(name)
            aside = path.with_suffix(".new")
            aside.write_bytes(b"".join(sorted(self.ids)))
            aside.replace(path)
            self.usable.append(name)
        elif self.writer is not None:
            self.writer.abandon()
        self.writer, self.ids = None, []


async def create(store: Store, folder: Folder, source: str, tell: Tell, *, in_slices: bool | None = None) -> Manifest:
    """Write a backup; it counts once its manifest is there, which the caller writes after verifying.

    ``in_slices``: without one long snapshot; None: where the backend has none.

    Raises StoreError, OSError.
    """
    packs = _Packs(folder, _usable(folder))
    await _copy_blobs(store, packs, tell)
    packs.finish()
    if in_slices is None:
        in_slices = isinstance(store.kv, FoundationKeyValueStore)
    if in_slices:
        taken = await _take_in_slices(store, folder, packs, tell)
    else:
        taken = await store.read(lambda view: _take(view, folder, packs, tell))
    before = len(packs.usable)
    for blob, shape, meta in taken.objects:
        if not await _copy_whole_object(store, packs, blob, shape, meta):
            taken.blobs, taken.blob_octets = taken.blobs - 1, taken.blob_octets - shape.size
            taken.elsewhere -= 1
    packs.finish()
    return await _manifest(store, folder, source, taken, packs, before, not in_slices)


def _usable(folder: Folder) -> list[str]:
    """Packs worth going on with: not those of which the last backup needed less than half, nor many small ones."""
    there = folder.packs()
    manifests = folder.manifests()
    if manifests:
        for entry in manifests[-1].packs:
            if entry.name in there and entry.live * 2 < entry.blobs:
                del there[entry.name]
    if len(there) > _MANY_PACKS:
        largest = sorted(there, key=lambda name: folder.pack(name).stat().st_size, reverse=True)
        return largest[: _MANY_PACKS // 2]
    return list(there)


def _entry(blob: BlobId, meta: bytes) -> bytes:
    return blob + hashlib.sha256(meta).digest()[: ID_OCTETS - len(blob)]


class _Known:
    """Whether blobs, asked for in order, are in a pack; counts what is needed of each."""

    def __init__(self, folder: Folder, names: list[str]) -> None:
        self._merged = known_ids(folder, names)
        self._next = next(self._merged, None)
        self.live: dict[str, int] = {}

    def has(self, entry: bytes) -> bool:
        while self._next is not None and self._next[0] < entry:
            self._next = next(self._merged, None)
        if self._next is None or self._next[0] != entry:
            return False
        self.live[self._next[1]] = self.live.get(self._next[1], 0) + 1
        return True


@dataclass(frozen=True, slots=True)
class _Blob:
    id: BlobId
    meta: bytes
    shape: BlobShape


def _blobs(view: ReadTxn, after: BlobId | None = None) -> Iterator[_Blob]:
    """Whole blobs, in order; one whose row cannot be read is left to fsck."""
    for blob in chunks.list_ids(view, after):
        meta = view.get(chunks.meta_key(blob))
        if meta is None or chunks.is_mark(meta):
            continue
        try:
            yield _Blob(blob, meta, chunks.read_shape(blob, meta))
        except StoreError:
            continue


async def _copy_blobs(store: Store, packs: _Packs, tell: Tell) -> None:
    known, after, copied = _Known(packs.folder, list(packs.usable)), None, 0
    while page := await store.read(lambda view, after=after: list(islice(_blobs(view.kv, after), _PAGE))):  # type: ignore[misc]
        small: list[_Blob] = []
        for blob in page:
            if known.has(_entry(blob.id, blob.meta)):
                continue
            if blob.shape.generation or blob.shape.count > _SMALL_FRAMES:
                await _copy_one(store, packs, blob)
            else:
                small.append(blob)
            copied += 1
        for start in range(0, len(small), _AT_ONCE):
            await _copy_small(store, packs, small[start : start + _AT_ONCE])
        tell("mails", copied)
        after = page[-1].id


async def _copy_small(store: Store, packs: _Packs, batch: list[_Blob]) -> None:
    rows = await store.read(lambda view: [list(_frames(view.kv, blob.id, 0)) for blob in batch])
    for blob, frames in zip(batch, rows, strict=True):
        if len(frames) == blob.shape.count:
            for key, value in frames:
                packs.add(ROW, key, value)
            _complete(packs, blob)


async def _copy_one(store: Store, packs: _Packs, blob: _Blob) -> None:
    """A large blob, some frames at a time; one that is collected meanwhile does not count."""
    if blob.shape.generation:
        await _copy_whole_object(store, packs, blob.id, blob.shape, blob.meta)  # the snapshot tells
        return
    done = 0
    while done < blob.shape.count:
        frames = await store.read(lambda view, at=done: list(islice(_frames(view.kv, blob.id, at), 32)))  # type: ignore[misc]
        for key, value in frames:
            packs.add(ROW, key, value)
        if not frames:
            return
        done += len(frames)
    _complete(packs, blob)


def _frames(view: ReadTxn, blob: BlobId, first: int) -> Iterator[tuple[bytes, bytes]]:
    return view.scan(chunks.chunk_key(blob, first), chunks.chunk_key(blob, 0xFFFFFFFF))


def _complete(packs: _Packs, blob: _Blob) -> None:
    packs.add(ROW, chunks.meta_key(blob.id), blob.meta)
    packs.entered(_entry(blob.id, blob.meta))


async def _copy_whole_object(store: Store, packs: _Packs, blob: BlobId, shape: BlobShape, meta: bytes) -> bool:
    """Whether it could be copied; one that is gone or damaged is left out. Raises StoreError, StoreUnavailable.

    Rows that link to what was left out are counted when the backup is verified, so one lost mail stops no backup.
    """
    try:
        await _copy_object(store, packs, blob, shape, meta)
    except (ObjectMissing, ObjectDamaged):
        return False
    return True


async def _copy_object(store: Store, packs: _Packs, blob: BlobId, shape: BlobShape, meta: bytes) -> None:
    """An object as it is kept elsewhere. Raises ObjectMissing, ObjectDamaged, StoreError."""
    elsewhere = store.blobs.elsewhere
    if elsewhere is None:
        raise StoreError(f"blob {blob.hex()} is kept elsewhere, and store.blobs does not say where")
    name, length = object_name(blob, shape), await elsewhere.length(blob, shape)
    if len(await elsewhere.objects.get(name, length - 1, length)) != 1:
        raise ObjectDamaged(f"blob {blob.hex()} is damaged: its object {name} is cut short")
    packs.add(OBJECT, name.encode(), length.to_bytes(8, "big"))
    for start in range(0, length, _READ_OCTETS):
        piece = await elsewhere.objects.get(name, start, min(length, start + _READ_OCTETS))
        packs.add(PIECE, name.encode(), piece)
    packs.add(ROW, chunks.meta_key(blob), meta)
    packs.entered(_entry(blob, meta))


@dataclass(slots=True)
class _Taken:
    """What the snapshot gave."""

    segments: list[SegmentEntry] = field(default_factory=list)
    rows: int = 0
    blobs: int = 0
    blob_octets: int = 0
    elsewhere: int = 0
    live: dict[str, int] = field(default_factory=dict)
    objects: list[tuple[BlobId, BlobShape, bytes]] = field(default_factory=list)


async def _take_in_slices(store: Store, folder: Folder, packs: _Packs, tell: Tell) -> _Taken:
    """The same where no snapshot is long."""
    segments = Segments(folder)
    try:
        await take_in_slices(store, segments)
        segments.finish()
    finally:
        segments.abandon()
    taken = _Taken(segments.entries, segments.rows)
    tell("rows", taken.rows)
    await _copy_blobs(store, packs, tell)  # what came meanwhile
    packs.finish()
    known, after = _Known(folder, list(packs.usable)), None
    while page := await store.read(lambda view, after=after: list(islice(_blobs(view.kv, after), _PAGE))):  # type: ignore[misc]
        for blob in page:
            if known.has(_entry(blob.id, blob.meta)):  # else it came just now, and no row of the backup names it
                taken.blobs, taken.blob_octets = taken.blobs + 1, taken.blob_octets + blob.shape.size
                taken.elsewhere += bool(blob.shape.generation)
        after = page[-1].id
    taken.live = known.live
    return taken


def _take(view: StoreView, folder: Folder, packs: _Packs, tell: Tell) -> _Taken:
    """All rows of one snapshot, and blobs that are in no pack yet. May be run again: it begins anew."""
    if packs.writer is not None:
        packs.writer.abandon()
    packs.writer, packs.ids = None, []
    segments = Segments(folder)
    try:
        for key, value in rows_of(view.kv):
            if segments.add(key, value):
                tell("rows", segments.rows)
        segments.finish()
    finally:
        segments.abandon()
    taken = _Taken(segments.entries, segments.rows)
    known = _Known(folder, list(packs.usable))
    for blob in _blobs(view.kv):
        taken.blobs, taken.blob_octets = taken.blobs + 1, taken.blob_octets + blob.shape.size
        taken.elsewhere += bool(blob.shape.generation)
        if known.has(_entry(blob.id, blob.meta)):
            continue
        if blob.shape.generation:
            taken.objects.append((blob.id, blob.shape, blob.meta))
            continue
        for key, value in _frames(view.kv, blob.id, 0):
            packs.add(ROW, key, value)
        packs.add(ROW, chunks.meta_key(blob.id), blob.meta)
        packs.ids.append(_entry(blob.id, blob.meta))
    taken.live = known.live
    return taken


async def _manifest(
    store: Store, folder: Folder, source: str, taken: _Taken, packs: _Packs, before: int, is_one_moment: bool
) -> Manifest:
    names = await store.read(lambda view: noted_keys(view.kv))
    sizes = await asyncio.to_thread(folder.packs)
    entries = []
    for index, name in enumerate(packs.usable):
        live = taken.live.get(name, 0) if index < before else sizes[name]  # what came last is all needed
        if live:
            entries.append(PackEntry(name, sizes[name], folder.pack(name).stat().st_size, live))
    return Manifest(
        FORMAT,
        datetime.fromtimestamp(store.clock(), UTC).strftime("%Y%m%dT%H%M%S.%fZ"),
        SCHEMA,
        source,
        is_one_moment,
        taken.rows,
        taken.blobs,
        taken.blob_octets,
        taken.elsewhere,
        tuple(sorted(name.hex() for name in names)),
        tuple(taken.segments),
        tuple(entries),
    )
