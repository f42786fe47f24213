"""Who changed, told to whoever listens: in this process at once, to other processes by hints.

A hint is no message. A lost one costs latency, never correctness: every subscription also looks for itself
now and then (``poll_s``).
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

#: The pseudo account whose announcements say "a mail was judged or a held one changed".
SYSTEM = 0
#: The pseudo account whose announcements say "there is a job to do".
QUEUE = 0xFFFF_FFFF
#: The pseudo account whose announcements say "there is mail to index".
INDEX = 0xFFFF_FFFE

Wake = Callable[[Collection[int] | None], None]
"""Called on the event loop with accounts that changed elsewhere; None: any may have, hints were lost."""


class Hints(Protocol):
    """How the processes that share a store wake each other: datagrams, LISTEN/NOTIFY, watches.

    Implemented beside what carries it (``store/changes/datagrams.py``, ``store/kv/postgres_hints.py``) and chosen
    by ``store.changes.opening``. Nothing here may fail or delay a commit: what cannot be told is not told.
    """

    async def start(self, wake: Wake) -> None:
        """Begin to listen; what other processes publish is given to ``wake``, what this one does is not.

        Returns at once when the other side cannot be reached now, and goes on trying. Raises OSError only when
        hints can never work as configured.
        """
        ...

    def publish(self, accounts: Collection[int]) -> None:
        """Tell other processes that these accounts have changed: the commit is done. Never waits, never raises."""
        ...

    async def close(self) -> None:
        """Send what is still to be told, within a second, and stop."""
        ...


class Listener:
    """One subscription: an event that is set when something happened. Bounded by nature: events do not queue."""

    def __init__(self, hub: "Announcer", account: int) -> None:
        self._hub = hub
        self.account = account
        self.event = asyncio.Event()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a change; False after ``timeout_s`` without one, when the caller should look for itself."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True

    def close(self) -> None:
        self._hub.forget(self)

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Announcer:
    """The hub of one process. With ``hints`` it also wakes, and is woken by, the others on the same store."""

    def __init__(self, hints: Hints | None = None) -> None:
        self._listeners: dict[int, set[Listener]] = defaultdict(set)
        self._hints = hints

    async def start(self) -> None:
        """Begin to hear from other processes. Without hints there is nothing to begin. Raises OSError."""
        if self._hints is not None:
            await self._hints.start(self.wake)

    async def close(self) -> None:
        if self._hints is not None:
            await self._hints.close()

    def subscribe(self, account: int) -> Listener:
        listener = Listener(self, account)
        self._listeners[account].add(listener)
        return listener

    def forget(self, listener: Listener) -> None:
        listeners = self._listeners.get(listener.account)
        if listeners is not None:
            listeners.discard(listener)
            if not listeners:
                del self._listeners[listener.account]

    def announce(self, accounts: Iterable[int]) -> None:
        """Called by Store after a commit, never by anyone else."""
        touched = tuple(accounts)
        self.wake(touched)
        if self._hints is not None and touched:
            self._hints.publish(touched)

    def wake(self, accounts: Collection[int] | None) -> None:
        """Wake the subscriptions of these accounts in this process; None wakes all."""
        for account in list(self._listeners) if accounts is None else accounts:
            for listener in self._listeners.get(account, ()):
                listener.event.set()
