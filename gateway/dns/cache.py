"""Remembers answers as long as their owners allow, and asks each question once at a time. RFC 2308, RFC 9520."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from gateway.dns.resolver import Answer, Resolver, Status, failed, impossible, normal_name
from gateway.dns.settings import CacheSettings


class CachingResolver:
    """A resolver in front of another. One event loop only; least recently used answers go first."""

    def __init__(
        self,
        inner: Resolver,
        settings: CacheSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._settings = settings or CacheSettings()
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], tuple[float, Answer]] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self.hits = 0
        self.misses = 0

    async def query(self, name: str, rdtype: str) -> Answer:
        normal = normal_name(name)
        if normal is None:
            return impossible(name, rdtype)
        key = (normal, rdtype.upper())
        kept = self._lookup(key)
        if kept is not None:
            self.hits += 1
            return kept
        task = self._asking.get(key)
        if task is None:
            self.misses += 1
            task = asyncio.create_task(self._ask(key))
            self._asking[key] = task
        try:
            return await asyncio.shield(task)  # an asker that gives up must not take the answer from the others
        except asyncio.CancelledError:
            if task.cancelled():  # closed under the asker, who was not cancelled himself
                return failed(*key, Status.SERVFAIL)
            raise

    async def aclose(self) -> None:
        """Stop the questions that are under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def clear(self) -> None:
        """Forget everything, for an administrator who has just changed a record."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def _lookup(self, key: tuple[str, str]) -> Answer | None:
        found = self._kept.get(key)
        if found is None:
            return None
        until, answer = found
        left = until - self._clock()
        if left <= 0:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return replace(answer, ttl_s=int(left))

    async def _ask(self, key: tuple[str, str]) -> Answer:
        try:
            answer = await self._inner.query(*key)
            self._keep(key, answer)
            return answer
        finally:
            self._asking.pop(key, None)

    def _keep(self, key: tuple[str, str], answer: Answer) -> None:
        self._kept[key] = (self._clock() + self._lifetime(answer), answer)
        self._kept.move_to_end(key)
        while len(self._kept) > self._settings.entries:
            self._kept.popitem(last=False)

    def _lifetime(self, answer: Answer) -> int:
        """Seconds."""
        limits = self._settings
        if answer.is_temporary:
            return limits.temporary_s
        if answer.status is Status.OK:
            return max(limits.min_ttl_s, min(answer.ttl_s, limits.max_ttl_s))
        return max(limits.min_negative_ttl_s, min(answer.ttl_s, limits.max_negative_ttl_s))
