"""Putting the frames of a blob under the key that writes now, while everybody goes on reading and writing.

A blob in the key-value store is rewritten in place: every frame says itself which key it is under, so one that is
half done can be read. An object never changes: a new one is put, the row is pointed at it, the old one is deleted.
Frames are not decompressed, so a damaged one stays what it is, and is found as before.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace

from store.blob import chunks as rows
from store.blob.chunks import BlobShape, shape_of
from store.blob.contract import BlobId
from store.blob.frames import FrameDamaged
from store.blob.objects import ObjectFrames, ObjectMissing
from store.blob.sealing import Keyring, key_of_frame
from store.blob.view import Blobs
from store.kv.contract import KeyValueStore, StoreError, WriteTxn

_BATCH_CHUNKS = 16  # a transaction: at most 1 MiB


async def stale_ids(kv: KeyValueStore, blobs: Blobs, ids: Sequence[BlobId]) -> list[BlobId]:
    """Those of some blobs that are whole and not under the current key."""
    current = blobs.keyring.current
    shapes = await kv.read(lambda view: [(blob, shape_of(view, blob)) for blob in ids])
    return [blob for blob, shape in shapes if shape is not None and shape.key != current]


async def rewrite(kv: KeyValueStore, blobs: Blobs, blob: BlobId) -> bool:
    """Put one blob under the current key; False when it was so already, is gone, or was changed meanwhile.

    Raises StoreError when it cannot be read: it stays as it is.
    """
    shape = await kv.read(lambda view: shape_of(view, blob))
    if shape is None or shape.key == blobs.keyring.current:
        return False
    if not shape.generation:
        return await _rewrite_here(kv, blobs.keyring, blob, shape)
    if blobs.elsewhere is None:
        raise StoreError(f"blob {blob.hex()} is not in the key-value store: set store.blobs to where it is")
    try:
        return await _rewrite_elsewhere(kv, blobs, blobs.elsewhere, blob, shape)
    except ObjectMissing as error:
        if await kv.read(lambda view: shape_of(view, blob)) == shape:
            raise StoreError(f"blob {blob.hex()}: its object {error} is not there") from error
        return False


async def _rewrite_here(kv: KeyValueStore, keyring: Keyring, blob: BlobId, shape: BlobShape) -> bool:
    row = shape.row()
    after = replace(shape, key=keyring.current).row()
    for first in range(0, shape.count, _BATCH_CHUNKS):
        last = min(first + _BATCH_CHUNKS, shape.count)
        found = await kv.read(lambda view, a=first, b=last: rows.frames_of(view, blob, shape, a, b - 1))  # type: ignore[misc]
        sealed = await asyncio.to_thread(_resealed, found, keyring, blob, shape, first)

        def body(txn: WriteTxn, first: int = first, sealed: list[bytes] = sealed, last: int = last) -> bool:
            if txn.get(rows.meta_key(blob)) != row:
                return False
            for index, frame in enumerate(sealed, first):
                txn.put(rows.chunk_key(blob, index), frame)
            if last == shape.count:
                txn.put(rows.meta_key(blob), after)
            return True

        if not await kv.write(body):
            return False
    return True


def _resealed(found: Sequence[bytes], keyring: Keyring, blob: BlobId, shape: BlobShape, first: int) -> list[bytes]:
    return [
        frame
        if key_of_frame(frame) == keyring.current
        else keyring.seal(_opened(frame, keyring, blob, shape, index), blob, index, shape.count)
        for index, frame in enumerate(found, first)
    ]


def _opened(frame: bytes, keyring: Keyring, blob: BlobId, shape: BlobShape, index: int) -> bytes:
    try:
        return keyring.unseal(frame, blob, index, shape.count, may_be_clear=not shape.key)
    except FrameDamaged as error:
        raise StoreError(f"blob {blob.hex()}: chunk {index} is damaged: {error}") from error


async def _rewrite_elsewhere(
    kv: KeyValueStore, blobs: Blobs, elsewhere: ObjectFrames, blob: BlobId, shape: BlobShape
) -> bool:
    after = replace(shape, key=blobs.keyring.current, generation=os.urandom(rows.GENERATION_OCTETS))
    with blobs.new_spool() as spool:
        for first in range(0, shape.count, _BATCH_CHUNKS):
            last = min(first + _BATCH_CHUNKS, shape.count)
            found = await elsewhere.frames(blob, shape, first, last - 1)
            for index, frame in enumerate(found, first):
                await asyncio.to_thread(spool.add, _opened(frame, blobs.keyring, blob, shape, index))
        spool.name(blob, shape.size)
        await elsewhere.write(spool, after)

    def body(txn: WriteTxn) -> bool:
        if txn.get(rows.meta_key(blob)) != shape.row():
            return False
        txn.put(rows.meta_key(blob), after.row())
        return True

    is_swapped = await kv.write(body)
    await blobs.delete_objects([rows.object_name(blob, shape if is_swapped else after)])
    return is_swapped
