"""What asking a paid endpoint may cost in a day, counted in the store for all workers; and when to leave it alone."""

import time
from collections.abc import Callable

from gateway.settings.second_opinion import SecondOpinion
from store.changes.engine import Store, StoreTxn
from store.kv.contract import counter
from store.schema import expiring, keys

DAY_MS = 86_400_000
_KEY = keys.REPUTATION + b"op"

FAILURES = 3  #: in a row, after which nobody is asked for a while
REST_S = 30.0  #: the first time, doubled each time it fails again
LONGEST_REST_S = 900.0


class Spending:
    """Tokens of one day (UTC)."""

    def __init__(self, store: Store, settings: SecondOpinion, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self.limit = tokens_of(settings)

    async def reserve(self, tokens: int) -> bool:
        """Count tokens before they are spent; False when the day's budget would be exceeded. Raises StoreError."""
        if self.limit is None:
            return True
        limit, now_ms = self.limit, self._now_ms()
        key = _day(now_ms)

        def body(txn: StoreTxn) -> bool:
            value = expiring.get(txn.kv, key, now_ms)
            if (counter(value) if value is not None else 0) + tokens > limit:
                return False
            expiring.add_until(txn.kv, key, tokens, _end(now_ms), now_ms)
            return True

        return await self._store.write(body)

    async def correct(self, tokens: int) -> None:
        """Add what was spent beyond what was reserved. Raises StoreError."""
        if self.limit is None or tokens <= 0:
            return
        now_ms = self._now_ms()
        await self._store.write(
            lambda txn: expiring.add_until(txn.kv, _day(now_ms), min(tokens, 10**9), _end(now_ms), now_ms)
        )


def tokens_of(settings: SecondOpinion) -> int | None:
    """The day's budget in tokens; None is without a limit."""
    limits = [settings.tokens_per_day] if settings.tokens_per_day else []
    if settings.cost_per_day and settings.price_per_million:
        limits.append(int(settings.cost_per_day / settings.price_per_million * 1_000_000))
    return min(limits, default=None)


def _day(now_ms: int) -> bytes:
    return _KEY + keys.u32(now_ms // DAY_MS)


def _end(now_ms: int) -> int:
    return (now_ms // DAY_MS + 1) * DAY_MS


class Breaker:
    """Opens after failures in a row, and lets a single question through when its rest is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self._rest_s = REST_S

    @property
    def is_open(self) -> bool:
        """True while nobody is to be asked."""
        return self._clock() < self._until

    def worked(self) -> None:
        self._failures, self._rest_s = 0, REST_S

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES and not self.is_open:
            self._until = self._clock() + self._rest_s
            self._rest_s = min(self._rest_s * 2, LONGEST_REST_S)
