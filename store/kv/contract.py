"""The key-value contract every backend keeps: ordered bytes, transactions as functions.

A transaction is a *function* run in the store's own thread. It cannot ``await``, so it can never hold a
lock across the network, and it may run again after a conflict, so it must have no other effects.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")

#: Longest value a transaction may put, in octets. Bigger things are chunked by their owner (blobs).
MAX_VALUE_OCTETS = 100_000


class StoreError(Exception):
    """The store could not do what was asked. Our fault: SMTP answers 4xx, HTTP 503."""


class StoreUnavailable(StoreError):
    """Locked, full, or gone; nothing was written. Trying again later may help."""


class ReadTxn(Protocol):
    """One consistent snapshot."""

    def get(self, key: bytes) -> bytes | None: ...

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """These will be asked for by ``get``: fetch them together where each would cost a round trip.

        Changes no answer. Backends on this machine do nothing.
        """
        ...

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with ``start <= key < end`` in key order (or backwards). Sees this transaction's own writes.

        Live: each step gives the next key after the last one as the transaction stands now, so putting and
        deleting while iterating is safe, and a key put ahead will be met. The iterator ends with the
        transaction: consume it inside the body. Raises ValueError for a negative ``limit``.
        """
        ...


class WriteTxn(ReadTxn, Protocol):
    """A snapshot that can also be changed; everything lands together or not at all."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set one pair. Raises ValueError over MAX_VALUE_OCTETS."""
        ...

    def delete(self, key: bytes) -> None: ...

    def delete_range(self, start: bytes, end: bytes) -> None: ...

    def add(self, key: bytes, delta: int) -> int:
        """Add to a counter (absent = 0) and return its new value. Stored as 8 octets, big-endian, signed.

        Raises OverflowError when the sum leaves 64 bits.
        """
        ...


class KeyValueStore(Protocol):
    """Serialisable transactions over ordered bytes."""

    async def read(self, body: Callable[[ReadTxn], T]) -> T: ...

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        """Run ``body`` and commit; durable when it returns. An exception in ``body`` undoes all of it.

        Raises StoreUnavailable when the backend cannot commit (locked, disk full).
        """
        ...

    async def close(self) -> None: ...


def counter(value: bytes | None) -> int:
    """Read a counter written by ``WriteTxn.add``."""
    return 0 if value is None else int.from_bytes(value, "big", signed=True)


def counter_octets(value: int) -> bytes:
    """Write a counter as ``WriteTxn.add`` stores it. Raises OverflowError beyond 64 bits."""
    return value.to_bytes(8, "big", signed=True)


def check_value(value: bytes) -> bytes:
    """Return ``value``. Raises ValueError when it is longer than a transaction may put."""
    if len(value) > MAX_VALUE_OCTETS:
        raise ValueError(f"a value of {len(value)} octets is over the limit of {MAX_VALUE_OCTETS}")
    return value


def check_limit(limit: int | None) -> int | None:
    """Return the ``limit`` of a scan. Raises ValueError when it is negative."""
    if limit is not None and limit < 0:
        raise ValueError(f"a scan cannot give {limit} pairs")
    return limit


def successor(key: bytes) -> bytes:
    """The smallest key after ``key``."""
    return key + b"\x00"
