"""Blobs as files: one a blob, named by its address, written aside and renamed when it is whole and on the disk.

``FOLDER/aa/bb/<address>``   a whole blob: header, index, frames
``FOLDER/tmp/<random>``      one being written, or what a crash left of one

A file begins with its magic, the size before compression, the size of a chunk, the number of chunks, the length
of every frame, and a CRC-32 of all that, so that a range is read with two reads and only its chunks are
decompressed. Every step that a crash can fall behind is a method of ``Disk``.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import struct
import time
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from store.blob import frames
from store.blob.chunks import CHUNK_OCTETS, BlobSettings
from store.blob.contract import BlobId, BlobMissing, Staged
from store.kv.contract import StoreError, StoreUnavailable

_MAGIC = b"MWB1"
_HEAD = struct.Struct(">4sQII")  # magic, size, chunk size, count
_LENGTH = struct.Struct(">I")
_FIRST_READ = 4096  # holds the index of blobs up to 62 MiB
_PIECE_CHUNKS = 4  # that ``open`` gives at once
_ID_OCTETS = 32
_TEMPORARY = "tmp"
HOUR_S = 3600.0


class Disk:
    """The file system, step by step; a step that returned has happened, but only ``sync`` makes it last."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, file: int, octets: bytes) -> None:
        view = memoryview(octets)
        while view:
            view = view[os.write(file, view) :]

    def sync(self, file: int) -> None:
        os.fsync(file)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a file's head says."""

    size: int  #: octets before compression
    chunk_octets: int
    starts: tuple[int, ...]  #: where each frame begins in the file; one more than there are frames

    @property
    def count(self) -> int:
        return len(self.starts) - 1

    def chunk_size(self, index: int) -> int:
        return min(self.chunk_octets, self.size - index * self.chunk_octets)


