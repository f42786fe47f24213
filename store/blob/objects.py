"""Large blobs elsewhere: one object each, the same octets in a folder and in a bucket.

``head``    magic, size, chunk size, number of frames, address, length of every frame, CRC-32 of all that
``frames``  one after the other

So a range is one request for the frames it touches, after one for the head, which is remembered: objects never
change. When the range begins with the blob, both are one request.
"""

import asyncio
import itertools
import struct
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Protocol

from store.blob.chunks import BlobShape, bounds, cut, object_name, unpacked
from store.blob.contract import BlobId
from store.blob.packing import Spool
from store.blob.sealing import OVERHEAD_OCTETS, Keyring
from store.kv.contract import StoreError

_MAGIC = b"MWB2"
_HEAD = struct.Struct(">4sQII32s")
_LENGTH = struct.Struct(">I")
_FRAME_EXTRA = 64  #: octets a frame is longer than its chunk, at most
_READ_CHUNKS = 64  #: fetched at once: 4 MiB
_WRITE_CHUNKS = 16
_REMEMBERED_FRAMES = 250_000  #: lengths of frames in memory: 1 MB


class ObjectMissing(Exception):
    """There is no object of that name."""


class ObjectDamaged(StoreError):
    """An object is cut short, or its head is not that of its blob."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing."""

    name: str
    modified_s: float  #: seconds since 1970, by the clock of whoever keeps it


class Objects(Protocol):
    """Where large blobs are kept, other than the key-value store. Names are ``aa/bb/address.generation``."""

    async def put(self, name: str, length: int, pieces: AsyncIterator[bytes]) -> None:
        """Durable and whole when it returns; otherwise not there. Raises StoreUnavailable."""
        ...

    async def get(self, name: str, start: int, end: int) -> bytes:
        """Octets ``start`` to ``end``, fewer at its end. Raises ObjectMissing, StoreUnavailable, StoreError."""
        ...

    async def delete(self, name: str) -> None:
        """Deleting what is not there is fine. Raises StoreUnavailable."""
        ...

    def list(self, folder: str) -> AsyncIterator[list[Listed]]:
        """Whole objects below the first folder of a name, some at a time. Raises StoreUnavailable."""
        ...

    async def tidy(self, older_than_s: float) -> int:
        """Remove what crashes left half-written, that long ago; how many. Raises StoreUnavailable."""
        ...

    async def close(self) -> None: ...


