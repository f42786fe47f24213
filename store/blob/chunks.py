"""Blobs in the key-value store: content-addressed, deduplicated, compressed in frames that can be read alone.

=========================  ==========================================================================
key                        value
=========================  ==========================================================================
``b id 00``                meta row: version, size, chunk size, count; or, while being written, a mark
``b id 01 index``          frame of one chunk (64 KiB before compression), index big-endian in 4 octets
=========================  ==========================================================================

A large blob is written in several transactions: first the mark, then frames, last the meta row, which takes
the mark's place only if that very mark still stands. So a meta row means that every frame is there, whoever
else wrote or removed the same blob meanwhile. Writers of the same blob share a mark.
"""

import asyncio
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from store.blob import frames
from store.blob.contract import BlobId, BlobMissing, Staged
from store.kv.contract import KeyValueStore, ReadTxn, StoreError, StoreUnavailable, WriteTxn

BLOB = b"b"
CHUNK_OCTETS = 64 * 1024  #: before compression

_ID_OCTETS = 32
_META_TAG, _CHUNK_TAG, _AFTER_TAG = b"\x00", b"\x01", b"\x02"
_INDEX = struct.Struct(">I")
_META = struct.Struct(">BQII")  # version, size, chunk size, count
_META_VERSION = 1
_MARK_VERSION = 0x80  # followed by 16 random octets
_BATCH_CHUNKS = 16  # per transaction: at most 1 MiB
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class BlobSettings:
    """How blobs are kept."""

    small_octets: int = CHUNK_OCTETS  #: up to this size a blob rides in the transaction that links it


@dataclass(frozen=True, slots=True)
class BlobShape:
    """A meta row."""

    size: int  #: octets before compression
    chunk_octets: int
    count: int

    def chunk_size(self, index: int) -> int:
        """Octets of one chunk before compression; only the last one is short."""
        return min(self.chunk_octets, self.size - index * self.chunk_octets)


def meta_key(blob: BlobId) -> bytes:
    return BLOB + blob + _META_TAG


def chunk_key(blob: BlobId, index: int) -> bytes:
    return BLOB + blob + _CHUNK_TAG + _INDEX.pack(index)


def shape_of(view: ReadTxn, blob: BlobId) -> BlobShape | None:
    """The meta row; None when the blob is not there as a whole. Raises StoreError for an unknown version."""
    value = view.get(meta_key(blob)) if len(blob) == _ID_OCTETS else None
    if value is None or value[0] == _MARK_VERSION:
        return None
    if value[0] != _META_VERSION or len(value) != _META.size:
        raise StoreError(f"blob {blob.hex()} has a meta row of unknown version {value[0]}")
    _, size, chunk_octets, count = _META.unpack(value)
    return BlobShape(size, chunk_octets, count)


def keep(txn: WriteTxn, staged: Staged) -> None:
    """Write a staged blob in the transaction that links it; nothing to do when it is there already.

    Raises BlobMissing when a large blob was collected between ``stage`` and now: stage it again.
    """
    if shape_of(txn, staged.id) is not None:
        return
    if not staged.frames:
        raise BlobMissing(staged.id.hex())
    for index, frame in enumerate(staged.frames):
        txn.put(chunk_key(staged.id, index), frame)
    txn.put(meta_key(staged.id), _meta_row(staged.size))


def discard(txn: WriteTxn, blob: BlobId) -> None:
    """Take away every row of a blob, whole or not. The collector checks for links in the same transaction.

    Raises ValueError for what is no address: a short one would name a range of blobs.
    """
    if len(blob) != _ID_OCTETS:
        raise ValueError(f"a blob's address has {_ID_OCTETS} octets, not {len(blob)}")
    txn.delete_range(BLOB + blob + _META_TAG, BLOB + blob + _AFTER_TAG)


def list_ids(view: ReadTxn) -> Iterator[BlobId]:
    """Every blob that has rows, in order; also what a crash left half-written (``shape_of`` is None)."""
    position, end = BLOB, bytes([BLOB[0] + 1])
    while True:
        row = next(view.scan(position, end, limit=1), None)
        if row is None:
            return
        blob = BlobId(row[0][len(BLOB) : len(BLOB) + _ID_OCTETS])
        yield blob
        position = BLOB + blob + b"\xff"


def read_range(view: ReadTxn, blob: BlobId, start: int = 0, end: int | None = None) -> bytes:
    """Octets ``start`` to ``end`` within a transaction; only the chunks touched are decompressed.

    Raises BlobMissing, StoreError when a chunk is missing or damaged, ValueError for a negative bound.
    """
    shape = shape_of(view, blob)
    if shape is None:
        raise BlobMissing(blob.hex())
    end = shape.size if end is None else min(end, shape.size)
    if start < 0 or end < 0:
        raise ValueError(f"octets {start} to {end} of a blob: bounds count from its start")
    if start >= end:
        return b""
    first, last = start // shape.chunk_octets, (end - 1) // shape.chunk_octets
    chunks = list(_chunks(view, blob, shape, first, last))
    chunks[-1] = chunks[-1][: end - last * shape.chunk_octets]
    chunks[0] = chunks[0][start - first * shape.chunk_octets :]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _chunks(view: ReadTxn, blob: BlobId, shape: BlobShape, first: int, last: int) -> Iterator[bytes]:
    expected = first
    for key, frame in view.scan(chunk_key(blob, first), chunk_key(blob, last) + b"\x00"):
        if key != chunk_key(blob, expected):
            break
        try:
            yield frames.unpack(frame, shape.chunk_size(expected))
        except frames.FrameDamaged as error:
            raise StoreError(f"blob {blob.hex()}: chunk {expected} is damaged: {error}") from error
        expected += 1
    if expected <= last:
        raise StoreError(f"blob {blob.hex()}: chunk {expected} of {shape.count} is missing")


