"""A key-value store whose n-th write transaction fails, for crash tests: for n in range(all writes): crash, look."""

from collections.abc import Callable
from typing import TypeVar

from store.kv.contract import KeyValueStore, ReadTxn, StoreUnavailable, WriteTxn

T = TypeVar("T")


class FaultyKeyValueStore:
    """``KeyValueStore`` over ``inner`` that raises StoreUnavailable once, and on every write after it if ``stays``.

    ``fail_at`` counts write transactions from 0; None never fails. With ``after_commit`` the failing one lands
    and only its answer is lost, as when the power goes between the commit and the reply.
    """

    def __init__(
        self, inner: KeyValueStore, fail_at: int | None, *, after_commit: bool = False, stays: bool = False
    ) -> None:
        self._inner = inner
        self._fail_at = fail_at
        self._after_commit = after_commit
        self._stays = stays
        self.writes = 0  #: write transactions asked for so far

    @property
    def has_failed(self) -> bool:
        return self._fail_at is not None and self.writes > self._fail_at

    async def read(self, body: Callable[[ReadTxn], T]) -> T:
        return await self._inner.read(body)

    async def write(self, body: Callable[[WriteTxn], T]) -> T:
        number = self.writes
        self.writes += 1
        if self._fail_at is None or number < self._fail_at or (number > self._fail_at and not self._stays):
            return await self._inner.write(body)
        if number == self._fail_at and self._after_commit:
            await self._inner.write(body)
        raise StoreUnavailable(f"write {number} fails on purpose")

    async def close(self) -> None:
        await self._inner.close()
