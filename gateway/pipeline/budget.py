"""How much of a worker's time the language model may take: a flood must not turn into a queue."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ReadingBudget:
    """Seconds of reading a second of time, saved up for ``burst_s`` at most. One worker, one judging thread."""

    def __init__(self, share: float, *, burst_s: float = 3.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._most = burst_s * share
        self._left = self._most
        self._clock = clock
        self._at = clock()

    @property
    def is_spent(self) -> bool:
        """True while reading has taken more than its share."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._share)
        self._at = now
        return self._left <= 0

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the processor time of the block; to be used in the thread that does the reading."""
        start = time.thread_time()
        try:
            yield
        finally:
            self._left -= time.thread_time() - start
