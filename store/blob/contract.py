"""The blob contract: content-addressed octets, durable before anything points at them.

Order, stated once: blob durable, then the transaction that links it commits, then unlinked blobs are
collected later. A crash between any two leaves garbage, never loss. A small blob rides in the same
transaction as its link: ``stage`` only prepares it, ``StoreTxn.keep`` writes it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NewType, Protocol

BlobId = NewType("BlobId", bytes)  #: SHA-256 of the octets before compression, 32 octets


@dataclass(frozen=True, slots=True)
class Staged:
    """A blob ready to be linked. ``frames`` is empty when it is already durable on its own."""

    id: BlobId
    size: int  #: octets before compression
    frames: tuple[bytes, ...]


class BlobMissing(Exception):
    """No blob has this id: it was never written, or collected."""


class BlobStore(Protocol):
    async def stage(self, octets: bytes) -> Staged:
        """Hash and compress. A small blob waits for ``keep``; a large one is durable when this returns."""
        ...

    async def read(self, blob: BlobId, start: int = 0, end: int | None = None) -> bytes:
        """Octets ``start`` to ``end`` without decompressing the rest. Raises BlobMissing."""
        ...

    def open(self, blob: BlobId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The same, as chunks. Raises BlobMissing."""
        ...

    async def remove(self, blob: BlobId) -> None:
        """Forget the octets. Removing what is not there is fine."""
        ...
