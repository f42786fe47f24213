"""The blobs of the program: small ones in the key-value store, large ones where the configuration says.

A blob elsewhere is an object that is durable before its meta row is written by ``keep``. Reading looks at the row
in one snapshot and fetches the frames after it, so no transaction ever waits for a network.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from itertools import islice
from pathlib import Path

from store.blob import chunks as rows
from store.blob.chunks import BlobSettings, BlobShape, shape_of
from store.blob.contract import BlobId, BlobMissing, BlobTooLarge, Staged, Wanted
from store.blob.objects import ObjectFrames, ObjectMissing, Objects
from store.blob.packing import CHUNK_OCTETS, InMemory, Source, Spool, address_of, count_of
from store.blob.sealing import IN_CLEAR, Keyring
from store.kv.contract import KeyValueStore, ReadTxn, StoreError, StoreUnavailable, WriteTxn

ORPHAN_S = 24 * 3600.0  #: after which an object that no row names is swept
STAGED_S = 6 * 3600.0  #: after which ``keep`` refuses octets elsewhere: clocks may differ, but not by so much
_BATCH_CHUNKS = 16  # per transaction: at most 1 MiB
_READ_CHUNKS = 64  # that a transaction reads at most: 4 MiB
_PIECE_CHUNKS = 4  # that ``open`` reads at once from the key-value store: 256 KiB
_PIECE_CHUNKS_ELSEWHERE = 16
_FEED_OCTETS = 256 * 1024
_ATTEMPTS = 3


class _Step(Enum):
    """What a transaction of a large blob's writer found."""

    GO_ON = auto()
    IS_THERE = auto()
    START_AGAIN = auto()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one transaction found of a range."""

    shape: BlobShape
    octets: bytes | None  #: None when they are elsewhere
    is_all: bool


class Blobs:
    """``BlobStore`` over a key-value store and, for large blobs, objects elsewhere."""

    def __init__(
        self,
        kv: KeyValueStore,
        settings: BlobSettings | None = None,
        *,
        objects: Objects | None = None,
        keyring: Keyring = IN_CLEAR,
        spool: Path | None = None,
    ) -> None:
        """``spool`` is the folder where what streams in waits; None is the system's for temporary files."""
        self._kv = kv
        self._settings = settings or BlobSettings()
        #: large blobs outside the key-value store; None when they are in it
        self.elsewhere = ObjectFrames(objects, keyring) if objects is not None else None
        self.keyring = keyring
        self._spool = spool

    async def stage(self, octets: bytes) -> Staged:
        """Hash, compress, encrypt; in a thread when it takes long. Large blobs are durable when this returns.

        Hand the result to ``keep`` in the transaction that links the blob. Raises StoreUnavailable.
        """
        if len(octets) <= self._settings.small_octets:
            if len(octets) > CHUNK_OCTETS:
                return await asyncio.to_thread(self._small, octets)
            return self._small(octets)
        blob = await asyncio.to_thread(address_of, octets)
        if self.elsewhere is None:
            return await self._write_here(InMemory(octets, blob))
        if await self._is_there(blob):
            return Staged(blob, len(octets), ())
        with self.new_spool() as spool:
            await self._feed(spool, octets)
            await asyncio.to_thread(spool.finish)
            return await self._write_elsewhere(spool, self.elsewhere)

    async def stage_stream(self, chunks: AsyncIterator[bytes], limit: int) -> Staged:
        """The same for octets that come piece by piece; a few chunks are in memory.

        Raises BlobTooLarge over ``limit`` octets, StoreUnavailable when there is no room for them.
        """
        with self.new_spool() as spool:
            start = bytearray()  #: everything, as long as it is small
            async for piece in chunks:
                if spool.size + len(start) + len(piece) > limit:
                    raise BlobTooLarge
                start += piece
                if spool.size or len(start) > self._settings.small_octets:
                    await self._feed(spool, bytes(start))
                    start.clear()
            if not spool.size:
                return await self.stage(bytes(start))
            await asyncio.to_thread(spool.finish)
            if self.elsewhere is None:
                return await self._write_here(spool)
            if await self._is_there(spool.id):
                return Staged(spool.id, spool.size, ())
            return await self._write_elsewhere(spool, self.elsewhere)

    def new_spool(self) -> Spool:
        """Where a large blob waits on its way."""
        return Spool(self._spool, is_secret=bool(self.keyring.current))

    async def _feed(self, spool: Spool, octets: bytes) -> None:
        try:
            for at in range(0, len(octets), _FEED_OCTETS):
                await asyncio.to_thread(spool.feed, octets[at : at + _FEED_OCTETS])
        except OSError as error:
            raise StoreUnavailable(f"a large mail found no room to wait in: {error.strerror}") from error

    def _small(self, octets: bytes) -> Staged:
        source = InMemory(octets)
        shape = rows.shape_for(len(octets), self.keyring.current)
        return Staged(source.id, len(octets), tuple(self._sealed(source, 0, shape.count)), shape.row())

    def _sealed(self, source: Source, first: int, last: int) -> list[bytes]:
        count = count_of(source.size)
        packed = source.frames(first, min(last, count))
        return [self.keyring.seal(frame, source.id, index, count) for index, frame in enumerate(packed, first)]

    async def _is_there(self, blob: BlobId) -> bool:
        return await self._kv.read(lambda view: shape_of(view, blob)) is not None

    async def _write_elsewhere(self, spool: Spool, elsewhere: ObjectFrames) -> Staged:
        shape = rows.shape_for(spool.size, self.keyring.current, os.urandom(rows.GENERATION_OCTETS))
        until_s = time.time() + STAGED_S
        await elsewhere.write(spool, shape)
        return Staged(spool.id, spool.size, (), shape.row(), until_s)

    async def _write_here(self, source: Source) -> Staged:
        for _ in range(_ATTEMPTS):
            if await self._write_chunks(source) is not _Step.START_AGAIN:
                return Staged(source.id, source.size, ())
        raise StoreUnavailable(f"blob {source.id.hex()} was removed {_ATTEMPTS} times while it was written")

    async def _write_chunks(self, source: Source) -> _Step:
        blob, key = source.id, self.keyring.current
        mark = await self._kv.write(lambda txn: rows.take_mark(txn, blob, key))
        if mark is None:
            return _Step.IS_THERE
        for first in range(0, count_of(source.size), _BATCH_CHUNKS):
            batch = await asyncio.to_thread(self._sealed, source, first, first + _BATCH_CHUNKS)
            step = await self._kv.write(partial(_put_batch, blob=blob, mark=mark, first=first, batch=batch))
            if step is not _Step.GO_ON:
                return step
        shape = rows.shape_for(source.size, key)
        return await self._kv.write(lambda txn: _finish(txn, blob, mark, shape))

    async def read(self, blob: BlobId, start: int = 0, end: int | None = None) -> bytes:
        """Octets ``start`` to ``end``. Raises BlobMissing, StoreError when it is damaged, StoreUnavailable."""
        pieces: list[bytes] = []
        tries = _ATTEMPTS
        while tries:
            seen = await self._kv.read(lambda view, at=start: self._look(view, Wanted(blob, at, end)))  # type: ignore[misc]
            if seen is None:
                raise BlobMissing(blob.hex())
            octets = seen.octets
            if octets is None:
                octets = await self._fetch(blob, seen.shape, start, end)
            if octets is None:
                tries -= 1
                continue
            pieces.append(octets)
            start += len(octets)
            if not octets or start >= rows.bounds(seen.shape, start, end)[1]:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        raise StoreUnavailable(f"blob {blob.hex()} was rewritten {_ATTEMPTS} times while it was read")

    async def read_many(self, wanted: Sequence[Wanted]) -> list[bytes | None]:
        """Several ranges, those of the key-value store in one snapshot; None for what is missing. Raises StoreError."""
        looked = await self._kv.read(lambda view: [self._look(view, each) for each in wanted])
        found: list[bytes | None] = []
        for each, seen in zip(wanted, looked, strict=True):
            if seen is None or seen.is_all:
                found.append(seen.octets if seen is not None else None)
                continue
            try:
                found.append(await self.read(each.blob, each.start, each.end))
            except BlobMissing:
                found.append(None)
        return found

    def _look(self, view: ReadTxn, wanted: Wanted) -> _Seen | None:
        """The octets as far as one transaction should read, or where they are; None when they are nowhere."""
        shape = shape_of(view, wanted.blob)
        if shape is None:
            return None
        start, end = rows.bounds(shape, wanted.start, wanted.end)
        if shape.generation:
            return _Seen(shape, None, False)
        upto = min(end, start + _READ_CHUNKS * CHUNK_OCTETS)
        return _Seen(shape, rows.read_range(view, wanted.blob, start, upto, self.keyring), upto == end)

    async def _fetch(self, blob: BlobId, shape: BlobShape, start: int, end: int | None) -> bytes | None:
        """From the object; None when the row has changed meanwhile. Raises StoreError when it is gone or damaged."""
        if self.elsewhere is None:
            raise StoreError(f"blob {blob.hex()} is not in the key-value store: set store.blobs to where it is")
        try:
            return await self.elsewhere.read(blob, shape, start, end)
        except ObjectMissing as error:
            if await self._kv.read(lambda view: shape_of(view, blob)) == shape:
                raise StoreError(f"blob {blob.hex()}: its object {error} is not there") from error
            return None

    async def open(self, blob: BlobId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces of at most 1 MiB, each from its own snapshot: what is removed meanwhile is missing."""
        shape = await self._shape(blob)
        position, stop = rows.bounds(shape, start, end)
        step = (_PIECE_CHUNKS_ELSEWHERE if shape.generation else _PIECE_CHUNKS) * shape.chunk_octets
        while position < stop:
            upto = min(stop, (position // step + 1) * step)
            yield await self.read(blob, position, upto)
            position = upto

    async def size(self, blob: BlobId) -> int:
        """Octets before compression. Raises BlobMissing."""
        return (await self._shape(blob)).size

    async def _shape(self, blob: BlobId) -> BlobShape:
        shape = await self._kv.read(lambda view: shape_of(view, blob))
        if shape is None:
            raise BlobMissing(blob.hex())
        return shape

    async def fault_of(self, blob: BlobId) -> str | None:
        """What is wrong with a blob, for a check; None when every octet is as it was written.

        Holds a piece at a time. Raises StoreUnavailable when the place where it is cannot be asked.
        """
        digest = hashlib.sha256()
        try:
            async for piece in self.open(blob):
                digest.update(piece)
        except BlobMissing:
            return "not there as a whole"
        except StoreUnavailable:
            raise
        except StoreError as error:
            return str(error)
        return None if digest.digest() == blob else "its octets do not have its address"

    async def list_ids(self, after: BlobId | None = None, limit: int = 1000) -> list[BlobId]:
        """The next ids after one, in order, also of blobs half-written; empty at the end."""
        return await self._kv.read(lambda view: list(islice(rows.list_ids(view, after), limit)))

    async def remove(self, blob: BlobId) -> None:
        """Forget the octets, linked or not. Removing what is not there is fine."""
        if len(blob) == rows.ID_OCTETS:
            name = await self._kv.write(lambda txn: rows.discard(txn, blob))
            await self.delete_objects([name] if name else [])

    async def delete_objects(self, names: Sequence[str]) -> None:
        """Delete objects whose rows are gone. One that cannot be deleted now is swept later."""
        if self.elsewhere is None:
            return
        for name in names:
            try:
                await self.elsewhere.objects.delete(name)
            except StoreUnavailable:
                return

    async def sweep(self, folder: str, now_s: float | None = None) -> int:
        """Delete objects below one of the folders "00" to "ff" that no row names, a day old; how many.

        They are what a crash left, or a second copy of what came twice at once. Raises StoreUnavailable.
        """
        if self.elsewhere is None:
            return 0
        before_s = (time.time() if now_s is None else now_s) - ORPHAN_S
        swept = 0
        async for page in self.elsewhere.objects.list(folder):
            old = [each.name for each in page if each.modified_s < before_s]
            orphans = await self._kv.read(partial(_orphans, names=old))
            for name in orphans:
                await self.elsewhere.objects.delete(name)
            swept += len(orphans)
        return swept + await self.elsewhere.objects.tidy(ORPHAN_S)

    async def close(self) -> None:
        if self.elsewhere is not None:
            await self.elsewhere.objects.close()


def _orphans(view: ReadTxn, names: Sequence[str]) -> list[str]:
    """Objects that no meta row names; what has no such name is none of ours."""
    found: list[str] = []
    for name in names:
        try:
            blob = BlobId(bytes.fromhex(name.rpartition("/")[2].partition(".")[0]))
        except ValueError:
            continue
        if len(blob) == rows.ID_OCTETS:
            shape = shape_of(view, blob)
            if shape is None or rows.object_name(blob, shape) != name:
                found.append(name)
    return found


def _standing(txn: WriteTxn, blob: BlobId, mark: bytes) -> _Step:
    value = txn.get(rows.meta_key(blob))
    if value == mark:
        return _Step.GO_ON
    return _Step.START_AGAIN if value is None or rows.is_mark(value) else _Step.IS_THERE


def _put_batch(txn: WriteTxn, blob: BlobId, mark: bytes, first: int, batch: list[bytes]) -> _Step:
    step = _standing(txn, blob, mark)
    if step is _Step.GO_ON:
        for index, frame in enumerate(batch, first):
            txn.put(rows.chunk_key(blob, index), frame)
    return step


def _finish(txn: WriteTxn, blob: BlobId, mark: bytes, shape: BlobShape) -> _Step:
    step = _standing(txn, blob, mark)
    if step is _Step.GO_ON:
        txn.put(rows.meta_key(blob), shape.row())
    return step