def fault_of(view: ReadTxn, blob: BlobId) -> str | None:
    """What is wrong with a blob, for fsck; None when every octet is as it was written."""
    digest = hashlib.sha256()
    try:
        shape = shape_of(view, blob)
        if shape is None:
            return "not there as a whole"
        if shape.count:
            for chunk in _chunks(view, blob, shape, 0, shape.count - 1):
                digest.update(chunk)
    except StoreError as error:
        return str(error)
    return None if digest.digest() == blob else "its octets do not have its address"


class _Step(Enum):
    """What a transaction of a large blob's writer found."""

    GO_ON = auto()
    IS_THERE = auto()
    START_AGAIN = auto()


class KeyValueBlobs:
    """``BlobStore`` over a key-value store."""

    def __init__(self, kv: KeyValueStore, settings: BlobSettings | None = None) -> None:
        self._kv = kv
        self._settings = settings or BlobSettings()

    async def stage(self, octets: bytes) -> Staged:
        """Hash and compress; in a thread when it takes long. Large blobs are durable when this returns.

        Hand the result to ``keep`` in the transaction that links the blob. Raises StoreUnavailable.
        """
        if len(octets) > self._settings.small_octets:
            return await self._stage_large(octets)
        if len(octets) > CHUNK_OCTETS:
            return await asyncio.to_thread(_stage_small, octets)
        return _stage_small(octets)

    async def _stage_large(self, octets: bytes) -> Staged:
        blob = await asyncio.to_thread(_address, octets)
        for _ in range(_ATTEMPTS):
            if await self._write_chunks(blob, octets) is not _Step.START_AGAIN:
                return Staged(blob, len(octets), ())
        raise StoreUnavailable(f"blob {blob.hex()} was removed {_ATTEMPTS} times while it was written")

    async def _write_chunks(self, blob: BlobId, octets: bytes) -> _Step:
        mark = await self._kv.write(lambda txn: _take_mark(txn, blob))
        if mark is None:
            return _Step.IS_THERE
        for first in range(0, _count(len(octets)), _BATCH_CHUNKS):
            batch = await asyncio.to_thread(_pack_batch, octets, first)
            step = await self._kv.write(partial(_put_batch, blob=blob, mark=mark, first=first, batch=batch))
            if step is not _Step.GO_ON:
                return step
        return await self._kv.write(lambda txn: _finish(txn, blob, mark, len(octets)))

    async def read(self, blob: BlobId, start: int = 0, end: int | None = None) -> bytes:
        """Octets ``start`` to ``end``. Raises BlobMissing, and StoreError when a chunk is damaged."""
        return await self._kv.read(lambda view: read_range(view, blob, start, end))

    async def open(self, blob: BlobId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces of at most 256 KiB, each from its own snapshot: what is removed meanwhile is missing."""
        shape = await self._kv.read(lambda view: shape_of(view, blob))
        if shape is None:
            raise BlobMissing(blob.hex())
        stop = shape.size if end is None else min(end, shape.size)
        step = 4 * shape.chunk_octets
        position = start
        while position < stop:
            upto = min(stop, (position // step + 1) * step)
            yield await self.read(blob, position, upto)
            position = upto

    async def remove(self, blob: BlobId) -> None:
        """Forget the octets, linked or not. Removing what is not there is fine."""
        await self._kv.write(lambda txn: discard(txn, blob))


def _address(octets: bytes) -> BlobId:
    return BlobId(hashlib.sha256(octets).digest())


def _count(size: int) -> int:
    """Chunks of a blob; an empty one has one empty chunk."""
    return max(1, -(-size // CHUNK_OCTETS))


def _meta_row(size: int) -> bytes:
    return _META.pack(_META_VERSION, size, CHUNK_OCTETS, _count(size))


def _chunk_of(octets: bytes, index: int) -> bytes:
    return octets[index * CHUNK_OCTETS : (index + 1) * CHUNK_OCTETS]


def _stage_small(octets: bytes) -> Staged:
    packed = tuple(frames.pack(_chunk_of(octets, index)) for index in range(_count(len(octets))))
    return Staged(_address(octets), len(octets), packed)


def _pack_batch(octets: bytes, first: int) -> list[bytes]:
    last = min(first + _BATCH_CHUNKS, _count(len(octets)))
    return [frames.pack(_chunk_of(octets, index)) for index in range(first, last)]


def _take_mark(txn: WriteTxn, blob: BlobId) -> bytes | None:
    """The mark under which to write this blob; None when it is there already."""
    value = txn.get(meta_key(blob))
    if value is not None and value[0] != _MARK_VERSION:
        return None
    if value is None:
        value = bytes([_MARK_VERSION]) + os.urandom(16)
        txn.put(meta_key(blob), value)
    return value


def _standing(txn: WriteTxn, blob: BlobId, mark: bytes) -> _Step:
    value = txn.get(meta_key(blob))
    if value == mark:
        return _Step.GO_ON
    return _Step.START_AGAIN if value is None or value[0] == _MARK_VERSION else _Step.IS_THERE


def _put_batch(txn: WriteTxn, blob: BlobId, mark: bytes, first: int, batch: list[bytes]) -> _Step:
    step = _standing(txn, blob, mark)
    if step is _Step.GO_ON:
        for index, frame in enumerate(batch, first):
            txn.put(chunk_key(blob, index), frame)
    return step


def _finish(txn: WriteTxn, blob: BlobId, mark: bytes, size: int) -> _Step:
    step = _standing(txn, blob, mark)
    if step is _Step.GO_ON:
        txn.put(meta_key(blob), _meta_row(size))
    return step