class FileBlobs:
    """``BlobStore`` in a folder, shared by any number of processes. Raises StoreUnavailable when the disk does not."""

    def __init__(self, folder: Path, settings: BlobSettings | None = None, disk: Disk | None = None) -> None:
        self._folder = folder
        self._settings = settings or BlobSettings()
        self._disk = disk or Disk()

    async def stage(self, octets: bytes) -> Staged:
        """Hash and compress. A small blob waits for ``keep``; a large one is durable when this returns."""
        return await asyncio.to_thread(self._stage, octets)

    def _stage(self, octets: bytes) -> Staged:
        blob = BlobId(hashlib.sha256(octets).digest())
        if len(octets) <= self._settings.small_octets:
            return Staged(blob, len(octets), tuple(_pack(octets)))
        if not self._is_there(blob):
            self._write(blob, len(octets), list(_pack(octets)))
        return Staged(blob, len(octets), ())

    async def keep(self, staged: Staged) -> None:
        """Make a staged blob durable on its own. Raises BlobMissing when a large one was removed meanwhile."""
        await asyncio.to_thread(self._keep, staged)

    def _keep(self, staged: Staged) -> None:
        if self._is_there(staged.id):
            return
        if not staged.frames:
            raise BlobMissing(staged.id.hex())
        self._write(staged.id, staged.size, staged.frames)

    def _is_there(self, blob: BlobId) -> bool:
        """Whether it is there for good: its writer may not have come to the last step."""
        path = self._path(blob)
        with _named(blob):
            if not path.exists():
                return False
            try:
                self._disk.sync_folder(path.parent)
            except FileNotFoundError:
                return False
            return path.exists()

    def _write(self, blob: BlobId, size: int, packed: Sequence[bytes]) -> None:
        path = self._path(blob)
        aside = self._folder / _TEMPORARY / secrets.token_hex(16)
        with _named(blob):
            self._make_folders(path)
            try:
                file = self._disk.create(aside)
                try:
                    self._disk.write(file, _head(size, packed) + b"".join(packed))
                    self._disk.sync(file)
                finally:
                    os.close(file)
                self._disk.rename(aside, path)
            except OSError:
                with contextlib.suppress(OSError):
                    self._disk.unlink(aside)
                raise
            self._disk.sync_folder(path.parent)

    def _make_folders(self, path: Path) -> None:
        for folder in (self._folder, self._folder / _TEMPORARY, path.parent.parent, path.parent):
            if not folder.exists():
                self._disk.make_folder(folder)
            # Also when somebody else made it just now: its name must last before the blob's does.
            if folder != self._folder / _TEMPORARY:
                self._disk.sync_folder(folder.parent)

    async def read(self, blob: BlobId, start: int = 0, end: int | None = None) -> bytes:
        """Octets ``start`` to ``end``. Raises BlobMissing, and StoreError when the file is damaged."""
        return await asyncio.to_thread(self._read, blob, start, end)

    def _read(self, blob: BlobId, start: int, end: int | None) -> bytes:
        with _named(blob), self._opened(blob) as file:
            layout = _layout_of(file)
            end = layout.size if end is None else min(end, layout.size)
            if start < 0 or end < 0:
                raise ValueError(f"octets {start} to {end} of a blob: bounds count from its start")
            if start >= end:
                return b""
            first, last = start // layout.chunk_octets, (end - 1) // layout.chunk_octets
            chunks = _chunks(file, layout, first, last)
            chunks[-1] = chunks[-1][: end - last * layout.chunk_octets]
            chunks[0] = chunks[0][start - first * layout.chunk_octets :]
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def open(self, blob: BlobId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces of at most 256 KiB; what is removed meanwhile is missing."""
        size = await asyncio.to_thread(self._size, blob)
        stop = size if end is None else min(end, size)
        step = _PIECE_CHUNKS * CHUNK_OCTETS
        position = start
        while position < stop:
            upto = min(stop, (position // step + 1) * step)
            yield await self.read(blob, position, upto)
            position = upto

    def _size(self, blob: BlobId) -> int:
        with _named(blob), self._opened(blob) as file:
            return _layout_of(file).size

    async def remove(self, blob: BlobId) -> None:
        """Forget the octets. Removing what is not there is fine."""
        if len(blob) == _ID_OCTETS:
            await asyncio.to_thread(self._remove, blob)

    def _remove(self, blob: BlobId) -> None:
        path = self._path(blob)
        with _named(blob), contextlib.suppress(FileNotFoundError):
            self._disk.unlink(path)
            self._disk.sync_folder(path.parent)

    async def list_ids(self) -> list[BlobId]:
        """Every whole blob, in order. What is half-written has no name here."""
        return await asyncio.to_thread(lambda: sorted(self._ids()))

    def _ids(self) -> Iterator[BlobId]:
        for path in self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            name = path.name
            if len(name) == 2 * _ID_OCTETS and name[:4] == path.parent.parent.name + path.parent.name:
                with contextlib.suppress(ValueError):
                    yield BlobId(bytes.fromhex(name))

    async def collect(self, older_than_s: float = HOUR_S) -> int:
        """Remove what crashes left half-written; how many files. Younger ones may still be written."""
        return await asyncio.to_thread(self._collect, older_than_s)

    def _collect(self, older_than_s: float) -> int:
        removed = 0
        for path in (self._folder / _TEMPORARY).glob("*"):
            with contextlib.suppress(FileNotFoundError):  # its writer was quicker
                if time.time() - path.stat().st_mtime >= older_than_s:
                    self._disk.unlink(path)
                    removed += 1
        return removed

    async def fault_of(self, blob: BlobId) -> str | None:
        """What is wrong with a blob, for a check; None when every octet is as it was written."""
        try:
            octets = await self.read(blob)
        except BlobMissing:
            return "not there as a whole"
        except StoreError as error:
            return str(error)
        return None if hashlib.sha256(octets).digest() == blob else "its octets do not have its address"

    def _path(self, blob: BlobId) -> Path:
        name = blob.hex()
        return self._folder / name[:2] / name[2:4] / name

    @contextlib.contextmanager
    def _opened(self, blob: BlobId) -> Iterator[int]:
        if len(blob) != _ID_OCTETS:
            raise BlobMissing(blob.hex())
        try:
            file = os.open(self._path(blob), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BlobMissing(blob.hex()) from error
        try:
            yield file
        finally:
            os.close(file)


@contextlib.contextmanager
def _named(blob: BlobId) -> Iterator[None]:
    """Say which blob it was. Raises StoreUnavailable for a disk that does not, StoreError for a damaged file."""
    try:
        yield
    except OSError as error:
        why = errno.errorcode.get(error.errno or 0, "?")
        raise StoreUnavailable(f"blob {blob.hex()}: {why} {error.strerror}") from error
    except frames.FrameDamaged as error:
        raise StoreError(f"blob {blob.hex()} is damaged: {error}") from error


def _pack(octets: bytes) -> Iterator[bytes]:
    """The frames; an empty blob has one."""
    for start in range(0, max(1, len(octets)), CHUNK_OCTETS):
        yield frames.pack(octets[start : start + CHUNK_OCTETS])


def _head(size: int, packed: Sequence[bytes]) -> bytes:
    head = _HEAD.pack(_MAGIC, size, CHUNK_OCTETS, len(packed)) + b"".join(_LENGTH.pack(len(one)) for one in packed)
    return head + _LENGTH.pack(zlib.crc32(head))


def _layout_of(file: int) -> _Layout:
    """Read a file's head. Raises FrameDamaged."""
    head = os.pread(file, _FIRST_READ, 0)
    if len(head) < _HEAD.size or not head.startswith(_MAGIC):
        raise frames.FrameDamaged("it does not begin as a blob does")
    _, size, chunk_octets, count = _HEAD.unpack_from(head)
    length = _HEAD.size + (count + 1) * _LENGTH.size
    if length > os.fstat(file).st_size or count != max(1, -(-size // max(1, chunk_octets))):
        raise frames.FrameDamaged("its head says what cannot be")
    if length > len(head):
        head = os.pread(file, length, 0)
    index, checksum = head[: length - _LENGTH.size], head[length - _LENGTH.size : length]
    if _LENGTH.pack(zlib.crc32(index)) != checksum:
        raise frames.FrameDamaged("the checksum of its head is wrong")
    starts = [length]
    for (octets,) in _LENGTH.iter_unpack(index[_HEAD.size :]):
        starts.append(starts[-1] + octets)
    return _Layout(size, chunk_octets, tuple(starts))


def _chunks(file: int, layout: _Layout, first: int, last: int) -> list[bytes]:
    begin = layout.starts[first]
    packed = os.pread(file, layout.starts[last + 1] - begin, begin)
    found = []
    for index in range(first, last + 1):
        frame = packed[layout.starts[index] - begin : layout.starts[index + 1] - begin]
        found.append(frames.unpack(frame, layout.chunk_size(index)))
    return found