class ObjectFrames:
    """Writes blobs as objects and reads ranges of them."""

    def __init__(self, objects: Objects, keyring: Keyring) -> None:
        self.objects = objects
        self._keyring = keyring
        self._heads: OrderedDict[str, tuple[int, ...]] = OrderedDict()  #: where each frame begins, by name
        self._remembered = 0

    async def write(self, spool: Spool, shape: BlobShape) -> None:
        """Raises StoreUnavailable; then there is no object."""
        extra = OVERHEAD_OCTETS if shape.key else 0
        head = _packed_head(spool.id, shape, [length + extra for length in spool.lengths])
        length = len(head) + sum(spool.lengths) + extra * shape.count

        async def pieces() -> AsyncIterator[bytes]:
            yield head
            for first in range(0, shape.count, _WRITE_CHUNKS):
                yield await asyncio.to_thread(self._sealed, spool, shape, first)

        await self.objects.put(object_name(spool.id, shape), length, pieces())

    def _sealed(self, spool: Spool, shape: BlobShape, first: int) -> bytes:
        found = spool.frames(first, first + _WRITE_CHUNKS)
        return b"".join(self._keyring.seal(one, spool.id, at, shape.count) for at, one in enumerate(found, first))

    async def read(self, blob: BlobId, shape: BlobShape, start: int, end: int | None) -> bytes:
        """Octets ``start`` to ``end``. Raises ObjectMissing, StoreUnavailable, StoreError when it is damaged."""
        start, end = bounds(shape, start, end)
        if start >= end:
            return b""
        first, last = start // shape.chunk_octets, (end - 1) // shape.chunk_octets
        pieces = []
        for low in range(first, last + 1, _READ_CHUNKS):
            high = min(low + _READ_CHUNKS - 1, last)
            chunks = await self._chunks(blob, shape, low, high)
            upto = min(end, (high + 1) * shape.chunk_octets)
            pieces.append(cut(chunks, shape, low, max(start, low * shape.chunk_octets), upto))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def frames(self, blob: BlobId, shape: BlobShape, first: int, last: int) -> list[bytes]:
        """Frames ``first`` to ``last`` as they are kept. Raises as ``read`` does."""
        name = object_name(blob, shape)
        starts, early = await self._starts(blob, shape, name, last if first == 0 else None)
        if early is None or len(early) < starts[last + 1]:
            begin, octets = starts[first], await self.objects.get(name, starts[first], starts[last + 1])
        else:
            begin, octets = 0, early
        if begin + len(octets) < starts[last + 1]:
            raise ObjectDamaged(f"blob {blob.hex()} is damaged: its object {name} is cut short")
        return [octets[starts[at] - begin : starts[at + 1] - begin] for at in range(first, last + 1)]

    async def length(self, blob: BlobId, shape: BlobShape) -> int:
        """Octets of the whole object, its head included. Raises as ``read`` does."""
        starts, _ = await self._starts(blob, shape, object_name(blob, shape), None)
        return starts[-1]

    async def _chunks(self, blob: BlobId, shape: BlobShape, first: int, last: int) -> list[bytes]:
        found = await self.frames(blob, shape, first, last)
        return await asyncio.to_thread(unpacked, blob, shape, first, found, self._keyring)

    async def _starts(
        self, blob: BlobId, shape: BlobShape, name: str, ahead: int | None
    ) -> tuple[tuple[int, ...], bytes | None]:
        """Where every frame begins; and what was fetched with that when frames up to ``ahead`` are wanted, too."""
        known = self._heads.get(name)
        if known is not None:
            self._heads.move_to_end(name)
            return known, None
        length = _head_length(shape.count)
        extra = 0 if ahead is None else (ahead + 1) * (shape.chunk_octets + _FRAME_EXTRA)
        octets = await self.objects.get(name, 0, length + extra)
        starts = _read_head(blob, shape, octets[:length], name)
        self._heads[name] = starts
        self._remembered += len(starts)
        while self._remembered > _REMEMBERED_FRAMES and len(self._heads) > 1:
            self._remembered -= len(self._heads.popitem(last=False)[1])
        return starts, octets if extra else None


def _head_length(count: int) -> int:
    return _HEAD.size + (count + 1) * _LENGTH.size


def _packed_head(blob: BlobId, shape: BlobShape, lengths: list[int]) -> bytes:
    table = b"".join(_LENGTH.pack(length) for length in lengths)
    head = _HEAD.pack(_MAGIC, shape.size, shape.chunk_octets, shape.count, blob) + table
    return head + _LENGTH.pack(zlib.crc32(head))


def _read_head(blob: BlobId, shape: BlobShape, head: bytes, name: str) -> tuple[int, ...]:
    """Where each frame begins, and where the last one ends. Raises StoreError for what cannot be this blob's head."""
    fault = ""
    if len(head) != _head_length(shape.count) or not head.startswith(_MAGIC):
        fault = "it does not begin as a blob does"
    elif _LENGTH.pack(zlib.crc32(head[: -_LENGTH.size])) != head[-_LENGTH.size :]:
        fault = "the checksum of its head is wrong"
    elif _HEAD.unpack_from(head) != (_MAGIC, shape.size, shape.chunk_octets, shape.count, blob):
        fault = "it is another blob"
    if fault:
        raise ObjectDamaged(f"blob {blob.hex()} is damaged: its object {name}: {fault}")
    lengths: Iterator[int] = (length for (length,) in _LENGTH.iter_unpack(head[_HEAD.size : -_LENGTH.size]))
    starts = tuple(itertools.accumulate(lengths, initial=len(head)))
    if any(after - before > shape.chunk_octets + _FRAME_EXTRA for before, after in itertools.pairwise(starts)):
        raise ObjectDamaged(f"blob {blob.hex()} is damaged: its object {name}: a frame is longer than can be")
    return starts
