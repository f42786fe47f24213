"""The blob contract: content-addressed octets, durable before anything points at them.

Order, stated once: octets durable, then the transaction that links them commits (``keep`` writes the row that says
where they are), then unlinked blobs are collected later: row first, octets after. A crash between any two leaves
garbage, never loss. A small blob rides in the same transaction as its link: ``stage`` only prepares it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

BlobId = NewType("BlobId", bytes)  #: SHA-256 of the octets before compression, 32 octets


@dataclass(frozen=True, slots=True)
class Staged:
    """A blob ready to be linked: hand it to ``keep`` in the transaction that links it."""

    id: BlobId
    size: int  #: octets before compression
    frames: tuple[bytes, ...]  #: empty when the octets are already durable on their own
    meta: bytes = b""  #: the row that ``keep`` writes; empty when it is there already
    until_s: float = 0.0  #: when octets elsewhere may be swept as garbage (seconds since 1970); 0 is never


@dataclass(frozen=True, slots=True)
class Wanted:
    """A range of a blob, for ``read_many``."""

    blob: BlobId
    start: int = 0
    end: int | None = None


class BlobMissing(Exception):
    """No blob has this id: it was never written, or collected."""


class BlobTooLarge(Exception):
    """What streamed in is longer than the limit."""


class BlobStore(Protocol):
    async def stage(self, octets: bytes) -> Staged:
        """Hash and compress. A small blob waits for ``keep``; a large one is durable when this returns."""
        ...

    async def stage_stream(self, chunks: AsyncIterator[bytes], limit: int) -> Staged:
        """The same for octets that come piece by piece; holds a few chunks. Raises BlobTooLarge over ``limit``."""
        ...

    async def read(self, blob: BlobId, start: int = 0, end: int | None = None) -> bytes:
        """Octets ``start`` to ``end`` without decompressing the rest. Raises BlobMissing."""
        ...

    async def read_many(self, wanted: Sequence[Wanted]) -> list[bytes | None]:
        """Several ranges, those of the key-value store in one snapshot; None for what is missing."""
        ...

    def open(self, blob: BlobId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The same, in pieces of at most 1 MiB. Raises BlobMissing."""
        ...

    async def size(self, blob: BlobId) -> int:
        """Octets before compression. Raises BlobMissing."""
        ...

    async def fault_of(self, blob: BlobId) -> str | None:
        """What is wrong with a blob, for a check; None when every octet is as it was written."""
        ...

    async def list_ids(self, after: BlobId | None = None, limit: int = 1000) -> list[BlobId]:
        """The next ids after one, in order, also of blobs half-written; empty at the end."""
        ...

    async def remove(self, blob: BlobId) -> None:
        """Forget the octets, linked or not. Removing what is not there is fine."""
        ...
