"""The octets of a large blob on their way in: read more than once, and never all in memory when they stream.

What streams in has no address before its end, so its packed frames wait in a temporary file without a name. With
encryption on, they wait under a key that is only in memory and is gone with the file.
"""

import hashlib
import os
import struct
import tempfile
from array import array
from pathlib import Path
from types import TracebackType
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.blob import frames
from store.blob.contract import BlobId

CHUNK_OCTETS = 64 * 1024  #: before compression
_MEMORY_OCTETS = 1024 * 1024  #: packed, before a file is made
_NONCE = struct.Struct(">4xQ")


class Source(Protocol):
    """A blob to be written."""

    id: BlobId
    size: int  #: octets before compression

    def frames(self, first: int, last: int) -> list[bytes]:
        """Packed chunks ``first`` to ``last``, the latter not included. Takes time: call it in a thread."""
        ...


def count_of(size: int) -> int:
    """Chunks of a blob; an empty one has one empty chunk."""
    return max(1, -(-size // CHUNK_OCTETS))


def address_of(octets: bytes) -> BlobId:
    return BlobId(hashlib.sha256(octets).digest())


class InMemory:
    """Octets that are in memory anyway, packed as they are asked for."""

    def __init__(self, octets: bytes, blob: BlobId | None = None) -> None:
        self.id = blob or address_of(octets)
        self.size = len(octets)
        self._octets = octets

    def frames(self, first: int, last: int) -> list[bytes]:
        return [
            frames.pack(self._octets[index * CHUNK_OCTETS : (index + 1) * CHUNK_OCTETS]) for index in range(first, last)
        ]


class Spool:
    """Frames in a temporary file. Feed it in threads; ``finish`` gives it its address."""

    def __init__(self, folder: Path | None = None, *, is_secret: bool = False) -> None:
        """``folder`` None is the system's place for temporary files; ``is_secret`` encrypts what waits."""
        self.id = BlobId(b"")
        self.size = 0
        self.lengths = array("I")  #: of the packed frames
        self._digest = hashlib.sha256()
        self._rest = bytearray()
        self._file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_OCTETS, dir=str(folder) if folder else None)  # noqa: SIM115 - closed by close
        self._starts = array("Q", [0])
        self._cipher = AESGCM(os.urandom(32)) if is_secret else None

    def feed(self, octets: bytes) -> None:
        """Raises OSError when the disk does not take it."""
        self._digest.update(octets)
        self.size += len(octets)
        self._rest += octets
        while len(self._rest) >= CHUNK_OCTETS:
            self.add(frames.pack(bytes(memoryview(self._rest)[:CHUNK_OCTETS])))
            del self._rest[:CHUNK_OCTETS]

    def finish(self) -> None:
        if self._rest or not self.lengths:
            self.add(frames.pack(bytes(self._rest)))
            self._rest.clear()
        self.id = BlobId(self._digest.digest())

    def name(self, blob: BlobId, size: int) -> None:
        """Say what the frames that were added are, instead of ``finish``."""
        self.id, self.size = blob, size

    def add(self, frame: bytes) -> None:
        """Add a packed frame. Raises OSError when the disk does not take it."""
        kept = frame if self._cipher is None else self._cipher.encrypt(_NONCE.pack(len(self.lengths)), frame, None)
        self._file.write(kept)
        self.lengths.append(len(frame))
        self._starts.append(self._starts[-1] + len(kept))

    def frames(self, first: int, last: int) -> list[bytes]:
        last = min(last, len(self.lengths))
        self._file.seek(self._starts[first])
        kept = [self._file.read(self._starts[index + 1] - self._starts[index]) for index in range(first, last)]
        if self._cipher is None:
            return kept
        return [self._cipher.decrypt(_NONCE.pack(index), frame, None) for index, frame in enumerate(kept, first)]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
