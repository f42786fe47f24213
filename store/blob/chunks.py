"""The rows of blobs: where each one is, and the frames of those that are in the key-value store.

=========================  ==========================================================================
key                        value
=========================  ==========================================================================
``b id 00``                meta row, or, while the blob is being written, a mark
``b id 01 index``          frame of one chunk (64 KiB before compression), index big-endian in 4 octets
=========================  ==========================================================================

A meta row of version 1 (size, chunk size, count) is a blob in clear, in the key-value store. Version 2 adds the id
of the key it is encrypted under (zeros: none) and the generation of the object that holds its frames elsewhere
(zeros: they are here). A generation is random, so removing one object can never remove what another writer has
just put for the same octets.

A large blob that is kept here is written in several transactions: first the mark, then frames, last the meta row,
which takes the mark's place only if that very mark still stands. So a meta row means that every frame is there,
whoever else wrote or removed the same blob meanwhile. Writers of the same blob under the same key share a mark.
"""

import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from store.blob import frames
from store.blob.contract import BlobId, BlobMissing, Staged
from store.blob.packing import CHUNK_OCTETS, count_of
from store.blob.sealing import IN_CLEAR, KEY_ID_OCTETS, KeyMissing, Keyring
from store.kv.contract import ReadTxn, StoreError, WriteTxn

BLOB = b"b"
ID_OCTETS = 32
GENERATION_OCTETS = 16

_META_TAG, _CHUNK_TAG, _AFTER_TAG = b"\x00", b"\x01", b"\x02"
_INDEX = struct.Struct(">I")
_META_1 = struct.Struct(">BQII")  # version, size, chunk size, count
_META_2 = struct.Struct(f">BQII{KEY_ID_OCTETS}s{GENERATION_OCTETS}s")  # and key id, generation
_MARK_VERSION = 0x80  # followed by 16 random octets and the id of the key its writers use
_MARK_OCTETS = 17


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
    key: bytes = b""  #: id of the key its frames are encrypted under; empty when in clear
    generation: bytes = b""  #: of the object that holds its frames; empty when they are in the key-value store

    def chunk_size(self, index: int) -> int:
        """Octets of one chunk before compression; only the last one is short."""
        return min(self.chunk_octets, self.size - index * self.chunk_octets)

    def row(self) -> bytes:
        if not self.key and not self.generation:
            return _META_1.pack(1, self.size, self.chunk_octets, self.count)
        return _META_2.pack(2, self.size, self.chunk_octets, self.count, self.key, self.generation)


def shape_for(size: int, key: bytes, generation: bytes = b"") -> BlobShape:
    """The shape of a blob about to be written."""
    return BlobShape(size, CHUNK_OCTETS, count_of(size), key, generation)


def meta_key(blob: BlobId) -> bytes:
    return BLOB + blob + _META_TAG


def chunk_key(blob: BlobId, index: int) -> bytes:
    return BLOB + blob + _CHUNK_TAG + _INDEX.pack(index)


def shape_of(view: ReadTxn, blob: BlobId) -> BlobShape | None:
    """The meta row; None when the blob is not there as a whole. Raises StoreError for an unknown version."""
    value = view.get(meta_key(blob)) if len(blob) == ID_OCTETS else None
    return None if value is None or value[0] == _MARK_VERSION else read_shape(blob, value)


