"""Counts what each mail showed, in memory, and adds it to the store now and then: a mail costs a few dictionary steps.

Only declared signals are counted, so there are never more rows or metrics than signals. What a worker counted in its
last seconds before it is killed is lost; nothing but these figures hangs on it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from store.changes.engine import Store, StoreTxn
from store.kv.contract import StoreError
from store.trace import sightings
from store.trace.sightings import day_of

log = structlog.get_logger()

EVERY_S = 10.0  #: between additions to the store
KEPT_DAYS = 90
MAILS = ""  #: what every mail counts as, too


class Tally:
    """One worker's counts since its last addition."""

    def __init__(self, store: Store, declared: Iterable[str], now_s: Callable[[], float]) -> None:
        self._store = store
        self._declared = frozenset(declared)
        self._now_s = now_s
        self._seen: Counter[tuple[str, bool]] = Counter()

    def count(self, signals: Iterable[str], *, is_unwanted: bool) -> None:
        """Count one judged mail. Cheap, and done in the event loop only."""
        seen, declared = self._seen, self._declared
        seen[MAILS, is_unwanted] += 1
        for name in signals:
            if name in declared:
                seen[name, is_unwanted] += 1

    async def add(self) -> None:
        """Add what was counted to the store; kept for the next time where the store cannot take it."""
        if not self._seen:
            return
        seen, self._seen = self._seen, Counter()
        day = day_of(self._now_s())

        def body(txn: StoreTxn) -> None:
            sightings.add(txn, day, seen)
            sightings.forget(txn, day - KEPT_DAYS)

        try:
            await self._store.write(body)
        except StoreError as error:
            log.warning("tally.later", error=repr(error))
            self._seen.update(seen)

    async def follow(self) -> None:
        """Add for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.add()
