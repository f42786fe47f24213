"""How much DNS one mail may cost. A sender chooses the names we ask for, so he must not choose how many."""

import asyncio
import time
from collections.abc import Callable

from gateway.dns.resolver import Answer, Resolver, Status, failed, impossible, normal_name


class Budget:
    """A resolver for one mail. Asking the same twice is free and gets the same answer."""

    def __init__(
        self, resolver: Resolver, max_queries: int, deadline_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._resolver = resolver
        self._left = max_queries
        self._clock = clock
        self._until = clock() + deadline_s
        self._seen: dict[tuple[str, str], Answer] = {}

    @property
    def left(self) -> int:
        """Questions that may still be asked."""
        return self._left

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """Every question that was passed on, in order of the answers."""
        return tuple(self._seen)

    async def query(self, name: str, rdtype: str) -> Answer:
        normal = normal_name(name)
        if normal is None:
            return impossible(name, rdtype)
        key = (normal, rdtype.upper())
        seen = self._seen.get(key)
        if seen is not None:
            return seen
        remaining = self._until - self._clock()
        if self._left <= 0 or remaining <= 0:
            return failed(*key, Status.BUDGET)
        self._left -= 1
        try:
            async with asyncio.timeout(remaining):
                answer = await self._resolver.query(*key)
        except TimeoutError:
            answer = failed(*key, Status.BUDGET)
        return self._seen.setdefault(key, answer)