def read_shape(blob: BlobId, value: bytes) -> BlobShape:
    """Raises StoreError for a row of an unknown version."""
    if value[0] == 1 and len(value) == _META_1.size:
        _, size, chunk_octets, count = _META_1.unpack(value)
        shape = BlobShape(size, chunk_octets, count)
    elif value[0] == 2 and len(value) == _META_2.size:
        _, size, chunk_octets, count, key, generation = _META_2.unpack(value)
        shape = BlobShape(size, chunk_octets, count, key if any(key) else b"", generation if any(generation) else b"")
    else:
        raise StoreError(f"blob {blob.hex()} has a meta row of unknown version {value[0]}")
    if not 0 < chunk_octets <= CHUNK_OCTETS or count != max(1, -(-size // chunk_octets)):
        raise StoreError(f"blob {blob.hex()} has a meta row that says what cannot be")
    return shape


def object_name(blob: BlobId, shape: BlobShape) -> str:
    """Where a blob's frames are elsewhere: two folders by the first octets of its address, address, generation."""
    name = blob.hex()
    return f"{name[:2]}/{name[2:4]}/{name}.{shape.generation.hex()}"


def keep(txn: WriteTxn, staged: Staged) -> None:
    """Write what is left of a staged blob in the transaction that links it; nothing to do when it is there already.

    Raises BlobMissing when a large blob was collected, or waited too long, between ``stage`` and now: stage it again.
    """
    if shape_of(txn, staged.id) is not None:
        return
    if not staged.meta or (staged.until_s and time.time() > staged.until_s):
        raise BlobMissing(staged.id.hex())
    for index, frame in enumerate(staged.frames):
        txn.put(chunk_key(staged.id, index), frame)
    txn.put(meta_key(staged.id), staged.meta)


def discard(txn: WriteTxn, blob: BlobId) -> str | None:
    """Take away every row of a blob, whole or not; the name of the object to delete once that has committed.

    The collector checks for links in the same transaction. Raises ValueError for what is no address: a short one
    would name a range of blobs.
    """
    if len(blob) != ID_OCTETS:
        raise ValueError(f"a blob's address has {ID_OCTETS} octets, not {len(blob)}")
    try:
        shape = shape_of(txn, blob)
    except StoreError:  # a row that cannot be read goes, too; its object, if it has one, is swept
        shape = None
    txn.delete_range(BLOB + blob + _META_TAG, BLOB + blob + _AFTER_TAG)
    return object_name(blob, shape) if shape is not None and shape.generation else None


def list_ids(view: ReadTxn, after: BlobId | None = None) -> Iterator[BlobId]:
    """Every blob that has rows, in order; also what a crash left half-written (``shape_of`` is None)."""
    position, end = BLOB if after is None else BLOB + after + b"\xff", bytes([BLOB[0] + 1])
    while True:
        row = next(view.scan(position, end, limit=1), None)
        if row is None:
            return
        blob = BlobId(row[0][len(BLOB) : len(BLOB) + ID_OCTETS])
        yield blob
        position = BLOB + blob + b"\xff"


def bounds(shape: BlobShape, start: int, end: int | None) -> tuple[int, int]:
    """A range within the blob. Raises ValueError for a negative bound."""
    end = shape.size if end is None else min(end, shape.size)
    if start < 0 or end < 0:
        raise ValueError(f"octets {start} to {end} of a blob: bounds count from its start")
    return start, end


def read_range(
    view: ReadTxn, blob: BlobId, start: int = 0, end: int | None = None, keyring: Keyring = IN_CLEAR
) -> bytes:
    """Octets ``start`` to ``end`` of a blob in the key-value store; only the chunks touched are decompressed.

    Raises BlobMissing, StoreError when a chunk is missing or damaged, ValueError for a negative bound.
    """
    shape = shape_of(view, blob)
    if shape is None:
        raise BlobMissing(blob.hex())
    if shape.generation:
        raise StoreError(f"blob {blob.hex()} is not in the key-value store")
    start, end = bounds(shape, start, end)
    if start >= end:
        return b""
    first, last = start // shape.chunk_octets, (end - 1) // shape.chunk_octets
    found = frames_of(view, blob, shape, first, last)
    return cut(unpacked(blob, shape, first, found, keyring), shape, first, start, end)


def cut(chunks: list[bytes], shape: BlobShape, first: int, start: int, end: int) -> bytes:
    """Octets ``start`` to ``end`` of chunks that begin with number ``first``."""
    last = first + len(chunks) - 1
    chunks[-1] = chunks[-1][: end - last * shape.chunk_octets]
    chunks[0] = chunks[0][start - first * shape.chunk_octets :]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def unpacked(blob: BlobId, shape: BlobShape, first: int, found: list[bytes], keyring: Keyring) -> list[bytes]:
    """Frames decrypted and decompressed. Raises StoreError that names the blob and the chunk."""
    chunks: list[bytes] = []
    for index, frame in enumerate(found, first):
        try:
            clear = keyring.unseal(frame, blob, index, shape.count, may_be_clear=not shape.key)
            chunks.append(frames.unpack(clear, shape.chunk_size(index)))
        except frames.FrameDamaged as error:
            raise StoreError(f"blob {blob.hex()}: chunk {index} is damaged: {error}") from error
        except KeyMissing as error:
            raise KeyMissing(f"blob {blob.hex()}: {error}") from error
    return chunks


def frames_of(view: ReadTxn, blob: BlobId, shape: BlobShape, first: int, last: int) -> list[bytes]:
    """Frames ``first`` to ``last`` as they are kept. Raises StoreError when one is missing."""
    found: list[bytes] = []
    for key, frame in view.scan(chunk_key(blob, first), chunk_key(blob, last) + b"\x00"):
        if key != chunk_key(blob, first + len(found)):
            break
        found.append(frame)
    if len(found) <= last - first:
        raise StoreError(f"blob {blob.hex()}: chunk {first + len(found)} of {shape.count} is missing")
    return found


def take_mark(txn: WriteTxn, blob: BlobId, key: bytes) -> bytes | None:
    """The mark under which to write this blob with this key; None when it is there already."""
    value = txn.get(meta_key(blob))
    if value is not None and value[0] != _MARK_VERSION:
        return None
    if value is None or value[_MARK_OCTETS:] != key:
        value = bytes([_MARK_VERSION]) + os.urandom(_MARK_OCTETS - 1) + key
        txn.put(meta_key(blob), value)
    return value


def is_mark(value: bytes | None) -> bool:
    return value is not None and value[0] == _MARK_VERSION
